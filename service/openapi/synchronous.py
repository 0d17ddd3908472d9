"""Writes the client that blocks: the asynchronous one with other words."""

import re

HEAD = "# Written by `python -m service.openapi` from its asynchronous twin; don't edit.\n"

WORDS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\b(a)(read|close)\(\)", r"\2()"),
    (r"\baiter_(bytes|lines)\b", r"iter_\1"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basynchronous\b", "synchronous"),
)
"""Patterns, and what stands for them in the twin."""


def twin(text: str) -> str:
    r"""Return a module of the asynchronous client as that of the one that blocks.

    >>> print(twin("async with AsyncClient() as client:\n    await client.models.list()"))
    # Written by `python -m service.openapi` from its asynchronous twin; don't edit.
    with Client() as client:
        client.models.list()
    """
    for pattern, other in WORDS:
        text = re.sub(pattern, other, text)
    return HEAD + text
