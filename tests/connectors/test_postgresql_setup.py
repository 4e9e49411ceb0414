"""Set-up faults: rights, tables that cannot be used, and everything that can go wrong before a connection stands."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from synccore.connectors import connect
from synccore.failures import (
    Bug,
    Failure,
    Kind,
    Misconfigured,
    Rejected,
    Scope,
    Transient,
)
from synccore.shapes import CreateItem, DeleteItem, TableRef, UpdateItem
from tests.connectors.harness import FIELDS, ITEM, items, stored
from tests.connectors.pg import LINE, PASSWORD, PostgresqlHarness, Server, create_one, refused

# -- rights -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("privilege", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_a_missing_right_is_named_with_its_grant(app: PostgresqlHarness, privilege: str) -> None:
    server = app.server
    app.put("item", "A", {"name": "a"})
    [version] = [record.version for record in app.connector.fetch(ITEM, ["A"], FIELDS)]
    others = [name for name in ("SELECT", "INSERT", "UPDATE", "DELETE") if name != privilege]
    role = server.role(f"{', '.join(others)} ON item")
    connector = server.connect(role)
    calls = {
        "SELECT": lambda: connector.changes(ITEM, FIELDS),
        "INSERT": lambda: connector.create(ITEM, items(12), FIELDS),
        "UPDATE": lambda: connector.update(ITEM, [UpdateItem("A", version, {"count": 1})], FIELDS),
        "DELETE": lambda: connector.delete(ITEM, [DeleteItem("A", version)]),
    }
    for call in (calls[privilege], lambda: connector.check(ITEM, write=True)):
        with pytest.raises(Misconfigured) as caught:
            call()
        failure = caught.value
        assert (failure.code, failure.scope) == ("missing_privilege", Scope.TABLE)
        grant = f'GRANT {privilege} ON TABLE "{server.schema}"."item" TO "{role}";'
        assert failure.params == {"table": "item", "user": role, "privilege": privilege, "grant": grant}
    if privilege != "SELECT":
        connector.check(ITEM)
    server.run(failure.params["grant"])
    connector.check(ITEM, write=True)
    calls[privilege]()


def test_missing_rights_of_columns_schema_and_sequence(app: PostgresqlHarness) -> None:
    server = app.server
    role = server.role(
        "SELECT, INSERT, DELETE ON item", "UPDATE (name, price) ON item", "SELECT, INSERT ON ticket"
    )
    connector = server.connect(role)
    created = stored(connector.create(ITEM, items(2), FIELDS))
    with pytest.raises(Misconfigured) as caught:
        connector.update(
            ITEM, [UpdateItem(r.id, r.version, {"count": 1, "name": "a"}) for r in created], FIELDS
        )
    assert caught.value.params["grant"] == (
        f'GRANT UPDATE ("count") ON TABLE "{server.schema}"."item" TO "{role}";'
    )
    with pytest.raises(Misconfigured) as caught:
        connector.reserve_ids(TableRef("ticket"), 1)
    assert caught.value.params["privilege"] == "USAGE"
    server.run(caught.value.params["grant"])
    assert connector.reserve_ids(TableRef("ticket"), 1) == ["1"]
    server.run(f"REVOKE USAGE ON SCHEMA {server.schema} FROM {role}")
    for call in (lambda: server.connect(role).check(ITEM), lambda: connector.changes(ITEM, FIELDS)):
        with pytest.raises(Misconfigured) as caught:
            call()
        assert caught.value.params["grant"] == f'GRANT USAGE ON SCHEMA "{server.schema}" TO "{role}";'


def test_row_security_refuses_single_records(app: PostgresqlHarness) -> None:
    server = app.server
    server.run("ALTER TABLE item ENABLE ROW LEVEL SECURITY")
    server.run("CREATE POLICY visible ON item FOR SELECT USING (owner IS DISTINCT FROM 'hidden')")
    server.run("CREATE POLICY fresh ON item FOR INSERT WITH CHECK (count <> 3)")
    server.run("CREATE POLICY mine ON item FOR UPDATE USING (count <> 4)")
    app.put("item", "H", {"name": "h", "owner": "hidden"})
    results = app.connector.create(ITEM, items(5), FIELDS)
    failure = refused(results[3], "record_privilege", table="item", privilege="INSERT")
    assert isinstance(failure, Misconfigured) and failure.scope is Scope.RECORD
    records = stored(results[:3] + results[4:])
    assert app.connector.fetch(ITEM, ["H"], FIELDS) == []
    results = app.connector.update(
        ITEM, [UpdateItem(r.id, r.version, {"name": "n"}) for r in records], FIELDS
    )
    refused(results[3], "write_ignored", table="item")
    stored(results[:3])


def test_a_trigger_that_swallows_a_write_is_told(server: Server) -> None:
    server.run("CREATE TABLE line (id int PRIMARY KEY, a text)")
    server.run("""
        CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF coalesce(NEW.a, OLD.a) = 'swallow' THEN RETURN NULL; END IF;
            RETURN coalesce(NEW, OLD); END $$""")
    connector = server.connect()
    [first] = stored(connector.create(LINE, [CreateItem("0", {"a": "swallow"}, "0")], ["a"]))
    server.run(
        "CREATE TRIGGER s BEFORE INSERT OR UPDATE OR DELETE ON line FOR EACH ROW EXECUTE FUNCTION swallow()"
    )
    results = connector.create(
        LINE, [CreateItem(str(i), {"a": "swallow" if i == 2 else "b"}, str(i)) for i in (1, 2, 3)], ["a"]
    )
    refused(results[1], "write_ignored")
    stored([results[0], results[2]])
    refused(
        connector.update(LINE, [UpdateItem("0", first.version, {"a": "swallow"})], ["a"])[0], "write_ignored"
    )
    refused(connector.delete(LINE, [DeleteItem("0", first.version)])[0], "write_ignored")


# -- tables -----------------------------------------------------------------------------------------------------------------


def test_tables_that_cannot_be_used(server: Server) -> None:
    server.run("CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b))")
    server.run("CREATE TABLE line (id int PRIMARY KEY, changed text)")
    server.run("CREATE VIEW sums AS SELECT a AS id, count(*) AS n FROM pair GROUP BY a")
    connector = server.connect(views={"sums": "id"})
    with pytest.raises(Misconfigured) as caught:
        connector.changes(TableRef("pair"), ["a"])
    assert (caught.value.code, caught.value.params) == ("no_key", {"table": "pair"})
    assert connector.describe()["pair"].id_field is None
    with pytest.raises(Misconfigured) as caught:
        connector.changes(TableRef("line", modified_field="changed"), ["id"])
    assert caught.value.code == "bad_modified_field"
    assert caught.value.params == {"table": "line", "field": "changed", "type": "text"}
    with pytest.raises(Misconfigured) as caught:
        connector.reserve_ids(LINE, 1)
    assert caught.value.code == "no_sequence"
    with pytest.raises(Misconfigured) as caught:
        connector.check(TableRef("sums"), write=True)
    assert caught.value.code == "not_writable"
    with pytest.raises(Misconfigured) as caught:
        connector.create(TableRef("sums"), [CreateItem("k", {"n": 1}, "1")], ["n"])
    assert (caught.value.code, caught.value.scope) == ("not_supported", Scope.TABLE)
    with pytest.raises(Misconfigured) as caught:
        connector.check(TableRef("line", key_field="nothing"))
    assert caught.value.params == {"table": "line", "field": "nothing"}


# -- connecting -------------------------------------------------------------------------------------------------------------


def failing_check(server: Server, role: str | None = None, **changes: str) -> Failure:
    options: dict[str, Any] = {"schema": server.schema, "connect_timeout": 2}
    dsn = psycopg.conninfo.make_conninfo(server.dsn_of(role), **changes)
    connector = connect("postgresql", options, {"dsn": dsn}, app="ERP")
    with pytest.raises(Failure) as caught:
        connector.check()
    assert PASSWORD not in repr(caught.value) + caught.value.app_message + caught.value.debug
    assert "nonsense" not in caught.value.app_message + caught.value.debug
    assert caught.value.scope is Scope.CONNECTION
    assert caught.value.params["app"] == "ERP"
    return caught.value


def test_sign_in(server: Server) -> None:
    role = server.role()
    failure = failing_check(server, role, password="nonsense")
    assert (failure.code, failure.kind) == ("sign_in_refused", Kind.MISCONFIGURED)
    assert failure.params["user"] == role
    assert role in failure.app_message
    assert failing_check(server, role, user="nobody_at_all").code == "sign_in_refused"
    server.run(f"ALTER ROLE {role} VALID UNTIL '2020-01-01'")
    assert failing_check(server, role).code == "sign_in_refused"
    server.run(f"ALTER ROLE {role} VALID UNTIL 'infinity' NOLOGIN")
    assert failing_check(server, role).code == "sign_in_refused"


def test_unknown_database_and_too_many_connections(server: Server) -> None:
    failure = failing_check(server, dbname="no_such_database")
    assert (failure.code, failure.kind) == ("unknown_database", Kind.MISCONFIGURED)
    assert failure.params["database"] == "no_such_database"
    role = server.role()
    server.run(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    failure = failing_check(server, role)
    assert (failure.code, failure.kind) == ("too_many_connections", Kind.TRANSIENT)


def test_nobody_answers(server: Server) -> None:
    failure = failing_check(server, host="127.0.0.1", port="1")
    assert (failure.code, failure.kind) == ("connection_refused", Kind.TRANSIENT)
    assert (failure.params["host"], failure.params["port"]) == ("127.0.0.1", "1")
    assert failing_check(server, host="/nowhere/at/all").code == "connection_refused"
    failure = failing_check(server, host="no-such-host.invalid")
    assert (failure.code, failure.kind) == ("unknown_host", Kind.MISCONFIGURED)
    assert failing_check(server, sslmode="no-such-mode").code == "bad_connection_string"


def test_a_read_only_app(app: PostgresqlHarness) -> None:
    role = app.server.role("SELECT, INSERT, UPDATE, DELETE ON item")
    app.server.run(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    connector = app.server.connect(role)
    connector.check(ITEM)
    for call in (lambda: connector.check(ITEM, write=True), lambda: connector.create(ITEM, items(3), FIELDS)):
        with pytest.raises(Misconfigured) as caught:
            call()
        assert (caught.value.code, caught.value.scope) == ("app_read_only", Scope.CONNECTION)


@pytest.mark.parametrize(
    ("sqlstate", "kind", "code", "scope"),
    [
        ("40001", Transient, "lock_timeout", Scope.RECORD),
        ("40P01", Transient, "lock_timeout", Scope.RECORD),
        ("53100", Transient, "disk_full", Scope.CONNECTION),
        ("53200", Transient, "app_overloaded", Scope.CONNECTION),
        ("57P03", Transient, "app_starting", Scope.CONNECTION),
        ("08006", Transient, "connection_lost", Scope.CONNECTION),
        ("22P05", Rejected, "unstorable_character", Scope.RECORD),
        ("44000", Rejected, "check_refused", Scope.RECORD),
    ],
)
def test_states_a_test_server_is_not_brought_into(
    server: Server, sqlstate: str, kind: type[Failure], code: str, scope: Scope
) -> None:
    server.run("CREATE TABLE line (id int PRIMARY KEY, a text)")
    server.run(f"""
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'raised' USING ERRCODE = '{sqlstate}'; END $$""")
    server.run("CREATE TRIGGER fail BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION fail()")
    try:
        failure = create_one(server.connect(), LINE, id=1, a="x")
    except Failure as raised:
        failure = raised
        assert scope is not Scope.RECORD
    assert isinstance(failure, kind)
    assert (failure.code, failure.scope, failure.app_message) == (code, scope, "raised")


def test_an_error_of_our_own_is_a_failure_too(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """For instance text in a database that does not say how it is encoded."""
    server.run("CREATE TABLE line (id int PRIMARY KEY)")
    connector = server.connect()
    connector.check(LINE)

    def undecodable(*_: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr(connector._database.session, "rows", undecodable)
    with pytest.raises(Bug) as caught:
        connector.fetch(LINE, ["1"], ["id"])
    assert caught.value.params == {"step": "read line", "error": "UnicodeDecodeError"}
    assert "undecodable" in caught.value.debug
