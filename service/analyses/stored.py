"""The parts of an analysis that are stored as JSON, with what other versions stored beside."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from narrows.vocabulary import RuleName
from service.analyses.scores import BaselineOut, ScoreOut


class Stored(BaseModel):
    """Fields that older versions did not store are null, and others than these go out, too."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class RemovalOut(ScoreOut):
    """The measured score after a global pruning."""

    ratio: float = Field(description="The share that was removed")


class Summary(Stored):
    """What an analysis found."""

    loss: float | None = Field(None, description="Mean loss; null where it is not finite")
    accuracy: float | None = Field(None, description="Share of the samples that are right (top-1)")
    baseline: BaselineOut | None = Field(
        None, description="What an answer that ignores the input gets"
    )
    doubt: str | None = Field(None, description="Why every verdict is withheld, if it is")
    gain_basis: str | None = Field(
        None, description="What the layers' expected gains rest on, or why there are none"
    )
    removals: list[RemovalOut] = Field([], description="The measured scores after global prunings")
    cliff: float | None = Field(
        None,
        description="The largest ratio that keeps half of what the network gains over the baseline",
    )
    structures: int | None = Field(None, description="The number of channels that can be cut")
    samples: int | None = Field(None, description="The number of samples")
    pruning_ratio: float | None = Field(None, description="The global ratio of the request")
    rule: RuleName | None = Field(None, description="What verdicts rest on")
    bottlenecks: list[str] = Field([], description="The layers with this verdict")
    suspected: list[str] = Field([], description="The layers with this verdict")
    redundant: list[str] = Field([], description="The layers with this verdict")
    undecided: list[str] = Field([], description="The layers with this verdict")
    advice: str | None = Field(
        None, description="What the plan `advise` rests on, if it was asked for"
    )
    not_measured: str | None = Field(
        None, description="What a follow-up lacks, since it reads no data"
    )
    built: dict[str, dict[str, Any]] | None = Field(
        None, description="How far the outputs of each built network deviate, and why"
    )


class Edit(Stored):
    """An edit of the source: another number, or other shapes, for an attribute of a module."""

    module: str = Field(description="The module's name in the network")
    attribute: str = Field(description="Its attribute", examples=["out_channels"])
    before: int | list[Any] = Field(alias="from", description="What it is")
    after: int | list[Any] = Field(alias="to", description="What it becomes")


class PlannedLayer(Stored):
    """A layer's new width, and the edits that it needs."""

    name: str = Field(description="Its name in the network")
    width: int = Field(description="Its output channels")
    new_width: int = Field(description="What they become")
    edits: list[Edit] = Field([], description="What to edit")
