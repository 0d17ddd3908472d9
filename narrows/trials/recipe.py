"""How the variants of a trial are trained; loads no torch.

See docs/trials.md, "The recipe".
"""

from dataclasses import dataclass

from narrows.trials.checks import (
    TrialOptionError,
    require_boolean,
    require_choice,
    require_number,
    require_whole,
)
from narrows.vocabulary import (
    BUDGET_KINDS,
    OPTIMIZERS,
    SCHEDULES,
    STARTS,
    BudgetKind,
    OptimizerName,
    ScheduleName,
    StartName,
)

EPOCHS = 20
"""The default length of a training."""
MOMENTUM = 0.9
MOST_EPOCHS = 10_000
MOST_STEPS = 10_000_000
MOST_SAMPLES = 65_536  # in a batch
MOST_CROP = 64
LARGEST_RATE = 100


@dataclass(frozen=True)
class Recipe:
    """How every variant is trained.

    `learning_rate` is the peak; `warmup` is the share of the steps in which it rises to it.
    `momentum` is that of `sgd`, by default 0.9. The length is `epochs`, by default 20, or a number
    of `steps`. `flip` mirrors each input with probability ½ along its last axis. `crop` moves it by
    up to so many pixels along its last two axes, with zeros from outside.

    >>> Recipe("sgd", learning_rate=0.1).momentum, Recipe(steps=100).epochs
    (0.9, None)
    >>> Recipe(learning_rate=-1)
    Traceback (most recent call last):
    narrows.trials.checks.TrialOptionError: recipe.learning_rate is -1; it must be above 0 and \
at most 100
    """

    optimizer: OptimizerName = "adamw"
    learning_rate: float = 1e-3
    momentum: float | None = None
    weight_decay: float = 0.0
    schedule: ScheduleName = "cosine"
    warmup: float = 0.1
    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 64
    flip: bool = False
    crop: int = 0
    label_smoothing: float = 0.0
    start: StartName = "scratch"

    def __post_init__(self) -> None:
        """Fill in what depends on other options; raise TrialOptionError for what is not allowed."""
        require_choice("recipe.optimizer", self.optimizer, OPTIMIZERS)
        require_choice("recipe.schedule", self.schedule, SCHEDULES)
        require_choice("recipe.start", self.start, STARTS)
        require_rate("recipe.learning_rate", self.learning_rate)
        self._require_momentum()
        require_number("recipe.weight_decay", self.weight_decay, 100, open_at=(False, False))
        require_number("recipe.warmup", self.warmup, 1, open_at=(False, True))
        require_number("recipe.label_smoothing", self.label_smoothing, 1, open_at=(False, True))
        self._require_length()
        require_whole("recipe.batch_size", self.batch_size, 1, MOST_SAMPLES)
        require_boolean("recipe.flip", self.flip)
        require_whole("recipe.crop", self.crop, 0, MOST_CROP)

    def _require_momentum(self) -> None:
        if self.optimizer == "sgd":
            if self.momentum is None:
                object.__setattr__(self, "momentum", MOMENTUM)
            require_number("recipe.momentum", self.momentum, 1, open_at=(False, True))
        elif self.momentum is not None:
            raise TrialOptionError("recipe.momentum", 'is for the optimizer "sgd"; leave it out')

    def _require_length(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise TrialOptionError(
                "recipe.steps", "and recipe.epochs both say how long to train; give one of the two"
            )
        if self.steps is not None:
            require_whole("recipe.steps", self.steps, 1, MOST_STEPS)
            return
        if self.epochs is None:
            object.__setattr__(self, "epochs", EPOCHS)
        require_whole("recipe.epochs", self.epochs, 1, MOST_EPOCHS)


@dataclass(frozen=True)
class FineTune:
    """The second part of `expand_prune`: its share of all steps, and its peak learning rate.

    `learning_rate` None is that of the recipe. `prune_to` says what pruning brings back to at most
    the original's: parameters or MACs.

    >>> FineTune(share=1.0)
    Traceback (most recent call last):
    narrows.trials.checks.TrialOptionError: fine_tune.share is 1.0; it must be above 0 and below 1
    """

    share: float = 0.5
    learning_rate: float | None = None
    prune_to: BudgetKind = "parameters"

    def __post_init__(self) -> None:
        """Raise TrialOptionError for what is not allowed."""
        require_number("fine_tune.share", self.share, 1, open_at=(True, True))
        if self.learning_rate is not None:
            require_rate("fine_tune.learning_rate", self.learning_rate)
        require_choice("fine_tune.prune_to", self.prune_to, BUDGET_KINDS)


def require_rate(field: str, value: float) -> None:
    """Raise TrialOptionError unless this is a learning rate."""
    require_number(field, value, LARGEST_RATE, open_at=(True, False))
