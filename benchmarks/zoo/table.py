"""The table of the zoo: a row for each network, and the totals."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from benchmarks.zoo.results import Record

COLUMNS = {
    "exported": "exported",
    "accepted": "accepted",
    "followed": "followed",
    "analysed": "analysed",
    "pruned": "pruned 30 %",
    "random_cut": "random 30 %",
    "one_widened": "one × 2",
    "all_widened": "all × 2",
    "reloaded": "reloaded",
}
"""The columns by the names of the steps."""
SKIPPED = ("LookupError", "AttributeError: 'Trial'")
"""How the errors of steps begin that lack the result of an earlier one."""


def cells(record: Record) -> list[str]:
    """Return the text of each column, and then seconds and peak memory.

    >>> step = {"ok": True, "seconds": 2.0, "peak_mb": 600}
    >>> cells({"exported": {**step, "batch": "free"}, "accepted": {"ok": False, "error": "…"}})
    ['yes', 'no', '', '', '', '', '', '', '', '2', '600']
    """
    timed = [step for step in record.values() if "seconds" in step]
    seconds = sum(step["seconds"] for step in timed)
    peak = max((step["peak_mb"] for step in timed), default=0)
    return [*(_cell(name, record.get(name)) for name in COLUMNS), f"{seconds:.0f}", str(peak)]


def _cell(name: str, step: Mapping[str, Any] | None) -> str:
    if step is None or (not step["ok"] and step["error"].startswith(SKIPPED)):
        return ""
    if not step["ok"]:
        return "no"
    match name:
        case "exported":
            return "yes" if step["batch"] == "free" else "fixed batch"
        case "accepted":
            return "yes" if step["form"] == "plain" else "decomposed"
        case "followed":
            return f"{step['followed']}/{step['layers']}"
        case "analysed" if step.get("same") is False:
            return f"unlike: {step['followed']}/{step['layers']}"
    return "yes (norms)" if step.get("reasons") and name != "analysed" else "yes"


def totals(rows: Mapping[str, Record]) -> list[str]:
    """Return for each column how many of those that were tried succeeded; for layers, the share."""
    found = []
    for name in COLUMNS:
        texts = [text for record in rows.values() if (text := _cell(name, record.get(name)))]
        good = sum(text != "no" and not text.startswith("unlike") for text in texts)
        found.append(f"{good} of {len(texts)}")
    steps = [record["followed"] for record in rows.values() if record.get("followed", {}).get("ok")]
    if steps:
        followed, layers = (sum(step[key] for step in steps) for key in ("followed", "layers"))
        found[list(COLUMNS).index("followed")] = f"{100 * followed / layers:.1f} %"
    return found


def rich(rows: Mapping[str, Record]) -> Table:
    table = Table("network", *COLUMNS.values(), "s", "MB")
    for name, record in rows.items():
        table.add_row(name, *cells(record))
    table.add_section()
    table.add_row(f"{len(rows)} rows", *totals(rows))
    return table


def markdown(rows: Mapping[str, Record]) -> str:
    """Return the table in Markdown.

    >>> print(markdown({}).splitlines()[0])
    | network | exported | accepted | followed | analysed | pruned 30 % | random 30 % | one × 2 \
| all × 2 | reloaded | s | MB |
    """
    lines = [["network", *COLUMNS.values(), "s", "MB"], ["---"] * (len(COLUMNS) + 3)]
    lines += [[name, *cells(record)] for name, record in rows.items()]
    lines.append([f"**{len(rows)} rows**", *totals(rows), "", ""])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def failures(rows: Mapping[str, Record]) -> Iterator[str]:
    """Yield a line for each step that failed, and for each reason why layers are not followed."""
    for name, record in rows.items():
        for step, found in record.items():
            if not found["ok"] and not found["error"].startswith(SKIPPED):
                yield f"{name}: {step}: {found['error']}"
            if step == "followed":
                for reason, layers in found.get("reasons", {}).items():
                    yield f"{name}: pinned: {', '.join(layers)}: {reason}"
            if found.get("same") is False:
                yield f"{name}: analysed: the library says something else of the layers"
