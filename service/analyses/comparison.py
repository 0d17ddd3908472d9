"""`/v1/analyses/{analysis_id}/comparison`: what became of the layers since another analysis."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session as OrmSession

from narrows.comparison import ASIDE, DECISIVE, ChangeName, compare, differing
from narrows.vocabulary import VerdictName
from service.analyses import service as analyses
from service.analyses.findings import layer_rows
from service.analyses.schemas import AnalysisOut
from service.database.tables import ANALYSES, Analysis
from service.http.dependencies import Session
from service.http.ids import Id, possible
from service.http.problem_schema import responses
from service.http.problems import NoResultError
from service.http.security import Reader
from service.jobs import service as jobs

router = APIRouter(
    prefix="/v1/analyses/{analysis_id}",
    tags=["analyses"],
    responses=responses(401, 403, 404, NoResultError, 422, 429, 500, 503),
)

Interval = tuple[float, float]


class ChangeOut(BaseModel):
    """What became of a layer; pairs are before and after, null where there is no such layer."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="The name of the layer")
    change: ChangeName = Field(
        description="`new_bottleneck` is a regression. `worse` and `better` are said only where "
        "the intervals do not touch"
    )
    verdicts: tuple[VerdictName | None, VerdictName | None] = Field(description="Its verdicts")
    widths: tuple[int | None, int | None] = Field(description="Its channels")
    measure: str | None = Field(
        description="What `values` are; null where nothing can be compared but verdicts"
    )
    values: tuple[float, float] | None = Field(description="How much a channel promises or scores")
    intervals: tuple[Interval, Interval] | None = Field(description="Their 95 % intervals")


class ComparisonOut(BaseModel):
    """Two analyses of versions of a network, layer by layer, matched by name."""

    before: AnalysisOut = Field(description="The analysis `against` which it is compared")
    after: AnalysisOut = Field(description="The analysis of the path")
    differ: list[str] = Field(
        description="What was asked of them that differs and bears on the result",
        examples=[["max_samples: 4096, then 512"]],
    )
    changes: list[ChangeOut] = Field(
        description="The layers of `after` in the network's order, then those that it lacks"
    )


@router.get("/comparison")
def get_comparison(
    analysis_id: Id,
    against: Annotated[
        str, Query(description="The id of the earlier analysis"), AfterValidator(possible)
    ],
    caller: Reader,
    session: Session,
) -> ComparisonOut:
    """Compare an analysis with an earlier one; both must have succeeded."""
    before, after = (_succeeded(session, caller.owner, each) for each in (against, analysis_id))
    same_measure = not differing(before.request, after.request, DECISIVE)
    changes = compare(
        layer_rows(session, before.id), layer_rows(session, after.id), same_measure=same_measure
    )
    return ComparisonOut(
        before=analyses.describe(session, before),
        after=analyses.describe(session, after),
        differ=differing(before.request, after.request, _bearing(after)),
        changes=[ChangeOut.model_validate(change) for change in changes],
    )


def _succeeded(session: OrmSession, owner: str, identity: str) -> Analysis:
    row = jobs.find(session, ANALYSES, owner, identity)
    jobs.require_success(row, ANALYSES)
    return row


def _bearing(row: Analysis) -> list[str]:
    """Return the names of what was asked that bears on the result."""
    return [name for name in row.request if name not in ASIDE]
