"""What an analysis measures: the network with its gates, and what its batches must be like."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from narrows.arguments import ArgumentError, require_layers
from narrows.batch import Batch, target_input
from narrows.channels.groups import find_channels
from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.gates.gated_network import GatedNetwork
from narrows.gates.gated_network import gate as place_gates
from narrows.graph.network import Network, widen
from narrows.graph.shapes import FREE_BATCH, Shapes, trace_shapes
from narrows.graph.trace_errors import summary
from narrows.layer_names import LayerNames
from narrows.loaded import BatchError
from narrows.losses import LossFunction
from narrows.targets import TargetsError, as_loss_takes, require_own_loss, require_sum
from narrows.vocabulary import GateKind

RESAMPLED = 32
"""The most samples in a batch of the jackknife; larger batches are split."""


def home(model: nn.Module | ExportedProgram) -> tuple[torch.device, torch.dtype]:
    """Return the device of a model's tensors, and its number type.

    Raises ArgumentError for what is no network, or has no numbers.

    >>> home(nn.Linear(3, 2).double())
    (device(type='cpu'), torch.float64)
    """
    if not isinstance(model, nn.Module | ExportedProgram):
        what = f"the class {model.__name__}" if isinstance(model, type) else repr(type(model))
        raise ArgumentError(
            f"the network is {what}; it must be a torch.nn.Module or an ExportedProgram"
        )
    state = model.state_dict() if isinstance(model, nn.Module) else model.state_dict
    tensors = [tensor for tensor in state.values() if isinstance(tensor, Tensor)]
    device = tensors[0].device if tensors else torch.device("cpu")
    if device.type == "meta":
        raise ArgumentError("the network is on the meta device: it has no weights to analyse")
    numbers = (tensor.dtype for tensor in tensors if tensor.is_floating_point())
    return device, next(numbers, torch.get_default_dtype())


@dataclass(frozen=True)
class Subject:
    """A network with its shapes, channels and gates, and the name of its loss, if it has one."""

    network: Network
    shapes: Shapes
    channels: Channels
    gated: GatedNetwork
    loss: str | None

    @classmethod
    def prepare(
        cls,
        network: Network,
        first: tuple[Tensor, ...],
        targets: Tensor,
        *,
        loss: str | LossFunction,
        gate: GateKind,
        exclude: Collection[str] = (),
        factors: Mapping[str, Mapping[str, float]] | None = None,
    ) -> "Subject":
        """Return the network with gates; `first` are the inputs of the first batch.

        Half precision is computed in single: sums over a batch would lose too much.

        Raises ValueError where it can't run on them, where a loss of the user's own is no sum over
        the batch, where no layer can be pruned, and for names of layers that it lacks.
        """
        network, first = network.in_single_precision(), _in_single_precision(first)
        name = loss if isinstance(loss, str) else None
        _require_inputs(network, first, name, "batch 1")
        outputs = _run(network, first)
        if not isinstance(loss, str):
            require_sum(loss, outputs, targets[: len(outputs)])
        shapes = _trace(network, first)
        everything = find_channels(network, shapes)
        channels = find_channels(network, shapes, exclude) if exclude else everything
        require_layers(_names(everything), exclude, factors or {})
        if not len(channels):
            reasons = [f"{layer.name}: {layer.reason}" for layer in channels.layers]
            found = "; ".join(reasons[:5]) or "it has no convolution and no linear map"
            raise ValueError(f"no layer of the network can be pruned ({found})")
        gated = place_gates(network, channels, gate, shapes)
        return cls(network, shapes, channels, gated, name)

    def batches(
        self, inputs: tuple[Tensor, ...], targets: Tensor, seed: int, which: str
    ) -> list[Batch]:
        """Return the batch in parts that are measured one by one.

        Raises BatchError or TargetsError, with `which` batch it is, unless the batch fits.
        """
        _require_inputs(self.network, inputs, self.loss, which)
        own = target_input(inputs, targets)
        if self.loss is not None:
            try:
                targets = self._fitting(inputs, targets)
            except TargetsError as error:
                raise TargetsError(f"{which}: {error}") from None
        batch = Batch(_in_single_precision(inputs), targets, seed, own)
        return batch.split(self.network.fixed_batch or RESAMPLED)

    def _fitting(self, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Return targets that fit the outputs; see `targets.as_loss_takes`."""
        same = all(
            x.shape[1:] == self.shapes.of(spec.name)[1:]
            for spec, x in zip(self.network.inputs, inputs, strict=True)
        )
        shapes = self.shapes if same else _trace(self.network, inputs)
        outputs = shapes.of(self.network.outputs[0])
        if self.loss == "model":
            require_own_loss(outputs, shapes.batch)
            return targets
        return as_loss_takes(targets, outputs, self.network.precision, str(self.loss))


def _in_single_precision(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.to(widen(x.dtype)) for x in inputs)


def _trace(network: Network, inputs: tuple[Tensor, ...]) -> Shapes:
    batch = network.fixed_batch or FREE_BATCH
    return trace_shapes(network, [(batch, *x.shape[1:]) for x in inputs])


def _require_inputs(
    network: Network, inputs: tuple[Tensor, ...], loss: str | None, which: str
) -> None:
    """Raise BatchError unless the network takes inputs of these shapes."""
    if len(inputs) != len(network.inputs):
        returns = ", and return its loss" if loss == "model" else ""
        raise BatchError(
            f"the network takes {len(network.inputs)} inputs, but {which} has {len(inputs)} for "
            f"it; with this loss it must take those of a batch{returns}"
        )
    for spec, x in zip(network.inputs, inputs, strict=True):
        sizes = spec.shape[1:]
        fits = len(sizes) == x.dim() - 1 and all(
            isinstance(want, str) or want == got
            for want, got in zip(sizes, x.shape[1:], strict=True)
        )
        if not fits:
            several = f" for the input {spec.name!r}" if len(inputs) > 1 else ""
            raise BatchError(
                f"{which} has samples of shape {list(x.shape[1:])}{several}, but the network takes "
                f"{list(sizes)}: all batches must be alike"
            )
    fixed = network.fixed_batch
    if fixed is not None and len(inputs[0]) % fixed:
        raise BatchError(
            f"the program takes batches of exactly {fixed} samples, but {which} has "
            f"{len(inputs[0])}. Leave out the odd ones (drop_last), or export with a free batch"
        )


def _run(network: Network, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return the output for the first samples; raise ValueError where the network can't run."""
    few = tuple(x[: network.fixed_batch or FREE_BATCH] for x in inputs)
    try:
        with torch.no_grad(), few[0].device:
            return network(*few)[0]
    except (RuntimeError, ValueError, IndexError, TypeError) as error:  # as operators raise them
        given = " and ".join(f"{x.dtype}"[6:] + f" {list(x.shape)}" for x in few)
        raise ValueError(
            f"the network, which computes in {str(network.precision)[6:]}, can't run on inputs "
            f"{given}: {summary(error)}"
        ) from error


def _names(channels: Channels) -> LayerNames:
    """Return the layers' names, and which are tied together."""
    reasons = {
        layer.name: layer.reason and f"Its channels can't be pruned: {layer.reason}."
        for layer in channels.layers
    }
    groups: dict[int, set[str]] = {}
    for layer in channels.layers:
        own = layer.structures[layer.structures != NO_STRUCTURE]
        for group in np.unique(channels.groups[own]).tolist():
            groups.setdefault(group, set()).add(layer.name)
    return LayerNames(reasons, list(groups.values()))
