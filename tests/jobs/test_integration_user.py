"""The statements of ``docs/integration-users.md``, run as they stand there: the user they make passes every set-up check."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from synccore import jobs
from synccore.engine.serial import dump_info
from synccore.failures import Failure
from synccore.models import Problem, SetupCheck, TableMapping
from synccore.services import connections as services
from synccore.shapes import CreateItem, TableRef, UpdateItem
from tests import factories as make

from .helpers import work

pytestmark = pytest.mark.django_db

DOC = Path(__file__).parent.parent.parent / "docs" / "integration-users.md"
DATABASE, OWNER, USER = (f"{name}_{os.getpid()}" for name in ("iu_crm", "iu_owner", "iu_user"))
PASSWORD = "a long random password"

TABLES = """
    CREATE TABLE account (id serial PRIMARY KEY, number varchar(20), name varchar(80) NOT NULL,
                          modified_on timestamptz NOT NULL DEFAULT now());
    CREATE TABLE product (id serial PRIMARY KEY, number varchar(20), name varchar(80) NOT NULL,
                          modified_on timestamptz NOT NULL DEFAULT now());
    INSERT INTO product (number, name) VALUES ('1896-S', 'Desk')"""


def statements() -> list[str]:
    """The SQL of the page, with names of this test's own."""
    found = re.findall(r"```sql\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)
    own = [
        each.replace("tandem_integration", USER).replace("DATABASE crm", f"DATABASE {DATABASE}")
        for each in found
    ]
    assert len(own) == 6
    return own


@pytest.fixture(scope="module")
def crm(pg_admin: Callable[[str], str]) -> Iterator[dict[str, str]]:
    """A database as its owner has it, and the integration user that the page makes; connection strings by role."""
    first, *middle, last = statements()
    with psycopg.connect(pg_admin("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'".encode())
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}".encode())
    parts = conninfo_to_dict(pg_admin(DATABASE))
    dsn = {role: make_conninfo("", **{**parts, "user": role, "password": PASSWORD}) for role in (OWNER, USER)}
    with psycopg.connect(pg_admin(DATABASE), autocommit=True) as admin:
        admin.execute(first.encode())
    with psycopg.connect(dsn[OWNER], autocommit=True) as owner:
        owner.execute(TABLES.encode())
        for each in middle:
            owner.execute(each.encode())
    yield dsn
    with psycopg.connect(pg_admin(DATABASE), autocommit=True) as admin:
        admin.execute(last.encode())
    with psycopg.connect(pg_admin("postgres"), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
        admin.execute(f"DROP ROLE {OWNER}".encode())


@pytest.fixture
def app(crm: dict[str, str]) -> Any:
    """The app with a mapping that writes ``account`` and one that only reads ``product``."""
    app = make.make_connection("CRM", kind="postgresql", secrets={"dsn": crm[USER]}, integration_user=USER)
    integration = make.make_integration(left=app)
    for table, direction in (("account", "both"), ("product", "to_right")):
        mapping = make.make_mapping(
            table,
            integration=integration,
            left_table=table,
            right_table="thing",
            left_modified_field="modified_on",
            left_key_field="number",
            left_name_field="name",
            direction=direction,
        )
        info = dump_info(make.make_info("name", length=80, required=True))
        make.make_field(mapping, "name", left_info=info, right_info=info)
    services.save_currencies(app, user=None, mapping=None, skip=True)
    app.refresh_from_db()
    return app


def check(app: Any, **values: Any) -> dict[tuple[str, str], str]:
    job = jobs.run(jobs.enqueue(verb="check_set_up", connection=app, **values).pk)
    assert job is not None and job.state == "finished", job and (job.code, job.params)
    rows = SetupCheck.objects.filter(connection=app).select_related("mapping")
    return {(row.code, row.mapping.name if row.mapping else ""): row.state for row in rows}


def test_the_user_of_the_page_passes_every_check(app: Any) -> None:
    of_app = ("address", "signs_in", "clock", "not_superuser", "password_valid", "not_owner")
    of_tables = [(code, name) for code in ("privileges", "fields") for name in ("account", "product")]
    of_tables.append(("compatible", "account"))  # the other one is only read
    assert check(app) == dict.fromkeys([*((code, "") for code in of_app), *of_tables], "pass")


def test_he_writes_what_is_mapped_so_and_nothing_else(app: Any, crm: dict[str, str]) -> None:
    account, product = TableRef("account", key_field="number"), TableRef("product", key_field="number")
    with app.connect() as connector:
        [made] = connector.create(account, [CreateItem("k", {"number": "1", "name": "Van Dijk"})], ["name"])
        assert not isinstance(made, Failure), made
        [desk] = connector.find(product, "number", ["1896-S"], ["name"])
        with pytest.raises(Failure) as refused:
            connector.update(product, [UpdateItem(desk.id, desk.version, {"name": "x"})], ["name"])
        assert refused.value.code == "missing_privilege"
    with psycopg.connect(crm[USER], autocommit=True) as own:
        for statement in (
            "CREATE TABLE mine (id int)",
            "DROP TABLE account",
            "ALTER TABLE account ADD x int",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                own.execute(statement.encode())


def test_after_the_grant_that_is_shown_the_mapping_goes_on_at_once(
    app: Any, crm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken away, met by a check, given again as the page shows it, checked by hand: no waiting for the next try."""
    mapping = TableMapping.objects.get(name="account")
    with psycopg.connect(crm[OWNER], autocommit=True) as owner:
        owner.execute(f"REVOKE UPDATE ON account FROM {USER}".encode())
        assert check(app)[("privileges", "account")] == "fail"
        held = make.make_problem(
            mapping=mapping,
            kind="misconfigured",
            code="missing_privilege",
            state="retrying",
            attempts=9,
            name="account",
        )
        TableMapping.objects.filter(pk=mapping.pk).update(right_table="account")
        mapping.integration.right = app_of_memory()
        mapping.integration.save()
        owner.execute(SetupCheck.objects.get(mapping=mapping, code="privileges").params["grant"].encode())
    services.start_set_up_check(app, user=make.make_user("Administrator"))
    assert [(job.verb, job.state) for job in work()][:2] == [
        ("check_set_up", "finished"),
        ("check", "finished"),
    ]
    held.refresh_from_db()
    assert (held.state, held.ending) == (Problem.State.ENDED, Problem.Ending.FIXED)


def app_of_memory() -> Any:
    """An app for the other side that answers and has the table."""
    from synccore.connectors.memory import MemoryApp

    from .world import fields_of_customers, table

    memory = MemoryApp(f"ERP {make.number()}")
    MemoryApp._apps[memory.name] = memory
    memory.add_table(table("account", *fields_of_customers()), modified_by_field="modified_by")
    return make.make_connection(memory.name, options={"name": memory.name})
