"""What is wrong with a value, as a sentence in plain English, from an error of pydantic.

Pydantic's own messages speak of schemas and regular expressions. Requests and settings share these
sentences. Each begins with "It", the value, which the caller names.
"""

from collections.abc import Mapping
from typing import Any, Final

PATTERNS: Final = {
    r"^[\x21-\x7e]+$": "It may have only printable ASCII characters, without spaces.",
    r"^[^\x00]+$": "It must not be empty, nor have a null character.",
    r"^[^\x00-\x1f\x7f]*$": "It must not have control characters, such as a line break.",
    r"^[A-Za-z0-9][A-Za-z0-9_./-]*$": "It may have only letters, digits and _ . / -, and must "
    "begin with a letter or a digit.",
    r"^[A-Za-z0-9][A-Za-z0-9_./-]*=[^\x00-\x1f\x7f]*$": "It must have the form key=value, such as "
    "git_commit=9d5e4f6.",
    r"^[a-z0-9][a-z0-9-]*$": "It may have only lower-case letters, digits and hyphens, and must "
    "not begin with a hyphen.",
    r"^[0-9a-f]{64}$": "It must be a SHA-256: 64 hexadecimal digits, in lower case.",
    r"^[a-z]{3}_[0-9a-f]{24}$": "It must be an id, such as mdl_3fa1c02b9d5e4f6071829304.",
}
"""What the regular expressions of this package's schemas mean. A test looks for each of them."""

_SENTENCES: Final = {
    "missing": "It is missing.",
    "extra_forbidden": "There is no such field.",
    "json_invalid": "It is not JSON: {error}.",
    "greater_than": "It must be greater than {gt}.",
    "greater_than_equal": "It must be {ge} or more.",
    "less_than": "It must be less than {lt}.",
    "less_than_equal": "It must be {le} or less.",
    "multiple_of": "It must be a multiple of {multiple_of}.",
    "finite_number": "It must be a finite number.",
    "int_parsing_size": "It has too many digits.",
    "literal_error": "It must be {expected}.",
    "enum": "It must be {expected}.",
    "none_required": "It must be null.",
    "string_too_short": "It must have {min_length} or more characters.",
    "string_too_long": "It must have {max_length} or fewer characters.",
    "string_not_ascii": "It must have only ASCII characters.",
    "string_unicode": "It must be text in UTF-8.",
    "bytes_too_short": "It must have {min_length} or more bytes.",
    "bytes_too_long": "It must have {max_length} or fewer bytes.",
    "too_short": "It must have {min_length} or more entries, not {actual_length}.",
    "too_long": "It must have {max_length} or fewer entries, not {actual_length}.",
    "set_item_not_hashable": "Each entry must be a single value, such as text or a number.",
    "invalid_key": "Each name in it must be text.",
    "recursion_loop": "It must not contain itself.",
    "datetime_past": "It must be in the past.",
    "datetime_future": "It must be in the future.",
    "date_past": "It must be in the past.",
    "date_future": "It must be in the future.",
    "timezone_naive": "It must not have a time zone.",
    "timezone_aware": "It must have a time zone, such as Z for UTC.",
    "timezone_offset": "It must have the time zone that is {tz_expected} seconds from UTC.",
    "url_too_long": "It must be a URL of {max_length} or fewer characters.",
    "url_scheme": "It must be a URL that begins with {expected_schemes}.",
    "uuid_version": "It must be a UUID of version {expected_version}.",
    "decimal_max_digits": "It must have {max_digits} or fewer digits.",
    "decimal_max_places": "It must have {decimal_places} or fewer digits after the point.",
    "decimal_whole_digits": "It must have {whole_digits} or fewer digits before the point.",
    "union_tag_invalid": "Its field {discriminator} must be {expected_tags}.",
    "union_tag_not_found": "Its field {discriminator} is missing.",
}
_KINDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "complex": "a number",
    "bool": "true or false",
    "string": "text",
    "bytes": "text",
    "json": "text in JSON",
    "datetime": "a date and a time, such as 2026-01-31T12:00:00Z",
    "date": "a date, such as 2026-01-31",
    "time_delta": "a duration, such as PT90S",
    "time": "a time, such as 12:00:00",
    "url": "a URL, such as https://example.org",
    "uuid": "a UUID, such as 123e4567-e89b-12d3-a456-426614174000",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "iterable": "a list",
    "iteration": "a list",
    "dict": "an object",
    "mapping": "an object",
    "model": "an object",
    "dataclass": "an object",
}
"""By the beginning of the error's type; the first that fits counts."""


def explain(error: Mapping[str, Any]) -> str:
    """Return a sentence for one of `ValidationError.errors()`, without its place in the value.

    >>> explain({"type": "greater_than", "msg": "Input should be …", "ctx": {"gt": 0.0}})
    'It must be greater than 0.'
    >>> explain({"type": "uuid_parsing", "msg": "Input should be …"})
    'It must be a UUID, such as 123e4567-e89b-12d3-a456-426614174000.'
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("value_error", "assertion_error"):  # of our own validators, which write sentences
        text = str(context.get("error") or "It is not valid")
        return text if text.endswith(".") else f"{text}."
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context.get("pattern", ""), "It has characters that can't be there.")
    if sentence := _SENTENCES.get(kind):
        try:
            return sentence.format(**{name: _number(value) for name, value in context.items()})
        except KeyError:  # another version of pydantic gives another context
            return "It is not valid."
    for beginning, noun in _KINDS.items():
        if kind.startswith(beginning):
            return f"It must be {noun}."
    return "It is not valid."


def _number(value: object) -> object:
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else value
