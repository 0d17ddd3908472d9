"""Checksums of parts in `Content-Digest` or `Repr-Digest` (RFC 9530)."""

import base64
import re
from typing import Annotated, Final

from fastapi import Depends, Header

from service.http.problems import InvalidError

_SHA256: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?=$|[,;])")
_Digest = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="The SHA-256 of the body in Base64 (RFC 9530): `sha-256=:…:`. One of "
        "`Content-Digest` and `Repr-Digest` is needed; without a coding they say the same",
    ),
]


def _sha256_of_body(content_digest: _Digest = None, repr_digest: _Digest = None) -> str:
    """Return the SHA-256 that the body must have, in hexadecimal digits; raise InvalidError."""
    sent = content_digest if content_digest is not None else repr_digest
    if found := _SHA256.search(sent or ""):
        return base64.b64decode(found[1]).hex()
    name = "repr-digest" if content_digest is None and repr_digest else "content-digest"
    raise InvalidError(
        [name],
        "Send the SHA-256 of the part in Base64: `Content-Digest: sha-256=:…:`.",
        where="header",
    )


BodyDigest = Annotated[str, Depends(_sha256_of_body)]
