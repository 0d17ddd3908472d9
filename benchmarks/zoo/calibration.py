"""Random weights under which every branch of a network counts, and batch norms fit their inputs.

Untrained networks have residual branches that begin at zero, scales of 1e-6, and batch norms whose
statistics are those of no input. There, almost anything that surgery does would seem right.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

TINY = 1e-3
"""The largest absolute value of a parameter that is as good as zero."""


def calibrate(module: nn.Module, inputs: tuple[Tensor, ...], seed: int = 0) -> None:
    """Give a module in eval mode weights and statistics under which every branch counts.

    Parameters that are constant, or next to zero, become random: factors lie in 0.5 … 1.5, biases
    are small, and matrices keep the variance of what they multiply. Then the statistics of each
    batch norm become those of `inputs`.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    >>> _ = nn.init.zeros_(net[0].weight)
    >>> calibrate(net.eval(), (torch.randn(64, 2),))
    >>> bool((net[0].weight != 0).all()), net(torch.randn(9, 2)).std().item() > 0.1, net.training
    (True, True, False)
    """
    generator = torch.Generator().manual_seed(seed)
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.is_floating_point() and _says_nothing(parameter):
                parameter.copy_(_random(name, parameter, generator))
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum, norm.training = 1.0, True
        module(*inputs)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum, norm.training = momentum, False


def _says_nothing(parameter: Tensor) -> bool:
    return bool(parameter.numel()) and bool(
        (parameter == parameter.flatten()[0]).all() or parameter.abs().max() <= TINY
    )


def _random(name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    shape = parameter.shape
    if name.endswith("bias"):
        return 0.1 * torch.randn(shape, generator=generator)
    if max(shape, default=1) == parameter.numel():  # one number for each channel
        return 0.5 + torch.rand(shape, generator=generator)
    deviation: float = parameter[0].numel() ** -0.5
    return torch.randn(shape, generator=generator) * deviation
