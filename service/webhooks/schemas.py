from typing import Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from narrows.vocabulary import WebhookEvent

EVENTS = get_args(WebhookEvent)


class WebhookRequest(BaseModel):
    """Where to send messages, and about what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000, description="Where to POST; it begins with https://")
    events: list[WebhookEvent] = Field(
        default=[*EVENTS], min_length=1, description="What to tell of; default: everything"
    )


class WebhookChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(default=None, max_length=2000, description="Where to POST")
    events: list[WebhookEvent] | None = Field(
        default=None, min_length=1, description="What to tell of"
    )
    enabled: bool | None = Field(default=None, description="Whether to send anything")


class WebhookOut(BaseModel):
    """A webhook; its secret was shown once."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Its id", examples=["whk_3fa1c02b9d5e4f6071829304"])
    url: str = Field(description="Where to POST")
    events: list[WebhookEvent] = Field(description="What to tell of")
    enabled: bool = Field(
        description="Whether it is sent anything; an answer with status 410 disables it"
    )
    created_at: AwareDatetime = Field(description="When it was made")


class NewWebhookOut(WebhookOut):
    """A webhook with its secret."""

    secret: str = Field(
        description="Verifies signatures (Standard Webhooks); keep it", examples=["whsec_…"]
    )


class Attempt(BaseModel):
    """An attempt to deliver."""

    at: AwareDatetime = Field(description="When it ended")
    status: int | None = Field(description="The status of the answer; null: there was none")
    error: str | None = Field(description="Why there was none")
    seconds: float = Field(description="How long it took")


class DeliveryOut(BaseModel):
    """A message to a webhook, and what became of it."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(
        description="Its id, the header `webhook-id`", examples=["msg_3fa1c02b9d5e4f6071829304"]
    )
    event: str = Field(description="What it tells of", examples=["analysis.succeeded"])
    state: Literal["pending", "delivered", "failed"] = Field(description="How far it is")
    payload: dict[str, Any] = Field(description="Its body: `type`, `timestamp` and `data`")
    attempts: list[Attempt] = Field(description="What was tried, the oldest first")
    next_attempt_at: AwareDatetime = Field(description="When it is tried next, while pending")
    created_at: AwareDatetime = Field(description="When it was made")
