"""The table of operators: complete, bounded, in eval mode, and twice differentiable."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.graph.operator_names import NAMES, VIEWS
from narrows.graph.operators import INPLACE, OPERATORS, run

# torch.func.jvp warns when it is first used.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script")

aten: Any = torch.ops.aten


@pytest.mark.skipif(torch.__version__ < "2.13", reason="older versions lack some")
def test_every_operator_exists() -> None:
    assert list(OPERATORS) == NAMES.split()


def test_numbers_may_count_down() -> None:
    arguments = {"start": 3, "end": -1, "step": -1}
    assert run("arange.start_step", arguments).tolist() == [3, 2, 1, 0]


def test_tables_agree() -> None:
    assert set(INPLACE.values()) <= OPERATORS.keys()
    assert OPERATORS.keys() >= VIEWS
    for name in INPLACE:
        packet, _, overload = name.partition(".")
        assert hasattr(getattr(aten, packet), overload or "default")


def normal(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, dtype=torch.double, generator=generator)


VECTOR, SIGNAL, IMAGE = normal(2, 8), normal(2, 4, 9), normal(2, 4, 6, 6)
LABELS = torch.tensor([1, 5])
_UNARY = """
abs celu cos elu erf exp gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid
mean mish prod relu relu6 selu sigmoid silu softplus softshrink square sum tanh
"""
CALLS: list[tuple[str, dict[str, Any]]] = [
    *((name, {"self": VECTOR}) for name in _UNARY.split()),
    ("_adaptive_avg_pool2d", {"self": IMAGE, "output_size": [2, 2]}),
    ("_log_softmax", {"self": VECTOR, "dim": 1, "half_to_float": False}),
    ("_prelu_kernel", {"self": IMAGE, "weight": normal(1, 4, 1, 1)}),
    ("_softmax", {"self": VECTOR, "dim": 1, "half_to_float": False}),
    ("_weight_norm", {"v": SIGNAL, "g": normal(1, 4, 1), "dim": 1}),
    ("_weight_norm_interface", {"v": SIGNAL, "g": normal(2, 1, 1)}),
    ("adaptive_avg_pool1d", {"self": SIGNAL, "output_size": [2]}),
    ("adaptive_max_pool2d", {"self": IMAGE, "output_size": [2, 2]}),
    ("amax", {"self": VECTOR, "dim": [1]}),
    ("avg_pool2d", {"self": IMAGE, "kernel_size": [2, 2]}),
    ("binary_cross_entropy_with_logits", {"self": VECTOR, "target": VECTOR.sigmoid()}),
    ("channel_shuffle", {"self": IMAGE, "groups": 2}),
    ("conv1d", {"input": SIGNAL, "weight": normal(4, 4, 3)}),
    ("conv2d", {"input": IMAGE, "weight": normal(8, 1, 3, 3), "groups": 4}),
    ("conv3d", {"input": IMAGE[:, None], "weight": normal(2, 1, 3, 3, 3)}),
    ("conv_transpose2d.input", {"input": IMAGE, "weight": normal(4, 3, 2, 2), "stride": [2, 2]}),
    ("cross_entropy_loss", {"self": VECTOR, "target": LABELS}),
    ("embedding", {"weight": VECTOR, "indices": torch.tensor([[0, 1, 1]])}),
    ("group_norm", {"input": IMAGE, "num_groups": 2, "weight": normal(4)}),
    ("huber_loss", {"self": VECTOR, "target": VECTOR.flip(1), "delta": 0.7}),
    ("index.Tensor", {"self": VECTOR, "indices": [None, LABELS]}),
    ("layer_norm", {"input": VECTOR, "normalized_shape": [8], "weight": normal(8)}),
    ("linalg_vector_norm", {"self": VECTOR, "dim": [1]}),
    ("linear", {"input": VECTOR, "weight": normal(3, 8), "bias": normal(3)}),
    ("log_softmax.int", {"self": VECTOR, "dim": 1}),
    ("logsumexp", {"self": VECTOR, "dim": [1]}),
    ("matmul", {"self": VECTOR, "other": normal(8, 3)}),
    ("max.dim", {"self": VECTOR, "dim": 1}),
    ("max_pool1d", {"self": SIGNAL, "kernel_size": [2]}),
    ("max_pool2d", {"self": IMAGE, "kernel_size": [2, 2]}),
    ("max_pool2d_with_indices", {"self": IMAGE, "kernel_size": [3, 3]}),
    ("max_pool3d", {"self": IMAGE, "kernel_size": [2, 2, 2]}),
    ("mse_loss", {"self": VECTOR, "target": VECTOR.flip(1)}),
    ("multi_margin_loss", {"self": VECTOR, "target": LABELS, "p": 2, "weight": normal(8)}),
    ("multilabel_margin_loss", {"self": VECTOR, "target": LABELS[:, None].expand(-1, 8)}),
    ("pixel_shuffle", {"self": IMAGE, "upscale_factor": 2}),
    ("prelu", {"self": IMAGE, "weight": normal(4)}),
    ("reflection_pad2d", {"self": IMAGE, "padding": [1, 1, 2, 2]}),
    ("rms_norm", {"input": VECTOR, "normalized_shape": [8], "weight": normal(8)}),
    ("scaled_dot_product_attention", {"query": IMAGE, "key": IMAGE, "value": IMAGE}),
    ("smooth_l1_loss", {"self": VECTOR, "target": VECTOR.flip(1)}),
    ("soft_margin_loss", {"self": VECTOR, "target": VECTOR.flip(1)}),
    ("upsample_bilinear2d", {"self": IMAGE, "output_size": [9, 9], "align_corners": False}),
    ("upsample_nearest2d", {"self": IMAGE, "output_size": [9, 9]}),
    ("var.correction", {"self": VECTOR, "dim": [1]}),
    ("view", {"self": VECTOR, "size": [4, -1]}),
]


@pytest.mark.parametrize(("op", "arguments"), CALLS, ids=[op for op, _ in CALLS])
def test_hessian_vector_products_agree(op: str, arguments: dict[str, Any]) -> None:
    """Forward over reverse, and reverse over reverse, as the methods need them; under vmap, too."""
    variables = {
        name: value
        for name, value in arguments.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    direction = {name: normal(*value.shape).cos() for name, value in variables.items()}

    def loss(values: dict[str, Tensor]) -> Tensor:
        result = run(op, {**arguments, **values})
        first: Tensor = result[0] if isinstance(result, tuple) else result
        return first.sin().sum()

    def slope(values: dict[str, Tensor]) -> Tensor:
        gradient = torch.func.grad(loss)(values)
        return torch.stack([(gradient[name] * direction[name]).sum() for name in values]).sum()

    forward = torch.func.jvp(torch.func.grad(loss), (variables,), (direction,))
    torch.testing.assert_close(forward[1], torch.func.grad(slope)(variables))
    batches = {name: torch.stack([value, value]) for name, value in variables.items()}
    torch.testing.assert_close(torch.func.vmap(loss)(batches), loss(variables).expand(2))


@pytest.mark.parametrize(("op", "arguments"), CALLS, ids=[op for op, _ in CALLS])
def test_rewrites_compute_what_torch_does(op: str, arguments: dict[str, Any]) -> None:
    torch.testing.assert_close(run(op, arguments), OPERATORS[op](**arguments))


@pytest.mark.parametrize(
    "options",
    [
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": normal(6, 6)},
        {"attn_mask": torch.ones(6, 6).tril().bool()},
        {"attn_mask": torch.eye(6).bool() & (torch.arange(6) > 0)},  # a query that sees nothing
    ],
    ids=["causal", "scale", "additive", "boolean", "nothing"],
)
def test_attention_is_torchs(options: dict[str, Any]) -> None:
    tensors = {"query": IMAGE, "key": IMAGE, "value": IMAGE}
    ours = run("scaled_dot_product_attention", tensors | options)
    torch.testing.assert_close(ours, F.scaled_dot_product_attention(IMAGE, IMAGE, IMAGE, **options))


def test_grouped_queries_share_keys_and_values() -> None:
    few = IMAGE[:, :2]
    options = {"query": IMAGE, "key": few, "value": few, "enable_gqa": True}
    theirs = F.scaled_dot_product_attention(IMAGE, few, few, enable_gqa=True)
    torch.testing.assert_close(run("scaled_dot_product_attention", options), theirs)


@pytest.mark.parametrize(
    "op", ["batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional"]
)
def test_batch_norm_is_frozen(op: str) -> None:
    mean, var = normal(4), normal(4).square() + 0.1
    before = mean.clone(), var.clone()
    training = {"training": True, "momentum": 0.1, "eps": 1e-5, "cudnn_enabled": True}
    affine = {"input": IMAGE, "weight": None, "bias": None}
    result = run(op, {**affine, "running_mean": mean, "running_var": var, **training})
    normalized = result[0] if isinstance(result, tuple) else result
    torch.testing.assert_close(normalized, F.batch_norm(IMAGE, mean, var))
    torch.testing.assert_close((mean, var), before)


def test_dropout_is_the_identity() -> None:
    assert run("dropout", {"input": IMAGE, "p": 0.5, "train": True}) is IMAGE


@pytest.mark.parametrize(
    ("op", "arguments", "culprit"),
    [
        ("conv2d", {"input": IMAGE, "weight": normal(4, 4, 3, 3), "stride": [16384, 1]}, "stride"),
        ("conv1d", {"input": SIGNAL, "weight": normal(1, 4, 513)}, "kernel"),
        ("relu", {"self": IMAGE[:0]}, "empty"),
        ("sum", {"self": IMAGE[:0]}, "empty"),
        ("matmul", {"self": IMAGE, "other": IMAGE[..., :0]}, "empty"),
        ("div.Tensor_mode", {"self": LABELS, "other": -1, "rounding_mode": "floor"}, "integers"),
        ("split.Tensor", {"self": torch.zeros(2000), "split_size": 1}, "outputs"),
        ("unbind.int", {"self": torch.zeros(2000)}, "outputs"),
        ("_weight_norm", {"v": IMAGE, "g": normal(3, 1, 1, 1)}, "shape"),
        ("_weight_norm_interface", {"v": IMAGE, "g": normal(2, 1, 1, 1), "dim": 4}, "dim"),
        ("multi_margin_loss", {"self": VECTOR, "target": LABELS, "weight": normal(3)}, "weight"),
        ("multilabel_margin_loss", {"self": VECTOR, "target": LABELS[:1]}, "target"),
        ("multilabel_margin_loss", {"self": torch.zeros(1, 5000)}, "classes"),
        ("gru.input", {"input": torch.zeros(5000, 1, 2), "num_layers": 1}, "steps"),
        ("upsample_nearest2d.vec", {"input": IMAGE, "scale_factors": [math.inf, 1.0]}, "scale"),
        ("floor_divide", {"self": LABELS, "other": LABELS}, "integers"),
        ("remainder.Scalar", {"self": LABELS, "other": -1}, "integers"),
        ("fmod.Tensor", {"self": LABELS, "other": torch.tensor(-1)}, "integers"),
        ("one_hot", {"self": LABELS, "num_classes": 1 << 40}, "num_classes"),
        ("eye", {"n": -1}, "n -1"),
        ("tril_indices", {"row": 1 << 62, "col": 4}, "row"),
        ("linspace", {"start": 0, "end": 1, "steps": 1 << 60}, "steps"),
        ("linalg_norm", {"self": VECTOR, "ord": 2}, "matrices"),
        ("bilinear", {"input1": VECTOR, "input2": VECTOR, "weight": normal(2, 3, 8)}, "weight"),
        ("rnn_tanh.input", {"input": torch.zeros(5000, 1, 2), "num_layers": 1}, "steps"),
        ("im2col", {"self": IMAGE, "kernel_size": [2, 2], "stride": [0, 1]}, "stride"),
        ("unfold", {"self": VECTOR, "dimension": 1, "size": 2, "step": 0}, "step"),
        ("upsample_bicubic2d.vec", {"input": IMAGE, "scale_factors": [1e9, 1.0]}, "scale"),
        ("operator.floordiv", {"a": 4, "b": 0}, "zero"),
        ("operator.mul", {"a": 1 << 30, "b": 1 << 30}, "too large"),
    ],
)  # fmt: skip
def test_out_of_bounds(op: str, arguments: dict[str, Any], culprit: str) -> None:
    with pytest.raises(ValueError, match=rf"^{op}: .*{culprit}"):
        run(op, arguments)


def test_an_average_may_have_a_window_larger_than_its_input() -> None:
    window = {"kernel_size": [2560] * 2, "stride": [2560] * 2, "ceil_mode": True}
    average = run("avg_pool2d", {"self": IMAGE, **window})
    torch.testing.assert_close(average, IMAGE.mean((2, 3), keepdim=True))


def test_sizes_and_tensors_from_nothing() -> None:
    assert run("sym_size.int", {"self": IMAGE, "dim": -1}) == 6
    assert run("operator.floordiv", {"a": 7, "b": 2}) == 3
    with torch.device("meta"):
        assert run("arange", {"end": 3}).device.type == "meta"
