"""What an analysis predicts that the variants of a trial gain.

The expected gain of a layer is for one percent more of the network's parameters (docs/method.md,
"Expected gain"). What a plan adds is divided among the layers that it widens. So a variant gains
for each percent at least what the least of these layers does, and at most what the largest does.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from narrows.vocabulary import ORIGINAL
from service.database.tables import ANALYSES, Analysis, Layer, Plan
from service.database.trials import Trial
from service.jobs.repository import JobRepository

Interval = tuple[float, float]


class Prediction(NamedTuple):
    """The fall of the held-out loss: the least and the largest by layer, and the interval."""

    gains: Interval
    interval: Interval


def predictions(session: Session, trial: Trial) -> tuple[dict[str, Prediction], str]:
    """Return the prediction for each variant that has one, and what they rest on or lack."""
    analysis = session.get_one(Analysis, trial.analysis_id)
    if trial.request["recipe"]["start"] != "scratch":
        return {}, "Nothing is predicted for a training that starts from the upload's weights."
    if trial.request["loss"] != analysis.request["loss"]:
        return {}, "Nothing is predicted for another loss than that of the analysis."
    rows = JobRepository(session, ANALYSES)
    layers, plans = rows.results(Layer, analysis.id), rows.results(Plan, analysis.id)
    variants = (trial.planned or {}).get("variants", [])
    return dict(_predicted(variants, layers, plans)), (analysis.summary or {}).get("gain_basis", "")


def _predicted(
    variants: Sequence[Mapping[str, Any]], layers: Sequence[Layer], plans: Sequence[Plan]
) -> Iterator[tuple[str, Prediction]]:
    sizes = {one["name"]: one["parameters"] for one in variants}
    for variant in variants:
        percent = 100 * (variant["parameters"] / sizes[ORIGINAL] - 1)
        gains = [
            (one.expected_gain or {}).get("parameters") for one in _widened(variant, layers, plans)
        ]
        if percent > 0 and gains and all(gains):
            yield variant["name"], _of_layers(gains, percent)


def _of_layers(gains: Sequence[Any], percent: float) -> Prediction:
    values = [percent * gain["gain"] for gain in gains]
    ends = [percent * end for gain in gains for end in gain["interval"]]
    return Prediction((min(values), max(values)), (min(ends), max(ends)))


def _widened(
    variant: Mapping[str, Any], layers: Sequence[Layer], plans: Sequence[Plan]
) -> list[Layer]:
    """Return the layers that a variant widens; none if it also narrows some."""
    if variant["kind"] == "uniform":
        return [layer for layer in layers if layer.group is not None]
    changes = [row for plan in plans if plan.name == variant["plan"] for row in plan.layers]
    if variant["kind"] != "plan" or any(row["new_width"] < row["width"] for row in changes):
        return []
    names = {row["name"] for row in changes if row["new_width"] > row["width"]}
    return [layer for layer in layers if layer.name in names]
