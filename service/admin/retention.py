"""`/v1/owners/{owner}/retention`: for how many days the things of an owner are kept."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service.admin.owners import OwnerName
from service.database.dialect import insert
from service.database.retention import Retention
from service.http.audit import record
from service.http.dependencies import Session, keep_of
from service.http.middleware import SmallBodyRoute
from service.http.problem_schema import responses
from service.http.problems import NotJsonError
from service.http.security import Admin

router = APIRouter(
    prefix="/v1/owners/{owner}/retention",
    tags=["admin"],
    responses=responses(401, 403, 422, 429, 500, 503),
    route_class=SmallBodyRoute,
)

Days = Annotated[float | None, Field(gt=0, le=36_500, allow_inf_nan=False)]


class OwnRetention(BaseModel):
    """For how many days the things of one owner are kept; null: as the settings say."""

    model_config = ConfigDict(extra="forbid")

    uploads: Days = Field(default=None, description="Models and datasets, since they came last")
    results: Days = Field(default=None, description="Analyses and trials, since their end")
    artifacts: Days = Field(default=None, description="Networks that they built, since their end")


class RetentionOut(BaseModel):
    """What holds for an owner, in days; null: for ever."""

    uploads: float | None = Field(description="Models and datasets, since they came last")
    results: float | None = Field(description="Analyses and trials, since their end")
    artifacts: float | None = Field(description="Networks that they built, since their end")


@router.get("")
def get_retention(owner: OwnerName, _caller: Admin, session: Session) -> RetentionOut:
    """Return for how many days the things of an owner are kept."""
    return RetentionOut(**asdict(keep_of(session, owner)))


@router.put("", responses=responses(400, 413, NotJsonError))
def set_retention(
    owner: OwnerName, body: OwnRetention, caller: Admin, session: Session
) -> RetentionOut:
    """Replace for how many days the things of an owner are kept; what is left out is as usual."""
    values: dict[str, Any] = body.model_dump()
    row = insert(session, Retention).values(owner=owner, **values)
    session.execute(row.on_conflict_do_update(index_elements=[Retention.owner], set_=values))
    record(session, caller, "owner.retain", owner[:64])
    return get_retention(owner, caller, session)
