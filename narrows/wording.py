"""Small helpers for texts that people read."""


def counted(count: int, noun: str) -> str:
    """Return the number with its noun, in the plural where there is not one.

    >>> counted(1, "channel"), counted(1200, "sample")
    ('1 channel', '1,200 samples')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
