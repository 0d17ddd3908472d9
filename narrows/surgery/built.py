"""A plan carried out: another network, proven, to train on and to keep."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from narrows import surgery
from narrows.arrays import Ints
from narrows.channels.structures import Channels
from narrows.graph import to_export
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes
from narrows.surgery import Verification
from narrows.vocabulary import Init


@dataclass(frozen=True)
class Built:
    """A network of other widths, and the verification that it computes what it must.

    `verification.deviation` is how far its outputs were from that on random inputs, relative to the
    largest; `verification.reasons` say why that can be more than rounding. `shapes` are those
    before.
    """

    network: Network = field(repr=False)
    verification: Verification
    shapes: Shapes = field(repr=False)

    def module(self) -> nn.Module:
        """Return a module of its own tensors, under the names that they had before.

        It can be trained, copied and saved, and is always in eval mode: batch norm is frozen,
        dropout off. To train without that, make the plan's edits in the source of the network and
        load the `state_dict()` of this module there.
        """
        return to_export.NetworkModule(self.network.map_tensors(Tensor.clone))

    def save(self, path: Path | str) -> None:
        """Write an archive for `torch.export.load`, or for Narrows to analyse again.

        Raises BuildError where torch can't export the network.
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
    """
    built = surgery.resize(network, channels, copies, init=init, shapes=shapes, seed=seed)
    verification = surgery.verify(
        network, channels, copies, built, init=init, shapes=shapes, seed=seed
    )
    return Built(built, verification, shapes)
