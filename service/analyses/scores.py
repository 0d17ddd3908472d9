"""The scores of networks, in responses."""

from typing import Literal

from pydantic import BaseModel, Field


class ScoreOut(BaseModel):
    """The score of a network on some samples."""

    loss: float | None = Field(description="Mean loss; null where it is not finite")
    accuracy: float | None = Field(
        description="Share of the samples that are right (top-1); null for losses without that"
    )


class BaselineOut(ScoreOut):
    """The score of an answer that ignores the input."""

    kind: Literal["constant", "shuffled"] = Field(
        description="The best answer that is the same for all inputs; or, for losses that know "
        "none, the network's own outputs on the targets of other samples"
    )
    chance: ScoreOut | None = Field(description="The score of guessing evenly among the classes")
