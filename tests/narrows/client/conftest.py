from collections.abc import Iterator

import pytest

from tests.support.misbehaving import Misbehaving, misbehaving


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with misbehaving() as state:
        yield state


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once."""
    monkeypatch.setattr("narrows.client.limits.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("narrows.client.limits.LONGEST_PAUSE", 0.01)
