"""Every row of the error table that a server can be brought to send, with the facts it must name."""

from __future__ import annotations

from decimal import Decimal

import pytest

from synccore.connectors.postgresql import PostgresqlConnector
from synccore.failures import (
    Blocked,
    Misconfigured,
    Rejected,
    Scope,
    Unrecognised,
)
from synccore.shapes import CreateItem, DeleteItem, Record, TableRef, UpdateItem
from tests.connectors.harness import FIELDS, ITEM, items, stored
from tests.connectors.pg import LINE, PostgresqlHarness, Server, create_one, refused

ALL_RIGHTS = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema}"


# -- values ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lines(server: Server) -> PostgresqlConnector:
    server.run("CREATE TABLE currency (code varchar(3) PRIMARY KEY)")
    server.run("INSERT INTO currency VALUES ('EUR'), ('NOK')")
    server.run("CREATE DOMAIN short AS text CHECK (length(VALUE) < 4)")
    server.run("CREATE TYPE colour AS ENUM ('red', 'green')")
    server.run("""
        CREATE TABLE line (
            id integer PRIMARY KEY, first text, second text, currency varchar(3) REFERENCES currency,
            amount numeric(10, 2) CONSTRAINT amount_positive CHECK (amount > 0), note short, colour colour,
            low int, high int, day date, must text NOT NULL DEFAULT 'x', doubled int GENERATED ALWAYS AS (low * 2) STORED,
            CONSTRAINT first_second UNIQUE (first, second), CONSTRAINT low_high CHECK (low < high),
            CONSTRAINT apart EXCLUDE USING btree (day WITH =))""")
    server.run("CREATE UNIQUE INDEX note_index ON line (note)")
    return server.connect(server.role(ALL_RIGHTS.format(schema=server.schema)))


def test_duplicate_key(lines: PostgresqlConnector) -> None:
    assert isinstance(create_one(lines, LINE, id=1, first="a", second="b", note="n"), Record)
    failure = refused(
        create_one(lines, LINE, id=2, first="a", second="b"),
        "duplicate_key",
        table="line",
        fields=["first", "second"],
        field="first, second",
        value="a, b",
        constraint="first_second",
    )
    assert isinstance(failure, Rejected) and failure.scope is Scope.RECORD
    assert (
        failure.app_message.startswith("duplicate key value")
        and "Key (first, second)=(a, b)" in failure.app_message
    )
    refused(create_one(lines, LINE, id=1), "duplicate_key", field="id", value="1")
    refused(create_one(lines, LINE, id=3, note="n"), "duplicate_key", field="note", value="n")


def test_exclusion(lines: PostgresqlConnector) -> None:
    assert isinstance(create_one(lines, LINE, id=1, day="2026-01-01"), Record)
    refused(create_one(lines, LINE, id=2, day="2026-01-01"), "duplicate_key", field="day", constraint="apart")


def test_references(lines: PostgresqlConnector, server: Server) -> None:
    failure = refused(
        create_one(lines, LINE, id=1, currency="SEK"),
        "reference_missing",
        table="line",
        field="currency",
        value="SEK",
        referenced="currency",
    )
    assert isinstance(failure, Rejected)
    assert isinstance(create_one(lines, LINE, id=1, currency="EUR"), Record)
    [eur, nok] = sorted(lines.fetch(TableRef("currency"), ["EUR", "NOK"], ["code"]), key=lambda r: r.id)
    kept, gone = lines.delete(TableRef("currency"), [DeleteItem(r.id, r.version) for r in (eur, nok)])
    failure = refused(
        kept, "still_referenced", table="currency", field="code", value="EUR", referencing="line"
    )
    assert isinstance(failure, Rejected)
    assert gone is None
    [moved] = lines.update(TableRef("currency"), [UpdateItem("EUR", eur.version, {"code": "EUX"})], ["code"])
    refused(moved, "still_referenced", field="code", value="EUR")
    server.run("ALTER TABLE line DROP CONSTRAINT line_currency_fkey")
    server.run("ALTER TABLE line ADD FOREIGN KEY (currency) REFERENCES currency ON DELETE RESTRICT")
    [kept] = lines.delete(TableRef("currency"), [DeleteItem(eur.id, eur.version)])
    refused(kept, "still_referenced", referencing="line")


def test_a_table_that_refers_to_itself(server: Server) -> None:
    server.run("CREATE TABLE node (id int PRIMARY KEY, parent int REFERENCES node)")
    connector, node = server.connect(), TableRef("node")
    [parent, child] = stored(
        connector.create(node, [CreateItem("2", {"parent": 1}, "2"), CreateItem("1", {}, "1")][::-1], [])
    )
    refused(create_one(connector, node, id=3, parent=9), "reference_missing", field="parent", value="9")
    [kept] = connector.delete(node, [DeleteItem(parent.id, parent.version)])
    refused(kept, "still_referenced", field="id", value="1")


def test_checks(lines: PostgresqlConnector) -> None:
    failure = refused(
        create_one(lines, LINE, id=1, amount=Decimal(-3)),
        "check_refused",
        table="line",
        field="amount",
        fields=["amount"],
        value="-3",
        constraint="amount_positive",
    )
    assert "amount > " in str(failure.params["limit"])
    refused(
        create_one(lines, LINE, id=1, low=3, high=2), "check_refused", fields=["low", "high"], value="3, 2"
    )
    refused(create_one(lines, LINE, id=1, note="too long"), "check_refused", field="note", value="too long")


def test_required_and_invalid(lines: PostgresqlConnector) -> None:
    refused(create_one(lines, LINE, id=1, must=None), "value_required", table="line", field="must")
    refused(create_one(lines, LINE, id=1, colour="blue"), "invalid_value", table="line")
    failure = refused(create_one(lines, LINE, id=1, doubled=4), "read_only_field", table="line")
    assert isinstance(failure, Rejected)


def test_errors_the_server_raises_while_computing(server: Server) -> None:
    server.run("CREATE TABLE line (id int PRIMARY KEY, a text, b varchar(3), c smallint, d text)")
    server.run("""
        CREATE FUNCTION work() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            CASE NEW.a WHEN 'long' THEN NEW.b := 'abcdef';
                       WHEN 'large' THEN NEW.c := 99999;
                       WHEN 'zero' THEN NEW.c := 1 / 0;
                       WHEN 'date' THEN NEW.d := 'yesterday or so'::date;
                       WHEN 'text' THEN NEW.c := 'x'::int;
                       WHEN 'field' THEN NEW.d := '31.31.2026'::date;
                       ELSE NULL; END CASE;
            RETURN NEW; END $$""")
    server.run("CREATE TRIGGER work BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION work()")
    connector = server.connect()
    refused(create_one(connector, LINE, id=1, a="long"), "value_too_long", table="line", field="")
    refused(create_one(connector, LINE, id=1, a="large"), "number_out_of_range", table="line", field="")
    refused(create_one(connector, LINE, id=1, a="text"), "invalid_value")
    refused(create_one(connector, LINE, id=1, a="date"), "invalid_value")
    refused(create_one(connector, LINE, id=1, a="field"), "invalid_value")
    failure = refused(
        create_one(connector, LINE, id=1, a="zero"), "app_answer", sqlstate="22012", table="line"
    )
    assert isinstance(failure, Unrecognised) and failure.app_message == "division by zero"


def test_a_column_narrowed_after_it_was_described(app: PostgresqlHarness) -> None:
    stored(app.connector.create(ITEM, items(1), FIELDS))
    app.server.run("ALTER TABLE item ALTER name TYPE varchar(8)")
    results = app.connector.create(
        ITEM,
        [CreateItem("1", {"name": "123456789"}, "A"), CreateItem("2", {"name": "12345678"}, "B")],
        FIELDS,
    )
    refused(results[0], "value_too_long", table="item")
    assert isinstance(results[1], Record)


# -- the app's own errors ---------------------------------------------------------------------------------------------------

PATTERNS = [
    {
        "sqlstate": "TD001",
        "regex": r'currency (?P<currency>\w+) .*"(?P<where>[^"]*)"',
        "kind": "blocked",
        "code": "exchange_rate_missing",
        "fields": {"currency": "currency", "where": "what"},
    },
    {"regex": "^closed", "kind": "misconfigured", "code": "books_closed", "scope": "table"},
    {"sqlstate": "23514", "kind": "rejected", "code": "known_check"},
]


def raising(server: Server) -> None:
    server.run("CREATE TABLE line (id int PRIMARY KEY, a text CHECK (a <> 'check'))")
    server.run("""
        CREATE FUNCTION work() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.a = 'rate' THEN RAISE EXCEPTION 'currency NOK has no rate' USING ERRCODE = 'TD001',
                DETAIL = 'in "Exchange rates"', HINT = 'Add a rate.'; END IF;
            IF NEW.a = 'closed' THEN RAISE EXCEPTION 'closed for today'; END IF;
            IF NEW.a = 'other' THEN RAISE EXCEPTION 'something else'; END IF;
            RETURN NEW; END $$""")
    server.run("CREATE TRIGGER work BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION work()")


def test_patterns_come_first(server: Server) -> None:
    raising(server)
    connector = server.connect(patterns=PATTERNS)
    failure = refused(
        create_one(connector, LINE, id=1, a="rate"),
        "exchange_rate_missing",
        currency="NOK",
        what="Exchange rates",
        sqlstate="TD001",
        table="line",
    )
    assert isinstance(failure, Blocked)
    assert failure.app_message == 'currency NOK has no rate\nin "Exchange rates"\nAdd a rate.'
    refused(create_one(connector, LINE, id=1, a="check"), "known_check")
    failure = refused(create_one(connector, LINE, id=1, a="other"), "app_answer", sqlstate="P0001")
    assert isinstance(failure, Unrecognised)
    with pytest.raises(Misconfigured) as caught:
        create_one(connector, LINE, id=1, a="closed")
    assert (caught.value.code, caught.value.scope) == ("books_closed", Scope.TABLE)


def test_a_pattern_of_table_scope_stores_nothing(server: Server) -> None:
    raising(server)
    connector = server.connect(patterns=PATTERNS)
    wanted = [CreateItem(str(i), {"a": "closed" if i == 7 else "good"}, str(i)) for i in range(10)]
    with pytest.raises(Misconfigured):
        connector.create(LINE, wanted, ["a"])
    assert server.run("SELECT count(*) FROM line") == [(0,)]
