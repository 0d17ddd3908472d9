"""JSON from a possibly hostile author: parsed strictly, then read with the expected types.

See docs/security.md, "Rules for archives", 2.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sized
from typing import Any

from worker.errors import RefusedError
from worker.formats.refusals import malformed, quoted, too_large

MAX_BYTES = 32 << 20
MAX_DEPTH = 64
MAX_TABLE = 65_536  # entries of an object whose keys are free
MAX_INT = (1 << 63) - 1
_NO_BRACKETS = re.compile(rb'"[^"]*"?|[^][{}"]+')


class Value:
    """A JSON value with its place in the document, which is read by naming the expected type.

    Every method raises RefusedError, with the place, if the value has another type. So readers need
    not expect a `KeyError`, and a key that they don't name is refused as unknown.
    """

    __slots__ = ("_key", "_parent", "raw")

    def __init__(self, raw: Any, parent: "Value | None", key: str | int) -> None:
        self.raw, self._parent, self._key = raw, parent, key

    @property
    def where(self) -> str:
        """The place of the value, such as `models/model.json: graph.nodes[3].target`."""
        if self._parent is None:
            return f"{self._key}:"
        step = f"[{self._key}]" if isinstance(self._key, int) else f".{ascii(self._key)[1:-1]}"
        path = self._parent.where + step[:100]
        return path.replace(":.", ": ")

    def refuse(self, problem: str) -> RefusedError:
        """Return a RefusedError about this value; the caller raises it."""
        return malformed(f"{self.where} {problem}.")

    def fields(self, *required: str, optional: Iterable[str] = ()) -> dict[str, "Value"]:
        """Return the object's values by key: all of `required`, and any of `optional`."""
        items = self._expect(dict, "an object")
        if missing := set(required) - items.keys():
            raise self.refuse(f"lacks {', '.join(sorted(missing))}")
        if unknown := items.keys() - {*required, *optional}:
            raise self.refuse(f"has an unknown key {quoted(min(unknown))}")
        return {key: Value(item, self, key) for key, item in items.items()}

    def table(self, pattern: re.Pattern[str]) -> dict[str, "Value"]:
        """Return the object's values by key; each key must match the pattern."""
        items = self._expect(dict, "an object")
        self._check_length(items, MAX_TABLE)
        for key in items:
            if not pattern.fullmatch(key):
                raise self.refuse(f"has the name {quoted(key)}, which is not a plain name")
        return {key: Value(item, self, key) for key, item in items.items()}

    def union(self) -> tuple[str, "Value"]:
        """Return the only key of the object, which names the kind, and its value."""
        items = self._expect(dict, "an object")
        if len(items) != 1:
            raise self.refuse("is not an object of one key")
        (key, item), *_ = items.items()
        return key, Value(item, self, key)

    def items(self, limit: int) -> list["Value"]:
        items = self._expect(list, "a list")
        self._check_length(items, limit)
        return [Value(item, self, i) for i, item in enumerate(items)]

    def text(self, pattern: re.Pattern[str]) -> str:
        text: str = self._expect(str, "text")
        if not pattern.fullmatch(text):
            raise self.refuse(f"holds {quoted(text)}, which is not allowed here")
        return text

    def integer(self, low: int = -MAX_INT - 1, high: int = MAX_INT) -> int:
        number: int = self._expect(int, "an integer")
        if not low <= number <= high:
            raise self.refuse(f"is {number}, not between {low} and {high}")
        return number

    def real(self) -> float:
        """Return a float; torch writes infinity as text."""
        if self.raw in ("Infinity", "-Infinity"):
            return float(self.raw)
        return float(self.raw if type(self.raw) is int else self._expect(float, "a number"))

    def flag(self) -> bool:
        flag: bool = self._expect(bool, "true or false")
        return flag

    def _check_length(self, items: Sized, limit: int) -> None:
        if len(items) > limit:
            raise too_large(f"{self.where} has {len(items)} entries; at most {limit} are read.")

    def _expect(self, kind: type, name: str) -> Any:
        if type(self.raw) is not kind:  # not isinstance: a bool is no integer here
            raise self.refuse(f"is not {name}")
        return self.raw


def parse(data: bytes, where: str) -> Value:
    """Return the parsed JSON of the document `where`.

    Raises RefusedError for deep nesting, duplicate keys, NaN, and numbers that are too long.
    """

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            (repeated, _), *_ = Counter(key for key, _ in pairs).most_common(1)
            raise malformed(f"{where} has a duplicate key {quoted(repeated)}.")
        return result

    def integer(digits: str) -> int:
        if len(digits) > 20:
            raise malformed(f"{where} has a number of {len(digits)} digits.")
        return int(digits)

    def real(digits: str) -> float:
        number = float(digits) if len(digits) <= 40 else math.inf
        if math.isinf(number):
            raise malformed(f"{where} has a number too large: {quoted(digits)}.")
        return number

    def constant(name: str) -> Any:
        raise malformed(f"{where} has {name}, which is not JSON.")

    if len(data) > MAX_BYTES:
        raise too_large(f"{where} has {len(data)} bytes; at most {MAX_BYTES} are read.")
    _check_depth(data, where)
    try:
        raw = json.loads(
            data.decode(),
            object_pairs_hook=members,
            parse_int=integer,
            parse_float=real,
            parse_constant=constant,
        )
    except (ValueError, RecursionError) as error:
        raise malformed(f"{where} is not JSON: {quoted(str(error))}.") from None
    return Value(raw, None, where)


def _check_depth(data: bytes, where: str) -> None:
    """Count brackets outside strings, in linear time, before the recursive parser sees them."""
    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"")
    depth = 0
    for bracket in _NO_BRACKETS.sub(b"", unescaped):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise malformed(f"{where} is nested deeper than {MAX_DEPTH} levels.")
