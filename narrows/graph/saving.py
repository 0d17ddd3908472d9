"""Writes exported programs; a full disk raises OSError rather than ending the process."""

import io
import warnings
from pathlib import Path
from typing import Any

import torch


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write the archive (`.pt2`) that `torch.export.load` opens.

    Raises OSError where it can't be written.
    """
    with _PatientWriter(io.FileIO(path, "w")) as file, warnings.catch_warnings():
        # torch's own use of its deprecated parts
        warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
        torch.export.save(program, file)
        if file.error is not None:
            raise file.error


class _PatientWriter(io.BufferedWriter):
    """A file that keeps its first error: if `write` raised, torch would abort the process."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return len(data)
