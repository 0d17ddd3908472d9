"""What went wrong with somebody's upload or analysis, in a form that the API can hand on."""

from typing import Any


class ExplainedError(Exception):
    """Why work ended without a result, told to the person whose work it was.

    `slug` ends the problem's stable type URI, `title` says what kind of thing went wrong, `detail`
    what exactly, where, and what to do about it.
    """

    slug: str
    title: str
    detail: str

    def as_problem(self) -> dict[str, Any]:
        """Return the problem document (RFC 9457) for an `error` column."""
        return {
            "type": f"urn:narrows:problem:{self.slug}",
            "title": self.title,
            "detail": self.detail,
        }


class RefusedError(ExplainedError):
    """An upload or a request that can't be served; the text is for the person who sent it."""

    def __init__(self, slug: str, title: str, detail: str) -> None:
        super().__init__(slug, title, detail)  # all arguments, so that it survives pickling
        self.slug, self.title, self.detail = slug, title, detail

    def __str__(self) -> str:
        return f"{self.title}: {self.detail}"
