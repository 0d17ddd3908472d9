"""Refusals of datasets and of archives; each detail says what is wrong, where, and what to do."""

from functools import partial

from worker.errors import RefusedError

HOW_TO = (
    "Save it with numpy.savez_compressed('data.npz', x=inputs, y=targets); several inputs are x0, "
    "x1, …, or have the names of the network's inputs."
)
READ = (
    "Narrows reads .npz, .safetensors and .parquet files, and .zip, .tar or .tar.gz files of "
    "class/image.png, of .npy arrays or of a WebDataset shard."
)

invalid = partial(RefusedError, "dataset-invalid", "The dataset can't be used")


def unsafe(detail: str) -> RefusedError:
    return RefusedError(
        "unsafe-archive", "The archive holds what a plain export never does", detail
    )


def malformed(detail: str) -> RefusedError:
    return RefusedError("malformed-archive", "The archive is malformed", detail)


def too_large(detail: str) -> RefusedError:
    return RefusedError("too-large", "The archive asks for too much", detail)


def said(error: object) -> str:
    """Return the first line of what a decoder said, which may quote the file, at most so long."""
    return ascii(str(error).partition("\n")[0][:200])[1:-1] or type(error).__name__


def quoted(text: object) -> str:
    r"""Return text from a file, shortened and escaped, to be shown in a message.

    >>> quoted("a\nb")
    "'a\\nb'"
    """
    shown = ascii(text)
    return shown if len(shown) <= 200 else f"{shown[:197]}..."
