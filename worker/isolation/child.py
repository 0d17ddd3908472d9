"""The child process: runs functions for its parent, one after the other, until the parent ends.

Results are JSON or plain bytes, never pickles: the child handles hostile uploads, so the parent,
which has access to the database, must not unpickle its output.
"""

import importlib
import json
import os
import signal
import threading
import traceback
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from structlog.contextvars import bind_contextvars, clear_contextvars

from service.logs import configure_logging
from service.settings import get_settings
from service.storage.disk_full import is_disk_full
from worker.errors import RefusedError
from worker.hardware.memory import is_out_of_memory


def serve(connection: "Connection[Any, Any]") -> None:
    """Receive calls `(module, function, arguments, context)`, run them and send their results.

    A result is a JSON head `[kind, value]`, followed by the bytes if `kind` is "bytes". The context
    has the log's variables, such as the ids of the request and the work.
    """
    os.setsid()  # so that processes that a function starts can be killed, too
    threading.Thread(target=_die_with_parent, daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):  # only the parent ends the child
        signal.signal(number, signal.SIG_IGN)
    os.dup2(2, 1)  # libraries print to the log
    configure_logging(get_settings())
    while True:
        try:
            module, function, arguments, context = connection.recv()
        except EOFError:
            return
        clear_contextvars()
        bind_contextvars(**context)
        for part in _answer(module, function, arguments):
            connection.send_bytes(part)


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


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os.killpg(0, signal.SIGKILL)
