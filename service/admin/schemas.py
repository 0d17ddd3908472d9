from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from service.http.moments import Expiry
from service.keys.secrets import Scope

Owner = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
KeyName = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class KeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    owner: Owner = Field(description="The owner of everything that is uploaded with the key")
    name: KeyName = Field(default="", description="What the key is for")
    scopes: list[Scope] = Field(
        default=["read", "write"], min_length=1, description="What it allows; admin includes read"
    )
    expires_at: Expiry | None = Field(
        default=None, description="Until when it is valid; null: until it is revoked"
    )


class RotateRequest(BaseModel):
    """How long the old key stays valid beside the new one."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: float = Field(
        default=24, ge=0, le=24 * 366, description="How long the old key stays valid"
    )


class KeyOut(BaseModel):
    """A key; what it is itself was shown once, when it was made."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Its id", examples=["key_3fa1c02b9d5e4f6071829304"])
    owner: str = Field(description="The owner of everything that is uploaded with it")
    name: str = Field(description="What it is for")
    scopes: list[Scope] = Field(description="What it allows; admin includes read")
    created_at: AwareDatetime = Field(description="When it was made")
    last_used_at: AwareDatetime | None = Field(description="To about a minute; null: never")
    expires_at: AwareDatetime | None = Field(description="Until when it is valid; null: no end")
    revoked_at: AwareDatetime | None = Field(description="When it was revoked; null: it was not")


class NewKeyOut(KeyOut):
    """A new key. It can't be shown again: only its hash is stored."""

    key: str = Field(description="The key itself: send it as a bearer token", examples=["nrw_…"])


class LimitOut(BaseModel):
    """A limit of an owner, and what is used of it."""

    limit: int = Field(description="How much there may be")
    used: int | None = Field(description="How much there is; null for rates, as is `left`")
    left: int | None = Field(description="How much more there may be")


class OwnerOut(BaseModel):
    """What an owner has stored and asked for."""

    owner: str = Field(description="The owner")
    models: int = Field(description="How many models it has")
    datasets: int = Field(description="How many datasets it has")
    jobs: dict[str, dict[str, int]] = Field(
        description="For each kind of job, how many are in which state",
        examples=[{"analysis": {"succeeded": 12, "running": 1}}],
    )
    bytes: int = Field(description="The size of its uploads and built networks, each file once")
    limits: dict[str, LimitOut] = Field(
        description="By name: unfinished `analyses` and `trials`, `bytes`, `uploads_per_day`; and "
        "for each key `requests_per_second` and `streams`",
        examples=[{"analyses": {"limit": 1000, "used": 1, "left": 999}}],
    )


class AuditOut(BaseModel):
    """A change: who made it, from where."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Later changes have greater ones")
    at: AwareDatetime = Field(description="When it was")
    owner: str = Field(description="Whose key it was")
    key_id: str = Field(description="The id of the key")
    address: str | None = Field(description="Where the request came from")
    action: str = Field(description="What was done", examples=["model.create"])
    subject: str = Field(description="The id of what was changed")
    request_id: str | None = Field(description="As in the response's header and in the log")
