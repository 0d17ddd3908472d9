"""Fills templates, and says what a page may do: use its own style and script, and ask this server.

Names come from uploads and requests, so Jinja escapes them, and no other script runs.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, get_args

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup
from starlette.responses import HTMLResponse

from narrows.report import html
from narrows.report.figures.figure import hashed
from narrows.vocabulary import AnalysisState, UploadState
from service.http.problems import ProblemError
from service.web.words import (
    CHANGE_SIGNS,
    FILTERS,
    GAIN_SIGNS,
    STAGE_WORDS,
    TRIAL_STAGE_WORDS,
)

KEPT: Final = ("allow", "retry-after")


@cache
def environment() -> Environment:
    """Return the templates of pages, with the report's style beside them."""
    loader = ChoiceLoader([PackageLoader("service.web"), PackageLoader("narrows.report")])
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters |= FILTERS
    made.globals |= {
        "change_signs": CHANGE_SIGNS,
        "gain_signs": GAIN_SIGNS,
        "stage_words": STAGE_WORDS,
        "trial_stage_words": TRIAL_STAGE_WORDS,
        "states": get_args(AnalysisState),
        "upload_states": get_args(UploadState),
    }
    return made


@cache
def source(name: str) -> Markup:
    """Return a style or script of ours as it is."""
    loader = environment().loader
    assert loader is not None  # noqa: S101 - it is made with one
    return Markup(loader.get_source(environment(), name)[0])  # noqa: S704 - ours


@cache
def page_style() -> Markup:
    """Return the rules of all pages: the report's, and those of forms and lists."""
    return html.page_style() + source("pages.css")


@cache
def page_script() -> Markup:
    """Return the script of all pages but reports."""
    return source("pages.js") + source("uploads.js") + source("sliders.js")


@cache
def policy() -> str:
    """Return the content security policy of all pages but reports."""
    return (
        f"default-src 'none'; style-src {hashed(page_style())}; "
        f"script-src {hashed(page_script())}; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'"
    )


def kept(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a problem that a page in its place has, too."""
    return {name: value for name, value in fields.items() if name.lower() in KEPT}


def headers(policy: str) -> dict[str, str]:
    """Return the fields that go with every page."""
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        # Not `no-referrer`, which would take the `Origin` from our own forms.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def filled(template: str, **values: Any) -> Markup:
    """Return a part of a page."""
    return Markup(environment().get_template(template).render(values))  # noqa: S704 - escaped there


def rendered(
    template: str, status: int = 200, *, error: ProblemError | None = None, **values: Any
) -> HTMLResponse:
    """Return a page; `caller`, where somebody has signed in, and `here`, the menu's entry.

    With an `error`, it is a form that is shown again, and has the error's status.
    """
    values = {"caller": None, "here": None, **values}
    text = filled(template, style=page_style(), script=page_script(), **values)
    answer = HTMLResponse(text, error.status if error else status, headers(policy()))
    if error:
        answer.headers.update(kept(error.headers or {}))
    return answer
