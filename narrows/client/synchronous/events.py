# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""Streams of events, which go on where a connection breaks or a server stops."""

from collections.abc import Iterator

from narrows.client.errors import ApiError, UnreachableError
from narrows.client.sse import Event, Lines
from narrows.client.synchronous.connection import Connection
from narrows.client.synchronous.runtime import sleep

PAUSE = 0.2
"""Seconds before a stream that ended too early is asked for again."""


def events(connection: Connection, path: str, after: int = 0) -> Iterator[Event]:
    """Yield the events of a job after the id `after`, to its end."""
    repeat = 0
    while True:
        lines, pause = Lines(), PAUSE
        try:
            asked = {"Last-Event-ID": str(after)}
            with connection.stream(path, headers=asked) as answer:
                for line in answer.iter_lines():
                    if event := lines.take(line):
                        after, repeat = event.id, 0
                        yield event
                        if event.is_last:
                            return
        except (ApiError, UnreachableError) as error:
            asked_pause = connection.limits.pause(error, repeat)
            if asked_pause is None:
                raise
            connection.on_retry(error, repeat, asked_pause)
            pause, repeat = asked_pause, repeat + 1
        sleep(pause)
