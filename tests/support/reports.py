"""Findings to report, of networks with any number of layers, with any names."""

import random
from typing import Any, cast

from narrows.report.findings import Findings
from narrows.vocabulary import VERDICTS

SWEEP = [round(0.05 * k, 2) for k in range(1, 20)]


def findings(layers: int, name: str = "layer{stage}.{block}.conv{number}", **more: Any) -> Findings:
    """Return findings of a residual network of so many layers, the last of them its outputs."""
    draw = random.Random(layers)
    rows = [_row(index, layers, name, draw) for index in range(layers)]
    for index, row in enumerate(rows):
        row["inputs"] = [rows[index - 1]["name"]] if index else []
        row["joins"] = [rows[index - 2]["name"]] if index % 2 == 0 and index > 1 else []
    named = {
        word: [row["name"] for row in rows if row["verdict"] == verdict]
        for word, verdict in (("bottlenecks", "bottleneck"), ("suspected", "suspected"))
    }
    removals = [
        {"ratio": k / 10, "loss": 0.2 + (k / 5) ** 3, "accuracy": 0.95 - k / 12}
        for k in range(1, 10)
    ]
    summary = {
        "loss": 0.2, "accuracy": 0.95, "doubt": None, "cliff": 0.4, "samples": 4096,
        "baseline": {"kind": "constant", "loss": 2.3, "accuracy": 0.1, "chance": None},
        "structures": sum(row["width"] for row in rows), "removals": removals,
        "gain_basis": "Expected gains were calibrated on 35 networks.", "advice": None, **named,
    }  # fmt: skip
    return Findings(**{
        "summary": cast("Any", summary),
        "rows": cast("Any", rows),
        "plans": [_plan(plan, factor, rows) for plan, factor in (("double", 2), ("uniform", 1.2))],
        "saliencies": {
            row["name"]: sorted((draw.lognormvariate(-6, 2) for _ in range(row["width"])),
                                reverse=True)
            for row in rows
        },
        "provenance": {"narrows": "0.1.0", "method": "sosp_i", "seed": 0},
        "title": "net.pt2",
        "identity": "ana_9d5e4f60718293040b3fa1c0",
        **more,
    })  # fmt: skip


def _row(index: int, layers: int, name: str, draw: random.Random) -> dict[str, Any]:
    stage, block = 1 + 4 * index // layers, index // 2
    last, stream = index == layers - 1, index % 2 == 0
    verdict = draw.choices(VERDICTS[:5], (1, 1, 20, 3, 1))[0] if not stream else "balanced"
    verdict = "not_prunable" if last else "bottleneck" if index == 1 else verdict
    width = 32 * 2**stage if stream else draw.choice((8, 24, 64)) * stage
    share = draw.random()
    worth = draw.lognormvariate(0, 1)
    return {
        "name": name.format(stage=stage, block=block, number=1 + index % 2, index=index),
        "op": "conv2d", "group": None if last else stage if stream else 10 + index,
        "width": width, "parameters": 9 * width, "macs": 900 * width,
        "pruning_ratio": None if last else share, "interval": None if last else [share / 2, share],
        "p_value": 0.5, "score": None if last else draw.random(), "score_interval": None,
        "worth": None if last else worth / 100, "worth_ratio": None if last else worth,
        "worth_interval": None if last else [worth / 150, worth / 70],
        "promise": None if last else worth,
        "promise_interval": None if last else [worth, 2 * worth],
        "widen_rank": None if last else index + 1, "expected_gain": None,
        "because": None if last else (
            f"a channel here is worth {worth:.1f} typical channels; one more promises {worth:.1f} "
            "times as much as in comparable layers, 95 % interval 0.1 to 0.2; the network has loss"
        ),
        "samples_needed": 9000 if verdict == "suspected" else None, "verdict": verdict,
        "reason": "Its channels can't be pruned: they are the network's outputs." if last else None,
        "sweep": [] if last else [[r, min(1, r * 2 * share)] for r in SWEEP],
        "sweep_intervals": None if last else [
            [min(1, r * 1.7 * share), min(1, r * 2.2 * share)] for r in SWEEP
        ],
    }  # fmt: skip


def _plan(name: str, factor: float, rows: list[dict[str, Any]]) -> Any:
    changed = [row for row in rows if row["verdict"] == "bottleneck" or factor < 2][:-1]
    return {
        "name": name, "parameters": [100_000, 120_000], "macs": [5_000_000, 6_100_000],
        "artifact": f"{name}.pt2", "incomplete": [], "error": None, "evaluation": None,
        "layers": [
            {
                "name": row["name"], "width": row["width"], "new_width": int(factor * row["width"]),
                "edits": [
                    {"module": row["name"], "attribute": "out_channels", "from": row["width"],
                     "to": int(factor * row["width"])}
                ],
            }
            for row in changed
        ],
    }  # fmt: skip
