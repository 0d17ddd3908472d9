"""`narrows demo`: trains a network with a narrow layer on real digits, and analyses it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from narrows.own_path import own_environment
from service.cli.api import listen, url_of
from service.cli.errors import CommandError

if TYPE_CHECKING:
    from service.cli.run_analysis import Result
    from service.settings import Settings


def demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Train a small network with a narrow layer, and see whether Narrows finds it.

    Example: narrows demo

    The demo uses scikit-learn's digits and the whole service, over HTTP. It takes less than a
    minute. The network, the data and the results stay in the folder `demo` in `NARROWS_DATA`.
    """
    from narrows.client import Client
    from service.cli.embedded import embedded_service
    from service.cli.following import (
        cancelled_on_interrupt,
        connected,
        follow,
        require_success,
    )
    from service.cli.prepare import local_key
    from service.cli.printing import json_of, print_json
    from service.cli.progress import Steps
    from service.cli.report import print_result
    from service.cli.report_file import write_report
    from service.cli.run_analysis import request_analysis, result_of
    from service.database.migrate import upgrade
    from service.settings import get_settings

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the network is too small for more
    settings = _own_settings(get_settings())
    listener = listen("127.0.0.1", 0)
    url = url_of(listener)
    upgrade(settings)
    key, _ = local_key(settings)
    folder = settings.data
    with (
        (folder / "service.log").open("wb") as log,
        embedded_service(settings, listener, workers=1, log=log) as require_all,
    ):
        narrow = _train(folder, log)  # while the worker loads torch
        steps, files = Steps(), (folder / "model.pt2", folder / "digits.npz")
        with connected(steps, require_all, Client(url, key)) as client:
            identity = request_analysis(steps, client, *files, check=require_all)
            with cancelled_on_interrupt(steps, client, identity):
                analysis = follow(steps, client, identity, require_all)
            require_success(analysis)
            result = result_of(steps, client, analysis, None)
            write_report(client, identity, folder / "report.html")
    (folder / "result.json").write_text(json_of(result))
    if as_json:
        print_json(result)
    else:
        print_result(result)
        typer.echo(f"\n{_conclusion(result, narrow)}")
        typer.echo(f"Network, data and results are in {folder}")
        typer.echo(f"The report, to open in a browser: {(folder / 'report.html').as_uri()}")


def _own_settings(settings: "Settings") -> "Settings":
    folder = settings.data / "demo"
    folder.mkdir(exist_ok=True, mode=0o700)
    return settings.model_copy(
        update={"data": folder, "database_url": "", "broker_url": "", "storage_url": ""}
    )


def _train(folder: Path, log: IO[bytes]) -> str:
    """Run `worker.demo`, which makes network and dataset; return the name of the narrow layer.

    If this process is killed, the trainer ends when it writes its next report to the closed pipe.
    """
    from service.cli.progress import Steps

    command = [sys.executable, "-m", "worker.demo", str(folder)]
    report: dict[str, Any] = {}
    with (
        subprocess.Popen(  # noqa: S603
            command,
            env=own_environment(os.environ),
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        ) as trainer,
        _killed_if_interrupted(trainer),
        Steps().step("Training on 1,500 digits") as step,
    ):
        for line in trainer.stdout or ():
            report |= json.loads(line)
            note = f"{report['accuracy']:.1%} right" if "accuracy" in report else ""
            step.update(report["epoch"], report["epochs"], note)
    if trainer.returncode:
        raise CommandError(f"The training failed; {log.name} says why.")
    return str(report["narrow"])


@contextmanager
def _killed_if_interrupted(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        process.kill()
        raise


def _conclusion(result: "Result", narrow: str) -> str:
    summary = result.analysis.summary
    bottlenecks = summary.bottlenecks if summary else []
    others = [name for name in bottlenecks if name != narrow]
    also = f" It also named {', '.join(others)}." if others else ""
    was = "was found" if narrow in bottlenecks else "was not found"
    return f"The narrow layer that was planted, {narrow}, {was}.{also}"
