"""The client's calls about webhooks."""

from typing import Any, NotRequired, TypedDict, cast

from narrows.client.calls import Calls, path_of
from narrows.vocabulary import WebhookEvent


class Webhook(TypedDict):
    """Where the server tells of ended work; `secret` is there when it was just made."""

    id: str
    url: str
    events: list[WebhookEvent]
    enabled: bool
    created_at: str
    secret: NotRequired[str]


class Delivery(TypedDict):
    """A message to a webhook: `pending`, `delivered` or `failed`, with every attempt."""

    id: str
    event: str
    state: str
    payload: dict[str, Any]
    attempts: list[dict[str, Any]]
    next_attempt_at: str
    created_at: str


class WebhookCalls(Calls):
    """Webhooks: be told when analyses and trials end."""

    def create_webhook(self, url: str, events: list[WebhookEvent] | None = None) -> Webhook:
        """Make a webhook for these events, or all; return it with its secret, which is shown once.

        It verifies messages, as in `standardwebhooks.Webhook(secret).verify(body, headers)`.
        """
        body: dict[str, Any] = {"url": url, **({"events": events} if events else {})}
        return cast("Webhook", self._connection.send("POST", "/v1/webhooks", json=body).json())

    def webhooks(self) -> list[Webhook]:
        """Return the webhooks, the newest first."""
        return list(self._items("/v1/webhooks"))

    def test_webhook(self, webhook_id: str) -> Delivery:
        """Send a message `webhook.test`; return its delivery, which is pending."""
        path = f"{path_of('webhooks', webhook_id)}/test"
        return cast("Delivery", self._connection.send("POST", path).json())

    def deliveries(self, webhook_id: str) -> list[Delivery]:
        """Return what was sent in the last 30 days and what waits, the newest first."""
        return list(self._items(f"{path_of('webhooks', webhook_id)}/deliveries"))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with its deliveries."""
        self._connection.send("DELETE", path_of("webhooks", webhook_id))
