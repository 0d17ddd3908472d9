"""LSTM and GRU written out in elementary operators: torch's kernels lack second derivatives."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

State = tuple[Tensor, ...]
"""The hidden state, and an LSTM's cell state, each of shape [batch, width]."""
Cell = Callable[[Tensor, State, Sequence[Tensor | None]], State]
"""Takes an input of shape [batch, features], the state, and W_ih, W_hh, b_ih, b_hh and W_hr."""


def lstm(
    input: Tensor,  # noqa: A002, the schema's name
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
    **_: object,  # dropout, train
) -> tuple[Tensor, ...]:
    """Return the outputs, h and c as `torch.nn.LSTM` does in eval mode."""
    options = (has_biases, num_layers, bidirectional, batch_first)
    return _run(_lstm_cell, input, hx, params, *options)


def gru(
    input: Tensor,  # noqa: A002, the schema's name
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
    **_: object,  # dropout, train
) -> tuple[Tensor, ...]:
    """Return the outputs and h as `torch.nn.GRU` does in eval mode."""
    options = (has_biases, num_layers, bidirectional, batch_first)
    return _run(_gru_cell, input, [hx], params, *options)


def _lstm_cell(x: Tensor, state: State, weights: Sequence[Tensor | None]) -> State:
    """`i, f, g, o = W_ih x + W_hh h + b`; `c′ = σ(f) c + σ(i) tanh(g)`; `h′ = σ(o) tanh(c′)`."""
    w_x, w_h, b_x, b_h, projection = weights
    assert w_x is not None and w_h is not None  # noqa: S101, PT018, for mypy
    h, c = state
    i, f, g, o = (F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h)).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return (h if projection is None else F.linear(h, projection)), c


def _gru_cell(x: Tensor, state: State, weights: Sequence[Tensor | None]) -> State:
    """`r, z = σ(…)`; `n = tanh(W_in x + r (W_hn h + b_hn))`; `h′ = (1 − z) n + z h`."""
    w_x, w_h, b_x, b_h, _ = weights
    assert w_x is not None and w_h is not None  # noqa: S101, PT018, for mypy
    (h,) = state
    of_x, of_h = F.linear(x, w_x, b_x).chunk(3, -1), F.linear(h, w_h, b_h).chunk(3, -1)
    r, z = (of_x[0] + of_h[0]).sigmoid(), (of_x[1] + of_h[1]).sigmoid()
    n = (of_x[2] + r * of_h[2]).tanh()
    return ((1 - z) * n + z * h,)


def _run(
    cell: Cell,
    x: Tensor,
    initial: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    unbatched = x.dim() == 2
    batch_dim = 0 if batch_first else 1
    if unbatched:
        x, initial = x.unsqueeze(batch_dim), [state.unsqueeze(1) for state in initial]
    directions = 2 if bidirectional else 1
    size = len(params) // (num_layers * directions)
    steps: Sequence[Tensor] = x.unbind(1 - batch_dim)
    finals: list[State] = []
    for layer in range(num_layers):
        halves = []
        for direction in range(directions):
            place = layer * directions + direction
            weights = _weights(params[place * size : (place + 1) * size], has_biases)
            state = tuple(states[place] for states in initial)
            outputs = []
            for step in reversed(steps) if direction else steps:
                state = cell(step, state, weights)
                outputs.append(state[0])
            halves.append(outputs[::-1] if direction else outputs)
            finals.append(state)
        steps = [torch.cat(pair, -1) for pair in zip(*halves, strict=True)]
    result = torch.stack(list(steps), 1 - batch_dim)
    last = [torch.stack(states) for states in zip(*finals, strict=True)]
    if unbatched:
        return result.squeeze(batch_dim), *(state.squeeze(1) for state in last)
    return result, *last


def _weights(given: Sequence[Tensor], has_biases: bool) -> list[Tensor | None]:
    biases: list[Tensor | None] = [*given[2:4]] if has_biases else [None, None]
    rest = given[4:] if has_biases else given[2:]
    return [*given[:2], *biases, rest[0] if rest else None]
