"""The letters of an einsum: which stands for which dimension of which operand."""

from collections.abc import Sequence
from string import ascii_letters

from narrows.graph.node import Node

_REST = "..."


def letters_of(node: Node, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Return a letter for each dimension of the operands, of these ranks, and of the result.

    An ellipsis stands for as many dimensions as are left, the last ones of those that another has.

    >>> call = Node("einsum", {"equation": "...qd, ...kd -> ...qk"}, ("y",), "")
    >>> letters_of(call, [4, 3])
    (['abqd', 'bkd'], 'abqk')
    """
    equation = str(node.inputs["equation"]).replace(" ", "")
    operands, _, result = equation.partition("->")
    words = operands.split(",")
    left = [
        rank - len(word.replace(_REST, "")) if _REST in word else 0
        for word, rank in zip(words, ranks, strict=True)
    ]
    more = (chr(0x100 + number) for number in range(max(0, *left)))  # should the alphabet end
    unused = [letter for letter in (*ascii_letters, *more) if letter not in equation]
    rest = "".join(unused[: max(left)])
    spelled = [
        word.replace(_REST, rest[len(rest) - count :])
        for word, count in zip(words, left, strict=True)
    ]
    return spelled, result.replace(_REST, rest)
