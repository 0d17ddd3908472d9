"""How far an analysis is: one line on a terminal, nothing in a pipe."""

import io
import subprocess
import sys

import pytest

from narrows.progress import reporting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with reporting(True) as report:
        report(1, 2)
        report(2, 2)
    assert stream.getvalue() == "\rbatch 1 of 2\rbatch 2 of 2\n"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_line_ends_also_after_an_error(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())

    def failing() -> None:
        with reporting(True) as report:
            report(1, None)
            raise error

    with pytest.raises(error):
        failing()
    assert stream.getvalue() == "\rbatch 1\n"


def test_a_notebook_has_the_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    monkeypatch.setattr(sys, "stderr", stream := kind())
    with reporting(True) as report:
        report(1, 1)
    assert stream.getvalue() == "\rbatch 1 of 1\n"


ANALYSES = """
import torch
from narrows import analyze

net = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.ReLU(), torch.nn.Linear(12, 4))
for method in ("sosp_i", "sosp_h"):
    found = analyze(net, [(torch.randn(8, 6), torch.randint(4, (8,)))], method=method)
    found.to_dict(), found.widen(), found.prune(0.5)
"""


def test_nothing_goes_into_a_pipe_and_no_warning_leaks() -> None:
    """In a process of its own, since torch warns only once, such as when forward mode loads."""
    strict = [f"-Werror::{kind}" for kind in ("FutureWarning", "DeprecationWarning", "UserWarning")]
    done = subprocess.run(
        [sys.executable, *strict, "-c", ANALYSES], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_is_shown_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with reporting(False) as report:
        report(1, 2)
    assert stream.getvalue() == ""
