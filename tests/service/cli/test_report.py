"""What people read; and the options that say which plans."""

import hashlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer import BadParameter

from narrows.client import Client
from service.cli.checks import checked_request
from service.cli.options import prepare_output, requested_advice, requested_plans
from service.cli.progress import Steps
from service.cli.report import print_result
from service.cli.run_analysis import result_of
from tests.support.results import as_result


def plan(name: str, *widths: tuple[str, int, int]) -> dict[str, Any]:
    layers = [
        {
            "name": layer, "width": before, "new_width": after,
            "edits": [
                {"module": layer, "attribute": "out_channels", "from": before, "to": after}
            ],
        }
        for layer, before, after in widths
    ]  # fmt: skip
    return {
        "name": name, "layers": layers, "parameters": [12_345, 23_456],
        "macs": [1_234_567, 1_250_000], "artifact": None,
    }  # fmt: skip


RESULT: dict[str, Any] = {
    "analysis": {
        "id": "ana_1",
        "summary": {"samples": 10, "loss": 0.2, "structures": 20},
        "request": {"pruning_ratio": 0.5, "cost": "macs"},
    },
    "layers": [],
    "plans": [
        plan("double", ("conv", 6, 12)),
        plan("uniform", ("conv", 6, 7), ("stem", 8, 9)),
        plan("reallocate"),
    ],
    "artifacts": [{"name": "double.pt2", "size": 1_200_000, "path": "out/double.pt2"}],
}


def test_one_line_a_plan_and_edits_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(as_result(RESULT))
    out = capsys.readouterr().out
    assert "of 20 channels those are pruned that save 50% of the MACs." in out
    (line,) = (line for line in out.splitlines() if line.split()[:1] == ["uniform"])
    assert line.split() == "uniform 2 12.3 k → 23.5 k +90.0% 1.23 M → 1.25 M +1.3%".split()
    assert out.count("conv.out_channels") == 1
    assert "stem.out_channels" not in out
    assert "Built out/double.pt2 (1.2 MB)" in out
    assert max(map(len, out.splitlines())) <= 80


def test_edits_of_the_plans_that_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(as_result(RESULT), ["uniform", "reallocate"])
    out = capsys.readouterr().out
    assert "stem.out_channels" in out
    assert "plan 'double'" not in out
    assert "Plan 'reallocate' changes nothing." in out


def test_plans_to_ask_for() -> None:
    custom = {"name": "custom", "factors": {"a=b": 1.5, "c": 2.0}}
    factors = ["a=b=1.5", "c=2"]
    assert requested_plans(None, None) is None
    assert requested_plans(["uniform"], None) == ["uniform"]
    assert requested_plans(["all"], None) is None
    assert requested_plans(["all"], factors) == ["double", "uniform", "reallocate", custom]
    assert requested_plans(None, factors) == ["double", "uniform", "reallocate", custom]
    assert requested_plans(["custom", "double"], factors) == ["double", custom]
    assert requested_plans(["advise"], None) == ["advise"]
    default = ["double", "uniform", "reallocate"]
    assert requested_plans(None, None, advised=True) == [*default, "advise"]
    assert requested_plans(["all", "advise"], None) == [*default, "advise"]
    assert requested_plans(["uniform"], factors, advised=True) == ["uniform", "advise", custom]
    before: list[Any] = [
        "uniform",
        {"name": "custom", "factors": {"c": 3.0}},
        {"name": "own", "factors": {}},
    ]
    assert requested_plans(["all"], factors, usual=before) == ["uniform", before[2], custom]
    assert requested_plans(None, None, advised=True, usual=before) == [*before, "advise"]
    assert requested_plans(["all"], None, usual=before) is None
    for wrong in ("a", "a=", "=2", "a=b"):
        with pytest.raises(BadParameter, match="LAYER=NUMBER"):
            requested_plans(None, [wrong])


def test_what_to_advise() -> None:
    assert requested_advice(None, None, None) is None
    assert requested_advice("0.25", "macs", None) == {"budget": 0.25, "cost": "macs"}
    assert requested_advice("7.5%", None, 4) == {"budget": 0.075, "multiple": 4}
    for wrong in ("", "%", "ten", "5%%"):
        with pytest.raises(BadParameter, match="is no share, such as 10%"):
            requested_advice(wrong, None, None)
    with pytest.raises(BadParameter) as raised:
        checked_request({"plans": ["advise"], "advise": {"budget": 10.0}})
    assert raised.value.param_hint == "--advise-budget"


def test_a_rule_that_the_method_does_not_suit_names_its_option() -> None:
    with pytest.raises(BadParameter, match="what the method 'sosp_h' does not measure") as raised:
        checked_request({"method": "sosp_h", "rule": "worth"})
    assert raised.value.param_hint == "--rule"
    assert checked_request({"method": "sosp_h"}).rule == "pruning_ratio"


def test_what_was_given_is_not_replaced(tmp_path: Path) -> None:
    model = tmp_path / "double.pt2"
    model.write_bytes(b"model")
    prepare_output(tmp_path / "new" / "folder", ["double"], [model, "dst_1"])
    assert (tmp_path / "new" / "folder").is_dir()
    with pytest.raises(BadParameter, match="choose another --output"):
        prepare_output(tmp_path, ["double"], [model, "dst_1"])


def test_what_was_built_is_downloaded(tmp_path: Path) -> None:
    analysis = {
        "id": "ana_1", "state": "succeeded", "error": None, "request": {"build": ["double"]},
        "inspection": {},
        "progress": {"stage": "done", "done": 1, "total": 1, "seconds_left": None},
    }  # fmt: skip
    sha256 = hashlib.sha256(b"abc").hexdigest()
    artifact = {"name": "double.pt2", "size": 3, "sha256": sha256, "url": "/"}
    empty: dict[str, Any] = {"items": [], "next_page_token": None}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/double.pt2"):
            return httpx.Response(200, content=b"abc", headers={"ETag": f'"{sha256}"'})
        if request.url.path.endswith("/artifacts"):
            return httpx.Response(200, json=empty | {"items": [artifact]})
        ended = request.url.path.endswith("/ana_1")
        return httpx.Response(200, json=analysis if ended else empty)

    with Client("http://narrows", "nrw_key") as client:
        client._connection.http = httpx.Client(
            base_url=client.url, transport=httpx.MockTransport(answer)
        )
        result = result_of(Steps(), client, client.analyses.wait("ana_1"), tmp_path)
    assert result.to_dict()["artifacts"] == [artifact | {"path": str(tmp_path / "double.pt2")}]
    assert (tmp_path / "double.pt2").read_bytes() == b"abc"


def test_a_suspicion_says_why_and_what_would_settle_it(capsys: pytest.CaptureFixture[str]) -> None:
    layer = {
        "name": "stem", "op": "conv2d", "group": 0, "width": 6, "pruning_ratio": 0.1,
        "interval": (0.0, 0.3), "score": 0.7, "p_value": 0.2, "verdict": "suspected",
        "because": "score 0.70; not certain: few channels", "samples_needed": 12_000,
        "reason": None,
    }  # fmt: skip
    print_result(as_result({**RESULT, "layers": [layer]}))
    out = " ".join(capsys.readouterr().out.split())
    assert "stem is suspected: score 0.70; not certain: few channels." in out
    assert "About 12,000 samples would settle it." in out


@pytest.mark.parametrize(
    ("worth", "shown"),
    [
        (
            {"worth_ratio": 3.62, "promise": 12.3, "promise_interval": [9.9, 14.0],
             "widen_rank": 2},
            "10% 3.6× 12× 9.9–14 2 balanced",
        ),
        (
            {"worth_ratio": 0.5, "promise": None, "promise_interval": None, "widen_rank": 1},
            "10% 0.5× 1 balanced",
        ),
        ({}, "10% balanced"),  # an older server
    ],
)  # fmt: skip
def test_worth_and_promise_are_shown_in_those_of_typical_layers(
    worth: dict[str, object], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = {
        "name": "stem", "op": "conv2d", "group": 0, "width": 6, "pruning_ratio": 0.1,
        "interval": [0.0, 0.3], "score": 0.7, "p_value": 0.2, "verdict": "balanced",
        "because": None, "samples_needed": None, "reason": None,
    }  # fmt: skip
    print_result(as_result({**RESULT, "layers": [layer | worth]}))
    assert shown in " ".join(capsys.readouterr().out.split())


def test_the_layer_that_is_expected_to_gain_most(capsys: pytest.CaptureFixture[str]) -> None:
    def layer(name: str, gain: float | None) -> dict[str, object]:
        of_one = gain and {"gain": gain, "interval": [gain / 4, 3 * gain]}
        return {
            "name": name, "op": "conv2d", "group": 0, "width": 6, "pruning_ratio": 0.1,
            "interval": [0.0, 0.3], "score": 0.7, "p_value": 0.2, "verdict": "balanced",
            "because": None, "samples_needed": None, "reason": None,
            "expected_gain": {"parameters": of_one, "macs": None},
        }  # fmt: skip

    layers = [layer("a", 0.01), layer("b", 0.04), layer("c", None), layer("d", 0.02)]
    analysis = RESULT["analysis"]
    summary = {**(analysis["summary"] or {}), "gain_basis": "Calibrated on small networks."}
    result = {**RESULT, "analysis": {**analysis, "summary": summary}, "layers": layers}
    print_result(as_result(result))
    out = " ".join(capsys.readouterr().out.split())
    said = "Widening b is expected to gain most: 0.04 less loss (0.01 to 0.12) for each 1% more"
    assert f"{said} parameters. Calibrated on small networks." in out
    older = [{**one, "expected_gain": None} for one in layers]
    print_result(as_result({**result, "layers": older}))
    assert "expected" not in capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_breaks_names_behind_dots_alone(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLUMNS", str(columns))
    name = "backbone.encoder_stage.residual_block.projection"
    layer = {
        "name": name, "op": "conv2d", "group": 0, "width": 6, "pruning_ratio": 0.1,
        "interval": [0.0, 0.3], "score": 0.7, "p_value": 0.2, "verdict": "balanced",
        "because": None, "samples_needed": None, "reason": None,
    }  # fmt: skip
    print_result(as_result({**RESULT, "layers": [layer]}))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    text = "\n".join(lines)
    assert all(part in text for part in ("backbone.", "encoder_stage.", "residual_block."))
    assert (name in text, "███" in text or "░░░" in text) == (columns == 200, columns == 200)
    assert max(map(len, lines)) <= max(columns, 80)


def test_what_a_result_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    score = {"loss": 0.2, "accuracy": 0.85}
    summary = score | {
        "samples": 10, "structures": 20, "bottlenecks": [], "cliff": 0.3, "doubt": "Check labels.",
        "baseline": {"loss": 2.3, "accuracy": 0.1, "kind": "constant"},
        "removals": [score | {"ratio": 0.3}, {"ratio": 0.5, "loss": None, "accuracy": 0.14}],
        "advice": "It changes nothing: check labels.",
    }  # fmt: skip
    pruned = plan("double", ("conv", 6, 12)) | {
        "evaluation": {
            "before": score, "after": {"loss": 4.0, "accuracy": 0.14}, "remark": "Beyond the cliff."
        },
        "error": None, "incomplete": [{"module": "aux.head", "reason": "it is not exported"}],
    }  # fmt: skip
    broken = plan("uniform", ("conv", 6, 12)) | {"error": "An operator is missing."}
    analysis = RESULT["analysis"] | {"summary": summary}
    print_result(as_result({**RESULT, "analysis": analysis, "plans": [pruned, broken]}))
    out = " ".join(capsys.readouterr().out.split())
    for said in (
        "Plan 'advise': It changes nothing: check labels.",
        "10 samples, loss 0.2, accuracy 85.0%; of 20 channels",
        "A constant answer would give loss 2.3, accuracy 10.0%.",
        "No verdict: Check labels.",
        "30% 0.2 85.0% 50% unknown 14.0%",
        "Up to 30% removed",
        "Plan 'double', as built: loss 4, accuracy 14.0%; before: loss 0.2, accuracy 85.0%.",
        "Plan 'double': Beyond the cliff.",
        "Plan 'double': edits can't reach aux.head: it is not exported",
        "Plan 'uniform' could not be built: An operator is missing.",
    ):
        assert said in out
