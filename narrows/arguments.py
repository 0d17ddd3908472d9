"""Checks the arguments of the library before any work; errors say what is allowed."""

import math
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any, cast, get_args

from narrows.layer_names import LayerNames, listed
from narrows.losses import LOSSES, Loss
from narrows.methods.table import Method
from narrows.options import default_rule
from narrows.vocabulary import (
    BUDGET_KINDS,
    COST_KINDS,
    CURVATURE_METHODS,
    LARGEST_BUDGET,
    LARGEST_MULTIPLE,
    METHODS,
    PLANS,
    PRUNED,
    RULES,
    Curvature,
    GateKind,
    Init,
    MethodName,
    RuleName,
)

LARGEST_FACTOR = 16
LARGEST_SEED = 2**63 - 1


class ArgumentError(ValueError):
    """The error for an argument that is not allowed; the text says what is."""


def require_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise ArgumentError unless `value` is one of `choices`.

    >>> require_choice("cost", "price", ("macs", "parameters"))
    Traceback (most recent call last):
    narrows.arguments.ArgumentError: there is no cost 'price'; choose from 'macs', 'parameters'
    """
    if not isinstance(value, str) or value not in choices:
        raise ArgumentError(f"there is no {name} {value!r}; choose from {listed(list(choices))}")


def require_init(init: object) -> None:
    """Raise ArgumentError unless this is a way to fill new channels."""
    require_choice("init", init, get_args(Init))


def require_cost(cost: object) -> None:
    """Raise ArgumentError unless this is a unit of cost."""
    require_choice("cost", cost, COST_KINDS)


def require_ratio(name: str, value: Any) -> None:
    """Raise ArgumentError unless `value` is a share between 0 and 1.

    >>> require_ratio("pruning_ratio", 50)
    Traceback (most recent call last):
    narrows.arguments.ArgumentError: pruning_ratio is 50; it must lie between 0 and 1, such as 0.5
    """
    if not _is_number(value) or not 0 < value < 1:
        raise ArgumentError(f"{name} is {value!r}; it must lie between 0 and 1, such as 0.5")


def require_advice(budget: Any, cost: object, multiple: Any) -> None:
    """Raise ArgumentError unless these are options of the plan `advise`.

    >>> require_advice(10, "parameters", None)
    Traceback (most recent call last):
    narrows.arguments.ArgumentError: budget is 10; it must be a share above 0 and at most \
4, such as 0.1 for 10 %
    """
    if not _is_number(budget) or not 0 < budget <= LARGEST_BUDGET:
        raise ArgumentError(
            f"budget is {budget!r}; it must be a share above 0 and at most {LARGEST_BUDGET}, such "
            "as 0.1 for 10 %"
        )
    require_choice("cost", cost, BUDGET_KINDS)
    if multiple is not None and (not _is_whole(multiple) or not 1 <= multiple <= LARGEST_MULTIPLE):
        raise ArgumentError(
            f"multiple is {multiple!r}; it must be a whole number from 1 to {LARGEST_MULTIPLE}, or "
            "None"
        )


def require_seed(seed: Any) -> None:
    """Raise ArgumentError unless this is a whole number from 0 to 2⁶³ − 1."""
    if not _is_whole(seed) or not 0 <= seed <= LARGEST_SEED:
        raise ArgumentError(f"seed is {seed!r}; it must be a whole number from 0 to 2**63 − 1")


def as_loss(loss: Any) -> Loss:
    """Return the loss of this name, or of a function; raise ArgumentError for anything else."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) or not callable(loss):
        if isinstance(loss, str) and loss in LOSSES:
            return LOSSES[loss]
        raise ArgumentError(
            f"there is no loss {loss!r}; choose from {listed(list(LOSSES))}, or pass a function "
            "(outputs, targets) → sum over the batch"
        )
    return Loss(loss)


def as_method(
    method: MethodName | None, loss: Loss, curvature: Curvature, blocks: int | None
) -> Method:
    """Return the method with its options; raise ArgumentError for what does not go together.

    The default is `sosp_i`, or `sosp_h` where the loss does not show its curvature.
    """
    require_choice("curvature", curvature, get_args(Curvature))
    if method is None:
        method = "sosp_i" if loss.draw else "sosp_h"
    require_choice("method", method, METHODS)
    curved = method in CURVATURE_METHODS
    if curved and not loss.draw:
        raise ArgumentError(
            f"{method!r} needs the curvature of the loss along the network's outputs, which a loss "
            "of your own or of the program does not show; choose 'sosp_h', or one of the losses"
        )
    if not curved and (blocks is not None or curvature != "sampled"):
        name = "blocks" if blocks is not None else "curvature"
        raise ArgumentError(
            f"the method {method!r} does not use `{name}`; leave it out, or choose "
            "'sosp_i', 'joint' or 'obs'"
        )
    if blocks is not None and (not _is_whole(blocks) or blocks < 1):
        raise ArgumentError(f"blocks is {blocks!r}; it must be a whole number, 1 or more, or None")
    return Method(method, curvature, blocks)


def as_rule(rule: Any, method: MethodName) -> RuleName:
    """Return the rule for verdicts, None standing for the method's; raise ArgumentError.

    >>> as_rule("worth", "fisher")
    Traceback (most recent call last):
    narrows.arguments.ArgumentError: the rule 'worth' needs what the method 'fisher' does not \
measure; choose the method 'sosp_i', 'joint' or 'obs', or the rule 'pruning_ratio'
    """
    if rule is None:
        return default_rule(method)
    require_choice("rule", rule, RULES)
    if rule == "worth" and method not in CURVATURE_METHODS:
        raise ArgumentError(
            f"the rule 'worth' needs what the method {method!r} does not measure; choose the "
            "method 'sosp_i', 'joint' or 'obs', or the rule 'pruning_ratio'"
        )
    return cast("RuleName", rule)


def require_gate(gate: object) -> None:
    """Raise ArgumentError unless this is a place for gates."""
    require_choice("gate", gate, get_args(GateKind))


def require_names(exclude: object) -> None:
    """Raise ArgumentError unless this is a collection of names of layers."""
    if isinstance(exclude, str) or not isinstance(exclude, Collection):
        raise ArgumentError(f"exclude is {exclude!r}; it must be names of layers: ['conv1', …]")


def require_factors(factors: object) -> None:
    """Raise ArgumentError unless this maps names of plans to factors of layers, each in (0, 16].

    >>> require_factors({"conv1": 2.0})
    Traceback (most recent call last):
    narrows.arguments.ArgumentError: factors must map plans to factors of layers, such as \
{'mine': {'conv1': 1.5}}, but 'conv1' has 2.0
    """
    shape = "factors must map plans to factors of layers, such as {'mine': {'conv1': 1.5}}"
    if not isinstance(factors, Mapping):
        raise ArgumentError(f"{shape}, but it is {factors!r}")
    for plan, of_layers in factors.items():
        if not isinstance(plan, str):
            raise ArgumentError(f"{shape}, but one plan is called {plan!r}")
        if plan in (*PLANS, PRUNED):
            raise ArgumentError(f"Narrows itself uses the name {plan!r}; choose another name")
        if not isinstance(of_layers, Mapping):
            raise ArgumentError(f"{shape}, but {plan!r} has {of_layers!r}")
        for layer, factor in of_layers.items():
            if not _is_number(factor) or not 0 < factor <= LARGEST_FACTOR:
                raise ArgumentError(
                    f"the factor of {layer!r} in plan {plan!r} is {factor!r}; it must be above 0 "
                    f"and at most {LARGEST_FACTOR}"
                )


def require_layers(
    names: LayerNames, exclude: Collection[str], factors: Mapping[str, Mapping[str, float]]
) -> None:
    """Raise ArgumentError unless the network has these layers and can change them."""
    for name in exclude:
        if name not in names.reasons:
            raise ArgumentError(names.no_layer(name, names.reasons))
    for of_layers in factors.values():
        for name in of_layers:
            if name in exclude:
                raise ArgumentError(f"{name!r} is in `exclude` and in `factors`; take one out")
            if problem := names.objection(name, of_layers, exclude):
                raise ArgumentError(problem)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
