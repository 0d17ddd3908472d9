"""A Parquet file: what its footer says, checked, and its columns in parts.

The footer is not trusted: 293 bytes became 4 GB.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from narrows.arrays import Ints
from worker.formats.files import open_file
from worker.formats.packed import MAX_BYTES
from worker.formats.refusals import invalid, quoted, said

MAX_FOOTER: Final = 64 << 20
"""The most bytes of the footer."""
MAX_ROWS: Final = 100_000_000
MAX_COLUMNS: Final = 2_000
MAX_GROUPS: Final = 100_000
ROWS_AT_ONCE: Final = 1024
FILES_AT_ONCE: Final = 32
"""How many rows of files, such as images, are read at once."""

Kind = Literal["number", "list", "image"]


@dataclass(frozen=True)
class Table:
    """The columns of a Parquet file, of which each is read by itself."""

    path: Path
    schema: pa.Schema
    rows: int
    groups: tuple[int, ...]
    """The rows of each row group."""

    @property
    def names(self) -> list[str]:
        return list(self.schema.names)

    def kind(self, name: str) -> Kind | None:
        """Return what a column is to us; None for text and the like."""
        type_ = self.schema.field(name).type
        if _is_number(type_):
            return "number"
        if is_list(type_):
            while is_list(type_):
                type_ = type_.value_type
            return "list" if _is_number(type_) else None
        return "image" if files_in(type_) is not None else None

    def parts(self, name: str, index: Ints | None = None) -> Iterator[tuple[int, pa.Array]]:
        """Yield the rows of a column in parts, each with the number of its first row.

        With `index`, sorted, row groups without one of these rows are passed over. Raises
        RefusedError for empty cells, and for what can't be decoded.
        """
        at_once = FILES_AT_ONCE if self.kind(name) == "image" else ROWS_AT_ONCE
        starts = np.cumsum([0, *self.groups])
        wanted = [
            group
            for group in range(len(self.groups))
            if index is None
            or np.searchsorted(index, starts[group]) < np.searchsorted(index, starts[group + 1])
        ]
        with _opened(self.path) as file:
            for group in wanted:
                start = int(starts[group])
                batches = file.iter_batches(
                    at_once, row_groups=[group], columns=[name], use_threads=False
                )
                for batch in batches:
                    array = batch.column(0)
                    if array.null_count:
                        raise invalid(f"The column {quoted(name)} has empty cells; fill them.")
                    if array.nbytes > MAX_BYTES:
                        raise invalid(f"{len(array)} rows of {quoted(name)} have over 4 GiB.")
                    yield start, array
                    start += len(array)
                if start != starts[group + 1]:
                    raise invalid(f"The column {quoted(name)} has fewer rows than stated.")

    def chosen(self, name: str, wanted: Ints) -> Iterator[tuple[int, pa.Array]]:
        """Yield the wanted rows, sorted, of each part, with the number of the part's first row."""
        for start, part in self.parts(name, wanted):
            low, high = np.searchsorted(wanted, [start, start + len(part)])
            if high > low:
                yield start, part.take(pa.array(wanted[low:high] - start))


def open_table(path: Path) -> Table:
    """Return what the footer says; raise RefusedError where it asks for too much."""
    with open_file(path) as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - 8))
        end = file.read(8)
    if end[4:] != b"PAR1":
        raise invalid("It does not end as a Parquet file does: it is cut off, or encrypted.")
    footer = int.from_bytes(end[:4], "little")
    if footer > min(MAX_FOOTER, length - 12):
        raise invalid(f"Its footer has {footer:,} bytes; at most {MAX_FOOTER:,} are read.")
    with _opened(path) as opened:
        metadata, schema = opened.metadata, opened.schema_arrow
        counts = (
            ("rows", metadata.num_rows, MAX_ROWS),
            ("columns", metadata.num_columns, MAX_COLUMNS),
            ("row groups", metadata.num_row_groups, MAX_GROUPS),
        )
        for noun, count, most in counts:
            if not 0 <= count <= most:
                raise invalid(f"It has {count:,} {noun}; at most {most:,} are read.")
        groups = tuple(metadata.row_group(g).num_rows for g in range(metadata.num_row_groups))
        if sum(groups) != metadata.num_rows or min(groups, default=0) < 0:
            raise invalid("Its footer contradicts itself: the numbers of rows differ.")
        _check_values(metadata)
    if len(set(schema.names)) < len(schema.names):
        raise invalid("Two of its columns have the same name.")
    return Table(path, schema, sum(groups), groups)


def is_list(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(type_)
        or pa.types.is_large_list(type_)
        or pa.types.is_fixed_size_list(type_)
    )


def files_in(type_: pa.DataType) -> str | None:
    """Return which field of a struct holds the bytes of a file, "" if the column itself does."""
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return ""
    if pa.types.is_struct(type_):
        fields = {field.name: field.type for field in type_}
        if "bytes" in fields and files_in(fields["bytes"]) == "":
            return "bytes"
    return None


def _is_number(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_)
    )


def _check_values(metadata: pq.FileMetaData) -> None:
    """Refuse columns of which the footer itself says that they are too large for memory."""
    for column in range(metadata.num_columns):
        chunks = [metadata.row_group(g).column(column) for g in range(metadata.num_row_groups)]
        values = sum(chunk.num_values for chunk in chunks)
        if not 0 <= values * 8 <= 2 * MAX_BYTES:
            name = quoted(metadata.schema.column(column).path)
            raise invalid(f"The column {name} has {values:,} values. Upload a sample of the data.")


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with (
            open_file(path) as raw,
            pq.ParquetFile(pa.PythonFile(raw, "r"), pre_buffer=False) as file,
        ):
            yield file
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise invalid(f"It is no Parquet file that can be read ({said(error)}).") from None
