"""The common schema of models and datasets."""

from typing import Any, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from narrows.vocabulary import UploadState
from service.http.problem_document import ProblemOut
from service.naming.schemas import METADATA, TAGS, MetadataOut, TagsOut


class UploadOut(BaseModel):
    """An uploaded file and the result of its inspection."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Its id, which analyses and paths name")
    state: UploadState = Field(
        description="`inspecting` until a worker has inspected it; `expired` when its file is gone"
    )
    name: str = Field(description="The name given to it, or else that of the file")
    filename: str = Field(description="The name of the file when it was uploaded first")
    tags: TagsOut
    metadata: MetadataOut
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal digits")
    size: int = Field(description="Bytes")
    created_at: AwareDatetime = Field(description="When it was uploaded")
    expires_at: AwareDatetime | None = Field(
        default=None,
        description="When its file is removed, unless work uses it then; null: never. Uploading "
        "it again begins the time anew",
    )
    inspection: dict[str, Any] | None = Field(
        description="The result of the inspection; null unless it passed"
    )
    error: ProblemOut | None = Field(description="Why it was rejected (RFC 9457)")


def just_made(schema: type[UploadOut]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the answer to an upload: nothing is inspected yet."""
    extra = cast("dict[str, Any]", schema.model_config["json_schema_extra"])
    example = {**extra["example"], "state": "inspecting", "inspection": None}
    again = {
        "description": "The same upload is there already: its bytes, its name or, without a "
        "name of its own, that of the file, and its fields are equal. Tags and metadata were added "
        "to it. `Content-Location` has its path",
        "model": schema,
    }
    return {200: again, 201: {"content": {"application/json": {"example": example}}}}


def _json_text(adapter: TypeAdapter[Any], description: str) -> dict[str, Any]:
    return {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": adapter.json_schema(),
        "description": description,
    }


def form_schema(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI description of an upload's body, with further text `fields`."""
    properties = {
        "file": {"type": "string", "format": "binary", "description": "The file"},
        "name": {"type": "string", "maxLength": 200, "description": "Default: the file's name"},
        "tags": _json_text(TAGS, 'JSON: words to list it by, such as `["nightly"]`'),
        "metadata": _json_text(METADATA, "JSON: anything to find it by, such as a git commit"),
        "expires_at": {
            "type": "string",
            "format": "date-time",
            "description": "When it expires. Default: as the server's retention says",
        },
        **fields,
    }
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }
