"""Ids in paths: what can't be one is not found, and never reaches the database."""

import re
from typing import Annotated

from pydantic import AfterValidator

from service.http.problems import NotFoundError

PATTERN = r"^[a-z]{3}_[0-9a-f]{24}$"


def _possible(identity: str) -> str:
    if not re.fullmatch(PATTERN, identity):
        raise NotFoundError("There is nothing with this id.")
    return identity


Id = Annotated[str, AfterValidator(_possible)]
