"""Fits gains to promises, with intervals, and counts what these hold of networks left out.

Pure functions of arrays, without networks. See docs/method.md, "Expected gain".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from narrows.arrays import Floats, Ints
from narrows.verdict.gain import Curve

Bools = NDArray[np.bool_]
LEVEL = 0.95
FLOOR = 0.25
"""The floor of an interval's scale, as a share of the median size of a gain."""


@dataclass(frozen=True)
class Sample:
    """Layers of retrained networks: promises [N], their intervals [N, 2] and gains [N].

    `group` [N] says what goes together when something is left out, such as the network. `weight`
    [N] is such that all networks weigh the same.
    """

    promise: Floats
    limits: Floats
    gain: Floats
    group: Ints
    weight: Floats

    def chosen(self, which: Bools) -> "Sample":
        return Sample(*(values[which] for values in vars(self).values()))


def calibrated(sample: Sample) -> Curve:
    """Return the curve with the quantiles of deviations of groups left out."""
    expected = np.empty(len(sample.gain))
    floor = FLOOR * float(np.median(np.abs(sample.gain)))
    for own, others in _splits(sample):
        expected[own] = _curve(sample.chosen(others)).at(sample.promise[own])
    deviations = (sample.gain - expected) / (expected + floor)
    tails = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    below, above = (_quantile(deviations, sample.weight, tail) for tail in tails)
    curve = _curve(sample)
    return Curve(curve.promises, curve.gains, below, above, floor)


def left_out(sample: Sample) -> tuple[Floats, Floats]:
    """Return the gains [N], and the ends of their intervals [2, N], that other groups give."""
    gains, ends = np.empty(len(sample.gain)), np.empty((2, len(sample.gain)))
    for own, others in _splits(sample):
        curve = calibrated(sample.chosen(others))
        for n in np.flatnonzero(own):
            low, high = sample.limits[n].tolist()
            gains[n], ends[:, n] = curve.expected(float(sample.promise[n]), (low, high))
    return gains, ends


def _curve(sample: Sample) -> Curve:
    """Return the isotonic regression, with a knot in the middle of each of its steps."""
    order = np.argsort(sample.promise, kind="stable")
    fit = isotonic_regression(sample.gain[order], weights=sample.weight[order])
    promises, gains = [], []
    for start, stop in zip(fit.blocks[:-1], fit.blocks[1:], strict=True):
        step = order[start:stop]
        promises.append(float(np.average(sample.promise[step], weights=sample.weight[step])))
        gains.append(max(0.0, float(fit.x[start])))
    return Curve(promises, gains, 0.0, 0.0, 0.0)


def _splits(sample: Sample) -> list[tuple[Bools, Bools]]:
    return [(own := sample.group == group, ~own) for group in np.unique(sample.group)]


def _quantile(values: Floats, weights: Floats, share: float) -> float:
    """Return the least value that has this share of the weight at or below it.

    >>> _quantile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), 0.5)
    2.0
    """
    order = np.argsort(values)
    heap = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(heap, share * heap[-1])])
