"""One connection to a PostgreSQL server: opened late, set up the same everywhere, closed for good when it breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow, namedtuple_row

from synccore.connectors.options import bad_option
from synccore.failures import Misconfigured, Scope

#: What a value looks like as text, and which isolation a write has, must not depend on how a role or database is set up.
_FIXED: Final = {
    "application_name": "tandem",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "60s",
}

#: A peer that is gone without a word is noticed within half a minute.
_KEEPALIVE: Final = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
#: Errors after which the same statement may succeed on a new connection with freshly read columns: cached plan must not
#: change result type, undefined table, undefined column, datatype mismatch.
_TABLE_CHANGED: Final = frozenset({"0A000", "42P01", "42703", "42804"})

Params = Sequence[Any] | Mapping[str, Any]


class Session:
    """Runs statements with autocommit; ``transaction()`` around those that belong together.

    Lets psycopg's errors through; the connector translates them (``errors.translate``).
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.schema: str = values["schema"]
        self._settings = {
            **_FIXED,
            "lock_timeout": f"{values['lock_timeout']}s",
            "statement_timeout": f"{values['statement_timeout']}s",
        }
        parts = _parts(values)
        self.user = str(parts.get("user", ""))
        self.database = str(parts.get("dbname", "") or self.user)
        self.host = str(parts.get("host", ""))
        self.port = str(parts.get("port", "") or "5432")
        self._conninfo = make_conninfo(**parts)
        self.secrets = tuple(
            {
                str(secret)
                for secret in (parts.get("password"), values.get("password"), values.get("dsn"))
                if secret
            }
        )
        self._connection: psycopg.Connection[TupleRow] | None = None

    def __repr__(self) -> str:
        return f"<Session {self.user}@{self.host}:{self.port}/{self.database}>"

    @property
    def connection(self) -> psycopg.Connection[TupleRow]:
        """The open connection; a broken one is replaced. Raises psycopg.OperationalError where that fails."""
        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(self._conninfo, autocommit=True)
            try:
                calls = ", ".join("set_config(%s, %s, false)" for _ in self._settings)
                connection.execute(
                    f"SELECT {calls}", [text for pair in self._settings.items() for text in pair]
                )
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    @property
    def broken(self) -> bool:
        """True where the last connection was lost, not given back."""
        return self._connection is not None and self._connection.closed

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def query(self, sql: str, params: Params) -> list[Any]:
        """All rows as named tuples; for catalogue and single values."""
        with self.connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(sql.encode(), params).fetchall()

    def rows(self, sql: str, params: Params) -> list[TupleRow]:
        """All rows as plain tuples; for records."""
        return self.connection.execute(sql.encode(), params).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction, or a savepoint inside one: rolled back if the block raises."""
        with self.connection.transaction():
            yield


def table_changed(error: psycopg.Error) -> bool:
    """Whether the error may come from a table that was changed since its columns were read."""
    return error.sqlstate in _TABLE_CHANGED


def _parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of the connection string; those given one by one win over those inside ``dsn``."""
    parts: dict[str, Any] = {}
    if values.get("dsn"):
        try:
            parts = dict(conninfo_to_dict(values["dsn"]))
        except psycopg.Error:  # its text may quote the password
            raise Misconfigured("bad_connection_string", {"field": "dsn"}, scope=Scope.CONNECTION) from None
    for name in ("host", "port", "dbname", "user", "sslmode", "connect_timeout", "password"):
        if values.get(name) not in (None, ""):
            parts.setdefault(name, values[name]) if name == "connect_timeout" else parts.update(
                {name: values[name]}
            )
    for name in ("dbname", "user"):
        if not parts.get(name):
            raise bad_option(name, "required")
    return {**_KEEPALIVE, **parts, "client_encoding": "UTF8", "application_name": "tandem"}
