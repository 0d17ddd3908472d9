"""Makes a network of the zoo by its name, with random weights, and example inputs for it.

Nothing is downloaded: configurations are made in code. Sizes of images are as small as the network
allows.
"""

import inspect
from collections.abc import Iterator
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchmarks.zoo.names import TENSOR
from benchmarks.zoo.of_transformers import candidates, image

IMAGE_SIZES = (64, 96, 224, 256, 299)
"""The sizes of images that are tried, in pixels."""
VIDEO = ("r3d", "mc3", "r2plus1d", "s3d", "mvit", "swin3d")
"""How the names of torchvision's networks for videos begin; one for optical flow is raft."""
FRAMES = 16
"""The length of videos."""


class FirstTensor(nn.Module):
    """A module that returns the first tensor of what another one returns."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.net(*inputs)[0]  # type: ignore[no-any-return]


def make(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return the network of this name in eval mode, and example inputs that it runs on.

    Raises ValueError for a name without a library, and whatever the library raises.
    """
    library, _, own = name.partition(":")
    if not own or library not in _MAKERS:
        raise ValueError(f"{name!r} must be one of: {', '.join(f'{known}:…' for known in _MAKERS)}")
    own, picked = own.removesuffix(TENSOR), own.endswith(TENSOR)
    failure: Exception = ValueError(f"{library} makes no network of the name {own!r}")
    for module, inputs in _MAKERS[library](own):
        module = (FirstTensor(module) if picked else module).eval()
        try:
            with torch.no_grad():
                module(*inputs)
        except Exception as error:  # the network's own, for a size that it does not take
            failure = error
            continue
        return module, inputs
    raise failure


def first_output(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return the first tensor among what a module returns."""
    with torch.no_grad():
        leaves = pytree.tree_leaves(module(*inputs))
    return next(leaf for leaf in leaves if isinstance(leaf, Tensor))


Candidates = Iterator[tuple[nn.Module, tuple[Tensor, ...]]]


def _torchvision(name: str) -> Candidates:
    models = import_module("torchvision.models")
    builder = models.get_model_builder(name)
    known = inspect.signature(builder).parameters
    options = {"weights_backbone": None} if "weights_backbone" in known else {}
    resizable = name.startswith("vit_")
    for size in IMAGE_SIZES:
        sized = {"image_size": size} if resizable and size % 32 == 0 else {}
        picture = image(size)
        inputs: tuple[Tensor, ...] = (picture,)
        if name.startswith(VIDEO):
            inputs = (picture[:, :, None] * torch.linspace(0.5, 1, FRAMES)[:, None, None],)
        elif name.startswith("raft"):
            inputs = (picture, picture.flip(-1))
        yield builder(weights=None, **options, **sized), inputs


def _timm(name: str) -> Candidates:
    timm = import_module("timm")
    for size in IMAGE_SIZES:
        for options in ({"img_size": size}, {}):
            try:
                module = timm.create_model(name, pretrained=False, **options)
            except Exception:  # timm's own: the network has no such option, or not such a size
                continue
            channels = module.pretrained_cfg.get("input_size", (3,))[0]
            yield module, (image(size, channels),)


_MAKERS = {"torchvision": _torchvision, "timm": _timm, "transformers": candidates}
