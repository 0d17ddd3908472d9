"""`narrows plan`: another plan of an analysis, without its data."""

from typing import Annotated, Any

import typer

from narrows.vocabulary import ADVISE, BUDGET_KINDS
from service.cli.options import ALL, CUSTOM, AsJson, factors_in, one_of, requested_advice

Factor = Annotated[
    list[str] | None,
    typer.Option(metavar="LAYER=NUMBER", help="Multiply this layer's width; may be repeated."),
]


def plan(
    analysis: Annotated[str, typer.Argument(help="The id of an analysis: ana_…")],
    factor: Factor = None,
    name: Annotated[
        str | None, typer.Option(help=f"The name of a plan with factors; '{CUSTOM}' if not given.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help=f"Without factors: how much the plan '{ADVISE}' may add, such as 10%.",
        ),
    ] = None,
    cost: Annotated[
        str | None, typer.Option(help=f"What a budget adds: {one_of(BUDGET_KINDS)}.")
    ] = None,
    multiple: Annotated[
        int | None, typer.Option(help="With a budget: make widths multiples of this.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make another plan of an analysis, in seconds: your own widths, or a budget.

    Example: narrows plan ana_9d5e4f60718293040b3fa1c0 --factor features.3=1.5

    Nothing is measured again, so the data need not be there any more. The plan is in an analysis of
    its own, which `narrows show` finds again.
    """
    from rich.console import Console

    from service.cli.following import connected, followed
    from service.cli.printing import print_json
    from service.cli.progress import Steps
    from service.cli.report_plans import print_plans
    from service.cli.report_summary import summary_of
    from service.cli.run_analysis import result_of
    from service.cli.uploading import require_id

    identity = require_id(analysis, "ana")
    options: Any = requested_advice(budget, cost, multiple, "--budget") or {}
    if bool(factor) == bool(options) or (options and (budget is None or name)):
        raise typer.BadParameter("Give --factor, with a --name, or else --budget.")
    if factor:
        options = {"name": name or CUSTOM, "factors": factors_in(factor)}
    steps = Steps()
    with connected(steps) as client:
        made = followed(steps, client, client.analyses.create_plan(identity, **options).id)
        result = result_of(steps, client, made, None)
    if as_json:
        print_json(result)
        return
    advice = summary_of(made).advice
    print_plans(Console(highlight=False), made.id, result.plans, [ALL], advice)
    (planned,) = result.plans
    wanted = f"--plan {planned.name} -o {planned.name}.pt2"
    typer.echo(f"To build its network: narrows build {made.id} {wanted}")
