"""Fidelity: how the loss changes if the structures with the lowest saliency are really removed.

    python -m benchmarks.fidelity --methods sosp_h,joint --seeds 1

The networks are a plain one on digits and a residual one on Fashion-MNIST. For each method, the
benchmark prints the loss on training images after removing the lowest 10 … 50 % of the structures,
without fine-tuning. It also prints the rank correlation of saliencies with the true change of the
loss when one structure is removed. Numbers are mean ± standard deviation over seeds.
"""

import json
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.table import Table
from scipy import stats

from benchmarks.options import CONSOLE, parser, prepare
from benchmarks.processes import run
from benchmarks.scoring import SAMPLES, Criterion, analysis
from benchmarks.small_networks import DEPTH, SmallNetwork
from benchmarks.training import CACHE, Recipe, read, write
from narrows.analysis import Analysis
from narrows.arrays import Floats

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5)
NETWORKS = (
    Recipe("plain", (24,) * DEPTH, "digits", 0, samples=1200, epochs=24, batch=100, peak_rate=2e-2),
    Recipe("residual", (32,) * DEPTH, "fashion", 0, samples=20000, epochs=6, peak_rate=2e-2),
)

Members = Sequence[tuple[str, int]]


class PruningOrder:
    """A trained network, its loss on training images, and that loss after removing structures."""

    def __init__(self, recipe: Recipe, members: Sequence[Members]) -> None:
        data = recipe.load_data()
        self._network, self._members = read(recipe).network, members
        self._images, self._classes = data.images[:SAMPLES], data.classes[:SAMPLES]

    @torch.no_grad()
    def loss(self, structures: Iterable[int] = ()) -> float:
        """Return the loss with the channels of these structures set to zero after batch norm."""
        network: SmallNetwork = deepcopy(self._network)
        for structure in structures:
            for layer, channel in self._members[structure]:
                norm = network.get_submodule(f"{layer}_norm")
                for tensor in norm.parameters():
                    tensor[channel] = 0
        return float(F.cross_entropy(network(self._images), self._classes))

    def single(self) -> Floats:
        """Return the loss after removing each structure alone, [S]."""
        return np.array([self.loss([s]) for s in range(len(self._members))])


def singles_path(recipe: Recipe) -> Path:
    return CACHE / "removals" / f"{recipe.path.stem}.json"


def remove_singly(work: tuple[Recipe, Criterion]) -> None:
    """Store the losses after removing each structure; any analysis gives the same numbering."""
    torch.set_num_threads(1)
    recipe, criterion = work
    losses = PruningOrder(recipe, analysis(recipe, criterion).channels.members()).single()
    write(singles_path(recipe), json.dumps(losses.tolist()).encode())


def losses(removal: PruningOrder, result: Analysis) -> Floats:
    """Return the losses after removing the lowest structures, [RATIOS]."""
    order = np.argsort(result.rank)
    return np.array([removal.loss(order[: round(r * len(order))]) for r in RATIOS])


def measure(recipe: Recipe, criteria: Sequence[Criterion]) -> Floats:
    """Return for each criterion its losses and its rank correlation, [criteria, ratios + 1]."""
    analyses = [analysis(recipe, criterion) for criterion in criteria]
    removal = PruningOrder(recipe, analyses[0].channels.members())
    true = json.loads(singles_path(recipe).read_text())
    return np.array(
        [
            [*losses(removal, result), stats.spearmanr(result.saliency, true).statistic]
            for result in analyses
        ]
    )


def table(title: str, criteria: Sequence[Criterion], seeds: Floats) -> Table:
    """Return a table of `seeds` [seeds, criteria, ratios + 1]: means and standard deviations."""
    result = Table("method/gate", *(f"{r:.0%}" for r in RATIOS), "rank correlation", title=title)
    means, spreads = seeds.mean(axis=0), seeds.std(axis=0)
    for criterion, mean, spread in zip(criteria, means, spreads, strict=True):
        cells = (f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True))
        result.add_row(str(criterion), *cells)
    return result


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--seeds", type=int, default=3, metavar="N")
    options = arguments.parse_args()
    chosen = {
        recipe: [replace(recipe, seed=seed) for seed in range(options.seeds)]
        for recipe in NETWORKS[: options.limit]
    }
    recipes = [recipe for seeds in chosen.values() for recipe in seeds]
    criteria = prepare(recipes, recipes, options)
    work = [(recipe, criteria[0]) for recipe in recipes if not singles_path(recipe).exists()]
    run("removing", remove_singly, work, options.jobs)
    for recipe, seeds in chosen.items():
        results = np.array([measure(seeded, criteria) for seeded in seeds])
        trained = [read(seeded) for seeded in seeds]
        title = (
            f"{recipe.architecture} on {recipe.data}: accuracy "
            f"{np.mean([t.accuracy for t in trained]):.1%}, loss in training "
            f"{np.mean([t.train_loss for t in trained]):.3f}"
        )
        CONSOLE.print(table(title, criteria, results))


if __name__ == "__main__":
    main()
