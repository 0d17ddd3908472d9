"""What widening gains, measured: one file a network in `data/gains`, to which seeds are added."""

import io
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.data import load
from benchmarks.gain_architectures import build, layer_names
from benchmarks.gain_networks import Study, parameters
from benchmarks.stacked_training import evaluate, fit
from benchmarks.training import write
from narrows.arrays import Floats

FOLDER = Path(__file__).parent / "data" / "gains"
KEPT = 4
"""The seeds whose trained networks are kept, so that scores can be computed without retraining."""


@dataclass(frozen=True)
class Gains:
    """What widening each layer gains, [seeds, layers], and widening all layers, [seeds]."""

    study: Study
    layers: Floats
    uniform: Floats

    @property
    def mean(self) -> Floats:
        result: Floats = self.layers.mean(axis=0)
        return result


@dataclass(frozen=True)
class Store:
    """The results of networks in a folder."""

    folder: Path = FOLDER

    def path(self, of: Study) -> Path:
        return self.folder / f"{of.name}.json"

    def seeds(self, of: Study) -> int:
        """Return how many seeds have been trained."""
        return sum(len(run["loss"]) for run in self._content(of)["runs"])

    def add_seeds(self, of: Study) -> None:
        """Train all variants with the next seeds, and add the results to the network's file."""
        torch.set_num_threads(1)
        content = self._content(of)
        first = self.seeds(of)
        seeds = range(first, first + of.seeds_together)
        data = [load(of.data, of.schedule.samples, seed) for seed in seeds]
        scores = []
        for variant in of.variants:
            networks = fit(variant, of.schedule, data, seeds)
            if first == 0 and variant == of.base:
                self._keep(of, networks[:KEPT])
            scores.append(
                [
                    evaluate(network, d.held_out_images, d.held_out_classes)
                    for network, d in zip(networks, data, strict=True)
                ]
            )
        loss, accuracy = np.array(scores).round(5).transpose(2, 1, 0).tolist()
        run = {
            "first_seed": first,
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "torch": torch.__version__,
            "loss": loss,
            "accuracy": accuracy,
        }
        content["runs"].append(run)
        write(self.path(of), _dumps(content).encode())

    def measured(self, of: Study, metric: str = "loss") -> Floats:
        """Return the held-out loss, or accuracy, of each variant, [seeds, variants]."""
        return np.concatenate([run[metric] for run in self._content(of)["runs"]])

    def gains(self, of: Study, metric: str = "loss") -> Gains:
        """Return the falls of the held-out loss, or the rises of the held-out accuracy."""
        values = self.measured(of, metric)
        gained = (
            values[:, :1] - values[:, 1:] if metric == "loss" else values[:, 1:] - values[:, :1]
        )
        return Gains(of, gained[:, 1:], gained[:, 0])

    def networks(self, of: Study) -> list[nn.Module]:
        """Return the trained networks of the first seeds, in eval mode."""
        result = []
        with np.load(self.path(of).with_suffix(".npz")) as kept:
            for seed in range(KEPT):
                network = build(of.base).eval().requires_grad_(False)
                state = {
                    name: torch.from_numpy(np.asarray(kept[name][seed], values.numpy().dtype))
                    for name, values in network.state_dict().items()
                }
                network.load_state_dict(state)
                result.append(network)
        return result

    def _keep(self, of: Study, networks: list[nn.Module]) -> None:
        states = [network.state_dict() for network in networks]
        stacked = {name: torch.stack([s[name] for s in states]) for name in states[0]}
        halves = {name: (x.half() if x.is_floating_point() else x) for name, x in stacked.items()}
        content = io.BytesIO()
        arrays: dict[str, Any] = {name: x.numpy() for name, x in halves.items()}
        np.savez_compressed(content, **arrays)
        write(self.path(of).with_suffix(".npz"), content.getvalue())

    def _content(self, of: Study) -> dict[str, Any]:
        recipe = json.loads(json.dumps(_recipe(of)))
        path = self.path(of)
        if not path.exists():
            return {**recipe, "runs": []}
        content: dict[str, Any] = json.loads(path.read_text())
        if any(content[key] != value for key, value in recipe.items()):
            raise SystemExit(f"{path} is of another recipe. Move it away to train by this one.")
        return content


def _recipe(of: Study) -> dict[str, Any]:
    return {
        "data": of.data,
        "architecture": asdict(of.base),
        "schedule": asdict(of.schedule),
        "layers": layer_names(of.base),
        "variants": [
            {"name": name, "widths": v.widths, "parameters": parameters(v)}
            for name, v in zip(("base", "uniform", *layer_names(of.base)), of.variants, strict=True)
        ],
    }


def _dumps(content: dict[str, Any]) -> str:
    """Return JSON with one line for each key, and for each run."""
    head = {key: value for key, value in content.items() if key != "runs"}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    runs = ",\n".join(json.dumps(run, separators=(",", ":")) for run in content["runs"])
    return "{\n" + ",\n".join(lines) + ',\n"runs": [\n' + runs + "\n]}\n"
