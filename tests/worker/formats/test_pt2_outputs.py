"""What a network returns: named collections of other packages, `None`, constants; odd names."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from narrows.graph.from_export import as_network
from narrows.graph.output_tree import Constant
from narrows.graph.to_export import NetworkModule, save
from tests.support.exporting import read_back
from worker.formats import pt2

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch.export warns


class ModelOutput(dict[str, Tensor]):
    """Registered as those of transformers are: names are the context, the type has a path."""


pytree.register_pytree_node(
    ModelOutput,
    lambda output: (list(output.values()), list(output)),
    lambda values, names: ModelOutput(zip(names, values, strict=True)),
    serialized_type_name="os.system",
)


@dataclass
class Detection:
    boxes: Tensor
    masks: Tensor | None = None
    scores: Tensor | None = None


torch.export.register_dataclass(Detection, serialized_type_name="elsewhere.Detection")


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


pytree._register_namedtuple(Pair, serialized_type_name="elsewhere.Pair")


class Returning(nn.Module):
    def __init__(self, how: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.how = nn.Linear(3, 2), how

    def forward(self, x: Tensor) -> Any:
        return self.how(self.layer(x))


RETURNED: list[tuple[Callable[[Tensor], Any], Any]] = [
    (lambda y: OrderedDict(out=y, aux=y + 1), {"out": 0, "aux": 1}),
    (lambda y: ModelOutput(logits=y, hidden=y + 1), {"logits": 0, "hidden": 1}),
    (lambda y: Detection(y, scores=y + 1), {"boxes": 0, "scores": 1, "masks": None}),
    (lambda y: Pair(y, y + 1), {"first": 0, "second": 1}),
    (lambda y: defaultdict(list, out=y), {"out": 0}),
    (lambda y: deque([y, y + 1]), (0, 1)),
    (lambda y: {"a b": y, 3: [y + 1, None]}, {"a b": 0, 3: [1, None]}),
    (
        lambda y: (None, y, (), 3, 2.5, "text", True),
        (None, 0, (), Constant(3), Constant(2.5), Constant("text"), Constant(True)),
    ),
]


@pytest.mark.parametrize(("how", "nesting"), RETURNED)
def test_outputs_keep_their_names(
    how: Callable[[Tensor], Any], nesting: Any, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module, x = Returning(how).eval(), torch.randn(4, 3)
    tensors = [y for y in pytree.tree_leaves(module(x)) if isinstance(y, Tensor)]
    for network in (as_network(module, (x,)), read_back(module, x)):
        assert network.nesting == nesting
        torch.testing.assert_close(network(x), tuple(tensors))
    assert type(NetworkModule(network)(x)) in (dict, tuple)
    save(network, tmp_path / "built.pt2")
    assert pt2.read(tmp_path / "built.pt2").nesting == nesting


NAMES = ["block1-0", "en->de", "größe", "a b", "x/y:z", "0", "it's"]


@pytest.mark.parametrize("name", NAMES)
def test_modules_may_have_any_name_that_torch_allows(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, x = nn.ModuleDict({name: nn.Linear(3, 2)}).eval(), torch.randn(4, 3)
    module.forward = module[name].forward
    network = read_back(module, x)
    assert list(network.tensors) == [f"{name}.weight", f"{name}.bias"]
    save(network, tmp_path / "built.pt2")
    torch.testing.assert_close(pt2.read(tmp_path / "built.pt2")(x), (module[name](x),))
