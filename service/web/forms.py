"""The fields of a form that a page sent (application/x-www-form-urlencoded)."""

from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import Depends
from starlette.requests import Request

from service.http.middleware import read_whole
from service.http.problems import ProblemError
from service.web.callers import Writer

Fields = dict[str, list[str]]
MAX_BYTES: Final = 64 << 10
MAX_FIELDS: Final = 1000


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
