"""`narrows.trial` in a notebook: plans are tried, and the module stays as it was."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import narrows
from narrows import Trial, TrialOptions, analyze, trial
from narrows.arguments import ArgumentError
from narrows.loaded import BatchError
from narrows.targets import TargetsError
from narrows.trials.errors import TrialError
from narrows.trials.options import FineTune, Recipe, TrialOptionError

PLAN = {"name": "mine", "factors": {"0": 2.0}}
OPTIONS: dict[str, Any] = {
    "plans": [PLAN],
    "seeds": [0, 1],
    "recipe": Recipe(steps=6, batch_size=8),
    "fine_tune": FineTune(0.25),
}


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


@pytest.fixture(scope="module")
def batches() -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    inputs = torch.randn(48, 4)
    classes = inputs.argmax(1).remainder(3)
    return list(zip(torch.split(inputs, 16), torch.split(classes, 16), strict=True))


@pytest.fixture(scope="module")
def tried(module: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> Trial:
    return trial(module, batches, progress=False, **OPTIONS)


def test_each_variant_is_trained_with_each_seed(tried: Trial) -> None:
    names = ["original", "mine", "uniform.mine", "mine.expand_prune"]
    assert [(run.variant, run.seed) for run in tried.runs] == [
        (name, seed) for seed in (0, 1) for name in names
    ]
    assert all(run.steps == 6 and run.error is None for run in tried.runs)
    assert [row.name for row in tried.summary] == names
    original, wide, uniform, pruned = tried.summary
    assert original.parameters == 4 * 6 + 6 + 12 + 6 * 3 + 3
    assert wide.parameters == 4 * 12 + 12 + 24 + 12 * 3 + 3
    assert uniform.parameters == wide.parameters  # there is one group only
    assert pruned.parameters == original.parameters
    assert wide.gain is not None
    assert wide.gain.count == 2
    assert "mine.expand_prune" in repr(tried)
    assert tried.to_dict()["put_back"][0]["module"] == "1"


def test_the_same_call_gives_the_same_bits(
    tried: Trial, module: nn.Module, batches: list[tuple[Tensor, Tensor]]
) -> None:
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    seen: list[tuple[int, int | None]] = []
    again = trial(
        module, batches, analysis=analyze(module, batches, factors={"mine": {"0": 2.0}},
        progress=False), progress=lambda done, total: seen.append((done, total)), **OPTIONS,
    )  # fmt: skip
    assert list(again.runs) == list(tried.runs)
    assert seen == [(6 * n, 48) for n in range(1, 9)]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert module.training


def test_networks_of_a_trial(tried: Trial) -> None:
    pruned = tried.network("mine.expand_prune", 1)
    assert pruned.module()(torch.zeros(5, 4)).shape == (5, 3)
    assert tried.network("mine").network.tensors["0.weight"].shape == (12, 4)
    with pytest.raises(ArgumentError, match="there is no variant 'yours'; choose from 'original'"):
        tried.network("yours")
    with pytest.raises(TrialError, match=r"no seed 7; choose from \[0, 1\]"):
        tried.network("mine", 7)


def test_runs_that_diverge_do_not_end_the_trial(module: nn.Module) -> None:
    linear = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 1))
    recipe = Recipe("sgd", 90.0, schedule="constant", steps=100, batch_size=8)
    data = [(torch.randn(48, 4), torch.randn(48, 1))]
    options = {**OPTIONS, "recipe": recipe, "variants": ["plan"]}
    tried = trial(linear, data, loss="mse", progress=False, **options)
    assert len(tried.runs) == 4
    assert all(run.error and "choose a lower" in run.error for run in tried.runs)
    assert [row.loss for row in tried.summary] == [None, None]
    with pytest.raises(TrialError, match="has no network: the"):
        tried.network("mine")


def test_losses_of_ones_own_and_of_the_program(module: nn.Module) -> None:
    def squares(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().sum()

    data = [(torch.randn(48, 4), torch.rand(48, 3))]  # which would all be class 0
    own = trial(module, data, loss=squares, progress=False, **{**OPTIONS, "seeds": [0]})
    assert all(run.loss and run.accuracy is None for run in own.runs)

    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = copy.deepcopy(module)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return (self.net(x) - y).square().mean()

    plan = {"name": "mine", "factors": {"net.0": 2.0}}
    options = {**OPTIONS, "seeds": [0], "plans": [plan]}
    program = trial(Loss(), data, loss="model", progress=False, **options)
    for mean, total in zip(program.runs, own.runs, strict=True):
        assert mean.variant == total.variant
    first, second = program.runs[0], own.runs[0]
    assert first.curve[0].train_loss == pytest.approx((second.curve[0].train_loss or 0) / 3)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"recipe": {"epochs": 0}}, TrialOptionError, "recipe.epochs is 0"),
        ({"epochs": 3}, TrialOptionError, "epochs is unknown"),
        ({"recipe": {"crop": 2}}, TrialError, "recipe.crop is for images"),
        ({"recipe": {"flip": True}}, TrialError, "recipe.flip is for images"),
        ({"plans": [{"name": "mine", "factors": {"3": 2.0}}]}, ArgumentError, "can't be pruned"),
        ({"loss": "mse"}, TargetsError, "loss mse"),
        ({"loss": "nll"}, ValueError, "log"),
        ({"holdout": 0.001}, TrialError, "can't be split"),
        ({"recipe": {"batch_size": 1}}, TrialError, "more than 1 value per channel"),
    ],
)
def test_what_does_not_fit_is_refused(
    module: nn.Module,
    batches: list[tuple[Tensor, Tensor]],
    changes: dict[str, Any],
    error: type[Exception],
    text: str,
) -> None:
    with pytest.raises(error, match=text):
        trial(module, batches, progress=False, **{**OPTIONS, **changes})


def test_a_plan_without_a_bottleneck_is_no_trial(
    module: nn.Module, batches: list[tuple[Tensor, Tensor]]
) -> None:
    options = {**OPTIONS, "plans": ["double"]}
    with pytest.raises(TrialError, match="double: it is the original: no width changes"):
        trial(module, batches, progress=False, **options)


def test_a_program_of_fixed_batches_says_which(module: nn.Module) -> None:
    program = torch.export.export(copy.deepcopy(module).eval(), (torch.randn(4, 4),))
    data = [(torch.randn(48, 4), torch.randint(3, (48,)))]
    with pytest.raises(TrialError, match="batches of exactly 4 samples, but"):
        trial(program, data, progress=False, **OPTIONS)
    fixed = {**OPTIONS, "recipe": Recipe(steps=3, batch_size=4), "seeds": [0]}
    assert all(run.loss for run in trial(program, data, progress=False, **fixed).runs)


def test_no_data_is_no_trial(module: nn.Module) -> None:
    with pytest.raises(BatchError, match="no batches"):
        trial(module, [], progress=False, **OPTIONS)


def test_the_names_are_public() -> None:
    assert {"trial", "Trial", "TrialOptions"} <= set(narrows.__all__)
    assert narrows.TrialOptions is TrialOptions
