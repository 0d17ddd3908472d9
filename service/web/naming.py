"""The name, tags and metadata of what pages show, as the texts of a form, and back."""

import csv
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from service.http.problems import InvalidError
from service.naming.readings import read, write
from service.naming.schemas import NamingChange, Value
from service.web.forms import Fields, Form, FormError, lines, text


def naming_form(row: Any) -> Form:
    """Return the form that names a row, with what it is called today."""
    pairs = [f"{key}={write(value)}" for key, value in row.metadata_.items()]
    tags = ", ".join(map(_quoted, row.tags))
    return Form({"name": [row.name or ""], "tags": [tags], "metadata": ["\n".join(pairs)]})


def tags_of(fields: Fields) -> list[str]:
    """Return the tags of a form, which are divided by commas; one with a comma is in quotes.

    Raises InvalidError.
    """
    try:
        (row,) = csv.reader([tags := text(fields, "tags")], skipinitialspace=True)
    except csv.Error:
        wrong = "It must not have line breaks." if tags.splitlines()[1:] else "It is too long."
        raise InvalidError(["tags"], wrong) from None
    return [tag for tag in map(str.strip, row) if tag]


def _quoted(tag: str) -> str:
    return '"{}"'.format(tag.replace('"', '""')) if "," in tag or tag.startswith('"') else tag


def metadata_of(fields: Fields) -> dict[str, Value]:
    """Return the metadata of a form, a pair on each line; raise InvalidError."""
    found: dict[str, Value] = {}
    for line in lines(fields, "metadata"):
        key, equals, value = map(str.strip, line.partition("="))
        if not (key and equals):
            raise InvalidError(["metadata"], f"{line!r} does not have the form key=value.")
        if key in found:
            raise InvalidError(["metadata"], f"{key!r} is there twice; leave one out.")
        found[key] = read(value)
    return found


def naming_of(fields: Fields, there: Iterable[str]) -> NamingChange:
    """Return what a form asks for; what is empty in it is none. Raises InvalidError.

    `there` are the keys of the metadata that there are.
    """
    asked = {"name": text(fields, "name").strip() or None, "tags": tags_of(fields)}
    metadata = {**dict.fromkeys(there), **metadata_of(fields)}
    try:
        return NamingChange.model_validate({**asked, "metadata": metadata})
    except ValidationError as error:
        raise FormError.of(error) from None
