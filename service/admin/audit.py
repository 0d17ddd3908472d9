"""`/v1/audit`."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, TypeAdapter
from sqlalchemy import select

from service.admin.schemas import AuditOut
from service.database.tables import AuditEntry
from service.http.dependencies import Session
from service.http.pagination import Page, PageSize, PageToken, Slice, decode_token, first_page
from service.http.problem_schema import responses
from service.http.security import Admin

router = APIRouter(
    prefix="/v1/audit", tags=["admin"], responses=responses(401, 403, 422, 429, 500, 503)
)

_BY_ID: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)])


@router.get("", response_model=Page[AuditOut])
def list_audit(
    _caller: Admin,
    session: Session,
    owner: Annotated[str | None, Query(max_length=128, description="Only by this owner")] = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[AuditEntry]:
    """List who uploaded, asked, cancelled, deleted and made keys, newest first."""
    before = decode_token(page_token, _BY_ID)
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(page_size + 1)
    if owner is not None:
        query = query.where(AuditEntry.owner == owner)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    rows: Sequence[AuditEntry] = session.scalars(query).all()
    return first_page(rows, page_size, lambda row: row.id)
