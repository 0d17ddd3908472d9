"""`/analyses/new`: a form that asks for an analysis."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session as OrmSession

from service.analyses import service as analyses
from service.database.tables import ANALYSES
from service.datasets.service import DATASETS
from service.http.dependencies import FromApp, Session
from service.http.ids import possible
from service.http.problems import NotFoundError, ProblemError
from service.http.security import Caller
from service.jobs import service as jobs
from service.models.service import MODELS
from service.naming.filters import AnyId, UploadFilters
from service.uploads import service as uploads
from service.web.callers import Writer
from service.web.forms import Form, FormFields, text
from service.web.once import key_of, new_once
from service.web.options import CHOICES, DEFAULTS, OWN_PLAN, carried, fields_of, request_of
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)
UPLOADS_SHOWN = 200

UploadId = Annotated[str, Query(max_length=64)]


@router.get("/analyses/new")
def show_form(
    caller: Writer,
    session: Session,
    model: UploadId = "",
    dataset: UploadId = "",
    again: Annotated[AnyId | Literal[""], Query()] = "",
) -> Response:
    """Show the form: for a model, a dataset, or with the options of the analysis `again`."""
    fields = dict(DEFAULTS)
    if again:
        fields = {**fields_of(_source(session, caller, again)), "again": [again]}
    fields |= {name: [one] for name, one in (("model_id", model), ("dataset_id", dataset)) if one}
    return _page(session, caller, Form(fields))


@router.post("/analyses")
def ask(fields: FormFields, caller: Writer, services: FromApp) -> Response:
    """Start an analysis and show it, or show the form again with what is wrong."""
    try:
        with services.transaction() as session:
            request = request_of(fields, _source(session, caller, text(fields, "again")))
            row = analyses.create(session, caller, request, key_of(fields))
    except ProblemError as error:
        with services.reading() as session:
            return _page(session, caller, Form(fields, error))
    return RedirectResponse(f"/analyses/{row.id}", 303)


def _source(session: OrmSession, caller: Caller, again: str) -> Mapping[str, Any]:
    """Return the request of the analysis that is asked again, if one is; raise NotFoundError."""
    if not again:
        return {}
    request: Mapping[str, Any] = jobs.find(session, ANALYSES, caller.owner, possible(again)).request
    return request


def _page(session: OrmSession, caller: Caller, form: Form) -> Response:
    def usable(kind: Any) -> Any:
        rows = uploads.page(session, caller.owner, kind, UploadFilters(), UPLOADS_SHOWN, None).items
        chosen = form.text(f"{kind.noun}_id")
        return [row for row in rows if row.state in ("ready", "inspecting") or row.id == chosen]

    try:
        kept = carried(_source(session, caller, form.text("again")))
    except NotFoundError:  # deleted meanwhile, as the form's error says
        kept = {}
    own = [form.text("own_plan") or OWN_PLAN, *(plan["name"] for plan in kept.get("plans", []))]
    return rendered(
        "new.html",
        error=form.error,
        caller=caller,
        here="analyses",
        models=usable(MODELS),
        datasets=usable(DATASETS),
        choices={**CHOICES, "build": (*CHOICES["build"], *own)},
        kept=kept,
        own=own[0],
        form=form,
        once=new_once(),
    )
