"""`/v1/webhooks`."""

from fastapi import APIRouter, Response

from service.database.webhooks import Delivery, Webhook
from service.http.dependencies import FromApp, Services, Session
from service.http.ids import Id
from service.http.middleware import SmallBodyRoute
from service.http.pagination import (
    Page,
    PageSize,
    PageToken,
    Slice,
    age_key,
    decode_age,
    first_page,
)
from service.http.problem_schema import responses
from service.http.problems import InUseError, NotJsonError
from service.http.security import Reader, Writer
from service.webhooks import service
from service.webhooks.repository import WebhookRepository
from service.webhooks.schemas import (
    DeliveryOut,
    NewWebhookOut,
    WebhookChange,
    WebhookOut,
    WebhookRequest,
)
from service.webhooks.signature import secret_of

router = APIRouter(
    prefix="/v1/webhooks",
    tags=["webhooks"],
    responses=responses(401, 403, 422, 429, 500, 503),
    route_class=SmallBodyRoute,
)


@router.post("", status_code=201, responses=responses(400, 408, 413, InUseError, NotJsonError))
def create_webhook(
    body: WebhookRequest, response: Response, caller: Writer, session: Session, services: FromApp
) -> NewWebhookOut:
    """Be told when analyses and trials end. The secret is in this answer only: keep it.

    Messages, signatures and retries are those of Standard Webhooks.
    """
    private = services.settings.webhook_private
    row = service.create(session, caller, body, private=private)
    response.headers["Location"] = f"{router.prefix}/{row.id}"
    return _with_secret(row, services, response)


@router.get("", response_model=Page[WebhookOut])
def list_webhooks(
    caller: Reader, session: Session, page_size: PageSize = 50, page_token: PageToken = None
) -> Slice[Webhook]:
    """List the webhooks, newest first."""
    rows = WebhookRepository(session).page(caller.owner, decode_age(page_token), page_size + 1)
    return first_page(rows, page_size, age_key)


@router.get("/{webhook_id}", response_model=WebhookOut, responses=responses(404))
def get_webhook(webhook_id: Id, caller: Reader, session: Session) -> Webhook:
    """Return a webhook."""
    return service.find(session, caller, webhook_id)


@router.patch(
    "/{webhook_id}",
    response_model=WebhookOut,
    responses=responses(400, 404, 408, 413, NotJsonError),
)
def change_webhook(
    webhook_id: Id, body: WebhookChange, caller: Writer, session: Session, services: FromApp
) -> Webhook:
    """Change a webhook's URL or events, or whether it is sent anything."""
    private = services.settings.webhook_private
    return service.change(session, caller, webhook_id, body, private=private)


@router.post("/{webhook_id}/rotate", responses=responses(404))
def rotate_webhook(
    webhook_id: Id, response: Response, caller: Writer, session: Session, services: FromApp
) -> NewWebhookOut:
    """Give a webhook another secret. Messages are signed with it from now on."""
    return _with_secret(service.rotate(session, caller, webhook_id), services, response)


@router.delete("/{webhook_id}", status_code=204, response_class=Response, responses=responses(404))
def delete_webhook(webhook_id: Id, caller: Writer, session: Session) -> None:
    """Delete a webhook with its deliveries."""
    service.remove(session, caller, webhook_id)


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    response_model=DeliveryOut,
    responses=responses(404, InUseError),
)
def test_webhook(webhook_id: Id, caller: Writer, session: Session) -> Delivery:
    """Send a message `webhook.test`; its delivery says what became of it."""
    return service.test(session, caller, webhook_id)


@router.get("/{webhook_id}/deliveries", response_model=Page[DeliveryOut], responses=responses(404))
def list_deliveries(
    webhook_id: Id,
    caller: Reader,
    session: Session,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[Delivery]:
    """List what was sent in the last 30 days and what waits, newest first, with all attempts."""
    service.find(session, caller, webhook_id)
    before = decode_age(page_token)
    rows = WebhookRepository(session).deliveries(webhook_id, before, page_size + 1)
    return first_page(rows, page_size, age_key)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/resend",
    status_code=202,
    response_model=DeliveryOut,
    responses=responses(404, InUseError),
)
def resend_delivery(webhook_id: Id, delivery_id: Id, caller: Writer, session: Session) -> Delivery:
    """Send a message again, under the same id."""
    return service.resend(session, caller, webhook_id, delivery_id)


def _with_secret(row: Webhook, services: Services, response: Response) -> NewWebhookOut:
    response.headers["Cache-Control"] = "no-store"
    shown = WebhookOut.model_validate(row)
    secret = secret_of(services.secret, row.id, row.secret_version)
    return NewWebhookOut(secret=secret, **shown.model_dump())
