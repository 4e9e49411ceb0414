"""What PostgreSQL's errors mean: one table from SQLSTATE to failure, and the facts each of them sends.

The server's words are never interpreted where it has a code; only failures to connect come without one, and are told
apart by the client library's and the server's English wording.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import psycopg

from synccore.connectors.postgresql.patterns import Pattern
from synccore.connectors.values import shown
from synccore.failures import Failure, Misconfigured, Rejected, Scope, Transient, Unrecognised
from synccore.shapes import FieldInfo, Value


class Meaning(NamedTuple):
    """What one SQLSTATE (or, with two characters, a class of them) comes out as."""

    failure: type[Failure]
    code: str
    scope: Scope = Scope.RECORD


_RECORD, _TABLE, _CONNECTION = Scope.RECORD, Scope.TABLE, Scope.CONNECTION

MEANINGS: Final[Mapping[str, Meaning]] = {
    # -- values -------------------------------------------------------------------------------------------------------
    "23505": Meaning(Rejected, "duplicate_key"),
    "23P01": Meaning(Rejected, "duplicate_key"),  # exclusion constraint: the row overlaps another
    "23503": Meaning(Rejected, "reference_missing"),  # or still_referenced, see _foreign_key
    "23001": Meaning(Rejected, "still_referenced"),  # ON DELETE RESTRICT
    "23514": Meaning(Rejected, "check_refused"),
    "44000": Meaning(Rejected, "check_refused"),  # WITH CHECK OPTION of a view
    "23502": Meaning(Rejected, "value_required"),
    "22004": Meaning(Rejected, "value_required"),
    "22001": Meaning(Rejected, "value_too_long"),
    "22003": Meaning(Rejected, "number_out_of_range"),
    "22P02": Meaning(Rejected, "invalid_value"),
    "22007": Meaning(Rejected, "invalid_value"),
    "22008": Meaning(Rejected, "invalid_value"),
    "22021": Meaning(Rejected, "unstorable_character"),
    "22P05": Meaning(Rejected, "unstorable_character"),  # the database's encoding lacks the character
    "428C9": Meaning(Rejected, "read_only_field"),  # a generated column
    # -- set-up -------------------------------------------------------------------------------------------------------
    "42501": Meaning(Misconfigured, "missing_privilege", _TABLE),
    "42P01": Meaning(Misconfigured, "unknown_table", _TABLE),
    "3F000": Meaning(Misconfigured, "unknown_table", _TABLE),
    "42703": Meaning(Misconfigured, "unknown_field", _TABLE),
    "42804": Meaning(Misconfigured, "table_changed", _TABLE),
    "0A000": Meaning(Misconfigured, "not_supported", _TABLE),
    "55000": Meaning(Misconfigured, "not_supported", _TABLE),  # e.g. a view that cannot be written to
    "25006": Meaning(Misconfigured, "app_read_only", _CONNECTION),
    "28P01": Meaning(Misconfigured, "sign_in_refused", _CONNECTION),
    "28000": Meaning(Misconfigured, "sign_in_refused", _CONNECTION),
    "3D000": Meaning(Misconfigured, "unknown_database", _CONNECTION),
    # -- passing by themselves ----------------------------------------------------------------------------------------
    "40001": Meaning(Transient, "lock_timeout"),
    "40P01": Meaning(Transient, "lock_timeout"),
    "55P03": Meaning(Transient, "lock_timeout"),
    "57014": Meaning(Transient, "statement_timeout"),
    "25P03": Meaning(Transient, "connection_lost", _CONNECTION),
    "08": Meaning(Transient, "connection_lost", _CONNECTION),
    "57P01": Meaning(Transient, "connection_lost", _CONNECTION),
    "57P02": Meaning(Transient, "connection_lost", _CONNECTION),
    "57P03": Meaning(Transient, "app_starting", _CONNECTION),
    "57P04": Meaning(Misconfigured, "unknown_database", _CONNECTION),
    "57P05": Meaning(Transient, "connection_lost", _CONNECTION),
    "53100": Meaning(Transient, "disk_full", _CONNECTION),
    "53300": Meaning(Transient, "too_many_connections", _CONNECTION),
    "53": Meaning(Transient, "app_overloaded", _CONNECTION),
}


class _ConnectMeaning(NamedTuple):
    wording: re.Pattern[str]
    meaning: Meaning


#: Failures to connect, in the order they are tried.
CONNECT_MEANINGS: Final = tuple(
    _ConnectMeaning(re.compile(wording), meaning)
    for wording, meaning in (
        (
            r"password authentication failed|no password supplied|authentication failed|no pg_hba\.conf entry"
            r"|role \"[^\"]*\" (does not exist|is not permitted to log in)|pg_hba\.conf rejects",
            MEANINGS["28P01"],
        ),
        (r"database \"[^\"]*\" does not exist", MEANINGS["3D000"]),
        # ALLOW_CONNECTIONS false: somebody closed it for maintenance, and will open it again.
        (r"not currently accepting connections", MEANINGS["57P03"]),
        (r"permission denied for database", Meaning(Misconfigured, "missing_privilege", _CONNECTION)),
        (
            r"too many (clients|connections)|remaining connection slots|reserved for",
            MEANINGS["53300"],
        ),
        (r"the database system is (starting|shutting|in recovery|not )", MEANINGS["57P03"]),
        (
            r"failed to resolve host|could not translate host name|Name or service not known",
            Meaning(Misconfigured, "unknown_host", _CONNECTION),
        ),
        (
            r"SSL|certificate|invalid (port|sslmode|connection option|value)",
            Meaning(Misconfigured, "bad_connection_string", _CONNECTION),
        ),
        (
            r"Connection refused|No such file or directory|timeout expired|timed out|unreachable|No route",
            Meaning(Transient, "connection_refused", _CONNECTION),
        ),
    )
)

_DETAIL: Final = re.compile(r"\((?P<columns>[^=]{1,500})\)=\((?P<values>.{0,2000})\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the catalogue says about a constraint: its columns, its text, and which tables it joins."""

    fields: tuple[str, ...]
    definition: str
    table: str
    referenced: str


@dataclass(slots=True)
class Situation:
    """What was being done when the error came; the facts that the error itself does not carry.

    ``values`` is set where one record alone was written.
    """

    table: str = ""
    operation: str = "read"  # read | create | update | delete | reserve | connect
    infos: Mapping[str, FieldInfo] = field(default_factory=dict)
    values: Mapping[str, Value] | None = None
    constraint: Constraint | None = None
    app: str = ""
    user: str = ""
    database: str = ""
    host: str = ""
    port: str = ""
    schema: str = ""
    secrets: Sequence[str] = ()
    patterns: Sequence[Pattern] = ()
    lost: bool = False

    @property
    def writes(self) -> bool:
        return self.operation in ("create", "update", "delete")


def app_message(error: psycopg.Error, secrets: Sequence[str]) -> str:
    """What the server said, whole: message, detail and hint, secrets removed."""
    diag = error.diag
    parts = [part for part in (diag.message_primary, diag.message_detail, diag.message_hint) if part]
    return without_secrets("\n".join(parts) or str(error), secrets)


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def translate(error: psycopg.Error, now: Situation) -> Failure:
    """The failure that ``error`` stands for in this situation."""
    message = app_message(error, now.secrets)
    sqlstate = error.sqlstate or ""
    failure = _recognise(error, sqlstate, message, now)
    failure.app_message = message
    # Frames only: the exception's own text is the message again, with whatever it quotes.
    failure.debug = without_secrets(
        "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__} {sqlstate}".rstrip(),
        now.secrets,
    )
    failure.outcome_unknown = now.writes and failure.code == "connection_lost"
    return failure


def _recognise(error: psycopg.Error, sqlstate: str, message: str, now: Situation) -> Failure:
    for pattern in now.patterns:
        found = pattern.recognise(sqlstate, message, {"table": now.table, "sqlstate": sqlstate})
        if found is not None:
            return found
    meaning = MEANINGS.get(sqlstate) or MEANINGS.get(sqlstate[:2])
    if meaning is not None:
        meaning = _foreign_key(meaning, now) if sqlstate == "23503" else meaning
        return meaning.failure(meaning.code, _params(error, meaning, now), scope=_scope(meaning, now))
    if now.operation == "connect":
        for wording, meaning in CONNECT_MEANINGS:
            if wording.search(message):
                return meaning.failure(meaning.code, _params(error, meaning, now), scope=_CONNECTION)
        return Unrecognised("app_answer", {"sqlstate": sqlstate, "table": ""}, scope=_CONNECTION)
    if now.lost:
        return Transient("connection_lost", address(now), scope=_CONNECTION)
    if isinstance(error, psycopg.DataError) and not sqlstate:
        return Misconfigured("not_supported", {"table": now.table})
    scope = _RECORD if now.writes else _TABLE
    return Unrecognised("app_answer", {"sqlstate": sqlstate, "table": now.table}, scope=scope)


def _scope(meaning: Meaning, now: Situation) -> Scope:
    """A lock or a time-out while reading concerns the whole page."""
    return _TABLE if meaning.scope is _RECORD and not now.writes else meaning.scope


def _foreign_key(meaning: Meaning, now: Situation) -> Meaning:
    """Which end of the foreign key refused: this table's (a parent is missing) or another's (children remain)."""
    constraint = now.constraint
    if constraint is None or constraint.table == constraint.referenced:
        ours = now.operation != "delete"
    else:
        ours = constraint.table == now.table
    return meaning if ours else MEANINGS["23001"]


def address(now: Situation) -> dict[str, Any]:
    return {"app": now.app, "host": now.host, "port": now.port, "database": now.database, "user": now.user}


def _params(error: psycopg.Error, meaning: Meaning, now: Situation) -> dict[str, Any]:
    if meaning.scope is _CONNECTION:
        extra = {"privilege": "CONNECT", "table": ""} if meaning.code == "missing_privilege" else {}
        if extra:
            extra["grant"] = grant("CONNECT", "DATABASE", [now.database], now.user)
        return {**address(now), **extra}
    if meaning.code == "unknown_field":
        quoted = re.search(r'"([^"]{1,200})"', error.diag.message_primary or "")
        return {"table": now.table, "field": quoted[1] if quoted else ""}
    if meaning.failure is not Rejected:
        return {"table": now.table}
    return _value_params(error, meaning, now)


def _value_params(error: psycopg.Error, meaning: Meaning, now: Situation) -> dict[str, Any]:
    """table, field, fields, value, limit … of a refused value; "" where the server does not say and we cannot know."""
    diag = error.diag
    params: dict[str, Any] = {"table": now.table, "field": diag.column_name or "", "value": "", "limit": ""}
    constraint = now.constraint
    if diag.constraint_name:
        params["constraint"] = diag.constraint_name
    detail = _DETAIL.search(diag.message_detail or "")
    fields = constraint.fields if constraint else ()
    if (
        meaning.code == "still_referenced"
    ):  # the constraint's columns are the other table's; the detail names ours
        fields = ()
    if not fields and detail:
        fields = tuple(name.strip().strip('"') for name in detail["columns"].split(","))
    match meaning.code:
        case "duplicate_key" | "reference_missing" | "still_referenced":
            params |= {"fields": list(fields), "field": ", ".join(fields)}
            params["value"] = shown(detail["values"]) if detail else ""
            if constraint and meaning.code == "reference_missing":
                params["referenced"] = constraint.referenced
            elif meaning.code == "reference_missing":
                params["referenced"] = ""
            elif meaning.code == "still_referenced":
                params["referencing"] = constraint.table if constraint else diag.table_name or ""
        case "check_refused":
            params |= {
                "fields": list(fields),
                "field": ", ".join(fields),
                "constraint": diag.constraint_name or "",
            }
            params["limit"] = constraint.definition if constraint else ""
        case "value_too_long":
            _find_too_long(params, now)
        case "invalid_value":
            params["expected"] = ""
        case "unstorable_character":
            params["character"] = ""
    if not params["value"] and params["field"] and now.values:
        names = [name for name in str(params["field"]).split(", ") if name in now.values]
        params["value"] = ", ".join(shown(now.values[name]) for name in names)
    return params


def _find_too_long(params: dict[str, Any], now: Situation) -> None:
    """The server does not say which column; it is the one that holds more than its length."""
    params["length"] = 0
    for name, value in (now.values or {}).items():
        info = now.infos.get(name)
        if info and info.length is not None and isinstance(value, str) and len(value) > info.length:
            params |= {"field": name, "value": shown(value), "limit": info.length, "length": len(value)}
            return


def grant(privilege: str, what: str, name: Sequence[str], user: str, columns: Sequence[str] = ()) -> str:
    """The statement that gives a right, ready to copy."""

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    some = f" ({', '.join(map(quoted, columns))})" if columns else ""
    return f"GRANT {privilege}{some} ON {what} {'.'.join(map(quoted, name))} TO {quoted(user)};"


def missing_privilege(now: Situation, privilege: str, statement: str) -> Misconfigured:
    """The integration user lacks ``privilege`` on the table; ``statement`` grants it."""
    params = {"table": now.table, "user": now.user, "privilege": privilege, "grant": statement}
    return Misconfigured("missing_privilege", params)
