"""The query parameters that lists of uploads and jobs are filtered by."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Query
from pydantic import StringConstraints

from narrows.vocabulary import AnalysisState, UploadState
from service.http.ids import PATTERN
from service.http.moments import Moment
from service.naming.schemas import PLAIN, Tag

MOST: Final = 20
PAIR: Final = r"^[A-Za-z0-9][A-Za-z0-9_./-]*=[^\x00-\x1f\x7f]*$"
OF_STATE: Final = Query(description="Only those in this state; without it, all")


Pair = Annotated[str, StringConstraints(max_length=600, pattern=PAIR)]
AnyId = Annotated[str, StringConstraints(pattern=PATTERN)]


@dataclass(frozen=True)
class Filters:
    """What is in all such lists. Given are those that fit all parameters."""

    q: Annotated[
        str | None,
        StringConstraints(max_length=200, pattern=PLAIN),
        Query(
            description="Only those with this text in the name, a tag or the name of the file, or "
            "at the beginning of the id; of a job also where its model or dataset has it. Case "
            "does not matter"
        ),
    ] = None
    tag: Annotated[
        tuple[Tag, ...],
        Query(
            max_length=MOST,
            description="Only those with this tag; may be repeated: with all of them",
        ),
    ] = ()
    metadata: Annotated[
        tuple[Pair, ...],
        Query(
            max_length=MOST,
            description="Only those with these metadata, as `key=value`; may be repeated: with "
            "all of them. `epochs=30` finds the number and the text",
        ),
    ] = ()
    created_after: Annotated[
        Moment | None, Query(description="Only those of this time or later")
    ] = None
    created_before: Annotated[
        Moment | None, Query(description="Only those of before this time")
    ] = None


@dataclass(frozen=True)
class UploadFilters(Filters):
    state: Annotated[UploadState | None, OF_STATE] = None


@dataclass(frozen=True)
class JobFilters(Filters):
    state: Annotated[AnalysisState | None, OF_STATE] = None
    model_id: Annotated[AnyId | None, Query(description="Only those of this model")] = None
    dataset_id: Annotated[AnyId | None, Query(description="Only those of this dataset")] = None


@dataclass(frozen=True)
class TrialFilters(JobFilters):
    analysis_id: Annotated[
        AnyId | None, Query(description="Only those of the plans of this analysis")
    ] = None


OfUploads = Annotated[UploadFilters, Depends()]
OfJobs = Annotated[JobFilters, Depends()]
OfTrials = Annotated[TrialFilters, Depends()]
