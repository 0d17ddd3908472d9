"""The methods by name: what each measures of a batch, and the order of removal that follows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np

from worker.sosp import (
    exact,
    first_order,
    fisher,
    gauss_newton,
    joint,
    magnitude,
    ranking,
    sosp_h,
    sosp_i,
)
from worker.sosp.batch import Batch
from worker.sosp.gates import GatedNetwork
from worker.sosp.gauss_newton import Curvature
from worker.sosp.losses import Loss
from worker.sosp.ranking import Removal
from worker.sosp.terms import Averages, Floats, Terms

MethodName = Literal[
    "sosp_h",
    "sosp_i",
    "joint",
    "first_order",
    "fisher",
    "magnitude",
    "magnitude_relative",
    "exact",
]
METHODS: tuple[MethodName, ...] = get_args(MethodName)


@dataclass(frozen=True)
class Method:
    """`measure` returns a batch's terms; `order` what goes first, over prices [S] or one price."""

    measure: Callable[[GatedNetwork, Batch, Loss], Terms]
    order: Callable[[Averages, Floats | float], Removal]


def method(name: MethodName, curvature: Curvature = "sampled", blocks: int | None = None) -> Method:
    """Return a method; the other arguments are those of `sosp_i` and `joint`."""
    of_pairs = partial(gauss_newton.measure, curvature=curvature)
    match name:
        case "sosp_h":
            return Method(sosp_h.measure, _additive(sosp_h.saliencies))
        case "sosp_i":
            return Method(of_pairs, sosp_i.order)
        case "joint":
            return Method(of_pairs, partial(joint.order, blocks=blocks))
        case "first_order":
            return Method(first_order.measure, _additive(first_order.saliencies))
        case "fisher":
            return Method(fisher.measure, _additive(fisher.saliencies))
        case "magnitude":
            return Method(magnitude.measure, _additive(magnitude.saliencies))
        case "magnitude_relative":
            return Method(magnitude.measure, _additive(magnitude.relative_saliencies))
        case "exact":
            return Method(exact.measure, _additive(exact.saliencies))


def second_order(averages: Averages) -> Floats | None:
    """Return θ_s·(Hθ_struc) [S], of the Hessian or its Gauss–Newton part; None without either."""
    if len(averages.factor):
        return gauss_newton.along_all(averages)
    return averages.means.get("second")


def _additive(
    saliencies: Callable[[Averages], Floats],
) -> Callable[[Averages, Floats | float], Removal]:
    """Sort once: a structure's saliency does not depend on what went before it."""

    def order(averages: Averages, prices: Floats | float = 1.0) -> Removal:
        saliency = saliencies(averages)
        return Removal(saliency, ranking.ranks(np.asarray(saliency / prices)))

    return order
