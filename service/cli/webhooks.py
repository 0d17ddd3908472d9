"""`narrows webhooks`: be told when analyses and trials end."""

import time
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from narrows.vocabulary import WebhookEvent

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from narrows.client import Client
    from narrows.client.types import Delivery, WebhookOptions

webhooks = typer.Typer(no_args_is_help=True, help="Be told when analyses and trials end.")

TEST_SECONDS = 30.0
WebhookId = Annotated[str, typer.Argument(help="The id of the webhook: whk_…")]


@webhooks.command()
def create(
    url: Annotated[str, typer.Argument(help="Where to POST; it begins with https://")],
    event: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(get_args(WebhookEvent))}; may be repeated. Default: all."),
    ] = None,
) -> None:
    """Make a webhook, and print the secret that verifies its messages. It is not shown again.

    Example: narrows webhooks create https://ci.example/hook --event analysis.succeeded

    Messages are signed as Standard Webhooks are: `standardwebhooks.Webhook(secret).verify(…)`.
    """
    chosen = [name for name in get_args(WebhookEvent) if name in (event or ())]
    if unknown := {*(event or ())} - {*chosen}:
        raise typer.BadParameter(f"There is no event {min(unknown)!r}.", param_hint="--event")
    asked: WebhookOptions = {"events": chosen} if chosen else {}
    with _connected() as client:
        made = client.webhooks.create(url=url, **asked)
    typer.echo(f"{made.id} tells {made.url}; its secret is not shown again:", err=True)
    typer.echo(made.secret)


@webhooks.command("list")
def list_() -> None:
    """List the webhooks.

    Example: narrows webhooks list
    """
    from rich.console import Console
    from rich.markup import escape

    from service.cli.tables import make_table, print_table

    with _connected() as client:
        found = [*client.webhooks.list()]
    table = make_table("id", "url", "events", "")
    for row in found:
        events = "all" if len(row.events) == len(get_args(WebhookEvent)) else ""
        named = events or ", ".join(row.events)
        table.add_row(row.id, escape(row.url), named, "" if row.enabled else "disabled")
    print_table(Console(highlight=False), table)


@webhooks.command()
def test(webhook: WebhookId) -> None:
    """Send a test message, and say what became of it. Exit status 1 if it did not arrive.

    Example: narrows webhooks test whk_3fa1c02b9d5e4f6071829304
    """
    with _connected() as client:
        sent = client.webhooks.test(webhook)
        tried = _attempted(client, webhook, sent.id)
    typer.echo(_described(tried))
    if tried.state != "delivered":
        raise typer.Exit(1)


@webhooks.command()
def log(webhook: WebhookId) -> None:
    """List what was sent in the last 30 days and what waits, the newest first.

    Example: narrows webhooks log whk_3fa1c02b9d5e4f6071829304
    """
    with _connected() as client:
        for delivery in client.webhooks.deliveries(webhook):
            typer.echo(_described(delivery))


@webhooks.command()
def delete(webhook: WebhookId) -> None:
    """Delete a webhook; nothing more is sent to it.

    Example: narrows webhooks delete whk_3fa1c02b9d5e4f6071829304
    """
    with _connected() as client:
        client.webhooks.delete(webhook)


def _connected() -> "AbstractContextManager[Client]":
    from service.cli.following import connected
    from service.cli.progress import Steps

    return connected(Steps())


def _attempted(client: "Client", webhook: str, identity: str) -> "Delivery":
    """Return a delivery once it was attempted, or as it is after half a minute."""
    end = time.monotonic() + TEST_SECONDS
    while True:
        found = next(one for one in client.webhooks.deliveries(webhook) if one.id == identity)
        if found.attempts or time.monotonic() > end:
            return found
        time.sleep(0.5)


def _described(delivery: "Delivery") -> str:
    """Return a line about a delivery, with its last attempt."""
    line = f"{delivery.created_at}  {delivery.id}  {delivery.event}: {delivery.state}"
    if not delivery.attempts:
        return f"{line}, not tried yet"
    last, count = delivery.attempts[-1], len(delivery.attempts)
    said = f"status {last.status}" if last.status else last.error
    return f"{line} after {count} attempt{'' if count == 1 else 's'}, {said}"
