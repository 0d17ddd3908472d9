"""The findings of an analysis, from its rows."""

from typing import Any

from sqlalchemy.orm import Session

from narrows.report.findings import Findings
from service.analyses.repository import saliencies
from service.analyses.schemas import ArtifactOut, LayerOut, PlanOut
from service.database.jobs import Job
from service.database.tables import ANALYSES, Artifact, Dataset, Layer, Model, Plan
from service.jobs.repository import JobRepository


def findings_of(session: Session, row: Any, files: str | None = None) -> Findings:
    """Return what a report tells of an analysis that succeeded; `row` is its row.

    `files` is the path below which its files are; by default that of the API.
    """
    jobs = JobRepository(session, ANALYSES)

    def rows(table: Any, schema: Any) -> Any:
        found = jobs.results(table, row.id)
        return [
            schema.model_validate(one, from_attributes=True).model_dump(by_alias=True)
            for one in found
        ]

    model, dataset = session.get_one(Model, row.model_id), session.get_one(Dataset, row.dataset_id)
    return Findings(
        summary=row.summary,
        rows=rows(Layer, LayerOut),
        plans=rows(Plan, PlanOut),
        saliencies=saliencies(session, row.id),
        provenance={**(row.provenance or {}), "metadata": row.metadata_ or None},
        pruning_ratio=row.request["pruning_ratio"],
        title=row.name or model.name,
        identity=row.id,
        origin=_origin(row, model, dataset),
        artifacts=[_artifact(one, files) for one in jobs.results(Artifact, row.id)],
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
