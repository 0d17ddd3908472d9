"""What docs/ci.md says of pipelines: its shell lines run. The server is not real."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.misbehaving import JSON, Misbehaving, analysis_document, misbehaving

ROOT = Path(__file__).parents[3]
ACTION = yaml.safe_load((ROOT / ".github/actions/analyze/action.yml").read_text())
EXAMPLES = [
    yaml.safe_load(text)
    for text in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)
]
SUMMARY: JSON = {"samples": 10, "loss": 0.2, "structures": 20}


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    """A server whose only layer is a bottleneck."""
    with misbehaving() as state:
        state.analysis = analysis_document(state="succeeded", summary=SUMMARY)
        state.layers = [
            {
                "name": "conv1", "op": "conv2d", "group": 0, "width": 6, "verdict": "bottleneck",
                "because": "promise 16", "reason": None, "samples_needed": None,
                "pruning_ratio": 0.1, "interval": [0.0, 0.3], "score": 0.7, "p_value": 0.2,
            }
        ]  # fmt: skip
        yield state


def run(
    lines: str, folder: Path, server: Misbehaving, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run lines as a runner does: by bash, which stops at the first error."""
    (folder / "net.pt2").write_bytes(b"net")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {"PATH": path, "NARROWS_URL": server.url, "NARROWS_API_KEY": "nrw_key"}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", lines],
        cwd=folder, env={**os.environ, **variables, **given},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def action(folder: Path, server: Misbehaving, **given: str) -> "subprocess.CompletedProcess[str]":
    """Run the step of the GitHub action with these inputs, and else the defaults."""
    inputs = {name: one.get("default", "") for name, one in ACTION["inputs"].items()}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()}
    (step,) = ACTION["runs"]["steps"]
    assert "${{" not in step["run"]  # an input is data, and no part of the script
    names = {
        name: re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", value)
        for name, value in step["env"].items()
    }
    variables = {name: inputs[found[1]] for name, found in names.items() if found}
    assert len(variables) == len(ACTION["inputs"])
    return run(step["run"], folder, server, **variables)


def steps_of(example: Any) -> list[Any]:
    (job,) = example["jobs"].values()
    return list(job["steps"])


class TestGithub:
    def test_the_action_gates(self, server: Misbehaving, tmp_path: Path) -> None:
        done = action(
            tmp_path, server, model="net.pt2", dataset=f"dst_{0:024x}", source="my/net.py"
        )
        assert done.returncode == 3, done.stderr
        assert "::error file=my/net.py,line=1,title=bottleneck%3A conv1::" in done.stderr
        assert json.loads((tmp_path / "narrows.sarif").read_text())["runs"][0]["results"]
        assert 'failures="1"' in (tmp_path / "narrows.xml").read_text()

    def test_its_inputs(self, server: Misbehaving, tmp_path: Path) -> None:
        done = action(
            tmp_path, server, model="net.pt2", dataset=f"dst_{0:024x}", fail_on="",
            arguments="--seed 3 --json", junit="j.xml",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["layers"] == server.layers
        (asked,) = [one for one in server.posts() if one.path == "/v1/analyses"]
        assert json.loads(asked.body)["seed"] == 3
        assert (tmp_path / "j.xml").exists()

    def test_the_example_gives_inputs_that_exist(self) -> None:
        (given,) = [s for s in steps_of(EXAMPLES[0]) if s.get("uses", "").startswith("narrows/")]
        required = {name for name, one in ACTION["inputs"].items() if one.get("required")}
        assert required <= given["with"].keys() <= ACTION["inputs"].keys()


class TestGitlab:
    @pytest.mark.parametrize(
        ("gate", "status"), [("", 0), (" --fail-on bottleneck", 3)], ids=["plain", "gate"]
    )
    def test_the_example(self, gate: str, status: int, server: Misbehaving, tmp_path: Path) -> None:
        job = EXAMPLES[1]["narrows"]
        analyze, *rest = job["script"]
        assert "narrows analyze" in analyze
        lines = "\n".join([analyze.replace(" --json", f"{gate} --json"), *rest])
        names = {"MODEL": job["variables"]["MODEL"], "DATASET": job["variables"]["DATASET"]}
        done = run(lines, tmp_path, server, **names)
        assert done.returncode == status, done.stderr
        assert json.loads((tmp_path / job["artifacts"]["paths"][0]).read_text())["layers"]
        assert (tmp_path / job["artifacts"]["reports"]["junit"]).exists()
