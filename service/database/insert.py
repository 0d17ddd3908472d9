"""INSERT … ON CONFLICT, which SQLAlchemy keeps with the dialects."""

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.database.tables import Base


def insert(session: Session | Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT into `table` that knows `on_conflict_…`, in the session's dialect."""
    bind = session if isinstance(session, Connection) else session.get_bind()
    if bind.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
