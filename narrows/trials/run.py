"""One training of a trial: a variant with a seed, which can stop and go on at any step.

See docs/trials.md, "Runs".
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from narrows.arrays import Ints
from narrows.isolated import isolated
from narrows.surgery import SurgeryError
from narrows.trials.augment import augment
from narrows.trials.checkpoint import Checkpoint, CheckpointError
from narrows.trials.data import batches_of_epoch
from narrows.trials.errors import TrialError
from narrows.trials.learner import Learner
from narrows.trials.prune_back import cuts, pruned, size_of
from narrows.trials.result import Point, RunResult, Trained
from narrows.trials.schedule import learning_rate
from narrows.trials.seeds import Stream, seed_dropout, torch_generator
from narrows.trials.subject import TrialSubject
from narrows.trials.variants import Variant


class TrainingRun:
    """A variant that is trained with a seed; begin with `start` or `resume`.

    `step` of `steps` are done. On the CPU, the bits of everything depend on the subject, the
    variant and the seed alone, and not on where the run was interrupted.
    """

    def __init__(self, subject: TrialSubject, variant: Variant, seed: int) -> None:
        self._subject, self._variant, self._seed = subject, variant, seed
        self._recipe = subject.options.recipe
        self._split = subject.split(seed)
        self._epoch, self._order = 0, self._order_of(0)
        self.steps = self._recipe.steps or (self._recipe.epochs or 0) * len(self._order)
        self.step = 0
        self.error: str | None = None
        self._curve: list[Point] = []
        self._losses: list[float] = []  # since the last point of the curve
        self._copies: Ints | None = None  # of the structures of a network that was pruned back
        self._parameters, self._macs = variant.parameters, variant.macs
        self._learner = Learner(variant.build(subject, seed), self._recipe, subject.device)

    @classmethod
    def start(cls, subject: TrialSubject, variant: Variant, seed: int) -> "TrainingRun":
        """Return the run before its first step; raise ValueError where it can't begin."""
        return cls(subject, variant, seed)

    @classmethod
    def resume(
        cls, subject: TrialSubject, variant: Variant, seed: int, checkpoint: bytes
    ) -> "TrainingRun":
        """Return the run as it was at `checkpoint`; raise CheckpointError for that of another."""
        stored, run = Checkpoint.of_bytes(checkpoint), cls(subject, variant, seed)
        header = stored.header
        if header.get("of") != run._fingerprint:
            raise CheckpointError("the checkpoint is of another run, or of other data or options")
        try:
            if header["copies"] is not None:
                run._cut(np.array(header["copies"]))
            run._learner.load(stored.tensors)
            run.step, run.error, run._losses = header["step"], header["error"], header["losses"]
            run._curve = [Point(**point) for point in header["curve"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint is not whole: {error}") from error
        return run

    def checkpoint(self) -> bytes:
        """Return what `resume` needs."""
        header = {
            "of": self._fingerprint,
            "step": self.step,
            "error": self.error,
            "losses": self._losses,
            "curve": [asdict(point) for point in self._curve],
            "copies": None if self._copies is None else self._copies.tolist(),
        }
        return Checkpoint(header, self._learner.state()).to_bytes()

    @property
    def done(self) -> bool:
        """Whether all steps are done, or the run has ended with an error."""
        return self.error is not None or self.step >= self.steps

    def advance(self, steps: int) -> None:
        """Make up to `steps` steps; a loss that is no number ends the run with its reason."""
        with isolated(self._subject.device), _reproducible(self._subject.options.threads):
            for _ in range(steps):
                if not self.done:
                    self._advance()

    def result(self) -> RunResult:
        """Return the scores so far: those of the last point, unless the run ended with an error."""
        last = self._curve[-1] if self._curve and not self.error else None
        return RunResult(
            self._variant.name,
            self._seed,
            self._parameters,
            self._macs,
            self.step,
            last.loss if last else None,
            last.accuracy if last else None,
            tuple(self._curve),
            self.error,
        )

    def trained(self) -> Trained:
        """Return the network with its present numbers, on the CPU, to use and to save."""
        network = self._learner.network.to(torch.device("cpu"))
        return Trained(network, self._subject.shapes)

    def _advance(self) -> None:
        begun, end, peak = self._phase()
        if begun and self._copies is None:
            self._prune_back()
            if self.error:
                return
        epoch, index = divmod(self.step, len(self._order))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._order_of(epoch)
        batch = self._subject.load(self._order[index])
        generator = torch_generator(self._seed, Stream.AUGMENT, self.step)
        batch = batch.with_first(augment(batch.inputs[0], self._recipe, generator))
        seed_dropout(self._seed, self.step, self._subject.device)
        rate = learning_rate(self._recipe, peak, self.step - begun, end - begun)
        loss = self._learner.learn(batch, self._subject.objective, rate)
        if not math.isfinite(loss):
            self._diverged("training", loss)
            return
        self._losses.append(loss)
        self.step += 1
        if self.step in (end, self.steps) or self.step % len(self._order) == 0:
            self._score()

    def _diverged(self, which: str, loss: float) -> None:
        self.error = (
            f"the {which} loss became {loss} after step {self.step} of {self.steps}; choose a "
            "lower recipe.learning_rate"
        )

    def _phase(self) -> tuple[int, int, float]:
        """Return the first step, the end and the peak rate of the present part of the training."""
        peak, tune = self._recipe.learning_rate, self._subject.options.fine_tune
        if self._variant.kind != "expand_prune":
            return 0, self.steps, peak
        turn = min(max(1, self.steps - round(tune.share * self.steps)), self.steps - 1)
        if self.step < turn:
            return 0, turn, peak
        return turn, self.steps, peak if tune.learning_rate is None else tune.learning_rate

    def _prune_back(self) -> None:
        """Cut what a fresh analysis of the trained wide network misses least."""
        try:
            wide = self._learner.network
            self._cut(cuts(self._subject, wide, self._split.train, self._seed))
        except (TrialError, SurgeryError) as error:
            self.error = f"the widened network can't be pruned back: {error}"
        else:
            self._score()

    def _cut(self, copies: Ints) -> None:
        network = pruned(self._subject, self._learner.network, copies)
        size = size_of(self._subject, network)
        self._copies, self._parameters, self._macs = copies, size.parameters, size.macs
        self._learner = Learner(network, self._recipe, self._subject.device)

    def _score(self) -> None:
        """Add a point to the curve: the scores on the samples that are held out."""
        recent, self._losses = self._losses, []
        score = self._subject.score(self._learner.network, self._split.held_out)
        if score is None:
            self.error = "there is no held-out loss: no target that is held out counts"
            return
        if not math.isfinite(score.loss):
            self._diverged("held-out", score.loss)
            return
        self._curve.append(
            Point(
                self.step,
                self.step / len(self._order),
                math.fsum(recent) / len(recent) if recent else None,
                score.loss,
                score.accuracy,
                self._parameters,
            )
        )

    def _order_of(self, epoch: int) -> Ints:
        size = self._recipe.batch_size
        return batches_of_epoch(self._split.train, size, self._seed, epoch)

    @property
    def _fingerprint(self) -> str:
        """What the run is of, as a hash."""
        options = self._subject.options.to_json()
        kept = ("recipe", "fine_tune", "holdout", "loss", "max_samples", "threads")
        tensors = {name: list(t.shape) for name, t in self._subject.network.tensors.items()}
        parts: list[Any] = [{name: options[name] for name in kept}, tensors, self._seed]
        parts += [self._variant.to_json(), len(self._subject.data)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def _reproducible(threads: int) -> Iterator[None]:
    """Compute with so many threads on the CPU, and by fixed algorithms on a GPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        torch.set_num_threads(before)
