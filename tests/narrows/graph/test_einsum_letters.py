"""The letters of an einsum that uses nearly all of them."""

from string import ascii_letters

from narrows.graph.einsum_letters import letters_of
from narrows.graph.node import Node


def test_the_alphabet_may_end() -> None:
    used = ascii_letters[:50]
    call = Node("einsum", {"equation": f"...{used[:25]},...{used[25:]}->..."}, ("y",), "")
    words, result = letters_of(call, [30, 29])
    assert [len(word) for word in words] == [30, 29]
    assert len(set("".join(words))) == 55
    assert words[0][1:5] == words[1][:4] == result[1:]
