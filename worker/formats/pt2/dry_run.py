"""A dry run on tensors without data, before the first run with data.

See docs/security.md, "Rules for archives", 10.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch._dynamo.config  # a fake tensor mode does so: here, a new child has it already
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from narrows.graph.blank import run_blank
from narrows.graph.bounds import OutOfBoundsError
from narrows.graph.functionalization import is_made
from narrows.graph.network import Network
from narrows.graph.node import Node
from narrows.graph.refused_operators import DATA_SHAPE
from narrows.graph.tracing import quiet
from narrows.graph.values import named_results
from worker.formats.pt2.origins import describe
from worker.formats.pt2.refusals import out_of_bounds, refused
from worker.formats.pt2.tensors import Meta
from worker.formats.refusals import malformed, quoted, too_large

MAX_TENSOR_BYTES = 4 << 30
MAX_TOTAL_BYTES = 64 << 30  # of all results together, even if they live only briefly
MAX_FLOPS = 2e13
FREE_SIZE = 2  # the size of a dynamic dimension without an example
LSTM_STATES = (
    " (torch 2.11 and 2.12 describe an LSTM's last states wrongly: export it with 2.13 or later)"
)


def run_on_fakes(network: Network, metas: Mapping[str, Meta]) -> None:
    """Run the network on fake tensors; compare each value with its description in the graph.

    Dynamic dimensions have the sizes of the export's example. Raises RefusedError: too-large (bytes
    or operations), operator-out-of-bounds, operator-not-supported, malformed-archive.
    """
    fake, operations = FakeTensorMode(), FlopCounterMode(display=False)
    tensors = {name: fake.from_tensor(tensor) for name, tensor in network.tensors.items()}

    def call(index: int, node: Node, arguments: dict[str, Any]) -> Any:
        where = f"{node.op} in {describe(node.module)}"
        result = _run(index, node, arguments, where)
        memory.check(where)
        _compare(node, result, where, metas)
        return result

    with quiet(), torch.no_grad(), fake, operations, _ByteCounterMode() as memory:
        inputs = [_example(spec.name, metas[spec.name], memory) for spec in network.inputs]
        network.execute(*inputs, call=call, tensors=tensors)
    if operations.get_total_flops() > MAX_FLOPS:
        raise too_large(
            f"One forward pass takes {operations.get_total_flops():.1e} operations on the export's "
            f"example; at most {MAX_FLOPS:.0e} are allowed. Export with a smaller example batch."
        )


def _example(name: str, meta: Meta, memory: "_ByteCounterMode") -> Tensor:
    shape = [FREE_SIZE if size.value is None else size.value for size in meta.sizes]
    try:
        example = torch.empty(shape, dtype=meta.dtype)
    except RuntimeError:
        raise too_large(
            f"The input {name} of shape {shape} is too large. Export with a smaller example batch."
        ) from None
    memory.check(f"The input {name}")
    return example


def _run(index: int, node: Node, arguments: dict[str, Any], where: str) -> Any:
    try:
        result = run_blank(index, node, arguments)
        count = len(result) if isinstance(result, list | tuple) else 1
        if count != len(node.outputs):
            raise ValueError(f"it has {count} results, not {len(node.outputs)}")
    except OutOfBoundsError as error:
        raise out_of_bounds(f"{error} ({describe(node.module)}).") from None
    except (DataDependentOutputException, DynamicOutputShapeException):
        raise refused(f"{where} is not supported: {DATA_SHAPE}.") from None
    except Exception as error:  # torch raises many types if arguments do not fit
        raise malformed(f"{where} does not run: {quoted(str(error))}.") from None
    return result


def _compare(node: Node, result: Any, where: str, metas: Mapping[str, Meta]) -> None:
    for name, value in named_results(node, result).items():
        meta = metas.get(name)
        if is_made(name):  # not described, as it is not in the upload
            continue
        if meta is None:
            fits = not isinstance(value, Tensor)
        else:
            fits = isinstance(value, Tensor) and value.dtype == meta.dtype and _agree(value, meta)
        if not fits:
            differs = f"which differs from the graph's description of {name}"
            known = LSTM_STATES if node.op == "lstm.input" else ""
            raise malformed(f"{where} returns {_shown(value)}, {differs}{known}.")


def _agree(value: Tensor, meta: Meta) -> bool:
    return len(meta.sizes) == value.dim() and all(
        expected.value is None or expected.value == size
        for expected, size in zip(meta.sizes, value.shape, strict=True)
    )


def _shown(value: object) -> str:
    return (
        f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    )


class _ByteCounterMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all results of operators."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest = self.total = 0

    def check(self, where: str) -> None:
        """Raise RefusedError if a result so far, or the sum of all, is too large."""
        if self.largest > MAX_TENSOR_BYTES or self.total > MAX_TOTAL_BYTES:
            raise too_large(
                f"{where} brings the results of the export's example to {self.total:.1e} bytes, "
                f"and the largest result to {self.largest:.1e}; at most {MAX_TOTAL_BYTES:.1e} and "
                f"{MAX_TENSOR_BYTES:.1e} are allowed. Export with a smaller example batch."
            )

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, list | tuple) else (result,):
            if isinstance(item, Tensor):
                self.largest = max(self.largest, item.nbytes)
                self.total += item.nbytes
        return result
