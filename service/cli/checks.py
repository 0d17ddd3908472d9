"""Checks a request before gigabytes are uploaded for it."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import typer
from pydantic import ValidationError

from narrows.client.types import Options, Transform
from narrows.vocabulary import ADVISE
from service.analyses.combinations import check_layers, check_request
from service.analyses.request import AnalysisRequest
from service.datasets.schemas import Transform as TransformSchema
from service.http.problems import InvalidError
from service.plain_errors import explain


def checked_request(options: Options) -> AnalysisRequest:
    """Return the request with its defaults; raise BadParameter, which names the wrong option."""
    try:
        request = AnalysisRequest.model_validate({"model_id": "-", "dataset_id": "-", **options})
    except ValidationError as error:
        first = error.errors()[0]
        raise _bad([str(part) for part in first["loc"]], explain(first)) from None
    _explained(lambda: check_request(request))
    return request


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
    return cast("Transform", transform.model_dump(exclude_none=True))


def _explained(check: Callable[[], None]) -> None:
    try:
        check()
    except InvalidError as error:
        first = error.extra["errors"][0]
        raise _bad(first["pointer"].split("/")[1:], first["detail"]) from None


def _bad(path: Sequence[str], detail: str) -> typer.BadParameter:
    if path[0] == "plans":
        option = "--factor" if len(path) > 2 else "--plan"  # only a custom plan has parts
    else:
        parts = path[:2] if path[0] == ADVISE else path[:1]
        option = "--" + "-".join(parts).replace("_", "-")
    return typer.BadParameter(detail, param_hint=option)
