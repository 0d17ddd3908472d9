"""An object of the API: a JSON object whose fields are attributes."""

import types
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

A = TypeVar("A", bound="ApiObject")
B = TypeVar("B", bound="ApiObject")
Convert = Callable[[Any], Any]


class ApiObject:
    """A JSON object of the API; subclasses annotate its fields, which are read-only attributes.

    A field that an older server does not send is None, or empty. What a newer one sends beyond the
    annotations is in `to_dict()` alone. Words that this version does not know stay strings.

    >>> class Layer(ApiObject):
    ...     name: str
    ...     worth: float | None
    >>> layer = Layer({"name": "conv1", "colour": "red"})
    >>> layer.name, layer.worth, layer.to_dict()
    ('conv1', None, {'name': 'conv1', 'colour': 'red'})
    >>> layer
    Layer(name='conv1', colour='red')
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object as it came."""
        return dict(self._document)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiObject) and self._document == other._document

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._document.items())
        return f"{type(self).__name__}({shown})"

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_fields(type(self))})

    if not TYPE_CHECKING:  # type checkers know the annotated fields alone

        def __getattr__(self, name: str) -> Any:
            convert = None if name.startswith("_") else _fields(type(self)).get(name)
            if convert is None:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}")
            value = convert(self._document.get(name.removesuffix("_")))
            self.__dict__[name] = value
            return value


def either(one: type[A], other: type[B]) -> Callable[[Any], A | B]:
    """Return what makes an object of the kind that has more of an object's fields."""

    def make(document: Any) -> A | B:
        shared = {kind: len(_fields(kind).keys() & document.keys()) for kind in (one, other)}
        return one(document) if shared[one] > shared[other] else other(document)

    return make


def _fields(kind: type) -> dict[str, Convert]:
    """Return what makes the value of each field."""
    if kind not in _FIELDS:
        hints = get_type_hints(kind)
        _FIELDS[kind] = {name: _converter(hint) for name, hint in hints.items()}
    return _FIELDS[kind]


_FIELDS: dict[type, dict[str, Convert]] = {}


def _converter(hint: Any) -> Convert:
    """Return what makes a value of the type `hint` from JSON; other types stay."""
    if isinstance(hint, type) and issubclass(hint, ApiObject):
        return partial(_if_of, dict, hint)
    if hint is datetime:
        return partial(_if_of, str, datetime.fromisoformat)
    arguments = get_args(hint)
    if get_origin(hint) is list:
        each = _converter(arguments[0])
        return partial(_if_of, list, lambda items: [each(item) for item in items], empty=[])
    if get_origin(hint) is dict:
        each = _converter(arguments[1])
        return partial(_if_of, dict, lambda items: {k: each(v) for k, v in items.items()}, empty={})
    if get_origin(hint) in (Union, types.UnionType):
        (some, *others) = [one for one in arguments if one is not types.NoneType]
        convert = _same if others else _converter(some)
        return lambda value: None if value is None else convert(value)
    return _same


def _same(value: Any) -> Any:
    return value


def _if_of(kind: type, convert: Convert, value: Any, empty: Any = None) -> Any:
    if isinstance(value, kind):
        return convert(value)
    return empty if value is None else value
