"""The audit log: who changed what, and from where."""

from sqlalchemy.orm import Session

from service.database.tables import AuditEntry
from service.http.security import Caller
from service.logs import request_id


def record(session: Session, caller: Caller, action: str, subject: str) -> None:
    """Add an entry, in the transaction of the change: `action` such as `model.delete`."""
    session.add(
        AuditEntry(
            owner=caller.owner,
            key_id=caller.key_id,
            address=caller.address,
            action=action,
            subject=subject,
            request_id=request_id(),
        )
    )
