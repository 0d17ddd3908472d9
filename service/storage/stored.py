"""Where objects are: under a staging name until they are complete, then at their SHA-256."""

import secrets
from dataclasses import dataclass


@dataclass(frozen=True)
class Stored:
    """A complete object under its staging name, to be kept or discarded."""

    sha256: str
    size: int
    staging: str

    @property
    def in_place(self) -> bool:
        """Whether it is at its address already, where it stays."""
        return self.staging == address(self.sha256)


def staging_name() -> str:
    return f"staging/{secrets.token_hex(16)}"


def address(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"
