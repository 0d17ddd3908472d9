"""The frame of every figure: a title and a description that are read aloud, and its colours."""

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from markupsafe import Markup

from narrows.report.svg import tag


@cache
def style() -> Markup:
    """Return the rules that colour figures, light and dark; they touch nothing else on a page."""
    text = (files("narrows.report") / "templates" / "figures.css").read_text("utf-8")
    return Markup(text)  # noqa: S704 - a file of ours


@cache
def policy() -> str:
    """Return the content security policy of a figure that stands alone: its own style alone."""
    return f"default-src 'none'; style-src {hashed(style())}"


def hashed(text: str) -> str:
    """Return the source of a policy that lets this very text be used."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def figure(
    name: str,
    title: str,
    description: str,
    children: Sequence[str],
    *,
    height: int,
    width: int | None = None,
    of: str = "",
    role: str = "img",
) -> Markup:
    """Return a figure; with a `width` it scales, without one it takes that of its place.

    `name` and `of` make the ids of its title and description, which must be unique on a page.
    """
    identity = f"figure-{name}{of}"
    return tag(
        "svg",
        tag("title", title, id=f"{identity}-title"),
        tag("desc", description, id=f"{identity}-desc"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        class_=f"nrw nrw-{name}",
        role=role,
        aria_labelledby=f"{identity}-title {identity}-desc",
        width="100%" if width is None else width,
        height=height,
        viewBox=None if width is None else f"0 0 {width} {height}",
    )


def standing_alone(svg: Markup, width: int | None = None) -> str:
    """Return a figure as a file of its own, with its colours; `width` is for one that has none."""
    alone = str(svg) if width is None else str(svg).replace('width="100%"', f'width="{width}"', 1)
    head, _, rest = alone.partition(">")
    return f'{head}><style>{style()}</style><rect class="page" width="100%" height="100%"/>{rest}'
