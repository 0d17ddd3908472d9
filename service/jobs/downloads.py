"""Downloads of what a job built, whole or by ranges of bytes."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from service.database.jobs import JobArtifact, JobKind
from service.http.byte_range import byte_range
from service.http.dependencies import Services
from service.http.problem_schema import responses
from service.http.problems import NotFoundError
from service.jobs import service as jobs
from service.jobs.conditional import IfNoneMatch, matches

MEDIA_TYPE = "application/octet-stream"
_BYTES = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file", **_BYTES},
    206: {"description": "The bytes that `Range` names", **_BYTES},
    304: {"description": "Not modified: the entity tag is in `If-None-Match`"},
    **responses(416),
}

FileName = Annotated[str, Path(description="The name of the file, from the list of artifacts")]


@dataclass(frozen=True)
class Conditions:
    """The headers that say which bytes a caller wants, and which it has (RFC 9110, 13 and 14)."""

    range: Annotated[
        str | None, Header(alias="Range", description="`bytes=START-STOP`, for a part of the file")
    ] = None
    if_range: Annotated[
        str | None, Header(description="An entity tag: if it no longer holds, `Range` is ignored")
    ] = None
    if_none_match: IfNoneMatch = None


Wanted = Annotated[Conditions, Depends()]


async def download(
    services: Services,
    kind: JobKind[Any],
    owner: str,
    identity: str,
    name: str,
    wanted: Conditions,
) -> Response:
    """Return the response with a file, or one range of its bytes; its entity tag is its SHA-256."""

    def find() -> JobArtifact:
        with services.reading() as session:
            return jobs.artifact(session, kind, owner, identity, name)

    file = await run_in_threadpool(find)
    tag = f'"{file.sha256}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
    if matches(tag, wanted.if_none_match):
        return Response(status_code=304, headers=headers)
    part = byte_range(wanted.range, file.size) if wanted.if_range in (None, tag) else None
    start, stop = part or (0, file.size)
    try:
        content = await services.storage.read(file.sha256, start, stop)
    except FileNotFoundError:  # deleted after its row was read
        raise NotFoundError("The artifact has been deleted.") from None
    headers |= {
        "Content-Length": str(stop - start),
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "X-Content-Type-Options": "nosniff",
    }
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    return StreamingResponse(content, 206 if part else 200, headers, MEDIA_TYPE)
