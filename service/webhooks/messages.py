"""The description of what is sent to webhooks; `service.database.webhooks` writes it."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from narrows.vocabulary import WebhookEvent
from service.http.problem_document import ProblemOut
from service.naming.schemas import TagsOut

router = APIRouter()
"""FastAPI's `webhooks`: their paths are names, and nobody can call them."""


class JobEnded(BaseModel):
    """The job that has ended; the rest is found by its id."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(description="Its id", examples=["ana_9d5e4f60718293040b3fa1c0"])
    state: Literal["succeeded", "failed", "cancelled"] = Field(description="How it has ended")
    name: str | None = Field(description="What its owner calls it", examples=["resnet18 nightly"])
    tags: TagsOut
    model_id: str = Field(description="The id of the model")
    dataset_id: str = Field(description="The id of the dataset")
    bottlenecks: list[str] | None = Field(
        description="Of an analysis that succeeded: the layers that are too narrow"
    )
    doubt: str | None = Field(
        description="Of an analysis that succeeded: why every verdict is withheld, if so"
    )
    error: ProblemOut | None = Field(description="Why it failed (RFC 9457)")


class JobMessage(BaseModel):
    """A message that an analysis or a trial has ended."""

    type: WebhookEvent = Field(description="What has happened")
    timestamp: AwareDatetime = Field(description="When")
    data: JobEnded = Field(description="The job that has ended")


@router.post(
    "job-ended",
    operation_id="tell_job_ended",
    status_code=204,
    response_class=Response,
    responses={
        410: {"description": "It wants no more: the webhook is disabled"},
        "default": {"description": "It comes again, up to 11 times within a day"},
    },
)
def tell_job_ended(body: JobMessage) -> None:
    """Hear that an analysis or a trial has ended, as Standard Webhooks has it.

    The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` verify it. Any status of
    2xx accepts it.
    """
