"""The numbers that training begins with."""

from dataclasses import replace

import torch
from torch import Tensor

from narrows.arrays import Ints
from narrows.graph.network import Network
from narrows.surgery.channel_counts import ChannelCounts
from narrows.surgery.initialize import draw
from narrows.surgery.resize import belongs_to_copies
from narrows.trials.errors import TrialError
from narrows.trials.seeds import Stream, torch_generator
from narrows.trials.subject import TrialSubject

NOISE = 0.01
"""The noise on copies, relative to the deviation of their tensor's numbers (Net2Net, 2016)."""


def fresh_weights(subject: TrialSubject, network: Network, seed: int) -> Network:
    """Return the network with new initial weights, as torch's own layers draw theirs.

    `network` is the subject's, resized. Raises TrialError for a parameter whose use does not say
    how it is drawn, such as a position embedding that is added.
    """
    generator = torch_generator(seed, Stream.WEIGHTS)
    drawn = draw(subject.network, subject.shapes, network.tensors, generator)
    used = {network.leaves[v] for n in network.nodes for v in n.references() if v in network.leaves}
    parameters = used & network.parameters
    unknown = sorted(n for n in parameters - drawn.keys() if _is_trained(network.tensors[n]))
    if unknown:
        raise TrialError(
            f"it is not known how {', '.join(unknown[:5])} is drawn at first; train from the "
            'upload\'s weights (recipe.start "upload")'
        )
    counts = {
        name: torch.zeros_like(tensor)
        for name, tensor in network.tensors.items()
        if name.endswith("num_batches_tracked")
    }
    return replace(network, tensors={**network.tensors, **drawn, **counts})


def told_apart(subject: TrialSubject, network: Network, copies: Ints, seed: int) -> Network:
    """Return the network with a little noise on copied channels, so that training parts them.

    Copies that are equal would get equal gradients for ever, and be no more than one channel.
    """
    counts = ChannelCounts(subject.channels, subject.shapes, copies)
    generator = torch_generator(seed, Stream.WEIGHTS)
    tensors = dict(network.tensors)
    for name in sorted(network.parameters):
        tensor = tensors[name]
        if _is_trained(tensor) and tensor.numel() > 1:
            noise = torch.randn(tensor.shape, generator=generator).to(tensor) * tensor.std() * NOISE
            tensors[name] = tensor + noise * belongs_to_copies(tensor, name, counts)
    return replace(network, tensors=tensors)


def _is_trained(tensor: Tensor) -> bool:
    return tensor.is_floating_point()
