"""Operators in train mode: what torch's modules do, without what crashes."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from narrows.graph.node import Argument, Node, Ref
from narrows.graph.operators import OPERATORS
from narrows.trials.train_mode import described, form_of


def form(op: str, arguments: dict[str, Any]) -> Any:
    return form_of(Node(op, arguments, ("y",), ""))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_layer_drops_between_its_layers(
    kind: type[nn.LSTM | nn.GRU | nn.RNN], bidirectional: bool, batch_first: bool
) -> None:
    layer = kind(
        3, 4, num_layers=3, dropout=0.5, bidirectional=bidirectional, batch_first=batch_first
    ).double()
    x = torch.randn(5, 6, 3).double()
    state = torch.zeros(6 if bidirectional else 3, 5 if batch_first else 6, 4).double()
    torch.manual_seed(0)
    expected = layer(x)[0]
    arguments = {
        "input": x,
        "hx": [state, state] if kind is nn.LSTM else state,
        "params": [*layer.parameters()],
        "has_biases": True,
        "num_layers": 3,
        "dropout": 0.5,
        "train": False,
        "bidirectional": bidirectional,
        "batch_first": batch_first,
    }
    torch.manual_seed(0)
    op = {nn.LSTM: "lstm.input", nn.GRU: "gru.input", nn.RNN: "rnn_tanh.input"}[kind]
    actual = form(op, arguments)(**arguments)[0]
    torch.testing.assert_close(actual, expected)


def test_every_operator_with_a_train_mode_has_a_form() -> None:
    own = {"train", "training", "dropout_p", "dropout", "use_input_stats", "running_mean"}
    found = {n for n, op in OPERATORS.items() if own & {a.name for a in op._schema.arguments}}
    found -= {"_native_batch_norm_legit.no_stats"}  # always by the batch's statistics
    assert len(found) > 15
    shares: dict[str, Argument] = {"p": 0.5, "dropout": 0.5, "dropout_p": 0.5}
    given = shares | {"num_layers": 2, "running_mean": Ref("m")}
    assert {name for name in found if form(name, given) is None} == set()
    assert {name for name in found if described(Node(name, given, ("y",), "")) is None} == set()


def test_random_slopes_are_those_of_torchs_module() -> None:
    x, layer = torch.randn(40), nn.RReLU(0.1, 0.4)
    torch.manual_seed(0)
    expected = layer(x)
    arguments = {"self": x, "lower": 0.1, "upper": 0.4, "training": False}
    torch.manual_seed(0)
    assert torch.equal(form("rrelu", arguments)(**arguments), expected)


def test_attention_drops_weights() -> None:
    query, key, value = torch.randn(3, 2, 4, 5, 8).double()
    torch.manual_seed(0)
    expected = F.scaled_dot_product_attention(query, key, value, dropout_p=0.3)
    arguments = {"query": query, "key": key, "value": value, "dropout_p": 0.3}
    torch.manual_seed(0)
    whole = form("scaled_dot_product_attention", arguments)(**arguments)
    torch.testing.assert_close(whole, expected)
    torch.manual_seed(0)
    first, second = form("_scaled_dot_product_flash_attention_for_cpu", arguments)(**arguments)
    torch.testing.assert_close(first, expected)
    assert second is None


def test_weights_that_crash_torchs_kernel_raise() -> None:
    weights = [torch.randn(20, 1), torch.randn(20, 1), torch.randn(20, 5), torch.randn(20, 5)]
    arguments = {
        "input": torch.randn(1, 3, 1),
        "hx": [torch.randn(6, 1, 5), torch.randn(3, 1, 5)],
        "params": weights,
        "has_biases": False,
        "num_layers": 3,
        "dropout": 0.5,
        "train": False,
        "bidirectional": True,
        "batch_first": False,
    }
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        form("lstm.input", arguments)(**arguments)


def test_nothing_is_put_back_where_nothing_differs() -> None:
    x = torch.randn(2, 3)
    assert form("dropout", {"input": x, "p": 0.0, "train": True}) is None
    assert form("lstm.input", {"num_layers": 1, "dropout": 0.5}) is None
    assert form("scaled_dot_product_attention", {"dropout_p": 0.0}) is None
    assert form("_native_batch_norm_legit", {"running_mean": None}) is None
    assert form("relu", {"self": x}) is None
