"""What we write is what we read, or it is refused, never silently different: random values through a real table."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synccore.connectors.postgresql import PostgresqlConnector
from synccore.connectors.values import fit
from synccore.failures import Rejected
from synccore.shapes import CreateItem, FieldInfo, FieldType, Record, UpdateItem, Value
from tests.connectors.harness import stored
from tests.connectors.pg import LINE, Server

COLUMNS = {
    "boolean": "boolean",
    "small": "smallint",
    "int": "integer",
    "big": "bigint",
    "number": "numeric",
    "amount": "numeric(10, 2)",
    "thousands": "numeric(5, -3)",
    "tiny": "numeric(3, 5)",
    "single": "real",
    "double": "double precision",
    "text": "text",
    "name": "varchar(8)",
    "char": "char(5)",
    "date": "date",
    "time": "time",
    "second": "time(0)",
    "moment": "timestamptz",
    "millis": "timestamptz(3)",
    "wall": "timestamp",
    "wall_second": "timestamp(0)",
    "guid": "uuid",
    "bytes": "bytea",
    "cents": "cents",
}

ZONES = st.sampled_from((UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=12))))
TEXT = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="ab \\\"'{},%\n\t\x00é\u0301💧NUL", max_size=10),
    st.sampled_from(("NULL", "null", "{}", '"', "\\", "\\x41", "%s", "  ", "a  ", "\ud800")),
)
ROUND = st.sampled_from((1, 1_000, 1_000_000)).flatmap(
    lambda step: st.integers(0, 999_999).map(lambda micro: micro - micro % step)
)
VALUES: dict[FieldType, st.SearchStrategy[Value]] = {
    FieldType.BOOLEAN: st.booleans(),
    FieldType.INTEGER: st.one_of(
        st.integers(-(2**16), 2**16), st.integers(-(2**33), 2**33), st.integers(-(2**70), 2**70)
    ),
    FieldType.DECIMAL: st.one_of(
        st.decimals(allow_nan=False, allow_infinity=False),
        st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9),
        st.integers(-(10**8), 10**8).map(lambda n: Decimal(n).scaleb(3)),
        st.integers(-999, 999).map(lambda n: Decimal(n).scaleb(-5)),
        st.sampled_from(
            tuple(map(Decimal, ("NaN", "Infinity", "-0", "0.00", "1E+5", "1E-5", "1E+400", "1E-400")))
        ),
    ),
    FieldType.FLOAT: st.one_of(
        st.floats(), st.floats(width=32), st.decimals(places=2, allow_nan=False).map(float)
    ),
    FieldType.TEXT: TEXT,
    FieldType.DATE: st.dates(),
    FieldType.TIME: st.builds(lambda t, micro: t.replace(microsecond=micro), st.times(), ROUND),
    FieldType.INSTANT: st.builds(
        lambda d, micro: d.replace(microsecond=micro), st.datetimes(timezones=ZONES), ROUND
    ),
    FieldType.DATETIME: st.builds(lambda d, micro: d.replace(microsecond=micro), st.datetimes(), ROUND),
    FieldType.GUID: st.uuids(),
    FieldType.BINARY: st.binary(max_size=20),
}
ANY = st.one_of(*VALUES.values())
_id = count(1)


@pytest.fixture
def line(server: Server) -> PostgresqlConnector:
    server.run("CREATE DOMAIN cents AS numeric(6, 2) CHECK (VALUE >= 0)")
    columns = ", ".join(f'"{name}" {type}' for name, type in COLUMNS.items())
    server.run(f"CREATE TABLE line (id int PRIMARY KEY, {columns})")
    return server.connect()


def same(written: Value, read: Value) -> bool:
    if isinstance(written, float | Decimal) and isinstance(read, float | Decimal) and math.isnan(written):
        return math.isnan(read)
    if isinstance(written, datetime):
        return (
            isinstance(read, datetime)
            and written == read
            and (written.tzinfo is None) == (read.tzinfo is None)
        )
    return type(written) is type(read) and written == read


@pytest.mark.parametrize("column", COLUMNS)
def test_round_trip(line: PostgresqlConnector, column: str) -> None:
    info = line.describe()["line"].fields[column]

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.lists(VALUES[info.type], min_size=1, max_size=20))
    def check(values: list[Value]) -> None:
        ids = [str(next(_id)) for _ in values]
        results = line.create(
            LINE,
            [CreateItem(id, {column: value}, id) for id, value in zip(ids, values, strict=True)],
            [column],
        )
        read = {record.id: record.fields[column] for record in line.fetch(LINE, ids, [column])}
        for id, value, result in zip(ids, values, results, strict=True):
            if isinstance(result, Record):
                expected = value.rstrip(" ") if info.padded and isinstance(value, str) else value
                assert same(expected, result.fields[column]), (value, result.fields[column])
                assert same(expected, read[id])
                found = line.find(LINE, column, [value], [column])
                assert id in {record.id for record in found}, value
            else:
                assert isinstance(result, Rejected), result
                assert result.params["field"] == column
                assert id not in read

    check()


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_value_of_another_type_is_kept_as_it_is_or_refused(data: st.DataObject) -> None:
    """Run against the described limits only; the table itself is tried in ``test_round_trip``."""
    info = FieldInfo("f", data.draw(st.sampled_from(list(FieldType))))
    value = data.draw(ANY)
    try:
        fitted = fit("t", info, value)
    except Rejected as failure:
        assert failure.params["field"] == "f"
        return
    assert fit("t", info, fitted) == fitted or fitted != fitted
    if isinstance(value, bool):
        assert isinstance(fitted, bool | str)


@pytest.mark.parametrize(
    ("column", "value", "code", "limit"),
    [
        ("amount", Decimal("0.005"), "number_too_precise", 2),
        ("amount", Decimal("100000000"), "number_out_of_range", "99999999.99"),
        ("thousands", Decimal(12_345), "number_too_precise", -3),
        ("thousands", Decimal(10**8), "number_out_of_range", "99999000"),
        ("tiny", Decimal("0.01"), "number_out_of_range", "0.00999"),
        ("small", 40_000, "number_out_of_range", "32767"),
        ("small", -40_000, "number_out_of_range", "-32768"),
        ("int", 1.5, "number_too_precise", 0),
        ("single", 0.123456789, "number_too_precise", 6),
        ("single", 1e39, "number_out_of_range", "3.4028235e38"),
        ("double", 2**53 + 1, "number_too_precise", 15),
        ("name", "x" * 9, "value_too_long", 8),
        ("char", "123456", "value_too_long", 5),
        ("second", time(1, 2, 3, 4), "time_too_precise", 0),
        ("millis", datetime(2026, 1, 1, microsecond=1, tzinfo=UTC), "time_too_precise", 3),
        ("moment", datetime(2026, 1, 1), "zone_missing", None),
        ("wall", datetime(2026, 1, 1, tzinfo=UTC), "zone_missing", None),
        ("time", time(1, tzinfo=UTC), "zone_missing", None),
        ("date", datetime(2026, 1, 1, 5), "invalid_value", None),
        ("guid", "no guid", "invalid_value", None),
        ("bytes", "text", "invalid_value", None),
        ("boolean", "yes", "invalid_value", None),
        ("text", b"bytes", "invalid_value", None),
        ("big", True, "invalid_value", None),
    ],
)
def test_what_would_be_lost_is_refused(
    line: PostgresqlConnector, column: str, value: Value, code: str, limit: object
) -> None:
    [result] = line.create(LINE, [CreateItem("k", {column: value}, "1")], [column])
    assert isinstance(result, Rejected)
    assert (result.code, result.params["table"], result.params["field"]) == (code, "line", column)
    assert result.params.get("limit") == limit


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("int", "12", 12),
        ("int", Decimal("12.000"), 12),
        ("amount", "12.50", Decimal("12.5")),
        ("amount", 3, Decimal(3)),
        ("amount", 0.1, Decimal("0.1")),
        ("double", Decimal("0.5"), 0.5),
        ("text", 12, "12"),
        ("text", Decimal("1E+3"), "1000"),
        ("text", date(2026, 1, 2), "2026-01-02"),
        ("date", "2026-01-02", date(2026, 1, 2)),
        ("moment", "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("boolean", "true", True),
    ],
)
def test_text_and_numbers_that_denote_one_value_are_taken(
    line: PostgresqlConnector, column: str, value: Value, expected: Value
) -> None:
    [record] = stored(line.create(LINE, [CreateItem("k", {column: value}, "1")], [column]))
    assert same(expected, record.fields[column])
    [record] = stored(line.update(LINE, [UpdateItem("1", record.version, {column: None})], [column]))
    assert record.fields[column] is None


def test_a_large_text_goes_through(line: PostgresqlConnector) -> None:
    large = 'Zeile "ä"\\\n' * 100_000
    [record] = stored(line.create(LINE, [CreateItem("k", {"text": large}, "1")], ["text"]))
    assert record.fields["text"] == large
    [refused] = line.create(LINE, [CreateItem("k", {"name": large}, "2")], ["name"])
    assert isinstance(refused, Rejected)
    assert refused.params["length"] == len(large)
    assert len(refused.params["value"]) == 2_001
