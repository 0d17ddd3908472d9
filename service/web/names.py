"""`/analyses/{id}/name`, and those of trials and uploads: forms for name, tags and metadata."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session as OrmSession

from service.database.jobs import JobKind
from service.database.tables import ANALYSES
from service.database.trials import TRIALS
from service.datasets.service import DATASETS
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.problems import ProblemError
from service.http.security import Caller
from service.jobs import service as jobs
from service.models.service import MODELS
from service.naming.schemas import NamingChange
from service.uploads import service as uploads
from service.uploads.expiry import UploadChange
from service.uploads.kind import Kind
from service.web.callers import Writer
from service.web.forms import Form, FormFields
from service.web.naming import naming_form, naming_of
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)
Find = Callable[[OrmSession, str, str], Any]
Change = Callable[[OrmSession, Caller, str, NamingChange], Any]


def _add_form(path: str, find: Find, change: Change) -> None:
    """Add the form of what has its pages below `path`."""

    def page(caller: Caller, row: Any, form: Form) -> Response:
        return rendered(
            "naming.html", error=form.error, caller=caller, here=path[1:],
            path=f"{path}/{row.id}", row=row, naming=form,
        )  # fmt: skip

    @router.get(f"{path}/{{named_id}}/name")
    def show_form(named_id: Id, caller: Writer, session: Session) -> Response:
        row = find(session, caller.owner, named_id)
        return page(caller, row, naming_form(row))

    @router.post(f"{path}/{{named_id}}/name")
    def change_naming(
        named_id: Id, fields: FormFields, caller: Writer, services: FromApp
    ) -> Response:
        try:
            with services.transaction() as session:
                there = find(session, caller.owner, named_id).metadata_
                change(session, caller, named_id, naming_of(fields, there))
        except ProblemError as error:
            with services.reading() as session:
                row = find(session, caller.owner, named_id)
            return page(caller, row, Form(fields, error))
        return RedirectResponse(f"{path}/{named_id}", 303)


def _add_form_of_upload(kind: Kind[Any]) -> None:
    def change(session: OrmSession, caller: Caller, identity: str, asked: NamingChange) -> None:
        whole = UploadChange(**asked.model_dump(exclude_unset=True))
        uploads.change(session, caller, kind, identity, whole)

    def find(session: OrmSession, owner: str, identity: str) -> Any:
        return uploads.find(session, owner, kind, identity)

    _add_form(f"/{kind.noun}s", find, change)


def _add_form_of_job(path: str, kind: JobKind[Any]) -> None:
    def change(session: OrmSession, caller: Caller, identity: str, asked: NamingChange) -> None:
        jobs.change(session, kind, caller, identity, asked)

    def find(session: OrmSession, owner: str, identity: str) -> Any:
        return jobs.find(session, kind, owner, identity)

    _add_form(path, find, change)


_add_form_of_job("/analyses", ANALYSES)
_add_form_of_job("/trials", TRIALS)
_add_form_of_upload(MODELS)
_add_form_of_upload(DATASETS)
