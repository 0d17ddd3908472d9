"""What a result says that somebody should see: a layer and its verdict, in one sentence."""

from dataclasses import dataclass
from typing import Literal

from narrows.client.types import Layer
from narrows.report.texts import of_layer_alone
from service.cli.fail_on import Gate
from service.cli.run_analysis import Result
from service.cli.undecided import nothing_decided

Level = Literal["error", "warning", "note"]
"""SARIF 2.1.0, §3.27.10."""

WORTH_A_LOOK = ("bottleneck", "suspected", "redundant")
"""The verdicts that are findings."""

NETWORK = "the network"
"""Stands for the layer of a finding that is about all of them."""


@dataclass(frozen=True)
class Finding:
    """A layer's verdict, or that there is none: then `layer` is NETWORK."""

    layer: str
    verdict: str
    level: Level
    text: str


def findings_of(result: Result, gate: Gate) -> list[Finding]:
    """Return the findings; those are errors that the gate finds."""
    if reason := nothing_decided(result):
        text = f"Nothing could be decided: {reason}"
        return [Finding(NETWORK, "undecided", "error" if gate.word else "warning", text)]
    return [
        Finding(layer.name, layer.verdict, _level(layer, gate), _text(result, layer))
        for layer in result.layers
        if layer.verdict in WORTH_A_LOOK
    ]


def _level(layer: Layer, gate: Gate) -> Level:
    if layer.name in gate.failing:
        return "error"
    return "warning" if layer.verdict == "bottleneck" else "note"


def _text(result: Result, layer: Layer) -> str:
    because = of_layer_alone(str(layer.because or layer.reason or "")).rstrip(".")
    channels = "1 channel" if layer.width == 1 else f"{layer.width} channels"
    text = f"{layer.name} ({channels}) is {_with_article(layer.verdict)}"
    text += f": {because}." if because else "."
    widths = (
        planned.new_width
        for plan in result.plans
        if plan.name == "double" and layer.verdict == "bottleneck"
        for planned in plan.layers
        if planned.name == layer.name
    )
    return text + "".join(f" The plan 'double' widens it to {width}." for width in widths)


def _with_article(verdict: str) -> str:
    return f"a {verdict}" if verdict == "bottleneck" else verdict
