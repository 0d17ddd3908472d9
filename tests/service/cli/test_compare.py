"""`narrows compare` and `--fail-on regression`; the server is not real."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from service.cli.commands import app
from tests.support.misbehaving import JSON, Misbehaving, analysis_document, misbehaving

NARROW, WIDE = (f"ana_{number:024x}" for number in (1, 2))


def layer(name: str, verdict: str, width: int, promise: float) -> JSON:
    return {
        "name": name, "op": "conv2d", "group": 0, "width": width, "verdict": verdict,
        "because": None, "reason": None, "samples_needed": None, "pruning_ratio": 0.1,
        "interval": [0.0, 0.3], "score": 0.7, "p_value": 0.2, "promise": promise,
        "promise_interval": [0.9 * promise, 1.1 * promise],
    }  # fmt: skip


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    """A server with analyses of a network with a narrow layer, and of the widened one."""
    with misbehaving() as state:
        summary = {"samples": 10, "loss": 0.2, "structures": 20}
        state.analysis = analysis_document(state="succeeded", summary=summary)
        same = layer("stem", "balanced", 8, 1.0)
        state.layers_of = {
            NARROW: [same, layer("conv", "bottleneck", 6, 16.0)],
            WIDE: [same, layer("conv", "balanced", 12, 2.0)],
        }
        yield state


def narrows(server: Misbehaving, *words: str) -> Result:
    environment = {"NARROWS_URL": server.url, "NARROWS_API_KEY": "nrw_key"}
    return CliRunner().invoke(app, words, env=environment)


class TestCompare:
    def test_widening_resolves_a_bottleneck(self, server: Misbehaving) -> None:
        done = narrows(server, "compare", NARROW, WIDE, "--json")
        assert done.exit_code == 0, done.stderr
        stem, conv = json.loads(done.stdout)["changes"]
        assert (stem["change"], conv["change"], conv["widths"]) == ("same", "resolved", [6, 12])
        assert conv["values"] == [16.0, 2.0]
        table = narrows(server, "compare", NARROW, WIDE).stdout
        assert "resolved" in table
        assert "1 layer is the same" in table

    def test_all_layers(self, server: Misbehaving) -> None:
        assert "2 layers are the same" in narrows(server, "compare", WIDE, WIDE).stdout
        shown = narrows(server, "compare", WIDE, WIDE, "--all").stdout
        assert shown.count("same") == 2

    def test_without_a_result(self, server: Misbehaving) -> None:
        server.analysis["state"] = "running"
        done = narrows(server, "compare", NARROW, WIDE)
        assert done.exit_code != 0
        assert "has no result to compare" in str(done.exception or done.stderr)

    def test_what_is_no_id(self, server: Misbehaving) -> None:
        assert narrows(server, "compare", NARROW, "../keys").exit_code == 2


class TestRegression:
    def test_a_new_bottleneck_fails(self, server: Misbehaving) -> None:
        gate = ("--fail-on", "regression", "--against")
        done = narrows(server, "show", NARROW, *gate, WIDE)
        assert done.exit_code == 3
        assert "there is conv (bottleneck)" in done.stderr
        assert narrows(server, "show", WIDE, *gate, NARROW).exit_code == 0
        assert narrows(server, "show", NARROW, *gate, NARROW).exit_code == 0

    def test_the_options_need_each_other(self, server: Misbehaving) -> None:
        for options in (("--fail-on", "regression"), ("--against", WIDE)):
            assert narrows(server, "show", NARROW, *options).exit_code == 2
