"""Webhooks over HTTP, and a receiver that gets what they send."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import standardwebhooks
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.database.webhooks import Delivery
from service.settings import Settings
from service.webhooks import destination, sender
from service.webhooks.messages import JobEnded, JobMessage
from service.webhooks.repository import WebhookRepository
from tests.support.answers import created, problem
from tests.support.jobs import wait_until

PATH = "/v1/webhooks"
Json = dict[str, Any]


class Receiver(ThreadingHTTPServer):
    """Notes what comes, and answers with the next of `statuses`, then with 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append((self.path, dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.webhook_private = True
    return settings


@pytest.fixture
def works_without_requests() -> bool:
    return True


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver; the service polls often, and tries again at once."""
    monkeypatch.setattr(sender, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(sender, "PAUSES", (timedelta(0),) * 2)
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def webhook(receiver: Receiver, ann: httpx.Client) -> Json:
    return created(ann.post(PATH, json={"url": receiver.url}))


def ended(client: httpx.Client, webhook: Json) -> Json:
    """Return the newest delivery once it is no longer pending."""

    def newest() -> Json:
        found = client.get(f"{PATH}/{webhook['id']}/deliveries").json()["items"]
        return found[0] if found and found[0]["state"] != "pending" else {}

    wait_until(newest)
    return newest()


class TestWho:
    def test_anonymous(self, anonymous: httpx.Client) -> None:
        problem(anonymous.post(PATH, json={"url": "https://a.example"}), 401, "unauthorized")

    def test_wrong_owner(self, bob: httpx.Client, webhook: Json) -> None:
        assert bob.get(PATH).json()["items"] == []
        path = f"{PATH}/{webhook['id']}"
        for method, suffix in (("get", ""), ("delete", ""), ("post", "/test"), ("post", "/rotate")):
            problem(bob.request(method, path + suffix), 404, "not-found")
        problem(bob.patch(path, json={"enabled": False}), 404, "not-found")

    def test_another_webhook_of_the_owner(self, ann: httpx.Client, webhook: Json) -> None:
        other = created(ann.post(PATH, json={"url": webhook["url"]}))
        sent = ann.post(f"{PATH}/{webhook['id']}/test").json()
        path = f"{PATH}/{other['id']}/deliveries/{sent['id']}/resend"
        problem(ann.post(path), 404, "not-found")


class TestRequests:
    def test_the_secret_is_shown_once(self, ann: httpx.Client, webhook: Json) -> None:
        assert webhook["secret"].startswith("whsec_")
        for path in (PATH, f"{PATH}/{webhook['id']}"):
            assert "secret" not in ann.get(path).text

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"url": "gopher://x"}, "/url"),
            ({"url": "https://a.example", "events": []}, "/events"),
            ({"url": "https://a.example", "events": ["moon.rose"]}, "/events/0"),
            ({"url": "https://a.example", "more": 1}, "/more"),
            ({}, "/url"),
        ],
    )
    def test_what_is_invalid(self, ann: httpx.Client, body: Json, pointer: str) -> None:
        errors = problem(ann.post(PATH, json=body), 422, "invalid")["errors"]
        assert errors[0]["pointer"] == pointer

    def test_private_addresses_need_a_setting(self, ann: httpx.Client, settings: Settings) -> None:
        settings.webhook_private = False
        for url in ("https://127.0.0.1/", "https://[::ffff:10.0.0.1]/"):
            detail = problem(ann.post(PATH, json={"url": url}), 422, "invalid")["detail"]
            assert "NARROWS_WEBHOOK_PRIVATE" in detail

    def test_there_are_so_many_at_most(self, ann: httpx.Client, webhook: Json) -> None:
        for _ in range(19):
            created(ann.post(PATH, json={"url": webhook["url"]}))
        problem(ann.post(PATH, json={"url": webhook["url"]}), 409, "in-use")

    def test_change_and_delete(self, ann: httpx.Client, webhook: Json) -> None:
        path = f"{PATH}/{webhook['id']}"
        changed = ann.patch(path, json={"events": ["trial.failed"], "enabled": False}).json()
        assert (changed["events"], changed["enabled"]) == (["trial.failed"], False)
        assert changed["url"] == webhook["url"]
        problem(ann.post(f"{path}/test"), 409, "in-use")
        assert ann.delete(path).status_code == 204
        problem(ann.get(path), 404, "not-found")


class TestMessages:
    def test_a_receiver_verifies_one(
        self, ann: httpx.Client, webhook: Json, receiver: Receiver, analysis: Json
    ) -> None:
        named = {"name": "resnet18 nightly", "tags": ["nightly"]}
        ann.patch(f"/v1/analyses/{analysis['id']}", json=named)
        assert ann.post(f"/v1/analyses/{analysis['id']}/cancel").json()["state"] == "cancelled"
        delivery = ended(ann, webhook)
        assert (delivery["state"], delivery["event"]) == ("delivered", "analysis.cancelled")
        ((path, headers, body),) = receiver.came
        message = standardwebhooks.Webhook(webhook["secret"]).verify(body, headers)
        assert message == delivery["payload"]
        assert message["type"] == "analysis.cancelled"
        described = JobMessage.model_validate(message).data
        assert message["data"].keys() == described.model_fields_set == {*JobEnded.model_fields}
        expected = {"id": analysis["id"], "state": "cancelled", **named}
        assert expected.items() <= message["data"].items()
        assert (path, headers["webhook-id"]) == ("/hook", delivery["id"])
        assert headers["Host"] == httpx.URL(receiver.url).netloc.decode()

    def test_another_secret(self, ann: httpx.Client, webhook: Json, receiver: Receiver) -> None:
        new = ann.post(f"{PATH}/{webhook['id']}/rotate").json()["secret"]
        ann.post(f"{PATH}/{webhook['id']}/test")
        ended(ann, webhook)
        ((_, headers, body),) = receiver.came
        standardwebhooks.Webhook(new).verify(body, headers)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(webhook["secret"]).verify(body, headers)

    def test_only_the_owner_and_only_what_was_asked_for(
        self, ann: httpx.Client, bob: httpx.Client, receiver: Receiver, analysis: Json
    ) -> None:
        created(bob.post(PATH, json={"url": receiver.url}))
        wanted = created(ann.post(PATH, json={"url": receiver.url}))
        body = {"url": receiver.url, "events": ["analysis.succeeded"]}
        unwanted = created(ann.post(PATH, json=body))
        ann.post(f"/v1/analyses/{analysis['id']}/cancel")
        ended(ann, wanted)
        assert ann.get(f"{PATH}/{unwanted['id']}/deliveries").json()["items"] == []
        assert len(receiver.came) == 1

    def test_again_after_errors_under_one_id(
        self, ann: httpx.Client, webhook: Json, receiver: Receiver
    ) -> None:
        receiver.statuses = [500, 302]  # a redirect is not followed
        ann.post(f"{PATH}/{webhook['id']}/test")
        delivery = ended(ann, webhook)
        assert delivery["state"] == "delivered"
        assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 302, 204]
        assert {headers["webhook-id"] for _, headers, _ in receiver.came} == {delivery["id"]}
        assert {path for path, *_ in receiver.came} == {"/hook"}

    def test_in_the_end_it_has_failed_and_can_be_sent_again(
        self, ann: httpx.Client, webhook: Json, receiver: Receiver
    ) -> None:
        receiver.statuses = [503] * 3
        ann.post(f"{PATH}/{webhook['id']}/test")
        delivery = ended(ann, webhook)
        assert (delivery["state"], len(delivery["attempts"])) == ("failed", 3)
        again = ann.post(f"{PATH}/{webhook['id']}/deliveries/{delivery['id']}/resend")
        assert again.status_code == 202
        delivery = ended(ann, webhook)
        assert (delivery["state"], len(delivery["attempts"])) == ("delivered", 4)

    def test_gone_disables(self, ann: httpx.Client, webhook: Json, receiver: Receiver) -> None:
        receiver.statuses = [410]
        ann.post(f"{PATH}/{webhook['id']}/test")
        assert ended(ann, webhook)["state"] == "failed"
        assert ann.get(f"{PATH}/{webhook['id']}").json()["enabled"] is False

    def test_a_private_address_is_not_asked(
        self, ann: httpx.Client, webhook: Json, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the webhook is older than the setting, or a name leads there later."""
        pinned = destination.pinned
        monkeypatch.setattr(destination, "pinned", lambda url, **_: pinned(url, private=False))
        ann.post(f"{PATH}/{webhook['id']}/test")
        delivery = ended(ann, webhook)
        assert delivery["state"] == "failed"
        assert "is not public" in delivery["attempts"][0]["error"]
        assert receiver.came == []


class TestClaims:
    @pytest.fixture
    def works_without_requests(self) -> bool:
        return False  # the service itself takes none

    def test_one_with_many_keeps_no_other_waiting(
        self, ann: httpx.Client, webhook: Json, engine: Engine
    ) -> None:
        other = created(ann.post(PATH, json={"url": webhook["url"]}))
        values = {"event": "webhook.test", "payload": {}}
        with Session(engine) as session, session.begin():
            for number in range(50):
                session.add(Delivery(id=f"msg_{number}", webhook_id=webhook["id"], **values))
                session.flush()
            session.add(Delivery(id="msg_other", webhook_id=other["id"], **values))
        with Session(engine) as session, session.begin():
            claims = WebhookRepository(session).claim(2, [], timedelta(hours=1))
        assert {claim.webhook_id for claim in claims} == {webhook["id"], other["id"]}

    def test_each_is_taken_once_and_again_after_the_lease(
        self, webhook: Json, engine: Engine
    ) -> None:
        hour, past = timedelta(hours=1), timedelta(seconds=-1)
        values = {"webhook_id": webhook["id"], "event": "webhook.test", "payload": {}}
        with Session(engine) as session, session.begin():
            session.add(Delivery(id="msg_1", **values))
        with Session(engine) as session, session.begin():
            (first,) = WebhookRepository(session).claim(5, [], past)
        with Session(engine) as session, session.begin():
            claims = WebhookRepository(session)
            assert claims.claim(5, [webhook["id"]], hour) == []
            (second,) = claims.claim(5, [], hour)
            assert claims.claim(5, [], hour) == []
        assert (first.tries, second.tries) == (1, 2)
        with Session(engine) as session, session.begin():
            claims, row = WebhookRepository(session), session.get_one(Delivery, "msg_1")
            claims.attempted(first, {"status": 200}, state="delivered")
            assert row.state == "pending"
            claims.attempted(second, {"status": 500}, state="failed")
            assert (row.state, row.attempts) == ("failed", [{"status": 500}])
