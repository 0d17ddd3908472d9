import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from narrows.analysis import Analysis
from narrows.example import two_neurons
from narrows.methods.partial_sums import PartialSums
from narrows.methods.table import Method
from narrows.tracking.mlflow import log_to_mlflow
from tests.support.command_line import Narrows, invoked, plain, run_narrows
from tests.support.mlflow_server import MlflowServer, mlflow_server

Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


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
        for part in (
            "conv3",
            "bottleneck",
            "conv4.in_channels",
            "In a browser: http://127.0.0.1:",
            "outputs",
        ):
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
        self, files: Files, options: tuple[object, ...], said: str
    ) -> None:
        done = invoked("analyze", *files, *options)
        assert done.exit_code == 2, done.stderr
        assert said in plain(done.stderr)

    def test_layers_are_checked_before_the_dataset_is_uploaded(
        self, narrows: Narrows, files: Files
    ) -> None:
        done = narrows("analyze", *files, "--exclude", "features.conv33")
        assert done.returncode == 2, done.stderr
        assert "--exclude: The model has no layer 'features.conv33'; choose" in plain(done.stderr)
        assert "Uploading model.pt2" in done.stderr
        assert "Uploading digits.npz" not in done.stderr

    def test_factors_and_cost(self, narrows: Narrows, files: Files, tmp_path: Path) -> None:
        options = ("--cost", "macs", "--plan", "uniform", "--factor", "features.conv2=1.5",
                   "--advise-budget", "5%", "--advise-cost", "macs")  # fmt: skip
        request = json.loads(narrows("analyze", *files, *options, "--json").stdout)["analysis"]
        assert request["request"]["cost"] == "macs"
        custom = {"name": "custom", "factors": {"features.conv2": 1.5}}
        assert request["request"]["plans"] == ["uniform", "advise", custom]
        advice = {"budget": 0.05, "cost": "macs", "multiple": None}
        assert request["request"]["advise"] == advice
        self.check_follow_ups(narrows, request["id"], tmp_path / "mine.pt2")

    def check_follow_ups(self, narrows: Narrows, analysis: str, path: Path) -> None:
        """More of the same analysis, without its data."""
        done = narrows("plan", analysis, "--factor", "features.conv2=2", "--name", "mine")
        assert done.returncode == 0, done.stderr
        assert "features.conv2.out_channels" in done.stdout
        _, _, last = done.stdout.partition("To build its network: narrows ")
        assert narrows(*last.split()[:-1], path).returncode == 0
        assert json.loads(narrows("inspect", path, "--json").stdout)["state"] == "ready"
        advised = json.loads(narrows("plan", analysis, "--budget", "20%", "--json").stdout)
        assert [plan["name"] for plan in advised["plans"]] == ["advise"]
        page = path.with_suffix(".md")
        less = ("--pruning-ratio", 0.3, "--factor", "features.conv2=1.25", "--name", "less",
                "--fail-on", "bottleneck")  # fmt: skip
        done = narrows("follow-up", analysis, *less, "--report", page, "--json")
        assert done.returncode == 3, done.stderr
        found = json.loads(done.stdout)["analysis"]
        assert (found["source_id"], found["name"]) == (analysis, "less")
        assert (found["request"]["pruning_ratio"], found["request"]["cost"]) == (0.3, "macs")
        custom = {"name": "custom", "factors": {"features.conv2": 1.25}}
        assert found["request"]["plans"] == ["uniform", "advise", custom]
        assert "features.conv3" in page.read_text()
        for wrong, said in (
            (("plan", analysis), "Give --factor, with a --name, or else --budget."),
            (("build", analysis), "Give either --plan or --factor."),
            (("follow-up", analysis), "Say what is to be different"),
            (("follow-up", analysis, "--pruning-ratio", 2), "--pruning-ratio: It must be less"),
            (("build", analysis, "--plan", "double", "-o", path / "x"), "does not exist"),
        ):
            done = narrows(*wrong)
            assert (done.returncode, said in plain(done.stderr)) == (2, True)
        assert "no plan 'mine'" in narrows("build", analysis, "--plan", "mine").stderr

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


class TestMlflow:
    def test_a_result_is_logged(
        self, narrows: Narrows, files: Files, tmp_path: Path, server: MlflowServer
    ) -> None:
        options = "--max-samples", 600, "--build", "double", "--output", tmp_path, "--json"
        to_server = {"MLFLOW_TRACKING_URI": server.url}
        done = narrows(
            "analyze", *files, *options, "--mlflow", **to_server, MLFLOW_EXPERIMENT_NAME="widths"
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        analysis = result["analysis"]
        name = {"experiment_name": "widths"}
        experiment = server.call("GET", "experiments/get-by-name", params=name)["experiment"]
        ids = {"experiment_ids": [experiment["experiment_id"]]}
        (run,) = server.call("POST", "runs/search", json=ids)["runs"]
        run_id = run["info"]["run_id"]
        state, params, metrics, tags = server.run(run_id)
        assert (state, params["narrows/max_samples"]) == ("FINISHED", "600")
        for layer in result["layers"]:
            assert metrics[f"narrows/width/{layer['name']}"] == layer["width"]
            assert tags[f"narrows/verdict/{layer['name']}"] == layer["verdict"]
        (narrow,) = [one for one in result["layers"] if one["verdict"] == "bottleneck"]
        assert metrics["narrows/promise_low/features.conv3"] == narrow["promise_interval"][0]
        assert tags["narrows/model_sha256"] == analysis["provenance"]["model_sha256"]
        assert tags["narrows/url"].endswith(f"/analyses/{analysis['id']}")
        assert b"features.conv3 is a bottleneck." in server.artifact(run_id, "narrows/report.html")
        assert json.loads(server.artifact(run_id, "narrows/plans.json")) == result["plans"]
        assert (
            server.artifact(run_id, "narrows/double.pt2") == (tmp_path / "double.pt2").read_bytes()
        )

        # A run that others have begun gets the same, and goes on.
        begun = server.call("POST", "runs/create", json={"experiment_id": "0"})["run"]["info"]
        to_run = to_server | {"MLFLOW_RUN_ID": begun["run_id"]}
        done = narrows("show", analysis["id"], "--mlflow", **to_run)
        assert done.returncode == 0, done.stderr
        own = {key: value for key, value in tags.items() if key.startswith("narrows/")}
        *same, added = server.run(begun["run_id"])
        assert same == ["RUNNING", params, metrics]
        assert own.items() <= added.items()
        assert server.artifact(begun["run_id"], "narrows/double.pt2")

        # And a trial of the analysis.
        of = "--analysis", analysis["id"], "--plan", "double", "--variant", "plan"
        short = "--steps", 2, "--seeds", 2, "--json"
        done = narrows("trial", *of, *short, "--mlflow", **to_run)
        assert done.returncode == 0, done.stderr
        trial = json.loads(done.stdout)["trial"]
        _, both, scores, known = server.run(begun["run_id"])
        assert params.items() <= both.items()
        assert both["narrows/trial/recipe/steps"] == "2"
        for variant in trial["summary"]["variants"]:
            assert scores[f"narrows/trial/loss/{variant['name']}"] == variant["loss"]["value"]
        gain = trial["summary"]["variants"][1]["gain"]
        assert scores["narrows/trial/gain_low/double"] == gain["interval"][0]
        assert known["narrows/trial/id"] == trial["id"]
        runs = json.loads(server.artifact(begun["run_id"], "narrows/runs.json"))
        for run in runs:
            assert server.artifact(begun["run_id"], f"narrows/{run['artifact']}")

        # Nothing is lost without a server.
        away = {"MLFLOW_TRACKING_URI": "http://me:secret@127.0.0.1:1"}
        done = narrows(
            "show", analysis["id"], "--mlflow", **away, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0"
        )
        assert done.returncode == 5
        assert "features.conv3" in done.stdout
        assert done.stderr.endswith(f"To log it again: narrows show {analysis['id']} --mlflow\n")
        assert "secret" not in done.stderr
        assert "Traceback" not in done.stderr

    def test_from_the_library(self, server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        sums = PartialSums(np.array([1.0]), np.array([1]), {"squares": np.array([[1.0, 4.0]])})
        analysis = Analysis(*two_neurons(), sums, Method("magnitude"))
        run_id = log_to_mlflow(analysis, "Two neurons", {"pruned": analysis.prune(0.5)})
        state, params, metrics, tags = server.run(run_id)
        assert (state, tags["mlflow.runName"]) == ("FINISHED", "Two neurons")
        assert params["narrows/method"] == "magnitude"
        assert metrics["narrows/pruning_ratio/hidden"] == 0.5
        assert tags["narrows/verdict/output"] == "not_prunable"
        assert server.artifact(run_id, "narrows/pruned.pt2")
        assert b"Two neurons" in server.artifact(run_id, "narrows/report.html")


class TestUpload:
    def test_it_is_kept_for_so_long(self, narrows: Narrows, files: Files) -> None:
        done = narrows("upload", files[1], "--days", 30, "--json")
        assert done.returncode == 0, done.stderr
        times = json.loads(done.stdout)
        kept = datetime.fromisoformat(times["expires_at"]) - datetime.now(UTC)
        assert timedelta(days=29) < kept < timedelta(days=30)
        assert narrows("upload", files[1], "--days", 0).returncode == 2


class TestInspect:
    def test_groups_and_reasons(self, narrows: Narrows, files: Files) -> None:
        done = narrows("inspect", files[0])
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        for part in ("layers that share them", "features.conv3", "can't be pruned", "outputs"):
            assert part in done.stdout

    def test_a_dataset(self, narrows: Narrows, files: Files, tmp_path: Path) -> None:
        done = narrows("inspect", files[1], "--transform", '{"scale": 0.0625}')
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        for part in ("1,797 samples", "float32", "1×8×8", "0 (178), 1 (182)", "9 (180)"):
            assert part in done.stdout
        identity = re.search(r"dst_\w+", done.stdout)
        assert identity
        again = narrows("inspect", identity[0], "--json")
        assert "Uploading" not in again.stderr
        assert json.loads(again.stdout)["inspection"]["classes"] == 10
        np.savez(tmp_path / "bad.npz", x=np.ones((2, 3)))
        bad = narrows("inspect", tmp_path / "bad.npz")
        assert (bad.returncode, bad.stdout) == (1, "")
        assert "The dataset can't be used: " in bad.stderr

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
