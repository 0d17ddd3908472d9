"""`/v1/analyses/{analysis_id}/artifacts`: the networks that an analysis built."""

from typing import Annotated

from fastapi import APIRouter, Header, Path
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from service.analyses import service as analyses
from service.analyses.conditional import IfNoneMatch, matches
from service.analyses.schemas import ArtifactOut
from service.database.tables import Artifact
from service.http.byte_range import byte_range
from service.http.dependencies import FromApp, Services, Session
from service.http.ids import Id
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import NoResultError, NotFoundError
from service.http.security import Reader

MEDIA_TYPE = "application/octet-stream"
_BYTES = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}

router = APIRouter(
    prefix="/v1/analyses/{analysis_id}/artifacts",
    tags=["analyses"],
    responses=responses(401, 403, 404, NoResultError, 422, 500, 503),
)


@router.get("", response_model=Page[ArtifactOut])
def list_artifacts(
    analysis_id: Id,
    caller: Reader,
    session: Session,
    page_size: PageSize = 1000,
    page_token: PageToken = None,
) -> Slice[Artifact]:
    """List the built networks: one `.pt2` file for each plan that `build` names."""
    return analyses.results(session, caller.owner, analysis_id, Artifact, page_size, page_token)


def _find(services: Services, owner: str, analysis_id: str, name: str) -> Artifact:
    with services.reading() as session:
        return analyses.artifact(session, owner, analysis_id, name)


@router.get(
    "/{name}",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The whole file", **_BYTES},
        206: {"description": "The bytes that `Range` names", **_BYTES},
        304: {"description": "Not modified: the entity tag is in `If-None-Match`"},
        **responses(416),
    },
)
async def download_artifact(
    analysis_id: Id,
    name: Annotated[str, Path(description="The name of the file, from the list of artifacts")],
    caller: Reader,
    services: FromApp,
    range_header: Annotated[
        str | None, Header(alias="Range", description="`bytes=START-STOP`, for a part of the file")
    ] = None,
    if_range: Annotated[
        str | None,
        Header(description="An entity tag: if it no longer holds, `Range` is ignored"),
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Download a file, or one range of its bytes; its entity tag is its SHA-256."""
    file = await run_in_threadpool(_find, services, caller.owner, analysis_id, name)
    tag = f'"{file.sha256}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
    if matches(tag, if_none_match):
        return Response(status_code=304, headers=headers)
    part = byte_range(range_header, file.size) if if_range in (None, tag) else None
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
