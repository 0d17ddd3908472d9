"""Writing exported programs."""

import errno
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from narrows.graph.saving import save_program

# A write that fails inside torch would end the process, so this is a process of its own.
SAVE = """
import sys
from pathlib import Path
import torch
from narrows.graph.saving import save_program
program = torch.export.export(torch.nn.Linear(300, 300), (torch.zeros(2, 300),))
try:
    save_program(program, Path(sys.argv[1]))
except OSError as error:
    sys.exit(error.errno)
"""


def test_what_is_written_is_what_torch_loads(tmp_path: Path) -> None:
    linear, x = nn.Linear(3, 2), torch.ones(4, 3)
    save_program(torch.export.export(linear, (x,)), tmp_path / "linear.pt2")
    assert torch.equal(torch.export.load(tmp_path / "linear.pt2").module()(x), linear(x))


def test_a_full_disk_is_an_error_not_the_end() -> None:
    ended = subprocess.run([sys.executable, "-c", SAVE, "/dev/full"], capture_output=True)
    assert ended.returncode == errno.ENOSPC, ended.stderr
