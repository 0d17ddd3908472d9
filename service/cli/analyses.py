"""`narrows analyses`: lists the analyses."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.listing import State, known_state, print_listed, title_of_failure

if TYPE_CHECKING:
    from narrows.client import Analysis


def analyses(
    limit: Annotated[int, typer.Option(min=1, help="The largest number of analyses.")] = 20,
    state: State = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the analyses in JSON, as the API returns them.")
    ] = False,
) -> None:
    """List the analyses of your key's owner, the newest first.

    Example: narrows analyses --limit 50

    `narrows show ID` shows one of them again.
    """
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps

    with connected(Steps()) as client:
        listed = client.analyses.list(state=known_state(state)).first(limit)
        if as_json:
            print_json(listed)
        else:
            none = "There are no such analyses. Start one with: narrows analyze"
            print_listed(client, listed, limit, _note, none=none)


def _note(analysis: "Analysis") -> str:
    """Return how far an analysis is, or what an ended one found, in a few words."""
    from service.cli.following import said

    return _found(analysis) or said(analysis)


def _found(analysis: "Analysis") -> str:
    """Return what an ended analysis found, in a few words."""
    if analysis.state == "failed":
        return title_of_failure(analysis)
    if not (summary := analysis.summary):
        return ""
    if summary.undecided:  # one layer is, only where all are
        return "undecided"
    count = len(summary.bottlenecks)
    return f"{count or 'no'} bottleneck{'' if count == 1 else 's'}"
