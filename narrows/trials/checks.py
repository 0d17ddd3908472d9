"""Checks of single options; errors name the option by its path, and say what is allowed."""

import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from narrows.layer_names import listed


class TrialOptionError(ValueError):
    """The error for an option that is not allowed; `field` is its path, such as `recipe.epochs`.

    >>> error = TrialOptionError("recipe.epochs", "is 0; it must be 1 or more")
    >>> str(error), error.field
    ('recipe.epochs is 0; it must be 1 or more', 'recipe.epochs')
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field, self.problem = field, problem


def require_number(
    field: str, value: Any, most: float, *, least: float = 0.0, open_at: tuple[bool, bool]
) -> None:
    """Raise unless this is a number from `least` to `most`; `open_at` tells which end is left out.

    >>> require_number("holdout", 1.0, 1, open_at=(True, True))
    Traceback (most recent call last):
    narrows.trials.checks.TrialOptionError: holdout is 1.0; it must be above 0 and below 1
    """
    fits = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    ends = ((least, open_at[0]), (most, open_at[1]))
    low = f"above {least:g}" if open_at[0] else f"{least:g} or more"
    high = f"below {most:g}" if open_at[1] else f"at most {most:g}"
    if not fits or not least <= value <= most or (value, True) in ends:
        raise TrialOptionError(field, f"is {value!r}; it must be {low} and {high}")


def require_whole(field: str, value: Any, least: int, most: int) -> None:
    """Raise unless this is a whole number from `least` to `most`.

    >>> require_whole("threads", 1.5, 1, 256)
    Traceback (most recent call last):
    narrows.trials.checks.TrialOptionError: threads is 1.5; it must be a whole number from 1 to 256
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise TrialOptionError(
            field, f"is {value!r}; it must be a whole number from {least} to {most}"
        )


def require_choice(field: str, value: Any, choices: Collection[str]) -> None:
    """Raise unless this is one of the words."""
    if not isinstance(value, str) or value not in choices:
        raise TrialOptionError(field, f"is {value!r}; choose from {listed(list(choices))}")


def require_boolean(field: str, value: Any) -> None:
    """Raise unless this is true or false."""
    if not isinstance(value, bool):
        raise TrialOptionError(field, f"is {value!r}; it must be true or false")


def require_several(field: str, values: Any, most: int) -> None:
    """Raise unless these are 1 to `most` values, each once.

    >>> require_several("seeds", (0, 0), 32)
    Traceback (most recent call last):
    narrows.trials.checks.TrialOptionError: seeds has 0 twice; each may be there once
    """
    if not isinstance(values, tuple) or not 1 <= len(values) <= most:
        raise TrialOptionError(field, f"is {values!r}; give a list of 1 to {most}")
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise TrialOptionError(field, f"has {twice[0]!r} twice; each may be there once")


def require_known(field: str, kind: type, request: Any) -> dict[str, Any]:
    """Return the options of a part of a request; raise for what is no object, or an unknown name.

    `kind` is the dataclass that they are of.
    """
    if not isinstance(request, Mapping):
        raise TrialOptionError(field or "the request", f"is {request!r}; it must be an object")
    names = [f.name for f in fields(kind)]
    for name in request:
        if name not in names:
            path = f"{field}.{name}" if field else str(name)
            raise TrialOptionError(path, f"is unknown; choose from {', '.join(names)}")
    return dict(request)
