"""A network that can be trained: batch norm and dropout are put back in train mode.

See docs/trials.md, "Train mode".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from narrows.graph import bounds
from narrows.graph.network import Network, run_node
from narrows.graph.node import Node, as_ref
from narrows.trials.obstacles import require_trainable
from narrows.trials.train_mode import BATCH_NORMS, Form, described, form_of

REMARK = (
    "Dropout that the export has removed can't be known: attention's own, stochastic depth, and "
    "whatever the source does only in train mode."
)


@dataclass(frozen=True)
class PutBack:
    """A call that runs in train mode, by the module that makes it, and what it does there."""

    module: str
    op: str
    what: str

    def to_dict(self) -> dict[str, str]:
        """Return it in the API's shape."""
        return vars(self).copy()


@dataclass(frozen=True)
class Trainable:
    """The program of a network in train mode, over tensors that change.

    >>> from narrows.graph.from_export import as_network
    >>> import torch
    >>> from torch import nn
    >>> module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    >>> trainable = Trainable.of(as_network(module, (torch.zeros(2, 2),)))
    >>> [(call.module, call.what) for call in trainable.put_back]
    [('1', 'normalizes by the batch, and updates its running statistics')]
    >>> trainable.parameters
    ['0.bias', '0.weight', '1.bias', '1.weight']
    """

    network: Network = field(repr=False)
    _forms: Mapping[int, Form] = field(repr=False)

    @classmethod
    def of(cls, network: Network) -> "Trainable":
        """Return the network in train mode.

        Raises TrialError, with the layer and the reason, for what can't be trained.
        """
        require_trainable(network)
        forms = {i: form for i, node in enumerate(network.nodes) if (form := form_of(node))}
        return cls(network, forms)

    @cached_property
    def parameters(self) -> list[str]:
        """The names of the tensors that are trained: parameters that hold numbers."""
        tensors = self.network.tensors
        return sorted(n for n in self.network.parameters if tensors[n].is_floating_point())

    @property
    def put_back(self) -> list[PutBack]:
        """The calls that differ from eval mode."""
        return [
            PutBack(node.module, node.op, what)
            for index, node in enumerate(self.network.nodes)
            if index in self._forms and (what := described(node))
        ]

    def __call__(self, tensors: Mapping[str, Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the first output for a batch, in train mode.

        `tensors` hold the parameters, and the running statistics, which are updated in place.
        """

        def call(index: int, node: Node, arguments: dict[str, Any]) -> Any:
            form = self._forms.get(index)
            if form is None:
                return run_node(index, node, arguments)
            bounds.check_arguments(node.op, arguments)
            if node.op in BATCH_NORMS:
                arguments = arguments | {"momentum": self._count(node, tensors)}
            return form(**arguments)

        output: Tensor = self.network.execute(*inputs, call=call, tensors=tensors)[0]
        return output

    def _count(self, node: Node, tensors: Mapping[str, Tensor]) -> Any:
        """Count the batch as torch's module does; return the weight of its statistics.

        A momentum of 0 is what torch exports for None: the plain average over all batches.
        """
        momentum = node.inputs["momentum"]
        name = self.network.leaves[as_ref(node.inputs["running_mean"]).name]
        count = tensors.get(f"{name.removesuffix('running_mean')}num_batches_tracked")
        if count is None or not name.endswith("running_mean"):
            return momentum
        count += 1
        return momentum or 1 / int(count)
