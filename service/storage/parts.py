"""Files that arrive in parts: what an upload session needs of a storage."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from service.storage.stored import Stored


@dataclass(frozen=True)
class Part:
    """A part that is stored: bytes `start` … `start + size − 1` of the file."""

    number: int
    start: int
    size: int
    sha256: str
    place: str


class PartWriter(Protocol):
    """Takes the bytes of one part."""

    async def write(self, chunk: bytes | bytearray) -> None: ...

    async def finish(self) -> str:
        """Return the place of the part, which survives a crash from now on."""
        ...


class PartStorage(Protocol):
    """The parts of unfinished files, by session."""

    def begin(self, session: str, size: int) -> None:
        """Make room for a file of `size` bytes; raise OSError (ENOSPC) if there is too little."""

    def writer(
        self, session: str, number: int, start: int
    ) -> AbstractAsyncContextManager[PartWriter]:
        """Yield a writer; after an error nothing of the part is kept.

        Raises FileNotFoundError if the session has no file any more, and BlockingIOError while its
        file is `whole`.
        """
        ...

    def whole(
        self, session: str, parts: Sequence[Part], sha256: str
    ) -> AbstractContextManager[Stored]:
        """Yield the file of all parts, staged, while nobody can write to it.

        Raises WrongContentError if it has another SHA-256, and BlockingIOError while parts of it
        are being written.
        """
        ...

    def discard(self, session: str) -> None:
        """Delete all that is stored of a session."""

    def sessions(self) -> Iterable[str]:
        """Return the sessions that something is stored of, but for the newest."""
        ...


class WrongContentError(Exception):
    """The parts do not make a file of the expected SHA-256 but of `sha256`.

    `damaged` are the numbers of the parts that are not what they were when they arrived.
    """

    def __init__(self, sha256: str, damaged: Sequence[int]) -> None:
        super().__init__(sha256)
        self.sha256, self.damaged = sha256, damaged


def damaged(parts: Iterable[Part], sha256_of: Callable[[Part], str]) -> list[int]:
    """Return the numbers of the parts whose content has changed since they arrived."""
    return [part.number for part in parts if sha256_of(part) != part.sha256]


def pieces(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield positions and sizes of the pieces of a range.

    >>> list(pieces(3, 10, 4))
    [(3, 4), (7, 3)]
    """
    for position in range(start, stop, size):
        yield position, min(size, stop - position)
