"""The four steps on real files, and every way in which files do not fit together."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.arrays import Ints
from narrows.batch import Batch
from narrows.channels.structures import Channels
from narrows.evaluation.removals import RATIOS
from narrows.graph.network import Network
from narrows.methods.partial_sums import PartialSums
from narrows.surgery import SurgeryError, built
from worker.errors import RefusedError
from worker.pipeline import steps
from worker.pipeline.context import AnalysisContext

REQUEST = {
    "method": "sosp_h",
    "gate": "weights",
    "loss": "cross_entropy",
    "pruning_ratio": 0.5,
    "max_samples": 4096,
    "batch_size": 64,
    "seed": 0,
    "exclude": [],
    "cost": "structures",
    "plans": ["double", "uniform", "reallocate"],
    "build": [],
    "init": "preserve",
}


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 16, 5),
    )  # fmt: skip


def saved(module: nn.Module, path: Path, *shape: int, dynamic: bool = True) -> str:
    shapes = ({0: torch.export.Dim.DYNAMIC},) if dynamic else None
    program = torch.export.export(module.eval(), (torch.randn(shape),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return str(path)


def data(path: Path, count: int = 300, shape: tuple[int, ...] = (1, 8, 8), **named: Any) -> str:
    rng = np.random.default_rng(0)
    x, y = rng.random((count, *shape), np.float32), rng.integers(0, 5, count)
    arrays: dict[str, Any] = {"x": x, "y": y} | named
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return saved(small(), tmp_path / "model.pt2", 2, 1, 8, 8)


def analyze(model: str, dataset: str, **request: Any) -> dict[str, Any]:
    asked = REQUEST | request
    planned = steps.plan(model, dataset, {}, asked)
    parts = [steps.shard(model, dataset, {}, asked, *limits) for limits in planned["shards"]]
    return steps.reduce(model, dataset, {}, asked, parts, str(Path(model).parent))


def test_results_are_json_and_name_every_layer(model: str, tmp_path: Path) -> None:
    result = analyze(model, data(tmp_path / "d.npz"))
    json.dumps(result, allow_nan=False)
    assert [layer["name"] for layer in result["layers"]] == ["0", "3", "6"]
    assert len(result["structures"]) == result["summary"]["structures"] == 14
    assert sorted(row["rank"] for row in result["structures"]) == list(range(14))
    assert result["summary"]["samples"] == 300
    assert result["provenance"]["devices"] == ["cpu"]


METHODS: list[dict[str, Any]] = [
    {},
    {"gate": "channel"},
    {"method": "joint", "gate": "channel"},
    {"method": "joint", "blocks": 4, "curvature": "exact"},
    {"method": "obs"},
    {"method": "sosp_i"},
    {"method": "fisher", "gate": "channel"},
    {"method": "first_order"},
    {"method": "magnitude"},
    {"method": "magnitude_relative"},
    {"method": "exact", "gate": "channel"},
]


@pytest.mark.parametrize("asked", METHODS, ids=str)
def test_any_sharding_gives_the_same_bits(
    asked: dict[str, Any], model: str, tmp_path: Path
) -> None:
    dataset, request = data(tmp_path / "d.npz"), REQUEST | asked
    results = []
    for cuts in ([], [9], [18, 27, 90, 261], [297]):  # batches are of 9
        edges = [0, *cuts, 300]
        parts = [steps.shard(model, dataset, {}, request, a, b) for a, b in pairwise(edges)]
        result = steps.reduce(model, dataset, {}, request, parts, str(tmp_path))
        results.append({name: result[name] for name in ("layers", "structures", "summary")})
    assert all(result == results[0] for result in results)


def test_how_much_fits_into_memory_is_found_out_once(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    measure = AnalysisContext.measure

    def within_memory(context: AnalysisContext, batch: Batch) -> PartialSums:
        asked.append(len(batch))
        if len(batch) > 4:
            raise RuntimeError("CUDA out of memory")
        return measure(context, batch)

    monkeypatch.setattr(AnalysisContext, "measure", within_memory)
    dataset = data(tmp_path / "d.npz")
    for start in (0, 9):
        steps.shard(model, dataset, {}, REQUEST, start, start + 9)
    assert asked == [9, 5, 3, 3, 3, 3, 3, 3]


class WithLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = small()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.body(x), y)


def test_a_program_may_return_its_loss(model: str, tmp_path: Path) -> None:
    dataset = data(tmp_path / "d.npz")
    batch, x, y = torch.export.Dim.DYNAMIC, torch.randn(2, 1, 8, 8), torch.tensor([0, 1])
    program = torch.export.export(
        WithLoss().eval(), (x, y), dynamic_shapes=({0: batch}, {0: batch})
    )
    torch.export.save(program, path := str(tmp_path / "loss.pt2"))
    assert steps.inspect_model(path)["layers"][-1]["name"] == "body.6"
    own, ours = analyze(path, dataset, loss="model"), analyze(model, dataset)
    assert own["summary"]["loss"] == pytest.approx(ours["summary"]["loss"], rel=1e-5)
    for mine, theirs in zip(own["structures"], ours["structures"], strict=True):
        assert mine["saliency"] == pytest.approx(theirs["saliency"], rel=1e-3, abs=1e-6)


def test_a_program_without_a_loss_is_not_taken_for_one(model: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="it must take inputs and targets, and return its loss"):
        analyze(model, data(tmp_path / "d.npz"), loss="model")


class Tokens(nn.Module):
    """Logits for every token, the classes last, as language models have them."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.hidden = nn.Embedding(9, 6), nn.Linear(6, 8)
        self.head = nn.Linear(8, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.gelu(self.hidden(self.table(x))))


@pytest.mark.parametrize("method", ["sosp_h", "joint"])
def test_every_token_has_a_class(method: str, tmp_path: Path) -> None:
    batch = torch.export.Dim.DYNAMIC
    program = torch.export.export(
        Tokens().eval(), (torch.zeros(2, 5).long(),), dynamic_shapes=({0: batch},)
    )
    torch.export.save(program, path := str(tmp_path / "tokens.pt2"))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 9, (64, 5))
    y[:, 3:] = -100  # padding
    dataset = data(tmp_path / "d.npz", x=rng.integers(0, 9, (64, 5)), y=y)
    assert analyze(path, dataset, method=method)["summary"]["structures"] == 6 + 8
    wrong = data(tmp_path / "w.npz", x=rng.integers(0, 9, (64, 5)), y=y[:, :4])
    with pytest.raises(RefusedError, match="or the classes last"):
        analyze(path, wrong, method=method)


@pytest.mark.parametrize(
    ("limit", "asked", "said"),
    [
        ("EXACT_STRUCTURES", {"method": "exact"}, "'exact' is for at most 10"),
        ("FACTOR_NUMBERS", {"method": "joint"}, "fewer `max_samples`"),
    ],
)
def test_what_would_never_end_is_refused(
    limit: str,
    asked: dict[str, Any],
    said: str,
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"worker.pipeline.context.{limit}", 10)
    with pytest.raises(RefusedError, match=said):
        steps.plan(model, data(tmp_path / "d.npz"), {}, REQUEST | {"seed": 5} | asked)


@pytest.mark.parametrize("init", ["preserve", "fresh"])
def test_what_is_built_opens_and_can_be_analysed_again(
    init: str, model: str, tmp_path: Path
) -> None:
    dataset = data(tmp_path / "d.npz")
    mine = {"name": "mine", "factors": {"3": 1.5}}
    asked = {"plans": ["double", mine], "build": ["mine", "pruned"], "init": init}
    result = analyze(model, dataset, **asked)
    plans = {plan["name"]: plan for plan in result["plans"]}
    assert plans.keys() == {"double", "mine", "pruned"}
    assert (plans["double"]["artifact"], plans["mine"]["artifact"]) == (None, "mine.pt2")

    x = torch.randn(3, 1, 8, 8)
    before = torch.export.load(model).module()
    wider = torch.export.load(tmp_path / "mine.pt2").module()
    assert wider.state_dict()["3.weight"].shape == (9, 8, 3, 3)
    if init == "preserve":
        torch.testing.assert_close(wider(x), before(x))
    for name in ("mine", "pruned"):
        assert result["summary"]["built"][name]["deviation"] < (1e-5 if init == "preserve" else 9)
        path = str(tmp_path / f"{name}.pt2")
        assert steps.inspect_model(path)["parameters"] == plans[name]["parameters"][1]
        assert analyze(path, dataset)["summary"]["samples"] == 300


@pytest.mark.parametrize("error", [SurgeryError("an odd call"), RuntimeError("an odd call")])
def test_a_build_that_fails_leaves_the_others_alone(
    error: Exception, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = built.build

    def build_or_fail(
        network: Network, channels: Channels, copies: Ints, *args: Any, **more: Any
    ) -> built.Built:
        if copies.max() > 1:
            raise error
        return build(network, channels, copies, *args, **more)

    monkeypatch.setattr(built, "build", build_or_fail)
    mine = {"name": "mine", "factors": {"3": 1.5}}
    asked = {"plans": ["double", mine], "build": ["mine", "pruned"]}
    result = analyze(model, data(tmp_path / "d.npz"), **asked)
    plans = {plan["name"]: plan for plan in result["plans"]}
    assert plans["mine"]["artifact"] is None
    assert "Building 'mine' failed: an odd call" in plans["mine"]["error"]
    assert (plans["pruned"]["artifact"], plans["pruned"]["error"]) == ("pruned.pt2", None)
    assert plans["pruned"]["evaluation"]["after"]["loss"] > 0
    assert list(result["summary"]["built"]) == ["pruned"]
    assert not (tmp_path / "mine.pt2").exists()


def test_the_first_look_holds_the_network_against_a_constant_answer(
    model: str, tmp_path: Path
) -> None:
    dataset = data(tmp_path / "d.npz")
    look = steps.plan(model, dataset, {}, REQUEST)["first_look"]
    assert look["samples"] == 128
    counts = np.bincount(np.load(dataset)["y"]) / 300
    assert look["baseline"]["loss"] == pytest.approx(-(counts * np.log(counts)).sum())
    assert look["baseline"]["accuracy"] == pytest.approx(counts.max())
    assert "better than the best constant answer" in look["doubt"]  # it was never trained
    summary = analyze(model, dataset)["summary"]
    assert "better than the best constant answer" in summary["doubt"]
    assert summary["cliff"] is None
    assert [row["ratio"] for row in summary["removals"]] == list(RATIOS)


def test_advice_rests_on_an_analysis_that_is_not_in_doubt(model: str, tmp_path: Path) -> None:
    asked = {"method": "sosp_i", "plans": ["advise"], "build": ["advise"],
             "advise": {"budget": 0.5, "cost": "macs"}}  # fmt: skip
    noise = data(tmp_path / "noise.npz")
    result = analyze(model, noise, **asked)
    assert result["summary"]["advice"].startswith("It changes nothing: ")
    assert result["plans"][0]["layers"] == []
    assert analyze(model, noise)["summary"]["advice"] is None

    x = torch.from_numpy(np.load(noise)["x"])
    own = small().eval()(x).argmax(1).numpy()
    result = analyze(model, data(tmp_path / "own.npz", y=own), **asked)
    (plan,) = result["plans"]
    before, after = plan["macs"]
    assert before < after <= 1.5 * before
    assert plan["error"] is None
    assert plan["artifact"] == "advise.pt2"
    assert "widths promise" in result["summary"]["advice"]


def test_a_network_that_mixes_samples_is_refused(tmp_path: Path) -> None:
    mixing = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6, track_running_stats=False), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 36, 5),
    )  # fmt: skip
    path = saved(mixing, tmp_path / "mixing.pt2", 2, 1, 8, 8)
    with pytest.raises(RefusedError, match="influence each other"):
        steps.plan(path, data(tmp_path / "d.npz"), {}, REQUEST)


def test_without_a_target_that_counts_nothing_is_measured(model: str, tmp_path: Path) -> None:
    dataset = data(tmp_path / "d.npz", y=np.full(300, -100))
    assert steps.plan(model, dataset, {}, REQUEST)["first_look"] is None
    with pytest.raises(RefusedError, match="no target counts"):
        analyze(model, dataset)


def test_a_seed_draws_its_own_samples(model: str, tmp_path: Path) -> None:
    dataset = data(tmp_path / "d.npz")
    losses = [
        analyze(model, dataset, max_samples=100, seed=seed)["summary"]["loss"] for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float64])
def test_numbers_of_any_type_are_targets_of_a_regression(dtype: Any, tmp_path: Path) -> None:
    model = saved(
        nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 2)), tmp_path / "r.pt2", 2, 6
    )
    y = np.random.default_rng(0).integers(0, 2, (300, 2))
    expected = analyze(model, data(tmp_path / "f.npz", shape=(6,), y=y * 1.0), loss="mse")
    actual = analyze(model, data(tmp_path / "d.npz", shape=(6,), y=y.astype(dtype)), loss="mse")
    assert actual["summary"] == expected["summary"]


def test_few_samples_or_large_batches_still_give_intervals(model: str, tmp_path: Path) -> None:
    dataset = data(tmp_path / "d.npz")
    for options in ({"max_samples": 40}, {"batch_size": 4096}):
        layers = analyze(model, dataset, **options)["layers"]
        low, high = layers[0]["interval"]
        assert low < high


def test_too_few_samples_for_certainty_name_nothing(model: str, tmp_path: Path) -> None:
    result = analyze(model, data(tmp_path / "d.npz"), max_samples=5)
    assert [layer["interval"] for layer in result["layers"]] == [None, None, None]
    verdicts = {layer["verdict"] for layer in result["layers"]}
    assert verdicts == {"undecided", "not_prunable"}


def test_a_transform_beyond_all_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not finite"):
        steps.inspect_dataset(data(tmp_path / "d.npz"), {"scale": 1e39})


def test_a_fixed_batch_is_kept_to(tmp_path: Path) -> None:
    fixed = saved(small(), tmp_path / "fixed.pt2", 32, 1, 8, 8, dynamic=False)
    result = analyze(fixed, data(tmp_path / "d.npz"))
    assert result["summary"]["samples"] == 288
    free = saved(small(), tmp_path / "free.pt2", 2, 1, 8, 8)
    same = analyze(free, data(tmp_path / "d.npz", 288), batch_size=32)
    assert same["summary"]["structures"] == result["summary"]["structures"]


def test_half_precision_is_computed_in_single(tmp_path: Path) -> None:
    half = saved(small().half().float(), tmp_path / "a.pt2", 2, 1, 8, 8)
    dataset = data(tmp_path / "d.npz")
    expected = analyze(half, dataset)["summary"]["loss"]
    program = torch.export.export(small().half().eval(), (torch.randn(2, 1, 8, 8).half(),))
    torch.export.save(program, tmp_path / "b.pt2")
    assert analyze(str(tmp_path / "b.pt2"), dataset, batch_size=2)["summary"][
        "loss"
    ] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("named", "request_", "slug", "text"),
    [
        ({"shape": (1, 8, 9)}, {}, "shapes-do-not-fit", "['batch', 1, 8, 8]"),
        ({"shape": (3, 8, 8)}, {}, "shapes-do-not-fit", "['batch', 3, 8, 8]"),
        ({"shape": (64,)}, {}, "shapes-do-not-fit", "['batch', 64]"),
        ({"y": np.full(300, 5)}, {}, "targets-do-not-fit", "labels from 5 to 5"),
        ({"y": np.full(300, -1)}, {}, "targets-do-not-fit", "0 … 4"),
        ({"y": np.zeros(300)}, {}, "targets-do-not-fit", "dtype float64"),
        ({"y": np.zeros((300, 2), int)}, {}, "targets-do-not-fit", "its y [2]"),
        ({}, {"loss": "mse"}, "targets-do-not-fit", "its output [5]"),
        ({}, {"exclude": ["0", "3"]}, "nothing-to-prune", "excluded by the request"),
        ({}, {"exclude": ["conv9"]}, "unknown-layer", "conv9"),
        ({}, {"plans": [{"name": "a", "factors": {"x": 2.0}}]}, "unknown-layer", "names x"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    named: dict[str, Any],
    request_: dict[str, Any],
    slug: str,
    text: str,
    model: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(RefusedError) as refusal:
        steps.plan(model, data(tmp_path / "d.npz", **named), {}, REQUEST | request_)
    assert refusal.value.slug == slug
    assert text in refusal.value.detail


def test_too_few_samples_for_a_fixed_batch_are_refused(tmp_path: Path) -> None:
    fixed = saved(small(), tmp_path / "fixed.pt2", 32, 1, 8, 8, dynamic=False)
    with pytest.raises(RefusedError, match="batches of exactly 32"):
        steps.plan(fixed, data(tmp_path / "d.npz", 31), {}, REQUEST)


def test_a_network_without_prunable_layers_is_refused(tmp_path: Path) -> None:
    single = saved(nn.Linear(4, 3), tmp_path / "single.pt2", 2, 4)
    with pytest.raises(RefusedError) as refusal:
        steps.inspect_model(single)
    assert refusal.value.slug == "nothing-to-prune"
    assert "network's outputs" in refusal.value.detail
    none = saved(nn.ReLU(), tmp_path / "none.pt2", 2, 4)
    with pytest.raises(RefusedError, match="no such layer"):
        steps.inspect_model(none)


def test_values_that_overflow_are_refused(tmp_path: Path) -> None:
    module = small()
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(1e12)
    model = saved(module, tmp_path / "huge.pt2", 2, 1, 8, 8)
    with pytest.raises(RefusedError) as refusal:
        steps.shard(model, data(tmp_path / "d.npz"), {}, REQUEST, 0, 64)
    assert refusal.value.slug == "not-finite"


def test_inspection_shows_what_was_found(model: str, tmp_path: Path) -> None:
    found = steps.inspect_model(model)
    assert found["structures"] == 14
    assert found["parameters"] == sum(p.numel() for p in small().parameters())
    assert found["groups"] == [
        {"group": 0, "width": 8, "layers": ["0"]},
        {"group": 1, "width": 6, "layers": ["3"]},
    ]
    described = steps.inspect_dataset(data(tmp_path / "d.npz"), {"scale": 2.0})
    assert (described["samples"], described["classes"]) == (300, 5)
    assert described["x"] == {"shape": [1, 8, 8], "dtype": "float32"}
    assert 1.0 < described["first_sample"]["max"] <= 2.0
