"""`narrows cancel`: cancels an analysis."""

from typing import Annotated

import typer


def cancel(
    analysis: Annotated[str, typer.Argument(help="The id of an analysis: ana_…")],
) -> None:
    """Cancel an analysis. One that has ended stays as it is.

    Example: narrows cancel ana_9d5e4f60718293040b3fa1c0
    """
    from narrows.vocabulary import ENDED
    from service.cli.following import connected
    from service.cli.progress import Steps
    from service.cli.uploading import require_id

    identity = require_id(analysis, "ana")
    with connected(Steps()) as client:
        left = client.cancel(identity)
    if left["state"] in ENDED and left["state"] != "cancelled":
        typer.echo(f"The analysis {identity} had {left['state']} before.")
    else:
        typer.echo(f"Cancelled the analysis {identity}.")
