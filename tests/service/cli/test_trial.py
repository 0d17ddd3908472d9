import json
from pathlib import Path

import pytest

from tests.support.command_line import Narrows, invoked, plain

Files = tuple[Path, Path]
SHORT = ("--steps", 4, "--seeds", 2, "--factor", "features.conv3=2", "--variant", "plan")


def test_from_files_to_a_table(narrows: Narrows, files: Files, tmp_path: Path) -> None:
    done = narrows("trial", *files, *SHORT, "--output", tmp_path / "trained")
    assert done.returncode == 0, done.stderr
    for part in ("original", "custom", "gain", "2 seeds", "narrows show trl_"):
        assert part in done.stdout
    assert "Uploading model.pt2" in done.stderr
    assert sorted(path.name for path in (tmp_path / "trained").iterdir()) == [
        f"run-{index}.pt2" for index in range(4)
    ]

    (listed,) = json.loads(narrows("trials", "--json").stdout)
    assert listed["id"] in narrows("trials").stdout
    shown = json.loads(narrows("show", listed["id"], "--json").stdout)
    assert shown.keys() == {"trial", "runs"}
    assert [run["step"] for run in shown["runs"]] == [4] * 4
    assert shown["trial"] == listed
    said = narrows("cancel", listed["id"]).stdout
    assert said == f"The trial {listed['id']} had succeeded before.\n"

    of = ("--analysis", listed["analysis_id"], "--steps", 4, "--seeds", 1, "--variant", "plan")
    again = narrows("trial", *of, "--json")
    assert again.returncode == 0, again.stderr
    assert "Uploading" not in again.stderr
    assert json.loads(again.stdout)["trial"]["analysis_id"] == listed["analysis_id"]


def test_detach_and_cancel(narrows: Narrows, files: Files) -> None:
    identity = narrows("trial", *files, "--detach", "--epochs", 1000).stdout.strip()
    assert narrows("show", identity, "--no-follow").returncode == 0
    assert narrows("cancel", identity).stdout == f"Cancelled the trial {identity}.\n"
    done = narrows("show", identity)
    assert done.returncode == 1
    assert f"The trial {identity} was cancelled." in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epochs", 0), "--epochs: It must be"),
        (("--learning-rate", -1), "--learning-rate: It must be"),
        (("--optimizer", "adam"), "--optimizer: It must be 'sgd' or 'adamw'"),
        (("--momentum", 0.5), "--momentum: "),
        (("--variant", "all"), "--variant: "),
        (("--init", "fresh"), "--init: "),
        (("--plan", "treble"), "--plan: "),
        (("--factor", "head=99"), "--factor: "),
        (("--holdout", 1), "--holdout: "),
        (("--seeds", 10**18), "'--seeds': "),
        (("--analysis", "ana_1"), "Give a model and a dataset, or else --analysis"),
    ],
)
def test_wrong_options_are_found_before_an_upload(
    files: Files, options: tuple[object, ...], said: str
) -> None:
    done = invoked("trial", *files, *options)
    assert done.exit_code == 2, done.stderr
    assert said in plain(done.stderr)


def test_no_data(files: Files) -> None:
    done = invoked("trial", files[0])
    assert (done.exit_code, "Give a model and a dataset" in plain(done.stderr)) == (2, True)
