from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_serializer,
)

from service.uploads.schemas import UploadOut

Numbers = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=4096)]


Pixels = Annotated[int, Field(strict=True, ge=1, le=4096)]
Both = Annotated[list[Pixels], Field(min_length=2, max_length=2)]
Name = Annotated[str, Field(max_length=200)]
Number = Annotated[float, Field(allow_inf_nan=False)]
ByName = Annotated[dict[Name, Number], Field(max_length=17)]


def _one_or(one: Any, several: Any) -> WrapValidator:
    """Validate a list or an object as `several`, else as `one`; a union would report both."""
    adapters = TypeAdapter[Any](one), TypeAdapter[Any](several)

    def validate(value: object, _: ValidatorFunctionWrapHandler) -> Any:
        return adapters[isinstance(value, list | dict)].validate_python(value)

    return WrapValidator(validate)


Size = Annotated[Pixels | Both, _one_or(Pixels, Both)]
Pad = Annotated[Number | ByName, _one_or(Number, ByName)]


class Transform(BaseModel):
    """The preprocessing of each sample before the network reads it.

    Images are resized and cropped; then it is `(x * scale - mean) / std`.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "resize": 256,
                "crop": 224,
                "mean": [0.48, 0.46, 0.41],
                "std": [0.23],
            }
        },
    )

    scale: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="A factor; null: 1/255 for numbers of 8 bits, 1 for others",
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
        None, description="Order of the dimensions of arrays in the file; default `nchw`"
    )
    resize: Size | None = Field(
        None,
        description="Of images: the shorter side in pixels, or height and width; smoothed, as in "
        "torchvision",
    )
    crop: Size | None = Field(
        None, description="Of images: the middle is kept, a square, or height and width"
    )
    interpolation: Literal["bilinear", "bicubic"] | None = Field(
        None, description="How images are resized; default `bilinear`"
    )
    color: Literal["rgb", "gray"] | None = Field(
        None, description="What image files become; null: `gray` if all are, else `rgb`"
    )
    length: int | None = Field(
        None,
        strict=True,
        ge=1,
        le=1 << 20,
        description="The length of lists, such as of tokens: longer ones are cut, shorter ones "
        "padded",
    )
    pad: Pad | None = Field(
        None,
        description="What lists are padded with: one number, or one for each input by name. "
        "Default: 0; -100, which losses ignore, for targets",
    )
    inputs: list[Name] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="The names of the arrays that it is for. By default those are a single input, "
        "and of several all that are images, `[samples, channels, height, width]`. Padding is for "
        "all lists",
    )

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what was not declared."""
        return {name: value for name, value in handler(self).items() if value is not None}


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
