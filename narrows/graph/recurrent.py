"""LSTM and GRU written out in elementary operators: torch's kernels lack second derivatives."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.graph.dimensions import as_list
from narrows.graph.node import Node, as_int, as_ref

State = tuple[Tensor, ...]
"""The hidden state, and an LSTM's cell state, each of shape [batch, width]."""
Cell = Callable[[Tensor, State, Sequence[Tensor | None]], State]
"""(input [batch, features], state, (W_ih, W_hh, b_ih, b_hh, W_hr)) → the next state."""


def input_weights(node: Node) -> list[str]:
    """Return the names of the W_ih that multiply what a recurrent layer reads; of others, none.

    There is one for each direction. An LSTM of two directions without biases:

    >>> from narrows.graph.node import Ref
    >>> params = [Ref(name) for name in ("w_x", "w_h", "w_x_reverse", "w_h_reverse")]
    >>> options = {"params": params, "num_layers": 1, "bidirectional": True}
    >>> input_weights(Node("lstm.input", options, ("y",), ""))
    ['w_x', 'w_x_reverse']
    """
    if "w_ih" in node.inputs:
        return [as_ref(node.inputs["w_ih"]).name]
    if "num_layers" not in node.inputs:
        return []
    params = as_list(node.inputs["params"])
    directions = 2 if node.inputs["bidirectional"] else 1
    size = len(params) // (as_int(node.inputs["num_layers"]) * directions)
    return [as_ref(params[direction * size]).name for direction in range(directions)]


def lstm(
    input: Tensor,  # noqa: A002, the schema's name
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
    dropped: float = 0.0,
    **_: object,  # dropout, train
) -> tuple[Tensor, ...]:
    """Return the outputs, h and c as `torch.nn.LSTM` does in eval mode.

    In train mode values between its layers are dropped with the probability `dropped`.

    With weights of zero every gate is σ(0) = ½ and g is 0, so c halves at each step. `input` is
    [batch, steps, features] with `batch_first`, here with two steps:

    >>> state, weights = (torch.zeros(1, 1, 1), torch.full((1, 1, 1), 4.0)), [torch.zeros(4, 1)] * 2
    >>> outputs, h, c = lstm(torch.ones(1, 2, 1), state, weights, False, 1, False, True)
    >>> c.item(), outputs.shape
    (1.0, torch.Size([1, 2, 1]))
    """
    options = (has_biases, num_layers, bidirectional, batch_first)
    return _run(_lstm_cell, input, hx, params, *options, dropped)


def gru(
    input: Tensor,  # noqa: A002, the schema's name
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
    dropped: float = 0.0,
    **_: object,  # dropout, train
) -> tuple[Tensor, ...]:
    """Return the outputs and h as `torch.nn.GRU` does in eval mode, or with `dropped`; see `lstm`.

    With weights of zero z is σ(0) = ½ and n is 0, so h halves at each step:

    >>> state, weights = torch.full((1, 1, 1), 8.0), [torch.zeros(3, 1)] * 2
    >>> outputs, h = gru(torch.ones(1, 3, 1), state, weights, False, 1, False, True)
    >>> outputs.flatten()
    tensor([4., 2., 1.])
    """
    options = (has_biases, num_layers, bidirectional, batch_first)
    return _run(_gru_cell, input, [hx], params, *options, dropped)


def rnn(activation: Callable[[Tensor], Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    """Return the function that gives the outputs and h as `torch.nn.RNN` does in eval mode.

    `h′ = activation(W_ih x + W_hh h + b)`; the options are those of `gru`. Of ones:

    >>> state, weights = torch.zeros(1, 1, 1), [torch.ones(1, 1)] * 2
    >>> outputs, h = rnn(torch.relu)(torch.ones(1, 3, 1), state, weights, False, 1, False, True)
    >>> outputs.flatten()
    tensor([1., 2., 3.])
    """

    def cell(x: Tensor, state: State, weights: Sequence[Tensor | None]) -> State:
        w_x, w_h, b_x, b_h, _ = weights
        assert w_x is not None and w_h is not None  # noqa: S101, PT018, for mypy
        return (activation(F.linear(x, w_x, b_x) + F.linear(state[0], w_h, b_h)),)

    def run(
        input: Tensor,  # noqa: A002, the schema's name
        hx: Tensor,
        params: Sequence[Tensor],
        has_biases: bool,
        num_layers: int,
        bidirectional: bool,
        batch_first: bool,
        dropped: float = 0.0,
        **_: object,  # dropout, train
    ) -> tuple[Tensor, ...]:
        options = (has_biases, num_layers, bidirectional, batch_first)
        return _run(cell, input, [hx], params, *options, dropped)

    return run


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
    dropped: float,
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
            index = layer * directions + direction
            weights = _weights(params[index * size : (index + 1) * size], has_biases)
            state = tuple(states[index] for states in initial)
            outputs = []
            for step in reversed(steps) if direction else steps:
                state = cell(step, state, weights)
                outputs.append(state[0])
            halves.append(outputs[::-1] if direction else outputs)
            finals.append(state)
        steps = [torch.cat(pair, -1) for pair in zip(*halves, strict=True)]
        if dropped and layer < num_layers - 1:
            steps = F.dropout(torch.stack(list(steps)), dropped).unbind(0)
    result = torch.stack(list(steps), 1 - batch_dim)
    last = [torch.stack(states) for states in zip(*finals, strict=True)]
    if unbatched:
        return result.squeeze(batch_dim), *(state.squeeze(1) for state in last)
    return result, *last


def _weights(params: Sequence[Tensor], has_biases: bool) -> list[Tensor | None]:
    """Return W_ih, W_hh, b_ih, b_hh and the projection W_hr; None for those that are missing."""
    biases: list[Tensor | None] = [*params[2:4]] if has_biases else [None, None]
    rest = params[4:] if has_biases else params[2:]
    return [*params[:2], *biases, rest[0] if rest else None]
