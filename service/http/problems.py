"""The kinds of problems that requests end with."""

from collections.abc import Iterable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.http.problem_document import document, pointer, respond


class ProblemError(HTTPException):
    """An error response; `extra` holds further members of the problem document."""

    status = 400
    slug = "bad-request"
    title = "Bad request"
    example = "Not a complete multipart/form-data body: Unexpected end of multipart stream."
    """A `detail`, for the description of the API."""

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(self.status, detail, headers)
        self.extra = extra

    def response(self) -> Response:
        headers = dict(self.headers or {})
        return respond(
            self.status, self.slug, self.title, self.detail, headers=headers, **self.extra
        )

    @classmethod
    def example_document(cls) -> dict[str, Any]:
        """Return a problem document as an example."""
        return document(cls.status, cls.slug, cls.title, cls.example)


class UnauthorizedError(ProblemError):
    status, slug, title = 401, "unauthorized", "A valid API key is needed"
    example = "Send an API key: `Authorization: Bearer nrw_…`."

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="narrows"'})


class ForbiddenError(ProblemError):
    status, slug, title = 403, "forbidden", "The API key does not allow this"
    example = "This needs the scope `write`; the key has read."


class NotFoundError(ProblemError):
    status, slug, title = 404, "not-found", "Not found"
    example = "There is nothing with this id."


class TooSlowError(ProblemError):
    status, slug, title = 408, "too-slow", "The request came too slowly"
    example = "A body must bring 1024 bytes a second, on average over 20 s."


class InUseError(ProblemError):
    status, slug, title = 409, "in-use", "In use"
    example = "The analysis is running; cancel it first."


class NoResultError(ProblemError):
    status, slug, title = 409, "no-result", "No result yet"
    example = "The analysis ana_… is running; only one that succeeded has results."


class NoSumsError(ProblemError):
    status, slug, title = 409, "no-partial-sums", "The partial sums are not there"
    example = (
        "The partial sums of ana_9d5e4f60718293040b3fa1c0 were not kept, or have expired; run the "
        "analysis again."
    )


class RejectedError(ProblemError):
    status, slug, title = 409, "upload-rejected", "The upload was rejected"
    example = (
        "The model mdl_3fa1c02b9d5e4f6071829304 was rejected: It is no `torch.export` archive."
    )


class ExpiredError(ProblemError):
    status, slug, title = 409, "upload-expired", "The upload has expired"
    example = "The dataset dst_0b9d5e4f60718293043fa1c0 has expired; upload it again."


class UploadEndedError(ProblemError):
    status, slug, title = 409, "upload-ended", "The upload session has ended"
    example = "The upload session is cancelled; begin another one."


class PartDiffersError(ProblemError):
    status, slug, title = 409, "part-differs", "The part came with another content"
    example = "Part 3 has arrived, with the SHA-256 60303ae22b998861…; it can't be replaced."


class PartsMissingError(ProblemError):
    """Further member: `missing`, the numbers of the first missing parts."""

    status, slug, title = 409, "parts-missing", "Parts are missing"
    example = "Of 64 parts, 2 are missing: 3, 7."


class ChecksumError(ProblemError):
    status, slug, title = 412, "checksum-mismatch", "The checksum is wrong"
    example = "What arrived has the SHA-256 60303ae22b998861…, and 9f86d081884c7d65… was announced."


class TooLargeError(ProblemError):
    status, slug, title = 413, "too-large", "Too large"
    example = "A file may have at most 4294967296 bytes."


class NotJsonError(ProblemError):
    status, slug, title = 415, "not-json", "Not JSON"
    example = (
        "Send a JSON document with `Content-Type: application/json`; it came with `text/plain`."
    )


class NotMultipartError(ProblemError):
    status, slug, title = 415, "not-multipart", "Not multipart/form-data"
    example = (
        "Send a body of the type multipart/form-data, with a boundary and a part named `file`."
    )


class NoSuchRangeError(ProblemError):
    status, slug, title = 416, "no-such-range", "No such range"
    example = "The file has 46830571 bytes."


class KeyReusedError(ProblemError):
    status, slug, title = 422, "idempotency-key-reused", "The Idempotency-Key is taken"
    example = "This Idempotency-Key came with another request before; choose a new one."


class InvalidError(ProblemError):
    """An invalid value in the request, at `path`."""

    status, slug, title = 422, "invalid", "The request is invalid"

    def __init__(self, path: Iterable[int | str], detail: str, *, where: str = "body") -> None:
        error = {"pointer": pointer(path), "in": where, "detail": detail}
        super().__init__(detail, errors=[error])

    @classmethod
    def example_document(cls) -> dict[str, Any]:
        detail = "There is no query parameter 'page'; allowed here: page_size, page_token."
        error = {"pointer": "/page", "in": "query", "detail": detail}
        return document(cls.status, cls.slug, cls.title, detail, errors=[error])


class TooManyRequestsError(ProblemError):
    """A limit of the caller; `retry_after` is in seconds."""

    status, slug, title = 429, "too-many-requests", "Too many requests"
    example = "This key has 64 event streams and waits at once, the limit; end one of them first."

    def __init__(
        self,
        detail: str,
        *,
        retry_after: int,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        waits = {"Retry-After": str(retry_after)}
        super().__init__(detail, headers={**waits, **(headers or {})}, **extra)


class InternalError(ProblemError):
    status, slug, title = 500, "internal", "Internal error"
    example = "This is a fault of the server. Its log has the cause, under this request id."

    def __init__(self, request_id: str) -> None:
        super().__init__(self.example, request_id=request_id)

    @classmethod
    def example_document(cls) -> dict[str, Any]:
        request_id = "req_0b3fa1c09d5e4f6071829304"
        return {**super().example_document(), "request_id": request_id}


class UnavailableError(ProblemError):
    status, slug, title = 503, "unavailable", "Not available now"
    example = "The database did not answer; try again."


class StorageFullError(ProblemError):
    status, slug, title = 507, "storage-full", "No space left"
    example = "The server has no space left for this; delete unused uploads, or try again later."
