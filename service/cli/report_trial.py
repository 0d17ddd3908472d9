"""Prints what a trial found, as a table."""

from rich.console import Console
from rich.markup import escape

from narrows.client import Trial
from narrows.client.types import Mean, TrialRun, Variant
from service.cli.naming import print_naming
from service.cli.tables import make_table, print_table, print_text


def print_trial(trial: Trial, runs: list[TrialRun]) -> None:
    """Print a row for each variant, why some have none, and where to find the trial again."""
    console, summary = Console(highlight=False), trial.summary
    print_naming(console, trial)
    if summary is None:
        return
    table = make_table("variant", "parameters", "loss", "accuracy", "gain", "95 %")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in summary.variants:
        table.add_row(*map(escape, cells(row)), style="bold" if _is_sure(row.gain) else "")
    print_table(console, table)
    seeds = len({run.seed for run in runs})
    print_text(
        console,
        f"{seeds} seed{'' if seeds == 1 else 's'}. A gain is how much lower the loss is than that "
        "of original with the same seed, on samples that were held out.",
    )
    for name, reason in summary.left_out.items():
        print_text(console, f"{name} was left out: {reason}.")
    for run in runs:
        if run.error:
            told = run.error.detail
            print_text(console, f"{run.variant} with seed {run.seed} failed: {told}")
    console.print()
    print_text(console, f"To see this again: narrows show {trial.id}")
    print_text(console, f"In a browser: {trial.url}")


def cells(row: Variant) -> tuple[str, ...]:
    """Return a variant's row as texts.

    >>> gain = {"value": 0.0123, "interval": [0.004, 0.0206], "count": 3}
    >>> loss, none = {"value": 0.25, "interval": None, "count": 3}, {"loss": None, "accuracy": None}
    >>> row = {"name": "double", "parameters": 1200, **none, "gain": gain} | {"loss": loss}
    >>> cells(Variant(row))
    ('double', '1,200', '0.2500', '', '+0.0123', '+0.0040 to +0.0206')
    """
    loss, accuracy, gain = row.loss, row.accuracy, row.gain
    interval = gain.interval if gain else None
    return (
        row.name,
        "" if row.parameters is None else f"{row.parameters:,}",
        f"{loss.value:.4f}" if loss else "",
        f"{accuracy.value:.2%}" if accuracy else "",
        f"{gain.value:+.4f}" if gain else "",
        f"{interval[0]:+.4f} to {interval[1]:+.4f}" if interval else "",
    )


def _is_sure(gain: Mean | None) -> bool:
    """Return whether the interval of a gain lies above 0."""
    return bool(gain and gain.interval and gain.interval[0] > 0)
