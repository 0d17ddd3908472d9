"""The embedded service: API and workers as child processes that end with this one."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from service.child_processes import ChildProcesses
from service.cli.errors import CommandError
from service.settings import Settings
from service.startup import unknown_variables


@contextmanager
def embedded_service(
    settings: Settings,
    listener: socket.socket,
    workers: int | None = None,
    log: IO[bytes] | None = None,
) -> Iterator[Callable[[], None]]:
    """Run the API at `listener`, and workers; their output goes to `log`, if given.

    Yields a function that raises CommandError if one of these processes has ended.
    """
    misspelt = unknown_variables(os.environ)  # said already
    environment = {
        **{name: os.environ[name] for name in os.environ if name not in misspelt},
        "NARROWS_DATA": str(settings.data),
        "NARROWS_DATABASE_URL": settings.database_url,
        "NARROWS_BROKER_URL": settings.broker_url,
        "NARROWS_STORAGE_URL": settings.storage_url,
    }
    # Without a line for each request, unless that is asked for.
    environment["NARROWS_LOG_LEVEL"] = environment.get("NARROWS_LOG_LEVEL") or "WARNING"
    count = [] if workers is None else ["--workers", str(workers)]
    command = ("narrows", "--tied")
    with ChildProcesses(log) as children:

        def require_all() -> None:
            for name, _, status in children.take_ended():
                how = f"was killed by signal {-status}" if status < 0 else f"exited with {status}"
                raise CommandError(f"The {name} {how}; stopped everything.")

        with listener:  # the API has its own copy
            fd = listener.fileno()
            api = [*command, "api", "--fd", str(fd)]
            children.start("API", api, environment, pass_fds=(fd,))
        children.start("worker", [*command, "worker", *count], environment)
        yield require_all
