"""`narrows compare` and `--fail-on regression`; the server is not real."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

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
        assert f"The analysis {WIDE} is running" in str(done.exception or done.stderr)

    def test_what_is_no_id(self, server: Misbehaving) -> None:
        assert narrows(server, "compare", NARROW, "../keys").exit_code == 2


class TestNames:
    def test_what_an_analysis_is_called(self, server: Misbehaving) -> None:
        naming = {"name": "baseline", "tags": ["a", "b"], "metadata": {"run": 7, "ema": True}}
        server.analysis |= naming
        shown = narrows(server, "show", NARROW).stdout
        assert "baseline\nTags: a, b\nMetadata: run=7, ema=true\n" in shown
        listed = narrows(server, "analyses").stdout
        assert "baseline" in listed
        assert "a, b" in listed

    def test_filters(self, server: Misbehaving) -> None:
        options = ("--search", "res", "--tag", "a", "--tag", "b", "--metadata", "run=7")
        times = ("--created-after", "2026-01-31", "--created-before", "2026-02-01T12:00:00+0000")
        model = ("--model", f"mdl_{1:024x}")
        assert narrows(server, "analyses", *options, *times, *model).exit_code == 0
        asked = parse_qs(urlsplit(server.asked[0].path).query)
        assert (asked["q"], asked["tag"], asked["metadata"]) == (["res"], ["a", "b"], ["run=7"])
        assert asked["model_id"] == [f"mdl_{1:024x}"]
        assert datetime.fromisoformat(asked["created_after"][0]).tzinfo
        noon = datetime(2026, 2, 1, 12, tzinfo=UTC)
        assert datetime.fromisoformat(asked["created_before"][0]) == noon
        for wrong in (("--metadata", "run"), ("--model", "net.pt2"), ("--created-after", "soon")):
            assert narrows(server, "analyses", *wrong).exit_code == 2

    def test_naming(self, server: Misbehaving, tmp_path: Path) -> None:
        (net := tmp_path / "net.pt2").write_bytes(b"net")
        options = ("--name", "n", "--tag", "a", "--metadata", "run=7", "--metadata", "of=x=y")
        assert narrows(server, "upload", str(net), *options).exit_code == 0
        body = server.posts()[-1].body.decode()
        for text in ('name="name"\r\n\r\nn\r\n', '["a"]', '{"run": 7, "of": "x=y"}'):
            assert text in body
        ids = f"mdl_{0:024x}", f"dst_{0:024x}"
        assert narrows(server, "analyze", *ids, *options, "--detach").exit_code == 0
        asked = json.loads(server.posts()[-1].body)
        assert (asked["name"], asked["tags"]) == ("n", ["a"])
        assert asked["metadata"] == {"run": 7, "of": "x=y"}
        for wrong in (("--metadata", "a b=1"), ("--tag", "x" * 65), ("--metadata", "=1")):
            assert narrows(server, "upload", str(net), *wrong).exit_code == 2


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
