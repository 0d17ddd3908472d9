"""The request scope: one transaction for each request, and then its messages."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, cast

from fastapi import Depends
from sqlalchemy import Engine
from sqlalchemy.orm import Session as OrmSession
from starlette.requests import HTTPConnection, Request

from service.broker.celery_app import Broker
from service.broker.outbox import Outbox
from service.database.engine import READS_ONLY
from service.http.places import Places
from service.keys.uses import Uses
from service.quotas.rate import Buckets
from service.retention.keep import Keep, Keeps
from service.settings import Settings
from service.storage.objects import Storage


@dataclass(frozen=True)
class Services:
    """What the application opens at startup."""

    settings: Settings
    engine: Engine
    storage: Storage
    broker: Broker
    outbox: Outbox
    secret: bytes
    uses: Uses
    places: Places
    buckets: Buckets
    large_bodies: asyncio.Semaphore
    """Held while a large JSON body is answered."""
    closing: threading.Event
    """Set when the server is about to end: waits and streams end, too."""

    @contextmanager
    def transaction(self) -> Iterator[OrmSession]:
        """Yield a session; commit it and send its messages, or roll it back after an error."""
        with self._session(self.engine) as session, session.begin():
            yield session
        for task, identity in session.info.pop(_MESSAGES, ()):
            self.outbox.send(task, identity)

    @contextmanager
    def reading(self) -> Iterator[OrmSession]:
        """Yield a read-only session, which never waits for a writer."""
        with self._session(self._reading_engine) as session, session.begin():
            yield session

    def _session(self, engine: Engine) -> OrmSession:
        return OrmSession(engine, expire_on_commit=False, info={_SETTINGS: self.settings})

    @cached_property
    def _reading_engine(self) -> Engine:
        return self.engine.execution_options(**READS_ONLY)


_MESSAGES, _SETTINGS, _KEEPS = "messages", "settings", "keeps"


def keep_of(session: OrmSession, owner: str) -> Keep:
    """Return how long the things of an owner are kept; read once in each session."""
    info = session.info
    keeps: Keeps = info.get(_KEEPS) or info.setdefault(_KEEPS, Keeps.of(session, info[_SETTINGS]))
    return keeps.of_owner(owner)


def enqueue(session: OrmSession, task: str, identity: str) -> None:
    """Send `task` once the session's transaction has been committed."""
    session.info.setdefault(_MESSAGES, []).append((task, identity))


def _services(connection: HTTPConnection) -> Services:
    return cast("Services", connection.app.state.services)


def _session(request: Request, services: "FromApp") -> Iterator[OrmSession]:
    safe = request.method in {"GET", "HEAD"}  # RFC 9110, section 9.2.1
    with services.reading() if safe else services.transaction() as session:
        yield session


FromApp = Annotated[Services, Depends(_services)]
# Function scope: the transaction ends before the response is sent, so a client never sees
# uncommitted changes.
Session = Annotated[OrmSession, Depends(_session, scope="function")]
