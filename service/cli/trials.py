"""`narrows trials`: lists the trials."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.listing import State, known_state, print_listed, title_of_failure

if TYPE_CHECKING:
    from narrows.client import Trial


def trials(
    limit: Annotated[int, typer.Option(min=1, help="The largest number of trials.")] = 20,
    state: State = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the trials in JSON, as the API returns them.")
    ] = False,
) -> None:
    """List the trials of your key's owner, the newest first.

    Example: narrows trials --limit 50

    `narrows show ID` shows one of them again.
    """
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps

    with connected(Steps()) as client:
        listed = client.trials.list(state=known_state(state)).first(limit)
        if as_json:
            print_json(listed)
        else:
            none = "There are no such trials. Start one with: narrows trial"
            print_listed(client, listed, limit, _note, none=none)


def _note(trial: "Trial") -> str:
    """Return how far a trial is, or what an ended one found, in a few words."""
    from service.cli.run_trial import said

    if trial.state == "failed":
        return title_of_failure(trial)
    if not (summary := trial.summary):
        return said(trial)
    gains = [(row.gain.value, row.name) for row in summary.variants if row.gain]
    return "{1} gains {0:+.4f}".format(*max(gains)) if gains else ""
