"""Stops a process when its parent has ended. It needs no signal, so none can be missed."""

import os
import signal
import threading


def stop_at_end_of_input() -> None:
    """Stop as on SIGTERM when standard input ends: the parent, which held the other end, is gone.

    Returns at once; a thread reads standard input.
    """
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
