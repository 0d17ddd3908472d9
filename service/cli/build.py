"""`narrows build`: the network of a plan of an analysis, without its data."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from service.cli.options import CUSTOM, AsJson, factors_in
from service.cli.plan import Factor


def build(
    analysis: Annotated[str, typer.Argument(help="The id of an analysis: ana_…")],
    plan: Annotated[
        str | None,
        typer.Option(help="The name of a plan, or 'pruned': without the removed channels."),
    ] = None,
    factor: Factor = None,
    init: Annotated[
        Literal["preserve", "fresh"],
        typer.Option(help="preserve: new channels keep the function; fresh: they are random."),
    ] = "preserve",
    pruning_ratio: Annotated[
        float | None,
        typer.Option(help="For 'pruned': the share that is removed, if not the analysis' own."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", dir_okay=False, help="Default: the plan's name, .pt2."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the network of a plan, and download it: verified against the original.

    Example: narrows build ana_9d5e4f60718293040b3fa1c0 --plan double -o double.pt2

    Nothing is measured again, so the data need not be there any more.
    """
    from rich.console import Console

    from narrows.report.texts import size
    from service.cli.errors import CommandError
    from service.cli.following import connected, followed
    from service.cli.printing import print_json
    from service.cli.progress import Steps
    from service.cli.report_plans import print_plans
    from service.cli.run_analysis import Result
    from service.cli.uploading import require_id

    identity = require_id(analysis, "ana")
    if (plan is None) == (not factor):
        raise typer.BadParameter("Give either --plan or --factor.")
    name = plan or CUSTOM
    target = output or Path(f"{name}.pt2")
    if not target.parent.is_dir():
        raise typer.BadParameter(f"The folder {target.parent} of {target} does not exist.")
    wanted: Any = {"name": CUSTOM, "factors": factors_in(factor)} if factor else name
    steps = Steps()
    with connected(steps) as client:
        asked = client.analyses.create_build(
            identity, plan=wanted, init=init, pruning_ratio=pruning_ratio
        )
        made = followed(steps, client, asked.id)
        (planned,) = made.plans
        if planned.error:
            raise CommandError(planned.error)
        (artifact,) = made.artifacts
        with steps.step(f"Downloading {artifact.name}", artifact.size) as step:
            client.analyses.download(made.id, artifact.name, target, step.advance)
        result = Result(made, [*made.layers], [planned], [(artifact, target)])
    if as_json:
        print_json(result)
        return
    print_plans(Console(highlight=False), made.id, [planned], [name])
    typer.echo(f"Built {target} ({size(artifact.size)})")
