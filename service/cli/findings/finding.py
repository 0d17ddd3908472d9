"""What a result says that somebody should see: a layer and its verdict, in one sentence."""

from dataclasses import dataclass
from typing import Literal

from narrows.client.types import Layer
from service.cli.options import Verdict
from service.cli.report_summary import of_layer_alone, summary_of
from service.cli.run_analysis import Result

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


def findings_of(result: Result, fail_on: Verdict | None) -> list[Finding]:
    """Return the findings; those are errors that `--fail-on` asks for."""
    if reason := nothing_decided(result):
        text = f"Nothing could be decided: {reason}"
        return [Finding(NETWORK, "undecided", "error" if fail_on else "warning", text)]
    return [
        Finding(layer["name"], layer["verdict"], _level(layer, fail_on), _text(result, layer))
        for layer in result["layers"]
        if layer["verdict"] in WORTH_A_LOOK
    ]


def fails(layer: Layer, verdict: Verdict) -> bool:
    """Return whether a layer has a verdict, or a worse one."""
    return layer["verdict"] in {"bottleneck", verdict}


def nothing_decided(result: Result) -> str:
    """Return why no layer has a verdict, if none has."""
    if doubt := summary_of(result["analysis"]).get("doubt"):
        return doubt
    prunable = [layer for layer in result["layers"] if layer["verdict"] != "not_prunable"]
    if not prunable:
        return "no layer can be pruned, so none was judged; `narrows inspect` says why."
    if all(str(layer["verdict"]) == "undecided" for layer in prunable):
        why = {_without_numbers(layer) for layer in prunable}
        return f"every layer is undecided: {'; '.join(sorted(why))}"
    return ""


def _level(layer: Layer, fail_on: Verdict | None) -> Level:
    if fail_on is not None and fails(layer, fail_on):
        return "error"
    return "warning" if layer["verdict"] == "bottleneck" else "note"


def _text(result: Result, layer: Layer) -> str:
    because = of_layer_alone(str(layer["because"] or layer["reason"] or "")).rstrip(".")
    channels = "1 channel" if layer["width"] == 1 else f"{layer['width']} channels"
    text = f"{layer['name']} ({channels}) is {_with_article(layer['verdict'])}"
    text += f": {because}." if because else "."
    widths = (
        planned["new_width"]
        for plan in result["plans"]
        if plan["name"] == "double" and layer["verdict"] == "bottleneck"
        for planned in plan["layers"]
        if planned["name"] == layer["name"]
    )
    return text + "".join(f" The plan 'double' widens it to {width}." for width in widths)


def _with_article(verdict: str) -> str:
    return f"a {verdict}" if verdict == "bottleneck" else verdict


def _without_numbers(layer: Layer) -> str:
    """Return why a layer is undecided, without its own score, which comes first."""
    reason = str(layer["because"] or layer["reason"] or "no reason given")
    return of_layer_alone(reason.partition("; ")[2] or reason)
