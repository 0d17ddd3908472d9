"""Tries Narrows on one network of the zoo, step by step.

Every step is tried, whatever became of those before, as far as it does not need their result.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchmarks.zoo.calibration import calibrate
from benchmarks.zoo.findings import Json, described, deviation_of, gated, text_of, verified, widths
from benchmarks.zoo.networks import first_output, make
from narrows import analyze
from narrows.analysis import Analysis
from narrows.arrays import Ints
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.export_module import export_module
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.surgery.built import Built, build
from worker.cli import export
from worker.formats import pt2

PRUNED = 0.3
"""The share of structures that is cut."""


class Trial:
    """The steps of one trial; each method returns what it found, or raises."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.module: nn.Module
        self.inputs: tuple[Tensor, ...]
        self.network: Network | None = None
        self.analysis: Analysis | None = None

    def make(self) -> Json:
        self.module, self.inputs = make(self.name)
        calibrate(self.module, self.inputs)
        return {
            "parameters": sum(p.numel() for p in self.module.parameters()),
            "input": [list(x.shape) for x in self.inputs],
        }

    def exported(self) -> Json:
        """Export it with a free batch, or else with a fixed one."""
        try:
            export_module(self.module, self.inputs, self._file)
        except Exception as error:
            export_module(self.module, self.inputs, self._file, dynamic_batch=False)
            return {"batch": "fixed", "free": text_of(error)}
        return {"batch": "free"}

    def accepted(self) -> Json:
        """Read the plain export as uploads are read, or else the one of `narrows export`."""
        try:
            self.network, form = pt2.read(self._file), "plain"
        except Exception as error:
            free = self._try_again()
            if self.network is None:
                raise
            return {"form": f"narrows export, {free} batch", "refused": text_of(error)}
        expected = [x for x in pytree.tree_leaves(self._outputs()) if isinstance(x, Tensor)]
        return {"form": form, "deviation": deviation_of(self.network(*self.inputs), expected)}

    def _try_again(self) -> str:
        for free in (True, False):
            try:
                self.network = export.export_module(
                    self.module, self.inputs, self._file, dynamic_batch=free
                )
                return "free" if free else "fixed"
            except Exception:
                continue
        return ""

    def followed(self) -> Json:
        """Find the channels of the upload."""
        self.network = self._read.in_single_precision()
        self.shapes = trace_shapes(self.network)
        self.channels = find_channels(self.network, self.shapes)
        return described(self.channels)

    def analysed(self) -> Json:
        """Analyse the module; its layers should be those of the upload."""
        batches = [(self._samples(i), self._targets(i)) for i in range(2)]
        self.analysis = analyze(self.module, batches, loss=self._loss, progress=False)
        own = self.analysis.channels
        found = {
            **described(own),
            "method": self.analysis.method.name,
            "loss": self._loss,
            "verdicts": Counter(row["verdict"] for row in self.analysis.layers),
        }
        if self.network is not None:
            found["same"] = widths(own) == widths(self.channels)
        return found

    def pruned(self) -> Json:
        """Prune the lowest structures; the result must compute what gates at zero do."""
        analysis = self.analysis
        if analysis is None:
            raise LookupError("there is no analysis")
        built = analysis.prune(PRUNED)
        built.save(self.folder / "pruned.pt2")
        self.built = built
        copies = analysis.pruned(PRUNED).copies
        return {**verified(built), **gated(analysis.network, analysis.channels, copies, built)}

    def random_cut(self) -> Json:
        """Cut structures at random; the result must compute what gates at zero do."""
        copies = np.ones(len(self._structures), np.int64)
        rng = np.random.default_rng(0)
        for group in np.unique(self.channels.groups):
            members = rng.permutation(np.flatnonzero(self.channels.groups == group))
            copies[members[: round(PRUNED * len(members))]] = 0
        built = self._build(copies)
        return {**verified(built), **gated(self._read, self.channels, copies, built)}

    def one_widened(self) -> Json:
        """Double the width of one layer; the result must compute the same."""
        structures = self._structures
        layers = [layer for layer in structures.layers if layer.reason is None]
        layer = layers[len(layers) // 2]
        groups = np.unique(structures.groups[layer.own])
        copies = np.where(np.isin(structures.groups, groups), 2, 1)
        return {"layer": layer.name, **verified(self._build(copies))}

    def all_widened(self) -> Json:
        """Double the width of all layers; the result must compute the same."""
        built = self._build(np.full(len(self._structures), 2))
        return verified(built)

    def reloaded(self) -> Json:
        """Open what was written with stock torch; it must compute the same."""
        path = self.folder / "pruned.pt2"
        if not path.exists():
            self.built = self._build(np.ones(len(self._structures), np.int64))
            self.built.save(path)
        stock: Any = torch.export.load(path).module()
        with torch.no_grad():
            theirs = pytree.tree_leaves(stock(*self.inputs))
            ours = self.built.network(*self.inputs)
        return {"deviation": deviation_of(ours, [x for x in theirs if isinstance(x, Tensor)])}

    @property
    def _file(self) -> Path:
        return self.folder / "network.pt2"

    @property
    def _read(self) -> Network:
        if self.network is None:
            raise LookupError("the upload was refused")
        return self.network

    @property
    def _structures(self) -> Channels:
        if self._read and not len(self.channels):
            raise LookupError("no layer can be pruned")
        return self.channels

    def _build(self, copies: Ints) -> Built:
        return build(self._read, self.channels, copies, self.shapes)

    def _outputs(self) -> Any:
        with torch.no_grad():
            return self.module(*self.inputs)

    def _samples(self, seed: int) -> Any:
        """Return a batch with the samples of the example in another order."""
        order = torch.randperm(len(self.inputs[0]), generator=torch.Generator().manual_seed(seed))
        inputs = tuple(x[order] for x in self.inputs)
        return inputs if len(inputs) > 1 else inputs[0]

    @property
    def _loss(self) -> str:
        return "cross_entropy" if first_output(self.module, self.inputs).dim() == 2 else "mse"

    def _targets(self, seed: int) -> Tensor:
        outputs = first_output(self.module, self.inputs)
        generator = torch.Generator().manual_seed(seed)
        if self._loss == "mse":
            return torch.randn(outputs.shape, generator=generator)
        return torch.randint(outputs.shape[1], (len(outputs),), generator=generator)
