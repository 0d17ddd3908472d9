"""The end of `analyze` and `follow-up`: the wait for the result, and what is done with it."""

from collections.abc import Collection
from pathlib import Path

import typer

from narrows.client import Client
from service.cli.findings.outputs import Outputs
from service.cli.following import followed
from service.cli.printing import print_answer
from service.cli.progress import Steps
from service.cli.run_analysis import result_of


def finish(
    steps: Steps,
    client: Client,
    identity: str,
    findings: Outputs,
    edits_of: Collection[str],
    output: Path,
    *,
    detach: bool,
    as_json: bool,
) -> None:
    """Wait for an analysis, print what it found and write what was asked for.

    With `detach`, print only its id.
    """
    if detach:
        steps.note(f"Come back with: narrows show {identity}")
        typer.echo(identity)
        return
    analysis = followed(steps, client, identity)
    result = result_of(steps, client, analysis, output)
    print_answer(result, edits_of, as_json=as_json)
    findings.finish(client, result)
