"""Set-up checks of a real database with real roles, and of an app that tells nothing; when they run, what they release."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from django.db.models import F
from django.utils import timezone
from psycopg import sql

from synccore import guides, jobs, schedule
from synccore.connectors.memory import MemoryApp, MemoryConnector
from synccore.engine.serial import dump_info
from synccore.failures import Failure, Misconfigured, Scope, Transient, Unrecognised
from synccore.guides.checks import CHECKS
from synccore.models import Connection, FieldMapping, Problem, SetupCheck, SynchJob, TableMapping
from synccore.services import connections as services
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from synccore.shapes import CheckState, Side
from synccore.views.checks import check_rows
from tests import factories as make
from tests.connectors.conftest import server  # noqa: F401  (a fixture)
from tests.connectors.pg import PASSWORD, Server

from .helpers import new, only_problem, pair, work
from .world import World

pytestmark = pytest.mark.django_db


NAME = f"set_up_{os.getpid()}"


@pytest.fixture(scope="module")
def pg_database(pg_admin: Callable[[str], str]) -> Iterator[str]:
    """A superuser's connection string for a database of these tests' own."""
    with psycopg.connect(pg_admin("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
        yield pg_admin(NAME)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(NAME)))


@pytest.fixture
def set_up_checks() -> None:
    """Here they happen by themselves, as they do outside."""


class Books:
    """One database on the left of a mapping of its table ``item``, signed in to by ``role``."""

    def __init__(self, server: Server, role: str, *, direction: str = "both", **secrets: str) -> None:  # noqa: F811
        self.server, self.role = server, role
        given = {"dsn": server.dsn_of(role), **secrets}
        self.app = make.make_connection(
            kind="postgresql", options={"schema": server.schema}, secrets=given, integration_user=role
        )
        self.mapping = make.make_mapping(
            "Items",
            integration=make.make_integration(left=self.app),
            left_table="item",
            right_table="thing",
            left_modified_field="changed",
            direction=direction,
        )
        for name in ("name", "price"):
            make.make_field(self.mapping, name, left_info=None)

    def describe(self) -> None:
        """Remember the fields as they are now, as saving the mapping does."""
        with self.app.connect() as connector:
            fields = connector.describe()["item"].fields
        for row in self.mapping.field_mappings.all():
            FieldMapping.objects.filter(pk=row.pk).update(left_info=dump_info(fields[row.left_field]))

    def check(self, **values) -> SynchJob:
        job = jobs.run(jobs.enqueue(verb="check_set_up", connection=self.app, **values).pk)
        assert job is not None
        assert job.state == "finished", (job.code, job.params)
        return job

    def states(self) -> dict[str, str]:
        return {row.code: row.state for row in SetupCheck.objects.filter(connection=self.app)}

    def told(self, code: str):
        self.check()
        pk = SetupCheck.objects.get(connection=self.app, code=code).pk
        return next(row for row in check_rows(self.app) if row.pk == pk)


@pytest.fixture
def books(server) -> Callable[..., Books]:  # noqa: F811
    server.run(
        "CREATE TABLE item (id uuid PRIMARY KEY, name varchar(20) NOT NULL, price numeric(10, 2), changed timestamptz)"
    )

    def made(*grants: str, **values) -> Books:
        return Books(server, server.role(*grants), **values)

    return made


ALL = "SELECT, INSERT, UPDATE, DELETE ON item"


# --- a database with real roles ------------------------------------------------------------------------


def test_a_database_as_it_should_be_passes_every_check(books):
    app = books(ALL)
    app.describe()
    FieldMapping.objects.update(right_info=F("left_info"))
    services.save_currencies(app.app, user=None, mapping=None, skip=True)
    app.check()
    assert app.states() == dict.fromkeys(
        ("address", "signs_in", "clock", "not_superuser", "password_valid", "not_owner", "privileges", "fields",
         "compatible"), "pass",
    )  # fmt: skip
    app.app.refresh_from_db()
    assert app.app.checked_at is not None
    assert abs(app.app.skew_seconds) < 2 + app.app.skew_uncertainty


@pytest.mark.parametrize("missing", ["INSERT", "UPDATE", "DELETE"])
def test_a_missing_right_comes_with_its_grant_and_passes_once_it_is_given(books, missing):
    app = books(", ".join(sorted({"SELECT", "INSERT", "UPDATE", "DELETE"} - {missing})) + " ON item")
    row = app.told("privileges")
    assert row.state.word == "Failed"
    assert row.sentence == f"{app.role} lacks {missing} on item."
    assert row.statement == f'GRANT {missing} ON TABLE "{app.server.schema}"."item" TO "{app.role}";'
    app.server.run(row.statement)
    assert app.told("privileges").state.word == "Passed"


def test_several_missing_rights_are_told_at_once_and_their_statements_are_enough(books):
    app = books("SELECT ON item")
    row = app.told("privileges")
    assert row.statement.count("GRANT ") == 3
    app.server.run(row.statement)
    assert app.told("privileges").state.word == "Passed"


def test_a_right_on_some_columns_only_names_the_mapped_one_that_lacks_it(books):
    app = books("SELECT, INSERT, DELETE ON item", "UPDATE (name) ON item")
    row = app.told("privileges")
    assert row.statement == f'GRANT UPDATE ("price") ON TABLE "{app.server.schema}"."item" TO "{app.role}";'
    app.server.run(row.statement)
    assert app.told("privileges").state.word == "Passed"


def test_a_mapping_that_only_reads_needs_only_select(books):
    app = books("SELECT ON item", direction="to_right")
    app.check()
    assert app.states()["privileges"] == "pass"


def test_two_mappings_of_one_table_get_a_row_each(books):
    app = books("SELECT ON item", direction="to_right")
    make.make_mapping("Again", integration=app.mapping.integration, left_table="item", right_table="other")
    app.check()
    assert SetupCheck.objects.filter(connection=app.app, code="privileges").count() == 2


def test_a_superuser_fails(books):
    app = books(ALL)
    app.server.run(f"ALTER ROLE {app.role} SUPERUSER")
    row = app.told("not_superuser")
    assert row.state.word == "Failed"
    assert f"{app.role} has an administrator's rights" in row.sentence
    assert row.statement == f'ALTER ROLE "{app.role}" NOSUPERUSER;'
    assert app.states()["not_owner"] == "pass"  # being in every role is no ownership
    app.server.run(f"ALTER ROLE {app.role} NOSUPERUSER")
    assert app.told("not_superuser").state.word == "Passed"


def test_rights_beyond_the_rows_are_a_warning(books):
    app = books(ALL)
    app.server.run(f"ALTER ROLE {app.role} CREATEDB BYPASSRLS")
    row = app.told("not_superuser")
    assert (row.state.word, row.sentence) == (
        "Warning",
        f"{app.role} has rights that synchronizing does not need: CREATEDB, BYPASSRLS.",
    )


def test_the_owner_of_a_mapped_table_fails_also_through_a_role_he_belongs_to(books, server):  # noqa: F811
    app = books(ALL)
    group = server.role()
    server.run(f"ALTER TABLE item OWNER TO {group}")
    assert app.told("not_owner").state.word == "Passed"
    server.run(f"GRANT {group} TO {app.role}")
    row = app.told("not_owner")
    assert row.state.word == "Failed"
    assert f"{app.role} owns item" in row.sentence


def test_a_password_about_to_end_is_a_warning_with_the_day(books):
    app = books(ALL)
    app.server.run(f"ALTER ROLE {app.role} VALID UNTIL '{timezone.now() + timedelta(days=5, hours=1)}'")
    row = app.told("password_valid")
    assert row.state.word == "Warning"
    assert row.sentence.endswith("UTC, in 5 days.")
    for never in ("infinity", "2999-01-01"):
        app.server.run(f"ALTER ROLE {app.role} VALID UNTIL '{never}'")
        assert app.told("password_valid").state.word == "Passed"


def test_a_password_that_has_ended_while_the_session_lives_fails(books):
    """What the audit itself says of it, on a session that was opened before."""
    app = books(ALL)
    with app.app.connect() as connector:
        connector.check(None)
        for until in ("2020-01-01", "-infinity"):
            app.server.run(f"ALTER ROLE {app.role} VALID UNTIL '{until}'")
            [found] = [each for each in connector.audit([]) if each.code == "password_valid"]
            assert found.state is CheckState.FAIL


def test_an_expired_password_fails_the_sign_in_and_nothing_else_is_called_passed(books):
    app = books(ALL)
    app.server.run(f"ALTER ROLE {app.role} VALID UNTIL '2020-01-01'")
    row = app.told("signs_in")
    assert row.state.word == "Failed"
    assert any("may have expired" in step for step in row.steps)
    states = app.states()
    assert (states.pop("address"), states.pop("signs_in")) == ("pass", "fail")  # somebody refused us
    assert set(states.values()) == {"unknown"}
    assert set(states) == {
        "password_valid", "privileges", "fields", "not_superuser", "not_owner", "clock", "currencies"
    }  # fmt: skip


def test_a_wrong_password_is_told_and_stands_nowhere(books):
    app = books(ALL, password="quite wrong 4711")
    row = app.told("signs_in")
    assert f"does not let {app.role} in" in row.sentence
    stored = json.dumps(list(SetupCheck.objects.values("params")), default=str) + json.dumps(
        list(SynchJob.objects.values("params", "options", "app_message")), default=str
    )
    assert "4711" not in stored
    assert PASSWORD not in stored


def test_a_database_that_does_not_answer_could_not_be_checked(books):
    app = books(ALL)
    Connection.objects.filter(pk=app.app.pk).update(
        options={"schema": app.server.schema, "host": "127.0.0.1", "port": 1}
    )
    row = app.told("signs_in")
    assert row.state.word == "Could not be checked"
    assert set(app.states().values()) == {"unknown"}


def test_a_table_and_a_field_that_are_gone(books):
    app = books(ALL)
    app.describe()
    app.server.run("ALTER TABLE item RENAME COLUMN price TO cost")
    assert "The field price of item is gone" in app.told("fields").sentence
    app.server.run("DROP TABLE item")
    assert "has no table item" in app.told("table").sentence
    assert app.states()["privileges"] == "unknown"


@pytest.mark.parametrize(
    ("type_", "word"), [("varchar(10)", "Warning"), ("varchar(20)", None), ("uuid USING NULL", "Failed")]
)
def test_a_mapped_field_of_another_type(books, type_, word):
    app = books(ALL)
    app.describe()
    app.server.run("ALTER TABLE item ALTER name DROP NOT NULL")
    app.server.run(f"ALTER TABLE item ALTER name TYPE {type_}")
    if word is None:
        app.check()
        assert "field_type" not in app.states()
        return
    row = app.told("field_type")
    assert row.state.word == word
    assert "name was character varying(20) when the mapping was made, and is" in row.sentence
    assert "fields" not in app.states()


def test_the_rows_of_before_are_replaced(books):
    app = books(ALL)
    app.check()
    first = set(SetupCheck.objects.values_list("pk", flat=True))
    app.check()
    assert SetupCheck.objects.count() == len(first)
    assert not first & set(SetupCheck.objects.values_list("pk", flat=True))


def test_the_checks_write_nothing_to_the_app(books):
    app = books(ALL)
    server_ = app.server
    server_.run(f"ALTER ROLE {app.role} SET default_transaction_read_only = on")
    app.check()
    assert app.states()["privileges"] == "pass"


# --- an app that tells nothing -------------------------------------------------------------------------


def check(app: Connection, **values) -> dict[str, str]:
    jobs.run(jobs.enqueue(verb="check_set_up", connection=app, **values).pk)
    return {row.code: row.state for row in SetupCheck.objects.filter(connection=app)}


def test_what_an_app_does_not_tell_could_not_be_checked():
    world = World()
    assert check(world.mapping.connection(Side.LEFT)) == {
        "address": "pass", "signs_in": "pass", "clock": "warn", "not_superuser": "unknown", "password_valid": "unknown",
        "not_owner": "unknown", "privileges": "pass", "fields": "pass", "compatible": "pass",
        "currencies": "unknown",
    }  # fmt: skip


def test_an_app_that_goes_away_in_the_middle_leaves_the_rest_unknown():
    world = World()
    calls: list[str] = []

    def hook(when: str, method: str) -> None:
        calls.append(method)
        if method == "describe":
            raise Transient("connection_lost", {"app": "ERP"}, scope=Scope.CONNECTION)

    world.left.faults.hook = hook
    states = check(world.mapping.connection(Side.LEFT))
    assert (states["signs_in"], states["privileges"], states["fields"]) == ("pass", "pass", "unknown")
    assert states["currencies"] == "unknown", "what nobody came to is not left out"
    [told] = [row for row in SetupCheck.objects.all() if row.code == "currencies"]
    assert told.params["failure"] == "connection_lost"


def test_an_app_that_goes_away_where_there_is_nothing_to_check_of_currencies():
    world = World()
    app = world.mapping.connection(Side.LEFT)
    Connection.objects.filter(pk=app.pk).update(currencies={"skip": True})
    world.left.faults.hook = refusing("describe", Transient("connection_lost", {}, scope=Scope.CONNECTION))
    assert "currencies" not in check(app)


def refusing(wanted: str, failure: Failure) -> Callable[[str, str], None]:
    """From now on this call of an app meets the failure."""

    def hook(when: str, method: str) -> None:
        if method == wanted:
            raise failure

    return hook


def test_a_clock_that_cannot_be_read_is_no_pass_and_ends_no_other_check():
    world = World()
    untold = Unrecognised("app_answer", {"table": ""}, app_message="Date", scope=Scope.CONNECTION)
    world.left.faults.hook = refusing("now", untold)
    states = check(world.mapping.connection(Side.LEFT))
    assert (states["clock"], states["privileges"], states["fields"]) == ("unknown", "pass", "pass")


@pytest.mark.parametrize(
    ("call", "code"),
    [("check table", "privileges"), ("fetch", "coupled_records"), ("find", "exchange_rates")],
)
def test_a_table_that_cannot_be_read_is_said_and_ends_no_other_check(monkeypatch, call, code):
    """Another table of the same app may be as it should be."""
    world = World()
    pair(world, "C1")
    app = world.mapping.connection(Side.LEFT)
    said = {"base": "EUR", "table": "customer", "field": "no", "mapping": world.mapping.pk}
    Connection.objects.filter(pk=app.pk).update(currencies=said)
    method = call.partition(" ")[0]
    real = getattr(MemoryConnector, method)

    def broken(self, *rest, **more):
        if call != "check table" or rest[0] is not None:
            raise Transient("answer_unreadable", {"table": "customer"}, scope=Scope.TABLE)
        return real(self, *rest, **more)

    monkeypatch.setattr(MemoryConnector, method, broken)
    states = check(app)
    wanted = {"privileges": "pass", "coupled_records": "pass", "exchange_rates": "pass", "fields": "pass"}
    assert {name: states[name] for name in wanted} == {**wanted, code: "unknown"}


# --- when they run, and what they release --------------------------------------------------------------


def set_up_jobs() -> list[tuple[int, str]]:
    found = SynchJob.objects.filter(verb="check_set_up").order_by("pk")
    return list(found.values_list("connection_id", "state"))


def test_the_tick_looks_once_a_day_at_the_apps_of_mappings_that_run(clock):
    world = World()
    idle = make.make_connection("Not used")
    for _ in range(3):
        schedule.start_set_up_checks()
    apps = {world.integration.left_id, world.integration.right_id}
    assert {app for app, _state in set_up_jobs()} == apps
    assert len(set_up_jobs()) == 2
    for job in SynchJob.objects.filter(verb="check_set_up"):
        jobs.run(job.pk)
    clock.move(hours=23)
    assert schedule.start_set_up_checks() == 0
    SynchJob.objects.filter(verb="check_set_up").update(queued_at=timezone.now() - timedelta(hours=25))
    assert schedule.start_set_up_checks() == 2
    assert idle.pk not in {app for app, _state in set_up_jobs()}
    TableMapping.objects.update(enabled=False)
    SynchJob.objects.filter(verb="check_set_up").delete()
    assert schedule.start_set_up_checks() == 0


def test_a_new_set_up_fault_of_a_run_has_its_app_looked_at_once():
    world = World()
    fault = {"table": "account", "user": "tandem", "privilege": "UPDATE"}
    for _ in range(2):
        world.right.faults.fail = [Misconfigured("missing_privilege", fault) for _ in range(1)]
        assert world.run().state == "failed"
    assert only_problem().attempts == 2
    assert set_up_jobs() == [(only_problem_app(world), "queued")]


def only_problem_app(world: World) -> int:
    side = only_problem().params["side"]
    return getattr(world.integration, f"{side}_id")


def held(world: World) -> Problem:
    return make.make_problem(
        mapping=world.mapping, kind="misconfigured", code="unknown_table", state="retrying", next_attempt=None
    )


def test_when_what_failed_passes_the_held_mapping_is_checked_and_released(clock):
    world = World()
    app = world.mapping.connection(Side.LEFT)
    TableMapping.objects.filter(pk=world.mapping.pk).update(left_table="nowhere")
    assert check(app)["table"] == "fail"
    problem = held(world)
    check(app)
    problem.refresh_from_db()
    assert problem.next_attempt is None  # nothing is better: the tick's own waits go on
    TableMapping.objects.filter(pk=world.mapping.pk).update(left_table="customer")
    assert check(app)["fields"] == "pass"
    problem.refresh_from_db()
    assert problem.next_attempt is not None
    schedule.start_checks()
    jobs.run(SynchJob.objects.get(verb="check", state="queued").pk)
    problem.refresh_from_db()
    assert problem.state == Problem.State.ENDED


def test_a_check_that_always_passed_does_not_hurry_what_it_cannot_see():
    world = World()
    app = world.mapping.connection(Side.LEFT)
    check(app)
    problem = held(world)
    check(app)
    problem.refresh_from_db()
    assert problem.next_attempt is None


def test_a_person_who_checks_wants_to_know_now():
    world = World()
    problem = held(world)
    check(world.mapping.connection(Side.LEFT), requested_by=make.make_user("Administrator"))
    problem.refresh_from_db()
    assert problem.next_attempt is not None


def refused(world: World, table: str = "account") -> Problem:
    """A run that met a missing right so often that the next try is an hour away."""
    fault = {"table": table, "user": "tandem", "privilege": "UPDATE"}
    world.right.faults.fail = [Misconfigured("missing_privilege", fault)]
    world.run()
    SynchJob.objects.filter(state="queued").delete()  # the look at the app that the fault itself starts
    Problem.objects.update(attempts=9, next_attempt=timezone.now() + timedelta(hours=1))
    return only_problem()


def goes_on(world: World) -> list[tuple[str, str]]:
    """What workers do without a tick and without time going by."""
    return [(job.verb, job.state) for job in work()]


@pytest.mark.parametrize("start", [services.start_set_up_check, services.start_test])
def test_a_check_by_hand_releases_what_was_mended_at_once(clock, start):
    world = World()
    new(world, "C1")
    problem = refused(world)
    jobs_of = {services.start_set_up_check: "check_set_up", services.start_test: "check_connection"}
    start(world.mapping.connection(Side.RIGHT), user=make.make_user("Administrator"))
    assert goes_on(world) == [
        (jobs_of[start], "finished"),
        ("check", "finished"),
        ("synchronise", "finished"),
    ]
    problem.refresh_from_db()
    assert (problem.state, problem.ending) == ("ended", "fixed")
    assert "C1" in world.by_no(Side.RIGHT)


def test_check_now_releases_what_was_mended_at_once(clock):
    world = World()
    new(world, "C1")
    problem = refused(world)
    job = services.check_now(problem, user=make.make_user("Administrator"))
    assert (job.verb, job.mapping) == ("check", world.mapping)
    assert goes_on(world) == [("check", "finished"), ("synchronise", "finished")]
    assert "C1" in world.by_no(Side.RIGHT)
    with pytest.raises(NotNow) as no:
        services.check_now(problem, user=None)
    assert no.value.code == "not_held"


def test_check_now_of_what_is_not_mended_says_so_and_waits_on(clock):
    world = World()
    problem = refused(world)
    fault = {"table": "account", "user": "tandem", "privilege": "UPDATE"}
    services.check_now(problem, user=None)
    world.right.faults.fail = [Misconfigured("missing_privilege", fault)]
    assert goes_on(world) == [("check", "failed")]
    problem.refresh_from_db()
    assert problem.state == "retrying" and problem.next_attempt > timezone.now() + timedelta(minutes=50)


def test_check_now_of_an_app_that_was_away_looks_through_one_of_its_mappings(clock):
    world = World()
    world.right.faults.fail = [Transient("connection_lost", {"app": "CRM"}, scope=Scope.CONNECTION)]
    world.run()
    problem = only_problem()
    assert (problem.mapping, problem.connection) == (None, world.mapping.connection(Side.RIGHT))
    assert services.check_now(problem, user=None).mapping == world.mapping
    assert goes_on(world) == [("check", "finished"), ("synchronise", "finished")]
    problem.refresh_from_db()
    assert problem.state == "ended"


def test_check_now_needs_the_right_to_set_up(clock):
    world = World()
    with pytest.raises(RightMissing):
        services.check_now(refused(world), user=make.make_user("Record owner", grants={world.mapping: 3}))
    brake = make.make_problem(
        mapping=world.mapping, kind="stopped", code="too_many_deletions", state="skipped"
    )
    with pytest.raises(NotNow):
        services.check_now(brake, user=None)


def test_the_service_queues_one_job():
    world = World()
    app, anna = world.mapping.connection(Side.LEFT), make.make_user("Administrator")
    assert services.start_set_up_check(app, user=anna) == services.start_set_up_check(app, user=anna)


# --- words ---------------------------------------------------------------------------------------------


def test_every_check_has_words_for_every_state_it_can_have():
    for code, guide in CHECKS.items():
        for text in (guide.title, guide.passed, guide.failed, guide.unknown, guide.who):
            assert str(text).strip(), code
        assert guide.steps, code


def test_every_check_that_was_stored_has_a_guide(books):
    app = books("SELECT ON item")
    app.check()
    assert set(app.states()) <= set(CHECKS)
    for row in check_rows(app.app):
        assert "{" not in row.title + row.sentence
        assert row.sentence


def test_a_failure_behind_a_check_is_said_as_the_failure_is_said():
    world = World()
    world.left.faults.fail = [
        Misconfigured(
            "sign_in_refused", {"user": "tandem"}, scope=Scope.CONNECTION, app_message="who are you"
        )
    ]
    app = world.mapping.connection(Side.LEFT)
    check(app)
    row = check_rows(app)[0]
    assert row.sentence == guides.render("sign_in_refused", {"user": "tandem", "app": app.name}).sentence
    assert (row.said, row.speaker) == ("who are you", f"{app.name} answered:")
    assert MemoryApp.get(world.left.name) is world.left
