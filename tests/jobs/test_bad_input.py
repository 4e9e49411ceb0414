"""Bad input and faults, one by one: what people read on the page or the job, that nothing is lost, and that a later,
correct run completes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import OperationalError
from psycopg import sql

from synccore import guides, jobs, schedule, services
from synccore.failures import Misconfigured, Scope
from synccore.models import (
    Connection,
    Coupling,
    FieldMapping,
    Integration,
    Problem,
    SynchJob,
    TableMapping,
)
from synccore.models.ledger import read_ledger
from synccore.services.setup import refresh
from synccore.shapes import Side
from synccore.verbs import store
from tests.factories import ADMINISTRATOR, make_user, number

from .conftest import Clock
from .helpers import contact, contacts_of, new, only_problem, pair, said, tick, work
from .world import World

pytestmark = pytest.mark.django_db


def ended(job: SynchJob) -> tuple[str, str]:
    return str(job.state), job.code


# -- PostgreSQL: addresses, passwords, tables, a full disk --------------------------------------------------

APP = f"bad_input_{os.getpid()}"
ROLE = f"{APP}_user"
PASSWORD = "right pass-word"


@pytest.fixture(scope="module")
def database(pg_admin: Callable[[str], str]) -> Iterator[str]:
    """Connection string of the administrator for a database that holds both apps, as two schemas."""
    with psycopg.connect(pg_admin("postgres"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(PASSWORD))
        )
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(APP)))
        yield pg_admin(APP)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(APP)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(ROLE)))


class Apps:
    """ERP and CRM as two schemas, a mapping between them, and one new customer."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.schemas = {"left": f"erp{number()}", "right": f"crm{number()}"}
        rows: dict[str, Connection] = {}
        for side, table in (("left", "customer"), ("right", "account")):
            schema = self.schemas[side]
            self.run(
                f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.{table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
                " no text, name text, phone text, modified_at timestamptz NOT NULL DEFAULT clock_timestamp());"
                f"GRANT USAGE ON SCHEMA {schema} TO {ROLE};"
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.{table} TO {ROLE}"
            )
            rows[side] = Connection(
                name=f"{'ERP' if side == 'left' else 'CRM'} {number()}", kind="postgresql"
            )
            rows[side].options = {"schema": schema}
            rows[side].set_secrets({"dsn": self.address()})
            rows[side].save()
        self.right = rows["right"]
        integration = Integration.objects.create(name=f"Apps {number()}", **rows)
        self.mapping = TableMapping.objects.create(
            integration=integration, name=f"Customers {number()}", left_table="customer", right_table="account",
            left_modified_field="modified_at", right_modified_field="modified_at", left_key_field="no",
        )  # fmt: skip
        for name in ("no", "name", "phone"):
            FieldMapping.objects.create(mapping=self.mapping, left_field=name, right_field=name)
        assert refresh(self.mapping) == []
        self.mapping.refresh_from_db()
        self.run(f"INSERT INTO {self.schemas['left']}.customer (no, name) VALUES ('C1', 'Firm')")

    def address(self, **changed: str) -> str:
        return psycopg.conninfo.make_conninfo(self.dsn, **{"user": ROLE, "password": PASSWORD, **changed})

    def run(self, statement: str) -> list[Any]:
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            cursor = admin.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def synchronise(self) -> SynchJob:
        job = jobs.enqueue(verb="synchronise", mapping=TableMapping.objects.get(pk=self.mapping.pk))
        done = jobs.run(job.pk)
        assert done is not None
        return done

    def sentence(self, what: SynchJob | Problem) -> str:
        apps = {side.value: self.mapping.connection(side).name for side in Side}
        side = what.side or ("right" if getattr(what, "connection_id", None) == self.right.pk else "")
        return guides.render(what.code, what.params, apps=apps, side=side, kind=what.kind).sentence

    def accounts(self) -> int:
        return int(self.run(f"SELECT count(*) FROM {self.schemas['right']}.account")[0][0])

    def heals(self, clock: Clock) -> None:
        """The check passes by itself, and the record that waited is there once."""
        clock.until(only_problem().next_attempt)
        ran = tick()
        assert [(job.verb, job.state) for job in ran] == [("check", "finished"), ("synchronise", "finished")]
        assert self.accounts() == 1 and Coupling.objects.live().paired().count() == 1
        assert not Problem.objects.not_ended().exists()
        assert read_ledger().drift == []


@pytest.fixture
def apps(database: str) -> Apps:
    return Apps(database)


def test_a_wrong_connection_string(apps: Apps, clock: Clock) -> None:
    apps.right.set_secrets({"dsn": "host=crm port=often sslmode"})
    apps.right.save()
    job = apps.synchronise()
    assert ended(job) == ("failed", "bad_connection_string")
    problem = only_problem()
    assert (problem.connection, problem.state) == (apps.right, Problem.State.RETRYING)
    sentence = apps.sentence(problem)
    assert apps.right.name in sentence and "connection string" in sentence
    assert "often" not in sentence + str(job.params) + job.app_message, "an address may hold a password"
    assert not Coupling.objects.exists()
    apps.right.set_secrets({"dsn": apps.address()})
    apps.right.save()
    apps.heals(clock)


def test_a_refused_password(apps: Apps, clock: Clock) -> None:
    apps.right.set_secrets({"dsn": apps.address(password="wrong secret")})
    apps.right.save()
    job = apps.synchronise()
    assert ended(job) == ("failed", "sign_in_refused")
    problem = only_problem()
    assert (problem.connection, problem.kind) == (apps.right, "misconfigured")
    assert apps.right.name in apps.sentence(problem) and ROLE in apps.sentence(problem)
    assert "password authentication failed" in problem.app_message
    kept = problem.app_message + str(problem.params) + (problem.call_stack.text if problem.call_stack else "")
    assert "wrong secret" not in kept
    apps.right.set_secrets({"dsn": apps.address()})
    apps.right.save()
    apps.heals(clock)


def test_an_unknown_table(apps: Apps, clock: Clock) -> None:
    schema = apps.schemas["right"]
    apps.run(f"ALTER TABLE {schema}.account RENAME TO accounts")
    job = apps.synchronise()
    assert ended(job) == ("failed", "unknown_table")
    assert "account" in apps.sentence(only_problem()) and only_problem().mapping == apps.mapping
    apps.run(f"ALTER TABLE {schema}.accounts RENAME TO account")
    apps.heals(clock)


def test_a_mapped_field_that_vanished(apps: Apps, clock: Clock) -> None:
    schema = apps.schemas["right"]
    apps.run(f"ALTER TABLE {schema}.account DROP COLUMN phone")
    job = apps.synchronise()
    assert job.state == "failed" and job.code in ("unknown_field", "field_vanished")
    assert "phone" in apps.sentence(job) and only_problem().coupling is None
    [wrong] = [each for each in refresh(apps.mapping) if each.code == "field_vanished"]
    assert wrong.params["field"] == "phone"
    apps.run(f"ALTER TABLE {schema}.account ADD COLUMN phone text; GRANT ALL ON {schema}.account TO {ROLE}")
    clock.until(only_problem().next_attempt)
    tick()
    assert apps.accounts() == 1 and not Problem.objects.not_ended().exists()


def test_a_full_disk_of_an_app(apps: Apps, clock: Clock) -> None:
    schema = apps.schemas["right"]
    apps.run(
        f"CREATE FUNCTION {schema}.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
        " 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;"
        f"CREATE TRIGGER full_disk BEFORE INSERT ON {schema}.account FOR EACH ROW EXECUTE FUNCTION {schema}.full()"
    )
    job = apps.synchronise()
    assert ended(job) == ("failed", "disk_full")
    problem = only_problem()
    assert (problem.kind, problem.connection) == ("transient", apps.right)
    assert apps.right.name in apps.sentence(problem) and "No space left" in problem.app_message
    assert apps.accounts() == 0 and not Coupling.objects.exists(), "no record is touched"
    apps.run(f"DROP TRIGGER full_disk ON {schema}.account")
    apps.heals(clock)


def test_a_full_disk_of_our_own(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    new(world, "C1")
    real = store.page

    def full(*_args: Any, **_kwargs: Any) -> None:
        raise OperationalError("could not extend file") from psycopg.errors.DiskFull(
            "No space left on device"
        )

    monkeypatch.setattr(store, "page", full)
    job = world.run()
    assert ended(job) == ("failed", "own_database")
    assert said(job, world) == (
        "The job ended because Tandem's own database was away or could not store anything (DiskFull)."
    )
    assert (job.scanned, only_problem().kind) == (0, "transient")
    assert len(world.rows(Side.RIGHT)) == 1 and not Coupling.objects.exists(), "written, not remembered yet"
    monkeypatch.setattr(store, "page", real)
    clock.until(only_problem().next_attempt)
    tick()
    assert len(world.rows(Side.RIGHT)) == 1 == Coupling.objects.live().paired().count(), (
        "and not written twice"
    )
    assert not Problem.objects.not_ended().exists() and read_ledger().drift == []


# -- mappings --------------------------------------------------


def test_an_unknown_field(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    row = FieldMapping.objects.create(mapping=world.mapping, left_field="fax", right_field="fax")
    job = world.run()
    assert job.state == "failed" and job.code in ("unknown_field", "field_unknown")
    assert "fax" in said(job, world) and only_problem().state == Problem.State.RETRYING
    row.delete()
    clock.until(only_problem().next_attempt)
    tick()
    assert len(world.rows(Side.RIGHT)) == 1 and not Problem.objects.not_ended().exists()


def test_a_mapping_without_fields(clock: Clock) -> None:
    world = World(fields=())
    new(world, "C1")
    job = world.run()
    assert ended(job) == ("failed", "mapping_without_fields")
    assert said(job, world) == "No field is mapped, so there is nothing to synchronize."
    assert only_problem().mapping == world.mapping
    other = World()
    for row in other.mapping.field_mappings.all():
        row.pk, row.mapping = None, world.mapping
        row.save()
    clock.until(only_problem().next_attempt)
    tick()
    assert len(world.rows(Side.RIGHT)) == 1 and not Problem.objects.not_ended().exists()


def test_a_filter_that_does_not_parse(clock: Clock) -> None:
    world = World()
    new(world, "C1", city="Gent")
    world.change_mapping(left_filter=[{"field": "city", "operator": "sounds_like", "value": "Gent"}])
    job = world.run()
    assert ended(job) == ("failed", "bad_filter")
    assert "city" in said(job, world) and only_problem().mapping == world.mapping
    assert world.rows(Side.RIGHT) == {}, "a filter that cannot be read lets nothing through"
    world.change_mapping(left_filter=[{"field": "city", "operator": "eq", "value": "Gent"}])
    clock.until(only_problem().next_attempt)
    tick()
    assert len(world.rows(Side.RIGHT)) == 1 and not Problem.objects.not_ended().exists()


def test_a_record_with_characters_that_nobody_can_store_is_its_own_trouble_only(clock: Clock) -> None:
    """Services send them in JSON; the mapping goes on, and the page says which record and which field it is."""
    world = World()
    for no, name, city in (
        ("C\x001", "Firm", "Gent"),
        ("C2", "Fi\ud800rm", "Gent"),
        ("C3", "Firm", "Ge\x00nt"),
        ("C4", "Firm", "Gent"),
    ):
        new(world, no, name=name, city=city)
    job = world.run()
    assert (job.state, job.inserted, job.failed) == ("finished", 1, 3)
    found = {problem.params["field"]: problem for problem in Problem.objects.all()}
    assert set(found) == {"no", "name", "city"}
    assert found["no"].name == "C\ufffd1 Firm" and found["name"].name == "C2 Fi\ufffdrm"
    assert world.run(scope="sweep").state == world.run(scope="full").state == "finished"
    assert list(world.by_no(Side.RIGHT)) == ["C4"]


def test_cyclic_references(clock: Clock) -> None:
    world = World(fields=("no", "name", "parent"))
    people = contacts_of(world)
    FieldMapping.objects.filter(mapping=world.mapping, left_field="parent").update(reference=people)
    firm, person = str(uuid4()), str(uuid4())
    world.left.put("customer", firm, {"no": "C1", "name": "Firm", "parent": person})
    world.left.put("contact", person, {"no": "P1", "name": "Person", "parent": firm})
    [wrong] = [each for each in refresh(world.mapping) if each.code == "cyclic_references"]
    told = guides.render(wrong.code, wrong.params).sentence
    assert world.mapping.name in told and "Contacts" in told
    for mapping in (world.mapping, people):
        job = world.run(mapping=mapping)
        assert (job.state, job.waiting) == ("finished", 1)
    assert {problem.state for problem in Problem.objects.all()} == {Problem.State.WAITING}, (
        "they wait, and say for whom"
    )
    work()
    FieldMapping.objects.filter(mapping=world.mapping, left_field="parent").update(optional=True)
    world.change_mapping()
    world.run()
    work()
    assert len(world.rows(Side.RIGHT)) == 1 == len(world.right.tables["person"].rows)
    assert not Problem.objects.not_ended().exists()


# -- records, people, jobs --------------------------------------------------


def test_a_record_that_changes_between_reading_and_writing() -> None:
    world = World()
    left, right = pair(world, "C1", phone="1", city="Gent")
    world.left.put("customer", left, {"phone": "2"})
    once = [True]

    def meanwhile(when: str, method: str) -> None:
        if (when, method) == ("before", "update") and once.pop():
            once.append(False)
            world.right.put("account", right, {"city": "Brussel"})

    world.right.faults.hook = meanwhile
    job = world.run()
    assert (*ended(job), job.modified, job.failed) == ("finished", "", 1, 0)
    for side, id in ((Side.LEFT, left), (Side.RIGHT, right)):
        assert (world.rows(side)[id]["phone"], world.rows(side)[id]["city"]) == ("2", "Brussel"), (
            "neither edit is lost"
        )
    assert not Problem.objects.exists()


def test_a_job_cancelled_halfway() -> None:
    world = World()
    ids = [new(world, f"C{n}") for n in range(6)]
    world.left.faults.page_limit = 2
    job = world.queue()
    pages = []

    def press_cancel(point: str) -> None:
        if point == "page committed" and Coupling.objects.exists() and not pages:
            pages.append(point)
            assert services.cancel(SynchJob.objects.get(pk=job.pk), user=None)

    done = jobs.run(job.pk, observe=press_cancel)
    assert done is not None
    assert (done.state, done.inserted) == (SynchJob.State.CANCELLED, 2), "its page was stored"
    world.mapping.refresh_from_db()
    assert world.mapping.left_watermark is None, "the rest is not forgotten"
    assert not services.cancel(done, user=None), "it is over already"
    assert world.run().inserted == 4
    assert len(world.rows(Side.RIGHT)) == len(ids)
    assert read_ledger().drift == []


def test_two_people_pressing_the_same_button() -> None:
    world = World()
    new(world, "C1")
    anna, bram = make_user(ADMINISTRATOR), make_user(ADMINISTRATOR)
    [first] = services.run_now([world.mapping], user=anna)
    [second] = services.run_now([world.mapping], user=bram)
    assert first.pk == second.pk and SynchJob.objects.count() == 1
    assert [(job.pk, job.inserted) for job in work()] == [(first.pk, 1)]
    [third] = services.run_now([world.mapping], user=bram)
    assert third.pk != first.pk


def test_a_button_during_the_run_queues_one_more(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    job = world.queue()
    pressed: list[SynchJob] = []

    def press(point: str) -> None:
        if point == "sent":
            pressed.extend(services.run_now([world.mapping], user=None))

    jobs.run(job.pk, observe=press)
    assert {each.pk for each in pressed} == {SynchJob.objects.latest("pk").pk} and pressed[0].pk != job.pk
    assert [each.state for each in work()] == ["finished"]


def test_a_dead_broker_when_a_button_is_pressed(
    monkeypatch: pytest.MonkeyPatch, rung: list[int], clock: Clock
) -> None:
    from synccore import tasks

    world = World()
    new(world, "C1")
    ring = tasks.run_job.apply_async

    def dead(*_args: Any, **_kwargs: Any) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(tasks.run_job, "apply_async", dead)
    [job] = services.run_now([world.mapping], user=None)
    assert tasks.kick() == 0
    job.refresh_from_db()
    assert (job.state, job.sent_at) == (SynchJob.State.QUEUED, None), "the row waits"
    monkeypatch.setattr(tasks.run_job, "apply_async", ring)
    schedule.tick()
    assert rung == [job.pk]
    assert work()[0].inserted == 1


def test_a_copied_database_works_on_nothing(settings: Any, clock: Clock, rung: list[int]) -> None:
    world = World()
    pair(world, "C1", phone="1")
    left = world.coupling("C1").left_id
    assert left is not None
    waiting = world.queue()
    world.left.put("customer", left, {"phone": "2"})
    settings.INSTANCE = "another"
    assert tick() == [] and rung == []
    world.integration.refresh_from_db()
    assert world.integration.paused_since
    assert "copied" in guides.pause_reason(world.integration.paused_reason)
    services.start_bulk("synchronise", Coupling.objects.all(), user=None)
    assert work() == [], "neither schedules nor people"
    from synccore.tasks import run_job

    run_job(waiting.pk)  # a message from the time before the copy
    assert SynchJob.objects.get(pk=waiting.pk).state == SynchJob.State.QUEUED
    right = world.coupling("C1").right_id
    assert right is not None and world.rows(Side.RIGHT)[right]["phone"] == "1"
    assert services.resume(user=None) == 1
    work()
    assert world.rows(Side.RIGHT)[right]["phone"] == "2"
    assert not SynchJob.objects.unfinished().exists()


def test_one_mapping_in_trouble_does_not_hold_the_others_of_its_app(clock: Clock) -> None:
    world = World()
    people = contacts_of(world)
    TableMapping.objects.filter(pk=people.pk).update(name="Zeta")  # the app is checked by its first mapping
    contact(world, "P1", None)
    new(world, "C1")

    def away(when: str, _method: str) -> None:
        if when == "before":
            raise Misconfigured("sign_in_refused", {"user": "tandem"}, scope=Scope.CONNECTION)

    world.right.faults.hook = away
    assert world.run().code == "sign_in_refused"
    assert only_problem().connection == world.integration.right
    world.right.faults.hook = None
    world.right.tables.pop("account")  # the app is back, but a table of one mapping is gone
    clock.until(only_problem().next_attempt)
    tick()
    left_over = only_problem()
    assert (left_over.mapping, left_over.code) == (world.mapping, "unknown_table")
    assert world.run(mapping=people).inserted == 1
