"""`narrows cancel`: cancels an analysis or a trial."""

from typing import Annotated

import typer


def cancel(
    job: Annotated[str, typer.Argument(help="The id of an analysis or a trial: ana_… or trl_…")],
) -> None:
    """Cancel an analysis or a trial. One that has ended stays as it is.

    Example: narrows cancel ana_9d5e4f60718293040b3fa1c0
    """
    from narrows.vocabulary import ENDED
    from service.cli.following import cancel_job, connected, noun_of
    from service.cli.progress import Steps
    from service.cli.uploading import require_id

    identity = require_id(job, "ana", "trl")
    with connected(Steps()) as client:
        left = cancel_job(client, identity)
    if left.state in ENDED and left.state != "cancelled":
        typer.echo(f"The {noun_of(identity)} {identity} had {left.state} before.")
    else:
        typer.echo(f"Cancelled the {noun_of(identity)} {identity}.")
