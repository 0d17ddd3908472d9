"""Forgets upload sessions that have expired, with their parts."""

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.engine import READS_ONLY
from service.database.files import FileRepository
from service.database.upload_sessions import UploadSession
from service.storage.objects import Storage


def forget_expired(engine: Engine, storage: Storage) -> None:
    """Delete the sessions that have expired, whatever their state."""
    expired = select(UploadSession.id).where(UploadSession.expires_at <= utc_now())
    with Session(engine.execution_options(**READS_ONLY)) as session, session.begin():
        identities = session.scalars(expired).all()
    for identity in identities:
        forget(engine, storage, identity)


def forget(engine: Engine, storage: Storage, identity: str) -> None:
    """Delete a session that has expired: first its parts, which its row names."""
    storage.parts.discard(identity)
    gone = delete(UploadSession).where(UploadSession.id == identity).returning(UploadSession.file)
    with Session(engine) as session, session.begin():
        release(session, storage, session.scalar(gone))


def release(session: Session, storage: Storage, sha256: str | None) -> None:
    """Delete the file that a session held, if it held one and nothing else refers to it."""
    if sha256 is not None and FileRepository(session).delete_unused(sha256):
        storage.delete(sha256)


def delete_strays(engine: Engine, storage: Storage) -> None:
    """Delete parts without a session, which crashes left; this lists the storage."""
    stored = list(storage.parts.sessions())
    known = select(UploadSession.id).where(UploadSession.id.in_(stored))
    with Session(engine.execution_options(**READS_ONLY)) as session, session.begin():
        sessions = set(session.scalars(known))
    for identity in stored:
        if identity not in sessions:
            storage.parts.discard(identity)
