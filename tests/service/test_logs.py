"""The log: JSON lines with ids, without secrets."""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from service.database.tables import Analysis, Dataset, Model
from service.logs import configure_logging
from service.settings import Settings
from tests.support.answers import created

Read = Callable[[], list[dict[str, Any]]]
Lines = Callable[[Settings], AbstractContextManager[Read]]

JSON = Settings(log_level="DEBUG", log_format="json")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lines:
    """Log as `settings` say while entered; gives a function that returns the lines so far."""

    def read() -> list[dict[str, Any]]:
        logged = map(json.loads, capsys.readouterr().err.splitlines())
        return [line for line in logged if not line["logger"].startswith(("httpx", "httpcore"))]

    @contextmanager
    def configured(settings: Settings) -> Iterator[Read]:
        with monkeypatch.context() as patch:
            patch.setattr(logging.root, "handlers", [])
            patch.setattr(logging.root, "level", logging.WARNING)
            patch.setattr(logging.getLogger("uvicorn.access"), "disabled", False)
            configure_logging(settings)
            yield read
        logging.captureWarnings(False)

    return configured


def test_one_line_an_event(lines: Lines) -> None:
    with lines(JSON) as read, bound_contextvars(request_id="abc-1"):
        extra = {"seconds": 0.5, "color_message": "\x1b[1m%d of"}
        logging.getLogger("service.test").info("%d of\n%d", 1, 2, extra=extra)
        (line,) = read()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "1 of\n2", "level": "info", "logger": "service.test",
        "request_id": "abc-1", "seconds": 0.5,
    }  # fmt: skip


def test_errors_and_warnings(lines: Lines) -> None:
    with warnings.catch_warnings(), lines(JSON) as read:
        try:
            raise ZeroDivisionError("it was zero")
        except ZeroDivisionError:
            logging.getLogger("celery.worker").exception("failed")
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
        error, warning = read()
    assert "it was zero" in error["exception"]
    assert (error["level"], error["logger"]) == ("error", "celery.worker")
    assert "UserWarning: careful" in warning["event"]
    assert (warning["level"], warning["logger"]) == ("warning", "py.warnings")


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("format_", ["auto", "json", "console"])
def test_for_people_on_a_terminal(
    lines: Lines,
    format_: Any,
    terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    secret = "a local variable"
    with lines(JSON.model_copy(update={"log_format": format_})):
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            logging.getLogger("service").exception("something")
    said = capsys.readouterr().err
    as_json = format_ == "json" or (format_ == "auto" and not terminal)
    assert said.startswith("{") == as_json
    assert ("\x1b" in said) == (terminal and not as_json)
    assert "something" in said
    assert "ZeroDivisionError" in said
    assert secret not in said


class TestOfRequests:
    def test_id_and_no_secret(self, ann: httpx.Client, lines: Lines) -> None:
        with lines(JSON) as read:
            ann.get("/v1/models", params={"page_token": "hush"}, headers={"X-Request-Id": "abc-1"})
            logged = read()
        said = json.dumps(logged)
        for secret in (ann.headers["authorization"].split()[1], "hush"):
            assert secret not in said
        (line,) = (line for line in logged if line.get("request_id") == "abc-1")
        assert line["event"] == "GET '/v1/models' 422"
        assert line["seconds"] >= 0

    def test_id_goes_to_the_rows(self, ann: httpx.Client, engine: Engine) -> None:
        ids = {}
        for table, path in ((Model, "/v1/models"), (Dataset, "/v1/datasets")):
            headers = {"X-Request-Id": f"{path}-1".replace("/", ".")}
            made = created(ann.post(path, files={"file": b"x"}, headers=headers))
            assert _request_id(engine, table, made["id"]) == headers["X-Request-Id"]
            ids[path[4:-1] + "_id"] = made["id"]
        made = created(ann.post("/v1/analyses", json=ids))
        assert str(_request_id(engine, Analysis, made["id"])).startswith("req_")


def _request_id(engine: Engine, table: type[Model | Dataset | Analysis], identity: str) -> object:
    with Session(engine) as session:
        return session.scalar(select(table.request_id).where(table.id == identity))


def test_database_errors_hide_what_was_written(engine: Engine) -> None:
    query = text("SELECT nothing FROM nowhere WHERE x = :x")
    with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(query, {"x": "a secret"})
    assert "a secret" not in str(raised.value)
