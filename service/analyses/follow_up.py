"""Follow-ups: analyses that are computed from the partial sums of an earlier one, without data."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from narrows.layer_names import listed
from narrows.vocabulary import ADVISE, PARTIAL_SUMS, PLANS, PRUNED, RANKINGS, SAME_TERMS
from service.analyses.combinations import check_layers, check_request
from service.analyses.follow_up_request import BuildRequest, FollowUpRequest, PlanRequest
from service.analyses.plan_request import CustomPlan
from service.analyses.request import AnalysisRequest
from service.database.jobs import JobArtifact
from service.database.tables import ANALYSES, Analysis
from service.http.problems import InvalidError, NoSumsError
from service.http.security import Caller
from service.jobs import service as jobs
from service.jobs.creating import create as create_job
from service.jobs.repository import JobRepository
from service.models.service import MODELS
from service.naming.schemas import NAMING
from service.uploads.expiry import require_kept
from service.uploads.service import find_to_refer

Changes = dict[str, Any]
"""The fields of a request for an analysis that are other than the source's, in JSON."""
RANKED_BY = ("method", "blocks", "cost")
"""The fields on which the rankings depend, of those that a follow-up may change."""


def create(
    session: Session, caller: Caller, source_id: str, changes: Changes, idempotency_key: str | None
) -> Analysis:
    """Return a new follow-up, or the one that a request with this key created before.

    Raises NotFoundError if the owner has no such analysis, NoResultError if it has not succeeded,
    NoSumsError without its partial sums, ExpiredError without its model's file, InvalidError for
    what these can't answer, and KeyReusedError if the idempotency key came with another request.
    """
    source = jobs.find_to_refer(session, ANALYSES, caller.owner, source_id)
    jobs.require_success(source, ANALYSES)
    request = _changed(source, changes)
    document = request.model_dump(mode="json", exclude=NAMING) | {"source_id": source.id}
    kept = {file.name: file for file in JobRepository(session, ANALYSES).artifacts(source.id)}
    before = request_of(source)
    same = all(getattr(request, name) == getattr(before, name) for name in RANKED_BY)
    names = (PARTIAL_SUMS, RANKINGS) if same else (PARTIAL_SUMS,)

    def checked() -> Mapping[str, str]:
        _require_sums(source, kept)
        model = find_to_refer(session, caller.owner, MODELS, source.model_id)
        require_kept(model, MODELS.noun)
        check_request(request)
        if model.inspection:
            check_layers(request, model.inspection)
        uploads = {"model_id": source.model_id, "dataset_id": source.dataset_id}
        return {**uploads, "source_id": source.id}

    return create_job(
        session,
        ANALYSES,
        caller,
        document,
        request,
        idempotency_key,
        task="follow_up",
        checked=checked,
        state="reducing",
        files=[kept[name] for name in names if name in kept],
    )


def _require_sums(source: Analysis, kept: Mapping[str, JobArtifact]) -> None:
    if PARTIAL_SUMS not in kept:
        raise NoSumsError(
            f"The partial sums of {source.id} are not there: they have expired, were too large to "
            "keep, or are of an older version. Run the analysis again."
        )


def _changed(source: Analysis, changes: Changes) -> AnalysisRequest:
    """Return the request of a follow-up; raise InvalidError for another method's partial sums."""
    before = request_of(source).model_dump(mode="json")
    asked = before | changes
    if ADVISE not in asked["plans"] and ADVISE not in changes:
        asked[ADVISE] = None
    if asked["method"] not in (can := _answered(before["method"])):
        raise InvalidError(
            ["method"],
            f"The partial sums of the method {before['method']!r} answer only {listed(can)}; for "
            f"{asked['method']!r}, start a new analysis.",
        )
    return AnalysisRequest.model_validate(asked)


def request_of(source: Analysis) -> AnalysisRequest:
    """Return the request of an analysis, with the defaults for what it is too old to have."""
    names = AnalysisRequest.model_fields
    ids = {"model_id": source.model_id, "dataset_id": source.dataset_id}
    known = {name: value for name, value in source.request.items() if name in names}
    return AnalysisRequest.model_validate(ids | known)


def _answered(method: Any) -> list[str]:
    """Return the methods that need the same partial sums."""
    return sorted(next((same for same in SAME_TERMS if method in same), {method}))


def of_request(request: FollowUpRequest) -> Changes:
    """Return what a request for a follow-up changes."""
    given = request.model_dump(mode="json", exclude_none=True)
    return {"build": [], **given}


def of_plan(request: PlanRequest) -> Changes:
    """Return the changes that a request for a plan stands for; raise InvalidError."""
    options = request.model_dump(mode="json", exclude_none=True)
    name, factors = options.pop("name", None), options.pop("factors", None)
    if bool(factors) == ("budget" in options) or (name and not factors):
        raise InvalidError(["factors"], "Give `factors`, with a `name`, or else a `budget`.")
    if not factors:
        return {"plans": [ADVISE], ADVISE: options, "build": []}
    if options:
        raise InvalidError([*options][:1], "This is for a `budget`, and here are `factors`.")
    return {"plans": [{"name": name or "custom", "factors": factors}], "build": []}


def of_build(request: BuildRequest, source: Analysis) -> Changes:
    """Return the changes that a request for a network stands for; raise InvalidError."""
    changes: Changes = {"init": request.init}
    if request.pruning_ratio is not None:
        changes["pruning_ratio"] = request.pruning_ratio
    if isinstance(request.plan, CustomPlan):
        plan = request.plan.model_dump(mode="json")
        return {**changes, "plans": [plan], "build": [plan["name"]]}
    known = plans_of(source)
    if request.plan not in (*known, PRUNED):
        raise InvalidError(
            ["plan"],
            f"The analysis has no plan {request.plan!r}; choose from {listed([*known, PRUNED])}, "
            "or give factors.",
        )
    own = [known[request.plan]] if request.plan in known else []
    return {**changes, "plans": own, "build": [request.plan]}


def plans_of(source: Analysis) -> dict[str, Any]:
    """Return the plans that a follow-up can make by their names: ours, and those of the source."""
    plans = request_of(source).model_dump(mode="json")["plans"]
    own = {plan["name"]: plan for plan in plans if not isinstance(plan, str)}
    return {**{name: name for name in PLANS}, **own}
