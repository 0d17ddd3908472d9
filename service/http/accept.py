"""Who asks: a browser, which shows pages, or a program."""

from starlette.datastructures import Headers


def wants_page(headers: Headers) -> bool:
    """Return whether `Accept` names HTML, as that of browsers does and `*/*` does not."""
    return "text/html" in headers.get("accept", "")
