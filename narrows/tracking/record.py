"""What a history of experiments keeps of an analysis, under keys that MLflow accepts."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from narrows.report.findings import Findings

PREFIX = "narrows"
"""The first part of each key and of each artifact's path: the run may be that of a training."""

LONGEST_NAME = 150
"""How many characters of a layer's name a key keeps; a key has 250 in MLflow."""

LONGEST_TEXT = 5000
"""How many characters of a value are kept, which is what the oldest servers take of a tag."""

NUMBERS = (
    "width", "parameters", "macs", "pruning_ratio", "score", "worth", "worth_ratio", "promise",
    "widen_rank",
)  # fmt: skip
INTERVALS = {
    "pruning_ratio": "interval",
    "score": "score_interval",
    "worth": "worth_interval",
    "promise": "promise_interval",
}


@dataclass(frozen=True)
class Record:
    """What is logged of an analysis or a trial: `texts` are files by name."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    texts: Mapping[str, str]


def record_of(findings: Findings, options: Mapping[str, Any], page: str) -> Record:
    """Return the record of an analysis with its `options`; `page` is its report in HTML."""
    summary: Mapping[str, Any] = findings.summary
    rows: Any = findings.rows
    plans: Any = findings.plans
    origin = {name: value for name, value in findings.provenance.items() if name not in options}
    origin |= dict(findings.origin) | {"analysis": findings.identity, "doubt": summary.get("doubt")}
    for verdict in ("bottlenecks", "suspected", "redundant"):
        origin[verdict] = summary.get(verdict)
    numbers: dict[str, Any] = {
        "network_parameters": findings.parameters,  # a folder of files holds no key below a key
        "network_macs": findings.macs,
        **{name: summary.get(name) for name in ("samples", "loss", "accuracy", "cliff")},
    }
    for one in (*map(_of_layer, rows), *map(_of_plan, plans)):
        numbers |= one
    verdicts = {f"verdict/{key_of(row['name'])}": row["verdict"] for row in rows}
    return Record(
        name=findings.title,
        params=texts_of(options),
        metrics=metrics_of(numbers),
        tags=texts_of(origin | verdicts),
        texts={"report.html": page, "plans.json": json.dumps(plans, indent=2)},
    )


def key_of(name: str) -> str:
    """Return a layer's or plan's name as the last part of a key; other names have other keys.

    >>> key_of("features.conv1"), key_of("block/größe"), key_of("")
    ('features.conv1', 'block_gr__e-15a4db14', '_-e3b0c442')
    """
    safe = re.sub(r"[^A-Za-z0-9_.-]|^\.*$", "_", name)[:LONGEST_NAME]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _key(name: str) -> str:
    return f"{PREFIX}/{name}"


def _of_layer(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the numbers of a layer with their keys: the layer comes last, so that charts group."""
    layer = key_of(row["name"])
    for name in NUMBERS:
        yield f"{name}/{layer}", row.get(name)
    limits = {name: row.get(interval) for name, interval in INTERVALS.items()}
    for cost, gain in (row.get("expected_gain") or {}).items():
        if gain:
            yield f"expected_gain_{cost}/{layer}", gain["gain"]
            limits[f"expected_gain_{cost}"] = gain["interval"]
    for name, interval in limits.items():
        yield from ends_of(name, layer, interval)


def ends_of(name: str, subject: str, interval: Any) -> Iterator[tuple[str, Any]]:
    """Yield the ends of an interval, if there is one, with their keys."""
    for end, number in zip(("low", "high"), interval or (), strict=False):
        yield f"{name}_{end}/{subject}", number


def _of_plan(plan: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a network costs after a plan, and how it scored if it was built."""
    name = key_of(plan["name"])
    for cost in ("parameters", "macs"):
        yield f"plan_{cost}/{name}", plan[cost][1]
    after = (plan.get("evaluation") or {}).get("after") or {}
    for score in ("loss", "accuracy"):
        yield f"plan_{score}/{name}", after.get(score)


def metrics_of(numbers: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers that are finite, under their keys."""
    known = {name: number for name, number in numbers.items() if number is not None}
    return {_key(name): float(number) for name, number in known.items() if math.isfinite(number)}


def texts_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as texts under their keys, those that are none being left out."""
    return {
        _key(name): _text(value)[:LONGEST_TEXT]
        for name, value in values.items()
        if value is not None
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=list)
