"""What differs between SQLite and PostgreSQL."""

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.database.base import Base


def is_postgresql(session: Session | Connection) -> bool:
    bind = session if isinstance(session, Connection) else session.get_bind()
    return bind.dialect.name == "postgresql"


def insert(session: Session | Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT into `table` that has `on_conflict_…`, in the session's dialect."""
    return postgresql.insert(table) if is_postgresql(session) else sqlite.insert(table)
