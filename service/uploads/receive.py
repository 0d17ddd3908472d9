"""Receives a multipart/form-data body (RFC 7578); the file is streamed to storage."""

from dataclasses import dataclass
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from service.http.problems import InvalidError, NotMultipartError, ProblemError, TooLargeError
from service.storage.objects import Incoming, Storage
from service.storage.stored import Stored

T = TypeVar("T")

MAX_FIELD_BYTES = 64 << 10
ENVELOPE_BYTES = 1 << 20  # boundaries, headers and text fields around the file


@dataclass(frozen=True)
class Form:
    """A received form: its file, staged in storage, and its text fields."""

    file: Stored
    filename: str | None
    fields: dict[str, str]

    def field(self, name: str, schema: TypeAdapter[T], *, as_json: bool = False) -> T | None:
        """Return a text field, None if it is missing; raise RequestValidationError (422)."""
        text = self.fields.get(name)
        if text is None:
            return None
        try:
            return schema.validate_json(text) if as_json else schema.validate_python(text)
        except ValidationError as error:
            errors = [{**entry, "loc": ("body", name, *entry["loc"])} for entry in error.errors()]
            raise RequestValidationError(errors) from None


async def receive(
    request: Request,
    storage: Storage,
    *,
    fields: set[str],
    limit: int,
    texts: dict[str, str] | None = None,
) -> Form:
    """Return the form in the request's body; its part `file` is staged, for the caller to keep.

    The text fields are put into `texts`, too, even if something is wrong with the file.

    Raises a ProblemError: 413 for a file of more than `limit` bytes, 415 for another media type,
    400 for an incomplete body, 422 for a missing, unknown or repeated part. After any error, also
    if the client disconnects, nothing stays in storage.
    """
    if int(request.headers.get("content-length", 0)) > limit + ENVELOPE_BYTES:
        raise _too_large(limit)
    reading, received = _Reading(storage, fields, limit), 0
    try:
        with _parser(request) as parser:
            async for chunk in request.stream():
                received += len(chunk)
                if received > limit + ENVELOPE_BYTES:
                    raise _too_large(limit)
                for event in parser.parse(chunk) if chunk else ():
                    await reading.take(event)
        return reading.result({} if texts is None else texts)
    except BaseException as error:
        await reading.drop()
        if isinstance(error, ClientDisconnect):
            raise ProblemError("The client closed the connection.") from None
        if isinstance(error, ParserLimitReached):
            raise TooLargeError(f"{error}.") from None
        if isinstance(error, MultipartError):
            raise ProblemError(f"Not a complete multipart/form-data body: {error}.") from None
        raise


def _parser(request: Request) -> PushMultipartParser:
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    if media_type != "multipart/form-data" or not options.get("boundary"):
        raise NotMultipartError(
            "Send a body of the type multipart/form-data, with a boundary and a part named `file`."
        )
    return PushMultipartParser(options["boundary"], max_segment_count=8)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"A file may have at most {limit} bytes.", limit=limit)


class _Reading:
    """Writes the parser's events to storage, or into the texts of fields."""

    def __init__(self, storage: Storage, fields: set[str], limit: int) -> None:
        self._storage, self._fields, self._limit = storage, fields, limit
        self._parts: dict[str, Incoming | bytearray] = {}
        self._name = ""
        self._filename: str | None = None
        self.stored: Stored | None = None

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
            return
        part = self._parts[self._name]
        if isinstance(part, bytearray):
            part += event or b""
            if len(part) > MAX_FIELD_BYTES:
                raise TooLargeError(
                    f"The field `{self._name}` may have at most {MAX_FIELD_BYTES} bytes."
                )
        elif event is None:
            self.stored = await part.finish()
        elif part.size + len(event) > self._limit:
            raise _too_large(self._limit)
        else:
            await part.write(event)

    def _begin(self, part: MultipartSegment) -> None:
        self._name = name = part.name or ""
        if name in self._parts:
            raise InvalidError([name], "There are two parts of this name; send only one.")
        if name == "file":
            self._filename = part.filename
            self._parts[name] = self._storage.incoming()
        elif name in self._fields:
            self._parts[name] = bytearray()
        else:
            raise InvalidError([name], "There is no such field.")

    async def drop(self) -> None:
        for part in self._parts.values():
            if isinstance(part, Incoming):
                await part.drop()

    def result(self, texts: dict[str, str]) -> Form:
        texts |= {k: _text(k, v) for k, v in self._parts.items() if isinstance(v, bytearray)}
        if self.stored is None:
            raise InvalidError(["file"], "The file is missing: send it as the part named `file`.")
        if not self.stored.size:
            raise InvalidError(["file"], "The file is empty.")
        return Form(self.stored, self._filename, texts)


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidError([name], "The text is not UTF-8.") from None
