"""Parquet files: columns of numbers, of lists, and of images as Hugging Face writes them.

See docs/security.md, "Rules for data".
"""

from pathlib import Path

from narrows.inputs import TARGET
from narrows.loaded import TARGET_NAMES
from worker.formats.arrays import require_input
from worker.formats.columns import Column
from worker.formats.images import Images
from worker.formats.parquet_classes import class_names
from worker.formats.parquet_columns import Lists, Scalars, Stacked
from worker.formats.parquet_file import Table, open_table
from worker.formats.parquet_images import Blobs
from worker.formats.refusals import invalid, quoted
from worker.formats.samples import Samples, require_inputs
from worker.formats.transform import Transform


def read(path: Path, transform: Transform) -> Samples:
    """Return the samples in a Parquet file; raise RefusedError.

    Where all columns are numbers, they are one input `x` together. Columns of text and the like are
    left out.
    """
    table = open_table(path)
    kinds = {name: kind for name in table.names if (kind := table.kind(name))}
    target = next((name for name in TARGET_NAMES if name in kinds), None)
    if target is None or kinds[target] == "image":
        raise invalid(
            f"It needs a column of targets: {', '.join(TARGET_NAMES)}; it has "
            f"{', '.join(map(quoted, table.names[:8]))}."
        )
    padding = transform.padding
    targets = _numbers(table, target, kinds[target], padding.length, padding.of_targets(target))
    inputs: dict[str, Column] = {}
    names = [name for name in kinds if name != target]
    if names and all(kinds[name] == "number" for name in names):
        inputs["x"] = Stacked("x", [Scalars(table, name) for name in names])
        names = []
    require_inputs(len(names))
    for name in names:
        if kinds[name] == "image":
            inputs[name] = Images(name, Blobs(table, name), transform.geometry.color)
        else:
            value = padding.of_input(name)
            inputs[name] = _numbers(table, name, kinds[name], padding.length, value)
    if not inputs:
        raise invalid(f"Beside {quoted(target)}, it has no column of numbers, lists or images.")
    for column in inputs.values():
        require_input(column, targets, list(inputs) if len(inputs) > 1 else [TARGET, TARGET])
    return Samples.of(
        inputs,
        targets,
        transform,
        classes=class_names(table, target),
        left_out=len(table.names) - len(kinds),
    )


def _numbers(table: Table, name: str, kind: str, length: int | None, pad: float) -> Column:
    if kind == "number":
        return Scalars(table, name)
    return Lists(table, name, length, pad)
