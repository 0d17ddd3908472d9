"""The rules of channels: the labels of each operator's results from those of its arguments."""

from narrows.channels.rules import (
    attention,
    concat,
    convolutions,
    elementwise,
    factories,
    gather,
    layers,
    norms,
    permute,
    recurrent,
    reductions,
    reshape,
    single_index,
    slicing,
    spatial,
    spectral_norms,
    writes,
)
from narrows.channels.rules.registry import RULES, trace
from narrows.channels.rules.unsupported import UNFOLLOWED

__all__ = [
    "RULES",
    "UNFOLLOWED",
    "attention",
    "concat",
    "convolutions",
    "elementwise",
    "factories",
    "gather",
    "layers",
    "norms",
    "permute",
    "recurrent",
    "reductions",
    "reshape",
    "single_index",
    "slicing",
    "spatial",
    "spectral_norms",
    "trace",
    "writes",
]
