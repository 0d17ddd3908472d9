"""The name and tags of what pages show, changed by a form."""

from pydantic import ValidationError

from service.http.problems import InvalidError
from service.naming.schemas import NamingChange
from service.plain_errors import explain
from service.web.forms import Fields


def tags_of(fields: Fields) -> list[str]:
    """Return the tags of a form, which are divided by commas."""
    return [tag for tag in map(str.strip, fields.get("tags", [""])[0].split(",")) if tag]


def naming_of(fields: Fields) -> NamingChange:
    """Return what a form asks for; an empty name is none. Raises InvalidError."""
    name = fields.get("name", [""])[0].strip() or None
    try:
        return NamingChange(name=name, tags=tags_of(fields))
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidError([str(first["loc"][0])], explain(first)) from None
