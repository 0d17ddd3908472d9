"""`/v1/analyses/{analysis_id}/artifacts`: the networks that an analysis built."""

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from service.analyses.result_schemas import ArtifactOut
from service.database.tables import ANALYSES, Artifact
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import NoResultError
from service.http.security import Reader
from service.jobs import service as jobs
from service.jobs.downloads import RESPONSES, FileName, Wanted, download

router = APIRouter(
    prefix="/v1/analyses/{analysis_id}/artifacts",
    tags=["analyses"],
    responses=responses(401, 403, 404, NoResultError, 422, 429, 500, 503),
)


@router.get("", response_model=Page[ArtifactOut])
def list_artifacts(
    analysis_id: Id,
    caller: Reader,
    session: Session,
    page_size: PageSize = 1000,
    page_token: PageToken = None,
) -> Slice[ArtifactOut]:
    """List the built networks: one `.pt2` file for each plan that `build` names."""
    analysis = jobs.find(session, ANALYSES, caller.owner, analysis_id)
    jobs.require_success(analysis, ANALYSES)
    page = jobs.results(session, ANALYSES, analysis_id, Artifact, page_size, page_token)
    return jobs.describe_artifacts(session, analysis, page, ArtifactOut)


@router.get("/{name}", response_class=StreamingResponse, responses=RESPONSES)
async def download_artifact(
    analysis_id: Id,
    name: FileName,
    caller: Reader,
    services: FromApp,
    wanted: Wanted,
) -> Response:
    """Download a file, or one range of its bytes; its entity tag is its SHA-256."""
    return await download(services, ANALYSES, caller.owner, analysis_id, name, wanted)
