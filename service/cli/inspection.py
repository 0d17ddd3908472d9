"""Prints what inspections have found."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape

from narrows.client.types import Dataset, Model
from narrows.report.texts import number, short
from service.cli.tables import make_table, print_table, print_text, wrapped

BEFORE_LAYERS = 18
"""The characters of a row before the layers' names."""
CLASSES = 20
"""How many classes are named."""


def print_model(model: Model | Dataset) -> None:
    """Print the channel groups of a network, and why layers can't be pruned."""
    inspection, console = model.inspection or {}, Console(highlight=False)
    costs = f"{short(inspection['parameters'])} parameters, {short(inspection['macs'])} MACs"
    _print_head(console, model, costs)
    table = make_table("group", "channels", "layers that share them")
    for column in table.columns[:2]:
        column.justify = "right"
    for group in inspection["groups"]:
        layers = wrapped(", ".join(group["layers"]), console.width - BEFORE_LAYERS)
        table.add_row(str(group["group"]), str(group["width"]), escape(layers))
    print_table(console, table)
    for layer in inspection["layers"]:
        if layer["reason"]:
            print_text(console, f"{layer['name']} ({layer['width']}): {layer['reason']}", "dim")


def print_dataset(dataset: Model | Dataset) -> None:
    """Print the arrays of a dataset with the first sample of each input, and its classes."""
    inspection, console = dataset.inspection or {}, Console(highlight=False)
    _print_head(console, dataset, f"{inspection['samples']:,} samples")
    inputs, first = inspection["inputs"], inspection["first_sample"]
    firsts = first if len(inputs) > 1 else dict.fromkeys(inputs, first)
    table = make_table("array", "type", "shape", "first sample", "from", "to", "mean")
    for name, array in inputs.items():
        sample = firsts[name]
        ends = (number(sample[end]) for end in ("min", "max", "mean"))
        shapes = _shape(array["shape"]), _shape(sample["shape"])
        table.add_row(escape(name), array["dtype"], *shapes, *ends)
    targets = inspection["y"]
    table.add_row("targets", targets["dtype"], _shape(targets["shape"]))
    print_table(console, table)
    if counts := inspection.get("counts"):
        names = ", ".join(_classes(inspection, counts))
        print_text(console, f"Classes, with samples: {names}")
    if left_out := inspection.get("left_out"):
        print_text(console, f"Left out: {left_out:,}", "dim")


def _print_head(console: Console, upload: Model | Dataset, what: str) -> None:
    console.print(f"{upload.name} is {upload.id}: {what}.", markup=False, soft_wrap=True)


def _shape(sizes: list[int | None]) -> str:
    """Return the shape of a sample; lists of several lengths have no size.

    >>> _shape([3, 224, 224]), _shape([]), _shape([None, 2])
    ('3×224×224', '1', '…×2')
    """
    return "×".join("…" if size is None else str(size) for size in sizes) or "1"


def _classes(inspection: dict[str, Any], counts: dict[str, int]) -> Iterator[str]:
    """Yield the classes with their names and numbers of samples, as many as are shown.

    >>> list(_classes({"classes": 2, "class_names": ["cat"]}, {"0": 3, "1": 1200}))
    ['0 cat (3)', '1 (1,200)']
    """
    names = inspection.get("class_names") or ()
    for label, count in list(counts.items())[:CLASSES]:
        named = label.isdecimal() and int(label) < len(names)
        yield f"{label}{f' {names[int(label)]}' if named else ''} ({count:,})"
    if (more := inspection["classes"] - CLASSES) > 0:
        yield f"and {more:,} more"
