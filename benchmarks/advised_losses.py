"""What plans gain in retraining: one file a network in `data/advised`, to which networks are added.

The original, `uniform` and the networks with one layer widened are those of `data/gains`, and the
others are trained with the same seeds.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.advised_plans import Widths, plans
from benchmarks.data import load
from benchmarks.gain_networks import Study
from benchmarks.measured_gains import Store
from benchmarks.stacked_training import evaluate, fit
from benchmarks.training import write
from narrows.arrays import Floats

FOLDER = Path(__file__).parent / "data" / "advised"


@dataclass(frozen=True)
class Losses:
    """The plans of a network, and the held-out losses of the networks that they make."""

    study: Study
    folder: Path = FOLDER
    store: Store = field(default_factory=Store)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.study.name}.json"

    def plan(self) -> None:
        """Store the plans that today's code makes."""
        content = self._content() | {"plans": plans(self.store, self.study)}
        write(self.path, _dumps(content).encode())

    def train(self) -> None:
        """Train what the plans make and was not trained yet; each network is stored at once."""
        torch.set_num_threads(1)
        for widths in self.missing():
            losses = self._losses(widths)
            content = self._content()
            content["trained"][_key(widths)] = losses
            write(self.path, _dumps(content).encode())

    def missing(self) -> list[Widths]:
        """Return the widths that are still to be trained."""
        known, wanted = self._known(), self._content()["plans"].values()
        every = dict.fromkeys(tuple(widths) for plan in wanted for widths in plan)
        return [widths for widths in every if _key(widths) not in known]

    def is_complete(self) -> bool:
        """Tell whether there are plans, and all that they make is trained."""
        return bool(self._content()["plans"]) and not self.missing()

    def gains(self) -> dict[str, Floats]:
        """Return what each plan gains, [seeds], as a mean over analyses."""
        known = self._known()
        base = known[_key(self.study.base.widths)]
        seeds = min(map(len, known.values()))
        return {
            name: np.mean([base[:seeds] - known[_key(w)][:seeds] for w in widths], axis=0)
            for name, widths in self._content()["plans"].items()
        }

    @property
    def loss(self) -> float:
        """The mean held-out loss of the original."""
        return float(self._known()[_key(self.study.base.widths)].mean())

    def _known(self) -> dict[str, Floats]:
        """Return the losses by widths, [seeds] each."""
        own = {key: np.array(losses) for key, losses in self._content()["trained"].items()}
        shared = self.store.measured(self.study)
        return own | {_key(v.widths): shared[:, n] for n, v in enumerate(self.study.variants)}

    def _losses(self, widths: Widths) -> list[float]:
        study = self.study
        seeds = range(min(self.store.seeds(study), study.seeds_together))
        data = [load(study.data, study.schedule.samples, seed) for seed in seeds]
        networks = fit(replace(study.base, widths=widths), study.schedule, data, seeds)
        return [
            round(evaluate(network, d.held_out_images, d.held_out_classes)[0], 5)
            for network, d in zip(networks, data, strict=True)
        ]

    def _content(self) -> dict[str, Any]:
        study = self.study
        recipe = {
            "data": study.data,
            "architecture": asdict(study.base),
            "schedule": asdict(study.schedule),
        }
        if not self.path.exists():
            return {**recipe, "plans": {}, "trained": {}}
        content: dict[str, Any] = json.loads(self.path.read_text())
        if any(content[key] != value for key, value in json.loads(json.dumps(recipe)).items()):
            raise SystemExit(
                f"{self.path} is of another recipe. Move it away to train by this one."
            )
        return content


def _key(widths: Sequence[int]) -> str:
    return " ".join(map(str, widths))


def _dumps(content: dict[str, Any]) -> str:
    """Return JSON with a line for each key, for each plan, and for each trained network."""

    def lines(of: dict[str, Any], dumps: Any = json.dumps) -> str:
        body = ",\n".join(f"{json.dumps(key)}: {dumps(value)}" for key, value in of.items())
        return "{\n" + body + "\n}"

    nested = {"plans", "trained"}
    head = {key: json.dumps(value) for key, value in content.items() if key not in nested}
    return lines(head | {key: lines(content[key]) for key in sorted(nested)}, str) + "\n"
