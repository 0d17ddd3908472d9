"""Ties a process to the one that started it, without any signal that could be missed."""

import os
import signal
import threading


def stop_at_end_of_input() -> None:
    """Stop as on SIGTERM once whoever started this, and holds the other end, is gone.

    Returns at once; a thread watches standard input.
    """
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
