"""Hostile archives are refused with a reason that names the culprit, and run nothing."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.architectures import PlainNet
from tests.support.attacks import ATTACKS, CANARY, Attack
from tests.support.pt2_archive import Upload
from worker.errors import RefusedError
from worker.formats import pt2


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Upload:
    """A real archive of a plain network with a dynamic batch, taken apart."""
    path = tmp_path_factory.mktemp("export") / "model.pt2"
    batch = torch.export.Dim("batch", min=2, max=64)
    example = (torch.randn(2, 3, 8, 8),)
    program = torch.export.export(PlainNet().eval(), example, dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return Upload.read(path)


def test_the_archive_before_any_change_is_read(plain: Upload, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(plain.data())
    assert pt2.read(path).outputs == ("linear",)


@pytest.fixture
def log_of_torch(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What torch logs by itself, which does not reach the root of all loggers."""
    log = logging.getLogger("torch")
    log.addHandler(caplog.handler)
    yield caplog
    log.removeHandler(caplog.handler)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_refused(
    attack: Attack, plain: Upload, tmp_path: Path, log_of_torch: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(attack.make(plain.copy()))
    with pytest.raises(RefusedError) as refusal:
        pt2.read(path)
    assert refusal.value.slug == attack.slug, str(refusal.value)
    assert attack.culprit in refusal.value.detail
    assert not CANARY.exists()
    assert not log_of_torch.records
