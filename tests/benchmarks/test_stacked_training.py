"""Training many seeds at once gives what training each seed alone gives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.architecture import Architecture
from benchmarks.data import Data
from benchmarks.gain_architectures import build, initialise, layer_names
from benchmarks.samples_last import Conv, put_samples_last
from benchmarks.stacked_training import CALIBRATED, Schedule, evaluate, fit

ARCHITECTURES = [
    Architecture("plain", (3, 2, 4, 3), "gelu", kernel=5),
    Architecture("residual", (2, 3, 3, 2)),
    Architecture("separable", (3, 4, 2), "silu"),
    Architecture("mlp", (5, 4), "tanh"),
    Architecture("transformer", (6, 2, 5), "leaky"),
]
SCHEDULE = Schedule(samples=24, epochs=3, batch=6, peak_rate=1e-2, weight_decay=0.1)
kinds = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.kind)


def data(seed: int) -> Data:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(36, 1, 8, 8, generator=generator, dtype=torch.float64)
    classes = torch.randint(10, (36,), generator=generator)
    return Data(images[:24], classes[:24], images[24:], classes[24:])


def alone(architecture: Architecture, seed: int) -> nn.Module:
    """Train one seed with torch's own layers and optimizer, in the usual layout."""
    network = initialise(build(architecture), seed).double().train()
    of_seed, batches = data(seed), SCHEDULE.batches(seed)
    optimizer = torch.optim.AdamW(network.parameters(), SCHEDULE.peak_rate, weight_decay=0.1)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, SCHEDULE.peak_rate, total_steps=SCHEDULE.steps
    )
    for batch in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(of_seed.images[batch]), of_seed.classes[batch])
        torch.autograd.backward(loss)
        optimizer.step()
        rates.step()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        for batch in batches[:CALIBRATED]:
            network(of_seed.images[batch])
    return network.eval()


@kinds
def test_all_seeds_at_once_are_as_each_alone(architecture: Architecture) -> None:
    seeds = (3, 0, 7)
    together = fit(architecture, SCHEDULE, [data(seed) for seed in seeds], seeds)
    for seed, network in zip(seeds, together, strict=True):
        of_seed = data(seed)
        torch.testing.assert_close(
            network(of_seed.held_out_images),
            alone(architecture, seed)(of_seed.held_out_images),
            rtol=1e-7,
            atol=1e-9,
        )


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 3])
def test_convolution_with_samples_last(size: int, stride: int, groups: int) -> None:
    torch.manual_seed(0)
    layer = Conv(6, 9, size, stride, groups).double()
    x = torch.randn(4, 6, 5, 8, dtype=torch.float64, requires_grad=True)
    expected = layer(x)
    weights = torch.randn_like(expected)
    slope = torch.autograd.grad((weights * expected).sum(), (x, layer.weight))
    put_samples_last(layer)
    found = layer(x.permute(1, 2, 3, 0)).permute(3, 0, 1, 2)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad((weights * found).sum(), (x, layer.weight)), slope
    )


@kinds
def test_layers_have_the_widths(architecture: Architecture) -> None:
    modules = dict(build(architecture).named_modules())
    rows = [modules[name].weight.shape[0] for name in layer_names(architecture)]
    heads = 4 if architecture.kind == "transformer" else 1
    units = [1, heads, 1] if architecture.kind == "transformer" else [1] * len(rows)
    assert rows == [w * unit for w, unit in zip(architecture.widths, units, strict=True)]


@kinds
def test_wider_networks_share_weights_of_the_same_seed(architecture: Architecture) -> None:
    wider = Architecture(
        architecture.kind,
        tuple(width + 1 for width in architecture.widths),
        architecture.activation,
        architecture.kernel,
    )
    small, large = (initialise(build(a), 5).state_dict() for a in (architecture, wider))
    name = f"{layer_names(architecture)[0]}.weight"
    rows, columns = small[name].shape[:2]
    torch.testing.assert_close(large[name][:rows, :columns], small[name])


def test_evaluation() -> None:
    network = nn.Flatten()  # the images are the logits
    images = torch.tensor([[[[0.0, 0.0]]], [[[2.0, 0.0]]]])
    loss, accuracy = evaluate(network, images, torch.tensor([0, 1]))
    expected = (torch.tensor(2.0).log() + (1 + torch.tensor(2.0).exp()).log()) / 2
    assert (loss, accuracy) == pytest.approx((float(expected), 0.5))
