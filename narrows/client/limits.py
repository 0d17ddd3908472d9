"""How long a call may take, and how often it is repeated."""

import math
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import httpx

from narrows.client.errors import ApiError, ConfigurationError, UnreachableError

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
LONGEST_RETRY_AFTER = 120.0


@dataclass(frozen=True)
class Limits:
    """The limits of a client, in seconds but for `retries`.

    Each is also an environment variable, which holds where no `Limits` are given: `NARROWS_RETRIES`
    and, for instance, `NARROWS_ANSWER_SECONDS`. Raises ConfigurationError for other than positive
    numbers; `retries` and `patience` may be 0.

    >>> Limits(answer=5).answer
    5
    >>> Limits(write=-1)
    Traceback (most recent call last):
    narrows.client.errors.ConfigurationError: write is -1; it must be a number above 0.
    """

    connect: float = 10.0
    """For a connection to the server or the proxy."""
    write: float = 120.0
    """Without progress of an upload."""
    answer: float = 60.0
    """From the end of a request to its answer, and without progress of a download."""
    upload_answer: float = 1800.0
    """From the end of an upload to its answer: a proxy may keep it until it has the whole."""
    pool: float = 60.0
    """For a free connection, if many threads share a client."""
    patience: float = 600.0
    """How long the wait for an analysis or an inspection outlives a server that is away."""
    retries: int = 5
    """How often any other call is repeated."""

    def __post_init__(self) -> None:
        for field in fields(self):
            _require(field.name, getattr(self, field.name), getattr(self, field.name))

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the limits that environment variables give; raise ConfigurationError."""
        given: dict[str, Any] = {}
        for field in fields(cls):
            number = int if field.name == "retries" else float
            text = environment.get(variable(field.name), "").strip()
            if text:
                try:
                    given[field.name] = number(text)
                except ValueError:
                    given[field.name] = math.nan
                _require(field.name, given[field.name], text, variable(field.name))
        return cls(**given)

    def with_some(self, answer: float | None, retries: int | None) -> Self:
        """Return these limits with others for answers and repeats, where they are given."""
        given: dict[str, Any] = {"answer": answer, "retries": retries}
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def timeout(self, answer: float) -> httpx.Timeout:
        """Return the limits of each phase for httpx, with `answer` for that phase."""
        return httpx.Timeout(connect=self.connect, write=self.write, read=answer, pool=self.pool)

    def pause(
        self, error: ApiError | UnreachableError, repeat: int, waited: float | None = None
    ) -> float | None:
        """Return how many seconds to wait before the repeat `repeat`, from 0; None: don't repeat.

        Pauses double, up to 10 s, and are cut by a random part, so that clients do not come back
        at once. `Retry-After` makes them longer. `waited` are the seconds since the first error of
        a call that has patience; None for one that counts its repeats.
        """
        if not error.may_pass:
            return None
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(repeat, 16)) * random.uniform(0.5, 1)  # noqa: S311
        asked = error.retry_after if isinstance(error, ApiError) else None
        pause += asked or 0.0
        if waited is not None:
            return pause if waited + pause <= self.patience else None
        return pause if repeat < self.retries and (asked or 0) <= LONGEST_RETRY_AFTER else None


def variable(name: str) -> str:
    """Return the environment variable of a limit.

    >>> variable("answer"), variable("retries")
    ('NARROWS_ANSWER_SECONDS', 'NARROWS_RETRIES')
    """
    return f"NARROWS_{name.upper()}" + ("" if name == "retries" else "_SECONDS")


def _require(name: str, number: float, shown: object, said: str = "") -> None:
    kind = "a whole number" if name == "retries" else "a number"
    zero = name in ("retries", "patience")
    whole = name != "retries" or number == number // 1
    if not (math.isfinite(number) and whole and (number > 0 or (zero and number == 0))):
        least = "0 or more" if zero else "above 0"
        raise ConfigurationError(f"{said or name} is {shown}; it must be {kind} {least}.")
