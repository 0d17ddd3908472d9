"""The steps on models with two inputs, and what is said of data that do not fit one of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows import analyze
from tests.support.several_inputs import Fusion, Masked, fusion_data, masked_data
from worker.errors import RefusedError
from worker.pipeline import steps

REQUEST = {"method": "sosp_h", "loss": "cross_entropy", "batch_size": 64, "seed": 0}
IDS, MASK, TOKENS = masked_data(90)
IMAGE, TABLE, CLASSES = fusion_data(90)


def saved(module: nn.Module, path: Path, *inputs: np.ndarray) -> str:
    torch.manual_seed(0)
    batch = torch.export.Dim("batch")
    examples = tuple(torch.from_numpy(array[:2]) for array in inputs)
    shapes = tuple({0: batch} for _ in inputs)
    torch.export.save(torch.export.export(module.eval(), examples, dynamic_shapes=shapes), path)
    return str(path)


def data(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def analysed(model: str, dataset: str, **request: Any) -> dict[str, Any]:
    asked = REQUEST | request
    planned = steps.plan(model, dataset, {}, asked)
    parts = [steps.shard(model, dataset, {}, asked, *limits) for limits in planned["shards"]]
    return steps.reduce(model, dataset, {}, asked, parts, str(Path(model).parent))


@pytest.fixture
def tagger(tmp_path: Path) -> str:
    return saved(Masked(), tmp_path / "tagger.pt2", IDS, MASK)


@pytest.mark.parametrize("names", [("x0", "x1"), ("ids", "mask")])
def test_ids_and_a_mask_give_what_the_library_gives(
    names: tuple[str, str], tagger: str, tmp_path: Path
) -> None:
    dataset = data(tmp_path / "d.npz", **dict(zip(names, (IDS, MASK), strict=True)), y=TOKENS)
    result = analysed(tagger, dataset, build=["pruned"])
    program = torch.export.load(tagger)
    batch = tuple(map(torch.from_numpy, (IDS, MASK))), torch.from_numpy(TOKENS)
    expected = analyze(program, [batch], method="sosp_h", progress=False)
    assert [row["name"] for row in result["layers"]] == ["embed", "hidden", "head"]
    np.testing.assert_allclose(result["summary"]["loss"], expected.loss, rtol=1e-5)
    found = [row["saliency"] for row in result["structures"]]
    np.testing.assert_allclose(found, expected.saliency, rtol=1e-3, atol=1e-9)
    assert result["provenance"]["transform"].keys() == {*names}
    assert result["plans"][-1]["error"] is None


def test_an_image_and_a_table_with_the_image_in_bytes(tmp_path: Path) -> None:
    model = saved(Fusion(), tmp_path / "fusion.pt2", IMAGE, TABLE)
    bytes_ = (IMAGE * 255).round().astype(np.uint8)
    dataset = data(tmp_path / "d.npz", table=TABLE, image=bytes_, y=CLASSES)
    described = steps.inspect_dataset(dataset, {})
    assert described["inputs"] == {
        "table": {"shape": [4], "dtype": "float32"},
        "image": {"shape": [3, 6, 6], "dtype": "uint8"},
    }
    assert described["transform"]["table"]["scale"] == 1
    assert described["first_sample"]["image"]["max"] <= 1
    pairs = [((torch.from_numpy(bytes_) / 255, torch.from_numpy(TABLE)), torch.from_numpy(CLASSES))]
    expected = analyze(torch.export.load(model), pairs, progress=False)
    loss = analysed(model, dataset)["summary"]["loss"]
    np.testing.assert_allclose(loss, expected.loss, rtol=1e-5)


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = Masked()

    def forward(self, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.net(ids, mask).movedim(-1, 1), labels)


def test_a_program_that_returns_its_loss(tmp_path: Path) -> None:
    model = saved(Own(), tmp_path / "own.pt2", IDS, MASK, TOKENS)
    dataset = data(tmp_path / "d.npz", ids=IDS, mask=MASK, y=TOKENS)
    summary = analysed(model, dataset, loss="model")["summary"]
    assert summary["samples"] == 90
    assert summary["baseline"]["kind"] == "shuffled"


@pytest.mark.parametrize(
    ("arrays", "loss", "said"),
    [
        ({"ids": IDS}, "cross_entropy", "no array 'mask', only 'ids'"),
        ({"x0": IDS}, "cross_entropy", "no array 'x1', only 'x0'"),
        ({"x": IDS}, "cross_entropy", "takes 'ids' and 'mask', but there is no array"),
        (
            {"ids": IDS, "mask": MASK[:, :4]},
            "cross_entropy",
            r"\['batch', 6\] as 'mask', but .* 4\]",
        ),
        ({"ids": IDS, "mask": MASK[:, :, None]}, "cross_entropy", "as 'mask'"),
        ({"ids": IDS, "mask": MASK}, "model", "must return the mean loss|no array"),
    ],
)
def test_the_input_that_does_not_fit_is_named(
    arrays: dict[str, np.ndarray], loss: str, said: str, tagger: str, tmp_path: Path
) -> None:
    dataset = data(tmp_path / "d.npz", **arrays, y=TOKENS)
    with pytest.raises(RefusedError, match=said) as refused:
        steps.plan(tagger, dataset, {}, REQUEST | {"loss": loss})
    assert refused.value.slug == "shapes-do-not-fit"


def test_ids_beyond_the_embedding_are_refused(tagger: str, tmp_path: Path) -> None:
    dataset = data(tmp_path / "d.npz", ids=IDS + 15, mask=MASK, y=TOKENS)
    with pytest.raises(RefusedError, match=r"'ids' holds numbers from 15 to 34, but embed has"):
        steps.plan(tagger, dataset, {}, REQUEST)
