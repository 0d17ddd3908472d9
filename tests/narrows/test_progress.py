"""How far an analysis is: one line on a terminal, nothing in a pipe."""

import io
import sys

import pytest
import torch
from torch import nn

from narrows import analyze
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


def test_nothing_goes_into_a_pipe_and_no_warning_leaks(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4))
    analyze(net, [(torch.ones(4, 6), torch.arange(4))])
    assert capfd.readouterr() == ("", "")
    assert not [str(warning.message) for warning in recwarn]


def test_nothing_is_shown_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with reporting(False) as report:
        report(1, 2)
    assert stream.getvalue() == ""
