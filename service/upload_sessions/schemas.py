from typing import Annotated, Any, Literal, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from narrows.vocabulary import UploadSessionState
from service.datasets.schemas import Transform
from service.http.moments import Expiry
from service.naming.schemas import MetadataOut, Name, Naming, TagsOut

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
EXAMPLE_SHA256 = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"


class UploadSessionRequest(Naming):
    """A file that will be sent in parts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "kind": "dataset",
                "name": "photos.npz",
                "size": 40_000_000_000,
                "sha256": EXAMPLE_SHA256,
                "transform": {"scale": 0.00392156862745098},
            }
        },
    )

    kind: Literal["model", "dataset"] = Field(description="What the file becomes")
    filename: Name | None = Field(
        default=None, description="The name of the file. One of both names is needed"
    )
    size: int = Field(ge=1, description="Bytes of the whole file")
    sha256: Sha256 = Field(description="SHA-256 of the whole file, in hexadecimal digits")
    part_size: int | None = Field(
        default=None,
        ge=1,
        description="Bytes of each part but the last; default: what the server finds suitable",
    )
    transform: Transform | None = Field(
        default=None, description="Of a dataset: the preprocessing of each sample"
    )

    @model_validator(mode="after")
    def _have_a_name(self) -> Self:
        if self.name is None and self.filename is None:
            raise ValueError("Give a `name`, or the `filename`.")
        return self

    @model_validator(mode="after")
    def _models_have_no_transform(self) -> Self:
        if self.kind == "model" and self.transform is not None:
            raise ValueError("A model has no `transform`; only a dataset has.")
        return self


class UploadCompletion(BaseModel):
    """What is said of the model or dataset when its file is whole."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"expires_at": "2027-01-31T12:00:00Z"}}
    )

    expires_at: Expiry | None = Field(
        default=None, description="When it expires; null: as the server's retention says"
    )


class UploadSessionOut(BaseModel):
    """A file that is being sent in parts: part `n` begins at byte `n * part_size`."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Its id, which paths name")
    state: UploadSessionState = Field(description="`open` until it is completed or cancelled")
    kind: Literal["model", "dataset"] = Field(description="What the file becomes")
    name: str = Field(description="The name of the model or dataset")
    filename: str = Field(description="The name of the file")
    tags: TagsOut
    metadata: MetadataOut
    size: int = Field(description="Bytes of the whole file")
    sha256: str = Field(description="SHA-256 of the whole file, in hexadecimal digits")
    part_size: int = Field(description="Bytes of each part but the last")
    parts: int = Field(description="How many parts there are, from 0")
    received_bytes: int = Field(description="Bytes of the parts that have arrived")
    transform: dict[str, Any] | None = Field(
        description="Of a dataset: the preprocessing declared with it"
    )
    created_at: AwareDatetime = Field(description="When it was begun")
    expires_at: AwareDatetime = Field(
        description="When it is forgotten with all parts; each part that arrives puts that off"
    )
    upload_id: str | None = Field(description="The model or dataset; null until it is completed")


class UploadSessionDetail(UploadSessionOut):
    """The same, with the numbers of the parts."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "upl_3fa1c02b9d5e4f6071829304",
                "state": "open",
                "kind": "dataset",
                "name": "photos.npz",
                "size": 40_000_000,
                "sha256": EXAMPLE_SHA256,
                "part_size": 16_777_216,
                "parts": 3,
                "received_bytes": 23_222_784,
                "transform": {"scale": 0.00392156862745098},
                "created_at": "2026-01-31T12:00:00Z",
                "expires_at": "2026-02-03T12:07:00Z",
                "upload_id": None,
                "received": [0, 2],
            }
        },
    )

    received: list[int] = Field(description="The parts that have arrived and need not be sent")


State = Annotated[
    UploadSessionState | None, Query(description="Only those in this state; without it, all")
]
OfFile = Annotated[Sha256 | None, Query(description="Only those of a file with this SHA-256")]
