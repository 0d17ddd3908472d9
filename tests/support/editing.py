"""The edits of a plan, made in the source: what they name is constructed anew."""

import copy
import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from narrows.plans.edits import Edit
from narrows.plans.planner import Plan


def edits_of(plan: Plan) -> list[Edit]:
    return [edit for layer in plan.layers for edit in layer.edits]


def edited(module: nn.Module, edits: Iterable[Edit]) -> nn.Module:
    """Return a copy of a module in which each module that edits name has other attributes."""
    changed: dict[str, dict[str, Any]] = {}
    for edit in edits:
        changed.setdefault(edit.module, {})[edit.attribute] = edit.after
    result = copy.deepcopy(module)
    for path, attributes in changed.items():
        anew = _anew(module.get_submodule(path), attributes)
        if not path:
            return anew
        parent, _, name = path.rpartition(".")
        result.get_submodule(parent).register_module(name, anew)
    return result


def _anew(module: nn.Module, attributes: dict[str, Any]) -> nn.Module:
    """Construct a module of torch.nn with the attributes of this one, except for those given."""
    kind = next(c for c in type(module).__mro__ if c.__module__.startswith("torch.nn.modules"))
    makers = [kind, nn.RNNBase] if isinstance(module, nn.RNNBase) else [kind]
    names = [name for maker in makers for name in inspect.signature(maker).parameters]
    names = [name for name in names if hasattr(module, name) and name != "mode"]
    values = {name: getattr(module, name) for name in names} | attributes
    if not isinstance(values.get("bias", True), bool):
        values["bias"] = values["bias"] is not None
    if isinstance(module, nn.MultiheadAttention):
        values |= {"bias": module.in_proj_bias is not None}
        values |= {"add_bias_kv": module.bias_k is not None}
    floats = [t.dtype for t in module.state_dict().values() if t.is_floating_point()]
    dtype = floats[0] if floats else torch.get_default_dtype()
    anew: nn.Module = kind(**values)
    return anew.to(dtype).train(module.training)
