"""`narrows keys`: makes, lists, rotates and revokes API keys, directly in the database."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.errors import CommandError

if TYPE_CHECKING:
    from datetime import datetime

keys = typer.Typer(no_args_is_help=True, help="Make, list, rotate and revoke API keys.")


@keys.command()
def create(
    owner: Annotated[
        str, typer.Option(help="The owner of everything that is uploaded with the key.")
    ],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[
        list[str],
        typer.Option(help="What it allows: read, write, admin (which includes read); repeatable."),
    ] = ["read", "write"],  # noqa: B006 - typer copies it
    days: Annotated[
        float | None,
        typer.Option(
            min=0, max=36_500, help="How long it is valid. Without it: until it is revoked."
        ),
    ] = None,
) -> None:
    """Make a key and print it. It can't be shown again: only its hash is stored.

    Example: narrows keys create --owner ann --name laptop --scope read --days 90
    """
    from datetime import UTC, datetime, timedelta

    from pydantic import ValidationError

    from service.admin.schemas import KeyRequest
    from service.cli.prepare import opened
    from service.keys.secrets import server_secret
    from service.keys.service import create_key
    from service.plain_errors import explain

    until = None if days is None else datetime.now(UTC) + timedelta(days=days)
    try:
        asked = KeyRequest.model_validate(
            {"owner": owner, "name": name, "scopes": scope, "expires_at": until}
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])
        option = {"scopes": "scope", "expires_at": "days"}.get(field, field)
        raise typer.BadParameter(explain(first), param_hint=f"--{option}") from None
    with opened("keys") as (session, settings):
        row, key = create_key(
            server_secret(settings),
            session,
            owner=asked.owner,
            name=asked.name,
            scopes=asked.scopes,
            expires_at=asked.expires_at,
        )
        end = f", until {until:%Y-%m-%d %H:%M} UTC" if until else ""
        scopes = " and ".join(asked.scopes)
        described = f"{row.id} of {asked.owner}, for {scopes}{end}; it is not shown again:"
    typer.echo(described, err=True)
    typer.echo(key)


@keys.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(help="Only the keys of this owner.")] = None,
) -> None:
    """List the keys, oldest first; revoked ones too.

    Example: narrows keys list --owner ann
    """
    from rich.console import Console

    from service.cli.prepare import opened
    from service.cli.tables import make_table, print_table
    from service.keys.service import list_keys

    table = make_table("id", "owner", "name", "scopes", "made", "used", "ends")
    with opened("keys") as (session, _):
        for key in list_keys(session, owner):
            ends = f"revoked {_day(key.revoked_at)}" if key.revoked_at else _day(key.expires_at)
            days = _day(key.created_at), _day(key.last_used_at), ends
            table.add_row(key.id, key.owner, key.name, " ".join(key.scopes), *days)
    print_table(Console(highlight=False), table)


@keys.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The key's id: key_…")],
    overlap: Annotated[
        float, typer.Option(min=0, max=24 * 366, help="How many hours the old key stays valid.")
    ] = 24,
) -> None:
    """Make a key in place of another one and print it; the old one stays valid for a while.

    Example: narrows keys rotate key_3fa1c02b9d5e4f6071829304 --overlap 2
    """
    from datetime import timedelta

    from service.cli.prepare import opened
    from service.keys.secrets import server_secret
    from service.keys.service import rotate_key

    with opened("keys") as (session, settings):
        secret = server_secret(settings)
        rotated = rotate_key(secret, session, key_id, timedelta(hours=overlap))
        if rotated is None:
            raise CommandError(f"There is no valid key {key_id}.")
        row, key = rotated
        described = f"{row.id} takes the place of {key_id}, which ends in {overlap:g} hours:"
    typer.echo(described, err=True)
    typer.echo(key)


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id: key_…")]) -> None:
    """Revoke a key at once.

    Example: narrows keys revoke key_3fa1c02b9d5e4f6071829304
    """
    from service.cli.prepare import opened
    from service.keys.service import revoke_key

    with opened("keys") as (session, _):
        if not revoke_key(session, key_id):
            raise CommandError(f"There is no valid key {key_id}.")

    typer.echo(f"Revoked {key_id}.")


def _day(time: "datetime | None") -> str:
    return f"{time:%Y-%m-%d}" if time else ""
