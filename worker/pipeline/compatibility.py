"""Checks that a network, a dataset and a loss fit together; errors say what to change."""

from collections.abc import Sequence
from functools import partial

from narrows.graph.network import Network
from narrows.graph.node import Input, as_ref
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.targets import TargetsError, require_fitting_targets, require_own_loss
from service.logs import first_line
from worker.errors import RefusedError
from worker.formats.samples import Samples, Stored
from worker.pipeline.batches import UNFIT, read_batch, stored_inputs

_unfit = partial(RefusedError, *UNFIT)
_bad_targets = partial(RefusedError, "targets-do-not-fit", "The targets do not fit the model")


def check_fit(network: Network, samples: Samples, loss: str, batch: int) -> Shapes:
    """Return the shapes of all values for a batch of `batch` of these samples.

    Raises RefusedError if the network can't run on inputs of these shapes, or if `loss` can't
    compare the targets with the outputs: it needs class numbers within range, or an array of the
    outputs' shape.
    """
    first = read_batch(network, samples, loss, slice(0, 1)).inputs
    input_shapes = [(batch, *part.shape[1:]) for part in first]
    for spec, shape in zip(network.inputs, input_shapes, strict=True):
        _check_shape(spec, shape, several=len(input_shapes) > 1)
    try:
        shapes = trace_shapes(network, input_shapes)
    except (ValueError, RuntimeError) as error:
        reason = first_line(error)
        inputs = " and ".join(str(list(shape)) for shape in input_shapes)
        raise _unfit(f"The model can't run on inputs of shape {inputs}: {reason}") from None
    _check_indices(network, stored_inputs(network, samples, loss))
    outputs = shapes.of(network.outputs[0])
    try:
        if loss != "model":
            require_fitting_targets(samples.targets, outputs, loss)
        else:
            require_own_loss(outputs, batch)
    except TargetsError as error:
        raise (_unfit if loss == "model" else _bad_targets)(str(error)) from None
    return shapes


def _check_indices(network: Network, arrays: Sequence[Stored]) -> None:
    """Refuse numbers that an embedding has no row for: they would end the computation."""
    read = {spec.name: stored for spec, stored in zip(network.inputs, arrays, strict=True)}
    for node in network.nodes:
        if node.op != "embedding":
            continue
        weight, indices = (as_ref(node.inputs[name]).name for name in ("weight", "indices"))
        if indices in read and weight in network.leaves:
            rows = len(network.tensors[network.leaves[weight]])
            low, high = map(int, read[indices].limits())
            if low < 0 or high >= rows:
                raise _unfit(
                    f"The input {indices!r} holds numbers from {low} to {high}, but "
                    f"{node.module or 'the embedding'} has rows for 0 … {rows - 1}. Number its "
                    "classes or tokens as in the training."
                )


def _check_shape(spec: Input, shape: tuple[int, ...], *, several: bool) -> None:
    expected = ["batch" if i == 0 else size for i, size in enumerate(spec.shape)]
    fits = len(shape) == len(spec.shape) and all(
        isinstance(want, str) or want == got for want, got in zip(spec.shape, shape, strict=True)
    )
    if not fits:
        which = f" as {spec.name!r}" if several else ""
        raise _unfit(
            f"The model takes inputs of shape {expected}{which}, but the dataset's samples give "
            f"{['batch', *shape[1:]]}. Reshape {'them' if several else 'x'}, or declare a "
            "transform, such as its layout."
        )
