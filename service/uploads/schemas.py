"""The shape that models and datasets share."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from narrows.vocabulary import UploadState


class UploadOut(BaseModel):
    """An uploaded file and what a worker found in it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    state: UploadState = Field(description="`inspecting` until a worker has looked at it")
    name: str
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal digits")
    size: int = Field(description="Bytes")
    created_at: AwareDatetime
    inspection: dict[str, Any] | None = Field(description="What was found; null while `inspecting`")
    error: dict[str, Any] | None = Field(
        description="Why it was rejected, as a problem document (RFC 9457)"
    )


def form_schema(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return OpenAPI's description of an upload's body, with further text `fields`."""
    properties = {
        "file": {"type": "string", "format": "binary", "description": "The file, streamed"},
        "name": {"type": "string", "maxLength": 200, "description": "Default: the file's name"},
        **fields,
    }
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }
