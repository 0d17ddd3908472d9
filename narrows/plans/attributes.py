"""The attributes of torch's modules that count channels, and what tells their values.

Each function yields (attribute, value) pairs; an attribute may have several, which must agree:
after the edit, the module's constructor makes tensors of exactly these sizes.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce

from narrows.graph.dimensions import as_list
from narrows.graph.node import Node
from narrows.plans.attention_edits import attention
from narrows.plans.modules import Module, Width

Attributes = Iterator[tuple[str, Width]]
_RECURRENT = re.compile(r"(weight|bias)_(ih|hh)_l(\d+)(_reverse)?")


def _linear(module: Module) -> Attributes:
    yield from _each("in_features", module.sizes("weight", 1))
    yield from _each("out_features", module.sizes("weight", 0))
    yield from _each("out_features", module.sizes("bias", 0))


def _convolution(module: Module) -> Attributes:
    for groups in module.literals("conv", "groups") if _has_groups(module) else [Width(1, 1)]:
        yield "groups", groups
        for width in module.sizes("weight", 1):
            yield "in_channels", width.times(groups)
    yield from _each("out_channels", module.sizes("weight", 0))
    yield from _each("out_channels", module.sizes("bias", 0))


def _transposed(module: Module) -> Attributes:
    yield from _each("in_channels", module.sizes("weight", 0))
    for groups in module.literals("conv", "groups") if _has_groups(module) else [Width(1, 1)]:
        yield "groups", groups
        for width in module.sizes("weight", 1):
            yield "out_channels", width.times(groups)
    yield from _each("out_channels", module.sizes("bias", 0))


def _has_groups(module: Module) -> bool:
    return any("conv" in node.op and "groups" in node.inputs for node in module.nodes)


def _vectors(attribute: str) -> Callable[[Module], Attributes]:
    """Return the function for norms over each channel, whose tensors are vectors."""

    def attributes(module: Module) -> Attributes:
        for name in ("weight", "bias", "running_mean", "running_var"):
            yield from _each(attribute, module.sizes(name, 0))
        yield from _each(attribute, module.inputs(1))

    return attributes


def _group_norm(module: Module) -> Attributes:
    yield from _each("num_groups", module.literals("group_norm", "num_groups", "group"))
    yield from _vectors("num_channels")(module)


def _layer_norm(module: Module) -> Attributes:
    """Tell the normalized shape: that of the tensors, and the last dimensions of the input."""
    rank = next(
        (len(as_list(n.inputs["normalized_shape"])) for n in module.nodes if _has_shape(n)), 1
    )
    shapes = [[module.sizes(name, dim) for dim in range(rank)] for name in module.tensors]
    shapes.append([module.inputs(dim) for dim in range(-rank, 0)])
    for shape in shapes:
        for first, *others in zip(*shape, strict=False):
            joined = replace(first, before=(first.before,), after=(first.after,))
            yield "normalized_shape", reduce(Width.beside, others, joined)


def _has_shape(node: Node) -> bool:
    return "normalized_shape" in node.inputs


def _prelu(module: Module) -> Attributes:
    yield from _each("num_parameters", module.sizes("weight", 0))


def _embedding(module: Module) -> Attributes:
    yield from _each("num_embeddings", module.sizes("weight", 0))
    yield from _each("embedding_dim", module.sizes("weight", 1))


def _recurrent(gates: int) -> Callable[[Module], Attributes]:
    """Return the function for a recurrent layer with so many gates."""

    def attributes(module: Module) -> Attributes:
        directions = 1 + any(name.endswith("_reverse") for name in module.tensors)
        for name in module.tensors:
            parts = _RECURRENT.fullmatch(name)
            if parts is None:
                continue
            yield from _each("hidden_size", module.sizes(name, 0, gates))
            if parts[1] == "weight" and parts[2] == "ih" and parts[3] == "0":
                yield from _each("input_size", module.sizes(name, 1))
            elif parts[1] == "weight":
                blocks = directions if parts[2] == "ih" else 1
                yield from _each("hidden_size", module.sizes(name, 1, blocks))

    return attributes


def _each(attribute: str, widths: Iterable[Width]) -> Attributes:
    return ((attribute, width) for width in widths)


_SPATIAL = ("1d", "2d", "3d")
ATTRIBUTES: Mapping[str, Callable[[Module], Attributes]] = {
    f"torch.nn.{name}": attributes
    for name, attributes in {
        "Linear": _linear,
        **{f"Conv{n}": _convolution for n in _SPATIAL},
        **{f"ConvTranspose{n}": _transposed for n in _SPATIAL},
        **{f"BatchNorm{n}": _vectors("num_features") for n in _SPATIAL},
        **{f"InstanceNorm{n}": _vectors("num_features") for n in _SPATIAL},
        "SyncBatchNorm": _vectors("num_features"),
        "GroupNorm": _group_norm,
        "LayerNorm": _layer_norm,
        "RMSNorm": _layer_norm,
        "PReLU": _prelu,
        "Embedding": _embedding,
        "EmbeddingBag": _embedding,
        "RNN": _recurrent(1),
        "GRU": _recurrent(3),
        "LSTM": _recurrent(4),
        "MultiheadAttention": attention,
    }.items()
}
"""By class of torch.nn: its attributes that count channels."""

_CLASSES: Mapping[str, str] = {
    "linear": "Linear",
    "embedding": "Embedding",
    "prelu": "PReLU",
    "batch_norm": "BatchNorm2d",
    "group_norm": "GroupNorm",
    "layer_norm": "LayerNorm",
    "rms_norm": "RMSNorm",
    **{f"conv{n}": f"Conv{n}" for n in _SPATIAL},
    **{f"conv_transpose{n}": f"ConvTranspose{n}" for n in _SPATIAL},
}


def usual_class(op: str) -> str | None:
    """Return the class of torch.nn that makes such a call, for an export that names no classes.

    >>> usual_class("conv2d"), usual_class("add.Tensor")
    ('torch.nn.Conv2d', None)
    """
    name = _CLASSES.get(op.partition(".")[0])
    return f"torch.nn.{name}" if name else None
