"""Files that only this user may read, created once even if two processes start together."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """Return the text of `path`, and whether this call created it, from `make()`, with mode 0600.

    A complete file is linked to `path`, so no reader sees a part of it. If several processes create
    it at once, one succeeds and the others read its file.
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
