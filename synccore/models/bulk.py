"""Many rows in one statement: COPY in, UPDATE … FROM a JSON document. For page transactions; the ORM costs too much there.

Values are converted by the model's own fields; no signal is sent, no ``save`` is called. Measured in ``bench/``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from django.db import connection, models
from psycopg import Cursor, sql

Convert = Callable[[Any], Any]


def _columns(model: type[models.Model], names: Sequence[str]) -> list[models.Field[Any, Any]]:
    return [model._meta.get_field(name) for name in names]  # type: ignore[misc]


def _json(value: Any) -> str | None:
    return None if value is None else dumps(value)


def _key(value: Any) -> Any:
    return value.pk if isinstance(value, models.Model) else value


def _converters(fields: Sequence[models.Field[Any, Any]], json: Convert) -> list[tuple[int, Convert]]:
    """What has to be done to a row before it is stored: position and conversion, for the few columns that need one."""
    found: list[tuple[int, Convert]] = []
    for place, field in enumerate(fields):
        if isinstance(field, models.JSONField):
            found.append((place, json))
        elif field.is_relation:
            found.append((place, _key))
    return found


def _converted(
    rows: Iterable[Sequence[Any]], converters: Sequence[tuple[int, Convert]]
) -> Iterator[list[Any]]:
    for row in rows:
        plain = list(row)
        for place, convert in converters:
            plain[place] = convert(plain[place])
        yield plain


def values_of(model: type[models.Model], names: Sequence[str]) -> Callable[[models.Model], tuple[Any, ...]]:
    """A function that gives the values of these fields of a row, of a relation its key."""
    return attrgetter(*[field.attname for field in _columns(model, names)])


def reserve(model: type[models.Model], n: int) -> list[int]:
    """``n`` primary keys from the table's sequence, for rows that must know their id before they are stored."""
    if n == 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, n],
        )
        return [row[0] for row in cursor.fetchall()]


def insert(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows into the model's table. ``names`` are field names; columns not named must have database defaults or be
    nullable: name every other one."""
    fields = _columns(model, names)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(model._meta.db_table),
        sql.SQL(", ").join(sql.Identifier(str(field.column)) for field in fields),
    )
    connection.ensure_connection()
    with connection.connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in _converted(rows, _converters(fields, _json)):
            copy.write_row(row)


def update(model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> int:
    """``UPDATE model SET names = values`` for many rows in one statement; the first value of a row is the primary key.

    The rows travel as one JSON document: psycopg spells an array of texts several times slower. Returns the number of rows
    that were there.
    """
    if not rows:
        return 0
    key = model._meta.pk
    assert key is not None
    fields = [key, *_columns(model, names)]
    types = [field.rel_db_type(connection) if field is key else field.db_type(connection) for field in fields]
    columns = [f"c{place}" for place in range(len(fields))]
    shape = ", ".join(f"{column} {type_}" for column, type_ in zip(columns, types, strict=True))
    sets = ", ".join(
        f'"{field.column}" = v.{column}' for field, column in zip(fields[1:], columns[1:], strict=True)
    )
    statement = (
        f'UPDATE "{model._meta.db_table}" AS t SET {sets} '
        f'FROM jsonb_to_recordset(%s::jsonb) AS v({shape}) WHERE t."{key.column}" = v.c0'
    )
    plain = _converted(rows, _converters(fields, lambda value: value))
    document = dumps([dict(zip(columns, row, strict=True)) for row in plain])
    connection.ensure_connection()
    # Not Django's own cursor: it would put the document into the statement's text.
    with Cursor(connection.connection) as cursor:
        cursor.execute(statement, [document])
        return int(cursor.rowcount)


def _spell(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_spell)


def dumps(value: Any) -> str:
    return _JSON.encode(value)
