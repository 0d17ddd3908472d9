"""`narrows analyze`: analyses a model file on a dataset file, and prints tables."""

from pathlib import Path
from typing import Annotated, Any

import typer

from narrows.vocabulary import LOSS_NAMES, PLANS
from service.cli.analysis_options import (
    AdviseBudget,
    AdviseCost,
    AdviseMultiple,
    Blocks,
    Build,
    Cost,
    Detach,
    Factor,
    Init,
    Method,
    Output,
    PruningRatio,
    Rule,
    asked_plans,
)
from service.cli.findings.outputs import Github, Junit, Mlflow, Outputs, Sarif, Source
from service.cli.naming import Metadata, Name, Tag, naming_of
from service.cli.options import Against, AsJson, FailOn, one_of, prepare_output
from service.cli.report_file import ReportFile


def analyze(
    model: Annotated[str, typer.Argument(help="A `.pt2` file, or the id of an uploaded model.")],
    dataset: Annotated[
        str,
        typer.Argument(
            help="A `.npz` file of x and y, a `.zip` of images, …: docs/data.md. Or an id."
        ),
    ],
    pruning_ratio: PruningRatio = None,
    max_samples: Annotated[
        int | None, typer.Option(help="The largest number of samples to use.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="The number of samples in a batch.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help=f"{one_of(LOSS_NAMES)}; model: the program returns its loss."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The seed of the random choice of samples.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Keep the width of the layer of this name; may be repeated."),
    ] = None,
    cost: Cost = None,
    plan: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{one_of(PLANS)}; may be repeated. Default: all but 'advise', with the edits of "
            "'double'. 'all' prints the edits of all."
        ),
    ] = None,
    advise_budget: AdviseBudget = None,
    advise_cost: AdviseCost = None,
    advise_multiple: AdviseMultiple = None,
    factor: Factor = None,
    build: Build = None,
    init: Init = None,
    output: Output = Path(),
    method: Method = None,
    rule: Rule = None,
    gate: Annotated[
        str | None,
        typer.Option(help="weights or channel: what removing a channel sets to zero."),
    ] = None,
    curvature: Annotated[
        str | None, typer.Option(help="sampled or exact, for sosp_i, joint and obs.")
    ] = None,
    blocks: Blocks = None,
    transform: Annotated[
        str | None,
        typer.Option(
            help='Preprocessing, in JSON: {"resize": 256, "crop": 224, "mean": [0.5]}. With '
            "the id of a dataset, it is for this analysis alone."
        ),
    ] = None,
    fail_on: FailOn = None,
    against: Against = None,
    junit: Junit = None,
    sarif: Sarif = None,
    github: Github = False,
    source_file: Source = None,
    mlflow: Mlflow = False,
    report: ReportFile = None,
    name: Name = None,
    tag: Tag = None,
    metadata: Metadata = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Find the bottlenecks of a network: upload it, wait, and print the results.

    Example: narrows analyze net.pt2 data.npz --build double --build pruned --output built

    The server is `NARROWS_URL` (default http://127.0.0.1:8000), the key `NARROWS_API_KEY` (default:
    the key of the embedded server). Options that you leave out have the server's defaults. Ctrl-C
    leaves the analysis, which `narrows show` finds again; a second Ctrl-C cancels it. Exit status:
    0 done, 1 failed, 2 wrong usage, 3 and 4 see --fail-on, 5 not logged to MLflow.
    """
    from service.cli.checks import check_against_model, checked_request, checked_transform
    from service.cli.uploading import source

    model_source, dataset_source = source(model, "mdl"), source(dataset, "dst")
    preprocessing = None if transform is None else checked_transform(transform)
    findings = Outputs(junit, sarif, github, source_file, mlflow, fail_on, against, report)
    findings.require_possible(detach=detach)
    asked = asked_plans(plan, factor, advise_budget, advise_cost, advise_multiple)
    values = {
        "pruning_ratio": pruning_ratio, "max_samples": max_samples, "batch_size": batch_size,
        "loss": loss, "seed": seed, "exclude": exclude, "method": method, "gate": gate,
        "rule": rule, "curvature": curvature, "blocks": blocks,
        "cost": cost, "plans": asked.plans, "advise": asked.advise, "build": build, "init": init,
        "transform": preprocessing if isinstance(dataset_source, str) else None,
        **naming_of(name, tag, metadata),
    }  # fmt: skip
    options: Any = {key: value for key, value in values.items() if value is not None}
    request = checked_request(options)
    prepare_output(output, build, [model_source, dataset_source])

    from service.cli.finish import finish
    from service.cli.following import connected
    from service.cli.progress import Steps
    from service.cli.run_analysis import request_analysis

    steps = Steps()
    with connected(steps) as client:
        identity = request_analysis(
            steps,
            client,
            model_source,
            dataset_source,
            preprocessing,
            options,
            check_model=lambda inspection: check_against_model(request, inspection),
        )
        finish(
            steps, client, identity, findings, asked.edits_of, output,
            detach=detach, as_json=as_json,
        )  # fmt: skip
