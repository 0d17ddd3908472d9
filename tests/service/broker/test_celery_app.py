import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.broker.celery_app import (
    SHUN_SECONDS,
    WAKE_UP,
    Broker,
    BrokerUnavailableError,
    make_celery,
)
from service.settings import Settings

PRODUCERS, CONSUMERS, MESSAGES = 3, 3, 200


@pytest.fixture(params=["folder", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "folder":
        return Settings(data=tmp_path)
    return Settings(data=tmp_path, broker_url=request.getfixturevalue("redis_url"))


def take(settings: Settings, queue: str, count: int) -> list[list[object]]:
    """Return the arguments of the next messages."""
    taken = []
    with make_celery(settings).connection_for_read() as connection:
        simple = connection.SimpleQueue(queue)
        for _ in range(count):
            message = simple.get(timeout=5)
            taken.append(json.loads(message.body)[0])
            message.ack()
        simple.close()
    return taken


def test_each_queue_gets_its_messages(settings: Settings) -> None:
    broker = Broker(make_celery(settings))
    assert broker.depth() == 0
    for queue in ("analyze", "inspect", "analyze"):
        broker.wake(queue)
    assert (broker.depth(), broker.depth("analyze"), broker.depth("inspect")) == (3, 2, 1)
    assert take(settings, "analyze", 2) == [["analyze"]] * 2
    assert take(settings, "inspect", 1) == [["inspect"]]
    assert broker.depth() == 0
    broker.close()


def test_threads_share_a_broker(settings: Settings) -> None:
    broker = Broker(make_celery(settings))
    threads = [threading.Thread(target=broker.wake, args=("analyze",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert take(settings, "analyze", 20) == [["analyze"]] * 20
    assert broker.depth() == 0
    broker.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_unreachable(tmp_path: Path, url: str) -> None:
    broker = Broker(make_celery(Settings(data=tmp_path, broker_url=url)))
    calls: list[Callable[[], object]] = [lambda: broker.wake("analyze"), broker.depth]
    for call in calls:
        with pytest.raises(BrokerUnavailableError):
            call()
    broker.close()


def test_who_failed_is_left_alone_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_celery(Settings(data=tmp_path, broker_url="redis://127.0.0.1:1/0"))
    broker = Broker(app)
    with pytest.raises(BrokerUnavailableError, match="refused"):
        broker.wake("analyze")
    sent: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda *_, queue, **__: sent.append(queue))
    with pytest.raises(BrokerUnavailableError, match="a moment ago"):
        broker.wake("inspect")
    assert sent == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + SHUN_SECONDS)
    broker.wake("inspect")
    assert sent == ["inspect"]
    broker.close()


def test_folder_that_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("a file where the folder should be")
    broker = Broker(make_celery(Settings(data=tmp_path)))
    with pytest.raises(BrokerUnavailableError):
        broker.wake("analyze")
    broker.close()


def test_bad_files_harm_nobody(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    queue = tmp_path / "broker" / "analyze"
    queue.mkdir(parents=True)
    for name, content in {"1": b"", "2": b"\xff\xfe", "3": b"[]", "4": b"{"}.items():
        (queue / f"00-{name}.msg").write_bytes(content)  # older than the good one
    broker = Broker(make_celery(settings))
    broker.wake("analyze")
    assert take(settings, "analyze", 1) == [["analyze"]]
    assert list(queue.iterdir()) == []
    broker.close()


def _produce(data: Path, producer: int) -> None:
    app = make_celery(Settings(data=data))
    for number in range(MESSAGES):
        app.send_task(WAKE_UP, (f"{producer}", number), queue="analyze")


def _consume(data: Path, into: Path) -> None:
    app = make_celery(Settings(data=data))
    with into.open("w") as file, app.connection_for_read() as connection:
        queue = connection.SimpleQueue("analyze")
        while True:
            message = queue.get(timeout=60)
            message.ack()
            arguments = json.loads(message.body)[0]
            if arguments == ["end"]:
                return
            file.write(json.dumps(arguments) + "\n")


def test_no_message_is_lost_or_doubled(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    files = [tmp_path / f"consumed-{n}" for n in range(CONSUMERS)]
    consumers = [spawn.Process(target=_consume, args=(tmp_path, file)) for file in files]
    producers = [spawn.Process(target=_produce, args=(tmp_path, n)) for n in range(PRODUCERS)]
    for process in [*consumers, *producers]:
        process.start()
    for process in producers:
        process.join()
    ending = make_celery(Settings(data=tmp_path))
    for _ in consumers:
        ending.send_task(WAKE_UP, ("end",), queue="analyze")
    for process in consumers:
        process.join()
    assert [process.exitcode for process in [*producers, *consumers]] == [0] * 6
    consumed = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    expected = [[f"{p}", n] for p in range(PRODUCERS) for n in range(MESSAGES)]
    assert sorted(consumed) == expected
