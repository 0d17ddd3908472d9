"""Forms of pages (application/x-www-form-urlencoded): what was sent, and what is wrong in it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import Depends
from pydantic import ValidationError
from starlette.requests import Request

from service.http.middleware import read_whole
from service.http.problem_document import path_of, pointer
from service.http.problems import InvalidError, ProblemError
from service.plain_errors import explain
from service.web.callers import Writer

Fields = dict[str, list[str]]
MAX_BYTES: Final = 256 << 10
MAX_FIELDS: Final = 10_000


async def read_fields(request: Request, limit: int = MAX_BYTES) -> Fields:
    """Return the texts of each field that is not empty; raise TooLargeError or ProblemError."""
    body = await read_whole(request, limit)
    try:
        return parse_qs(body.decode(), max_num_fields=MAX_FIELDS)
    except ValueError:
        raise ProblemError("The body is no form, or has too many fields.") from None


async def _fields(request: Request, _: Writer) -> Fields:
    return await read_fields(request)


FormFields = Annotated[Fields, Depends(_fields)]
"""The fields, read once it is known that their sender may write."""


def text(fields: Fields, name: str) -> str:
    """Return the first text of a field; "" where there is none."""
    return fields.get(name, [""])[0]


def lines(fields: Fields, name: str) -> list[str]:
    """Return the lines of a field that are not empty."""
    found = (line.strip() for line in text(fields, name).split("\n"))
    return [line for line in found if line]


def number(read: Callable[[str], float], text: str) -> float | str:
    """Return a number, or the text that is none, so that the request says what is wrong."""
    try:
        return read(text.strip())
    except ValueError:
        return text


class FormError(InvalidError):
    """What a schema refuses of a form: every field that is wrong."""

    def __init__(self, errors: Iterable[Mapping[str, Any]]) -> None:
        found = [([*error["loc"]], explain(error)) for error in errors]
        super().__init__(*found[0])
        self.extra["errors"] = [
            {"pointer": pointer(path), "in": "body", "detail": _named(path, detail)}
            for path, detail in found
        ]

    @classmethod
    def of(cls, error: ValidationError) -> "FormError":
        return cls(error.errors())


def _named(path: Sequence[int | str], detail: str) -> str:
    """Return what is wrong, with the name of the pair or the layer that it is wrong with."""
    _, *names = field_of(path)
    return ": ".join([*names[:1], detail])


def field_of(path: Sequence[int | str]) -> list[str]:
    """Return the field of a form that a path in a request is about, and the names within it."""
    if path[:1] == ["plans"] and "factors" in path[:3]:
        path = path[path.index("factors") :]
    elif path[:1] == ["recipe"]:
        path = path[1:]
    return [part for part in path if isinstance(part, str)] or [""]


@dataclass(frozen=True)
class Form:
    """A form as it is shown: with what was typed, and what is wrong with that."""

    fields: Fields
    error: ProblemError | None = None

    @cached_property
    def wrong(self) -> Mapping[str, str]:
        """What is wrong, by the field that it is in; "" for what is in none."""
        if self.error is None:
            return {}
        errors = self.error.extra.get("errors") or [{"pointer": "", "detail": self.error.detail}]
        return {field_of(path_of(one["pointer"]))[0]: one["detail"] for one in reversed(errors)}

    def text(self, name: str) -> str:
        """Return the text of a field."""
        return text(self.fields, name)

    def has(self, name: str, word: str) -> bool:
        """Return whether a word is chosen."""
        return word in self.fields.get(name, [])
