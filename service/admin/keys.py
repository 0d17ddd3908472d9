"""`/v1/keys`."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.admin.schemas import KeyOut, KeyRequest, NewKeyOut, RotateRequest
from service.database.tables import Key
from service.http.audit import record
from service.http.dependencies import FromApp, Session
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
from service.http.problems import NotFoundError, NotJsonError
from service.http.security import Admin
from service.keys import service as keys
from service.keys.repository import KeyRepository

router = APIRouter(
    prefix="/v1/keys",
    tags=["admin"],
    responses=responses(401, 403, 422, 429, 500, 503),
    route_class=SmallBodyRoute,
)


@router.post("", status_code=201, responses=responses(400, 408, 413, NotJsonError))
def create_key(
    body: KeyRequest, response: Response, caller: Admin, session: Session, services: FromApp
) -> NewKeyOut:
    """Make a key. It is in this answer only: keep it."""
    row, key = keys.create_key(
        services.secret,
        session,
        owner=body.owner,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
    )
    record(session, caller, "key.create", row.id)
    return _shown_once(row, key, response)


@router.get("", response_model=Page[KeyOut])
def list_keys(
    _caller: Admin,
    session: Session,
    owner: Annotated[str | None, Query(max_length=128, description="Only this owner's")] = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[Key]:
    """List the keys, newest first; revoked and expired ones too."""
    rows = KeyRepository(session).page(owner, decode_age(page_token), page_size + 1)
    return first_page(rows, page_size, age_key)


@router.get("/{key_id}", response_model=KeyOut, responses=responses(404))
def get_key(key_id: Id, _caller: Admin, session: Session) -> Key:
    """Return a key; revoked and expired ones too."""
    row = KeyRepository(session).get(key_id)
    if row is None:
        raise NotFoundError(f"There is no key {key_id}.")
    return row


@router.post(
    "/{key_id}/rotate", status_code=201, responses=responses(400, 404, 408, 413, NotJsonError)
)
def rotate_key(
    key_id: Id,
    body: RotateRequest,
    response: Response,
    caller: Admin,
    session: Session,
    services: FromApp,
) -> NewKeyOut:
    """Make a key in place of another one, which stays valid for a while, so that none fails."""
    overlap = timedelta(hours=body.overlap_hours)
    rotated = keys.rotate_key(services.secret, session, key_id, overlap)
    if rotated is None:
        raise _not_found(key_id)
    record(session, caller, "key.rotate", key_id)
    return _shown_once(*rotated, response)


@router.delete("/{key_id}", status_code=204, response_class=Response, responses=responses(404))
def revoke_key(key_id: Id, caller: Admin, session: Session) -> None:
    """Revoke a key at once."""
    if not keys.revoke_key(session, key_id):
        raise _not_found(key_id)
    record(session, caller, "key.revoke", key_id)


def _not_found(key_id: str) -> NotFoundError:
    return NotFoundError(f"There is no valid key {key_id}.")


def _shown_once(row: Key, key: str, response: Response) -> NewKeyOut:
    response.headers["Location"] = f"{router.prefix}/{row.id}"
    response.headers["Cache-Control"] = "no-store"
    shown = KeyOut.model_validate(row)
    return NewKeyOut(key=key, **shown.model_dump())
