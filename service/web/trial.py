"""`/trials/{trial_id}`: live while it trains; then what each variant gained, or why none did."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import APIRouter
from fastapi.responses import Response

from narrows.report.figures.gains import Gained, gains
from narrows.vocabulary import ENDED, ORIGINAL
from service.database.tables import Dataset, Model
from service.database.trials import TRIALS
from service.http.dependencies import Session
from service.http.ids import Id
from service.jobs import service as jobs
from service.jobs.repository import JobRepository
from service.trials import service as trials
from service.trials.prediction import Prediction, predictions
from service.trials.repository import StepRepository
from service.trials.schemas import MeanOut, TrialSummary, VariantOut
from service.web.callers import Reader
from service.web.naming import naming_form
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)


class Row(NamedTuple):
    """What is shown of a variant: `growth` is what it adds to the original's parameters."""

    variant: VariantOut
    growth: float | None
    predicted: Prediction | None
    verdict: str
    against_prediction: str


@router.get("/trials/{trial_id}")
def show_trial(trial_id: Id, caller: Reader, session: Session) -> Response:
    """Show how far a trial is, what its variants gained, or why they have no result."""
    row = jobs.find(session, TRIALS, caller.owner, trial_id)
    trial = trials.describe(session, row)
    rows, basis = [], ""
    if trial.summary:
        predicted, basis = predictions(session, row)
        rows = _rows(trial.summary, predicted)
    return rendered(
        "trial.html",
        caller=caller,
        here="trials",
        trial=trial,
        naming=naming_form(row),
        model=session.get_one(Model, row.model_id),
        dataset=session.get_one(Dataset, row.dataset_id),
        ended=row.state in ENDED,
        rows=rows,
        figure=gains(list(map(_gained, filter(lambda one: one.variant.gain, rows)))),
        basis=basis,
        runs=StepRepository(session).runs(trial_id),
        files={one.name for one in JobRepository(session, TRIALS).artifacts(trial_id)},
    )


def _rows(summary: TrialSummary, predicted: Mapping[str, Prediction]) -> list[Row]:
    sizes = {one.name: one.parameters for one in summary.variants}
    whole = sizes.get(ORIGINAL)
    return [
        Row(
            one,
            one.parameters / whole - 1 if one.parameters and whole else None,
            prediction := predicted.get(one.name),
            _verdict(one.gain),
            _against(one.gain, prediction),
        )
        for one in summary.variants
    ]


def _verdict(gain: MeanOut | None) -> str:
    """Return what is certain of a gain; "" where there is no interval."""
    if gain is None or gain.interval is None:
        return ""
    low, high = gain.interval
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


def _against(gain: MeanOut | None, predicted: Prediction | None) -> str:
    """Return whether the intervals of a gain and of its prediction meet; "" without both."""
    if gain is None or gain.interval is None or predicted is None:
        return ""
    if gain.interval[1] < predicted.interval[0]:
        return "less than predicted"
    return "more than predicted" if gain.interval[0] > predicted.interval[1] else "as predicted"


def _gained(row: Row) -> Gained:
    gain: Any = row.variant.gain
    limits = row.predicted.interval if row.predicted else None
    return Gained(row.variant.name, gain.value, gain.interval, limits)
