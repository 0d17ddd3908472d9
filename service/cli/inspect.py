"""`narrows inspect`: shows what is in a network, or in a dataset."""

from typing import Annotated

import typer

from service.cli.options import AsJson


def inspect(
    file: Annotated[
        str, typer.Argument(help="A `.pt2` file, a dataset, or the id of an uploaded one.")
    ],
    transform: Annotated[
        str | None,
        typer.Option(help="Of a dataset: preprocessing, in JSON, as in `narrows analyze`."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a network's channel groups and why layers can't be pruned, or what a dataset holds.

    Example: narrows inspect net.pt2

    Layers of one group share their channels, for instance because their outputs are added. If the
    width of one of them changes, the widths of all change. Of a dataset it shows shapes, classes,
    and the first sample as the network gets it. Files are uploaded, and stay for analyses.
    """
    from narrows.client.types import Dataset, Model
    from service.cli.checks import checked_transform
    from service.cli.following import connected
    from service.cli.inspection import print_dataset, print_model
    from service.cli.printing import print_json
    from service.cli.progress import Steps
    from service.cli.uploading import ready_dataset, ready_model, source

    origin = source(file, "mdl", "dst")
    is_model = file.endswith(".pt2") or file.startswith("mdl_")
    if transform is not None and (is_model or isinstance(origin, str)):
        raise typer.BadParameter("--transform belongs to a file of data; leave it out.")
    preprocessing = None if transform is None else checked_transform(transform)
    steps = Steps()
    with connected(steps) as client:
        inspected: Model | Dataset
        if is_model:
            inspected = ready_model(steps, client, origin)
        else:
            inspected = ready_dataset(steps, client, origin, preprocessing)
    if as_json:
        print_json(inspected)
    else:
        (print_model if is_model else print_dataset)(inspected)
