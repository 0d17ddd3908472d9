"""The SQL of filters, for SQLite and PostgreSQL."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    TableValuedAlias,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from service.database.dialect import is_postgresql
from service.database.tables import Dataset, Model
from service.naming.filters import Filters
from service.naming.readings import readings
from service.naming.schemas import Value

EQUAL = ("state", "model_id", "dataset_id", "analysis_id")
"""The filters that are columns."""


def conditions(session: Session, table: Any, filters: Filters) -> Iterator[ColumnElement[bool]]:
    """Yield what must hold for the rows of `table`, of uploads or jobs, that are asked for."""
    for name in EQUAL:
        if (value := getattr(filters, name, None)) is not None:
            yield getattr(table, name) == value
    if filters.created_after is not None:
        yield table.created_at >= filters.created_after
    if filters.created_before is not None:
        yield table.created_at < filters.created_before
    for tag in filters.tag:
        yield _has_tag(session, table, tag)
    for pair in filters.metadata:
        key, _, text = pair.partition("=")
        yield or_(*(_has_pair(session, table, key, value) for value in readings(text)))
    if filters.q:
        yield _found(session, table, filters.q)


def _found(session: Session, table: Any, text: str) -> ColumnElement[bool]:
    """Return whether a text is in a row's names, or in those of its model or dataset."""
    tag = _entries(session, table.tags)
    ways = [
        table.id.istartswith(text, autoescape=True),
        table.name.icontains(text, autoescape=True),
        exists(select(1).select_from(tag).where(tag.c.value.icontains(text, autoescape=True))),
    ]
    if hasattr(table, "filename"):
        ways.append(table.filename.icontains(text, autoescape=True))
    else:
        for upload, of_job in ((Model, table.model_id), (Dataset, table.dataset_id)):
            ways.append(exists().where(upload.id == of_job, _found(session, upload, text)))
    return or_(*ways)


def _has_tag(session: Session, table: Any, tag: str) -> ColumnElement[bool]:
    if is_postgresql(session):
        return cast(table.tags, JSONB).contains([tag])
    one = _entries(session, table.tags)
    return exists(select(1).select_from(one).where(one.c.value == tag))


def _entries(session: Session, texts: Any) -> TableValuedAlias:
    """Return the entries of a column that is a list of texts, as rows with a `value`."""
    of = func.jsonb_array_elements_text if is_postgresql(session) else func.json_each
    return of(texts).table_valued("value")


def _has_pair(session: Session, table: Any, key: str, value: Value) -> ColumnElement[bool]:
    if is_postgresql(session):
        return cast(table.metadata_, JSONB).contains({key: value})
    pair = func.json_each(table.metadata_).table_valued("key", "value", "type")
    if isinstance(value, bool):
        same = pair.c.type == ("true" if value else "false")
    elif isinstance(value, str):
        same = and_(pair.c.type == "text", pair.c.value == value)
    else:
        same = and_(pair.c.type.in_(("integer", "real")), pair.c.value == value)
    return exists(select(1).select_from(pair).where(pair.c.key == key, same))
