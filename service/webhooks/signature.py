"""Signatures as the specification of Standard Webhooks has them (standardwebhooks.com)."""

import hmac
from base64 import b64encode
from hashlib import sha256

PREFIX = "whsec_"


def secret_of(server_secret: bytes, webhook_id: str, version: int) -> str:
    """Return a webhook's secret: derived from the server's, so that none has to be stored."""
    return PREFIX + b64encode(_key(server_secret, webhook_id, version)).decode()


def signed_headers(
    server_secret: bytes, webhook_id: str, version: int, message_id: str, seconds: int, body: bytes
) -> dict[str, str]:
    """Return the three headers of a message that is sent `seconds` after the epoch."""
    signed = f"{message_id}.{seconds}.".encode() + body
    digest = hmac.digest(_key(server_secret, webhook_id, version), signed, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }


def _key(server_secret: bytes, webhook_id: str, version: int) -> bytes:
    return hmac.digest(server_secret, f"webhook {webhook_id} {version}".encode(), sha256)
