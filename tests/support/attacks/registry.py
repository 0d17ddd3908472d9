"""The list of attacks: what each changes in a real archive, and what it must be refused for."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.pt2_archive import Upload


@dataclass(frozen=True)
class Attack:
    name: str
    slug: str
    culprit: str
    make: Callable[[Upload], bytes]


ATTACKS: list[Attack] = []
Change = Callable[[Upload], bytes | None]


def attack(slug: str, culprit: str) -> Callable[[Change], Change]:
    """Register an attack: the slug that refuses it, and a word that its message must hold."""

    def register(change: Change) -> Change:
        def make(upload: Upload) -> bytes:
            data = change(upload)
            return upload.data() if data is None else data

        ATTACKS.append(Attack(change.__name__, slug, culprit, make))
        return change

    return register
