"""`narrows analyses`: lists the analyses."""

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
    from narrows.client import Analysis


def analyses(
    limit: Annotated[int, typer.Option(min=1, help="The largest number of analyses.")] = 20,
    state: State = None,
    search: Search = None,
    tag: OfTag = None,
    metadata: OfMetadata = None,
    model: OfModel = None,
    dataset: OfDataset = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the analyses in JSON, as the API returns them.")
    ] = False,
) -> None:
    """List the analyses of your key's owner, the newest first.

    Example: narrows analyses --search resnet --tag nightly --created-after 2026-01-31

    `narrows show ID` shows one of them again.
    """
    from service.cli.following import connected
    from service.cli.naming import filters_of
    from service.cli.printing import print_json
    from service.cli.progress import Steps

    filters = filters_of(search, tag, metadata, model, dataset, created_after, created_before)
    with connected(Steps()) as client:
        listed = client.analyses.list(state=known_state(state), **filters).first(limit)
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
