"""Where the two clients differ by more than words: waiting, threads, many at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

sleep = asyncio.sleep


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function returns that reads files, while others go on."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def several(work: Callable[[], Awaitable[None]], count: int) -> None:
    """Run `work` so many times at once; after an error, end the others and raise it."""
    tasks = [asyncio.ensure_future(work()) for _ in range(count)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
