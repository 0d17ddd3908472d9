"""The responses that are alike of all jobs."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class JobArtifactOut(BaseModel):
    """A network: a `.pt2` file that can be uploaded as a model."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="The name of the file")
    size: int = Field(description="Bytes")
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal digits")
    expires_at: AwareDatetime | None = Field(
        default=None, description="When it is removed; null: never"
    )
