"""The environment of a child: what computing needs, and no secrets."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

ALLOWED: Final = (
    "PATH", "HOME", "TZ", "LANG", "LANGUAGE", "LC_*", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
    "PYTHON*", "OMP_*", "GOMP_*", "KMP_*", "MKL_*", "OPENBLAS_*", "NUMEXPR_*", "ATEN_*",
    "TORCH_*", "PYTORCH_*", "CUDA_*", "CUBLAS_*", "CUDNN_*", "NVIDIA_*",
    "NARROWS_DATA", "NARROWS_DEVICE", "NARROWS_LOG_LEVEL", "NARROWS_LOG_FORMAT",
    "NARROWS_SHARD_SAMPLES", "NARROWS_CHECKPOINT_SECONDS",
)  # fmt: skip


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are known to hold no secret; all others are left out.

    >>> without_secrets({"OMP_NUM_THREADS": "2", "NARROWS_SECRET": "…", "PGPASSWORD": "…"})
    {'OMP_NUM_THREADS': '2'}
    """
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in ALLOWED)
    }
