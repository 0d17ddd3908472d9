"""Ids in paths: text that can't be an id is answered with 404, without a database query."""

import re
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

from service.http.problems import NotFoundError

PATTERN = r"^[a-z]{3}_[0-9a-f]{24}$"


def possible(identity: str) -> str:
    """Return text that can be an id; raise NotFoundError."""
    if not re.fullmatch(PATTERN, identity):
        raise NotFoundError("There is nothing with this id.")
    return identity


Id = Annotated[str, Path(description="Its id, from its creation"), AfterValidator(possible)]
