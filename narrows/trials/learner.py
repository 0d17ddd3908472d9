"""A network while it learns: its tensors, in train mode, and the optimizer."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from narrows.batch import Batch
from narrows.graph.network import Network
from narrows.isolated import on_device
from narrows.trials.objective import Objective
from narrows.trials.recipe import Recipe
from narrows.trials.trainable import Trainable

_OPTIMIZER = "optimizer"


class Learner:
    """Trains a network step by step, on a device; the network itself stays as it is.

    >>> from narrows.example import one_sample, two_neurons
    >>> from narrows.losses import LOSSES
    >>> learner = Learner(two_neurons()[0], Recipe("sgd", 0.1, momentum=0.0), torch.device("cpu"))
    >>> learner.learn(one_sample(), Objective(LOSSES["mse"]), rate=0.1)  # (3 − 2)²
    1.0
    >>> learner.network.tensors["output.weight"]  # 1 − 0.1 · 2 · (3 − 2) · h, with h = (1, 2)
    tensor([[0.8000, 0.6000]])
    """

    def __init__(self, network: Network, recipe: Recipe, device: torch.device) -> None:
        self._network, self._device = network, device
        self._trainable = Trainable.of(network)
        self._tensors = {name: t.detach().clone().to(device) for name, t in network.tensors.items()}
        parameters = [self._tensors[name].requires_grad_() for name in self._trainable.parameters]
        self._optimizer = _optimizer(parameters, recipe)

    def learn(self, batch: Batch, objective: Objective, rate: float) -> float:
        """Make one step, and return the loss before it; no step where that is not finite."""
        with on_device(self._device):
            loss = objective(self._trainable(self._tensors, batch.inputs), batch.targets)
        value = loss.item()
        if math.isfinite(value):
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.zero_grad()
            torch.autograd.backward(loss)
            self._optimizer.step()
        return value

    @property
    def network(self) -> Network:
        """The network with the present numbers, on the device, in eval mode."""
        return replace(self._network, tensors={n: t.detach() for n, t in self._tensors.items()})

    def state(self) -> dict[str, Tensor]:
        """Return all numbers by name: the network's tensors, and what the optimizer remembers."""
        stored = {f"network/{name}": tensor.detach() for name, tensor in self._tensors.items()}
        for index, remembered in self._optimizer.state_dict()["state"].items():
            for key, value in remembered.items():
                if isinstance(value, Tensor):  # and not None, before SGD has any momentum
                    stored[f"{_OPTIMIZER}/{index}/{key}"] = value
        return stored

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the numbers that `state` has returned; raise KeyError or RuntimeError."""
        for name, tensor in self._tensors.items():
            with torch.no_grad():
                tensor.copy_(state[f"network/{name}"])
        remembered: dict[int, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            kind, _, rest = name.partition("/")
            if kind == _OPTIMIZER:
                index, _, key = rest.partition("/")
                remembered.setdefault(int(index), {})[key] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": remembered, "param_groups": groups})


def _optimizer(parameters: list[Tensor], recipe: Recipe) -> torch.optim.Optimizer:
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        momentum = recipe.momentum or 0.0
        return torch.optim.SGD(parameters, rate, momentum, weight_decay=decay, foreach=True)
    return torch.optim.AdamW(parameters, rate, weight_decay=decay, foreach=True)
