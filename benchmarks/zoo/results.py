"""Keeps what was found of each network, as lines of JSON; the last line of a network counts."""

import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""What was found in each step, by its name."""


class Results:
    """The records in a file.

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "zoo.jsonl"
    >>> Results(path).add("timm:resnet18", {"make": {"ok": True}})
    >>> results = Results(path)
    >>> "timm:resnet18" in results, results["timm:resnet18"]
    (True, {'make': {'ok': True}})
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._records: dict[str, Record] = {}
        for line in map(json.loads, lines):
            self._records[line["network"]] = line["steps"]

    def __contains__(self, name: str) -> bool:
        return name in self._records

    def __getitem__(self, name: str) -> Record:
        return self._records[name]

    def add(self, name: str, record: Record) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps({"network": name, "steps": record}) + "\n")
        self._records[name] = record
