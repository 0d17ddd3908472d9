"""Takes the addresses of objects out of texts: a `repr` shows where on the heap something lies."""

import re
from typing import Final

_OBJECT: Final = re.compile(r"<(?:[\w.]*\.)?(\w+)(?: [^<>]*)? at 0x[0-9a-fA-F]+>")
_ADDRESS: Final = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


def without_addresses(text: str) -> str:
    """Return a text, such as a library's error, in which objects are only named.

    >>> without_addresses("malformed node: <ast.Name object at 0x7f8083d7e1d0>")
    'malformed node: Name'
    >>> without_addresses("<function f at 0x7f8083d7e1d0> fails at 0x7f8083d7e1d0")
    'function fails at an address'
    """
    return _ADDRESS.sub("an address", _OBJECT.sub(r"\1", text))
