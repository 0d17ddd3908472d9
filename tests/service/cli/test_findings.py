"""Findings in the formats of pipelines; the server is not real."""

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from service.cli.commands import app
from tests.support.misbehaving import JSON, Misbehaving, analysis_document, misbehaving

ANALYSIS = f"ana_{0:024x}"
HOSTILE = "a\n::error file=x::b\x00%"


def layer(name: str, verdict: str, because: str | None = None) -> JSON:
    return {
        "name": name, "op": "conv2d", "group": 0, "width": 6, "verdict": verdict,
        "because": because, "reason": "a recurrent layer", "samples_needed": None,
        "pruning_ratio": 0.1, "interval": [0.0, 0.3], "score": 0.7, "p_value": 0.2,
    }  # fmt: skip


def show(server: Misbehaving, *options: object) -> Result:
    environment = {"NARROWS_URL": server.url, "NARROWS_API_KEY": "nrw_key"}
    return CliRunner().invoke(app, ["show", ANALYSIS, *map(str, options)], env=environment)


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    """A server with an analysis that found something of every kind."""
    with misbehaving() as state:
        summary = {"samples": 10, "loss": 0.2, "structures": 20}
        state.analysis = analysis_document(state="succeeded", summary=summary)
        state.layers = [
            layer("conv1", "bottleneck", "promise 16; the network has loss 0.2"),
            layer("stem", "suspected", "few samples"),
            layer("head", "balanced"),
            layer("tail", "redundant"),
            layer("late", "undecided", "few batches"),
            layer("lstm", "not_prunable"),
        ]
        widened = {"name": "conv1", "width": 6, "new_width": 12, "edits": []}
        plan = {"name": "double", "parameters": [1, 2], "macs": [1, 2], "artifact": None}
        state.plans = [plan | {"layers": [widened]}]
        yield state


def outcomes(path: Path) -> dict[str, list[tuple[str, str | None]]]:
    """Return the tag and the message within each test case of a JUnit file."""
    cases = ElementTree.parse(path).iter("testcase")
    return {str(c.get("name")): [(one.tag, one.get("message")) for one in c] for c in cases}


class TestJunit:
    def test_a_case_a_layer(self, server: Misbehaving, tmp_path: Path) -> None:
        file = tmp_path / "narrows.xml"
        server.analysis["name"] = "base\0line"
        assert show(server, "--junit", file).exit_code == 0
        conv1 = "conv1 (6 channels) is a bottleneck: promise 16."
        conv1 += " The plan 'double' widens it to 12."
        assert outcomes(file) == {
            "conv1": [("failure", conv1)],
            "stem": [("system-out", None)],
            "head": [("system-out", None)],
            "tail": [("system-out", None)],
            "late": [("skipped", "undecided: few batches")],
            "lstm": [("skipped", "not_prunable: a recurrent layer")],
        }
        suite = ElementTree.parse(file).find("testsuite")
        assert suite is not None
        assert suite.get("name") == "base�line"
        counts = {"tests": "6", "failures": "1", "errors": "0", "skipped": "2"}
        assert counts.items() <= suite.attrib.items()

    def test_what_fails_is_what_fail_on_names(self, server: Misbehaving, tmp_path: Path) -> None:
        file = tmp_path / "narrows.xml"
        assert show(server, "--junit", file, "--fail-on", "suspected").exit_code == 3
        failed = [name for name, said in outcomes(file).items() if said[0][0] == "failure"]
        assert failed == ["conv1", "stem"]

    def test_nothing_decided_is_an_error(self, server: Misbehaving, tmp_path: Path) -> None:
        file = tmp_path / "narrows.xml"
        server.analysis["summary"]["doubt"] = "the loss is that of chance."
        assert show(server, "--junit", file, "--fail-on", "bottleneck").exit_code == 4
        found = outcomes(file)
        said = "Nothing could be decided: the loss is that of chance."
        assert found.pop("the network") == [("error", said)]
        assert {tag for said in found.values() for tag, _ in said} == {"skipped"}

    def test_a_name_that_xml_cannot_hold(self, server: Misbehaving, tmp_path: Path) -> None:
        server.layers = [layer(HOSTILE, "bottleneck")]
        show(server, "--junit", tmp_path / "narrows.xml")
        assert [*outcomes(tmp_path / "narrows.xml")] == [HOSTILE.replace("\x00", "�")]


class TestSarif:
    def test_results(self, server: Misbehaving, tmp_path: Path) -> None:
        file = tmp_path / "narrows.sarif"
        server.analysis["name"] = "baseline"
        show(server, "--sarif", file, "--source", "nets/my net.py", "--fail-on", "bottleneck")
        document = json.loads(file.read_text())
        (run,) = document["runs"]
        assert run["automationDetails"]["description"]["text"] == "baseline"
        assert [(r["ruleId"], r["level"]) for r in run["results"]] == [
            ("bottleneck", "error"), ("suspected", "note"), ("redundant", "note"),
        ]  # fmt: skip
        for result in run["results"]:
            rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
            assert rule["id"] == result["ruleId"]
            (place,) = result["locations"]
            uri = place["physicalLocation"]["artifactLocation"]["uri"]
            assert uri == "nets/my%20net.py"
        marks = {r["partialFingerprints"]["verdictOfLayer/v1"] for r in run["results"]}
        assert len(marks) == 3

    def test_nothing_decided(self, server: Misbehaving, tmp_path: Path) -> None:
        server.layers = [layer("lstm", "not_prunable")]
        show(server, "--sarif", tmp_path / "narrows.sarif")
        (result,) = json.loads((tmp_path / "narrows.sarif").read_text())["runs"][0]["results"]
        assert (result["ruleId"], result["level"]) == ("undecided", "warning")


class TestGithub:
    def test_annotations_leave_json_alone(self, server: Misbehaving) -> None:
        done = show(server, "--github", "--source", "net.py", "--json")
        assert json.loads(done.stdout)["layers"] == server.layers
        bottleneck, suspected, redundant = done.stderr.splitlines()
        place = "file=net.py,line=1,title=bottleneck%3A conv1"
        assert bottleneck.startswith(f"::warning {place}::conv1 (6 channels) is a bottleneck")
        assert suspected.startswith("::notice ")
        assert redundant.startswith("::notice ")

    def test_a_name_adds_no_command(self, server: Misbehaving) -> None:
        server.layers = [layer(HOSTILE, "bottleneck")]
        (line,) = show(server, "--github").stderr.splitlines()
        title = "title=bottleneck%3A a%0A%3A%3Aerror file=x%3A%3Ab\x00%25"
        assert title in line


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--junit", "nowhere/narrows.xml"], "does not exist"),
        (["--source", "net.py"], "--source is for --sarif and --github"),
        (["--github", "--no-follow"], "--github needs the result"),
    ],
)
def test_what_cannot_be(server: Misbehaving, options: list[str], says: str) -> None:
    done = show(server, *options)
    assert done.exit_code == 2
    assert says in " ".join(done.stderr.replace("│", " ").split())
