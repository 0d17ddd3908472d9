from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.uploads.schemas import UploadOut

Numbers = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=4096)]


class Transform(BaseModel):
    """The preprocessing of each sample before the network reads it: `(x * scale - mean) / std`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"scale": 0.00392156862745098, "mean": [0.5], "std": [0.5], "layout": "nhwc"}
        },
    )

    scale: float | None = Field(
        default=None, allow_inf_nan=False, description="A factor, such as 1/255"
    )
    mean: Numbers | None = Field(
        default=None, description="Subtracted: one number for all channels, or one for each"
    )
    std: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = Field(
        default=None,
        max_length=4096,
        description="Divided by: one number for all channels, or one for each",
    )
    layout: Literal["nchw", "nhwc"] | None = Field(
        None, description="Order of the dimensions in the file; default `nchw`"
    )
    inputs: list[Annotated[str, Field(max_length=200)]] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="The names of the arrays that it is for. By default those are a single input, "
        "and of several all that are images, `[samples, channels, height, width]`",
    )


class DatasetOut(UploadOut):
    """Samples and targets; `inspection` has their shapes, classes and counts."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "dst_0b9d5e4f60718293043fa1c0",
                "state": "ready",
                "name": "digits.npz",
                "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
                "size": 920731,
                "created_at": "2026-01-31T12:00:00Z",
                "inspection": {"samples": 1797, "classes": 10},
                "error": None,
                "transform": {"scale": 0.0625},
            }
        }
    )

    transform: dict[str, Any] = Field(description="The preprocessing declared at upload")
