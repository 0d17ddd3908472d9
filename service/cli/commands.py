"""All commands. Entry points load those that need torch, since `service` never imports `worker`."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer

from service.cli.analyses import analyses
from service.cli.analyze import analyze
from service.cli.api import api
from service.cli.build import build
from service.cli.cancel import cancel
from service.cli.compare import compare
from service.cli.demo import demo
from service.cli.errors import CommandError
from service.cli.follow_up import follow_up
from service.cli.gc import gc
from service.cli.inspect import inspect
from service.cli.keys import keys
from service.cli.migrate import migrate
from service.cli.owners import owners
from service.cli.plan import plan
from service.cli.report_file import report
from service.cli.retention import retention
from service.cli.show import show
from service.cli.trial import trial
from service.cli.trials import trials
from service.cli.up import up
from service.cli.upload import upload
from service.cli.usage import usage
from service.cli.webhooks import webhooks
from service.cli.workers import workers
from service.parent_watch import stop_at_end_of_input

app = typer.Typer(
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"narrows {version('narrows')}")
        raise typer.Exit


@app.callback()
def narrows(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
    tied: Annotated[
        bool, typer.Option("--tied", hidden=True, help="Stop when standard input ends.")
    ] = False,
) -> None:
    """Find the layers of your network that are too narrow.

    Example: narrows demo

    Start a service with `narrows up`, export a network with `narrows export`, and ask with
    `narrows analyze` which of its layers are bottlenecks.
    """
    if tied:
        stop_at_end_of_input()


def _load(point: EntryPoint) -> Callable[..., Any]:
    """Return the command; if it can't be loaded (without torch), one that says why."""
    try:
        command: Callable[..., Any] = point.load()
    except Exception as error:
        reason = f"`narrows {point.name}` can't be loaded: {error}"

        def command() -> None:
            raise CommandError(reason)

        command.__doc__ = f"Not available here: {error}."
    return command


_OWN: dict[str, Callable[..., None]] = {
    "demo": demo,
    "up": up,
    "upload": upload,
    "analyze": analyze,
    "trial": trial,
    "show": show,
    "report": report,
    "follow-up": follow_up,
    "plan": plan,
    "build": build,
    "analyses": analyses,
    "compare": compare,
    "trials": trials,
    "cancel": cancel,
    "inspect": inspect,
    "workers": workers,
    "usage": usage,
    "api": api,
    "migrate": migrate,
    "gc": gc,
    "retention": retention,
}
for _name, _command in _OWN.items():
    app.command(_name)(_command)
for _point in sorted(entry_points(group="narrows.commands"), key=lambda point: point.name):
    if _point.name not in _OWN:
        app.command(_point.name)(_load(_point))
app.add_typer(keys, name="keys")
app.add_typer(owners, name="owners")
app.add_typer(webhooks, name="webhooks")
