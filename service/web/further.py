"""`/analyses/{analysis_id}/follow-ups`: further questions, answered from what was measured."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from service.analyses import follow_up
from service.analyses.follow_up_request import BuildRequest, FollowUpRequest, PlanRequest
from service.database.tables import ANALYSES, Analysis
from service.http.dependencies import Session
from service.http.ids import Id
from service.http.problems import InvalidError
from service.jobs import service as jobs
from service.plain_errors import explain
from service.web.callers import Writer
from service.web.forms import Fields, FormFields
from service.web.options import OWN_PLAN, factors_of, number

router = APIRouter(include_in_schema=False)


@router.post("/analyses/{analysis_id}/follow-ups")
def ask_further(analysis_id: Id, fields: FormFields, caller: Writer, session: Session) -> Response:
    """Start a follow-up by the form of that name, and show it."""
    source = jobs.find(session, ANALYSES, caller.owner, analysis_id)
    try:
        changes = _changes(fields, source)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidError(first["loc"], explain(first)) from None
    row = follow_up.create(session, caller, analysis_id, changes, None)
    return RedirectResponse(f"/analyses/{row.id}", 303)


def _changes(fields: Fields, source: Analysis) -> dict[str, Any]:
    """Return what is to be other than in the source; raise ValidationError or InvalidError."""

    def share(name: str) -> Any:
        percent = number(float, fields.get(name, [""])[0])
        return percent / 100 if isinstance(percent, float) else percent

    match fields.get("form"):
        case ["ratio"]:
            asked = FollowUpRequest.model_validate({"pruning_ratio": share("ratio")})
            return follow_up.of_request(asked)
        case ["budget"]:
            cost = fields.get("cost", [None])[0]
            plan = PlanRequest.model_validate({"budget": share("budget"), "cost": cost})
            return follow_up.of_plan(plan)
        case ["factors"]:
            own = {"name": OWN_PLAN, "factors": factors_of(fields)}
            return follow_up.of_plan(PlanRequest.model_validate(own))
        case ["build"]:
            build = BuildRequest.model_validate({"plan": fields.get("plan", [""])[0]})
            return follow_up.of_build(build, source)
    raise InvalidError(["form"], "Send one of the forms of the analysis' page.")
