"""`narrows trial`: trains what plans build, and prints what was gained."""

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from narrows.trials.options import MOST_SEEDS
from narrows.vocabulary import (
    LOSS_NAMES,
    OPTIMIZERS,
    PLANS,
    SCHEDULES,
    STARTS,
    VARIANT_KINDS,
    Init,
)
from service.cli.analysis_options import AdviseCost, AdviseMultiple, Factor
from service.cli.findings.outputs import Mlflow, Outputs
from service.cli.naming import Metadata, Name, Tag, naming_of
from service.cli.options import AsJson, one_of, requested_advice, requested_trial_plans

RECIPE = (
    "optimizer", "learning_rate", "momentum", "weight_decay", "schedule", "warmup", "epochs",
    "steps", "batch_size", "flip", "crop", "label_smoothing", "start",
)  # fmt: skip
"""The options that are parts of the recipe."""


def trial(
    model: Annotated[
        str | None, typer.Argument(help="A `.pt2` file, or the id of an uploaded model.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Argument(help="A file of data, as of `narrows analyze`, or the id of a dataset."),
    ] = None,
    analysis: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Try the plans of this analysis, instead of a new one."),
    ] = None,
    plan: Annotated[
        list[str] | None,
        typer.Option(help=f"{one_of(PLANS)}; may be repeated. Default: double and advise."),
    ] = None,
    factor: Factor = None,
    advise_budget: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="How much the plan 'advise' may add, 10% by default."),
    ] = None,
    advise_cost: AdviseCost = None,
    advise_multiple: AdviseMultiple = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(help=f"{one_of(VARIANT_KINDS)}; may be repeated. Default: all."),
    ] = None,
    init: Annotated[
        list[str] | None,
        typer.Option(help=f"{one_of(get_args(Init))}, for --start upload; may be repeated."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_SEEDS, help="Train everything with so many seeds. Default: 3."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="How long to train. Default: 20.")] = None,
    steps: Annotated[int | None, typer.Option(help="How long, instead of --epochs.")] = None,
    optimizer: Annotated[str | None, typer.Option(help=f"{one_of(OPTIMIZERS)}.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The peak. Default: 0.001.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Of sgd. Default: 0.9.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of all parameters.")] = None,
    schedule: Annotated[str | None, typer.Option(help=f"{one_of(SCHEDULES)}.")] = None,
    warmup: Annotated[
        float | None, typer.Option(help="The share of the steps in which the rate rises.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples in a step.")] = None,
    flip: Annotated[
        bool | None, typer.Option("--flip", help="Mirror inputs by chance, along the last axis.")
    ] = None,
    crop: Annotated[
        int | None, typer.Option(help="Move inputs by up to so many pixels, by chance.")
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="The share of a label that goes to all classes.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help=f"{one_of(STARTS)}: new weights, or those of the model."),
    ] = None,
    holdout: Annotated[
        float | None, typer.Option(help="The share of the samples to measure on. Default: 0.2.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help=f"{one_of(LOSS_NAMES)}.")] = None,
    max_samples: Annotated[
        int | None, typer.Option(help="The largest number of samples to use.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="How many threads a training uses. Default: 1.")
    ] = None,
    time_limit_seconds: Annotated[
        int | None, typer.Option(help="Runs that have not ended by then fail.")
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option(help="Preprocessing, in JSON, as of `narrows analyze`."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            file_okay=False,
            help="Download the trained networks into this folder.",
        ),
    ] = None,
    mlflow: Mlflow = False,
    name: Name = None,
    tag: Tag = None,
    metadata: Metadata = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the id of the trial, and do not wait for it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train what plans build, and see what was gained: a prediction is checked by training.

    Example: narrows trial net.pt2 data.npz --plan double --epochs 30 --seeds 5

    Without --analysis, the network is analysed first. Each variant is trained with each seed, and
    held against the network with its own widths. Ctrl-C leaves the trial, which `narrows show`
    finds again; a second Ctrl-C cancels it. Exit status: 0 done, 1 failed, 2 wrong usage, 5 not
    logged to MLflow.
    """
    given = dict(locals())

    from service.cli.checks import checked_transform, checked_trial
    from service.cli.following import connected
    from service.cli.progress import Steps
    from service.cli.run_trial import request_trial, show_trial
    from service.cli.uploading import require_id, source

    if (analysis is None) == (model is None) or (model is None) != (dataset is None):
        raise typer.BadParameter("Give a model and a dataset, or else --analysis.")
    sources = None if analysis else (source(str(model), "mdl"), source(str(dataset), "dst"))
    preprocessing = None if transform is None else checked_transform(transform)
    if preprocessing is not None and sources is None:
        raise typer.BadParameter("The analysis says this; leave out --transform.")
    Outputs(mlflow=mlflow).require_possible(detach=detach)
    advice = requested_advice(advise_budget, advise_cost, advise_multiple)
    values: dict[str, Any] = {
        "plans": requested_trial_plans(plan, factor, advised=advice is not None),
        "advise": advice,
        "variants": variant,
        "inits": init,
        "seeds": None if seeds is None else list(range(seeds)),
        "recipe": {name: given[name] for name in RECIPE if given[name] is not None} or None,
        "transform": preprocessing if sources and isinstance(sources[1], str) else None,
        "holdout": holdout,
        "loss": loss,
        "max_samples": max_samples,
        "threads": threads,
        "time_limit_seconds": time_limit_seconds,
        "analysis_id": analysis and require_id(analysis, "ana"),
        **naming_of(name, tag, metadata),
    }
    request = {key: value for key, value in values.items() if value is not None}
    checked_trial(request)
    steps_shown = Steps()
    with connected(steps_shown) as client:
        identity = request_trial(steps_shown, client, sources, preprocessing, request)
        if detach:
            steps_shown.note(f"Come back with: narrows show {identity}")
            typer.echo(identity)
            return
        show_trial(steps_shown, client, identity, output, mlflow=mlflow, as_json=as_json)
