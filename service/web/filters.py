"""The filters of lists on pages: those of the API, from a form, which also sends what is empty."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import StringConstraints

from narrows.vocabulary import AnalysisState, UploadState
from service.naming.filters import AnyId, Filters
from service.naming.schemas import PLAIN, Tag

F = TypeVar("F", bound=Filters)
Nothing = Literal[""]


@dataclass(frozen=True)
class _Form:
    q: Annotated[str, StringConstraints(max_length=200, pattern=PLAIN), Query()] = ""
    tag: Annotated[Tag | Nothing, Query()] = ""

    def query(self, **more: Any) -> dict[str, Any]:
        """Return what was asked for and `more`, as parameters of a link."""
        return {name: value for name, value in {**asdict(self), **more}.items() if value}

    def of(self, schema: type[F]) -> F:
        """Return the filters of the API."""
        given = self.query()
        return schema(**(given | {"tag": (self.tag,)} if self.tag else given))


@dataclass(frozen=True)
class UploadForm(_Form):
    state: Annotated[UploadState | Nothing, Query()] = ""


@dataclass(frozen=True)
class JobForm(_Form):
    state: Annotated[AnalysisState | Nothing, Query()] = ""
    model_id: Annotated[AnyId | Nothing, Query()] = ""
    dataset_id: Annotated[AnyId | Nothing, Query()] = ""


@dataclass(frozen=True)
class TrialForm(JobForm):
    analysis_id: Annotated[AnyId | Nothing, Query()] = ""


OfUploads = Annotated[UploadForm, Depends()]
OfJobs = Annotated[JobForm, Depends()]
OfTrials = Annotated[TrialForm, Depends()]
