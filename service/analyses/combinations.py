"""Checks that the parts of a request fit together and fit the model.

Each error says what to choose instead. Whether the data fits the model is checked by the worker.
"""

from typing import Any

from narrows.layer_names import LayerNames, listed
from narrows.vocabulary import ADVISE, CURVATURE_METHODS, PLANS, PRUNED
from service.analyses.plan_request import CustomPlan
from service.analyses.request import AnalysisRequest
from service.http.problems import InvalidError


def check_request(request: AnalysisRequest) -> None:
    """Check what does not depend on the model; raise InvalidError."""
    _check_method(request)
    _check_rule(request)
    _check_plans(request)


def _check_method(request: AnalysisRequest) -> None:
    curved = request.method in CURVATURE_METHODS
    if curved and request.loss == "model":
        raise InvalidError(
            ["method"],
            f"{request.method!r} needs the curvature of the loss along the network's outputs, but "
            "a program that returns its loss does not show them; choose 'sosp_h', or one of the "
            "losses.",
        )
    for name in ("curvature", "blocks"):
        if getattr(request, name) is not None and not curved:
            raise InvalidError(
                [name],
                f"The method {request.method!r} does not use `{name}`; leave it out, or choose "
                "'sosp_i', 'joint' or 'obs'.",
            )


def _check_rule(request: AnalysisRequest) -> None:
    if request.rule == "worth" and request.method not in CURVATURE_METHODS:
        raise InvalidError(
            ["rule"],
            f"The rule 'worth' needs what the method {request.method!r} does not measure; choose "
            "the method 'sosp_i', 'joint' or 'obs', or the rule 'pruning_ratio'.",
        )


def _check_plans(request: AnalysisRequest) -> None:
    names: list[str] = []
    for index, plan in enumerate(request.plans):
        name = plan.name if isinstance(plan, CustomPlan) else plan
        if isinstance(plan, CustomPlan):
            _check_custom(request, index, plan)
        if name in names:
            raise InvalidError(
                ["plans", index], f"There are two plans {name!r}; leave one out or rename it."
            )
        names.append(name)
    _check_advice(request, names)
    for index, name in enumerate(request.build):
        if name in request.build[:index]:
            raise InvalidError(["build", index], f"{name!r} is named twice; leave one out.")
        if name not in (*names, PRUNED):
            choice = f"choose from {listed([*names, PRUNED])}, or add it to `plans`"
            raise InvalidError(["build", index], f"This request has no plan {name!r}; {choice}.")


def _check_advice(request: AnalysisRequest, plans: list[str]) -> None:
    if ADVISE in plans and request.method not in CURVATURE_METHODS:
        raise InvalidError(
            ["plans", plans.index(ADVISE)],
            f"The plan {ADVISE!r} needs worth, which {request.method!r} does not measure; choose "
            "the method 'sosp_i', 'joint' or 'obs', or another plan.",
        )
    if request.advise and ADVISE not in plans:
        raise InvalidError(
            [ADVISE],
            f"This request has no plan {ADVISE!r}; add it to `plans`, or leave `advise` out.",
        )


def _check_custom(request: AnalysisRequest, index: int, plan: CustomPlan) -> None:
    if plan.name in (*PLANS, PRUNED):
        raise InvalidError(
            ["plans", index, "name"],
            f"Narrows itself uses the name {plan.name!r}; choose another name for your plan.",
        )
    for layer in plan.factors:
        if layer in request.exclude:
            raise InvalidError(
                ["plans", index, "factors", layer],
                f"{layer!r} is in `exclude` and in `factors`; take it out of one of the two.",
            )


def check_layers(request: AnalysisRequest, inspection: dict[str, Any]) -> None:
    """Check that the model has the layers of the request and can change them; raise InvalidError.

    `inspection` is the model's, as `worker.pipeline.inspection` writes it.
    """
    model = _names(inspection)
    for index, name in enumerate(request.exclude):
        if name not in model.reasons:
            raise InvalidError(["exclude", index], model.no_layer(name, model.reasons))
    if model.groups and all({*members} & {*request.exclude} for members in model.groups):
        excluded = listed(sorted({*model.free} & {*request.exclude}))
        raise InvalidError(
            ["exclude"], f"This leaves nothing to prune; take out one of {excluded}."
        )
    for index, plan in enumerate(request.plans):
        if isinstance(plan, CustomPlan):
            for name in plan.factors:
                if problem := model.objection(name, plan.factors, request.exclude):
                    raise InvalidError(["plans", index, "factors", name], problem)


def _names(inspection: dict[str, Any]) -> LayerNames:
    layers, groups = inspection.get("layers", []), inspection.get("groups", [])
    return LayerNames(
        {row["name"]: row.get("reason") for row in layers}, [set(row["layers"]) for row in groups]
    )
