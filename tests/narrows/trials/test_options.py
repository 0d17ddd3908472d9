"""The options of a trial: what is not allowed is named by its path."""

from typing import Any

import pytest

from narrows.trials.options import Recipe, TrialOptionError, TrialOptions

PLAN = {"name": "mine", "factors": {"conv1": 1.5}}


def test_options_go_to_json_and_back() -> None:
    options = TrialOptions.from_json(
        {
            "plans": ["double", PLAN],
            "advise": {"budget": 0.2},
            "variants": ["expand_prune"],
            "recipe": {"optimizer": "sgd", "learning_rate": 0.1, "steps": 50, "start": "upload"},
            "inits": ["preserve", "fresh"],
            "fine_tune": {"share": 0.25, "prune_to": "macs"},
            "seeds": [3],
        }
    )
    assert TrialOptions.from_json(options.to_json()) == options
    assert {options: 1}[TrialOptions.from_json(options.to_json())] == 1  # hashable, and equal
    assert options.custom_plans == {"mine": {"conv1": 1.5}}
    assert (options.recipe.momentum, options.recipe.epochs) == (0.9, None)
    assert TrialOptions.from_json({}) == TrialOptions()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"recipe": {"learning_rate": 0}}, "recipe.learning_rate"),
        ({"recipe": {"learning_rate": float("nan")}}, "recipe.learning_rate"),
        ({"recipe": {"learning_rate": True}}, "recipe.learning_rate"),
        ({"recipe": {"learning_rate": "fast"}}, "recipe.learning_rate"),
        ({"recipe": {"momentum": 0.9}}, "recipe.momentum"),
        ({"recipe": {"optimizer": "sgd", "momentum": 1}}, "recipe.momentum"),
        ({"recipe": {"optimizer": "lion"}}, "recipe.optimizer"),
        ({"recipe": {"schedule": None}}, "recipe.schedule"),
        ({"recipe": {"warmup": 1.0}}, "recipe.warmup"),
        ({"recipe": {"epochs": 3, "steps": 9}}, "recipe.steps"),
        ({"recipe": {"epochs": 0}}, "recipe.epochs"),
        ({"recipe": {"epochs": 2.5}}, "recipe.epochs"),
        ({"recipe": {"steps": 10**9}}, "recipe.steps"),
        ({"recipe": {"batch_size": 0}}, "recipe.batch_size"),
        ({"recipe": {"flip": 1}}, "recipe.flip"),
        ({"recipe": {"crop": -1}}, "recipe.crop"),
        ({"recipe": {"label_smoothing": 1.0}}, "recipe.label_smoothing"),
        ({"recipe": {"label_smoothing": 0.1}, "loss": "mse"}, "recipe.label_smoothing"),
        ({"recipe": {"start": "middle"}}, "recipe.start"),
        ({"recipe": {"lr": 1.0}}, "recipe.lr"),
        ({"recipe": [1]}, "recipe"),
        ({"fine_tune": {"share": 0}}, "fine_tune.share"),
        ({"fine_tune": {"prune_to": "structures"}}, "fine_tune.prune_to"),
        ({"advise": {"budget": 9}}, "advise.budget"),
        ({"advise": {"multiple": 0}}, "advise.multiple"),
        ({"plans": []}, "plans"),
        ({"plans": "double"}, "plans"),
        ({"plans": ["double", "double"]}, "plans"),
        ({"plans": ["treble"]}, "plans"),
        ({"plans": [3]}, "plans"),
        ({"plans": [PLAN, {**PLAN, "factors": {"conv1": 2}}]}, "plans"),
        ({"plans": [{**PLAN, "name": "double"}]}, "plans"),
        ({"plans": [{**PLAN, "name": "uniform.double"}]}, "plans"),
        ({"plans": [{**PLAN, "name": "original"}]}, "plans"),
        ({"plans": [{**PLAN, "factors": {}}]}, "plans"),
        ({"plans": [{"name": "mine"}]}, "plans"),
        ({"plans": [{**PLAN, "factors": {"conv1": 0}}]}, "plans.mine.factors.conv1"),
        ({"variants": ["original"]}, "variants"),
        ({"inits": ["preserve"]}, "inits"),
        ({"inits": ["zero"], "recipe": {"start": "upload"}}, "inits"),
        ({"seeds": [0, 0]}, "seeds"),
        ({"seeds": [-1]}, "seeds"),
        ({"seeds": list(range(33))}, "seeds"),
        ({"seeds": 3}, "seeds"),
        ({"holdout": 0}, "holdout"),
        ({"loss": "hinge"}, "loss"),
        ({"max_samples": 1}, "max_samples"),
        ({"threads": 0}, "threads"),
        ({"time_limit_seconds": 0}, "time_limit_seconds"),
        ({"memory_bytes": 1.5}, "memory_bytes"),
        ({"epochs": 3}, "epochs"),
    ],
)
def test_what_is_not_allowed_is_named(request_: dict[str, Any], field: str) -> None:
    with pytest.raises(TrialOptionError) as raised:
        TrialOptions.from_json(request_)
    assert raised.value.field == field
    assert str(raised.value).startswith(field)


def test_the_length_is_in_epochs_unless_it_is_in_steps() -> None:
    assert (Recipe().epochs, Recipe().steps) == (20, None)
    assert (Recipe(steps=7).epochs, Recipe(steps=7).steps) == (None, 7)
