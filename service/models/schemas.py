from pydantic import ConfigDict

from service.uploads.schemas import UploadOut


class ModelOut(UploadOut):
    """A trained network; `inspection` has its layers, channel groups, parameters and MACs."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "mdl_3fa1c02b9d5e4f6071829304",
                "state": "ready",
                "name": "resnet18.pt2",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "size": 46830571,
                "created_at": "2026-01-31T12:00:00Z",
                "inspection": {"parameters": 11689512, "layers": [{"name": "conv1"}]},
                "error": None,
            }
        }
    )
