"""The headers of the answer to a request for a job: the client polls for its end."""

from fastapi import Response


def to_be_polled(response: Response, path: str) -> None:
    """Name the path of the job, and the seconds after which to look at it."""
    response.headers["Location"] = path
    response.headers["Retry-After"] = "1"
