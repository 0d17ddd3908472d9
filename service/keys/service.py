"""Making, listing and revoking API keys. Callers commit the session."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.database.base import new_id, utc_now
from service.database.tables import Key
from service.keys.repository import KeyRepository
from service.keys.secrets import Scope, digest_of, make_key, server_secret
from service.private_file import read_or_create
from service.settings import Settings

LOCAL_OWNER = "local"
ALL_SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


def create_key(
    secret: bytes,
    session: Session,
    *,
    owner: str,
    name: str,
    scopes: Sequence[Scope],
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """Return a new key's row, and the key itself, which is not stored.

    `secret` is the key of the HMACs, `server_secret`.
    """
    key = make_key()
    return _register(secret, session, key, owner, name, scopes, expires_at), key


def rotate_key(
    secret: bytes, session: Session, key_id: str, overlap: timedelta
) -> tuple[Key, str] | None:
    """Return a key that takes the place of a valid one, which stays valid for `overlap` at most.

    It has the same owner, name and scopes, and lasts as long from now on. None: there is no valid
    key of this id.
    """
    old = KeyRepository(session).get_valid(key_id)
    if old is None:
        return None
    now = utc_now()
    lifetime = old.expires_at and old.expires_at - old.created_at
    until = now + overlap
    old.expires_at = min(old.expires_at, until) if old.expires_at else until
    return create_key(
        secret,
        session,
        owner=old.owner,
        name=old.name,
        scopes=old.scopes,
        expires_at=now + lifetime if lifetime else None,
    )


def list_keys(session: Session, owner: str | None = None) -> Sequence[Key]:
    """Return the keys of `owner`, or all, oldest first; revoked ones too."""
    return KeyRepository(session).of_owner(owner)


def revoke_key(session: Session, key_id: str) -> bool:
    """Revoke a key at once; return whether there was such a valid key."""
    return KeyRepository(session).revoke(key_id)


def ensure_local_key(settings: Settings, session: Session) -> tuple[str, bool]:
    """Return the embedded service's own key, and whether this call created it.

    The key is in the file `api-key` (mode 0600) of the data folder. If the database has no row for
    it, such as a new database, a row is inserted. A revoked key stays revoked.
    """
    key, new = read_or_create(settings.data / "api-key", make_key)
    secret = server_secret(settings)
    if not KeyRepository(session).known(digest_of(secret, key)):
        try:
            with session.begin_nested():
                _register(secret, session, key, LOCAL_OWNER, "local", ALL_SCOPES)
        except IntegrityError:
            pass  # another process, which started at the same time, was faster
    return key, new


def _register(
    secret: bytes,
    session: Session,
    key: str,
    owner: str,
    name: str,
    scopes: Sequence[Scope],
    expires_at: datetime | None = None,
) -> Key:
    row = Key(
        id=new_id("key"),
        owner=owner,
        name=name,
        digest=digest_of(secret, key),
        scopes=list(scopes),
        expires_at=expires_at,
    )
    KeyRepository(session).add(row)
    return row
