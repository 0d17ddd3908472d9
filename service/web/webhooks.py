"""`/webhooks`: who is told when analyses and trials end, and whether that arrives."""

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from service.http.dependencies import FromApp, Services, Session
from service.http.ids import Id
from service.http.problems import ProblemError
from service.http.security import Caller
from service.web.callers import Reader, Writer
from service.web.forms import Fields, Form, FormError, FormFields, text
from service.web.rendering import rendered
from service.webhooks import service as webhooks
from service.webhooks.repository import WebhookRepository
from service.webhooks.schemas import EVENTS, WebhookRequest
from service.webhooks.signature import secret_of

router = APIRouter(prefix="/webhooks", include_in_schema=False)
DELIVERIES_SHOWN = 50


@router.get("")
def show_webhooks(caller: Reader, services: FromApp) -> Response:
    """List the webhooks, and show a form for another one."""
    return _list(services, caller, Form({"events": [*EVENTS]}))


@router.post("")
def create_webhook(fields: FormFields, caller: Writer, services: FromApp) -> Response:
    """Make a webhook and show its secret once, or show the form again with what is wrong."""
    private = services.settings.webhook_private
    try:
        request = _request(fields)
        with services.transaction() as session:
            row = webhooks.create(session, caller, request, private=private)
    except ProblemError as error:
        return _list(services, caller, Form(fields, error))
    secret = secret_of(services.secret, row.id, row.secret_version)
    return rendered("webhook_secret.html", caller=caller, here="webhooks", hook=row, secret=secret)


@router.get("/{webhook_id}")
def show_webhook(webhook_id: Id, caller: Reader, session: Session) -> Response:
    """Show a webhook, and what was sent to it."""
    row = webhooks.find(session, caller, webhook_id)
    sent = WebhookRepository(session).deliveries(webhook_id, None, DELIVERIES_SHOWN)
    waits = any(one.state == "pending" for one in sent)
    return rendered(
        "webhook.html", caller=caller, here="webhooks", hook=row, sent=sent, waits=waits
    )


@router.post("/{webhook_id}/test")
def test_webhook(webhook_id: Id, caller: Writer, session: Session) -> Response:
    """Send a test, and show what becomes of it."""
    webhooks.test(session, caller, webhook_id)
    return RedirectResponse(f"/webhooks/{webhook_id}", 303)


@router.post("/{webhook_id}/delete")
def delete_webhook(webhook_id: Id, caller: Writer, session: Session) -> Response:
    """Delete a webhook, and show the others."""
    webhooks.remove(session, caller, webhook_id)
    return RedirectResponse("/webhooks", 303)


def _request(fields: Fields) -> WebhookRequest:
    given = {"url": text(fields, "url"), "events": fields.get("events", [])}
    try:
        return WebhookRequest.model_validate(given)
    except ValidationError as error:
        raise FormError.of(error) from None


def _list(services: Services, caller: Caller, form: Form) -> Response:
    with services.reading() as session:
        rows = WebhookRepository(session).page(caller.owner, None, webhooks.MOST)
    return rendered(
        "webhooks.html", error=form.error, caller=caller, here="webhooks", rows=rows, form=form,
        events=EVENTS,
    )  # fmt: skip
