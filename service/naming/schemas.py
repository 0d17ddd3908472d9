"""Names, tags and metadata as they come in and go out."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
)

MOST_TAGS: Final = 20
MOST_PAIRS: Final = 50
LARGEST_NUMBER: Final = 2**53
"""Larger ones change on their way through JSON."""
PLAIN: Final = r"^[^\x00-\x1f\x7f]*$"
KEY: Final = r"^[A-Za-z0-9][A-Za-z0-9_./-]*$"

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=PLAIN)
]
Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=PLAIN)
]
Key = Annotated[str, StringConstraints(max_length=64, pattern=KEY)]
_TEXT: Final[TypeAdapter[str]] = TypeAdapter(
    Annotated[str, StringConstraints(max_length=500, pattern=PLAIN)]
)


def without_repeats(tags: Iterable[str]) -> list[str]:
    """Return each tag once, where it came first."""
    return list(dict.fromkeys(tags))


def _single(value: Any) -> Any:
    """Check a value by its own type; a union would report what is wrong with it as each."""
    if isinstance(value, str):
        return _TEXT.validate_python(value)
    if isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER:
        return value
    raise ValueError("It must be text, true, false or a number of at most 2^53.")


Value = str | bool | int | float
Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS), AfterValidator(without_repeats)]
Metadata = Annotated[
    dict[Key, Annotated[Value, BeforeValidator(_single)]], Field(max_length=MOST_PAIRS)
]
NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
TAGS: Final[TypeAdapter[list[str]]] = TypeAdapter(Tags)
METADATA: Final[TypeAdapter[dict[str, Value]]] = TypeAdapter(Metadata)


class Naming(BaseModel):
    """The part of a request for a job by which its owner finds it again."""

    name: Name | None = Field(default=None, description="What you call it")
    tags: Tags = Field(default_factory=list, description="Words to list it by, each once")
    metadata: Metadata = Field(
        default_factory=dict,
        description="Anything to find it again by, such as `git_commit` or `run_id`: text, "
        "numbers, true and false",
        examples=[{"git_commit": "9d5e4f6", "epochs": 30}],
    )

    def columns(self) -> dict[str, Any]:
        """Return the columns of the job's row."""
        return {"name": self.name, "tags": self.tags, "metadata_": self.metadata}


NAMING: Final = {*Naming.model_fields}
"""The fields of a request that do not bear on what is computed."""


class NamingChange(BaseModel):
    """Changes names, tags and metadata as a JSON merge patch (RFC 7396) does.

    What is left out stays as it is.
    """

    model_config = ConfigDict(extra="forbid")

    name: Name | None = Field(
        default=None, description="Null takes the name away; an upload then has that of its file"
    )
    tags: Tags | None = Field(default=None, description="In place of those there; null: none")
    metadata: (
        Annotated[
            dict[Key, Annotated[Value, BeforeValidator(_single)] | None],
            Field(max_length=2 * MOST_PAIRS),
        ]
        | None
    ) = Field(
        default=None,
        description="Added to those there, in place of those with the same key. A null removes "
        "one, and null in place of all of them removes all",
    )


TagsOut = Annotated[list[str], Field(description="Words to list it by")]
MetadataOut = Annotated[
    dict[str, Value],
    Field(
        validation_alias=AliasChoices("metadata_", "metadata"),
        description="What was added to find it again by, such as a git commit",
    ),
]
