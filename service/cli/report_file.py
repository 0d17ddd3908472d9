"""`narrows report`, and `--report` of other commands: the report of an analysis as a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from narrows.report.formats import FIGURES, SUFFIXES, FigureName
from service.cli.options import one_of

if TYPE_CHECKING:
    from narrows.client import Client

ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        dir_okay=False,
        help="Write the report: .html is a page, .md Markdown, .svg the drawing of the network.",
    ),
]


def report(
    analysis: Annotated[str, typer.Argument(help="The id of an analysis: ana_…")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="Where to write it: .html is a page, .md Markdown, .svg a figure. Without it, "
            "Markdown is printed.",
        ),
    ] = None,
    figure: Annotated[
        FigureName | None,
        typer.Option(help=f"For .svg: {one_of(FIGURES)}."),
    ] = None,
) -> None:
    """Write the report of an analysis: a page, Markdown for a pull request, or a figure.

    Example: narrows report ana_9d5e4f60718293040b3fa1c0 -o report.html

    The page needs no other file and no network. `narrows report ana_… | gh pr comment 7 -F -` posts
    the report as a comment.
    """
    from service.cli.following import connected
    from service.cli.progress import Steps
    from service.cli.uploading import require_id

    identity = require_id(analysis, "ana")
    require_writable(output, "--output")
    if figure is not None and (output is None or output.suffix != ".svg"):
        raise typer.BadParameter("--figure is for a file that ends in .svg.")
    with connected(Steps()) as client:
        if output is None:
            typer.echo(client.analyses.report(identity, format="md"), nl=False)
        else:
            write_report(client, identity, output, figure)
            typer.echo(f"Report: {output}")


def require_writable(path: Path | None, option: str = "--report") -> None:
    """Raise BadParameter if a report can't be written there, before anything is computed."""
    if path is None:
        return
    if path.suffix not in SUFFIXES:
        raise typer.BadParameter(f"{option} {path} must end in {', '.join(SUFFIXES)}.")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"The folder {path.parent} of {path} does not exist.")


def write_report(
    client: "Client", identity: str, path: Path, figure: FigureName | None = None
) -> None:
    """Write the report of an analysis in the format of the path's suffix."""
    text = client.analyses.report(identity, format=SUFFIXES[path.suffix], figure=figure)
    path.write_text(text, "utf-8")
