"""`/v1/trials/{trial_id}`: `/runs`, and `/artifacts` of a trial that succeeded."""

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from service.database.trials import TRIALS, TrialArtifact, TrialRun
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import NoResultError
from service.http.security import Reader
from service.jobs import service as jobs
from service.jobs.downloads import RESPONSES, FileName, Wanted, download
from service.trials.schemas import TrialArtifactOut, TrialRunOut

router = APIRouter(
    prefix="/v1/trials/{trial_id}",
    tags=["trials"],
    responses=responses(401, 403, 404, 422, 429, 500, 503),
)


@router.get("/runs", response_model=Page[TrialRunOut])
def list_trial_runs(
    trial_id: Id,
    caller: Reader,
    session: Session,
    page_size: PageSize = 100,
    page_token: PageToken = None,
) -> Slice[TrialRun]:
    """List the runs of a trial with their loss curves, also while it trains."""
    jobs.find(session, TRIALS, caller.owner, trial_id)
    return jobs.results(session, TRIALS, trial_id, TrialRun, page_size, page_token)


@router.get("/artifacts", response_model=Page[TrialArtifactOut], responses=responses(NoResultError))
def list_trial_artifacts(
    trial_id: Id,
    caller: Reader,
    session: Session,
    page_size: PageSize = 1000,
    page_token: PageToken = None,
) -> Slice[TrialArtifactOut]:
    """List the trained networks: one `.pt2` file for each run that succeeded."""
    trial = jobs.find(session, TRIALS, caller.owner, trial_id)
    jobs.require_success(trial, TRIALS)
    page = jobs.results(session, TRIALS, trial_id, TrialArtifact, page_size, page_token)
    return jobs.describe_artifacts(session, trial, page, TrialArtifactOut)


@router.get(
    "/artifacts/{name}",
    response_class=StreamingResponse,
    responses={**RESPONSES, **responses(NoResultError)},
)
async def download_trial_artifact(
    trial_id: Id,
    name: FileName,
    caller: Reader,
    services: FromApp,
    wanted: Wanted,
) -> Response:
    """Download a trained network, or one range of its bytes; its entity tag is its SHA-256."""
    return await download(services, TRIALS, caller.owner, trial_id, name, wanted)
