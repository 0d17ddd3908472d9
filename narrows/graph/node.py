"""The parts of a program: calls of operators, their arguments, and inputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to the value `name` of the program."""

    name: str


Argument: TypeAlias = Ref | Tensor | torch.dtype | str | float | bool | list["Argument"] | None


def as_ref(argument: Argument) -> Ref:
    """Return an argument that must be a reference; raise TypeError for any other.

    >>> as_ref(Ref("x"))
    Ref(name='x')
    """
    if not isinstance(argument, Ref):
        raise TypeError(f"expected a reference, not {argument!r}")
    return argument


def as_int(argument: Argument) -> int:
    """Return an argument that must be an integer; raise TypeError for any other.

    >>> as_int(3)
    3
    >>> as_int(Ref("x"))
    Traceback (most recent call last):
    TypeError: expected an integer, not Ref(name='x')
    """
    if not isinstance(argument, int):
        raise TypeError(f"expected an integer, not {argument!r}")
    return argument


@dataclass(frozen=True, slots=True)
class Node:
    """One operator call.

    `op` is a key of `operators.OPERATORS` such as `conv2d` or `add.Tensor`, or of
    `operators.SYMBOLIC`; `inputs` are its arguments by the names of the operator's schema;
    `outputs` names its results (None: unused); `module` is the user's name of the module, such as
    `layer3.0.conv1`, or `""` for the network itself. `function` is the function that the source
    called, such as `flatten` where `op` is `view`; `""` where that is not known.

    >>> list(Node("cat", {"tensors": [Ref("a"), Ref("b")], "dim": 1}, ("y",), "").references())
    ['a', 'b']
    """

    op: str
    inputs: Mapping[str, Argument]
    outputs: tuple[str | None, ...]
    module: str
    function: str = ""

    def references(self) -> Iterator[str]:
        """Yield the name of every value that the call reads."""
        for argument in self.inputs.values():
            for item in argument if isinstance(argument, list) else [argument]:
                if isinstance(item, Ref):
                    yield item.name

    def reading(self, other: str, *, instead_of: str) -> "Node":
        """Return the call with another value in the first place that reads `instead_of`.

        >>> product = Node("einsum", {"tensors": [Ref("a"), Ref("a")]}, ("y",), "")
        >>> list(product.reading("b", instead_of="a").references())
        ['b', 'a']
        """
        old = Ref(instead_of)
        for name, argument in self.inputs.items():
            if argument == old:
                return replace(self, inputs={**self.inputs, name: Ref(other)})
            if isinstance(argument, list) and old in argument:
                items = list(argument)
                items[items.index(old)] = Ref(other)
                return replace(self, inputs={**self.inputs, name: items})
        raise ValueError(f"{self.op} does not read {instead_of}")


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the network; a dimension is a size, or the name of a symbol where it is free.

    >>> Input("image", torch.float32, ("batch", 3, 32, 32)).shape[0]
    'batch'
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int | str, ...]
