"""The connector for any app that keeps its records in a PostgreSQL database (12 or newer)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self, TypeVar
from urllib.parse import quote as url_quote

from synccore.connectors.base import Connector, WriteResult
from synccore.connectors.options import Option, OptionType, bad_option
from synccore.connectors.options import gettext_noop as _
from synccore.connectors.postgresql import audit, reading, writing
from synccore.connectors.postgresql.database import Database
from synccore.connectors.postgresql.patterns import read_patterns
from synccore.connectors.postgresql.session import Session
from synccore.failures import Failure, Misconfigured, Scope
from synccore.shapes import (
    CreateItem,
    DeleteItem,
    Filter,
    Finding,
    KeyKind,
    Page,
    Record,
    TableInfo,
    TableRef,
    TableUse,
    UpdateItem,
    Value,
    VersionPage,
)

T = TypeVar("T")

_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}\Z")


class PostgresqlConnector(Connector):
    """Reads and writes tables and views of one schema, with the rights of one database role.

    Version of a record: ``xmin``; of a view's record see ``sql.version``. Dates and moments that Python cannot name
    (infinity, BC, year 10000 and later) are read as the first or last it can. A row that a policy hides is absent.
    """

    kind = "postgresql"
    label = _("PostgreSQL database")
    page_size = 1000
    options: ClassVar[tuple[Option, ...]] = (
        Option("host", _("Server"), address=True, place=True, placeholder="erp.example.com"),
        Option("port", _("Port"), OptionType.INTEGER, minimum=1, address=True, place=True, placeholder="5432"),
        Option("dbname", _("Database"), address=True, place=True),
        Option("user", _("Integration user"), address=True),
        Option("password", _("Password"), secret=True),
        Option(
            "dsn", _("Connection string"), secret=True, help=_("Instead of the fields above, or beside them.")
        ),
        Option("sslmode", _("Encryption"), OptionType.CHOICE, choices=_SSL_MODES, address=True),
        Option("schema", _("Schema"), default="public", place=True),
        Option(
            "views", _("Key fields of views"), OptionType.JSON, help=_("View name and its key field."),
            group=_("Reading"), advanced=True,
        ),
        Option(
            "overlap", _("Overlap of two readings (seconds)"), OptionType.INTEGER, default=300, minimum=0,
            help=_("So much of the time before is read again: records that were stored late are not missed."),
            advanced=True,
        ),
        Option("time_zone", _("Time zone of times without one"), default="UTC", advanced=True),
        Option(
            "connect_timeout", _("Longest wait for a connection (seconds)"), OptionType.INTEGER, default=10,
            minimum=1, group=_("Waiting"), advanced=True,
        ),
        Option(
            "lock_timeout", _("Longest wait for a lock (seconds)"), OptionType.INTEGER, default=5, minimum=1,
            advanced=True,
        ),
        Option(
            "statement_timeout", _("Longest statement (seconds)"), OptionType.INTEGER, default=55, minimum=1,
            advanced=True,
        ),
        Option(
            "record_url", _("Address of a record"), help=_("With {table} and {id}."),
            placeholder="https://erp.example.com/{table}/{id}", group=_("Pages and messages"), advanced=True,
        ),
        Option(
            "patterns", _("Known error messages"), OptionType.JSON,
            help=_("The app's own errors, and what each means; see the guide of connectors."), advanced=True,
        ),
    )  # fmt: skip

    def __init__(self, database: Database, *, record_url: str | None = None) -> None:
        self._database = database
        self._record_url = record_url

    @classmethod
    def missing(cls, values: Mapping[str, Any]) -> tuple[str, ...]:
        return () if values.get("dsn") else tuple(name for name in ("dbname", "user") if not values.get(name))

    @classmethod
    def open(cls, values: Mapping[str, Any], *, app: str) -> Self:
        if not _ZONE.match(values["time_zone"]):
            raise bad_option("time_zone", "wrong_shape")
        views = values["views"] or {}
        if not isinstance(views, dict) or not all(isinstance(name, str) for name in views.values()):
            raise bad_option("views", "wrong_shape")
        for name, limit in (("statement_timeout", 55), ("lock_timeout", 30), ("connect_timeout", 30)):
            if values[name] > limit:
                raise bad_option(name, "too_large", limit=limit)
        database = Database(
            Session(values),
            app=app,
            patterns=read_patterns(values["patterns"]),
            views=views,
            zone=values["time_zone"],
            overlap=values["overlap"],
        )
        return cls(database, record_url=values["record_url"])

    def close(self) -> None:
        self._database.session.close()

    # -- knowing the app -----------------------------------------------------------------------------------------------

    def check(self, table: TableRef | None = None, *, write: bool = False) -> None:
        name = table.name if table else ""
        self._run(name, "read", lambda: self._check(table, write))

    def _check(self, table: TableRef | None, write: bool) -> None:
        session = self._database.session
        row = session.query("SELECT current_setting('transaction_read_only') = 'on' AS read_only", ())[0]
        if write and row.read_only:
            raise Misconfigured("app_read_only", self._database.address(), scope=Scope.CONNECTION)
        if table is None:
            return
        relation = self._database.relation(table.name)
        reading.key_column(relation)
        named = (
            table.modified_field,
            table.modified_by_field,
            table.key_field,
            table.name_field,
            table.owner_field,
        )
        for name in filter(None, named):
            if name not in relation.columns:
                raise Misconfigured("unknown_field", {"table": table.name, "field": name})
        if write and not relation.describe().writable:
            raise Misconfigured("not_writable", {"table": table.name})
        fields = [name for name in (relation.key, *named) if name]
        operations = ("read", "create", "update", "delete") if write else ("read",)
        self._database.check_rights(relation, operations, fields)

    def now(self) -> datetime:
        rows = self._run("", "read", lambda: self._database.session.rows("SELECT clock_timestamp()", ()))
        moment: datetime = rows[0][0]
        return moment.astimezone(UTC)

    def describe(self) -> dict[str, TableInfo]:
        relations = self._run("", "read", self._database.relations)
        return {name: relation.describe() for name, relation in relations.items()}

    def audit(self, uses: Sequence[TableUse]) -> list[Finding]:
        return audit.audit(self._database, uses)

    def record_url(self, table: TableRef, id: str) -> str | None:
        if not self._record_url:
            return None
        address = self._record_url.replace("{table}", url_quote(table.name, safe=""))
        return address.replace("{id}", url_quote(id, safe=""))

    # -- reading -------------------------------------------------------------------------------------------------------

    def changes(
        self,
        table: TableRef,
        fields: Sequence[str],
        filter: Filter = (),
        cursor: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
    ) -> Page:
        limit = limit or self.page_size
        return self._run(
            table.name,
            "read",
            lambda: reading.changes(self._database, table, fields, filter, cursor or {}, limit),
            fields,
        )

    def cursor_at(self, table: TableRef, moment: datetime) -> dict[str, Any] | None:
        return self._run(table.name, "read", lambda: reading.cursor_at(self._database, table, moment), ())

    def fetch(
        self, table: TableRef, ids: Sequence[str], fields: Sequence[str] | Literal["*"]
    ) -> list[Record]:
        named = () if fields == "*" else fields
        return self._run(table.name, "read", lambda: reading.fetch(self._database, table, ids, fields), named)

    def find(
        self, table: TableRef, field: str, values: Sequence[Value], fields: Sequence[str]
    ) -> list[Record]:
        return self._run(
            table.name,
            "read",
            lambda: reading.find(self._database, table, field, values, fields),
            (*fields, field),
        )

    def search(self, table: TableRef, text: str, fields: Sequence[str], *, limit: int = 20) -> list[Record]:
        return self._run(
            table.name, "read", lambda: reading.search(self._database, table, text, fields, limit), fields
        )

    def versions(
        self,
        table: TableRef,
        filter: Filter = (),
        cursor: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
    ) -> VersionPage:
        limit = limit or self.page_size
        return self._run(
            table.name, "read", lambda: reading.versions(self._database, table, filter, cursor or {}, limit)
        )

    # -- writing -------------------------------------------------------------------------------------------------------

    def reserve_ids(self, table: TableRef, n: int) -> list[str]:
        def reserve() -> list[str]:
            relation = self._database.relation(table.name)
            if relation.key_kind is not KeyKind.SEQUENCE or relation.sequence is None:
                raise Misconfigured("no_sequence", {"table": table.name})
            sequence = ".".join('"' + part.replace('"', '""') + '"' for part in relation.sequence)
            sql = "SELECT nextval(%s::regclass)::text FROM generate_series(1, %s)"
            return [row[0] for row in self._database.session.rows(sql, (sequence, n))]

        return self._run(table.name, "reserve", reserve)

    def create(
        self, table: TableRef, items: Sequence[CreateItem], fields: Sequence[str]
    ) -> list[WriteResult]:
        return self._run(table.name, "create", lambda: writing.create(self._database, table, items, fields))

    def update(
        self, table: TableRef, items: Sequence[UpdateItem], fields: Sequence[str]
    ) -> list[WriteResult]:
        return self._run(table.name, "update", lambda: writing.update(self._database, table, items, fields))

    def delete(self, table: TableRef, items: Sequence[DeleteItem]) -> list[None | Failure]:
        return self._run(table.name, "delete", lambda: writing.delete(self._database, table, items))

    def _run(self, table: str, operation: str, work: Callable[[], T], fields: Iterable[str] = ()) -> T:
        return self._database.run(table, operation, work, fields)
