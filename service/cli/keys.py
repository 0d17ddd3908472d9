"""`narrows keys`: makes, lists and revokes API keys, directly in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.errors import CommandError, warn

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


@keys.command()
def create(
    owner: Annotated[
        str, typer.Option(help="The owner of everything that is uploaded with the key.")
    ],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[
        list[str], typer.Option(help="What it allows: read, write, admin; may be repeated.")
    ] = ["read", "write"],  # noqa: B006 - typer copies it
) -> None:
    """Make a key and print it. It can't be shown again: only its hash is stored.

    Example: narrows keys create --owner ann --name laptop --scope read
    """
    from pydantic import TypeAdapter, ValidationError

    from service.keys.secrets import Scope
    from service.keys.service import create_key
    from service.settings import get_settings

    try:
        scopes = TypeAdapter(list[Scope]).validate_python(scope)
    except ValidationError:
        raise typer.BadParameter("A scope is read, write or admin.") from None
    with _session() as session:
        row, key = create_key(get_settings(), session, owner=owner, name=name, scopes=scopes)
        described = f"{row.id} of {owner}, for {' and '.join(scopes)}; it is not shown again:"
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

    from service.cli.tables import make_table, print_table
    from service.keys.service import list_keys

    table = make_table("id", "owner", "name", "scopes", "made", "revoked")
    with _session() as session:
        for key in list_keys(session, owner):
            revoked = f"{key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
            created = f"{key.created_at:%Y-%m-%d}"
            table.add_row(key.id, key.owner, key.name, " ".join(key.scopes), created, revoked)
    print_table(Console(highlight=False), table)


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id: key_…")]) -> None:
    """Revoke a key at once.

    Example: narrows keys revoke key_3fa1c02b9d5e4f6071829304
    """
    from service.keys.service import revoke_key

    with _session() as session:
        if not revoke_key(session, key_id):
            raise CommandError(f"There is no valid key {key_id}.")

    typer.echo(f"Revoked {key_id}.")


@contextmanager
def _session() -> Iterator["Session"]:
    from sqlalchemy.orm import Session

    from service.cli.prepare import require_schema
    from service.database.engine import make_engine
    from service.startup import checked_settings

    settings, remarks = checked_settings("keys")
    warn(remarks)
    require_schema(settings)
    engine = make_engine(settings.resolved_database_url)
    with Session(engine) as session, session.begin():
        yield session
    engine.dispose()
