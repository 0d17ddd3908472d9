"""Computes the same whatever the notebook has set, and leaves what it has set as it is."""

import contextlib
import random
import warnings
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def isolated(device: torch.device) -> Iterator[None]:
    """Record gradients, in full precision; keep the random numbers and the default type of others.

    `device` is that of the computation. Inside, `no_grad`, `inference_mode` and `autocast` of the
    caller do not count, and torch does not warn of what is deprecated within itself. At the end,
    the generators of torch, numpy and `random` are as before.

    >>> state = torch.get_rng_state()
    >>> with torch.no_grad(), isolated(torch.device("cpu")):
    ...     print(torch.rand(1, requires_grad=True).exp().requires_grad)
    True
    >>> torch.equal(state, torch.get_rng_state())
    True
    """
    numbers, text = np.random.get_state(), random.getstate()
    dtype = torch.get_default_dtype()
    devices = [device] if device.type == "cuda" else []
    try:
        with (
            _without_deprecations(),
            torch.random.fork_rng(devices=devices),
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(device.type, enabled=False),
        ):
            yield
    finally:
        np.random.set_state(numbers)
        random.setstate(text)
        torch.set_default_dtype(dtype)


@contextlib.contextmanager
def _without_deprecations() -> Iterator[None]:
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=category, module=r"torch(\.|$)")
        yield


def on_device(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Make tensors without inputs on this device, such as of `zeros`.

    Where that is the default it does nothing: torch's own context would slow every call.

    >>> with on_device(torch.device("meta")):
    ...     torch.zeros(1).device
    device(type='meta')
    """
    return contextlib.nullcontext() if device == torch.get_default_device() else device
