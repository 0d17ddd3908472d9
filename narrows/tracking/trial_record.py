"""What a history of experiments keeps of a trial. Its keys begin with `narrows/trial/`.

So a run may keep an analysis as well, which has options and scores of the same names.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from narrows.tracking.record import Record, ends_of, key_of, metrics_of, texts_of

FOLDER = "trial"
PARTS = ("recipe", "fine_tune")
"""The options that have options of their own, each of which gets a key."""
COSTS = ("parameters", "macs")
MEANS = ("loss", "accuracy", "gain", "accuracy_gain")


def record_of_trial(
    trial: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], title: str, url: str
) -> Record:
    """Return the record of a trial that succeeded: its document in the API, and those of its runs.

    `title` names the record, and `url` is where the trial is found.
    """
    summary = trial["summary"]
    options = dict(_options(trial["request"]))
    origin = {k: value for k, value in trial["provenance"].items() if k not in options}
    origin |= {"id": trial["id"], "url": url, "analysis": trial["analysis_id"]}
    origin["left_out"] = summary["left_out"]
    numbers = dict(pair for variant in summary["variants"] for pair in _of_variant(variant))
    return Record(
        name=title,
        params=texts_of(_within_folder(options)),
        metrics=metrics_of(_within_folder(numbers)),
        tags=texts_of(_within_folder(origin)),
        texts={
            "variants.json": json.dumps(summary["variants"], indent=2),
            "runs.json": json.dumps(runs, indent=2),
        },
    )


def _options(request: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in request.items():
        if name in PARTS:
            yield from ((f"{name}/{part}", one) for part, one in value.items())
        else:
            yield name, value


def _of_variant(variant: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a variant costs and its means over seeds, with their keys; its name comes last."""
    name = key_of(variant["name"])
    for cost in COSTS:
        yield f"{cost}/{name}", variant[cost]
    for score in MEANS:
        if mean := variant[score]:
            yield f"{score}/{name}", mean["value"]
            yield from ends_of(score, name, mean["interval"])


def _within_folder(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{FOLDER}/{name}": value for name, value in values.items()}
