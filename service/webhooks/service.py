"""What can be done with webhooks; all of it is within one owner."""

from sqlalchemy.orm import Session

from service.database.base import new_id, utc_now
from service.database.webhooks import Delivery, Webhook, delivery_values, message
from service.http.audit import record
from service.http.problems import InUseError, InvalidError, NotFoundError
from service.http.security import Caller
from service.webhooks.destination import DestinationError, check_url
from service.webhooks.repository import WebhookRepository
from service.webhooks.schemas import WebhookChange, WebhookRequest

MOST = 20
"""How many webhooks an owner may have: each event is written once for each of them."""
TEST = "webhook.test"


def create(session: Session, caller: Caller, request: WebhookRequest, *, private: bool) -> Webhook:
    """Make a webhook; raise InvalidError for its URL, InUseError if there are too many."""
    _require_url(request.url, private=private)
    if WebhookRepository(session).count(caller.owner) >= MOST:
        raise InUseError(f"There are {MOST} webhooks, the most that there may be; delete one.")
    row = Webhook(
        id=new_id("whk"), owner=caller.owner, url=request.url, events=sorted({*request.events})
    )
    session.add(row)
    session.flush()
    record(session, caller, "webhook.create", row.id)
    return row


def find(session: Session, caller: Caller, identity: str) -> Webhook:
    """Return a webhook; raise NotFoundError."""
    row = WebhookRepository(session).get(caller.owner, identity)
    if row is None:
        raise NotFoundError(f"There is no webhook {identity}.")
    return row


def change(
    session: Session, caller: Caller, identity: str, change: WebhookChange, *, private: bool
) -> Webhook:
    """Change a webhook; raise NotFoundError, and InvalidError for its URL."""
    row = find(session, caller, identity)
    if change.url is not None:
        _require_url(change.url, private=private)
        row.url = change.url
    if change.events is not None:
        row.events = sorted({*change.events})
    if change.enabled is not None:
        row.enabled = change.enabled
    record(session, caller, "webhook.change", identity)
    return row


def rotate(session: Session, caller: Caller, identity: str) -> Webhook:
    """Give a webhook another secret, at once; raise NotFoundError."""
    row = find(session, caller, identity)
    row.secret_version += 1
    record(session, caller, "webhook.rotate", identity)
    return row


def remove(session: Session, caller: Caller, identity: str) -> None:
    """Delete a webhook with its deliveries; raise NotFoundError."""
    session.delete(find(session, caller, identity))
    record(session, caller, "webhook.delete", identity)


def test(session: Session, caller: Caller, identity: str) -> Delivery:
    """Write a message that says that it is a test; raise as `require_enabled` does."""
    row = find(session, caller, identity)
    require_enabled(row)
    data = {"id": identity, "text": "This is a test."}
    delivery = Delivery(**delivery_values(identity, TEST, message(TEST, data)))
    session.add(delivery)
    session.flush()
    record(session, caller, "webhook.test", identity)
    return delivery


def resend(session: Session, caller: Caller, identity: str, delivery_id: str) -> Delivery:
    """Send a message again, under its id, at once; raise NotFoundError or InUseError."""
    require_enabled(find(session, caller, identity))
    delivery = WebhookRepository(session).delivery(identity, delivery_id)
    if delivery is None:
        raise NotFoundError(f"There is no delivery {delivery_id} of this webhook.")
    delivery.state, delivery.tries, delivery.next_attempt_at = "pending", 0, utc_now()
    record(session, caller, "webhook.resend", identity)
    return delivery


def require_enabled(row: Webhook) -> None:
    """Raise InUseError if nothing is sent to this webhook."""
    if not row.enabled:
        raise InUseError("The webhook is disabled; enable it first.")


def _require_url(url: str, *, private: bool) -> None:
    try:
        check_url(url, private=private)
    except DestinationError as error:
        raise InvalidError(["url"], str(error)) from None
