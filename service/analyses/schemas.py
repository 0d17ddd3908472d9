"""The responses about analyses."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from narrows.vocabulary import AnalysisState, Stage
from service.analyses.scores import BaselineOut, ScoreOut
from service.analyses.stored import Summary
from service.database.tables import Analysis
from service.http.problem_document import ProblemOut
from service.naming.schemas import MetadataOut, TagsOut

_STAGES: dict[str, Stage] = {
    "queued": "queued",
    "planning": "plan",
    "running": "shards",
    "reducing": "reduce",
}


class Progress(BaseModel):
    """How far an analysis is."""

    stage: Stage = Field(description="What is being done")
    done: int = Field(description="Shards that are done")
    total: int = Field(description="Shards in all; 0 until the analysis is planned")
    seconds_left: float | None = Field(description="An estimate; null when there is none")


class FirstLook(ScoreOut):
    """The network's score on the first samples, before anything else is computed."""

    samples: int = Field(description="The number of these samples")
    baseline: BaselineOut | None = Field(description="What an answer that ignores the input gets")
    doubt: str | None = Field(
        description="Why model and dataset may not belong together, and what to check"
    )


class AnalysisOut(BaseModel):
    """An analysis. A failed one also comes with status 200: `error` is the problem document."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(description="Its id", examples=["ana_9d5e4f60718293040b3fa1c0"])
    state: AnalysisState = Field(
        description="`queued` until a worker takes it, and at the end `succeeded`, `failed` or "
        "`cancelled`"
    )
    name: str | None = Field(description="What its owner calls it")
    tags: TagsOut
    metadata: MetadataOut
    model_id: str = Field(description="The id of the model")
    dataset_id: str = Field(description="The id of the dataset")
    source_id: str | None = Field(
        description="Of a follow-up: the analysis whose partial sums it uses; it may be gone"
    )
    request: dict[str, Any] = Field(description="The request, with the defaults filled in")
    progress: Progress = Field(description="How far it is")
    cancel_requested: bool = Field(description="Whether a cancel was asked for; it ends soon then")
    first_look: FirstLook | None = Field(
        description="The score on the first samples, as soon as the analysis is planned"
    )
    summary: Summary | None = Field(description="What it found, once it has succeeded")
    provenance: dict[str, Any] | None = Field(
        description="How the result was computed: versions, devices, hashes of the files, seed"
    )
    error: ProblemOut | None = Field(description="Why it failed (RFC 9457)")
    created_at: AwareDatetime = Field(description="When it was asked for")
    started_at: AwareDatetime | None = Field(description="When a worker took it; null before")
    finished_at: AwareDatetime | None = Field(description="When it ended; null before")
    expires_at: AwareDatetime | None = Field(
        description="When it is removed, unless something refers to it then; null: never, or not "
        "known before it has ended"
    )

    @classmethod
    def of(
        cls, row: Analysis, seconds_left: float | None, expires_at: datetime | None
    ) -> "AnalysisOut":
        progress = Progress(
            stage=_STAGES.get(row.state, "done"),
            done=row.shards - row.remaining,
            total=row.shards,
            seconds_left=seconds_left,
        )
        computed: dict[str, Any] = {
            "progress": progress,
            "expires_at": expires_at,
            "metadata": row.metadata_,
        }
        columns = {name: getattr(row, name) for name in cls.model_fields if name not in computed}
        return cls(**computed, **columns)
