"""Errors of an upload or an analysis that the API reports to its owner."""

from typing import Any

from service.objects_in_text import without_addresses


class ExplainedError(Exception):
    """The reason why work ended without a result, for the owner of the work.

    `slug` is the end of the problem's stable type URI. `title` names the kind of problem. `detail`
    says what exactly went wrong, where, and what to do.
    """

    slug: str
    title: str
    detail: str

    def __init__(self, slug: str, title: str, detail: str) -> None:
        detail = without_addresses(detail)
        super().__init__(slug, title, detail)  # pickling needs all arguments
        self.slug, self.title, self.detail = slug, title, detail

    def __str__(self) -> str:
        return f"{self.title}: {self.detail}"

    def as_problem(self) -> dict[str, Any]:
        """Return the problem document (RFC 9457) for an `error` column."""
        return {
            "type": f"urn:narrows:problem:{self.slug}",
            "title": self.title,
            "detail": self.detail,
        }


class StoredFileError(ExplainedError):
    """A stored upload is missing, or is not what was uploaded."""


class RefusedError(ExplainedError):
    """An upload or a request is invalid; the text is for the person who sent it."""
