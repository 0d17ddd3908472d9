"""Networks with several inputs in the library: by position, by name, and what does not fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from narrows import Analysis, analyze
from narrows.loaded import BatchError
from tests.support.exporting import exporting_once
from tests.support.several_inputs import Fusion, Masked, fusion_data, masked_data

torch.manual_seed(0)
IDS, MASK, TOKENS = (torch.from_numpy(array) for array in masked_data(24))
IMAGE, TABLE, CLASSES = (torch.from_numpy(array) for array in fusion_data(24))
MASKED, FUSION = Masked().eval(), Fusion().eval()


def analysis(net: nn.Module, batches: Any, **options: Any) -> Analysis:
    with exporting_once():
        return analyze(net, batches, progress=False, **options)


EXPECTED = analysis(MASKED, [((IDS, MASK), TOKENS)], method="sosp_h")


class Rows(Dataset[Any]):
    def __len__(self) -> int:
        return len(IDS)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"mask": MASK[index], "ids": IDS[index], "labels": TOKENS[index]}


@pytest.mark.parametrize(
    "batches",
    [
        lambda: [([IDS, MASK], TOKENS)],
        lambda: [((IDS.numpy(), MASK.numpy()), TOKENS.numpy())],
        lambda: [({"mask": MASK, "ids": IDS}, TOKENS)],
        lambda: [({"x0": IDS, "x1": MASK}, TOKENS)],
        lambda: [{"ids": IDS, "y": TOKENS, "mask": MASK}],
        lambda: Rows(),
        lambda: DataLoader(Rows(), batch_size=7),
    ],
)
def test_all_ways_to_give_two_inputs_say_the_same(batches: Callable[[], Any]) -> None:
    found = analysis(MASKED, batches(), method="sosp_h")
    np.testing.assert_allclose(found.loss, EXPECTED.loss, rtol=1e-5)
    np.testing.assert_allclose(found.saliency, EXPECTED.saliency, rtol=1e-3, atol=1e-9)


def test_the_loss_counts_only_targets_that_count() -> None:
    """It is the mean over all of a sample's targets; those of the class −100 add nothing."""
    each = F.cross_entropy(MASKED(IDS, MASK).movedim(-1, 1), TOKENS, reduction="none")
    ignored = (TOKENS == -100).float()
    assert 0.2 < ignored.mean() < 0.8
    expected = each.mean(1).sum() / (1 - ignored).mean(1).sum()
    np.testing.assert_allclose(EXPECTED.loss, expected.item(), rtol=1e-5)


class Own(nn.Module):
    """Returns its loss: the mean over all tokens that count."""

    def __init__(self) -> None:
        super().__init__()
        self.net = MASKED

    def forward(self, ids: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        return F.cross_entropy(self.net(ids, mask).movedim(-1, 1), labels)


class OwnLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.own = Own()

    def forward(self, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        return self.own(ids, labels, mask)


@pytest.mark.parametrize(
    ("net", "batch"),
    [
        (Own(), {"ids": IDS, "mask": MASK, "labels": TOKENS}),
        (Own(), ({"ids": IDS, "mask": MASK}, TOKENS)),
        (OwnLast(), ((IDS, MASK), TOKENS)),
    ],
)
def test_a_program_that_returns_its_loss_takes_the_targets_too(net: nn.Module, batch: Any) -> None:
    found = analyze(net, [batch], loss="model", method="sosp_h", progress=False)
    expected = F.cross_entropy(MASKED(IDS, MASK).movedim(-1, 1), TOKENS)
    np.testing.assert_allclose(found.loss, expected.item(), rtol=1e-5)
    assert found.baseline is not None  # the targets of other samples, also as the input


def test_an_image_and_a_table() -> None:
    found = analysis(FUSION, [((IMAGE, TABLE), CLASSES)], method="joint")
    assert [layer["name"] for layer in found.layers] == ["conv", "table", "head"]
    assert found.removals.effects[0][1] is not None
    pruned = found.prune(0.3)
    assert pruned.network(IMAGE, TABLE)[0].shape == (24, 4)


class Leaking(Fusion):
    """One input's mean over the batch reaches every sample."""

    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        return super().forward(image, table - table.mean(0))


def test_samples_that_mix_through_one_input_are_noticed() -> None:
    with pytest.raises(ValueError, match="samples of a batch influence each other"):
        analyze(Leaking(), [((IMAGE, TABLE), CLASSES)], progress=False)


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([(IDS, TOKENS)], "missing .* argument: 'mask'"),
        ([({"ids": IDS, "masks": MASK}, TOKENS)], "unexpected keyword argument 'masks'"),
        ([((IDS, MASK), TOKENS), ((IDS, MASK[:, :2]), TOKENS)], r"batch 2 .* the input 'mask'"),
        ([((IDS, MASK[:5]), TOKENS)], "batch 1 has 5 samples of the input 'x1' and 24 targets"),
        (
            [({"ids": IDS, "mask": MASK * torch.nan}, TOKENS)],
            "the input 'mask' of batch 1 hold NaN",
        ),
        ([((IDS, MASK), TOKENS), (IDS, TOKENS)], "batch 2 has the inputs and .*, but batch 1 has"),
        ((((IDS, MASK)), TOKENS), "a single pair; put it in a list"),
        ([{"ids": IDS, "mask": MASK}], "it needs inputs, and targets named"),
    ],
)
def test_what_does_not_fit_is_named(batches: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        analyze(MASKED, batches, progress=False)


def test_a_program_names_the_input_that_is_missing() -> None:
    program = torch.export.export(MASKED, (IDS, MASK))
    with pytest.raises(BatchError, match="takes 'ids' and 'mask', but there is no array 'mask'"):
        analyze(program, [({"ids": IDS}, TOKENS)], progress=False)
