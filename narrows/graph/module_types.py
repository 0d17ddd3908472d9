"""The classes of a network's modules, by name: which constructor arguments a module has.

`torch.export` records for each call the stack of modules that it is made in, with their classes.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.export import ExportedProgram

_TORCH = re.compile(r"torch\.nn\.modules\.\w+\.(\w+)", re.ASCII)
_CALL = re.compile(r"@\d+$", re.ASCII)
"""The mark of a second call of a module in the same forward pass."""


def type_name(text: str) -> str:
    """Return the name of a class as users write it: torch's modules under `torch.nn`.

    >>> type_name("torch.nn.modules.linear.Linear"), type_name("mine.Block")
    ('torch.nn.Linear', 'mine.Block')
    """
    torchs = _TORCH.fullmatch(text)
    return f"torch.nn.{torchs[1]}" if torchs else text


def module_path(text: str) -> str:
    """Return a module's path without the number of its call.

    >>> module_path("blocks.0@1")
    'blocks.0'
    """
    return _CALL.sub("", text)


def function_name(recorded: str) -> str:
    """Return the name of the function that the user's code, or torch's, called.

    `recorded` is the second half of the `torch_fn` that torch.export records.

    >>> function_name("method_descriptor.view"), function_name("OpOverload.linear.default")
    ('view', 'linear')
    """
    _, _, name = recorded.partition(".")
    return name.partition(".")[0]


def torch_type(module: nn.Module) -> str:
    """Return the name of the module's class, or of the class of torch.nn that it derives from.

    >>> class Projection(nn.Linear):
    ...     pass
    >>> torch_type(Projection(1, 1))
    'torch.nn.Linear'
    """
    for base in type(module).__mro__:
        name = type_name(f"{base.__module__}.{base.__qualname__}")
        if name.startswith("torch.nn.") and base is not nn.Module:
            return name
    return f"{type(module).__module__}.{type(module).__qualname__}"


def module_types(module: nn.Module) -> dict[str, str]:
    """Return the class of each module by its path; a shared module has several.

    >>> module_types(nn.Sequential(nn.Linear(1, 1)))
    {'': 'torch.nn.Sequential', '0': 'torch.nn.Linear'}
    """
    return {path: torch_type(child) for path, child in module.named_modules(remove_duplicate=False)}


def name_types(program: ExportedProgram, types: Mapping[str, str]) -> None:
    """Write the classes of modules by path, `types`, into the program's record of its calls."""
    for node in program.graph.nodes:
        stack: Mapping[str, Any] = node.meta.get("nn_module_stack", {})
        if stack:
            node.meta["nn_module_stack"] = {
                key: (path, types.get(module_path(path), kind))
                for key, (path, kind) in stack.items()
            }
