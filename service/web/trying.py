"""`/trials/new`: a form that trains what the plans of an analysis build."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response
from pydantic import AfterValidator, ValidationError
from sqlalchemy.orm import Session as OrmSession

from narrows.trials.options import MOST_SEEDS, TrialOptions
from narrows.vocabulary import OPTIMIZERS, SCHEDULES, STARTS, VARIANT_KINDS
from service.database.tables import ANALYSES
from service.http.dependencies import FromApp, Session
from service.http.ids import possible
from service.http.problems import InvalidError, ProblemError
from service.http.security import Caller
from service.jobs import service as jobs
from service.trials import service as trials
from service.trials.request import TrialRequest
from service.trials.terms import plans_of
from service.web.callers import Writer
from service.web.forms import Fields, Form, FormError, FormFields, number, text
from service.web.naming import metadata_of, tags_of
from service.web.once import key_of, new_once
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)
AnalysisId = Annotated[str, Query(), AfterValidator(possible)]
Read = Mapping[str, Callable[[str], Any]]
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "variants": VARIANT_KINDS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "start": STARTS,
}
_RECIPE: Final[Read] = {
    "optimizer": str,
    "schedule": str,
    "start": str,
    "learning_rate": float,
    "weight_decay": float,
    "epochs": int,
    "batch_size": int,
}
_OTHERS: Final[Read] = {"holdout": float, "max_samples": int, "time_limit_seconds": int}
_DEFAULTS: Final = TrialOptions()


@router.get("/trials/new")
def show_form(analysis: AnalysisId, caller: Writer, session: Session) -> Response:
    """Show the form for the plans of an analysis."""
    fields = {name: [str(getattr(_DEFAULTS.recipe, name))] for name in _RECIPE}
    fields |= {"holdout": [str(_DEFAULTS.holdout)], "seeds": [str(len(_DEFAULTS.seeds))]}
    fields |= {"variants": [*_DEFAULTS.variants], "plans": _plans(session, caller, analysis)}
    return _page(session, caller, analysis, Form(fields))


@router.post("/trials")
def start_trial(fields: FormFields, caller: Writer, services: FromApp) -> Response:
    """Start a trial and show it, or show the form again with what is wrong."""
    analysis = possible(text(fields, "analysis_id"))
    try:
        request = _request(analysis, fields)
        with services.transaction() as session:
            row = trials.create(session, caller, request, key_of(fields))
    except ProblemError as error:
        with services.reading() as session:
            return _page(session, caller, analysis, Form(fields, error))
    return RedirectResponse(f"/trials/{row.id}", 303)


def _request(analysis: str, fields: Fields) -> TrialRequest:
    """Return the request that a form asks for; raise InvalidError."""

    def given(read: Read) -> dict[str, Any]:
        return {name: number(read[name], text(fields, name)) for name in read if name in fields}

    seeds = number(int, text(fields, "seeds"))
    if not isinstance(seeds, int) or not 1 <= seeds <= MOST_SEEDS:
        raise InvalidError(["seeds"], f"It must be a whole number from 1 to {MOST_SEEDS}.")
    document = {
        "analysis_id": analysis,
        "name": text(fields, "name").strip() or None,
        "tags": tags_of(fields),
        "metadata": metadata_of(fields),
        "plans": fields.get("plans", []),
        "variants": fields.get("variants", []),
        "seeds": [*range(seeds)],
        "recipe": given(_RECIPE),
        **given(_OTHERS),
    }
    try:
        return TrialRequest.model_validate(document)
    except ValidationError as error:
        raise FormError.of(error) from None


def _plans(session: OrmSession, caller: Caller, analysis: str) -> list[str]:
    """Return the names of an analysis' plans; raise NotFoundError."""
    return [*plans_of(jobs.find(session, ANALYSES, caller.owner, analysis))]


def _page(session: OrmSession, caller: Caller, analysis: str, form: Form) -> Response:
    return rendered(
        "new_trial.html",
        error=form.error,
        caller=caller,
        here="trials",
        analysis_id=analysis,
        choices={**CHOICES, "plans": _plans(session, caller, analysis)},
        form=form,
        once=new_once(),
    )
