"""Checks that a network, a dataset and a loss fit together; errors say what to change."""

from functools import partial

from narrows.graph.network import Network
from narrows.graph.node import Input
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.losses import CLASS_LOSSES, IGNORED, class_dim
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
    if loss != "model":
        _check_targets(samples, outputs, loss)
    elif outputs not in ((), (batch,)):
        raise _unfit(
            f"With the loss model, the model must return the mean loss of the batch, or one loss "
            f"for each sample; it returns {['batch', *outputs[1:]]}."
        )
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


def _check_targets(samples: Samples, outputs: tuple[int, ...], loss: str) -> None:
    targets = samples.targets
    if loss not in CLASS_LOSSES:
        if targets.shape[1:] != outputs[1:]:
            raise _bad_targets(
                f"The loss {loss} compares y with the model's outputs, but a sample's y has shape "
                f"{list(targets.shape[1:])} and its output {list(outputs[1:])}. Reshape y, or "
                "choose another loss."
            )
        return
    if targets.dtype.kind not in "iu":
        raise _bad_targets(
            f"The loss {loss} takes class numbers, but y has dtype {targets.dtype}. Save y as "
            'integers, or choose the loss "mse".'
        )
    dim = class_dim(outputs, (outputs[0], *targets.shape[1:]))
    if dim is None:
        raise _bad_targets(
            f"The loss {loss} takes outputs [batch, classes, …] and targets [batch, …], or the "
            f"classes last, but a sample's output has shape {list(outputs[1:])} and its y "
            f"{list(targets.shape[1:])}. Reshape y."
        )
    if len(outputs) > 2 and dim == 1 and outputs[1:-1] == targets.shape[1:]:
        raise _bad_targets(
            f"A sample's output has shape {list(outputs[1:])}: Narrows can't tell which of the "
            "dimensions counts the classes. Export a program that returns its loss, and choose "
            "the loss model."
        )
    counted = targets[targets != IGNORED]
    low, high = (int(counted.min()), int(counted.max())) if counted.size else (0, 0)
    classes = outputs[dim]
    if low < 0 or high >= classes:
        raise _bad_targets(
            f"y has labels from {low} to {high}, but the model has {classes} outputs: labels must "
            f"lie in 0 … {classes - 1}, or be {IGNORED} where they don't count."
        )
