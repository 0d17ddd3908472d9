"""The findings of an analysis, from its rows."""

from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from narrows.comparison import Row
from narrows.report.findings import Findings
from service.analyses.repository import saliencies
from service.analyses.result_schemas import ArtifactOut, LayerOut, PlanOut
from service.database.jobs import Job
from service.database.tables import ANALYSES, Artifact, Dataset, Layer, Model, Plan
from service.jobs.repository import JobRepository


def layer_rows(session: Session, analysis_id: str) -> list[Row]:
    """Return the layers of an analysis as they go out, in the network's order."""
    return _rows(session, analysis_id, Layer, LayerOut)


def _rows(session: Session, analysis_id: str, table: Any, schema: type[BaseModel]) -> list[Row]:
    found = JobRepository(session, ANALYSES).results(table, analysis_id)
    return [schema.model_validate(one).model_dump(by_alias=True) for one in found]


def findings_of(session: Session, row: Any, files: str | None = None) -> Findings:
    """Return what a report tells of an analysis that succeeded; `row` is its row.

    `files` is the path below which its files are; by default that of the API.
    """
    model, dataset = session.get_one(Model, row.model_id), session.get_one(Dataset, row.dataset_id)
    return Findings(
        summary=row.summary,
        rows=layer_rows(session, row.id),
        plans=_rows(session, row.id, Plan, PlanOut),
        saliencies=saliencies(session, row.id),
        provenance={**(row.provenance or {}), "metadata": row.metadata_ or None},
        pruning_ratio=row.request["pruning_ratio"],
        title=row.name or model.name,
        identity=row.id,
        origin=_origin(row, model, dataset),
        artifacts=[
            _artifact(one, files)
            for one in JobRepository(session, ANALYSES).results(Artifact, row.id)
        ],
    )


def _origin(row: Job, model: Model, dataset: Dataset) -> list[tuple[str, str]]:
    origin = [("model", model.name), ("dataset", dataset.name)]
    if row.finished_at:
        origin.append(("finished", row.finished_at.strftime("%Y-%m-%d %H:%M UTC")))
    if row.tags:
        origin.append(("tags", ", ".join(row.tags)))
    return origin


def _artifact(row: Artifact, files: str | None) -> Any:
    out = ArtifactOut.model_validate(row, from_attributes=True)
    return {**out.model_dump(), "url": f"{files}/{out.name}" if files else out.url}
