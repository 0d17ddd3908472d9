"""Checks a request before gigabytes are uploaded for it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import typer
from pydantic import BaseModel, ValidationError

from narrows.client.types import AnalysisOptions, Transform
from narrows.vocabulary import ADVISE
from service.analyses.combinations import check_layers, check_request
from service.analyses.follow_up_request import FollowUpRequest
from service.analyses.request import AnalysisRequest
from service.datasets.schemas import Transform as TransformSchema
from service.http.problems import InvalidError
from service.plain_errors import explain
from service.trials.request import TrialRequest
from service.trials.terms import own_terms

M = TypeVar("M", bound=BaseModel)


def checked_request(options: AnalysisOptions) -> AnalysisRequest:
    """Return the request with its defaults; raise BadParameter, which names the wrong option."""
    request = _valid(AnalysisRequest, {"model_id": "-", "dataset_id": "-", **options})
    _explained(lambda: check_request(request))
    return request


def checked_trial(request: dict[str, Any]) -> None:
    """Check a request for a trial before its upload; raise BadParameter."""
    ids = {} if "analysis_id" in request else {"model_id": "-", "dataset_id": "-"}
    asked = _valid(TrialRequest, {**ids, **request})
    if ids:
        _explained(lambda: own_terms(asked))


def check_follow_up(request: Mapping[str, Any]) -> None:
    """Raise BadParameter for what no follow-up may ask; it names the wrong option."""
    _valid(FollowUpRequest, request)


def check_against_model(request: AnalysisRequest, inspection: dict[str, Any]) -> None:
    """Raise BadParameter for layers that the model lacks or that can't be changed."""
    _explained(lambda: check_layers(request, inspection))


def checked_transform(text: str) -> Transform:
    """Return the transform in the JSON `text`; raise BadParameter."""
    try:
        transform = TransformSchema.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise typer.BadParameter(f"{where}{explain(first)}", param_hint="--transform") from None
    return cast("Transform", transform.model_dump())


def _valid(schema: type[M], document: Mapping[str, Any]) -> M:
    try:
        return schema.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise _bad([str(part) for part in first["loc"]], explain(first)) from None


def _explained(check: Callable[[], object]) -> None:
    try:
        check()
    except InvalidError as error:
        first = error.extra["errors"][0]
        raise _bad(first["pointer"].split("/")[1:], first["detail"]) from None


def _bad(path: Sequence[str], detail: str) -> typer.BadParameter:
    if path[0] == "recipe" and len(path) > 1:
        option = "--" + path[1].replace("_", "-")
    elif path[0] in ("variants", "inits"):
        option = f"--{path[0][:-1]}"
    elif path[0] == "plans":
        option = "--factor" if len(path) > 2 else "--plan"  # only a custom plan has parts
    else:
        parts = path[:2] if path[0] == ADVISE else path[:1]
        option = "--" + "-".join(parts).replace("_", "-")
    return typer.BadParameter(detail, param_hint=option)
