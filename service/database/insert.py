"""INSERT … ON CONFLICT, which SQLAlchemy keeps with the dialects."""

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.database.tables import Base


def insert(session: Session, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT into `table` that knows `on_conflict_…`, in the session's dialect."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
