"""Writing in batches: one transaction per call, each row with a result of its own.

A call first tries everything in one transaction. If a statement is refused, that transaction is rolled back and the call
starts again with savepoints: a refused statement is rolled back to its savepoint and halved until the bad rows are alone.
Locks and time-outs are not halved, that would only wait again and again: rows that somebody holds are set aside by
``SKIP LOCKED``; after a time-out rows are written in tenths until the call's time is used up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from synccore.connectors.base import WriteResult
from synccore.connectors.postgresql.database import Database
from synccore.connectors.postgresql.reading import fetch, key_column
from synccore.connectors.postgresql.session import table_changed
from synccore.connectors.postgresql.sql import array, element, quote, version
from synccore.connectors.postgresql.statements import Batch, Row, creates, deletes, stale, updates
from synccore.failures import Failure, Rejected, Scope, Transient
from synccore.shapes import CreateItem, DeleteItem, Record, TableRef, UpdateItem

#: Seconds after which a call starts no further statement, and what its first statement may take if there are many rows.
_CALL: Final = 50.0
_FIRST: Final = 25.0

Result = Record | Failure | None


class _NotTold(Exception):
    """A created row came back under another id than it was given: it must be written alone to be told."""


def create(
    database: Database, table: TableRef, items: Sequence[CreateItem], fields: Sequence[str]
) -> list[WriteResult]:
    """See ``Connector.create``."""
    relation = database.relation(table.name)
    batches, refused = creates(relation, table, items, fields, database.zone)
    writer = Writer(database, table, "create")
    writer.results.update(refused)
    writer.write(batches)
    return [_stored(writer.results[position]) for position in range(len(items))]


def update(
    database: Database, table: TableRef, items: Sequence[UpdateItem], fields: Sequence[str]
) -> list[WriteResult]:
    """See ``Connector.update``."""
    relation = database.relation(table.name)
    batches, refused = updates(relation, table, items, fields, database.zone)
    writer = Writer(database, table, "update")
    writer.results.update(refused)
    writer.write(batches)
    return [_stored(writer.results[position]) for position in range(len(items))]


def delete(database: Database, table: TableRef, items: Sequence[DeleteItem]) -> list[None | Failure]:
    """See ``Connector.delete``."""
    relation = database.relation(table.name)
    batches, gone = deletes(relation, table, items)
    writer = Writer(database, table, "delete")
    writer.results.update(dict.fromkeys(gone))
    writer.write(batches)
    found = [writer.results[position] for position in range(len(items))]
    return [result if isinstance(result, Failure) else None for result in found]


def _stored(result: Result) -> WriteResult:
    assert result is not None
    return result


@dataclass(slots=True)
class Writer:
    """One call of create, update or delete. ``results`` is by position of the item."""

    database: Database
    table: TableRef
    operation: str
    results: dict[int, Result] = field(default_factory=dict)
    _until: float = 0.0

    def write(self, batches: Sequence[Batch]) -> None:
        """Write all rows. Raises a Failure only where it concerns more than records, psycopg's for a changed table."""
        if not batches:
            return
        self._until = time.monotonic() + _CALL
        rows = sum(len(batch.rows) for batch in batches)
        reached: list[Batch] = []
        try:
            with self.database.session.transaction():
                self._prepare(_FIRST if rows > 1 else None)
                for batch in batches:
                    reached.append(batch)
                    self._send(batch, batch.rows)
            return
        except _NotTold:
            refusal = None
        except psycopg.Error as error:
            if table_changed(error):
                raise
            refusal = self._failure(error, reached[-1].rows if reached else [])
            if not reached or refusal.scope is not Scope.RECORD:
                raise refusal from error
        self._write_carefully(batches, reached[-1], refusal)

    def _write_carefully(self, batches: Sequence[Batch], refused: Batch, refusal: Failure | None) -> None:
        try:
            with self.database.session.transaction():
                self._prepare(self._left())
                for batch in batches:
                    if batch is refused and refusal is not None:
                        self._part(batch, batch.rows, refusal)
                    else:
                        self._try(batch, batch.rows)
        except psycopg.Error as error:  # COMMIT itself: a constraint that waited until then
            rows = [(batch, row) for batch in batches for row in batch.rows]
            failure = self._failure(error, [row for _, row in rows])
            if failure.scope is not Scope.RECORD:
                raise failure from error
            if len(rows) == 1:
                self.results[rows[0][1].position] = failure
                return
            for batch, row in rows:
                self._write_carefully([Batch(batch.statement, [row])], batch, None)

    # -- parts of a batch -----------------------------------------------------------------------------------------------

    def _try(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Write rows inside a savepoint; whatever is refused ends in ``results``."""
        try:
            with self.database.session.transaction():
                self._send(batch, rows)
            return
        except _NotTold:
            for row in rows:
                self._try(batch, [row])
            return
        except psycopg.Error as error:
            failure = self._failure(error, rows)
            if failure.scope is not Scope.RECORD:
                raise failure from error
        self._part(batch, rows, failure)

    def _part(self, batch: Batch, rows: Sequence[Row], failure: Failure) -> None:
        """Rows that were refused together are tried in parts."""
        if len(rows) == 1 or self._left() <= 0:
            self._set(rows, failure)
        elif failure.code == "statement_timeout":
            self._in_tenths(batch, rows, failure)
        elif isinstance(failure, Transient):
            self._around_locks(batch, rows, failure)
        else:
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                if self._left() <= 0:
                    self._set(half, Transient("statement_timeout", {"table": self.table.name}))
                    continue
                if self._left() < _CALL - 5:  # slow so far: no statement may outlast the call
                    self._limit(self._left())
                self._try(batch, half)

    def _in_tenths(self, batch: Batch, rows: Sequence[Row], failure: Failure) -> None:
        size = max(1, len(rows) // 10)
        for start in range(0, len(rows), size):
            if self._left() <= 0:
                self._set(rows[start:], failure)
                return
            self._limit(self._left())
            self._try(batch, rows[start : start + size])

    def _around_locks(self, batch: Batch, rows: Sequence[Row], failure: Failure) -> None:
        """Set the rows aside that somebody holds, and write the others once."""
        if self.operation == "create":
            self._set(rows, failure)
            return
        relation = self.database.relation(self.table.name)
        key = key_column(relation)
        sql = (
            f"SELECT t.{quote(key.info.name)}::text FROM {relation.target} AS t"
            f" WHERE t.{quote(key.info.name)} = ANY(%s::{key.cast}[])"
        )
        ids = array([element(relation.name, key.info, row.id) for row in rows])
        session = self.database.session
        try:
            with session.transaction():
                free = {row[0] for row in session.rows(f"{sql} FOR UPDATE SKIP LOCKED", (ids,))}
                held = {row[0] for row in session.rows(sql, (ids,))} - free
        except psycopg.Error:  # a view that cannot be locked by row
            held = set()
        others = [row for row in rows if row.id not in held]
        if not held or not others:
            self._set(rows, failure)
            return
        self._set([row for row in rows if row.id in held], failure)
        try:
            with session.transaction():
                self._send(batch, others)
        except psycopg.Error as error:
            second = self._failure(error, others)
            if second.scope is not Scope.RECORD:
                raise second from error
            if isinstance(second, Transient):
                self._set(others, second)
            else:
                self._part(batch, others, second)

    # -- one statement --------------------------------------------------------------------------------------------------

    def _send(self, batch: Batch, rows: Sequence[Row]) -> None:
        statement = batch.statement
        session = self.database.session
        if statement.single or (self.operation == "create" and len(rows) == 1):
            self._send_each(batch, rows)
        else:
            params = [array(column) for column in zip(*(row.elements for row in rows), strict=True)]
            returned = session.rows(statement.sql, params)
            by_id = {row.id: row for row in rows}
            told: set[str | None] = set()
            for values in returned:
                if values[0] not in by_id or values[0] in told:
                    raise _NotTold
                told.add(values[0])
                self.results[by_id[values[0]].position] = self._record(batch, values)
            if len(told) < len(rows):
                self._explain_missing([row for row in rows if row.id not in told])
        self._read_again(rows)

    def _send_each(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Rows whose id the app chooses: the results of a pipeline come in the order of its statements."""
        params = [[array([element]) for element in row.elements] for row in rows]
        with self.database.session.connection.cursor() as cursor:
            cursor.executemany(batch.statement.sql.encode(), params, returning=True)
            for number, row in enumerate(rows):
                if number:
                    cursor.nextset()
                values = cursor.fetchone()
                self.results[row.position] = (
                    self._ignored() if values is None else self._record(batch, values)
                )

    def _record(self, batch: Batch, values: Sequence[Any]) -> Record | None:
        shape = batch.statement.reading
        if shape is None:
            return None
        return shape.record(values if self.operation == "create" else values[1:])

    def _explain_missing(self, rows: Sequence[Row]) -> None:
        """Rows that a statement left out: moved, gone, or ignored by a trigger or policy though nothing moved."""
        if self.operation == "create":
            self._set(rows, self._ignored())
            return
        relation = self.database.relation(self.table.name)
        key = key_column(relation)
        sql = (
            f"SELECT t.{quote(key.info.name)}::text, {version(relation, self.table)} FROM {relation.target} AS t"
            f" WHERE t.{quote(key.info.name)} = ANY(%s::{key.cast}[])"
        )
        ids = array([element(relation.name, key.info, row.id) for row in rows])
        now: dict[str | None, str] = dict(self.database.session.rows(sql, (ids,)))
        for row in rows:
            found = now.get(row.id)
            if found is None and self.operation == "delete":
                self.results[row.position] = None
            elif found == row.version:
                self.results[row.position] = self._ignored()
            else:
                self.results[row.position] = stale(relation.name, row.id or "")

    def _read_again(self, rows: Sequence[Row]) -> None:
        """What is stored now, where a trigger may have changed the row after RETURNING looked at it."""
        relation = self.database.relation(self.table.name)
        if self.operation == "delete" or not (relation.rereads or relation.kind == "v"):
            return
        written = {
            result.id: (row.position, result)
            for row in rows
            if isinstance(result := self.results.get(row.position), Record)
        }
        if not written:
            return
        fields = list(next(iter(written.values()))[1].fields)
        for record in fetch(self.database, self.table, list(written), fields):
            self.results[written[record.id][0]] = record

    # -- helpers --------------------------------------------------------------------------------------------------------

    def _prepare(self, seconds: float | None) -> None:
        """At the start of a transaction: what could wait until COMMIT is checked at once, and the time is limited."""
        if self.database.relation(self.table.name).deferrable:
            self.database.session.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if seconds is not None:
            self._limit(seconds)

    def _limit(self, seconds: float) -> None:
        milliseconds = str(max(1, int(seconds * 1000)))
        self.database.session.rows("SELECT set_config('statement_timeout', %s, true)", (milliseconds,))

    def _left(self) -> float:
        return self._until - time.monotonic()

    def _failure(self, error: psycopg.Error, rows: Sequence[Row]) -> Failure:
        values = rows[0].values if len(rows) == 1 else None
        fields = rows[0].values if rows else ()
        return self.database.failure(error, self.table.name, self.operation, fields, values)

    def _ignored(self) -> Rejected:
        return Rejected("write_ignored", {"table": self.table.name})

    def _set(self, rows: Sequence[Row], failure: Failure) -> None:
        for row in rows:
            self.results[row.position] = failure
