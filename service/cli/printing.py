"""Prints the answer of `analyze` and `show` on standard output."""

import json
from collections.abc import Collection

import typer

from service.cli.report import print_result
from service.cli.run_analysis import Result


def print_answer(result: Result, edits_of: Collection[str], *, as_json: bool) -> None:
    """Print a result as one JSON document, or as tables and where to find them again."""
    if as_json:
        print_json(result)
    else:
        print_result(result, edits_of)
        typer.echo(f"\nTo see this again: narrows show {result.analysis.id}")
        typer.echo(f"In a browser: {result.analysis.url}")


def print_json(document: object) -> None:
    """Print a document in JSON."""
    typer.echo(json_of(document))


def json_of(document: object) -> str:
    """Return a document in JSON, in which objects of the API are as they came."""
    return json.dumps(document, indent=2, default=lambda part: part.to_dict())
