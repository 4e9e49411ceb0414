"""Many rows in one statement: COPY in, UPDATE … FROM unnest. For the page transaction, where the ORM costs too much.

Values are converted by the model's own fields; no signal is sent, no ``save`` is called. Measured in ``bench/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models
from psycopg import Cursor, sql


def _columns(model: type[models.Model], names: Sequence[str]) -> list[models.Field[Any, Any]]:
    return [model._meta.get_field(name) for name in names]  # type: ignore[misc]


def _plain(field: models.Field[Any, Any], value: Any) -> Any:
    if isinstance(field, models.JSONField):
        return _json(value)
    if isinstance(value, models.Model):
        return value.pk
    return value


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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
        for row in rows:
            copy.write_row([_plain(field, value) for field, value in zip(fields, row, strict=True)])


def update(model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> int:
    """``UPDATE model SET names = values`` for many rows in one statement; the first value of a row is the primary key.

    Returns the number of rows that were there.
    """
    if not rows:
        return 0
    key = model._meta.pk
    assert key is not None
    fields = [key, *_columns(model, names)]
    types = [field.rel_db_type(connection) if field is key else field.db_type(connection) for field in fields]
    columns = list(zip(*rows, strict=True))
    arrays, selects = [], []
    for number, (field, type_, values) in enumerate(zip(fields, types, columns, strict=True)):
        assert type_ is not None
        plain_type = (
            "text" if type_ == "jsonb" else type_.split("(")[0] if type_.startswith("varchar") else type_
        )
        arrays.append([_plain(field, value) for value in values])
        selects.append(f"%s::{plain_type}[]")
        if type_ == "jsonb":
            types[number] = "::jsonb"
        else:
            types[number] = ""
    names_ = [f"c{number}" for number in range(len(fields))]
    sets = ", ".join(
        f'"{field.column}" = v.{name}{cast}'
        for field, name, cast in zip(fields[1:], names_[1:], types[1:], strict=True)
    )
    statement = (
        f'UPDATE "{model._meta.db_table}" AS t SET {sets} '
        f'FROM unnest({", ".join(selects)}) AS v({", ".join(names_)}) WHERE t."{key.column}" = v.c0'
    )
    connection.ensure_connection()
    # Django's own cursor puts parameters into the text, which for arrays costs more than all the rest.
    with Cursor(connection.connection) as cursor:
        cursor.execute(statement, arrays)
        return int(cursor.rowcount)
