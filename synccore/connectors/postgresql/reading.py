"""Reading: changes by stamp or whole, records by id or value, versions for the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from synccore.connectors.postgresql.catalogue import Column, Relation
from synccore.connectors.postgresql.database import Database
from synccore.connectors.postgresql.sql import (
    array,
    comparable,
    element,
    known_column,
    quote,
    reading,
    stamp,
    version,
    where,
)
from synccore.connectors.values import fit, written
from synccore.failures import Misconfigured, Rejected
from synccore.shapes import ALL, FieldType, Filter, Page, Record, TableRef, Value, VersionPage

#: Clocks on walls go back by an hour once a year; a stamp without zone may then lie that far behind.
_WALL_CLOCK_STEP = 3_600


def identify(relation: Relation, id: str) -> str | None:
    """``id`` as this table writes it; None where no record of it can have that id."""
    key = key_column(relation)
    try:
        value = fit(relation.name, key.info, id)
    except Rejected:
        return None
    text = written(value)
    if key.info.padded:
        return text.rstrip(" ")
    # "007" or "+7" is a number but no id: ids are compared as text everywhere else.
    return text if text == id or key.info.type is FieldType.GUID else None


def key_column(relation: Relation) -> Column:
    """The column of the id, or Misconfigured ``no_key`` (scope table)."""
    if relation.key is None:
        raise Misconfigured("no_key", {"table": relation.name})
    return relation.columns[relation.key]


def changes(
    database: Database,
    table: TableRef,
    fields: Sequence[str],
    filter: Filter,
    cursor: Mapping[str, Any],
    limit: int,
) -> Page:
    """See ``Connector.changes``.

    Cursor of a pass: ``low`` (where it starts, or null), ``started`` (the app's clock then), ``high`` (highest stamp so
    far), and ``after`` = [stamp, id] or ``nulls`` = id. The first pass ends with the rows that have no stamp; later
    passes leave those to the sweep, since they cannot be told from the ones read before.
    """
    relation = database.relation(table.name)
    if table.modified_field is None:
        return _whole(database, relation, table, fields, filter, cursor, limit)
    column = known_column(relation, table.modified_field)
    stamp(relation, table, database.zone)  # refuses a field that is no stamp
    low, started, high = cursor.get("low"), cursor.get("started"), cursor.get("high")
    if started is None:
        started = _clock(database, column)
    conditions, params = where(relation, filter)
    raw, key = f"t.{quote(column.info.name)}", f"t.{quote(key_column(relation).info.name)}"
    key_cast, order = key_column(relation).cast, f"{raw}, {key}"
    in_nulls = "nulls" in cursor
    if in_nulls:
        conditions.append(f"{raw} IS NULL")
        order = key
        if cursor["nulls"] is not None:
            conditions.append(f"{key} > %s::{key_cast}")
            params.append(cursor["nulls"])
    elif "after" in cursor:
        conditions.append(f"({raw}, {key}) > (%s::{column.cast}, %s::{key_cast})")
        params.extend(cursor["after"])
    elif low is not None:
        conditions.append(f"{raw} >= %s::{column.cast}")
        params.append(low)
    else:
        conditions.append(f"{raw} IS NOT NULL")
    shape = reading(relation, table, fields, database.zone)
    sql = (
        f"SELECT {shape.expressions}, {raw}::text FROM {relation.target} AS t"
        f" WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT %s"
    )
    rows = database.session.rows(sql, [*params, limit])
    records = tuple(shape.record(row[:-1]) for row in rows)
    state = {"low": low, "started": started, "high": high}
    if rows and not in_nulls:
        state["high"] = rows[-1][-1]
    if len(rows) == limit:
        last = {"nulls": rows[-1][0]} if in_nulls else {"after": [rows[-1][-1], rows[-1][0]]}
        return Page(records, {**state, **last}, complete=False)
    if low is None and not in_nulls and not column.notnull:
        return Page(records, {**state, "nulls": None}, complete=False)
    return Page(records, None, complete=True, watermark={"low": _watermark(database, column, state)})


def cursor_at(database: Database, table: TableRef, moment: datetime) -> dict[str, Any] | None:
    """See ``Connector.cursor_at``."""
    if table.modified_field is None:
        return None
    relation = database.relation(table.name)
    column = known_column(relation, table.modified_field)
    stamp(relation, table, database.zone)  # refuses a field that is no stamp
    wall_clock = column.info.type is FieldType.DATETIME
    zone = f" AT TIME ZONE '{database.zone}'" if wall_clock else ""
    back = _WALL_CLOCK_STEP if wall_clock and database.zone != "UTC" else 0
    sql = f"SELECT ((%s::timestamptz - make_interval(secs => %s)){zone})::text"
    row = database.session.rows(sql, (moment.isoformat(), back))[0]
    return {"low": str(row[0])}


def _clock(database: Database, column: Column) -> str:
    """The app's clock as the stamp's type writes it."""
    zone = "" if column.info.type is FieldType.INSTANT else f" AT TIME ZONE '{database.zone}'"
    row = database.session.rows(f"SELECT (clock_timestamp(){zone})::text", ())[0]
    return str(row[0])


def _watermark(database: Database, column: Column, state: Mapping[str, Any]) -> str:
    overlap = database.overlap
    if column.info.type is FieldType.DATETIME and database.zone != "UTC":
        overlap += _WALL_CLOCK_STEP
    sql = f"SELECT (LEAST(%s::{column.cast}, %s::{column.cast}) - make_interval(secs => %s))::text"
    row = database.session.rows(sql, (state["high"], state["started"], overlap))[0]
    return str(row[0])


def _whole(
    database: Database,
    relation: Relation,
    table: TableRef,
    fields: Sequence[str],
    filter: Filter,
    cursor: Mapping[str, Any],
    limit: int,
) -> Page:
    """A page of a table without stamps, by id."""
    shape = reading(relation, table, fields, database.zone)
    rows, following = _by_id(database, relation, shape.expressions, filter, cursor, limit)
    records = tuple(map(shape.record, rows))
    if following is not None:
        return Page(records, following, complete=False)
    return Page(records, None, complete=True, watermark={})


def _by_id(
    database: Database,
    relation: Relation,
    expressions: str,
    filter: Filter,
    cursor: Mapping[str, Any],
    limit: int,
) -> tuple[list[tuple[Any, ...]], dict[str, Any] | None]:
    """Rows in the order of the ids, whose text stands first in ``expressions``; and the next cursor."""
    conditions, params = where(relation, filter)
    key = key_column(relation)
    if "id" in cursor:
        conditions.append(f"t.{quote(key.info.name)} > %s::{key.cast}")
        params.append(cursor["id"])
    sql = (
        f"SELECT {expressions} FROM {relation.target} AS t WHERE {' AND '.join(conditions) or 'true'}"
        f" ORDER BY t.{quote(key.info.name)} LIMIT %s"
    )
    rows = database.session.rows(sql, [*params, limit])
    return rows, {"id": rows[-1][0]} if len(rows) == limit else None


def versions(
    database: Database, table: TableRef, filter: Filter, cursor: Mapping[str, Any], limit: int
) -> VersionPage:
    """See ``Connector.versions``."""
    relation = database.relation(table.name)
    expressions = f"t.{quote(key_column(relation).info.name)}::text, {version(relation, table)}"
    rows, following = _by_id(database, relation, expressions, filter, cursor, limit)
    return VersionPage(tuple((row[0], row[1]) for row in rows), following, complete=following is None)


def fetch(
    database: Database, table: TableRef, ids: Sequence[str], fields: Sequence[str] | Literal["*"]
) -> list[Record]:
    """See ``Connector.fetch``."""
    relation = database.relation(table.name)
    wanted = {id for given in ids if (id := identify(relation, given)) is not None}
    if not wanted:
        return []
    key = key_column(relation)
    if fields == ALL:
        fields = [name for name, column in relation.columns.items() if column.readable]
    shape = reading(relation, table, fields, database.zone)
    sql = (
        f"SELECT {shape.expressions} FROM {relation.target} AS t"
        f" WHERE t.{quote(key.info.name)} = ANY(%s::{key.cast}[])"
    )
    rows = database.session.rows(sql, (array([element(table.name, key.info, id) for id in wanted]),))
    return [shape.record(row) for row in rows if row[0] in wanted]


def find(
    database: Database, table: TableRef, field: str, values: Sequence[Value], fields: Sequence[str]
) -> list[Record]:
    """See ``Connector.find``. A value that the field cannot hold equals none of its values."""
    relation = database.relation(table.name)
    column = known_column(relation, field)
    shape = reading(relation, table, fields, database.zone)
    elements = set()
    for value in values:
        if column.info.padded and isinstance(value, str):
            value = value.rstrip(" ")
        try:
            elements.add(element(table.name, column.info, value))
        except Rejected:
            continue
    elements.discard("NULL")
    if not elements:
        return []
    cast = "text" if column.info.type is FieldType.TEXT else column.cast
    sql = (
        f"SELECT {shape.expressions} FROM {relation.target} AS t"
        f" WHERE {comparable(column, f't.{quote(field)}')} = ANY(%s::{cast}[])"
    )
    return [shape.record(row) for row in database.session.rows(sql, (array(list(elements)),))]


def search(database: Database, table: TableRef, text: str, fields: Sequence[str], limit: int) -> list[Record]:
    """See ``Connector.search``. No index serves it: on a large table the statement's time limit ends it."""
    words = text.lower().replace("\x00", "").split()
    if not words:
        return []
    relation = database.relation(table.name)
    shape = reading(relation, table, fields, database.zone)
    id = f"t.{quote(key_column(relation).info.name)}::text"
    key = f"t.{quote(known_column(relation, table.key_field).info.name)}::text" if table.key_field else id
    parts = [id, *(f"t.{quote(known_column(relation, each).info.name)}::text" for each in _told(table))]
    # Never NULL: concat_ws leaves those out.
    said = f"' ' || lower(concat_ws(' ', {', '.join(parts)}))"
    conditions = " AND ".join(f"strpos({said}, ' ' || %s) > 0" for _word in words)
    wanted = " ".join(words)
    sql = (
        f"SELECT {shape.expressions} FROM {relation.target} AS t WHERE {conditions}"
        f" ORDER BY coalesce(lower({key}), '') <> %s AND lower({id}) <> %s,"
        f' NOT starts_with(coalesce(lower({key}), \'\'), %s), coalesce({key}, {id}) COLLATE "C", {id} COLLATE "C" LIMIT %s'
    )
    rows = database.session.rows(sql, (*words, wanted, wanted, wanted, limit))
    return [shape.record(row) for row in rows]


def _told(table: TableRef) -> list[str]:
    """The fields by which people know a record."""
    return [name for name in (table.key_field, table.name_field) if name]
