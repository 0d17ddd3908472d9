"""Cuts and copies to try, and their proof."""

import numpy as np

from narrows.arrays import Ints
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.surgery import Verification, resize, verify
from narrows.vocabulary import Init


def analysed(network: Network) -> tuple[Network, Channels]:
    return network, find_channels(network, trace_shapes(network))


def cut_some(channels: Channels, seed: int, left: int = 1) -> Ints:
    """Cut about half of the structures; leave at least so many of each group."""
    rng = np.random.default_rng(seed)
    copies = np.ones(len(channels), np.int64)
    for group in np.unique(channels.groups):
        members = rng.permutation(np.flatnonzero(channels.groups == group))[left:]
        copies[members] = rng.integers(2, size=len(members))
    return copies


def prove(
    network: Network, channels: Channels, copies: Ints, init: Init = "preserve"
) -> Verification:
    return verify(
        network, channels, copies, resize(network, channels, copies, init=init), init=init
    )
