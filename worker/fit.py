"""Whether a network, a dataset and a loss belong together; if not, what to change."""

from functools import partial

from worker.formats.samples import Samples
from worker.problems import Refused
from worker.sosp.losses import CLASS_LOSSES
from worker.sosp.network import Network
from worker.sosp.shapes import Shapes, trace_shapes

_unfit = partial(Refused, "shapes-do-not-fit", "The model and the dataset do not fit")
_bad_targets = partial(Refused, "targets-do-not-fit", "The targets do not fit the model")


def check_fit(network: Network, samples: Samples, loss: str, batch: int) -> Shapes:
    """Return the shapes of all values for a batch of these samples.

    Raises Refused where the inputs' shapes don't go through the network, or the targets are not
    what `loss` takes for the outputs: class numbers within range, or an array of their shape.
    """
    if len(network.inputs) != 1:
        raise _unfit(f"The model takes {len(network.inputs)} inputs; a dataset has one, x.")
    spec = network.inputs[0]
    sample = samples.transform.apply(samples.inputs[:1], spec.dtype)
    shape = (batch, *sample.shape[1:])
    expected = ["batch" if i == 0 else size for i, size in enumerate(spec.shape)]
    fits = len(shape) == len(spec.shape) and all(
        isinstance(want, str) or want == got for want, got in zip(spec.shape, shape, strict=True)
    )
    if not fits:
        raise _unfit(
            f"The model takes inputs of shape {expected}, the dataset's samples make "
            f"{['batch', *shape[1:]]}. Reshape x, or declare the layout when uploading the dataset."
        )
    try:
        shapes = trace_shapes(network, [shape])
    except (ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise _unfit(
            f"Inputs of shape {list(shape)} don't go through the model: {reason}"
        ) from None
    _check_targets(samples, shapes.of(network.outputs[0]), loss)
    return shapes


def _check_targets(samples: Samples, outputs: tuple[int, ...], loss: str) -> None:
    targets = samples.targets
    if loss not in CLASS_LOSSES:
        if targets.shape[1:] != outputs[1:]:
            raise _bad_targets(
                f"The loss {loss} compares y with the model's outputs, but a sample's y has shape "
                f"{list(targets.shape[1:])} and its output {list(outputs[1:])}."
            )
        return
    if targets.dtype.kind not in "iu":
        raise _bad_targets(
            f"The loss {loss} takes class numbers, but y has dtype {targets.dtype}. Save y as "
            'integers, or ask for the loss "mse".'
        )
    if len(outputs) < 2 or targets.shape[1:] != outputs[2:]:
        raise _bad_targets(
            f"The loss {loss} takes outputs [batch, classes, …] and targets [batch, …], but a "
            f"sample's output has shape {list(outputs[1:])} and its y {list(targets.shape[1:])}."
        )
    low, high, classes = int(targets.min()), int(targets.max()), outputs[1]
    if low < 0 or high >= classes:
        raise _bad_targets(
            f"y has labels from {low} to {high}, but the model has {classes} outputs: labels must "
            f"lie in 0 … {classes - 1}."
        )
