"""Streams of events, which go on where a connection breaks or a server stops."""

from collections.abc import AsyncIterator

from narrows.client.asynchronous.connection import AsyncConnection
from narrows.client.asynchronous.runtime import sleep
from narrows.client.errors import ApiError, UnreachableError
from narrows.client.sse import Event, Lines

PAUSE = 0.2
"""Seconds before a stream that ended too early is asked for again."""


async def events(connection: AsyncConnection, path: str, after: int = 0) -> AsyncIterator[Event]:
    """Yield the events of a job after the id `after`, to its end."""
    repeat = 0
    while True:
        lines, pause = Lines(), PAUSE
        try:
            asked = {"Last-Event-ID": str(after)}
            async with connection.stream(path, headers=asked) as answer:
                async for line in answer.aiter_lines():
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
        await sleep(pause)
