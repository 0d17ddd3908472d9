"""Checks that a network, a dataset and a loss fit together; errors say what to change."""

from functools import partial

from narrows.graph.network import Network
from narrows.graph.node import Input
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.targets import TargetsError, require_fitting_targets, require_own_loss
from service.logs import first_line
from worker.errors import RefusedError
from worker.formats.samples import Samples

_unfit = partial(RefusedError, "shapes-do-not-fit", "The model and the dataset do not fit")
_bad_targets = partial(RefusedError, "targets-do-not-fit", "The targets do not fit the model")


def check_fit(network: Network, samples: Samples, loss: str, batch: int) -> Shapes:
    """Return the shapes of all values for a batch of `batch` of these samples.

    Raises RefusedError if the network can't run on inputs of these shapes, or if `loss` can't
    compare the targets with the outputs: it needs class numbers within range, or an array of the
    outputs' shape.
    """
    expected = 2 if loss == "model" else 1
    if len(network.inputs) != expected:
        raise _unfit(
            f"The model takes {len(network.inputs)} inputs; with the loss {loss} it must take "
            + ("x and y, and return its loss." if expected == 2 else "one, x.")
        )
    stored = (samples.transform.apply(samples.inputs[:1], network.inputs[0].dtype), samples.targets)
    input_shapes = [(batch, *part.shape[1:]) for part in stored[:expected]]
    for spec, shape in zip(network.inputs, input_shapes, strict=True):
        _check_shape(spec, shape)
    try:
        shapes = trace_shapes(network, input_shapes)
    except (ValueError, RuntimeError) as error:
        reason = first_line(error)
        inputs = " and ".join(str(list(shape)) for shape in input_shapes)
        raise _unfit(f"The model can't run on inputs of shape {inputs}: {reason}") from None
    outputs = shapes.of(network.outputs[0])
    try:
        if loss != "model":
            require_fitting_targets(samples.targets, outputs, loss)
        else:
            require_own_loss(outputs, batch)
    except TargetsError as error:
        raise (_unfit if loss == "model" else _bad_targets)(str(error)) from None
    return shapes


def _check_shape(spec: Input, shape: tuple[int, ...]) -> None:
    expected = ["batch" if i == 0 else size for i, size in enumerate(spec.shape)]
    fits = len(shape) == len(spec.shape) and all(
        isinstance(want, str) or want == got for want, got in zip(spec.shape, shape, strict=True)
    )
    if not fits:
        raise _unfit(
            f"The model takes inputs of shape {expected}, but the dataset's samples give "
            f"{['batch', *shape[1:]]}. Reshape x, or declare the layout when you upload the "
            "dataset."
        )
