"""`narrows usage`: what the key's owner has stored and asked for, and its limits."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from narrows.client.types import Owner


def usage(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it in JSON, as the API returns it.")
    ] = False,
) -> None:
    """Show what you have stored and asked for, and how much more you may.

    Example: narrows usage
    """
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps

    with connected(Steps()) as client:
        used = client.usage.retrieve()
    if as_json:
        print_json(used)
    else:
        _print(used)


def _print(used: "Owner") -> None:
    from rich.console import Console
    from rich.markup import escape

    from service.cli.tables import make_table, print_table

    console = Console(highlight=False)
    console.print(
        f"{escape(used.owner)}: {used.models} models, {used.datasets} datasets",
        soft_wrap=True,
    )
    table = make_table("limit", "used", "left", "of")
    for name, limit in used.limits.items():
        cells = (limit.used, limit.left, limit.limit)
        table.add_row(
            name.replace("_", " "), *("" if cell is None else f"{cell:,}" for cell in cells)
        )
    print_table(console, table)
