from typing import Any

from pydantic import TypeAdapter

from service.database.tables import Dataset
from service.datasets.schemas import Transform
from service.uploads.kind import Kind
from service.uploads.receive import Form

_TRANSFORM = TypeAdapter(Transform)


def _transform(form: Form) -> dict[str, Any]:
    transform = form.field("transform", _TRANSFORM, as_json=True)
    return transform.model_dump() if transform else {}


DATASETS = Kind(
    Dataset, noun="dataset", prefix="dst", task="inspect_dataset", fields={"transform": _transform}
)
