"""How each operator carries channel labels from its inputs to its outputs."""

from worker.sosp.channel_rules import (
    attention,
    elementwise,
    joins,
    layers,
    moves,
    norms,
    pieces,
    reductions,
    spatial,
    views,
)
from worker.sosp.channel_rules.registry import RULES, trace
from worker.sosp.channel_rules.unfollowed import UNFOLLOWED

__all__ = [
    "RULES",
    "UNFOLLOWED",
    "attention",
    "elementwise",
    "joins",
    "layers",
    "moves",
    "norms",
    "pieces",
    "reductions",
    "spatial",
    "trace",
    "views",
]
