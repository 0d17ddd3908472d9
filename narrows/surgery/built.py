"""A built plan: another network, verified, to train and to save."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from narrows import surgery
from narrows.arrays import Ints
from narrows.channels.structures import Channels
from narrows.evaluation.removals import Effect
from narrows.graph import to_export
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes
from narrows.surgery import Verification
from narrows.vocabulary import Init


@dataclass(frozen=True)
class Built:
    """A network of other widths, and the verification that it computes what it must.

    `verification.deviation` is the largest deviation of its outputs on random inputs, relative to
    the largest output; `verification.reasons` say why it can be more than rounding. `shapes` are
    those of the network before. `effect` holds both networks' scores on the analysis' own samples,
    with a remark where too little is left of what the network had learned.
    """

    network: Network = field(repr=False)
    verification: Verification
    shapes: Shapes = field(repr=False)
    effect: Effect | None = None

    def module(self) -> nn.Module:
        """Return a module with copies of the tensors, under the names that they had before.

        It can be trained, copied and saved, and is always in eval mode: batch norm is frozen, and
        dropout off. To train in train mode, make the plan's edits in the source of the network and
        load the `state_dict()` of this module there.
        """
        return to_export.NetworkModule(self.network.map_tensors(Tensor.clone))

    def save(self, path: Path | str) -> None:
        """Write an archive (`.pt2`) that `torch.export.load` and Narrows can read.

        Raises BuildError where torch can't export the network, and OSError where the file can't be
        written.
        """
        to_export.save(self.network, Path(path), self.shapes)


def build(
    network: Network,
    channels: Channels,
    copies: Ints,
    shapes: Shapes,
    *,
    init: Init = "preserve",
    seed: int = 0,
) -> Built:
    """Return the network in which structure s exists `copies[s]` times; see `surgery.resize`.

    Raises SurgeryError where an operator can't follow, or the result computes something else.

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> built = build(network, channels, np.array([1, 2]), shapes)
    >>> built
    Built(verification=Verification(deviation=0.0, reasons=()), effect=None)
    >>> built.module().state_dict()["hidden.weight"].flatten()
    tensor([1., 2., 2.])
    """
    built = surgery.resize(network, channels, copies, init=init, shapes=shapes, seed=seed)
    verification = surgery.verify(
        network, channels, copies, built, init=init, shapes=shapes, seed=seed
    )
    return Built(built, verification, shapes)
