"""Making, listing and revoking API keys. Callers commit the session."""

from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.database.base import new_id
from service.database.tables import Key
from service.keys.repository import KeyRepository
from service.keys.secrets import Scope, digest_of, make_key, server_secret
from service.private_file import read_or_create
from service.settings import Settings

LOCAL_OWNER = "local"
ALL_SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


def create_key(
    settings: Settings, session: Session, *, owner: str, name: str, scopes: Sequence[Scope]
) -> tuple[Key, str]:
    """Return a new key's row, and the key itself, which is not stored."""
    secret_text = make_key()
    return _register(settings, session, secret_text, owner, name, scopes), secret_text


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
    if not KeyRepository(session).known(digest_of(server_secret(settings), key)):
        try:
            with session.begin_nested():
                _register(settings, session, key, LOCAL_OWNER, "local", ALL_SCOPES)
        except IntegrityError:
            pass  # another process, which started at the same time, was faster
    return key, new


def _register(
    settings: Settings, session: Session, key: str, owner: str, name: str, scopes: Sequence[Scope]
) -> Key:
    row = Key(
        id=new_id("key"),
        owner=owner,
        name=name,
        digest=digest_of(server_secret(settings), key),
        scopes=list(scopes),
    )
    KeyRepository(session).add(row)
    return row
