"""What a test of a connection keeps for people to choose from, since when a check stands as it does, and how often an app
is looked at by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import F
from django.utils import timezone

from synccore import jobs, schedule
from synccore.connectors.memory import MemoryApp, MemoryConnector
from synccore.engine.serial import dump_info
from synccore.failures import Misconfigured, Scope, Transient
from synccore.models import AppTable, Connection, FieldMapping, SetupCheck, SynchJob
from synccore.shapes import Choice, FieldInfo, FieldType, Side
from tests import factories as make

from .conftest import Clock
from .helpers import new
from .world import World

pytestmark = pytest.mark.django_db

TWO = [Choice("CRONUS NL", {"company": "1"}, "Production"), Choice("CRONUS NL", {"company": "2"}, "Sandbox")]
REFUSED = Misconfigured("missing_privilege", {"table": "companies", "user": "tandem"})


@pytest.fixture
def set_up_checks() -> None:
    """Here they happen by themselves, as they do outside."""


def app_of(world: World) -> Connection:
    return Connection.objects.get(pk=world.integration.left_id)


def run(verb: str, app: Connection, **values) -> SynchJob:
    job = jobs.run(jobs.enqueue(verb=verb, connection=app, **values).pk)
    assert job is not None
    return job


# --- what there is to choose from ----------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["check_connection", "list_choices"])
def test_what_the_app_lists_is_kept_with_its_time(verb):
    world = World()
    world.left.choices = TWO
    assert run(verb, app_of(world)).state == "finished"
    listed = app_of(world).listed
    assert [(each["label"], each["answers"]["company"], each["detail"]) for each in listed["choices"]] == [
        ("CRONUS NL", "1", "Production"), ("CRONUS NL", "2", "Sandbox"),
    ]  # fmt: skip
    assert listed["at"] and "because" not in listed


@pytest.mark.parametrize("letter", ["\0", "\ud800"])
def test_captions_that_no_database_keeps_stop_nothing(letter):
    world, bad = World(), f"CRONUS{letter}NL"
    world.left.choices = [Choice(bad, {"company": "1"}, bad)]
    for table in world.left.tables.values():
        table.info = replace(table.info, label=bad)
    for verb in ("check_connection", "list_choices", "describe"):
        assert run(verb, app_of(world)).state == "finished"
    [listed] = app_of(world).listed["choices"]
    table = AppTable.objects.get(connection=app_of(world), name="customer")
    assert (listed["label"], listed["detail"], table.info["label"]) == ("CRONUS�NL",) * 3


def refuse_the_list(world: World) -> None:
    def hook(when: str, method: str) -> None:
        if (when, method) == ("before", "choices"):
            raise REFUSED

    world.left.faults.hook = hook


def test_a_list_that_is_refused_is_no_failure_of_the_test_and_keeps_the_one_before():
    world = World()
    world.left.choices = TWO
    run("check_connection", app_of(world))
    refuse_the_list(world)
    assert run("check_connection", app_of(world)).state == "finished"
    listed = app_of(world).listed
    assert len(listed["choices"]) == 2
    assert listed["because"]["failure"] == "missing_privilege"
    assert run("list_choices", app_of(world)).code == "missing_privilege"
    world.left.faults.hook = None
    run("list_choices", app_of(world))
    assert "because" not in app_of(world).listed


def test_a_test_that_fails_lists_nothing():
    world = World()
    world.left.choices = TWO
    world.left.faults.fail = [Misconfigured("sign_in_refused", {}, scope=Scope.CONNECTION)]
    assert run("check_connection", app_of(world)).state == "failed"
    assert app_of(world).listed == {}


# --- since when ----------------------------------------------------------------------------------------


def test_a_check_keeps_since_when_it_stands_as_it_does():
    world = World()
    app = app_of(world)
    run("check_set_up", app)
    ago = timezone.now() - timedelta(days=3)
    SetupCheck.objects.update(since=ago)
    FieldMapping.objects.filter(left_field="phone").update(left_field="telephone")
    run("check_set_up", app)
    since = {row.code: row.since for row in SetupCheck.objects.filter(connection=app)}
    assert since["signs_in"] == since["clock"] == ago
    assert since["fields"] > ago  # it failed only now
    run("check_set_up", app)
    assert SetupCheck.objects.get(connection=app, code="fields").since == since["fields"]


# --- values that do not fit ----------------------------------------------------------------------------


def compatible(world: World) -> SetupCheck:
    run("check_set_up", app_of(world))
    return SetupCheck.objects.get(connection=app_of(world), code="compatible")


def test_a_longer_field_of_the_other_app_is_a_warning_that_names_the_field():
    world = World()
    long = dump_info(FieldInfo("city", FieldType.TEXT, length=250))
    FieldMapping.objects.filter(left_field="city").update(right_info=long)
    found = compatible(world)
    assert (found.state, found.params["field"]) == ("warn", ["city"])
    FieldMapping.objects.filter(left_field="city").update(to_left=[{"name": "cut", "params": {"length": 60}}])
    assert compatible(world).state == "pass"


def test_fields_of_the_other_app_that_nobody_read_could_not_be_checked():
    world = World()
    FieldMapping.objects.update(right_info=None)
    found = compatible(world)
    assert (found.state, found.params["field"]) == ("unknown", ["no", "name", "phone", "city"])


def test_an_app_that_is_only_read_has_nothing_to_fit():
    world = World(direction="to_right")
    run("check_set_up", app_of(world))
    assert not SetupCheck.objects.filter(code="compatible").exists()


# --- the address ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "states"),
    [
        (Misconfigured("unknown_host", {}, scope=Scope.CONNECTION), {"address": "fail"}),
        (Misconfigured("address_of_the_machine", {}, scope=Scope.CONNECTION), {"address": "fail"}),
        (Misconfigured("certificate_refused", {}, scope=Scope.CONNECTION), {"certificate": "fail"}),
        (Misconfigured("sign_in_refused", {}, scope=Scope.CONNECTION), {"address": "pass"}),
        (Transient("connection_refused", {}, scope=Scope.CONNECTION), {"address": "unknown"}),
    ],
)
def test_the_address_is_judged_by_whether_anybody_answered(failure, states):
    world = World()
    world.left.faults.fail = [failure]
    run("check_set_up", app_of(world))
    found = SetupCheck.objects.filter(connection=app_of(world), code__in=("address", "certificate"))
    assert {row.code: row.state for row in found} == states


@pytest.mark.parametrize(
    ("failure", "signs_in"),
    [
        (Misconfigured("secret_expired", {"host": "login.example"}, scope=Scope.CONNECTION), "fail"),
        (Misconfigured("tenant_unknown", {"host": "login.example"}, scope=Scope.CONNECTION), "fail"),
        (Misconfigured("certificate_refused", {"host": "login.example"}, scope=Scope.CONNECTION), "fail"),
        (Transient("connection_refused", {"host": "login.example"}, scope=Scope.CONNECTION), "unknown"),
    ],
)
def test_a_token_that_another_server_refuses_says_nothing_of_the_apps_address(monkeypatch, failure, signs_in):
    world = World()
    monkeypatch.setattr(Connection, "address", property(lambda _app: "https://crm.example/api"))
    world.left.faults.fail = [failure]
    run("check_set_up", app_of(world))
    found = SetupCheck.objects.filter(
        connection=app_of(world), code__in=("address", "certificate", "signs_in")
    )
    assert {row.code: row.state for row in found} == {"address": "unknown", "signs_in": signs_in}


@pytest.mark.parametrize(("address", "state"), [("https://x.example", "pass"), ("http://x.example", "warn")])
def test_an_address_without_encryption_is_a_warning(monkeypatch, address, state):
    world = World()
    monkeypatch.setattr(Connection, "address", property(lambda _app: address))
    run("check_set_up", app_of(world))
    assert SetupCheck.objects.get(connection=app_of(world), code="certificate").state == state


@pytest.mark.parametrize(
    ("code", "check"), [("admin_mode", "admin_mode_off"), ("user_disabled", "user_enabled")]
)
def test_a_refusal_at_the_door_fails_the_check_that_looks_for_it(monkeypatch, code, check):
    world = World()
    monkeypatch.setattr(MemoryConnector, "audits", ("admin_mode_off", "user_enabled"))
    world.left.faults.fail = [Misconfigured(code, {"user": "tandem"}, scope=Scope.CONNECTION)]
    run("check_set_up", app_of(world))
    states = {row.code: row.state for row in SetupCheck.objects.filter(connection=app_of(world))}
    assert (states[check], states["signs_in"], states["address"]) == ("fail", "fail", "pass")


def test_a_place_that_is_not_there_is_the_addresss_fault_and_no_refused_sign_in():
    world = World()
    world.left.faults.fail = [Misconfigured("company_unknown", {}, scope=Scope.CONNECTION)]
    run("check_set_up", app_of(world))
    states = {row.code: row.state for row in SetupCheck.objects.filter(connection=app_of(world))}
    assert (states["address"], states["signs_in"]) == ("fail", "unknown")


@pytest.mark.parametrize("address", ["http://127.0.0.1:8101", "http://localhost/x", "http://[::1]:9"])
def test_what_stays_on_this_machine_needs_no_certificate(monkeypatch, address):
    world = World()
    monkeypatch.setattr(Connection, "address", property(lambda _app: address))
    monkeypatch.setattr(MemoryConnector, "audits", ("certificate_ends", "not_owner"))
    run("check_set_up", app_of(world))
    codes = set(SetupCheck.objects.filter(connection=app_of(world)).values_list("code", flat=True))
    assert "not_owner" in codes and not {"certificate", "certificate_ends"} & codes


# --- the records themselves ----------------------------------------------------------------------------


def coupled(world: World) -> str:
    run("check_set_up", app_of(world))
    found = SetupCheck.objects.filter(connection=app_of(world), code="coupled_records").first()
    return found.state if found else ""


def test_coupled_records_that_are_all_gone_say_that_this_is_another_place():
    world = World()
    assert coupled(world) == ""  # nothing is coupled yet
    ids = [new(world, f"C{n}") for n in range(4)]
    world.run()
    assert coupled(world) == "pass"
    for id in ids[:-1]:
        world.left.remove("customer", id)
    assert coupled(world) == "pass"  # some were deleted
    world.left.remove("customer", ids[-1])
    assert coupled(world) == "fail"


def test_two_records_that_are_gone_are_a_warning_only():
    world = World()
    ids = [new(world, f"C{n}") for n in range(2)]
    world.run()
    for id in ids:
        world.left.remove("customer", id)
    assert coupled(world) == "warn"


# --- how often -----------------------------------------------------------------------------------------


def looks() -> int:
    return SynchJob.objects.filter(verb="check_set_up").count()


def test_many_jobs_that_meet_a_set_up_fault_have_the_app_looked_at_once(clock: Clock):
    world = World()
    others = [world.add_mapping("customer", "account", ("no",), name=f"More {n}") for n in range(4)]
    for mapping in (world.mapping, *others):
        fault = {"table": "account", "user": "tandem", "privilege": f"UPDATE {mapping.pk}"}
        world.right.faults.fail = [Misconfigured("missing_privilege", fault)]
        job = jobs.run(jobs.enqueue(verb="synchronise", mapping=mapping).pk)
        assert job is not None and job.kind == "misconfigured"
        for look in SynchJob.objects.filter(verb="check_set_up", state="queued"):
            jobs.run(look.pk)
    assert looks() == 1


def test_a_fault_met_soon_after_a_look_is_looked_at_a_little_later(clock: Clock):
    world = World()
    right = Connection.objects.get(pk=world.integration.right_id)
    for side in Side:
        run("check_set_up", world.mapping.connection(side))
    fault = {"table": "account", "user": "tandem", "privilege": "UPDATE"}
    world.right.faults.fail = [Misconfigured("missing_privilege", fault)]
    assert world.run().state == "failed"
    assert (looks(), schedule.start_set_up_checks()) == (2, 0)
    SynchJob.objects.filter(verb="check_set_up").update(queued_at=F("queued_at") - timedelta(minutes=6))
    assert schedule.start_set_up_checks() == 1
    assert SynchJob.objects.get(verb="check_set_up", state="queued").connection_id == right.pk
    assert schedule.start_set_up_checks() == 0


def test_a_fault_of_a_single_record_has_its_app_looked_at_too(clock: Clock):
    world = World()
    for side in Side:
        run("check_set_up", world.mapping.connection(side))
    SynchJob.objects.filter(verb="check_set_up").update(queued_at=F("queued_at") - timedelta(minutes=6))
    lacks = {"table": "currency", "user": "tandem", "privilege": "prvAppendToTransactionCurrency"}
    world.left.put("customer", str(uuid4()), {"no": "C1", "name": "Fabrikam"})
    world.right.faults.refuse = lambda _operation, _table, _item: Misconfigured(
        "missing_privilege", lacks, scope=Scope.RECORD
    )
    assert world.run().state == "finished"
    assert world.problem("C1").kind == "misconfigured"
    assert schedule.start_set_up_checks() == 1
    assert (
        SynchJob.objects.get(verb="check_set_up", state="queued").connection_id == world.integration.right_id
    )


@pytest.mark.parametrize("verb", ["check_connection", "list_choices", "describe"])
def test_a_job_of_the_connection_that_ends_misconfigured_has_it_looked_at_too(verb):
    app = make.make_connection("Lonely", options={"name": "lonely"})
    MemoryApp.get("lonely").faults.fail = [Misconfigured("sign_in_refused", {}, scope=Scope.CONNECTION)]
    assert run(verb, app).kind == "misconfigured"
    assert SynchJob.objects.get(verb="check_set_up").connection_id == app.pk
    MemoryApp.forget("lonely")


def test_a_look_that_fails_itself_starts_no_other():
    app = make.make_connection("Strange", kind="nobody")
    run("check_set_up", app)
    assert looks() == 1


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("check_connection", "check"),
        ("check_set_up", "check"),
        ("describe", "describe"),
        ("list_choices", "choices"),
    ],
)
def test_a_call_of_many_requests_holds_the_lease_and_ends_when_the_job_was_taken_over(
    monkeypatch: pytest.MonkeyPatch, verb: str, call: str
) -> None:
    """Reading all tables of a large service takes longer than a lease lasts."""
    world, hooks, renewed = World(), [], []
    monkeypatch.setattr(MemoryConnector, "before_requests", lambda _self, hook: hooks.append(hook))
    monkeypatch.setattr("synccore.verbs.run.HOLD_ON", timedelta(seconds=-1))
    reached: list[str] = []

    def many_requests(_self: MemoryConnector, *_args: object, **_more: object) -> None:
        before = SynchJob.objects.get().lease_until
        hooks[-1]()
        renewed.append(SynchJob.objects.get().lease_until > before)
        SynchJob.objects.update(lease_no=77)
        hooks[-1]()
        reached.append("a request on behalf of another worker's job")

    monkeypatch.setattr(MemoryConnector, call, many_requests)
    job = run(verb, app_of(world))
    assert (renewed, reached) == ([True], [])
    assert (job.state, job.lease_no) == ("running", 77), "it is another worker's now"
