"""What reading and writing share: the session, the tables' descriptions, and errors turned into failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import psycopg

from synccore.connectors.postgresql import catalogue
from synccore.connectors.postgresql.catalogue import Relation
from synccore.connectors.postgresql.errors import (
    Constraint,
    Situation,
    address,
    grant,
    missing_privilege,
    translate,
)
from synccore.connectors.postgresql.patterns import Pattern
from synccore.connectors.postgresql.session import Session, table_changed
from synccore.failures import Bug, Failure, Misconfigured, Scope
from synccore.shapes import KeyKind, Value

T = TypeVar("T")

#: What each operation needs. A write reads what it stored, so it needs SELECT too.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "read": ("SELECT",),
    "create": ("INSERT", "SELECT"),
    "update": ("UPDATE", "SELECT"),
    "delete": ("DELETE", "SELECT"),
}

_CONSTRAINT: Final = """
    SELECT ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, i)
                   JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.i) AS fields,
           pg_get_constraintdef(k.oid) AS definition,
           coalesce(c.relname, '')::text AS name, coalesce(r.relname, '')::text AS referenced
      FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_class r ON r.oid = k.confrelid
     WHERE k.conname = %(name)s AND k.connamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
       AND (c.relname = %(table)s OR k.contypid <> 0)
    UNION ALL
    SELECT ARRAY(SELECT a.attname::text FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS u(n, i)
                   JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.n ORDER BY u.i),
           pg_get_indexdef(x.indexrelid), %(table)s, ''
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
      JOIN pg_namespace n ON n.oid = i.relnamespace
     WHERE i.relname = %(name)s AND n.nspname = %(schema)s AND c.relname = %(table)s
     LIMIT 1"""


class Database:
    """One app's database as one connector uses it. ``zone`` is the zone of stamps without zone, ``overlap`` in seconds."""

    def __init__(
        self,
        session: Session,
        *,
        app: str,
        patterns: Sequence[Pattern],
        views: Mapping[str, str],
        zone: str,
        overlap: int,
    ) -> None:
        self.session = session
        self.zone = zone
        self.overlap = overlap
        self._views = views
        self._relations: dict[str, Relation] = {}
        self._situation = Situation(
            app=app,
            user=session.user,
            database=session.database,
            host=session.host,
            port=session.port,
            schema=session.schema,
            secrets=session.secrets,
            patterns=patterns,
        )

    def address(self) -> dict[str, Any]:
        """The facts that name this database in a failure of scope connection."""
        return address(self._situation)

    # -- tables ---------------------------------------------------------------------------------------------------------

    def relation(self, name: str) -> Relation:
        """The table or view, its columns read once. Raises Misconfigured ``unknown_table``; psycopg's errors pass."""
        found = self._relations.get(name)
        if found is None:
            found = catalogue.load(self.session, [name], self._views).get(name)
            if found is None:
                if failure := self._schema_privilege(replace(self._situation, table=name)):
                    raise failure
                raise Misconfigured("unknown_table", {"table": name})
            self._relations[name] = found
        return found

    def relations(self) -> dict[str, Relation]:
        """Every table and view of which something may be read."""
        found = catalogue.load(self.session, None, self._views)
        return {
            name: relation
            for name, relation in found.items()
            if any(column.readable for column in relation.columns.values())
        }

    # -- errors ---------------------------------------------------------------------------------------------------------

    def run(self, table: str, operation: str, work: Callable[[], T], fields: Iterable[str] = ()) -> T:
        """``work()``, with psycopg's errors turned into failures.

        A table that changed since its columns were read (a new column type, a cached plan that no longer fits) is
        described anew and the work done again, once: nothing was stored, the statement never ran to its end.
        """
        try:
            return self._run(table, operation, work, tuple(fields))
        except Failure:
            raise
        except Exception as error:  # e.g. text that the database keeps in an encoding it does not declare
            raise Bug.from_exception(error, step=f"{operation} {table}".rstrip()) from error

    def _run(self, table: str, operation: str, work: Callable[[], T], fields: Sequence[str]) -> T:
        try:
            self.connect()
            return work()
        except psycopg.Error as error:
            if not table_changed(error):
                raise self.failure(error, table, operation, fields) from error
        self._relations.pop(table, None)
        self.session.close()
        try:
            self.connect()
            return work()
        except psycopg.Error as error:
            raise self.failure(error, table, operation, fields) from error

    def connect(self) -> None:
        """Open the connection now if there is none. Raises the failure of signing in."""
        try:
            _ = self.session.connection
        except psycopg.Error as error:
            raise translate(error, replace(self._situation, operation="connect")) from None

    def failure(
        self,
        error: psycopg.Error,
        table: str,
        operation: str,
        fields: Iterable[str] = (),
        values: Mapping[str, Value] | None = None,
    ) -> Failure:
        """The failure behind an error, completed from the catalogue. Outside of a failed transaction only."""
        relation = self._relations.get(table)
        now = replace(
            self._situation,
            table=table,
            operation=operation,
            values=values,
            infos={name: column.info for name, column in relation.columns.items()} if relation else {},
            lost=self.session.broken or isinstance(error, psycopg.OperationalError) and not error.sqlstate,
        )
        if self.session.broken:
            return translate(error, now)
        try:
            if error.diag.constraint_name:
                now.constraint = self._constraint(error, relation)
            failure = translate(error, now)
            if failure.code == "missing_privilege" and error.sqlstate == "42501":
                return self._explain_privilege(failure, now, relation, tuple(fields))
            return failure
        except psycopg.Error:  # the look-up itself failed: the error is still worth what it says
            return translate(error, now)

    def _constraint(self, error: psycopg.Error, relation: Relation | None) -> Constraint | None:
        diag = error.diag
        params = {
            "name": diag.constraint_name,
            "schema": diag.schema_name or self.session.schema,
            "table": diag.table_name or "",
        }
        for row in self.session.query(_CONSTRAINT, params):
            fields = tuple(row.fields)
            if (
                diag.datatype_name and relation is not None
            ):  # a domain's constraint: the columns of that domain
                domain = diag.datatype_name
                fields = tuple(
                    name
                    for name, column in relation.columns.items()
                    if column.info.native.rsplit(".", 1)[-1].strip('"') == domain
                )
            return Constraint(fields, row.definition, row.name, row.referenced)
        return None

    # -- rights ---------------------------------------------------------------------------------------------------------

    def check_rights(self, relation: Relation, operations: Sequence[str], fields: Sequence[str] = ()) -> None:
        """Raise Misconfigured ``missing_privilege`` for the first right that one of the operations lacks."""
        for failure in self.missing_rights(relation, operations, fields):
            raise failure

    def missing_rights(
        self,
        relation: Relation,
        operations: Sequence[str],
        fields: Sequence[str] = (),
        written: Sequence[str] = (),
    ) -> Iterator[Misconfigured]:
        """A Misconfigured ``missing_privilege`` for each right that the operations lack, one after the other.

        ``fields`` are those that are read, ``written`` those that are inserted and updated.
        """
        now = replace(self._situation, table=relation.name)
        if failure := self._schema_privilege(now):
            yield failure
        for privilege in dict.fromkeys(each for operation in operations for each in _NEEDS[operation]):
            columns = {"SELECT": fields, "DELETE": ()}.get(privilege, written)
            if failure := self._lacks(now, relation, privilege, columns):
                yield failure
        if "create" in operations and relation.key_kind is KeyKind.SEQUENCE:
            try:
                self.check_sequence(relation)
            except Misconfigured as missing:
                yield missing

    def check_sequence(self, relation: Relation) -> None:
        """Raise Misconfigured ``missing_privilege`` where ids may not be taken from the table's sequence."""
        assert relation.sequence is not None
        now = replace(self._situation, table=relation.name)
        schema, name = relation.sequence
        sql = (
            "SELECT has_sequence_privilege(c.oid, 'USAGE') AS usage FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"
        )
        for row in self.session.query(sql, (schema, name)):
            if not row.usage:
                raise missing_privilege(now, "USAGE", grant("USAGE", "SEQUENCE", relation.sequence, now.user))

    def _explain_privilege(
        self, failure: Failure, now: Situation, relation: Relation | None, fields: tuple[str, ...]
    ) -> Failure:
        """Which right is missing; the server names only the table. None missing: a policy refuses this row."""
        found = self._schema_privilege(now)
        if found is None and relation is not None and now.operation == "reserve":
            try:
                self.check_sequence(relation)
            except Misconfigured as missing:
                found = missing
        elif found is None and relation is not None:
            for privilege in _NEEDS[now.operation]:
                found = self._lacks(now, relation, privilege, fields)
                if found:
                    break
        needed = _NEEDS.get(now.operation, ("USAGE",))[0]
        if found is None and now.writes:
            params = {"table": now.table, "user": now.user, "privilege": needed}
            found = Misconfigured("record_privilege", params, scope=Scope.RECORD)
        if found is None:
            found = missing_privilege(now, needed, "")
        found.app_message, found.debug = failure.app_message, failure.debug
        return found

    def _schema_privilege(self, now: Situation) -> Misconfigured | None:
        sql = "SELECT has_schema_privilege(oid, 'USAGE') AS usage FROM pg_namespace WHERE nspname = %s"
        for row in self.session.query(sql, (now.schema,)):
            if not row.usage:
                return missing_privilege(now, "USAGE", grant("USAGE", "SCHEMA", [now.schema], now.user))
        return None

    def _lacks(
        self, now: Situation, relation: Relation, privilege: str, fields: Sequence[str]
    ) -> Misconfigured | None:
        """The failure if ``privilege`` is missing on the table, or on some of ``fields`` of it."""
        if privilege == "DELETE":
            sql, columns = "SELECT has_table_privilege(%s::oid, %s) AS has", []
        else:
            sql = "SELECT has_any_column_privilege(%s::oid, %s) AS has"
            columns = [name for name in fields if name in relation.columns]
        if not self.session.query(sql, (relation.oid, privilege))[0].has:
            name = [now.schema, relation.name]
            return missing_privilege(now, privilege, grant(privilege, "TABLE", name, now.user))
        sql = "SELECT f.name FROM unnest(%s::text[]) AS f(name) WHERE NOT has_column_privilege(%s::oid, f.name, %s)"
        lacking: list[Any] = self.session.query(sql, (columns, relation.oid, privilege)) if columns else []
        if not lacking:
            return None
        names = [row.name for row in lacking]
        statement = grant(privilege, "TABLE", [now.schema, relation.name], now.user, names)
        return missing_privilege(now, privilege, statement)
