"""Writing where others write too: locks, time-outs, cut connections, triggers, constraints that wait for COMMIT."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from synccore.connectors.postgresql import PostgresqlConnector
from synccore.failures import Misconfigured, Rejected, Scope, Stale, Transient
from synccore.shapes import CreateItem, DeleteItem, Record, TableRef, UpdateItem
from tandem.runtime.processes import wait_until
from tests.connectors.harness import FIELDS, ITEM, items, stored
from tests.connectors.pg import LINE, PostgresqlHarness, Server, refused


@contextmanager
def held(server: Server, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else's transaction, open while the block runs."""
    with server.other() as other:
        other.execute(statement.encode())
        yield other
        other.rollback()


def backend(connector: PostgresqlConnector, server: Server) -> int:
    """The process that serves the connector."""
    connector.check()
    pid: int = connector._database.session.connection.info.backend_pid
    assert server.run("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid]) == [(1,)]
    return pid


def waits_for_a_row(server: Server, pid: int) -> bool:
    found = server.run("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'", [pid])
    return bool(found)


def refusals(connector: PostgresqlConnector, monkeypatch: pytest.MonkeyPatch) -> list[type[psycopg.Error]]:
    """What the database refuses from now on, each time it does."""
    connector.check()
    met: list[type[psycopg.Error]] = []
    meaning = connector._database.failure

    def note(error: psycopg.Error, *rest: Any) -> Any:
        met.append(type(error))
        return meaning(error, *rest)

    monkeypatch.setattr(connector._database, "failure", note)
    return met


def renamed(records: list[Record], name: str = "new") -> list[UpdateItem]:
    return [UpdateItem(record.id, record.version, {"name": name}) for record in records]


# -- bad rows ------------------------------------------------------------------------------------------------


def test_bad_rows_among_a_thousand_are_alone_in_the_end(app: PostgresqlHarness) -> None:
    app.server.run("ALTER TABLE item ADD CHECK (count % 97 <> 13)")
    created = app.connector.create(ITEM, items(1000), FIELDS)
    bad = {i for i in range(1000) if i % 97 == 13}
    assert {i for i, result in enumerate(created) if isinstance(result, Rejected)} == bad
    for i in bad:
        refused(created[i], "check_refused", field="count", value=str(i))
    assert app.server.run("SELECT count(*) FROM item") == [(1000 - len(bad),)]
    records = [result for result in created if isinstance(result, Record)]
    changes = [
        UpdateItem(r.id, r.version, {"count": 13 if i % 100 == 0 else 0}) for i, r in enumerate(records)
    ]
    updated = app.connector.update(ITEM, changes, FIELDS)
    assert {i for i, result in enumerate(updated) if isinstance(result, Rejected)} == {
        i for i in range(len(records)) if i % 100 == 0
    }


def test_a_whole_batch_of_good_rows_is_few_statements(app: PostgresqlHarness) -> None:
    """The point of a batch: no work per row on the way to the server."""
    app.server.run("CREATE TABLE calls (n int)")
    app.server.run(
        """
        CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN INSERT INTO """
        + app.server.schema
        + """.calls VALUES (1); RETURN NULL; END $$"""
    )
    app.server.run("CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON item EXECUTE FUNCTION counted()")
    created = stored(app.connector.create(ITEM, items(1000), FIELDS))
    updated = stored(app.connector.update(ITEM, renamed(created), FIELDS))
    assert app.connector.delete(ITEM, [DeleteItem(r.id, r.version) for r in updated]) == [None] * 1000
    assert app.server.run("SELECT count(*) FROM calls") == [(3,)]


def test_a_constraint_that_waits_for_commit_is_checked_in_the_batch(server: Server) -> None:
    server.run("CREATE TABLE line (id int PRIMARY KEY, n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    results = server.connect().create(
        LINE, [CreateItem(str(i), {"n": 1 if i in (3, 7) else i + 10}, str(i)) for i in range(10)], ["n"]
    )
    refused(results[7], "duplicate_key", field="n", value="1")
    assert len(stored(results[:7] + results[8:])) == 9


def test_a_refusal_at_commit_itself_harms_nobody_else(server: Server) -> None:
    """A deferred trigger of another table, set off by one of this one, cannot be asked beforehand."""
    server.run("CREATE TABLE line (id int PRIMARY KEY, n int)")
    server.run("CREATE TABLE shadow (n int)")
    server.run("""
        CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            SET CONSTRAINTS ALL DEFERRED; INSERT INTO shadow VALUES (NEW.n); RETURN NEW; END $$;
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.n = 2 THEN RAISE EXCEPTION 'two' USING ERRCODE = '23514'; END IF; RETURN NULL; END $$;
        CREATE TRIGGER c BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION copy();
        CREATE CONSTRAINT TRIGGER l AFTER INSERT ON shadow DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION late()""")
    connector = server.connect()
    server.run(f"ALTER FUNCTION copy() SET search_path = {server.schema}")
    results = connector.create(LINE, [CreateItem(str(i), {"n": i}, str(i)) for i in range(4)], ["n"])
    refused(results[2], "check_refused")
    stored(results[:2] + results[3:])
    assert server.run("SELECT id FROM line ORDER BY id") == [(0,), (1,), (3,)]


# -- what was stored -----------------------------------------------------------------------------------------


def test_what_a_later_trigger_stores_is_what_comes_back(server: Server) -> None:
    server.run("CREATE TABLE line (id int PRIMARY KEY, a text, b text)")
    server.run("""
        CREATE FUNCTION before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.a := upper(NEW.a); RETURN NEW; END $$""")
    server.run("""
        CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF pg_trigger_depth() = 1 THEN UPDATE line SET b = NEW.a || '!' WHERE id = NEW.id; END IF;
            RETURN NULL; END $$""")
    server.run(f"ALTER FUNCTION after() SET search_path = {server.schema}")
    server.run("CREATE TRIGGER b BEFORE INSERT OR UPDATE ON line FOR EACH ROW EXECUTE FUNCTION before()")
    server.run("CREATE TRIGGER a AFTER INSERT OR UPDATE ON line FOR EACH ROW EXECUTE FUNCTION after()")
    connector = server.connect()
    [record] = stored(connector.create(LINE, [CreateItem("k", {"a": "x"}, "1")], ["a", "b"]))
    assert record.fields == {"a": "X", "b": "X!"}
    [record] = stored(connector.update(LINE, [UpdateItem("1", record.version, {"a": "y"})], ["a", "b"]))
    assert record.fields == {"a": "Y", "b": "Y!"}
    assert connector.fetch(LINE, ["1"], ["a", "b"]) == [record]


def test_an_id_that_the_app_rewrites(server: Server) -> None:
    server.run("CREATE TABLE line (id text PRIMARY KEY, n int)")
    server.run("""
        CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.id := upper(NEW.id); RETURN NEW; END $$""")
    server.run("CREATE TRIGGER b BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION up()")
    results = server.connect().create(
        LINE, [CreateItem(id, {"n": n}, id) for n, id in enumerate(("a", "B", "c", "A"))], ["n"]
    )
    assert [(r.id, r.fields["n"]) for r in stored(results[:3])] == [("A", 0), ("B", 1), ("C", 2)]
    refused(results[3], "duplicate_key", field="id", value="A")


def test_renaming_a_natural_key(app: PostgresqlHarness) -> None:
    records = stored(app.connector.create(ITEM, items(3), FIELDS))
    results = stored(
        app.connector.update(
            ITEM, [UpdateItem(r.id, r.version, {"code": f"R{r.id[-1]}"}) for r in records], FIELDS
        )
    )
    assert [record.id for record in results] == ["R0", "R1", "R2"]


# -- others at work ------------------------------------------------------------------------------------------


def test_an_edit_between_read_and_write_is_stale_even_while_it_is_under_way(app: PostgresqlHarness) -> None:
    records = stored(app.connector.create(ITEM, items(3), FIELDS))
    results: list[Any] = []
    connector = app.server.connect(lock_timeout=30)
    pid = backend(connector, app.server)
    with app.server.other() as other:
        other.execute("UPDATE item SET name = 'theirs' WHERE code = 'I00001'")
        writer = threading.Thread(
            target=lambda: results.extend(connector.update(ITEM, renamed(records), FIELDS))
        )
        writer.start()
        assert wait_until(lambda: waits_for_a_row(app.server, pid), seconds=30)
        other.commit()
        writer.join()
    assert isinstance(results[1], Stale)
    stored([results[0], results[2]])
    assert app.connector.fetch(ITEM, ["I00001"], FIELDS)[0].fields["name"] == "theirs"


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_a_held_row_is_set_aside(
    app: PostgresqlHarness, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = stored(app.connector.create(ITEM, items(10), FIELDS))
    connector = app.server.connect(lock_timeout=1)
    waits = refusals(connector, monkeypatch)
    with held(app.server, "SELECT FROM item WHERE code IN ('I00004', 'I00006') FOR UPDATE"):
        if operation == "update":
            results: list[Any] = list(connector.update(ITEM, renamed(records), FIELDS))
        else:
            results = list(connector.delete(ITEM, [DeleteItem(r.id, r.version) for r in records]))
    assert waits.count(psycopg.errors.LockNotAvailable) == 1  # halving would wait seven times
    failed = {i for i, result in enumerate(results) if isinstance(result, Transient)}
    assert failed == {4, 6}
    failure = refused(results[4], "lock_timeout", table="item")
    assert failure.scope is Scope.RECORD and not failure.outcome_unknown
    left = app.server.run("SELECT count(*) FROM item WHERE name LIKE 'Item%'")
    assert left == [(2,)]
    again = [item for i, item in enumerate(renamed(records)) if i in failed]
    stored(connector.update(ITEM, again, FIELDS))


def test_a_held_table_is_a_temporary_fault_of_each_record(app: PostgresqlHarness) -> None:
    connector = app.server.connect(lock_timeout=1)
    connector.check(ITEM)
    with held(app.server, "LOCK TABLE item IN SHARE MODE"):
        results = connector.create(ITEM, items(5), FIELDS)
    assert {getattr(result, "code", "") for result in results} == {"lock_timeout"}
    stored(connector.create(ITEM, items(5), FIELDS))
    with held(app.server, "LOCK TABLE item IN ACCESS EXCLUSIVE MODE"), pytest.raises(Transient) as caught:
        connector.changes(ITEM, FIELDS)
    assert (caught.value.code, caught.value.scope) == ("lock_timeout", Scope.TABLE)


def test_a_slow_row_costs_its_neighbours_only_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.run("CREATE TABLE line (id int PRIMARY KEY)")
    server.run("""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = 7 THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$""")
    server.run("CREATE TRIGGER s BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION slow()")
    monkeypatch.setattr("synccore.connectors.postgresql.writing._FIRST", 0.5)
    monkeypatch.setattr("synccore.connectors.postgresql.writing._CALL", 8)
    results = server.connect().create(LINE, [CreateItem(str(i), {}, str(i)) for i in range(20)], [])
    late = {i for i, result in enumerate(results) if isinstance(result, Transient)}
    assert 7 in late and not late & set(range(6))
    assert {result.code for result in results if isinstance(result, Transient)} == {"statement_timeout"}
    assert server.run("SELECT count(*) FROM line") == [(20 - len(late),)]


def test_a_slow_reading_is_a_temporary_fault_of_the_table(server: Server) -> None:
    server.run("CREATE TABLE line (id int PRIMARY KEY)")
    server.run("INSERT INTO line SELECT generate_series(1, 3)")
    server.run("CREATE VIEW slow AS SELECT id, pg_sleep(200)::text AS nap FROM line")
    connector = server.connect(statement_timeout=3, views={"slow": "id"})
    with pytest.raises(Transient) as caught:
        connector.changes(TableRef("slow"), ["nap"])
    assert (caught.value.code, caught.value.scope) == ("statement_timeout", Scope.TABLE)


# -- cut connections -----------------------------------------------------------------------------------------


def test_a_connection_cut_in_the_middle_of_a_write(app: PostgresqlHarness) -> None:
    records = stored(app.connector.create(ITEM, items(3), FIELDS))
    connector = app.server.connect(lock_timeout=30)
    pid = backend(connector, app.server)
    caught: list[Transient] = []

    def write() -> None:
        try:
            connector.update(ITEM, renamed(records), FIELDS)
        except Transient as failure:
            caught.append(failure)

    with held(app.server, "SELECT FROM item WHERE code = 'I00002' FOR UPDATE"):
        writer = threading.Thread(target=write)
        writer.start()
        assert wait_until(lambda: waits_for_a_row(app.server, pid), seconds=30)
        app.server.run("SELECT pg_terminate_backend(%s)", [pid])
        writer.join()
    [failure] = caught
    assert (failure.code, failure.scope, failure.outcome_unknown) == (
        "connection_lost",
        Scope.CONNECTION,
        True,
    )
    assert connector.fetch(ITEM, [r.id for r in records], FIELDS) == records
    stored(connector.update(ITEM, renamed(records), FIELDS))


def test_a_connection_cut_between_two_calls(app: PostgresqlHarness) -> None:
    stored(app.connector.create(ITEM, items(1), FIELDS))
    # It waits until the process has gone.
    app.server.run("SELECT pg_terminate_backend(%s, 30000)", [backend(app.connector, app.server)])
    with pytest.raises(Transient) as caught:
        app.connector.fetch(ITEM, ["I00000"], FIELDS)
    assert (caught.value.code, caught.value.outcome_unknown) == ("connection_lost", False)
    assert len(app.connector.fetch(ITEM, ["I00000"], FIELDS)) == 1


def test_a_closed_connector_opens_again(app: PostgresqlHarness) -> None:
    with app.connector as connector:
        connector.check()
    assert connector.now()


# -- a table that changes between two calls ------------------------------------------------------------------


def test_a_table_changed_between_two_runs(app: PostgresqlHarness) -> None:
    connector, run = app.connector, app.server.run
    for start in range(0, 80, 10):  # often enough that the driver prepares the statements
        created = stored(connector.create(ITEM, items(10, start), FIELDS))
        stored(connector.update(ITEM, renamed(created), FIELDS))
        connector.changes(ITEM, FIELDS)
        connector.fetch(ITEM, ["I00000"], FIELDS)
    run("ALTER TABLE item ALTER count TYPE bigint, ALTER price TYPE numeric(20, 5), ALTER code TYPE text")
    [record] = connector.fetch(ITEM, ["I00000"], FIELDS)
    assert connector.changes(ITEM, FIELDS).records
    [record] = stored(connector.update(ITEM, [UpdateItem(record.id, record.version, {"count": 5})], FIELDS))
    stored(connector.create(ITEM, items(2, start=900), FIELDS))
    run("ALTER TABLE item DROP COLUMN price, ADD COLUMN extra text DEFAULT 'e'")
    with pytest.raises(Misconfigured) as caught:
        connector.fetch(ITEM, ["I00000"], FIELDS)
    assert (caught.value.code, caught.value.params["field"]) == ("unknown_field", "price")
    with pytest.raises(Misconfigured) as caught:
        connector.create(ITEM, items(1, start=950), ["name"])
    assert (caught.value.code, caught.value.params["field"]) == ("unknown_field", "price")
    assert connector.fetch(ITEM, ["I00000"], ["extra"])[0].fields == {"extra": "e"}
    run("ALTER TABLE item ALTER count TYPE text")  # rewrites every row, so every version moves
    [record] = connector.fetch(ITEM, ["I00000"], ["name"])
    [record] = stored(
        connector.update(ITEM, [UpdateItem(record.id, record.version, {"count": "7"})], ["count"])
    )
    assert record.fields["count"] == "7"
    run("DROP TABLE item")
    with pytest.raises(Misconfigured) as caught:
        connector.changes(ITEM, ["name"])
    assert caught.value.code == "unknown_table"
