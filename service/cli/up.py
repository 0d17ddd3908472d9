"""`narrows up`: the whole service on one machine."""

import time
from typing import Annotated

import typer

from service.cli.api import Host, Port, listen, url_of
from service.cli.errors import TerminatedError, warn

POLL_SECONDS = 0.2


def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="The number of workers. Default: one per visible GPU, or one."),
    ] = None,
) -> None:
    """Run the whole service: API and workers. Ctrl-C stops both.

    Example: narrows up --port 8000 --workers 1

    By default, all data is in one folder, `NARROWS_DATA`. The first start makes an API key and
    stores it there in the file `api-key`, which `narrows analyze` reads.
    """
    from service.cli.embedded import embedded_service
    from service.cli.prepare import local_key
    from service.database.migrate import upgrade
    from service.startup import checked_settings

    settings, remarks = checked_settings("up")
    warn(remarks)
    listener = listen(host, port)
    url = url_of(listener)
    upgrade(settings)
    key, new = local_key(settings)
    try:
        with embedded_service(settings, listener, workers) as require_all:
            typer.echo(f"Narrows listens on {url}")
            typer.echo(f"The data is in {settings.data}")
            key_file = settings.data / "api-key"
            typer.echo(f"API key: {key} (also in {key_file})" if new else f"API key: in {key_file}")
            typer.echo(f"To see its pages, open {url} in a browser and sign in with the key")
            while True:
                require_all()
                time.sleep(POLL_SECONDS)
    except TerminatedError:
        pass  # the normal end
