"""All of torch.nn.functional, and layers of torch.nn: read in both ways, or refused.

What Narrows reads computes the same; what it refuses, it refuses for a reason that is written down.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils import _pytree as pytree

from narrows.graph.exported_calls import unknown_operators
from narrows.graph.from_export import as_network
from narrows.graph.network import Network
from narrows.graph.refused_operators import reason_against
from narrows.graph.trace_errors import TraceError
from tests.support.exporting import read_back

pytestmark = pytest.mark.filterwarnings("ignore")  # torch warns of many functions


class Inputs(NamedTuple):
    """What a network takes: vectors [3, 8], signals [3, 4, 8], images [3, 4, 8, 8], labels [3]."""

    v: Tensor
    s: Tensor
    i: Tensor
    y: Tensor


Function = Callable[[Inputs], Any]


def elementwise(name: str) -> Function:
    return lambda x: getattr(F, name)(x.v * 1)


def pooled(name: str, *options: Any, **more: Any) -> dict[str, Function]:
    """Return a function of one, two and three dimensions, named `name` with {} for the number."""

    def pool(d: int) -> Function:
        function = getattr(F, name.format(d))
        return lambda x: function(spaces(x)[d - 1], *options, **more)

    return {name.format(d): pool(d) for d in (1, 2, 3)}


def spaces(x: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    return x.s, x.i, x.i.view(*x.i.shape[:-1], 2, 4)


def dropped(name: str, field: str) -> Function:
    return lambda x: getattr(F, name)(getattr(x, field) * 1, training=False)


def convolved(name: str) -> dict[str, Function]:
    def convolve(d: int) -> Function:
        function, kernel = getattr(F, name.format(d)), [2] * d
        return lambda x: function(
            spaces(x)[d - 1], x.i.new_ones(4, 4, *kernel) * x.v[0, 0], padding=1
        )

    return {name.format(d): convolve(d) for d in (1, 2, 3)}


def resized(mode: str, d: int, **options: Any) -> Function:
    return lambda x: F.interpolate(spaces(x)[d - 1], mode=mode, **options)


_ELEMENTWISE = """
celu celu_ elu elu_ gelu hardshrink hardsigmoid hardswish hardtanh hardtanh_ leaky_relu leaky_relu_
logsigmoid mish relu relu6 relu_ rrelu rrelu_ selu selu_ sigmoid silu softplus softshrink softsign
tanh tanhshrink alpha_dropout dropout feature_alpha_dropout
"""
FUNCTIONS: Mapping[str, Function] = {
    **{name: dropped(name, "v") for name in ("alpha_dropout", "dropout", "feature_alpha_dropout")},
    **{name: elementwise(name) for name in _ELEMENTWISE.split() if "dropout" not in name},
    "dropout1d": dropped("dropout1d", "s"),
    "dropout2d": dropped("dropout2d", "i"),
    "dropout3d": lambda x: F.dropout3d(spaces(x)[2], training=False),
    **pooled("adaptive_avg_pool{}d", 2),
    **pooled("adaptive_max_pool{}d", 2),
    **pooled("adaptive_max_pool{}d_with_indices", 2),
    **pooled("avg_pool{}d", 2),
    **pooled("max_pool{}d", 2),
    **pooled("max_pool{}d_with_indices", 2),
    **pooled("lp_pool{}d", 2.0, 2),
    **convolved("conv{}d"),
    **convolved("conv_transpose{}d"),
    "affine_grid": lambda x: F.affine_grid(x.i[:, :2, :3, 0], [3, 1, 4, 4], align_corners=False),
    "batch_norm": lambda x: F.batch_norm(x.i, x.v[0, :4], x.v[1, :4] ** 2),
    "bilinear": lambda x: F.bilinear(x.v, x.v, x.i[0]),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x.v.sigmoid(), x.v.cos() ** 2),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(
        x.v, x.v.cos() ** 2
    ),
    "channel_shuffle": lambda x: F.channel_shuffle(x.i, 2),
    "conv_tbc": lambda x: F.conv1d(x.s, x.i[0, :, :4, :3]),
    "cosine_embedding_loss": lambda x: F.cosine_embedding_loss(x.v, x.v.cos(), x.y.sign()),
    "cosine_similarity": lambda x: F.cosine_similarity(x.v, x.v.cos()),
    "cross_entropy": lambda x: F.cross_entropy(x.v, x.y),
    "embedding": lambda x: F.embedding(x.y, x.s[0]),
    "fold": lambda x: F.fold(F.unfold(x.i, 2, stride=2), (8, 8), 2, stride=2),
    "glu": lambda x: F.glu(x.v),
    "grid_sample": lambda x: F.grid_sample(
        x.i, x.i[:, :2].permute(0, 2, 3, 1).tanh(), align_corners=False
    ),
    "group_norm": lambda x: F.group_norm(x.i, 2),
    "hinge_embedding_loss": lambda x: F.hinge_embedding_loss(x.v, x.v.sign()),
    "huber_loss": lambda x: F.huber_loss(x.v, x.v.cos()),
    "instance_norm": lambda x: F.instance_norm(x.i),
    "interpolate": lambda x: [
        *(resized("nearest", d, scale_factor=2.0)(x) for d in (1, 2, 3)),
        *(resized("nearest-exact", d, scale_factor=2.0)(x) for d in (1, 2, 3)),
        *(resized("area", d, size=(3,) * d)(x) for d in (1, 2, 3)),
        *(
            resized(m, d, size=(5,) * d)(x)
            for d, m in enumerate(("linear", "bilinear", "trilinear"), start=1)
        ),
        *(resized(m, 2, size=(5, 9), antialias=True)(x) for m in ("bilinear", "bicubic")),
        resized("bicubic", 2, size=(5, 9), align_corners=True)(x),
    ],
    "kl_div": lambda x: F.kl_div(x.v, x.v.cos() ** 2),
    "l1_loss": lambda x: F.l1_loss(x.v, x.v.cos()),
    "layer_norm": lambda x: F.layer_norm(x.i, (8, 8)),
    "linear": lambda x: F.linear(x.v, x.i[0, 0]),
    "local_response_norm": lambda x: F.local_response_norm(x.i, 3),
    "log_softmax": lambda x: F.log_softmax(x.v, 1),
    "margin_ranking_loss": lambda x: F.margin_ranking_loss(x.v, x.v.cos(), x.v.sign()),
    "mse_loss": lambda x: F.mse_loss(x.v, x.v.cos()),
    "multi_margin_loss": lambda x: F.multi_margin_loss(x.v, x.y),
    "multilabel_margin_loss": lambda x: F.multilabel_margin_loss(x.v, x.y[:, None].expand(-1, 8)),
    "multilabel_soft_margin_loss": lambda x: F.multilabel_soft_margin_loss(x.v, x.v.cos() ** 2),
    "nll_loss": lambda x: F.nll_loss(x.v, x.y),
    "normalize": lambda x: F.normalize(x.v),
    "one_hot": lambda x: F.one_hot(x.y, 8) * x.v,
    "pad": lambda x: [
        F.pad(spaces(x)[d - 1], (1, 1) * d, mode)
        for d in (1, 2, 3)
        for mode in ("constant", "reflect", "replicate", "circular")
        if mode != "reflect" or d < 3
    ],
    "pairwise_distance": lambda x: F.pairwise_distance(x.v, x.v.cos()),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x.i, 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x.i, 2),
    "poisson_nll_loss": lambda x: F.poisson_nll_loss(x.v, x.v.cos() ** 2),
    "prelu": lambda x: F.prelu(x.i, x.v[0, :4]),
    "rms_norm": lambda x: F.rms_norm(x.v, (8,)),
    "scaled_dot_product_attention": lambda x: [
        F.scaled_dot_product_attention(x.i, x.i, x.i, is_causal=True),
        F.scaled_dot_product_attention(x.i, x.i, x.i, attn_mask=x.i.new_ones(8, 8).tril().bool()),
        F.scaled_dot_product_attention(x.i, x.i[:, :2], x.i[:, :2], enable_gqa=True),
    ],
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x.v, x.v.cos()),
    "soft_margin_loss": lambda x: F.soft_margin_loss(x.v, x.v.sign()),
    "softmax": lambda x: F.softmax(x.v, 1),
    "softmin": lambda x: F.softmin(x.v, 1),
    "threshold": lambda x: F.threshold(x.v, 0.1, 2.0),
    "threshold_": lambda x: F.threshold(x.v * 1, 0.1, 2.0, inplace=True),
    "triplet_margin_loss": lambda x: F.triplet_margin_loss(x.v, x.v.cos(), x.v.sin()),
    "triplet_margin_with_distance_loss": lambda x: F.triplet_margin_with_distance_loss(
        x.v, x.v.cos(), x.v.sin()
    ),
    "unfold": lambda x: F.unfold(x.i, 3, padding=1),
    "upsample": lambda x: F.upsample(x.i, 5),
    "upsample_bilinear": lambda x: F.upsample_bilinear(x.i, 5),
    "upsample_nearest": lambda x: F.upsample_nearest(x.i, 5),
}

REFUSED: Mapping[str, Function] = {
    "embedding_bag": lambda x: F.embedding_bag(x.y[None], x.s[0]),
    "fractional_max_pool2d": lambda x: F.fractional_max_pool2d(x.i, 2, output_size=3),
    "gumbel_softmax": lambda x: F.gumbel_softmax(x.v),
    "max_unpool2d": lambda x: F.max_unpool2d(*F.max_pool2d(x.i, 2, return_indices=True), [2, 2]),
    "max_unpool3d": lambda x: F.max_unpool3d(
        *F.max_pool3d(spaces(x)[2], (2, 2, 1), return_indices=True), (2, 2, 1)
    ),
    "fft": lambda x: torch.fft.rfft(x.v).abs(),
    "complex": lambda x: torch.view_as_complex(x.i.view(3, 4, 8, 4, 2)).abs(),
    "noise": lambda x: x.v + torch.randn_like(x.v),
    "nonzero": lambda x: x.v.nonzero(),
    "where": lambda x: torch.where(x.v > 0)[0],
    "argwhere": lambda x: x.v.argwhere(),
    "masked_select": lambda x: x.v.masked_select(x.v > 0),
    "unique": lambda x: torch.unique(x.y),
    "repeated by data": lambda x: x.v.repeat_interleave(x.y, 0),
    "histc": lambda x: x.v.histc(3),
    "bincount": lambda x: x.y.bincount(minlength=8),
    "number": lambda x: x.v * x.y.max().item(),
    "inverse": lambda x: torch.linalg.inv(x.i),
}
_OTHERS = {
    "ctc_loss": "its shapes depend on data in torch.export",
    "assert_int_or_pair": "a helper",
    "boolean_dispatch": "a helper",
    "fractional_max_pool3d": "as fractional_max_pool2d",
    "fractional_max_pool2d_with_indices": "as fractional_max_pool2d",
    "fractional_max_pool3d_with_indices": "as fractional_max_pool3d",
    "gaussian_nll_loss": "it branches on values, which torch.export can't follow",
    "grouped_mm": "its kernel is for GPUs",
    "linear_cross_entropy": "newer torch has it",
    "max_unpool1d": "as max_unpool2d",
    "multi_head_attention_forward": "of nn.MultiheadAttention, below",
    "native_channel_shuffle": "as channel_shuffle",
    "pdist": "its kernel has no second derivative",
    "scaled_grouped_mm": "its kernel is for GPUs",
    "scaled_mm": "its kernel is for GPUs",
}
"""Functions that are not tried here, and why."""


class Calling(nn.Module):
    """A network that calls functions, and returns the tensors that they give."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        super().__init__()
        self.functions = list(functions.values())

    def forward(self, v: Tensor, s: Tensor, i: Tensor, y: Tensor) -> list[Tensor]:
        results = [function(Inputs(v, s, i, y)) for function in self.functions]
        return [x for x in pytree.tree_leaves(results) if isinstance(x, Tensor)]


def inputs() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((3, 8), (3, 4, 8), (3, 4, 8, 8))
    numbers = (torch.randn(size, dtype=torch.double, generator=generator) for size in sizes)
    return (*numbers, torch.tensor([1, 2, 3]))


def test_all_functions_are_here() -> None:
    public = {
        name
        for name in dir(F)
        if callable(function := getattr(F, name))
        and not name.startswith("_")
        and not isinstance(function, type)
        and getattr(function, "__module__", None)
        in ("torch.nn.functional", "torch._C._nn", "torch", None, "torch._jit_internal")
    }
    assert public <= FUNCTIONS.keys() | REFUSED.keys() | _OTHERS.keys()


def is_same(network: Network, module: nn.Module, given: tuple[Tensor, ...]) -> None:
    with torch.no_grad():
        expected = [x for x in pytree.tree_leaves(module(*given)) if isinstance(x, Tensor)]
        torch.testing.assert_close(network(*given), tuple(expected), rtol=1e-9, atol=1e-9)


def test_functions_compute_the_same() -> None:
    module, given = Calling(FUNCTIONS).eval(), inputs()
    program = torch.export.export(module, given)
    is_same(as_network(program, given), module, given)
    is_same(read_back(module, *given, dynamic=False), module, given)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_has_a_reason(name: str) -> None:
    program = torch.export.export(Calling({name: REFUSED[name]}).eval(), inputs())
    unknown = list(map(str, unknown_operators(program.graph_module)))
    assert unknown
    assert any(map(reason_against, unknown)), unknown


def test_a_shape_that_depends_on_the_data_is_refused() -> None:
    """By the same reason as an upload's: see tests/worker/formats/test_pt2.py."""
    masked = Calling({"mask": lambda x: x.v[x.v > 0].mean()}).eval()
    with pytest.raises(TraceError, match=r"index.Tensor is not supported: the shape of its result"):
        as_network(torch.export.export(masked, inputs()), inputs())


LAYERS: Mapping[str, Callable[[], nn.Module]] = {
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    "TransformerEncoder": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), 2
    ),
    "Transformer": lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
    "LSTM": lambda: nn.LSTM(8, 4, 2, batch_first=True),
    "GRU": lambda: nn.GRU(8, 4, bidirectional=True),
    "RNN": lambda: nn.RNN(8, 4, 2),
    "RNN of relu": lambda: nn.RNN(8, 4, nonlinearity="relu", batch_first=True),
    "LSTMCell": lambda: nn.LSTMCell(8, 4),
    "GRUCell": lambda: nn.GRUCell(8, 4),
    "RNNCell": lambda: nn.RNNCell(8, 4),
    "Bilinear": lambda: nn.Bilinear(8, 8, 3),
    "weight_norm": lambda: parametrizations.weight_norm(nn.Linear(8, 4)),
    "spectral_norm": lambda: parametrizations.spectral_norm(nn.Linear(8, 4)),
    "CosineSimilarity": lambda: nn.CosineSimilarity(),
}


class Layers(nn.Module):
    """A network that gives signals to each layer, or vectors to one that takes those."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: make() for name, make in LAYERS.items()})

    def forward(self, s: Tensor) -> list[Any]:
        given = {"MultiheadAttention": 3, "Transformer": 2, "Bilinear": 2, "CosineSimilarity": 2}
        results = {
            name: layer(*[s[:, 0] if name.endswith("Cell") else s] * given.get(name, 1))
            for name, layer in self.layers.items()
        }
        if torch.__version__ < "2.13":  # which describes the last states of an LSTM wrongly
            results["LSTM"] = results["LSTM"][0]
        return [x for x in pytree.tree_leaves(results) if isinstance(x, Tensor)]


def test_layers_compute_the_same() -> None:
    torch.manual_seed(0)
    module, given = Layers().double().eval(), inputs()[1:2]
    program = torch.export.export(module, given)
    is_same(as_network(program, given), module, given)
    is_same(read_back(module, *given, dynamic=False), module, given)
