"""The learning rate of each step: it rises, and then stays or falls to 0."""

import math

from narrows.trials.recipe import Recipe


def learning_rate(recipe: Recipe, peak: float, step: int, steps: int) -> float:
    """Return the rate of step 0 … steps − 1.

    It rises in equal parts over `recipe.warmup · steps` steps. A `cosine` or a `linear` function
    falls from the peak towards 0, which it would reach at `steps`.

    >>> recipe = Recipe(schedule="linear", warmup=0.25)
    >>> [learning_rate(recipe, 1.0, step, 8) for step in range(8)]
    [0.5, 1.0, 1.0, 0.8333333333333334, 0.6666666666666667, 0.5, 0.33333333333333337, \
0.16666666666666663]
    >>> learning_rate(Recipe(warmup=0.0), 1.0, 5, 10)  # half of a cosine
    0.5
    """
    rising = round(recipe.warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    share = (step - rising) / (steps - rising)
    match recipe.schedule:
        case "constant":
            return peak
        case "linear":
            return peak * (1 - share)
        case "cosine":
            return peak * (1 + math.cos(math.pi * share)) / 2
