"""Problem documents (RFC 9457): their schemas, and their JSON."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from service.objects_in_text import without_addresses

PREFIX = "urn:narrows:problem:"
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One error in a request."""

    pointer: str = Field(
        description="JSON pointer (RFC 6901) to the value, within `in`", examples=["/page_size"]
    )
    where: str = Field(
        alias="in", description="`body`, `query`, `path` or `header`", examples=["query"]
    )
    detail: str = Field(description="What is wrong with it", examples=["It must be 1000 or less."])


class ProblemDocument(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str = Field(description="Stable name of the kind of problem")
    title: str = Field(description="The kind of problem in words, always the same for a `type`")
    status: int = Field(description="The status of the response")
    detail: str = Field(description="What was wrong with this request, and what to do")
    errors: list[FieldError] | None = Field(
        default=None, description="The errors, one for each wrong field"
    )
    request_id: str | None = Field(
        default=None, description="Only with status 500: quote it when you report the fault"
    )


class ProblemOut(BaseModel):
    """Why work failed, or an upload was rejected: a problem document (RFC 9457), as stored."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="Stable name of the kind of problem")
    title: str = Field("", description="The kind of problem in words")
    detail: str = Field("", description="What was wrong, and what to do")


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()  # ASCII: UTF-8 can't encode a lone surrogate


def respond(
    status: int,
    slug: str,
    title: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> Response:
    """Return the response with a problem document (RFC 9457, section 3)."""
    return ProblemResponse(
        document(status, slug, title, detail, **extra), status_code=status, headers=headers
    )


def document(status: int, slug: str, title: str, detail: str, **extra: Any) -> dict[str, Any]:
    """Return a problem document."""
    detail = without_addresses(detail)
    return {"type": PREFIX + slug, "title": title, "status": status, "detail": detail, **extra}


def pointer(path: Iterable[int | str]) -> str:
    """Return `path` as a JSON pointer (RFC 6901, section 3); `()` is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def path_of(text: str) -> list[str]:
    """Return the path of a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]
