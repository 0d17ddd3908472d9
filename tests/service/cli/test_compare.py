"""`narrows compare` and `--fail-on regression`, over HTTP with the demo's network."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import Narrows

BOTTLENECK = "features.conv3"


@pytest.fixture(scope="module")
def analyses(
    narrows: Narrows, files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """An analysis of the demo's network, and one of the network that its plan `double` builds."""
    built = tmp_path_factory.mktemp("built")
    model, dataset = files

    def analyse(path: Path, *options: object) -> str:
        done = narrows("analyze", path, dataset, *options, "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["analysis"]["id"])

    narrow = analyse(model, "--build", "double", "--output", built)
    return [narrow, analyse(built / "double.pt2")]


class TestCompare:
    def test_widening_resolves_the_bottleneck(self, narrows: Narrows, analyses: list[str]) -> None:
        done = narrows("compare", *analyses, "--json")
        assert done.returncode == 0, done.stderr
        changes = {one["name"]: one for one in json.loads(done.stdout)["changes"]}
        found = changes[BOTTLENECK]
        assert (found["change"], found["widths"]) == ("resolved", [6, 12])
        assert found["values"][1] < found["values"][0]
        assert narrows("compare", *analyses).stdout.count("resolved") == 1

    def test_with_itself_all_is_the_same(self, narrows: Narrows, analyses: list[str]) -> None:
        done = narrows("compare", analyses[0], analyses[0])
        assert "6 layers are the same" in done.stdout

    def test_without_a_result(self, narrows: Narrows, analyses: list[str]) -> None:
        done = narrows("compare", analyses[0], f"ana_{0:024x}")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr


class TestRegression:
    def test_a_new_bottleneck_fails(self, narrows: Narrows, analyses: list[str]) -> None:
        wide, narrow = analyses[::-1]
        gate = ("--fail-on", "regression", "--against")
        done = narrows("show", narrow, *gate, wide)
        assert done.returncode == 3
        assert f"there is {BOTTLENECK} (bottleneck)" in done.stderr
        assert narrows("show", wide, *gate, narrow).returncode == 0
        assert narrows("show", narrow, *gate, narrow).returncode == 0

    def test_the_options_need_each_other(self, narrows: Narrows, analyses: list[str]) -> None:
        assert narrows("show", analyses[0], "--fail-on", "regression").returncode == 2
        assert narrows("show", analyses[0], "--against", analyses[1]).returncode == 2
