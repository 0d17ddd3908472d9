"""Programs that write in place compute what their source does, by the library and as uploads."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from narrows.graph.exported_outputs import outputs_of
from narrows.graph.from_export import as_network
from narrows.graph.functionalization import MAX_NODES, Functionalization
from narrows.graph.node import Node, Ref
from narrows.graph.operators import INPLACE, OPERATORS
from narrows.graph.trace_errors import TraceError
from narrows.graph.unsupported import UnsupportedError
from tests.support.exporting import read_back
from worker.errors import RefusedError

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch.export warns


class Writes(nn.Module):
    """A network that writes, as `write` does, into four channels of a layer's output."""

    def __init__(self, write: Callable[[Tensor, Tensor], Tensor | None]) -> None:
        super().__init__()
        self.layer, self.write = nn.Linear(3, 4), write

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        result = self.write(y, x)
        return y if result is None else result


def whole(y: Tensor, x: Tensor) -> None:
    y.mul_(2).clamp_(-1, 1)


def part(y: Tensor, x: Tensor) -> None:
    y[:, 1:] += x


def every_second(y: Tensor, x: Tensor) -> None:
    y[:, ::2] = x[:, :2]


def one(y: Tensor, x: Tensor) -> None:
    y[:, -1] = 3.0


def through_a_transpose(y: Tensor, x: Tensor) -> None:
    y.t()[1:3].zero_()


def through_a_permutation(y: Tensor, x: Tensor) -> None:
    y.view(-1, 2, 2).permute(2, 0, 1)[0].fill_(2.0)


def through_movedim(y: Tensor, x: Tensor) -> None:
    y.view(-1, 2, 2).movedim(1, 0).narrow(0, 1, 1).neg_()


def through_a_view(y: Tensor, x: Tensor) -> None:
    y.view(-1, 2, 2)[..., 0].copy_(x[:, :2])


def through_new_dimensions(y: Tensor, x: Tensor) -> None:
    y[:, None].squeeze(1).unsqueeze(-1).tanh_()


def where(y: Tensor, x: Tensor) -> None:
    y[y > 0] = -1.0


def where_rows(y: Tensor, x: Tensor) -> None:
    y[x[:, 0] > 0] = 0.5


def at_indices(y: Tensor, x: Tensor) -> None:
    y[:, torch.tensor([0, 2])] = x[:, :2]


def earlier_views_follow(y: Tensor, x: Tensor) -> Tensor:
    before, head, tail = y * 1, y[:, :2], y[:, 1:]
    head += 1.0
    tail *= 2.0
    return torch.cat([before, head, tail, y], 1)


def pieces_follow(y: Tensor, x: Tensor) -> Tensor:
    z = x * 2
    pieces = z.unbind(1)
    z.add_(1.0)
    return torch.stack(pieces, 1) * y[:, :3]


def a_view_of_a_piece_follows(y: Tensor, x: Tensor) -> Tensor:
    head = y[:, :2]
    first = head[:, 0]
    y[:, 0] = 7.0
    head[:, 1] = 5.0
    return torch.stack([first, head.sum(1), y.sum(1)], 1)


def a_copy_does_not_follow(y: Tensor, x: Tensor) -> Tensor:
    kept = y.clone()
    y.zero_()
    return kept + y


def the_input(y: Tensor, x: Tensor) -> Tensor:
    z = x.clone()
    z[:, 0] += 1
    return y[:, :3] + z


def in_its_own_type(y: Tensor, x: Tensor) -> Tensor:
    z = y[:, :3] * 1
    z += x.double()
    return z


def a_mask(y: Tensor, x: Tensor) -> Tensor:
    mask = x.new_zeros(4, 4)
    mask[0:2, 1:3], mask[3] = 1, 2
    return y @ mask.masked_fill_(mask == 0, -5.0)


def into_nothing(y: Tensor, x: Tensor) -> Tensor:
    mask = x.new_zeros(4, 4)
    mask[0:0, 1:] = 1.0
    mask[:, 4:].zero_()
    y[:, 4:] = x[:, 3:] * 2
    return y @ (mask + 1)


def without_gradients(y: Tensor, x: Tensor) -> Tensor:
    with torch.no_grad():
        scale = x.sin().sum(1, keepdim=True)
        y = y.detach()
        y[:, 0] = 1.0
    return y * scale


def in_a_block_alone(y: Tensor, x: Tensor) -> Tensor:
    scale = x.sin()
    with torch.no_grad():
        scale[:, 0] = 2.0
    return y[:, :3] * scale


def without_autocast(y: Tensor, x: Tensor) -> Tensor:
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        a, b = x.cos(), x.sin()
    return torch.cat([a * 2, b, y], 1)


WRITES = [
    whole, part, every_second, one, through_a_transpose, through_a_permutation, through_movedim,
    through_a_view, through_new_dimensions, where, where_rows, at_indices, earlier_views_follow,
    pieces_follow, a_view_of_a_piece_follows, a_copy_does_not_follow, the_input, in_its_own_type,
    a_mask, into_nothing, in_a_block_alone, without_gradients, without_autocast,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_a_written_program_computes_the_same(write: Callable[[Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    module, x = Writes(write).eval(), torch.randn(5, 3)
    (expected,) = outputs_of(module, (x,))
    for network in (as_network(module, (x[:2],)), read_back(module, x[:3])):
        (ours,) = network(x)
        assert ours.dtype == expected.dtype
        torch.testing.assert_close(ours, expected)
        assert not any(node.op in INPLACE for node in network.nodes)


def a_copy(y: Tensor, x: Tensor) -> Tensor:
    flat = y.t().reshape(-1)  # which would be a view of a contiguous tensor
    y.zero_()
    return flat + x.sum()


def test_a_copy_that_could_be_a_view_is_left_to_torch() -> None:
    module, x = Writes(a_copy).eval(), torch.randn(2, 3)
    with pytest.raises(RefusedError, match=r"read after it was overwritten.*clone"):
        read_back(module, x)
    with pytest.warns(UserWarning, match="torch wrote writes into tensors"):
        network = as_network(module, (x,))
    torch.testing.assert_close(network(x), (module(x),))


class Counting(nn.Module):
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.count[:2] += 1
        return x + self.count


def test_a_network_that_keeps_state_is_refused() -> None:
    with pytest.raises(TraceError, match="overwrites 'count'"):
        as_network(Counting(), (torch.randn(2, 3),))


def test_in_place_operators_take_what_the_pure_ones_do() -> None:
    for name, pure in INPLACE.items():
        packet, _, overload = name.partition(".")
        writer = getattr(getattr(torch.ops.aten, packet), overload or "default")
        ours, theirs = (
            [str(argument.real_type) for argument in target._schema.arguments]
            for target in (writer, OPERATORS[pure])
        )
        assert ours == theirs, name
        assert writer._schema.arguments[0].is_write


def test_a_program_can_not_grow_without_end() -> None:
    """Each write takes a chain of views anew: together they could be a hundred million calls."""
    program = Functionalization({})
    program.define("x")
    for depth in range(60):
        view = Node("view", {"self": Ref(f"v{depth}" if depth else "x")}, (f"v{depth + 1}",), "")
        program.add(view)

    def write_and_read() -> None:
        for number in range(MAX_NODES):
            program.add(Node("relu_", {"self": Ref("x")}, (f"w{number}",), ""))
            program.read("v60")

    with pytest.raises(UnsupportedError, match=f"more than {MAX_NODES} calls"):
        write_and_read()


def test_views_of_views_have_an_end() -> None:
    program = Functionalization({})
    program.define("v0")

    def take_views() -> None:
        for depth in range(100):
            program.add(Node("view", {"self": Ref(f"v{depth}")}, (f"v{depth + 1}",), ""))

    with pytest.raises(UnsupportedError, match="views"):
        take_views()
