"""A follow-up says what a new analysis of the same shards would say, bit for bit, without data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from narrows.methods.table import CRITERIA
from narrows.vocabulary import PARTIAL_SUMS, RANKINGS, SAME_TERMS
from service.settings import get_settings
from worker.errors import RefusedError
from worker.pipeline import reduce, steps

RANKED_ALIKE: list[dict[str, Any]] = [
    {"pruning_ratio": 0.2, "rule": "pruning_ratio"},
    {"plans": ["advise", {"name": "mine", "factors": {"3": 1.5}}], "advise": {"budget": 0.4}},
    {"build": ["double", "pruned"], "init": "fresh", "pruning_ratio": 0.3},
]
RANKED_ANEW: list[tuple[str, dict[str, Any]]] = [
    ("sosp_i", {"method": "joint"}),
    ("joint", {"method": "obs", "cost": "macs", "build": ["pruned"]}),
    ("obs", {"method": "sosp_i", "blocks": 3}),
    ("sosp_h", {"method": "sosp_h", "cost": "parameters", "pruning_ratio": 0.25}),
    ("fisher", {"method": "fisher", "cost": "macs"}),
    ("magnitude", {"method": "magnitude_relative"}),
    ("magnitude_relative", {"method": "magnitude", "cost": "macs"}),
]
"""A method that measures, and what its partial sums then answer."""


class Files:
    """A network that has learned its labels, the labels, and where analyses keep their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        torch.manual_seed(0)
        last = nn.Linear(6 * 16, 5)
        network = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(),
            nn.Flatten(), last,
        ).eval()  # fmt: skip
        x = torch.rand(96, 1, 8, 8)
        with torch.no_grad():
            last.weight *= 40  # sure of its answers
            y = network(x).argmax(1)
        batch = ({0: torch.export.Dim.DYNAMIC},)
        program = torch.export.export(network, (x[:2],), dynamic_shapes=batch)
        torch.export.save(program, self.model)
        np.savez(self.data, x=x.numpy(), y=y.numpy())

    @property
    def model(self) -> str:
        return str(self.folder / "model.pt2")

    @property
    def data(self) -> str:
        return str(self.folder / "data.npz")

    def measured(self, request: dict[str, Any]) -> list[bytes]:
        return [
            steps.shard(self.model, self.data, {}, request, *limits)
            for limits in steps.plan(self.model, self.data, {}, request)["shards"]
        ]

    def analysis(self, parts: list[bytes], request: dict[str, Any], name: str) -> dict[str, Any]:
        """Return a new analysis of these shards, which keeps its files in the folder `name`."""
        (folder := self.folder / name).mkdir(exist_ok=True)
        return steps.reduce(self.model, self.data, {}, request, parts, str(folder))

    def follow_up(
        self, request: dict[str, Any], source: str, rankings: str | None = None
    ) -> dict[str, Any]:
        (folder := self.folder / "again").mkdir(exist_ok=True)
        sums = str(self.folder / source / PARTIAL_SUMS)
        known = rankings and str(self.folder / rankings / RANKINGS)
        return steps.follow_up(self.model, request, sums, known, str(folder))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("follow-ups"))


def numbers(result: dict[str, Any], *, measured: bool) -> dict[str, Any]:
    """Return a result without its provenance; unless `measured`, without what needs data."""
    summary = {k: v for k, v in result["summary"].items() if k != "not_measured"}
    plans = [{k: v for k, v in plan.items() if k != "evaluation"} for plan in result["plans"]]
    if not measured:
        for name in ("removals", "cliff"):
            del summary[name]
    return {
        "layers": result["layers"], "structures": result["structures"], "plans": plans,
        "summary": summary,
    }  # fmt: skip


@pytest.mark.parametrize("method", ["joint"])
def test_what_ranks_alike_is_the_same_with_the_removals(files: Files, method: str) -> None:
    source = {"method": method}
    parts = files.measured(source)
    first = files.analysis(parts, source, method)
    assert first["kept"] == [PARTIAL_SUMS, RANKINGS]
    for changed in RANKED_ALIKE:
        new = files.analysis(parts, source | changed, "new")
        again = files.follow_up(source | changed, method, rankings=method)
        assert numbers(again, measured=True) == numbers(new, measured=True)
        assert again["summary"]["removals"]
        assert again["kept"] == []
        assert again["provenance"]["dataset_sha256"] == new["provenance"]["dataset_sha256"]


@pytest.mark.parametrize(("first", "request_"), RANKED_ANEW, ids=str)
def test_what_ranks_anew_is_the_same_but_for_what_needs_data(
    files: Files, first: str, request_: dict[str, Any]
) -> None:
    files.analysis(files.measured({"method": first}), {"method": first}, "source")
    new = files.analysis(files.measured(request_), request_, "new")
    again = files.follow_up(request_, "source")
    assert numbers(again, measured=False) == numbers(new, measured=False)
    assert (again["summary"]["removals"], again["summary"]["cliff"]) == ([], None)
    assert "the loss after removals" in again["summary"]["not_measured"]
    assert again["kept"] == [RANKINGS]
    further = files.follow_up(request_, "source", rankings="again")
    assert numbers(further, measured=True) == numbers(again, measured=True)
    assert further["summary"]["not_measured"] == again["summary"]["not_measured"]


def test_the_methods_of_the_same_terms_are_those_that_measure_alike() -> None:
    measures = {method: criterion.measure for method, criterion in CRITERIA.items()}
    alike = {frozenset(m for m in measures if measures[m] is one) for one in measures.values()}
    assert {same for same in alike if len(same) > 1} == set(SAME_TERMS)


def test_what_is_built_is_verified_but_not_scored(files: Files) -> None:
    request = {"build": ["double", "pruned"], "plans": ["double"]}
    files.analysis(files.measured({}), {}, "built")
    result = files.follow_up(request, "built", rankings="built")
    assert [plan["artifact"] for plan in result["plans"]] == ["double.pt2", "pruned.pt2"]
    assert [plan["evaluation"] for plan in result["plans"]] == [None, None]
    assert result["summary"]["built"]["double"]["deviation"] < 1e-5
    assert result["summary"]["not_measured"] == (
        "Not measured, since a follow-up reads no data: the scores of built networks."
    )
    torch.export.load(files.folder / "again" / "pruned.pt2")


def test_sums_that_are_too_large_are_not_kept(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NARROWS_LARGEST_SUMS_BYTES", "1000")
    get_settings.cache_clear()
    try:
        assert files.analysis(files.measured({}), {}, "large")["kept"] == []
    finally:
        get_settings.cache_clear()


def test_other_structures_than_those_measured_are_refused(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.analysis(files.measured({}), {}, "older")
    monkeypatch.setattr(reduce, "digest_of", lambda _: "of another version")
    with pytest.raises(RefusedError, match="Run the analysis again"):
        files.follow_up({}, "older")
