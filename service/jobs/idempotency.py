"""The header that makes a repeated request create nothing more."""

from typing import Annotated

from fastapi import Header

IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of your choice; the same request with the same key creates nothing "
        "twice",
    ),
]
