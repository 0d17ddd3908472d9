"""The result of a run: its scores, its loss curve, and its network."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from narrows.graph import to_export
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes


@dataclass(frozen=True)
class Point:
    """A point of the curve, after `step` steps: usually the end of an epoch.

    `train_loss` is the mean since the point before, None right after a pruning. `loss` and
    `accuracy` are those of the samples that are held out, in eval mode.
    """

    step: int
    epoch: float
    train_loss: float | None
    loss: float | None
    accuracy: float | None
    parameters: int


@dataclass(frozen=True)
class RunResult:
    """What came out of one training: the scores at its end on the samples that it did not see.

    `error` says why it has none, such as a loss that became NaN.
    """

    variant: str
    seed: int
    parameters: int
    macs: int
    steps: int
    loss: float | None
    accuracy: float | None
    curve: tuple[Point, ...]
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as `from_json` takes it, ready for JSON."""
        return asdict(self) | {"curve": [asdict(point) for point in self.curve]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "RunResult":
        """Return the result that `to_json` has written."""
        curve = tuple(Point(**point) for point in stored["curve"])
        return cls(**{**stored, "curve": curve})


@dataclass(frozen=True)
class Trained:
    """A trained network; `shapes` are example shapes of its inputs."""

    network: Network
    shapes: Shapes

    def module(self) -> nn.Module:
        """Return a module with copies of the tensors, under the upload's names, in eval mode."""
        return to_export.NetworkModule(self.network.map_tensors(Tensor.clone))

    def save(self, path: Path | str) -> None:
        """Write an archive (`.pt2`) that `torch.export.load` and Narrows can read.

        Raises BuildError where torch can't export the network, and OSError where the file can't be
        written.
        """
        to_export.save(self.network, Path(path), self.shapes)
