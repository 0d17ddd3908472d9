"""The variants of a trial: the network as it is, and what plans make of it.

See docs/trials.md, "Variants".
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from narrows.arrays import Ints
from narrows.graph.network import Network
from narrows.plans.cost import network_cost
from narrows.plans.planner import Planner
from narrows.surgery import SurgeryError, resize
from narrows.surgery.built import build
from narrows.trials.errors import TrialError
from narrows.trials.subject import TrialSubject
from narrows.trials.weights import fresh_weights, told_apart
from narrows.vocabulary import ORIGINAL, Init, VariantKind


@dataclass(frozen=True)
class Variant:
    """A network to train: the number of `copies` of each structure [S], and their first numbers.

    `parameters` and `macs` (for one sample) are those that it begins with. `expand_prune` ends with
    those of the original, or fewer.
    """

    name: str
    kind: Literal["original"] | VariantKind
    plan: str | None
    init: Init | None
    copies: tuple[int, ...]
    parameters: int
    macs: int

    def build(self, subject: TrialSubject, seed: int) -> Network:
        """Return the network that training begins with, as this seed draws its numbers.

        Raises SurgeryError where an operator can't follow, and TrialError where initial weights of
        a tensor are not known.
        """
        copies = np.array(self.copies)
        init = self.init or "fresh"
        network = resize(
            subject.network, subject.channels, copies, init=init, shapes=subject.shapes, seed=seed
        )
        if subject.options.recipe.start == "scratch":
            return fresh_weights(subject, network, seed)
        return told_apart(subject, network, copies, seed) if init == "preserve" else network

    def to_json(self) -> dict[str, Any]:
        """Return the variant as `from_json` takes it."""
        return asdict(self) | {"copies": list(self.copies)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Variant":
        """Return the variant that `to_json` has written."""
        return cls(**{**stored, "copies": tuple(stored["copies"])})


def variants(
    subject: TrialSubject, plans: Mapping[str, Ints], rank: Ints | None = None
) -> tuple[list[Variant], dict[str, str]]:
    """Return the variants, `original` first, and why others are left out, by name.

    `plans` holds the copies [S] of each plan. `rank` [S] says which structures are copied first
    where not all are. Raises TrialError where no plan changes the network.
    """
    makers = _Makers(subject, np.arange(len(subject.channels)) if rank is None else rank)
    chosen, left_out = [makers.variant(ORIGINAL, "original", None, makers.ones)], {}
    for plan, copies in plans.items():
        for variant in makers.of_plan(plan, copies):
            reason = makers.objection(variant)
            if reason is None:
                chosen.append(variant)
            else:
                left_out[variant.name] = reason
    if len(chosen) == 1:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise TrialError(f"no plan makes another network, so there is nothing to try ({reasons})")
    return chosen, left_out


@dataclass(frozen=True)
class _Makers:
    subject: TrialSubject
    rank: Ints

    @property
    def ones(self) -> Ints:
        return np.ones(len(self.subject.channels), np.int64)

    def of_plan(self, plan: str, copies: Ints) -> Iterator[Variant]:
        """Yield what is tried for a plan: each kind, with each way to begin."""
        options = self.subject.options
        for kind in options.variants:
            if kind == "uniform" and plan == "uniform":
                continue
            name = {"plan": plan, "uniform": f"uniform.{plan}"}.get(kind, f"{plan}.{kind}")
            wanted = self._uniform(copies) if kind == "uniform" else copies
            for init in options.inits or (None,):
                suffix = f".{init}" if len(options.inits) > 1 else ""
                yield self.variant(f"{name}{suffix}", kind, plan, wanted, init)

    def variant(
        self,
        name: str,
        kind: Literal["original"] | VariantKind,
        plan: str | None,
        copies: Ints,
        init: Init | None = None,
    ) -> Variant:
        subject = self.subject
        cost = network_cost(subject.network, subject.shapes, subject.channels, copies)
        counts = tuple(copies.tolist())
        return Variant(name, kind, plan, init, counts, cost.parameters, cost.macs)

    def objection(self, variant: Variant) -> str | None:
        """Return why the variant is not worth a training, or can't be built; None if it can."""
        if (np.array(variant.copies) == 1).all():
            return "it is the original: no width changes"
        if variant.kind == "expand_prune" and not self._is_larger(variant):
            return "it is no larger than the original, so there is nothing to prune back"
        subject = self.subject
        copies, init = np.array(variant.copies), variant.init or "fresh"
        try:
            build(subject.network, subject.channels, copies, subject.shapes, init=init)
            variant.build(subject, seed=0)
        except (SurgeryError, TrialError) as error:
            return str(error)
        return None

    def _is_larger(self, variant: Variant) -> bool:
        kind = self.subject.options.fine_tune.prune_to
        original = self.variant(ORIGINAL, "original", None, self.ones)
        return bool(getattr(variant, kind) > getattr(original, kind))

    def _uniform(self, copies: Ints) -> Ints:
        """Return the copies of all layers wider by one factor, within a plan's parameters."""
        subject = self.subject
        planner = Planner(subject.network, subject.shapes, subject.channels, self.rank)
        return planner.uniform_within(planner.cost_of(copies).parameters).copies
