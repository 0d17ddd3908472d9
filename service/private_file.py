"""Files that only this user may read, made once even when two processes start together."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """Return the text of `path`, and whether this call made it (of `make()`, with mode 0600).

    The file appears by a link from a finished one: no reader finds it empty, and of several
    processes that make it at once one wins and the others read what it wrote.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        text = make()
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        else:
            return text, True
        finally:
            draft.unlink()
    return path.read_text().strip(), False
