"""`narrows analyze`: analyses a model file on a dataset file, and prints tables."""

from pathlib import Path
from typing import Annotated, Any

import typer

from narrows.vocabulary import ADVISE, BUDGET_KINDS, COST_KINDS, LOSS_NAMES, METHODS, PLANS, RULES
from service.cli.findings.outputs import Github, Junit, Mlflow, Outputs, Sarif, Source
from service.cli.naming import Metadata, Name, Tag, naming_of
from service.cli.options import (
    CUSTOM,
    Against,
    AsJson,
    FailOn,
    one_of,
    prepare_output,
    requested_advice,
    requested_plans,
)
from service.cli.report_file import ReportFile


def analyze(
    model: Annotated[str, typer.Argument(help="A `.pt2` file, or the id of an uploaded model.")],
    dataset: Annotated[
        str,
        typer.Argument(
            help="A `.npz` file of x and y, a `.zip` of images, …: docs/data.md. Or an id."
        ),
    ],
    pruning_ratio: Annotated[
        float | None, typer.Option(help="The share of all channels that is removed, 0 to 1.")
    ] = None,
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
    cost: Annotated[
        str | None, typer.Option(help=f"What the pruning ratio counts: {one_of(COST_KINDS)}.")
    ] = None,
    plan: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{one_of(PLANS)}; may be repeated. Default: all but 'advise', with the edits of "
            "'double'. 'all' prints the edits of all."
        ),
    ] = None,
    advise_budget: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="How much the plan 'advise' may add, 10% if not given; adds the plan.",
        ),
    ] = None,
    advise_cost: Annotated[
        str | None, typer.Option(help=f"What 'advise' adds: {one_of(BUDGET_KINDS)}.")
    ] = None,
    advise_multiple: Annotated[
        int | None,
        typer.Option(
            help="'advise' makes widths multiples of this; if not given, of 8 from 64 channels on."
        ),
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER=NUMBER",
            help="Multiply this layer's width, in a plan 'custom'; may be repeated.",
        ),
    ] = None,
    build: Annotated[
        list[str] | None,
        typer.Option(help="Build the network of this plan, or 'pruned'; may be repeated."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="preserve: new channels keep the function; fresh: they are random."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="The folder for built networks.")
    ] = Path(),
    method: Annotated[
        str | None,
        typer.Option(help=f"{one_of(METHODS)}: how channels are ranked."),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            help=f"{one_of(RULES)}: what verdicts rest on. Default: worth, where the method "
            "measures it."
        ),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(help="weights or channel: what removing a channel sets to zero."),
    ] = None,
    curvature: Annotated[
        str | None, typer.Option(help="sampled or exact, for sosp_i, joint and obs.")
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="The number of removal steps, for sosp_i, joint and obs.")
    ] = None,
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
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Print the id of the analysis, and do not wait for it."),
    ] = False,
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
    advice = requested_advice(advise_budget, advise_cost, advise_multiple)
    plans = requested_plans(plan, factor, advised=advice is not None)
    values = {
        "pruning_ratio": pruning_ratio, "max_samples": max_samples, "batch_size": batch_size,
        "loss": loss, "seed": seed, "exclude": exclude, "method": method, "gate": gate,
        "rule": rule, "curvature": curvature, "blocks": blocks,
        "cost": cost, "plans": plans, "advise": advice, "build": build, "init": init,
        "transform": preprocessing if isinstance(dataset_source, str) else None,
        **naming_of(name, tag, metadata),
    }  # fmt: skip
    options: Any = {key: value for key, value in values.items() if value is not None}
    request = checked_request(options)
    prepare_output(output, build, [model_source, dataset_source])

    from service.cli.following import connected, follow, left_on_interrupt, require_success
    from service.cli.printing import print_answer
    from service.cli.progress import Steps
    from service.cli.run_analysis import request_analysis, result_of

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
        if detach:
            steps.note(f"Come back with: narrows show {identity}")
            typer.echo(identity)
            return
        with left_on_interrupt(steps, client, identity):
            analysis = follow(steps, client, identity)
        require_success(analysis)
        result = result_of(steps, client, analysis, output)
        added = [*([CUSTOM] if factor else ()), *([ADVISE] if advice else ())]
        edits_of = [*(plan or ()), *added] or ["double"]
        print_answer(result, edits_of, as_json=as_json)
        findings.finish(client, result)
