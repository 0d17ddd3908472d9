"""A duty that one process at a time has, such as reconciling: the lead, by a lease row."""

import secrets
from typing import Final

from sqlalchemy import Engine, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.database.clock import epoch_now
from service.database.tables import Lease


class Duty:
    """A process' part in a duty; the lead passes on `seconds` after the leader fell silent."""

    def __init__(self, engine: Engine, name: str, seconds: float) -> None:
        self._engine, self._seconds = engine, seconds
        self._name: Final = name
        self._token = secrets.token_hex(16)

    def leads(self) -> bool:
        """Take or renew the lead; return False while another process has it."""
        mine = {"token": self._token, "lease_until": epoch_now() + self._seconds}
        free = or_(Lease.token == self._token, Lease.lease_until < epoch_now())
        lead = Lease.name == self._name
        try:
            with self._engine.begin() as connection:
                if connection.execute(update(Lease).where(lead, free).values(mine)).rowcount:
                    return True
                if connection.scalar(select(Lease.name).where(lead)):
                    return False
                connection.execute(insert(Lease).values(name=self._name, **mine))
        except IntegrityError:  # another process has inserted the row
            return False
        return True

    def release(self) -> None:
        """Release the lead, so that another process takes it at once."""
        mine = update(Lease).where(Lease.token == self._token)
        with self._engine.begin() as connection:
            connection.execute(mine.values(lease_until=0.0))
