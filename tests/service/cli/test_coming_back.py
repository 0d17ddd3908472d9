"""Commands that find an analysis again, and how a wait for one ends; the server is not real."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.commands import app
from tests.support.command_line import Narrows, line_of, plain, run_narrows, started
from tests.support.misbehaving import (
    JSON,
    Misbehaving,
    analysis_document,
    misbehaving,
    reset,
    saying,
    upload_document,
)

ANALYSIS, MODEL, DATASET = (f"{kind}_{0:024x}" for kind in ("ana", "mdl", "dst"))
SUMMARY: JSON = {"samples": 10, "loss": 0.2, "structures": 20, "bottlenecks": ["conv1"]}
LONG = "backbone.encoder_stage_2.residual_block_13.depthwise_separable.pointwise_projection"


def layer(name: str, verdict: str, because: str | None = None) -> JSON:
    return {
        "name": name, "op": "conv2d", "group": None if verdict == "not_prunable" else 0,
        "width": 6, "pruning_ratio": 0.1, "interval": [0.0, 0.3], "score": 0.7, "p_value": 0.2,
        "verdict": verdict, "because": because, "samples_needed": None, "reason": None,
    }  # fmt: skip


def plan(name: str) -> JSON:
    edits = [{"module": f"{name}.{LONG}", "attribute": "out_channels", "from": 6, "to": 12}]
    layers = [{"name": LONG, "width": 6, "new_width": 12, "edits": edits}]
    return {
        "name": name, "layers": layers, "parameters": [10, 20], "macs": [10, 20], "artifact": None,
    }  # fmt: skip


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with misbehaving() as state:
        yield state


def environment(server: Misbehaving) -> dict[str, str]:
    return {"NARROWS_URL": server.url, "NARROWS_API_KEY": "nrw_key"}


@pytest.fixture
def process(server: Misbehaving, tmp_path: Path) -> Narrows:
    """Call `narrows` as a process."""

    def call(*arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
        return run_narrows(tmp_path, *arguments, **environment(server), **more)

    return call


@pytest.fixture
def narrows(server: Misbehaving) -> Narrows:
    """Call `narrows` in this process, which takes a tenth of the time."""

    def call(*arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
        words = [*map(str, arguments)]
        done = CliRunner().invoke(app, words, env={**environment(server), **more})
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)

    return call


def succeeded(server: Misbehaving, *layers: JSON, **summary: object) -> None:
    server.analysis = analysis_document(state="succeeded", summary=SUMMARY | summary)
    server.layers, server.plans = list(layers), [plan("double"), plan("uniform")]


class TestLeaving:
    @pytest.fixture
    def waiting(
        self, server: Misbehaving, tmp_path: Path
    ) -> AbstractContextManager["subprocess.Popen[str]"]:
        return started(tmp_path, "analyze", MODEL, DATASET, **environment(server))

    def test_ctrl_c_says_how_to_come_back(
        self, server: Misbehaving, waiting: AbstractContextManager["subprocess.Popen[str]"]
    ) -> None:
        with waiting as analyze:
            line_of(analyze, "Analysing", "stderr")
            analyze.send_signal(signal.SIGINT)
            _, said = analyze.communicate(timeout=60)
        assert analyze.returncode == 130
        assert f"goes on; come back with: narrows show {ANALYSIS}\n" in said
        assert server.analysis["state"] == "queued"

    def test_a_second_one_cancels(
        self, server: Misbehaving, waiting: AbstractContextManager["subprocess.Popen[str]"]
    ) -> None:
        with waiting as analyze:
            line_of(analyze, "Analysing", "stderr")
            analyze.send_signal(signal.SIGINT)
            line_of(analyze, "Ctrl-C once more", "stderr")
            analyze.send_signal(signal.SIGINT)
            _, said = analyze.communicate(timeout=60)
        assert analyze.returncode == 130
        assert said.endswith(f"Cancelled the analysis {ANALYSIS}.\n")
        assert server.analysis["state"] == "cancelled"

    def test_sigterm_cancels(
        self, server: Misbehaving, waiting: AbstractContextManager["subprocess.Popen[str]"]
    ) -> None:
        with waiting as analyze:
            line_of(analyze, "Analysing", "stderr")
            analyze.send_signal(signal.SIGTERM)
            analyze.communicate(timeout=60)
        assert analyze.returncode == 143
        assert server.analysis["state"] == "cancelled"

    def test_detaching(self, server: Misbehaving, process: Narrows) -> None:
        done = process("analyze", MODEL, DATASET, "--detach")
        assert (done.returncode, done.stdout) == (0, f"{ANALYSIS}\n")
        assert f"narrows show {ANALYSIS}\n" in done.stderr
        assert server.analysis["state"] == "queued"
        done = process("analyze", MODEL, DATASET, "--detach", "--fail-on", "bottleneck")
        assert done.returncode == 2

    def test_a_server_that_is_away_for_a_while(self, server: Misbehaving, process: Narrows) -> None:
        server.faults = [saying(503, Retry_After="0")]
        succeeded(server, layer("conv1", "bottleneck"))
        done = process("show", ANALYSIS)
        assert done.returncode == 0, done.stderr
        assert done.stderr == "Not now: about:blank\nTrying again …\n"

    def test_a_server_that_stays_away(self, server: Misbehaving, process: Narrows) -> None:
        server.faults = [reset]
        done = process("show", ANALYSIS, NARROWS_RETRIES="0")
        assert done.returncode == 1
        assert done.stderr.endswith(f"come back with: narrows show {ANALYSIS}\n")


class TestShow:
    def test_a_running_one(self, server: Misbehaving, narrows: Narrows) -> None:
        look = {"samples": 512, "loss": 6.4, "accuracy": 0.1, "doubt": "it is no better."}
        progress = {"stage": "shards", "done": 3, "total": 8, "seconds_left": 300.0}
        server.analysis = analysis_document(state="running", progress=progress, first_look=look)
        done = narrows("show", ANALYSIS, "--no-follow")
        assert done.returncode == 0, done.stderr
        for part in ("is running: 3 of 8 shards, 5 min left", "accuracy 10.0%", "no better"):
            assert part in done.stdout
        document = json.loads(narrows("show", ANALYSIS, "--no-follow", "--json").stdout)
        assert document["analysis"]["progress"] == progress

    def test_a_failed_one(self, server: Misbehaving, process: Narrows) -> None:
        error = {"title": "Out of memory", "detail": "It needs more."}
        server.analysis = analysis_document(state="failed", error=error)
        done = process("show", ANALYSIS)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith("failed.\nOut of memory: It needs more.\n")

    def test_what_is_no_id(self, narrows: Narrows) -> None:
        assert narrows("show", "../keys").returncode == 2

    def test_edits_of_all_plans(self, server: Misbehaving, narrows: Narrows) -> None:
        succeeded(server, layer("conv1", "bottleneck"))
        assert f"uniform.{LONG}" not in narrows("show", ANALYSIS).stdout
        for options in (("--plan", "all"), ("--plan", "uniform", "--plan", "double")):
            out = narrows("show", ANALYSIS, *options).stdout
            assert f"uniform.{LONG}.out_channels" in out
            assert f"double.{LONG}.out_channels" in out
        done = narrows("show", ANALYSIS, "--plan", "unifrom")
        assert done.returncode == 2
        assert "choose from 'double', 'uniform', 'all'" in plain(done.stderr)

    def test_names_are_whole(self, server: Misbehaving, narrows: Narrows) -> None:
        because = f"its score is 0.70 ({LONG} has 0.71)"
        succeeded(server, layer(LONG, "suspected", because), layer(LONG, "not_prunable"))
        for columns in ("60", "80", "200"):
            out = narrows("show", ANALYSIS, COLUMNS=columns).stdout
            assert out.count(LONG) == 5  # table, suspicion and its reason, not prunable, an edit


class TestFailOn:
    def test_it_says_why(self, server: Misbehaving, narrows: Narrows) -> None:
        succeeded(server, layer("conv1", "bottleneck"), layer("stem", "suspected", "few channels"))
        done = narrows("show", ANALYSIS, "--fail-on", "suspected", "--json")
        assert done.returncode == 3
        assert json.loads(done.stdout)["layers"] == server.layers
        assert "--fail-on suspected, and there is conv1 (bottleneck), stem (sus" in done.stderr
        done = narrows("analyze", MODEL, DATASET, "--fail-on", "bottleneck")
        assert done.returncode == 3
        assert "stem (suspected)" not in done.stderr

    def test_nothing_found(self, server: Misbehaving, narrows: Narrows) -> None:
        succeeded(server, layer("conv1", "balanced"), layer("stem", "undecided", "few batches"))
        done = narrows("show", ANALYSIS, "--fail-on", "suspected")
        assert (done.returncode, done.stderr) == (0, "")
        assert "stem is undecided: few batches." in done.stdout

    @pytest.mark.parametrize(
        ("verdict", "doubt", "why"),
        [
            ("undecided", "The loss is that of chance: check the transform.", "check the transf"),
            ("undecided", None, "every layer is undecided: too few batches"),
            ("not_prunable", None, "no layer can be pruned"),
        ],
    )
    def test_nothing_decided(
        self,
        verdict: str,
        doubt: str | None,
        why: str,
        server: Misbehaving,
        narrows: Narrows,
    ) -> None:
        succeeded(server, layer("conv1", verdict, "too few batches"), doubt=doubt)
        done = narrows("show", ANALYSIS, "--fail-on", "bottleneck")
        assert done.returncode == 4
        assert f"Exit status 4: nothing could be decided: {doubt or why}" in done.stderr
        assert why in done.stderr
        assert doubt is None or f"No verdict: {doubt}" in done.stdout
        assert narrows("show", ANALYSIS).returncode == 0


class TestAnalyses:
    def test_a_table(self, server: Misbehaving, narrows: Narrows) -> None:
        succeeded(server)
        out = narrows("analyses").stdout
        for part in (ANALYSIS, "succeeded", upload_document("models", "")["name"], "1 bottleneck"):
            assert part in out
        assert "2026-01-31" in out

    def test_json_of_some(self, server: Misbehaving, narrows: Narrows) -> None:
        done = narrows("analyses", "--limit", 3, "--state", "queued", "--json")
        assert json.loads(done.stdout) == [server.analysis]
        assert server.asked[0].path == "/v1/analyses?page_size=3&state=queued"

    def test_usage(self, narrows: Narrows) -> None:
        assert narrows("analyses", "--limit", 0).returncode == 2
        assert narrows("analyses", "--state", "ready").returncode == 2


def test_cancel(server: Misbehaving, narrows: Narrows) -> None:
    done = narrows("cancel", ANALYSIS)
    assert (done.returncode, done.stdout) == (0, f"Cancelled the analysis {ANALYSIS}.\n")
    assert server.posts()[0].path == f"/v1/analyses/{ANALYSIS}/cancel"
