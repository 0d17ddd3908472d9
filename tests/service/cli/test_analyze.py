import json
from pathlib import Path

import pytest

from tests.support.command_line import Narrows, plain, run_narrows

Files = tuple[Path, Path]


class TestAnalyze:
    def test_json_is_all_there_is_on_standard_output(
        self, narrows: Narrows, files: Files, tmp_path: Path
    ) -> None:
        page, summary = tmp_path / "r.html", tmp_path / "summary.md"
        options = "--json", "--fail-on", "bottleneck", "--seed", 3, "--report", page, "--github"
        done = narrows("analyze", *files, *options, GITHUB_STEP_SUMMARY=str(summary))
        assert done.returncode == 3, done.stderr
        assert "features.conv3 is a bottleneck." in page.read_text()
        assert summary.read_text().startswith("## model.pt2\n")
        assert "::error file=model.pt2,line=1,title=bottleneck%3A features.conv3::" in done.stderr
        result = json.loads(done.stdout)
        assert result.keys() == {"analysis", "layers", "plans"}
        assert result["analysis"]["request"]["seed"] == 3
        assert "Uploading model.pt2" in done.stderr

    def test_tables_for_people(self, narrows: Narrows, files: Files) -> None:
        done = narrows("analyze", *files, "--max-samples", 600)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        for part in ("conv3", "bottleneck", "conv4.in_channels", "/v1/analyses/ana_", "outputs"):
            assert part in done.stdout

    def test_reports(self, narrows: Narrows, files: Files, tmp_path: Path) -> None:
        done = narrows("analyze", *files, "--report", tmp_path / "no" / "r.html")
        assert done.returncode == 2
        assert "does not exist" in plain(done.stderr)
        analysis = json.loads(narrows("analyze", *files, "--json").stdout)["analysis"]["id"]
        assert narrows("report", analysis).stdout.startswith("## model.pt2\n")
        drawing = tmp_path / "ratios.svg"
        assert narrows("report", analysis, "-o", drawing, "--figure", "ratios").returncode == 0
        assert drawing.read_text().startswith("<svg")
        for wrong, said in (("r.pdf", "must end in"), ("r.html", "--figure is for")):
            done = narrows("report", analysis, "-o", tmp_path / wrong, "--figure", "ratios")
            assert done.returncode == 2
            assert said in plain(done.stderr)

    def test_ids_stand_for_uploads(self, narrows: Narrows, files: Files) -> None:
        result = json.loads(narrows("analyze", *files, "--json").stdout)["analysis"]
        again = narrows("analyze", result["model_id"], result["dataset_id"], "--exclude", "head.2")
        assert again.returncode == 0, again.stderr
        assert "Uploading" not in again.stderr

    def test_a_rejected_file(self, narrows: Narrows, files: Files, tmp_path: Path) -> None:
        bad = tmp_path / "bad.pt2"
        bad.write_text("not a network")
        done = narrows("analyze", bad, files[1])
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{bad} was rejected.\nNot a torch.export archive: " in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_failed_analysis(self, narrows: Narrows, files: Files) -> None:
        done = narrows("analyze", *files, "--loss", "mse", "--json")
        assert (done.returncode, done.stdout) == (1, "")
        assert "failed.\nThe targets do not fit the model: " in done.stderr

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--pruning-ratio", 2), "--pruning-ratio: It must be less than 1"),
            (("--loss", "hinge"), "--loss: It must be 'cross_entropy', 'mse',"),
            (("--seed", -1), "--seed: "),
            (("--exclude", ""), "--exclude: "),
            (("--plan", "double", "--build", "uniform"), "choose from 'double', 'pruned'"),
            (("--factor", "head=99"), "--factor: "),
            (("--transform", "{"), "--transform: "),
            (("--transform", "[1]"), "--transform: "),
            (("--transform", '{"scale": "x"}'), "--transform: scale: It must be a num"),
            (("--transform", '{"means": [1]}'), "--transform: means: "),
        ],
    )
    def test_a_wrong_request_is_never_uploaded(
        self, files: Files, tmp_path: Path, options: tuple[object, ...], said: str
    ) -> None:
        done = run_narrows(tmp_path, "analyze", *files, *options, NARROWS_URL="http://127.0.0.1:1")
        assert done.returncode == 2, done.stderr
        assert said in plain(done.stderr)

    def test_layers_are_checked_before_the_dataset_is_uploaded(
        self, narrows: Narrows, files: Files
    ) -> None:
        done = narrows("analyze", *files, "--exclude", "features.conv33")
        assert done.returncode == 2, done.stderr
        assert "--exclude: The model has no layer 'features.conv33'; choose" in plain(done.stderr)
        assert "Uploading model.pt2" in done.stderr
        assert "Uploading digits.npz" not in done.stderr

    def test_factors_and_cost(self, narrows: Narrows, files: Files) -> None:
        options = ("--cost", "macs", "--plan", "uniform", "--factor", "features.conv2=1.5",
                   "--advise-budget", "5%", "--advise-cost", "macs")  # fmt: skip
        request = json.loads(narrows("analyze", *files, *options, "--json").stdout)["analysis"]
        assert request["request"]["cost"] == "macs"
        custom = {"name": "custom", "factors": {"features.conv2": 1.5}}
        assert request["request"]["plans"] == ["uniform", "advise", custom]
        advice = {"budget": 0.05, "cost": "macs", "multiple": None}
        assert request["request"]["advise"] == advice

    def test_usage(self, narrows: Narrows, files: Files) -> None:
        assert narrows("analyze", "no-file", files[1]).returncode == 2

    def test_an_unknown_key(self, narrows: Narrows, files: Files) -> None:
        done = narrows("analyze", *files, NARROWS_API_KEY="nrw_unknown")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            "A valid API key is needed: This API key is not known here, was revoked, or has "
            "expired. Check NARROWS_API_KEY."
        )

    def test_no_key(self, narrows: Narrows, files: Files, tmp_path: Path) -> None:
        done = narrows("analyze", *files, NARROWS_DATA=str(tmp_path))
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            "A valid API key is needed: Set NARROWS_API_KEY; `narrows keys create` makes keys."
        )


class TestInspect:
    def test_groups_and_reasons(self, narrows: Narrows, files: Files) -> None:
        done = narrows("inspect", files[0])
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        for part in ("layers that share them", "features.conv3", "can't be pruned", "outputs"):
            assert part in done.stdout

    def test_json_of_an_id(self, narrows: Narrows, files: Files) -> None:
        model = json.loads(narrows("inspect", files[0], "--json").stdout)
        done = narrows("inspect", model["id"], "--json")
        assert "Uploading" not in done.stderr
        assert json.loads(done.stdout) == model
        assert model["inspection"]["groups"][0]["layers"]

    def test_a_rejected_file(self, narrows: Narrows, tmp_path: Path) -> None:
        bad = tmp_path / "bad.pt2"
        bad.write_text("not a network")
        done = narrows("inspect", bad)
        assert (done.returncode, done.stdout) == (1, "")
        assert "was rejected.\nNot a torch.export archive: " in done.stderr
        assert narrows("inspect", "no-file").returncode == 2


class TestWorkers:
    def test_a_table(self, narrows: Narrows) -> None:
        done = narrows("workers")
        assert done.returncode == 0, done.stderr
        heading, *rows = [line.split() for line in done.stdout.splitlines()[1:] if line.strip()]
        assert heading == ["worker", "state", "device", "queues", "seen"]
        assert {row[1] for row in rows[1:]} <= {"idle", "busy"}

    def test_json(self, narrows: Narrows) -> None:
        workers = json.loads(narrows("workers", "--json").stdout)
        assert {"analyze", "inspect"} == {queue for w in workers for queue in w["queues"]}
        assert all(w["torch_version"] for w in workers)


def test_without_a_server(files: Files, tmp_path: Path) -> None:
    away = {"NARROWS_URL": "http://127.0.0.1:1", "NARROWS_RETRIES": "1"}
    done = run_narrows(tmp_path, "analyze", *files, **away)
    assert done.returncode == 1
    assert "Trying again" in done.stderr
    said = "No Narrows server at http://127.0.0.1:1. Start one with: narrows up"
    assert done.stderr.splitlines()[-1] == said


def test_keys_and_migrations(tmp_path: Path) -> None:
    assert "from nothing to 00" in run_narrows(tmp_path, "migrate").stdout
    made = run_narrows(tmp_path, "keys", "create", "--owner", "ann", "--scope", "read")
    assert made.stdout.startswith("nrw_")
    identity = made.stderr.split()[0]
    assert identity in run_narrows(tmp_path, "keys", "list").stdout
    assert run_narrows(tmp_path, "keys", "revoke", identity).stdout == f"Revoked {identity}.\n"
    again = run_narrows(tmp_path, "keys", "revoke", identity)
    assert (again.returncode, again.stderr) == (1, f"There is no valid key {identity}.\n")


def test_an_unreachable_database_is_one_line(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    for command in (["api", "--port", "0"], ["migrate"]):
        secret = {"NARROWS_SECRET": "16 characters or more"}
        done = run_narrows(tmp_path, *command, NARROWS_DATABASE_URL=url, **secret)
        assert done.returncode == 1
        assert done.stderr.startswith("The database can't be used: ")
        assert done.stderr.count("\n") == 1
