"""`narrows trials`: lists the trials."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.listing import State, known_state, print_listed, title_of_failure
from service.cli.naming import (
    CreatedAfter,
    CreatedBefore,
    OfDataset,
    OfMetadata,
    OfModel,
    OfTag,
    Search,
)

if TYPE_CHECKING:
    from narrows.client import Trial


def trials(
    limit: Annotated[int, typer.Option(min=1, help="The largest number of trials.")] = 20,
    state: State = None,
    search: Search = None,
    tag: OfTag = None,
    metadata: OfMetadata = None,
    model: OfModel = None,
    dataset: OfDataset = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the trials in JSON, as the API returns them.")
    ] = False,
) -> None:
    """List the trials of your key's owner, the newest first.

    Example: narrows trials --tag nightly --limit 50

    `narrows show ID` shows one of them again.
    """
    from service.cli.following import connected
    from service.cli.naming import filters_of
    from service.cli.printing import print_json
    from service.cli.progress import Steps

    filters = filters_of(search, tag, metadata, model, dataset, created_after, created_before)
    with connected(Steps()) as client:
        listed = client.trials.list(state=known_state(state), **filters).first(limit)
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
