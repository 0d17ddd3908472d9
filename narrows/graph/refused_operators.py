"""The operators that are refused for what they do, and why: each reason is a fact."""

from collections.abc import Mapping

_COMPLEX = "it computes with complex numbers, and Narrows with real ones"
_RANDOM = "it draws random numbers, and an analysis needs one answer for one input"
DATA_SHAPE = (
    "the shape of its result depends on the data: keep all values and weight them by a mask, or "
    "make the choice before, as an input of the network"
)
_ALL_EXPERTS = (
    "let every expert run on all tokens, and weight the results; in transformers, call "
    "model.set_experts_implementation('batched_mm') before"
)
_COUNTS = f"it counts values, mostly to deal tokens out to experts: {_ALL_EXPERTS}"
_NUMBER = "it makes a number of the program out of data: keep it in a tensor"
_UNCHECKED = "its kernel does not check the indices that it is given"
_MATRIX = "it decomposes or inverts matrices"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        "angle complex istft polar stft view_as_complex view_as_real".split(), _COMPLEX
    ),
    **dict.fromkeys(
        "bernoulli bernoulli_ exponential_ fractional_max_pool2d fractional_max_pool3d multinomial "
        "normal_ poisson rand rand_like randint randint_like randn randn_like randperm "
        "random_ rrelu_with_noise uniform_".split(),
        _RANDOM,
    ),
    **dict.fromkeys(
        "_unique2 argwhere masked_select nonzero nonzero_numpy repeat_interleave "
        "unique_consecutive unique_dim where".split(),  # `where` of a condition alone
        DATA_SHAPE,
    ),
    **dict.fromkeys("bincount histc".split(), _COUNTS),
    "_grouped_mm": f"the data choose which weights a row meets: {_ALL_EXPERTS}",
    **dict.fromkeys("item _local_scalar_dense".split(), _NUMBER),
    **dict.fromkeys(
        "cholesky cholesky_inverse cholesky_solve det inverse linalg_cholesky linalg_cholesky_ex "
        "linalg_cond linalg_det linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh linalg_inv "
        "linalg_inv_ex linalg_lstsq linalg_lu linalg_lu_factor linalg_matrix_exp "
        "linalg_matrix_rank linalg_pinv linalg_qr linalg_slogdet linalg_solve linalg_svd "
        "linalg_svdvals linalg_tensorinv linalg_tensorsolve logdet matrix_exp pinverse qr slogdet "
        "svd triangular_solve".split(),
        _MATRIX,
    ),
    **dict.fromkeys("embedding_bag max_unpool2d max_unpool3d".split(), _UNCHECKED),
    "embedding_renorm_": "it overwrites the table: set max_norm=None for evaluation",
    "as_strided": "it may read memory beyond its input",
    "ctc_loss": "its second derivative is not known to torch",
}
"""Why operators are refused, by packet, in whatever way the program is written.

Those of other packets are merely not supported.
"""


def reason_against(target: str) -> str:
    """Return why an operator such as `aten.rand.default` is refused; empty for no known reason.

    >>> reason_against("torch.ops.aten.fft_rfft.default")
    'it computes with complex numbers, and Narrows with real ones'
    """
    _, _, name = target.removeprefix("torch.ops.").partition(".")
    packet = name.partition(".")[0]
    return _COMPLEX if packet.startswith("fft_") else REFUSED.get(packet, "")
