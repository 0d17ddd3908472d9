"""A layer as a report shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from narrows.comparison import Row
from narrows.report import texts

DEPTHS = (0.5, 1.0, 2.0, 4.0)
"""The worths, in those of the median layer, from which on a layer's colour is one step deeper."""
LONGEST_NAME = 28


@dataclass(frozen=True)
class LayerView:
    """A layer of the API with its place in the network; `places` has those of all layers by name.

    `saliencies` are those of its structures, the largest first.
    """

    index: int
    row: Row
    places: Mapping[str, int]
    saliencies: Sequence[float] = ()

    @property
    def name(self) -> str:
        """The module's name in the network, whatever the upload called it."""
        return str(self.row["name"])

    @property
    def short_name(self) -> str:
        """The end of the name, where it is long."""
        name = self.name
        return name if len(name) <= LONGEST_NAME else f"…{name[-LONGEST_NAME + 1 :]}"

    @property
    def anchor(self) -> str:
        """The id of its row on the page: a number, since names may hold anything."""
        return f"layer-{self.index}"

    @property
    def verdict(self) -> str:
        """The verdict; `undecided` for one that this version does not know."""
        verdict = str(self.row["verdict"])
        return verdict if verdict in texts.GLYPHS else "undecided"

    @property
    def glyph(self) -> str:
        """The sign of its verdict."""
        return texts.GLYPHS[self.verdict]

    @property
    def depth(self) -> int:
        """How deep its colour is, 0 to 4, by what a channel of it is worth."""
        ratio = self.row.get("worth_ratio")
        return 1 if ratio is None else sum(ratio >= step for step in DEPTHS)

    @property
    def why(self) -> str:
        """The reason of its verdict in words, a whole sentence; "" where there is none."""
        row = self.row
        reason = (texts.of_layer_alone(row["because"] or "") or row["reason"] or "").rstrip(".")
        if not reason:
            return ""
        text = f"{reason[0].upper()}{reason[1:]}."
        needed = row["samples_needed"]
        return f"{text} About {needed:,} samples would settle it." if needed else text

    @property
    def sources(self) -> list[int]:
        """The indices of the layers before it that it reads."""
        return self._before(self.row.get("inputs"))

    @property
    def joining(self) -> list[int]:
        """The indices of the layers before it that join its result."""
        return self._before(self.row.get("joins"))

    def _before(self, names: Sequence[str] | None) -> list[int]:
        found = (self.places.get(name, self.index) for name in names or ())
        return sorted(index for index in found if index < self.index)

    @property
    def sweep(self) -> list[tuple[float, float, tuple[float, float] | None]]:
        """Its ratio at each global ratio, with the interval where there is one."""
        limits = self.row.get("sweep_intervals")
        pairs = self.row["sweep"]
        of = [(low, high) for low, high in limits] if limits else [None] * len(pairs)
        return [(r, share, limit) for (r, share), limit in zip(pairs, of, strict=True)]
