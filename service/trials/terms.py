"""What a request for a trial leaves out: its plans and its loss, those of an analysis or not."""

from typing import Any, Final

from narrows.layer_names import listed
from narrows.trials.options import TrialOptionError, TrialOptions
from narrows.vocabulary import ADVISE, ORIGINAL, PLANS, PRUNED
from service.analyses.plan_request import CustomPlan
from service.database.tables import Analysis
from service.http.problems import InvalidError
from service.naming.schemas import NAMING
from service.trials.request import TrialRequest, options_of

Terms = dict[str, Any]
"""A whole request, in JSON."""

_DEFAULTS = TrialOptions()
RESERVED: Final = (*PLANS, PRUNED, ORIGINAL)
"""Names that no plan of one's own may have."""


def own_terms(request: TrialRequest) -> Terms:
    """Return the request of a trial that makes its own analysis; raise InvalidError."""
    for name in ("model_id", "dataset_id"):
        if getattr(request, name) is None:
            raise InvalidError([name], f"Give `{name}`, or else an `analysis_id`.")
    for index, plan in enumerate(request.plans or ()):
        if isinstance(plan, str) and plan not in PLANS:
            raise InvalidError(
                ["plans", index],
                f"There is no plan {plan!r}; choose from {listed(PLANS)}, or give factors.",
            )
        if isinstance(plan, CustomPlan) and plan.name in RESERVED:
            raise InvalidError(
                ["plans", index, "name"],
                f"Narrows itself uses the name {plan.name!r}; choose another name for your plan.",
            )
    terms = _asked(request)
    terms["loss"] = request.loss or _DEFAULTS.loss
    # A program that returns its loss shows no worth, which `advise` needs.
    default = [p for p in _DEFAULTS.plan_names if p != ADVISE or request.loss != "model"]
    return _checked(terms | {"plans": terms["plans"] or default})


def plans_of(analysis: Analysis) -> dict[str, Any]:
    """Return the plans of an analysis by their names."""
    asked = analysis.request["plans"]
    return {plan if isinstance(plan, str) else plan["name"]: plan for plan in asked}


def terms_of(request: TrialRequest, analysis: Analysis) -> Terms:
    """Return the request of a trial of an analysis' plans; raise InvalidError."""
    for name in ("model_id", "dataset_id", "transform", "advise"):
        if getattr(request, name) is not None:
            raise InvalidError(
                [name], f"The analysis says this; leave out `{name}`, or leave out `analysis_id`."
            )
    asked = analysis.request
    plans = plans_of(analysis)
    for index, plan in enumerate(request.plans or ()):
        if not isinstance(plan, str) or plan not in plans:
            name = plan if isinstance(plan, str) else plan.name
            raise InvalidError(
                ["plans", index],
                f"The analysis has no plan {name!r}; choose from {listed(list(plans))}, or leave "
                "out `analysis_id`.",
            )
    if not plans:
        raise InvalidError(["analysis_id"], "The analysis has no plans, so there is none to try.")
    chosen = [plans[str(plan)] for plan in request.plans or plans]
    same = {
        "loss": request.loss or asked["loss"],
        "transform": asked.get("transform"),
        "advise": asked["advise"],
    }
    return _checked(_asked(request) | same | {"plans": chosen})


def _asked(request: TrialRequest) -> Terms:
    return request.model_dump(mode="json", exclude=NAMING)


def _checked(terms: Terms) -> Terms:
    """Return the terms; raise InvalidError where options do not go together."""
    try:
        options_of(terms)
    except TrialOptionError as error:
        path = error.field.split(".", 1)
        raise InvalidError(path, f"`{error.field}` {error.problem}.") from None
    return terms
