"""The formats and the figures of reports, by name; loads nothing."""

from typing import Final, Literal, get_args

ReportFormat = Literal["html", "md", "svg"]
SUFFIXES: Final[dict[str, ReportFormat]] = {".html": "html", ".md": "md", ".svg": "svg"}
"""The format of a file by its suffix."""

FigureName = Literal[
    "network", "ratios", "worth", "score", "saliencies", "removals", "accuracy", "plans"
]
FIGURES: Final[tuple[FigureName, ...]] = get_args(FigureName)
