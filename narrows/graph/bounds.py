"""Bounds on an operator's arguments that keep native kernels from crashing.

See docs/security.md, "Rules for archives", 7.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from narrows.graph.operator_names import MAY_BE_EMPTY

MAX_OUTPUTS = 1024
MAX_SIZE = 1 << 40  # of one dimension, in elements
MAX_KERNEL = 512
MAX_CLASSES = 4096  # of a margin loss, which compares each with each
MAX_STEPS = 4096  # of a recurrent layer, each several calls

_RANGES: Mapping[str, tuple[int, int]] = {
    "stride": (1, 512),  # strides of 16384 and more segfault the CPU convolution
    "padding": (0, 512),
    "dilation": (1, 512),
    "output_padding": (0, 512),
    "kernel_size": (1, MAX_KERNEL),
    "output_size": (1, 4096),
    "groups": (1, 1 << 16),
    "num_groups": (1, 1 << 16),
    "divisor_override": (1, 1 << 20),
    "upscale_factor": (1, 512),
    "downscale_factor": (1, 512),
    "pad": (-4096, 4096),
    "repeats": (1, 4096),
    "chunks": (1, MAX_OUTPUTS),
    "split_size": (1, MAX_SIZE),
    "num_layers": (1, 64),
    "num_classes": (1, 1 << 20),
    "n": (0, 1 << 20),
    "m": (0, 1 << 20),
    "row": (1, 1 << 20),
    "col": (1, 1 << 20),
    "steps": (1, 1 << 24),
    "window_length": (1, 1 << 24),
    "sections": (1, MAX_OUTPUTS),
    "step": (1, MAX_SIZE),
    "arange.start_step step": (-MAX_SIZE, MAX_SIZE),  # it may count down
    **{
        f"avg_pool{rank}d {name}": (1, 1 << 16)  # it cuts its windows to the input
        for rank in (1, 2, 3)
        for name in ("kernel_size", "stride")
    },
    "decimals": (-64, 64),
    "reduction": (0, 2),
}
"""The least and the largest integer in an argument of this name, for any operator or for one."""


class OutOfBoundsError(ValueError):
    """The error for an argument that could crash a native kernel."""


def check_arguments(op: str, arguments: Mapping[str, Any]) -> None:
    """Raise OutOfBoundsError where an argument of `op` is out of bounds, or a tensor empty.

    Views, joins, writes and plain arithmetic may be given empty tensors, such as `x[:, :0]`.

    >>> import torch
    >>> check_arguments("conv2d", {"weight": torch.zeros(8, 4, 3, 3), "stride": [2, 2]})
    >>> check_arguments("conv2d", {"weight": torch.zeros(8, 4, 3, 3), "stride": [2, 16384]})
    Traceback (most recent call last):
    narrows.graph.bounds.OutOfBoundsError: stride 16384 is not between 1 and 512
    """
    for name, value in arguments.items():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Tensor):
                if item.numel() == 0 and op not in MAY_BE_EMPTY:
                    raise OutOfBoundsError(
                        f"{name} is an empty tensor of shape {tuple(item.shape)}"
                    )
            elif type(item) is int:
                _check_integer(op, name, item)
    if op.startswith("conv"):
        _check_kernel(arguments)
    elif op in _CHECKS:
        _CHECKS[op](arguments)


def _check_integer(op: str, name: str, value: int) -> None:
    limits = _RANGES.get(f"{op} {name}", _RANGES.get(name))
    if limits and not limits[0] <= value <= limits[1]:
        raise OutOfBoundsError(f"{name} {value} is not between {limits[0]} and {limits[1]}")


def check_size(size: Any) -> None:
    """Raise OutOfBoundsError where a size, computed from sizes, is larger than `MAX_SIZE`.

    >>> check_size(1 << 40)
    >>> check_size(1 << 41)
    Traceback (most recent call last):
    narrows.graph.bounds.OutOfBoundsError: 2199023255552 is too large for a size
    """
    if type(size) is int and abs(size) > MAX_SIZE:
        raise OutOfBoundsError(f"{size} is too large for a size")


def _check_kernel(arguments: Mapping[str, Any]) -> None:
    if max(arguments["weight"].shape[2:], default=1) > MAX_KERNEL:
        raise OutOfBoundsError(f"the kernel is larger than {MAX_KERNEL}")


def _check_average(arguments: Mapping[str, Any]) -> None:
    """Allow windows larger than `MAX_KERNEL`, but not that they overlap: nothing bounds the work.

    >>> _check_average({"kernel_size": [2560], "stride": []})
    >>> _check_average({"kernel_size": [2560], "stride": [1]})
    Traceback (most recent call last):
    narrows.graph.bounds.OutOfBoundsError: windows of 2560 overlap, which is supported up to 512
    """
    kernel = arguments["kernel_size"]
    strides = arguments.get("stride") or kernel
    sizes, steps = ([x] if isinstance(x, int) else x for x in (kernel, strides))
    rank = max(len(sizes), len(steps))  # one number stands for all
    for size, step in zip((sizes * rank)[:rank], (steps * rank)[:rank], strict=True):
        if size > MAX_KERNEL and step < size:
            raise OutOfBoundsError(
                f"windows of {size} overlap, which is supported up to {MAX_KERNEL}"
            )


def _check_division(arguments: Mapping[str, Any]) -> None:
    """Allow integers to be divided by a number that is written in the program, not by a tensor."""
    operands = (arguments["self"], arguments["other"])
    if any(
        x.is_floating_point() if isinstance(x, Tensor) else isinstance(x, float) for x in operands
    ):
        return
    if type(operands[1]) is not int or operands[1] <= 0:
        raise OutOfBoundsError(
            "division of integers with rounding is supported by positive numbers only: by others "
            "it can crash the process"
        )


def _check_norm(arguments: Mapping[str, Any]) -> None:
    dim = arguments.get("dim")
    if arguments.get("ord") is not None and (dim is None or len(dim) > 1):
        raise OutOfBoundsError("a norm of matrices is not supported: it decomposes them")


def _check_bilinear(arguments: Mapping[str, Any]) -> None:
    a, b, weight = (arguments[name] for name in ("input1", "input2", "weight"))
    if weight.dim() != 3 or weight.shape[1:] != (a.shape[-1], b.shape[-1]):
        raise OutOfBoundsError(f"weight has the shape {tuple(weight.shape)}")


def _check_scales(arguments: Mapping[str, Any]) -> None:
    scales = [arguments.get(name) for name in ("scales", "scales_h", "scales_w")]
    for scale in (*scales, *(arguments.get("scale_factors") or ())):
        if scale is not None and not 1 / 512 <= scale <= 512:
            raise OutOfBoundsError(f"scale factor {scale} is not between 1/512 and 512")


def _check_pieces(arguments: Mapping[str, Any]) -> None:
    pieces = arguments["self"].shape[arguments.get("dim", 0)] / arguments.get("split_size", 1)
    if pieces > MAX_OUTPUTS:
        raise OutOfBoundsError(f"more than {MAX_OUTPUTS} outputs")


def _check_path(arguments: Mapping[str, Any]) -> None:
    if arguments.get("path") is not None:
        raise OutOfBoundsError("a contraction path is not supported")


def _check_steps(arguments: Mapping[str, Any]) -> None:
    if max(arguments["input"].shape[:-1]) > MAX_STEPS:
        raise OutOfBoundsError(f"more than {MAX_STEPS} steps or samples at once")


def _check_norms(arguments: Mapping[str, Any]) -> None:
    v, g, dim = arguments["v"], arguments["g"], arguments.get("dim", 0)
    if not -1 <= dim < v.dim():
        raise OutOfBoundsError(f"dim {dim} is not between -1 and {v.dim() - 1}")
    expected = tuple(size if d == dim else 1 for d, size in enumerate(v.shape))
    if g.numel() != 1 and tuple(g.shape) != expected:
        raise OutOfBoundsError(f"g has the shape {tuple(g.shape)}, not {expected}")


def _check_classes(arguments: Mapping[str, Any]) -> None:
    scores, target, weight = arguments["self"], arguments.get("target"), arguments.get("weight")
    classes = scores.shape[-1] if scores.dim() else 1
    if classes > MAX_CLASSES:
        raise OutOfBoundsError(f"more than {MAX_CLASSES} classes")
    if weight is not None and tuple(weight.shape) != (classes,):
        raise OutOfBoundsError(f"weight has the shape {tuple(weight.shape)}, not ({classes},)")
    if target is not None and scores.shape[: target.dim()] != target.shape:
        raise OutOfBoundsError(
            f"target has the shape {tuple(target.shape)}, and the outputs {tuple(scores.shape)}"
        )


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "avg_pool1d": _check_average,
    "avg_pool2d": _check_average,
    "avg_pool3d": _check_average,
    "div.Tensor_mode": _check_division,
    "floor_divide": _check_division,
    "fmod.Scalar": _check_division,
    "fmod.Tensor": _check_division,
    "remainder.Scalar": _check_division,
    "remainder.Tensor": _check_division,
    "bilinear": _check_bilinear,
    "linalg_norm": _check_norm,
    "rnn_relu.input": _check_steps,
    "rnn_tanh.input": _check_steps,
    "_weight_norm": _check_norms,
    "_weight_norm_interface": _check_norms,
    "einsum": _check_path,
    "gru.input": _check_steps,
    "lstm.input": _check_steps,
    "multi_margin_loss": _check_classes,
    "multilabel_margin_loss": _check_classes,
    "split.Tensor": _check_pieces,
    "unbind.int": _check_pieces,
    "_upsample_bicubic2d_aa.vec": _check_scales,
    "_upsample_bilinear2d_aa.vec": _check_scales,
    "_upsample_nearest_exact1d.vec": _check_scales,
    "_upsample_nearest_exact2d.vec": _check_scales,
    "_upsample_nearest_exact3d.vec": _check_scales,
    "upsample_bicubic2d.vec": _check_scales,
    "upsample_nearest3d.vec": _check_scales,
    "upsample_trilinear3d.vec": _check_scales,
    "upsample_bilinear2d": _check_scales,
    "upsample_bilinear2d.vec": _check_scales,
    "upsample_linear1d": _check_scales,
    "upsample_linear1d.vec": _check_scales,
    "upsample_nearest1d": _check_scales,
    "upsample_nearest1d.vec": _check_scales,
    "upsample_nearest2d": _check_scales,
    "upsample_nearest2d.vec": _check_scales,
}
