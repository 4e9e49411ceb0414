"""Pieces of SQL: names, values as array literals, the list of expressions a record is read by, filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from synccore.connectors.filtering import bad_filter, condition_values
from synccore.connectors.values import fit
from synccore.failures import Misconfigured
from synccore.shapes import Condition, FieldInfo, FieldType, Filter, Operator, Record, TableRef, Value

if TYPE_CHECKING:
    from synccore.connectors.postgresql.catalogue import Column, Relation

#: Python's first and last moment. What PostgreSQL keeps beyond them (infinity, BC, year 10000) is read as the nearest.
_FIRST: Final = "0001-01-01 00:00:00"
_LAST: Final = "9999-12-31 23:59:59.999999"
_CLAMPED: Final = {
    FieldType.DATE: ("date '0001-01-01'", "date '9999-12-31'"),
    FieldType.DATETIME: (f"timestamp '{_FIRST}'", f"timestamp '{_LAST}'"),
    FieldType.INSTANT: (f"timestamptz '{_FIRST}+00'", f"timestamptz '{_LAST}+00'"),
    FieldType.TIME: ("time '00:00:00'", "time '23:59:59.999999'"),
}
_RAW: Final = frozenset(
    {
        FieldType.INTEGER,
        FieldType.DECIMAL,
        FieldType.FLOAT,
        FieldType.BOOLEAN,
        FieldType.GUID,
        FieldType.BINARY,
    }
)


def quote(name: str) -> str:
    """An identifier, quoted; a per cent sign doubled, since every statement here is sent with parameters."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def cast_name(name: str) -> str:
    """A type's name as ``format_type`` gives it, ready for a statement with parameters."""
    return name.replace("%", "%%")


def read_expression(column: Column) -> str:
    """What is selected for a column, so that the driver gives the Python type of its FieldType."""
    name = f"t.{quote(column.info.name)}"
    if column.info.type in _RAW:
        return name
    if column.info.type in _CLAMPED:
        low, high = _CLAMPED[column.info.type]
        return f"CASE WHEN {name} IS NOT NULL THEN LEAST(GREATEST({name}, {low}), {high}) END"
    return f"{name}::text"  # char(n) loses its padding here


# -- values as elements of an array literal -----------------------------------------------------------------------------


def _text(value: Any) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _number(value: Any) -> str:
    if isinstance(value, Decimal):
        return "NaN" if value.is_nan() else str(value)
    return repr(value)


def _moment(value: Any) -> str:
    text: str = value.isoformat()
    return text


_ELEMENT: Final[dict[FieldType, Callable[[Any], str]]] = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: str,
    FieldType.DECIMAL: _number,
    FieldType.FLOAT: _number,
    FieldType.BOOLEAN: lambda value: "t" if value else "f",
    FieldType.DATE: _moment,
    FieldType.TIME: _moment,
    FieldType.INSTANT: _moment,
    FieldType.DATETIME: _moment,
    FieldType.GUID: str,
    FieldType.BINARY: lambda value: f'"\\\\x{value.hex()}"',
}


def element(table: str, info: FieldInfo, value: Value) -> str:
    """One value as an element of an array literal. Raises Rejected where the field cannot hold it exactly."""
    fitted = fit(table, info, value)
    return "NULL" if fitted is None else _ELEMENT[info.type](fitted)


def array(elements: Sequence[str]) -> str:
    """An array literal: one text parameter instead of one parameter per value keeps a batch of 1,000 rows cheap."""
    return "{" + ",".join(elements) + "}"


def scalar(value: Value) -> str:
    """One fitted value as a text parameter that is cast in the statement."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, Decimal | float):
        return _number(value)
    return str(value)


# -- reading a record ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """The select list of one kind of reading, and how a row of it becomes a Record.

    The list is: id, version, stamp, changed by, key, name, owner, then the fields.
    """

    expressions: str
    fields: tuple[str, ...]

    def record(self, row: Sequence[Any]) -> Record:
        id = row[0]
        return Record(
            id,
            row[1],
            row[2],
            row[3],
            row[4] or id,
            row[5] or "",
            dict(zip(self.fields, row[7:], strict=True)),
            row[6],
        )


def reading(relation: Relation, table: TableRef, fields: Sequence[str], zone: str) -> Reading:
    """The select list for records of ``table`` with ``fields``, over alias ``t``; made once per relation."""
    cached = ("reading", table, tuple(fields), zone)
    found = relation.statements.get(cached)
    if found is None:
        optional = [table.modified_by_field, table.key_field, table.name_field, table.owner_field]
        expressions = [
            f"{_name(relation, _key(relation))}::text",
            version(relation, table),
            stamp(relation, table, zone),
            *(f"{_name(relation, name)}::text" if name else "NULL" for name in optional),
            *(read_expression(known_column(relation, name)) for name in fields),
        ]
        found = Reading(", ".join(expressions), tuple(fields))
        relation.statements[cached] = found
    assert isinstance(found, Reading)
    return found


def version(relation: Relation, table: TableRef) -> str:
    """The version of a row, as text.

    ``xmin``, the transaction that stored the row: compared for equality only, so neither wrap-around nor freezing (which
    since PostgreSQL 9.4 keeps the stored number) matters. A view has none: its stamp, where that is exact to the
    microsecond, else a hash of what can be read. Likewise a table of which only some columns may be read, and a partitioned
    table, whose INSERT … RETURNING has no system columns.
    """
    if relation.has_xmin:
        return "t.xmin::text"
    readable = ", ".join(f"t.{quote(name)}" for name, column in relation.columns.items() if column.readable)
    content = f"md5(ROW({readable})::text)"
    if relation.kind in ("v", "m", "f") and table.modified_field:
        column = known_column(relation, table.modified_field)
        if is_stamp(column) and column.info.fraction == 6:
            return f"coalesce(t.{quote(table.modified_field)}::text, {content})"
    return content


def is_stamp(column: Column) -> bool:
    return column.info.type in (FieldType.INSTANT, FieldType.DATETIME)


def stamp(relation: Relation, table: TableRef, zone: str) -> str:
    """The stamp as a moment; one without zone is a reading of the clock on the wall of ``zone``."""
    if not table.modified_field:
        return "NULL::timestamptz"
    column = known_column(relation, table.modified_field)
    if not is_stamp(column):
        raise Misconfigured(
            "bad_modified_field",
            {"table": relation.name, "field": table.modified_field, "type": column.info.native},
        )
    expression = read_expression(column)
    if column.info.type is FieldType.DATETIME:
        low, high = _CLAMPED[FieldType.INSTANT]
        at = f"({expression}) AT TIME ZONE '{zone}'"
        return f"CASE WHEN {_name(relation, table.modified_field)} IS NOT NULL THEN LEAST(GREATEST({at}, {low}), {high}) END"
    return expression


def known_column(relation: Relation, name: str) -> Column:
    """The column, or Misconfigured ``unknown_field`` (scope table)."""
    try:
        return relation.columns[name]
    except KeyError:
        raise Misconfigured("unknown_field", {"table": relation.name, "field": name}) from None


def _key(relation: Relation) -> str:
    if relation.key is None:
        raise Misconfigured("no_key", {"table": relation.name})
    return relation.key


def _name(relation: Relation, name: str) -> str:
    known_column(relation, name)
    return f"t.{quote(name)}"


# -- filters ------------------------------------------------------------------------------------------------------------

_SYMBOLS: Final = {Operator.LT: "<", Operator.LE: "<=", Operator.GT: ">", Operator.GE: ">="}
#: Casts that hold every value of a type, so that a limit outside the column's own range compares instead of failing.
_WIDE: Final = {FieldType.INTEGER: "numeric", FieldType.FLOAT: "float8", FieldType.TEXT: "text"}


def where(relation: Relation, filter: Filter) -> tuple[list[str], list[Any]]:
    """The filter as SQL conditions over alias ``t`` and their parameters. Raises Misconfigured ``bad_filter``."""
    conditions: list[str] = []
    params: list[Any] = []
    for condition in filter:
        column = relation.columns.get(condition.field)
        if column is None:
            raise bad_filter(relation.name, condition.field, "unknown_field")
        sql, values = _condition(relation, column, condition)
        conditions.append(sql)
        params.extend(values)
    return conditions, params


def _condition(relation: Relation, column: Column, condition: Condition) -> tuple[str, list[Any]]:
    values = condition_values(relation.name, condition, column.info)
    name = f"t.{quote(column.info.name)}"
    is_text = column.info.type is FieldType.TEXT
    empty = f"({name} IS NULL OR {name}::text = '')" if is_text else f"{name} IS NULL"
    match condition.operator:
        case Operator.EMPTY:
            return empty, []
        case Operator.NOT_EMPTY:
            return f"NOT {empty}", []
        case Operator.EQ | Operator.IN:
            return _among(column, name, empty, values)
        case Operator.NE | Operator.NOT_IN:
            sql, params = _among(column, name, empty, values)
            return f"({sql}) IS NOT TRUE", params
        case Operator.STARTS_WITH:
            return f"starts_with({name}::text, %s::text)", [values[0]]
    symbol = _SYMBOLS[condition.operator]
    if is_text:
        value = scalar(values[0])
        return f'(NOT {empty} AND {name}::text COLLATE "C" {symbol} %s::text COLLATE "C")', [value]
    return f"{name} {symbol} %s::{_comparison_cast(column, values)}", [scalar(values[0])]


def _among(column: Column, name: str, empty: str, values: Sequence[Value]) -> tuple[str, list[Any]]:
    parts, params = [], []
    if None in values:
        parts.append(empty)
    wanted = [value for value in values if value is not None]
    if wanted:
        texts = array([_ELEMENT[column.info.type](value) for value in wanted])
        parts.append(f"{comparable(column, name)} = ANY(%s::{_comparison_cast(column, wanted)}[])")
        params.append(texts)
    return " OR ".join(parts) if len(parts) == 1 else f"({' OR '.join(parts) or 'false'})", params


def comparable(column: Column, name: str) -> str:
    """The column so that ``=`` is exact and, wherever that is the case anyway, its index can be used."""
    if column.info.type is not FieldType.TEXT or (
        column.exact and column.supported and column.cast in ("text", "varchar")
    ):
        return name
    return f'{name}::text COLLATE "C"'


def _comparison_cast(column: Column, values: Sequence[Value]) -> str:
    if column.info.type is FieldType.INTEGER:
        fits = all(isinstance(value, int) and -(1 << 63) <= value < 1 << 63 for value in values)
        return "int8" if fits else "numeric"
    return _WIDE.get(column.info.type, column.cast)
