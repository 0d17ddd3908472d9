"""The report of an analysis, to be seen in a notebook or saved as a file."""

from dataclasses import dataclass
from html import escape
from pathlib import Path

from narrows.report import drawn, html, markdown
from narrows.report.findings import Findings
from narrows.report.formats import FIGURES, SUFFIXES, ReportFormat


class NoFigureError(ValueError):
    """There is no such figure, or nothing to draw in it."""


@dataclass(frozen=True)
class Report:
    """The report of an analysis: one page of HTML, Markdown, or single figures as SVG."""

    findings: Findings

    def html(self) -> str:
        """Return one page that needs no other file and no network."""
        return html.page(self.findings)

    def markdown(self) -> str:
        """Return a short form for a comment on a pull request."""
        return markdown.document(self.findings)

    def svg(self, figure: str = "network") -> str:
        """Return a figure of `FIGURES`; raise NoFigureError if there is none of this name."""
        if figure not in FIGURES:
            raise NoFigureError(f"there is no figure {figure!r}; choose from {', '.join(FIGURES)}")
        svg = drawn.alone(self.findings, figure)
        if svg is None:
            raise NoFigureError(f"this analysis has nothing to draw in the figure {figure!r}")
        return svg

    def save(self, path: str | Path, figure: str = "network") -> Path:
        """Write the report, and return its path; the suffix says what: .html, .md or .svg.

        Raises ValueError for another suffix, and OSError where the file can't be written.
        """
        path = Path(path)
        if path.suffix not in SUFFIXES:
            raise ValueError(f"{path.name!r} ends in none of {', '.join(SUFFIXES)}")
        path.write_text(self.written(SUFFIXES[path.suffix], figure), "utf-8")
        return path

    def written(self, kind: ReportFormat, figure: str = "network") -> str:
        """Return the report in a format; `figure` is for `svg`."""
        if kind == "svg":
            return self.svg(figure)
        return self.html() if kind == "html" else self.markdown()

    def __repr__(self) -> str:
        return f"Report({self.findings.title}: {len(self.findings.layers)} layers)"

    def _repr_html_(self) -> str:
        """Return the page within a frame, which keeps its colours from the notebook's."""
        return (
            '<iframe title="Narrows report" sandbox="allow-scripts" width="100%" height="720" '
            f'style="border:1px solid #8888" srcdoc="{escape(self.html())}"></iframe>'
        )
