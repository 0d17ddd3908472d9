"""A column of image files in a Parquet file, which are read together when some are needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from narrows.arrays import Ints
from worker.formats import images
from worker.formats.packed import MAX_BYTES
from worker.formats.parquet_file import Table, files_in
from worker.formats.refusals import invalid, quoted


@dataclass(frozen=True)
class Blobs(images.Blobs):
    """Image files in a column."""

    table: Table
    column: str

    def __len__(self) -> int:
        return self.table.rows

    def name(self, row: int) -> str:
        return f"{self.column} of row {row}"

    def get(self, row: int) -> bytes:
        return self.only(np.array([row])).get(0)

    def only(self, index: Ints) -> images.Blobs:
        order = np.argsort(index, kind="stable")
        field = files_in(self.table.schema.field(self.column).type)
        files: list[bytes] = [b""] * len(index)
        total = done = 0
        for _, part in self.table.chosen(self.column, index[order]):
            for cell in part.field(field) if field else part:
                data = cell.as_py()
                if data is None:
                    raise invalid(
                        f"{self.name(int(index[order[done]]))} names a file, but holds none. Save "
                        "the dataset with its images, as push_to_hub does."
                    )
                files[order[done]] = data
                total, done = total + len(data), done + 1
                if total > MAX_BYTES:
                    raise invalid(f"The images of {quoted(self.column)} have over 4 GiB.")
        return Files([self.name(int(row)) for row in index], files)


@dataclass(frozen=True)
class Files(images.Blobs):
    """Image files in memory."""

    names: Sequence[str]
    files: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, row: int) -> str:
        return self.names[row]

    def get(self, row: int) -> bytes:
        return self.files[row]

    def only(self, index: Ints) -> images.Blobs:
        return Files([self.names[row] for row in index], [self.files[row] for row in index])
