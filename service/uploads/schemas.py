"""The common schema of models and datasets."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from narrows.vocabulary import UploadState


class UploadOut(BaseModel):
    """An uploaded file and the result of its inspection."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    state: UploadState = Field(description="`inspecting` until a worker has inspected it")
    name: str
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal digits")
    size: int = Field(description="Bytes")
    created_at: AwareDatetime
    inspection: dict[str, Any] | None = Field(
        description="The result of the inspection; null unless `ready`"
    )
    error: dict[str, Any] | None = Field(
        description="Why it was rejected, as a problem document (RFC 9457)"
    )


def form_schema(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI description of an upload's body, with further text `fields`."""
    properties = {
        "file": {"type": "string", "format": "binary", "description": "The file"},
        "name": {"type": "string", "maxLength": 200, "description": "Default: the file's name"},
        **fields,
    }
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }
