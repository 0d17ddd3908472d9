"""`/analyses/{analysis_id}/layers/{index}`: a layer, channel by channel."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response

from narrows.report.figures.channels import channels
from narrows.report.layer import LayerView
from service.analyses.repository import layer_at, structures_of
from service.analyses.result_schemas import LayerOut
from service.database.tables import ANALYSES, Layer, Structure
from service.http.dependencies import Session
from service.http.ids import Id
from service.http.problems import NotFoundError
from service.jobs import service as jobs
from service.web.callers import Reader
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)


@router.get("/analyses/{analysis_id}/layers/{index}")
def show_layer(
    analysis_id: Id,
    index: Annotated[int, Path(ge=0, le=2**31 - 1)],
    caller: Reader,
    session: Session,
) -> Response:
    """Show what is known of a layer, and of each of its channels."""
    analysis = jobs.find(session, ANALYSES, caller.owner, analysis_id)
    jobs.require_success(analysis, ANALYSES)
    layer = layer_at(session, analysis_id, index)
    if layer is None:
        raise NotFoundError(f"The analysis has no layer {index}.")
    structures = structures_of(session, layer)
    kept = len(structures) - round((layer.pruning_ratio or 0) * len(structures))
    view = LayerView(index, _row(layer), {})
    return rendered(
        "layer.html",
        caller=caller,
        here="analyses",
        analysis=analysis,
        layer=view,
        before=index and layer_at(session, analysis_id, index - 1),
        after=layer_at(session, analysis_id, index + 1),
        figure=channels([row.saliency for row in structures], kept, view.verdict),
        rows=[(row, *_members(row, layer.name)) for row in structures],
        kept=kept,
        ratio=analysis.request["pruning_ratio"],
    )


def _row(layer: Layer) -> Any:
    return LayerOut.model_validate(layer, from_attributes=True).model_dump()


def _members(row: Structure, name: str) -> tuple[list[int], list[str]]:
    """Return the channels of the layer in a structure, and the other layers that have some."""
    own = [channel for layer, channel in row.members if layer == name]
    others = {layer for layer, _ in row.members if layer != name}
    return own, sorted(others)
