"""`narrows owners limit`: the limits of an owner, directly in the database."""

from typing import Annotated, Final

import typer

_MOST: Final = 2**53 - 1
Most = Annotated[int | None, typer.Option(min=0, max=_MOST, help="How many may be unfinished.")]

owners = typer.Typer(no_args_is_help=True, help="Show and set the limits of owners.")


@owners.callback()
def _group() -> None:  # else typer takes the only command for the group itself
    pass


@owners.command()
def limit(
    owner: Annotated[str, typer.Argument(help="The owner, as of its keys.")],
    analyses: Most = None,
    trials: Most = None,
    stored: Annotated[
        int | None,
        typer.Option("--bytes", min=0, max=_MOST, help="Bytes of uploads and built networks."),
    ] = None,
    uploads_per_day: Annotated[
        int | None, typer.Option(min=0, max=_MOST, help="Uploads in 24 hours.")
    ] = None,
    requests_per_second: Annotated[
        int | None, typer.Option(min=1, max=_MOST, help="Requests a second of each key.")
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="First take back what was set before.")
    ] = False,
) -> None:
    """Set limits of an owner; those that are not named stay. Without options: show what holds.

    Example: narrows owners limit ann --analyses 5000 --bytes 1000000000000
    """
    from service.cli.prepare import opened
    from service.quotas.limits import OwnLimits, limits_of, own_limits, set_limits

    asked = {
        "analyses": analyses, "trials": trials, "bytes": stored,
        "uploads_per_day": uploads_per_day, "requests_per_second": requests_per_second,
    }  # fmt: skip
    given = {name: value for name, value in asked.items() if value is not None}
    if not owner.strip():
        raise typer.BadParameter("Name an owner, as of its keys.")
    with opened("owners") as (session, settings):
        if given or reset:
            before = OwnLimits() if reset else own_limits(session, owner)
            set_limits(session, owner, OwnLimits(**before.model_dump() | given))
        holds = limits_of(session, settings, owner)
        own = own_limits(session, owner).model_dump(exclude_none=True)
    for name, value in holds.model_dump().items():
        typer.echo(f"{name:<20} {value:>22,}{'' if name in own else '  (as usual)'}")
