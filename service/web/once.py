"""What makes a form that is sent twice ask once."""

import hashlib
import json
import re
import secrets
from typing import Final

from service.web.forms import Fields, text

OURS: Final = re.compile(r"[\w-]{16,64}", re.ASCII)


def new_once() -> str:
    """Return what a form carries in its field `once`: another text each time it is shown."""
    return secrets.token_urlsafe(16)


def key_of(fields: Fields) -> str | None:
    """Return the idempotency key of a form that was sent, None for one that is not ours.

    It is another one for other answers, so that somebody who goes back may ask something else.
    """
    if not OURS.fullmatch(text(fields, "once")):
        return None
    return hashlib.sha256(json.dumps(sorted(fields.items())).encode()).hexdigest()
