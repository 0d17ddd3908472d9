"""Calls of operators with arguments at their bounds: each gives a result or raises."""

import random
from typing import Any, Final

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from narrows.graph import operators
from narrows.graph.operator_names import PLACEMENT
from tests.fuzz.models import BOUNDS, OPERATORS

MOST_BYTES: Final = 1 << 24
"""The dry run of an archive bounds the results, too."""
_SHAPES: Final = [(2, 3, 8, 8), (4, 3, 3, 3), (2, 3, 8), (3, 8), (2, 5), (3,), (1,), (), (2, 0)]
_DTYPES: Final = [None, torch.float32, torch.float64, torch.int64, torch.bool, torch.float16]
_FEW: Final = [-2, -1, 0, 1, 1, 2, 2, 3]


def call(seed: int) -> str:
    """Call an operator, as a network does after its dry run; return how that ended."""
    dice = random.Random(seed)
    torch.manual_seed(seed)
    op = dice.choice(OPERATORS)
    schema = operators.OPERATORS[op]._schema
    arguments = {
        argument.name: _value(str(argument.type), argument, dice)
        for argument in schema.arguments
        if argument.name not in PLACEMENT  # an upload never chooses these
    }
    try:
        if _is_large(op, arguments):
            return "too large"
        operators.run(op, arguments)
    except Exception as error:
        return type(error).__name__
    return "ran"


def _is_large(op: str, arguments: dict[str, Any]) -> bool:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        fakes = {name: _as_fake(value, mode) for name, value in arguments.items()}
        results = tree_leaves(operators.run(op, fakes))
    return any(isinstance(item, Tensor) and item.nbytes > MOST_BYTES for item in results)


def _as_fake(value: Any, mode: FakeTensorMode) -> Any:
    if isinstance(value, list):
        return [_as_fake(item, mode) for item in value]
    return mode.from_tensor(value) if isinstance(value, Tensor) else value


def _value(kind: str, argument: Any, dice: random.Random) -> Any:
    """Return a value for an argument of this type, often its default, sometimes out of bounds."""
    if argument.name in ("dtype", "output_dtype"):
        return dice.choice(_DTYPES)
    if argument.has_default_value() and dice.random() < 0.4:
        return argument.default_value
    if kind.startswith("Optional["):
        return None if dice.random() < 0.3 else _value(kind[9:-1], argument, dice)
    if kind.startswith("List["):
        size = argument.N or dice.randrange(1, 4)
        return [_value(kind[5:-1], argument, dice) for _ in range(size)]
    match kind:
        case "Tensor":
            return _tensor(dice)
        case "int" | "SymInt":
            return dice.choice(BOUNDS if dice.random() < 0.3 else _FEW)
        case "number":
            return dice.choice([-1, 0, 2, 0.5, -1.5, 1e30, 1 << 62])
        case "float":
            return dice.choice([0.0, -1.0, 0.5, 1e30, float("inf")])
        case "bool":
            return dice.random() < 0.5
        case _:
            return argument.default_value if argument.has_default_value() else None


def _tensor(dice: random.Random) -> Tensor:
    shape = dice.choice(_SHAPES)
    match dice.randrange(6):
        case 0:
            return torch.randint(-3, 9, shape)
        case 1:
            return torch.randint(0, 2, shape).bool()
        case 2:
            return torch.full(shape, dice.choice([float("nan"), float("inf"), 1e38, -0.0]))
        case _:
            return torch.randn(shape)
