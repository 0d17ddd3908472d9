"""`/analyses/{analysis_id}/follow-ups`: further questions, answered from what was measured."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session as OrmSession

from narrows.report.layer import LayerView
from narrows.vocabulary import BUDGET_KINDS, COST_KINDS, PRUNED
from service.analyses import follow_up
from service.analyses.findings import layer_rows
from service.analyses.follow_up_request import BuildRequest, FollowUpRequest, PlanRequest
from service.analyses.repository import layer_names
from service.database.tables import ANALYSES, Analysis
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.problems import InvalidError, ProblemError
from service.http.security import Caller
from service.jobs import service as jobs
from service.web.callers import Writer
from service.web.forms import Fields, Form, FormError, FormFields, number, text
from service.web.once import key_of, new_once
from service.web.options import OWN_PLAN
from service.web.rendering import rendered
from service.web.sliders import factors_of, sliders

router = APIRouter(prefix="/analyses/{analysis_id}/follow-ups", include_in_schema=False)
R = TypeVar("R", bound=BaseModel)
PERCENT: Final = ("pruning_ratio", "budget")
"""The fields that are in percent on the page, and shares in requests."""


@router.get("")
def show_forms(analysis_id: Id, caller: Writer, session: Session) -> Response:
    """Show the forms."""
    return _page(session, caller, analysis_id, {})


@router.post("")
def ask_further(analysis_id: Id, fields: FormFields, caller: Writer, services: FromApp) -> Response:
    """Start a follow-up by the form of that name, and show it, or the forms again."""
    try:
        with services.transaction() as session:
            source = jobs.find(session, ANALYSES, caller.owner, analysis_id)
            changes = _changes(session, fields, source)
            row = follow_up.create(session, caller, analysis_id, changes, key_of(fields))
    except ProblemError as error:
        with services.reading() as session:
            return _page(session, caller, analysis_id, fields, error)
    return RedirectResponse(f"/analyses/{row.id}", 303)


def shown(
    source: Analysis,
    layers: Iterable[LayerView],
    fields: Fields | None = None,
    error: ProblemError | None = None,
) -> dict[str, Any]:
    """Return what the template `further.html` shows, with the fields that were sent."""
    request = follow_up.request_of(source)
    usual: Fields = {
        "pruning_ratio": [f"{100 * request.pruning_ratio:.0f}"],
        "cost": [request.cost],
        "budget": ["10"],
    }
    first, others = sliders(layers, fields or {})
    return {
        "further": Form({**usual, **(fields or {})}, error),
        "once": new_once(),
        "sliders": first,
        "other_sliders": others,
        "cost_kinds": COST_KINDS,
        "budget_kinds": BUDGET_KINDS,
        "buildable": [*follow_up.plans_of(source), PRUNED],
    }


def _page(
    session: OrmSession,
    caller: Caller,
    analysis_id: str,
    fields: Fields,
    error: ProblemError | None = None,
) -> Response:
    source = jobs.find(session, ANALYSES, caller.owner, analysis_id)
    jobs.require_success(source, ANALYSES)
    rows = layer_rows(session, analysis_id)
    layers = [LayerView(index, row, {}) for index, row in enumerate(rows)]
    return rendered(
        "follow_ups.html", error=error, caller=caller, here="analyses", analysis=source,
        **shown(source, layers, fields, error),
    )  # fmt: skip


def _changes(session: OrmSession, fields: Fields, source: Analysis) -> dict[str, Any]:
    """Return what is to be other than in the source; raise InvalidError."""
    match text(fields, "form"):
        case "ratio":
            ratio, cost = _share(fields, "pruning_ratio"), text(fields, "cost") or None
            asked = _valid(FollowUpRequest, {"pruning_ratio": ratio, "cost": cost})
            return follow_up.of_request(asked)
        case "budget":
            budget, cost = _share(fields, "budget"), text(fields, "budget_cost") or None
            return follow_up.of_plan(_valid(PlanRequest, {"budget": budget, "cost": cost}))
        case "factors":
            factors = factors_of(fields, layer_names(session, source.id))
            if not factors:
                raise InvalidError(["factors"], "Change the width of one layer at least.")
            own = {"name": OWN_PLAN, "factors": factors}
            return follow_up.of_plan(_valid(PlanRequest, own))
        case "build":
            build = _valid(BuildRequest, {"plan": text(fields, "plan")})
            return follow_up.of_build(build, source)
    raise InvalidError(["form"], "Send one of the forms of the analysis' page.")


def _share(fields: Fields, name: str) -> float | str:
    percent = number(float, text(fields, name))
    return percent / 100 if isinstance(percent, float) else percent


def _valid(schema: type[R], given: dict[str, Any]) -> R:
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        raise FormError(map(_in_percent, error.errors())) from None


def _in_percent(error: Mapping[str, Any]) -> Mapping[str, Any]:
    if error["loc"][0] not in PERCENT:
        return error
    limits = {name: 100 * limit for name, limit in error.get("ctx", {}).items()}
    return {**error, "ctx": limits}
