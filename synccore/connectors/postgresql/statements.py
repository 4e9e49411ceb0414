"""The statements that write, one per shape of item: columns, and whether the id is given.

A batch is one statement whose values come as one array per column. What was stored comes back by RETURNING, which
promises no order: an update or delete returns the id it was asked for; a created row is told by its own id, where the
caller chose it or it is a written field. Without such an id each row is a statement of its own, sent in one pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synccore.connectors.postgresql.catalogue import Column, Relation
from synccore.connectors.postgresql.reading import identify, key_column
from synccore.connectors.postgresql.sql import Reading, element, known_column, quote, reading, version
from synccore.connectors.values import fit, refuse, written
from synccore.failures import Rejected, Stale
from synccore.shapes import CreateItem, DeleteItem, FieldInfo, TableRef, UpdateItem, Value


@dataclass(frozen=True, slots=True)
class Row:
    """One item, ready to be sent. ``id`` in the table's own writing, None where the app chooses it."""

    position: int
    id: str | None
    version: str
    elements: tuple[str, ...]
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement for any number of rows; ``reading`` is None for a delete. ``single``: one row at a time."""

    sql: str
    reading: Reading | None
    single: bool


@dataclass(slots=True)
class Batch:
    """Rows for one statement. An update of no field only looks at the record."""

    statement: Statement
    rows: list[Row]


def stale(table: str, id: str) -> Stale:
    return Stale("stale", {"table": table, "id": id})


def _encoders(relation: Relation, names: Sequence[str]) -> list[tuple[str, FieldInfo]]:
    return [(name, known_column(relation, name).info) for name in names]


def _encode(
    relation: Relation, encoders: Sequence[tuple[str, FieldInfo]], values: Mapping[str, Value]
) -> tuple[str, ...]:
    table = relation.name
    for name, info in encoders:
        if not relation.columns[name].supported:
            raise refuse("read_only_field", table, info, values[name])
    return tuple([element(table, info, values[name]) for name, info in encoders])


def creates(
    relation: Relation, table: TableRef, items: Sequence[CreateItem], fields: Sequence[str], zone: str
) -> tuple[list[Batch], dict[int, Rejected]]:
    """The batches of a create, and the items that cannot be stored as they are."""
    key = key_column(relation).info
    batches: dict[Any, Batch] = {}
    refused: dict[int, Rejected] = {}
    for position, item in enumerate(items):
        values = item.fields if item.id is None else {**item.fields, key.name: item.id}
        names = tuple(values)
        try:
            elements = _encode(relation, _encoders(relation, names), values)
            id = _own_id(relation, values)
        except Rejected as failure:
            refused[position] = failure
            continue
        kind = ("create", table, names, tuple(fields), zone, id is None)
        batch = batches.get(kind)
        if batch is None:
            build = _insert(relation, names, reading(relation, table, fields, zone), single=id is None)
            batch = batches[kind] = Batch(_cached(relation, kind, build), [])
        batch.rows.append(Row(position, id, "", elements, values))
    return list(batches.values()), refused


def _own_id(relation: Relation, values: Mapping[str, Value]) -> str | None:
    key = key_column(relation).info
    value = values.get(key.name)
    return None if value is None else identify(relation, written(fit(relation.name, key, value)))


def _insert(
    relation: Relation, names: Sequence[str], shape: Reading, *, single: bool
) -> Callable[[], Statement]:
    def build() -> Statement:
        columns = [relation.columns[name] for name in names]
        if not columns:
            sql = f"INSERT INTO {relation.target} AS t DEFAULT VALUES RETURNING {shape.expressions}"
            return Statement(sql, shape, single)
        # An id reserved from the sequence of GENERATED ALWAYS is ours to give.
        overriding = " OVERRIDING SYSTEM VALUE" if any(column.identity_always for column in columns) else ""
        sql = (
            f"INSERT INTO {relation.target} AS t ({', '.join(map(quote, names))}){overriding}"
            f" SELECT {_selected(columns)} FROM unnest({_arrays(columns)}) AS v({_selected(columns, '')})"
            f" RETURNING {shape.expressions}"
        )
        return Statement(sql, shape, single)

    return build


def updates(
    relation: Relation, table: TableRef, items: Sequence[UpdateItem], fields: Sequence[str], zone: str
) -> tuple[list[Batch], dict[int, Rejected | Stale]]:
    """The batches of an update. The second item for one id goes into a later batch, and finds the version moved."""
    key = key_column(relation)
    batches: dict[Any, Batch] = {}
    refused: dict[int, Rejected | Stale] = {}
    seen: dict[str, int] = {}
    for position, item in enumerate(items):
        id = identify(relation, item.id)
        if id is None:
            refused[position] = stale(relation.name, item.id)
            continue
        names = tuple(item.fields)
        try:
            elements = _encode(relation, _encoders(relation, names), item.fields)
        except Rejected as failure:
            refused[position] = failure
            continue
        seen[id] = turn = seen.get(id, 0) + 1
        kind = ("update", table, names, tuple(fields), zone)
        batch = batches.get((turn, kind))
        if batch is None:
            build = _update(relation, table, key, names, reading(relation, table, fields, zone))
            batch = batches[turn, kind] = Batch(_cached(relation, kind, build), [])
        batch.rows.append(
            Row(position, id, item.version, _matching(relation, id, item.version) + elements, item.fields)
        )
    return [batches[order] for order in sorted(batches, key=lambda order: order[0])], refused


def _update(
    relation: Relation, table: TableRef, key: Column, names: Sequence[str], shape: Reading
) -> Callable[[], Statement]:
    def build() -> Statement:
        columns = [relation.columns[name] for name in names]
        still = f"t.{quote(key.info.name)} = v.i AND {version(relation, table)} = v.s"
        if not columns:
            sql = (
                f"SELECT v.i::text, {shape.expressions} FROM unnest(%s::{key.cast}[], %s::text[]) AS v(i, s)"
                f" JOIN {relation.target} AS t ON {still}"
            )
            return Statement(sql, shape, single=False)
        assignments = ", ".join(f"{quote(name)} = v.c{number}" for number, name in enumerate(names))
        sql = (
            f"UPDATE {relation.target} AS t SET {assignments}"
            f" FROM unnest(%s::{key.cast}[], %s::text[], {_arrays(columns)}) AS v(i, s, {_selected(columns, '')})"
            f" WHERE {still} RETURNING v.i::text, {shape.expressions}"
        )
        return Statement(sql, shape, single=False)

    return build


def deletes(
    relation: Relation, table: TableRef, items: Sequence[DeleteItem]
) -> tuple[list[Batch], list[int]]:
    """The batches of a delete, and the items whose id no record can have: those are gone."""
    key = key_column(relation)
    gone: list[int] = []
    turns: list[dict[str, Row]] = []
    for position, item in enumerate(items):
        id = identify(relation, item.id)
        if id is None:
            gone.append(position)
            continue
        row = Row(position, id, item.version, _matching(relation, id, item.version), {})
        for turn in turns:
            if id not in turn:
                turn[id] = row
                break
        else:
            turns.append({id: row})

    def build() -> Statement:
        sql = (
            f"DELETE FROM {relation.target} AS t USING unnest(%s::{key.cast}[], %s::text[]) AS v(i, s)"
            f" WHERE t.{quote(key.info.name)} = v.i AND {version(relation, table)} = v.s RETURNING v.i::text"
        )
        return Statement(sql, None, single=False)

    statement = _cached(relation, ("delete", table), build)
    return [Batch(statement, list(turn.values())) for turn in turns], gone


def _matching(relation: Relation, id: str, version: str) -> tuple[str, str]:
    """Id and version as array elements; a version that cannot be text of this database matches nothing."""
    key = key_column(relation).info
    text = version if "\x00" not in version and version.isascii() else ""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return element(relation.name, key, id), f'"{quoted}"'


def _cached(relation: Relation, kind: Any, build: Callable[[], Statement]) -> Statement:
    found = relation.statements.get(kind)
    if found is None:
        found = relation.statements[kind] = build()
    assert isinstance(found, Statement)
    return found


def _arrays(columns: Sequence[Column]) -> str:
    return ", ".join(f"%s::{column.cast}[]" for column in columns)


def _selected(columns: Sequence[Column], alias: str = "v.") -> str:
    return ", ".join(f"{alias}c{number}" for number in range(len(columns)))
