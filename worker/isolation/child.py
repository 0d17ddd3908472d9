"""The child process: runs functions for its parent, one after the other, until the parent ends.

Results are JSON or plain bytes, never pickles: the child handles hostile uploads, so the parent,
which has access to the database, must not unpickle its output.
"""

import importlib
import json
import os
import signal
import sys
import tempfile
import traceback
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeAlias

from structlog.contextvars import bind_contextvars, clear_contextvars

from service import freed_memory
from service.logs import configure_logging
from service.settings import get_settings
from service.storage.disk_full import is_disk_full
from worker.errors import RefusedError
from worker.formats import files
from worker.hardware.memory import is_out_of_memory
from worker.isolation import privileges
from worker.isolation.sandbox import Sandbox

AnyConnection: TypeAlias = "Connection[Any, Any]"


def run(connection: AnyConnection, folder: str, sandbox: dict[str, Any] | None) -> NoReturn:
    """Serve calls in a sandbox, in a process that was just forked; then end the process.

    It works in `folder`. First it sends which layers of the sandbox are missing, and why.
    """
    code = 1
    try:
        os.setsid()  # so that processes that a function starts can be killed, too
        for number in (signal.SIGINT, signal.SIGTERM):  # only the parent ends the child
            signal.signal(number, signal.SIG_IGN)
        os.dup2(2, 1)  # libraries print to the log
        configure_logging(get_settings())
        os.chdir(folder)  # before the user changes, who may not look into the folders above
        missing = None if sandbox is None else Sandbox(**sandbox).enter()
        tempfile.tempdir = os.curdir
        privileges.end_with_parent()
        freed_memory.keep()
        connection.send_bytes(json.dumps(missing).encode())
        serve(connection)
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve(connection: AnyConnection) -> None:
    """Receive calls, run them and send their results.

    A call is `(module, function, arguments, context, paths)`, followed by a descriptor for each of
    the paths. A result is a JSON head `[kind, value]`, followed by the bytes if `kind` is "bytes".
    The context has the log's variables, such as the ids of the request and the work.
    """
    while True:
        try:
            module, function, arguments, context, paths = connection.recv()
            given = {path: reduction.recv_handle(connection) for path in paths}
        except EOFError:
            return
        clear_contextvars()
        bind_contextvars(**context)
        with files.given(given):
            answer = _answer(module, function, arguments)
        for part in answer:
            connection.send_bytes(part)
        del answer
        freed_memory.give_back()


def _answer(module: str, function: str, arguments: tuple[Any, ...]) -> list[bytes]:
    try:
        result = getattr(importlib.import_module(module), function)(*arguments)
        return [_head("bytes"), result] if isinstance(result, bytes) else [_head("json", result)]
    except RefusedError as refused:
        return [_head("refused", [refused.slug, refused.title, refused.detail])]
    except Exception as error:
        return [_head(_kind(error), traceback.format_exc())]


def _kind(error: Exception) -> str:
    if is_out_of_memory(error):
        return "memory"
    return "disk" if is_disk_full(error) else "error"


def _head(kind: str, value: Any = None) -> bytes:
    return json.dumps([kind, value], allow_nan=False).encode()
