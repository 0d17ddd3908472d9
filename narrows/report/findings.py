"""What a report tells, in the API's shapes, wherever it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from narrows.comparison import Row
from narrows.report.layer import LayerView
from narrows.report.stages import Stage, stages


@dataclass(frozen=True)
class Findings:
    """An analysis that succeeded.

    `saliencies` holds those of each layer's structures, by name, the largest first. `origin` says
    where it comes from: pairs of a word and a text, such as ("model", "net.pt2"). `provenance` says
    how it was computed, and `pruning_ratio` at which global ratio.
    """

    summary: Row
    rows: Sequence[Row]
    plans: Sequence[Row]
    saliencies: Mapping[str, Sequence[float]]
    provenance: Mapping[str, Any]
    pruning_ratio: float = 0.5
    title: str = "Network"
    identity: str | None = None
    origin: Sequence[tuple[str, str]] = ()
    artifacts: Sequence[Row] = field(default=())

    @cached_property
    def layers(self) -> list[LayerView]:
        """The layers in the network's order."""
        names = {row["name"]: index for index, row in enumerate(self.rows)}
        return [
            LayerView(index, row, names, self.saliencies.get(row["name"], ()))
            for index, row in enumerate(self.rows)
        ]

    @cached_property
    def stages(self) -> list[Stage]:
        """The layers in parts with common names."""
        return stages(self.layers)

    def having(self, *verdicts: str) -> list[LayerView]:
        """Return the layers with these verdicts, those of the first verdict first."""
        return [layer for name in verdicts for layer in self.layers if layer.verdict == name]

    @property
    def parameters(self) -> int:
        """The parameters of the network; of its layers, if there is no plan that says more."""
        return self._cost("parameters")

    @property
    def macs(self) -> int:
        """The multiply-accumulates for one sample, likewise."""
        return self._cost("macs")

    def _cost(self, kind: str) -> int:
        rows: Any = self.rows
        plans: Any = self.plans
        return int(plans[0][kind][0] if plans else sum(row[kind] for row in rows))

    @property
    def widen_first(self) -> list[LayerView]:
        """The layers of rank 1, where more parameters promise most."""
        return [layer for layer in self.layers if layer.row.get("widen_rank") == 1]
