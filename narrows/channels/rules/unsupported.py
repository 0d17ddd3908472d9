"""The operators without a rule, through which channels are not followed, and the reasons."""

from collections.abc import Mapping

_LOSS = "a loss compares them with targets"
_DISTANCE = "a distance between vectors runs over them"
_NOT_ALIGNED = "the positions that it picks are only known at run time"

UNFOLLOWED: Mapping[str, str] = {
    **dict.fromkeys(
        "addbmm addmv addr bilinear inner linalg_vecdot tensordot trace".split(),
        "a product other than of a layer runs over them",
    ),
    **dict.fromkeys(
        "bucketize.Tensor index_add index_copy index_fill.int_Scalar index_fill.int_Tensor "
        "isin.Tensor_Tensor masked_scatter scatter.src scatter.value scatter_add "
        "scatter_reduce.two searchsorted.Tensor take take_along_dim".split(),
        _NOT_ALIGNED,
    ),
    **dict.fromkeys("affine_grid_generator meshgrid.indexing".split(), "a grid is made of them"),
    **dict.fromkeys("diag_embed diagonal_scatter".split(), "they become a diagonal"),
    "sum_to_size": "a sum to a size runs over them",
    "outer": "an outer product mixes them",
    "binary_cross_entropy": _LOSS,
    "binary_cross_entropy_with_logits": _LOSS,
    "cosine_embedding_loss": _LOSS,
    "cosine_similarity": _DISTANCE,
    "cross_entropy_loss": _LOSS,
    "hinge_embedding_loss": _LOSS,
    "huber_loss": _LOSS,
    "kl_div": _LOSS,
    "l1_loss": _LOSS,
    "margin_ranking_loss": _LOSS,
    "mse_loss": _LOSS,
    "multi_margin_loss": _LOSS,
    "multilabel_margin_loss": _LOSS,
    "nll_loss2d_forward": _LOSS,
    "nll_loss_forward": _LOSS,
    "nll_loss_nd": _LOSS,
    "pairwise_distance": _DISTANCE,
    "poisson_nll_loss": _LOSS,
    "smooth_l1_loss": _LOSS,
    "soft_margin_loss": _LOSS,
    "triplet_margin_loss": _LOSS,
}
"""The reasons by operator. Every other operator of `operators.OPERATORS` has a rule."""
