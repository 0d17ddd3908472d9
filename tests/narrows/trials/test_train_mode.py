"""Operators in train mode: what torch's modules do, without what crashes."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from narrows.graph.node import Node
from narrows.trials.train_mode import form_of


def form(op: str, arguments: dict[str, Any]) -> Any:
    return form_of(Node(op, arguments, ("y",), ""))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_a_recurrent_layer_drops_between_its_layers(
    kind: type[nn.LSTM | nn.GRU], bidirectional: bool, batch_first: bool
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
    actual = form("lstm.input" if kind is nn.LSTM else "gru.input", arguments)(**arguments)[0]
    torch.testing.assert_close(actual, expected)


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
