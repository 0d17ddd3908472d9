"""Random numbers of a run: each purpose has its own stream, a function of the run's seed.

Nothing depends on what was drawn before, so a run that is resumed draws what it would have drawn.
"""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What random numbers are drawn for."""

    SPLIT = 0
    ORDER = 1
    AUGMENT = 2
    DROPOUT = 3
    WEIGHTS = 4
    PRUNE = 5


def seed_of(seed: int, stream: Stream, index: int = 0) -> int:
    """Return the seed of the numbers of one purpose, such as of the batch `index`.

    >>> seed_of(0, Stream.ORDER, 1) == seed_of(0, Stream.ORDER, 1)
    True
    >>> len({seed_of(s, t, i) for s in range(2) for t in Stream for i in range(2)})
    24
    """
    state = np.random.SeedSequence([seed, stream, index]).generate_state(1, np.uint64)
    return int(state[0] >> 1)


def numpy_generator(seed: int, stream: Stream, index: int = 0) -> np.random.Generator:
    """Return numpy's generator with that seed."""
    return np.random.default_rng(seed_of(seed, stream, index))


def torch_generator(seed: int, stream: Stream, index: int = 0) -> torch.Generator:
    """Return torch's generator with that seed, on the CPU."""
    return torch.Generator().manual_seed(seed_of(seed, stream, index))


def seed_dropout(seed: int, step: int, device: torch.device) -> None:
    """Seed torch's own generator, from which dropout draws, for a step.

    `torch.manual_seed` would keep a record of each call for a GPU that is never used.
    """
    drawn = seed_of(seed, Stream.DROPOUT, step)
    torch.default_generator.manual_seed(drawn)
    if device.type == "cuda":
        torch.cuda.manual_seed(drawn)
