"""Prints what a result rests on: loss and accuracy, a doubt of them, and what pruning costs."""

from collections.abc import Iterable

from rich.console import Console

from narrows.client import Analysis
from narrows.client.types import FirstLook, Layer, Summary
from narrows.report.texts import number, quality
from service.cli.tables import make_table, print_table, print_text


def print_summary(console: Console, analysis: Analysis) -> None:
    """Print the samples, how well the network does on them, and why verdicts are withheld."""
    summary = summary_of(analysis)
    print_text(
        console,
        f"{summary.samples:,} samples, {quality(summary.to_dict())}; of {summary.structures:,} "
        f"channels {_pruned(analysis)}.",
    )
    if text := _baseline(summary):
        print_text(console, text)
    if doubt := summary.doubt:
        print_text(console, f"No verdict: {doubt}", "bold red")


def print_first_look(console: Console, look: FirstLook) -> None:
    """Print what the first samples say of the network, before the analysis has ended."""
    print_text(console, f"On the first {look.samples:,} samples: {quality(look.to_dict())}.")
    if text := _baseline(look):
        print_text(console, text)
    if doubt := look.doubt:
        print_text(console, f"Verdicts will be withheld: {doubt}", "bold red")


def print_removals(console: Console, analysis: Analysis) -> None:
    """Print what the network can do after the removal of ever more channels, and the cliff."""
    summary = summary_of(analysis)
    if summary.not_measured:
        print_text(console, summary.not_measured, "dim")
    removals = summary.removals or []
    if not removals:
        return
    with_accuracy = any(removal.accuracy is not None for removal in removals)
    table = make_table("removed", "measured loss", *(["accuracy"] if with_accuracy else []))
    for removal in removals:
        accuracy = removal.accuracy
        cells = [f"{removal.ratio:.0%}", number(removal.loss)]
        table.add_row(*cells, "" if accuracy is None else f"{accuracy:.1%}")
    for column in table.columns:
        column.justify = "right"
    print_table(console, table)
    cliff = summary.cliff
    if cliff is None:
        return
    if cliff:
        text = f"Up to {cliff:.0%} removed, at least half of what the network has learned is left."
    else:
        text = "No removal that was tried leaves half of what the network has learned."
    print_text(console, text)


def print_gains(console: Console, analysis: Analysis, layers: Iterable[Layer]) -> None:
    """Print which layer is expected to gain most by more parameters, and what that rests on."""
    expected = ((layer.name, layer.expected_gain) for layer in layers)
    found = [(g, name) for name, gains in expected if gains and (g := gains.parameters)]
    if not found:
        return
    gain, name = max(found, key=lambda one: one[0].gain)
    low, high = gain.interval
    text = f"Widening {name} is expected to gain most: {gain.gain:.2g} less loss"
    print_text(console, f"{text} ({low:.2g} to {high:.2g}) for each 1% more parameters.")
    if basis := summary_of(analysis).gain_basis:
        print_text(console, basis, "dim")


def summary_of(analysis: Analysis) -> Summary:
    """Return the summary of an analysis that succeeded."""
    summary = analysis.summary
    assert summary is not None  # noqa: S101 - the API promises it
    return summary


def _baseline(measured: Summary | FirstLook) -> str:
    baseline = measured.baseline
    if not baseline:
        return ""
    answer = {"shuffled": "Its own answers to other samples"}.get(
        baseline.kind, "A constant answer"
    )
    return f"{answer} would give {quality(baseline.to_dict())}."


def _pruned(analysis: Analysis) -> str:
    share = f"{analysis.request['pruning_ratio']:.0%}"
    saved = {"parameters": "parameters", "macs": "MACs"}.get(analysis.request["cost"])
    return f"those are pruned that save {share} of the {saved}" if saved else f"{share} are pruned"
