"""`narrows api`: the HTTP server."""

import errno
import logging
import socket
import warnings
from contextlib import suppress
from typing import Annotated

import typer

from service.cli.errors import CommandError, TerminatedError

log = logging.getLogger(__name__)

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all of them.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 is any free one.")]


def api(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    fd: Annotated[
        int | None, typer.Option(hidden=True, help="A socket that already listens.")
    ] = None,
) -> None:
    """Run only the HTTP server, without workers.

    Example: narrows api --host 0.0.0.0 --port 8000

    It first migrates the database if that is SQLite. For PostgreSQL, run `narrows migrate` first.
    """
    listener = listen(host, port) if fd is None else socket.socket(fileno=fd)

    from service.app import create_app
    from service.cli.prepare import local_key, require_schema
    from service.http.server import Server
    from service.logs import configure_logging
    from service.startup import checked_settings

    settings, remarks = checked_settings("api")
    require_schema(settings)
    if not settings.database_url:
        local_key(settings)
    configure_logging(settings)
    for remark in remarks if fd is None else ():  # `narrows up` has said them
        log.warning(remark)
    # Python warns about this if a signal stops the server just before it starts.
    warnings.filterwarnings("ignore", "coroutine 'Server.serve' was never awaited", RuntimeWarning)
    with suppress(TerminatedError):  # uvicorn raises the signal again after its shutdown
        Server(create_app(settings), settings, tied=fd is not None).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise CommandError if that fails."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} of {host} is in use; choose another with --port."
            ) from None
        reason = error.strerror or error
        raise CommandError(f"Can't listen on port {port} of {host}: {reason}.") from None


def url_of(listener: socket.socket) -> str:
    """Return the URL of the server at `listener`, for clients on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
