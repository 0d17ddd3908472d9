"""`narrows follow-up`: further questions to an analysis, without its data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from narrows.vocabulary import PLANS
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


def follow_up(
    analysis: Annotated[str, typer.Argument(help="The id of an analysis: ana_…")],
    pruning_ratio: PruningRatio = None,
    cost: Cost = None,
    method: Method = None,
    rule: Rule = None,
    blocks: Blocks = None,
    plan: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{one_of(PLANS)}; may be repeated. Default: those of the analysis, with the "
            "edits of 'double'. 'all' prints the edits of all."
        ),
    ] = None,
    advise_budget: AdviseBudget = None,
    advise_cost: AdviseCost = None,
    advise_multiple: AdviseMultiple = None,
    factor: Factor = None,
    build: Build = None,
    init: Init = None,
    output: Output = Path(),
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
    """Analyse again with another pruning ratio, cost or method, without the data.

    Example: narrows follow-up ana_9d5e4f60718293040b3fa1c0 --pruning-ratio 0.3 --cost macs

    Nothing is measured again, so it takes seconds, or with another --cost, --method or --blocks
    minutes. Options that you leave out stay as they are in the analysis, but nothing is built. The
    answer is an analysis of its own, which `narrows show` finds again. Exit status as of `narrows
    analyze`.
    """
    from service.cli.checks import check_follow_up
    from service.cli.finish import finish
    from service.cli.following import connected
    from service.cli.progress import Steps
    from service.cli.uploading import require_id

    identity = require_id(analysis, "ana")
    findings = Outputs(junit, sarif, github, source_file, mlflow, fail_on, against, report)
    findings.require_possible(detach=detach)
    of_plans = plan, factor, advise_budget, advise_cost, advise_multiple
    asked = asked_plans(*of_plans)
    values = {
        "pruning_ratio": pruning_ratio, "cost": cost, "method": method, "rule": rule,
        "blocks": blocks, "plans": asked.plans, "advise": asked.advise, "build": build,
        "init": init,
    }  # fmt: skip
    changes: Any = {key: value for key, value in values.items() if value is not None}
    if not changes:
        raise typer.BadParameter("Say what is to be different, such as --pruning-ratio 0.3.")
    changes |= naming_of(name, tag, metadata)
    check_follow_up(changes)
    prepare_output(output, build, [])
    steps = Steps()
    with connected(steps) as client:
        if asked.plans:
            usual = client.analyses.retrieve(identity).request["plans"]
            changes["plans"] = asked_plans(*of_plans, usual=usual).plans
        made = client.analyses.create_follow_up(identity, **changes)
        finish(
            steps, client, made.id, findings, asked.edits_of, output,
            detach=detach, as_json=as_json,
        )  # fmt: skip
