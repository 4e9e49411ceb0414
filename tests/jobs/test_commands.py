"""The commands of people at a keyboard: sync, its dry run, pause and resume."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from synccore.failures import Rejected
from synccore.management.progress import Progress
from synccore.models import FieldMapping, Integration, JobItem, Problem, SynchJob
from synccore.shapes import Side

from .conftest import Clock
from .helpers import accept, contact, contacts_of, new, pair, refuse
from .world import World

pytestmark = pytest.mark.django_db


def call(*args: str, **options: Any) -> tuple[int, str]:
    """Exit code and everything that was said."""
    out = StringIO()
    try:
        call_command(*args, stdout=out, stderr=out, **options)
    except CommandError as error:
        return error.returncode, out.getvalue() + str(error)
    return 0, out.getvalue()


def rows_of_everything() -> dict[str, list[Any]]:
    """Every row of every table of ours, to be compared."""
    return {
        model.__name__: list(model.objects.order_by("pk").values())
        for model in apps.get_app_config("synccore").get_models()
    }


def test_sync_runs_parents_first_and_follows_what_comes_of_it() -> None:
    world = World()
    people = contacts_of(world)
    contact(world, "P1", new(world, "C1"))
    code, said = call("sync")
    assert code == 0
    assert [line.split(":")[0] for line in said.splitlines()] == [world.mapping.name, "Contacts"]
    assert "1 inserted" in said
    assert list(SynchJob.objects.order_by("pk").values_list("mapping", "origin"))[:2] == [
        (world.mapping.pk, "command"),
        (people.pk, "command"),
    ]
    assert len(world.right.tables["person"].rows) == 1
    assert not SynchJob.objects.unfinished().exists()
    code, said = call("sync")
    assert code == 0 and said.count("nothing to do") == 2


def test_sync_follows_records_that_were_released() -> None:
    world = World()
    people = contacts_of(world)
    parent = new(world, "C1")
    contact(world, "P1", parent)
    world.run(mapping=people)
    code, said = call("sync", world.mapping.name.upper())
    assert code == 0 and len(world.right.tables["person"].rows) == 1
    assert "Contacts (Due retries): 1 inserted" in said


def test_a_full_sync_reads_everything_and_sweeps() -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    pair(world, "C2")
    world.left.put("customer", left, {"phone": "2"}, stamp=None)  # no reading by time sees this
    assert call("sync")[1].count("nothing to do") == 1
    code, said = call("sync", full=True)
    assert code == 0 and world.rows(Side.RIGHT)[right]["phone"] == "2"
    assert {job.scope for job in SynchJob.objects.all()} >= {"full", "sweep"}


def test_failed_records_are_told_and_the_exit_code_is_1() -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, lambda: Rejected("value_too_long", {"field": "name", "limit": 5}))
    code, said = call("sync")
    assert (
        code == 1
        and "1 failed" in said
        and "1 record failed. See Coupled Data Synchronization Errors." in said
    )


def test_a_mapping_that_cannot_run_says_why_in_its_own_words() -> None:
    world = World()
    world.left.tables.pop("customer")
    code, said = call("sync")
    assert code == 1
    assert "customer" in said and world.left.name in said and "Traceback" not in said


def test_a_wrong_name_lists_the_right_ones() -> None:
    world = World()
    contacts_of(world)
    code, said = call("sync", "Custommers")
    assert code == 2 and "There is no mapping Custommers." in said
    assert f"\n  {world.mapping.name}" in said and "\n  Contacts" in said
    assert not SynchJob.objects.exists()
    assert call("sync", "cONTACTS")[0] == 0


@pytest.mark.parametrize("why", ["paused", "disabled"])
def test_what_is_held_is_said_and_not_run(why: str) -> None:
    world = World()
    new(world, "C1")
    if why == "paused":
        call("pause")
    else:
        type(world.mapping).objects.update(enabled=False)
    code, said = call("sync", world.mapping.name)
    assert code == 1 and f"{world.mapping.name}: not run, " in said
    assert not SynchJob.objects.exists() and world.rows(Side.RIGHT) == {}


def test_a_copied_database_is_not_synchronized(settings: Any) -> None:
    world = World()
    assert call("sync")[0] == 0
    new(world, "C1")
    settings.INSTANCE = "another"
    code, said = call("sync")
    assert code == 1 and "copied" in said
    assert world.rows(Side.RIGHT) == {}
    call("resume")
    assert call("sync")[0] == 0 and len(world.rows(Side.RIGHT)) == 1


def test_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    bar = Progress("Customers", terminal, total=4)
    bar.to(3)
    bar.close()
    assert "Customers" in terminal.getvalue() and "/4" in terminal.getvalue()
    monkeypatch.setattr("synccore.management.progress.EVERY", 0.0)
    plain = StringIO()
    lines = Progress("Customers", plain)
    lines.to(200)
    lines.to(200)
    lines.to(400)
    assert plain.getvalue() == "Customers: 200 records so far\nCustomers: 400 records so far\n"


# -- dry run --------------------------------------------------


def test_a_dry_run_says_what_the_run_then_does_and_writes_nothing(clock: Clock) -> None:
    world = World()
    changed, right = pair(world, "C1", phone="1")
    both, both_right = pair(world, "C2", phone="1")
    gone, gone_right = pair(world, "C3")
    world.left.put("customer", changed, {"phone": "2"})
    world.left.put("customer", both, {"phone": "2"})
    world.right.put("account", both_right, {"phone": "3"})
    world.right.remove("account", gone_right)
    new(world, "C4", city="Gent")
    new(world, "A5", Side.RIGHT)
    world.run(scope="sweep")
    SynchJob.objects.filter(state="queued").delete()
    apps_before = {side: {id: dict(row) for id, row in world.rows(side).items()} for side in Side}
    before = rows_of_everything()
    code, said = call("sync", dry_run=True)
    assert rows_of_everything() == before
    assert {side: world.rows(side) for side in Side} == apps_before
    assert code == 1, "a run would not go through without errors"
    lines = said.splitlines()
    name = world.mapping.name
    assert f"{name}: C1 Firm C1 ⇄ C1 Firm C1: change in {world.right.name}: phone = 2" in lines
    assert f"{name}: C4 Firm C4: create in {world.right.name}: no = C4, name = Firm C4, city = Gent" in lines
    assert f"{name}: A5 Firm A5: create in {world.left.name}: no = A5, name = Firm A5" in lines
    assert [line for line in lines if "C2 Firm C2" in line and "both" in line]
    assert [line for line in lines if "C3 Firm C3" in line]
    assert "Nothing was written." in lines
    counted = next(line for line in lines if line.startswith(f"{name}: 2 inserted"))
    job = world.run()
    assert counted == f"{name}: {job.inserted} inserted, {job.modified} modified, {job.failed} failed"


def test_a_dry_run_asks_no_app_inside_a_transaction_and_leaves_what_a_sweep_found() -> None:
    world = World()
    pair(world, "C1")
    new(world, "C2")
    world.left.remove("customer", new(world, "C3"))
    left = str(world.coupling("C1").left_id)
    world.left.put("customer", left, {"phone": "2"})
    gone = new(world, "C4")
    world.run(scope="sweep")
    world.left.remove("customer", gone)
    found = list(JobItem.objects.order_by("pk").values_list("record_id", "state", "note"))
    assert {record for record, _state, _note in found} >= {left, gone}
    asked, outside = [], len(connection.savepoint_ids)

    def ask(when: str, method: str) -> None:
        asked.append((method, len(connection.savepoint_ids)))

    world.left.faults.hook = world.right.faults.hook = ask
    code, said = call("sync", dry_run=True)
    assert code == 0 and "C1 Firm C1" in said and "C2 Firm C2" in said and "C4" not in said
    assert "fetch" in {method for method, _depth in asked}
    assert {depth for _method, depth in asked} == {outside}
    assert list(JobItem.objects.order_by("pk").values_list("record_id", "state", "note")) == found


def test_a_dry_run_shows_no_sensitive_value() -> None:
    world = World()
    FieldMapping.objects.filter(left_field="phone").update(sensitive=True)
    new(world, "C1", phone="0471 secret")
    code, said = call("sync", dry_run=True)
    assert code == 0 and "phone = •••" in said and "secret" not in said


def test_a_dry_run_names_the_brake_that_would_stop_the_run() -> None:
    world = World()
    new(world, "C1")
    new(world, "A1", Side.RIGHT)
    code, said = call("sync", dry_run=True)
    assert code == 1 and "2 inserted" in said
    job = world.run()
    assert job.code == "too_many_creations"
    from .helpers import said as sentence

    assert sentence(job, world).split(".")[0].split(" ")[0] in said


def test_a_dry_run_of_a_mapping_that_cannot_run_says_why() -> None:
    world = World(fields=())
    code, said = call("sync", dry_run=True)
    assert code == 1 and world.mapping.name in said and "field" in said.lower()
    assert not SynchJob.objects.exists() and not Problem.objects.exists()


# -- pause and resume --------------------------------------------------


def test_pause_and_resume_by_name() -> None:
    one, other = World(), World()
    code, said = call("pause", one.integration.name.upper(), reason="Year end")
    assert code == 0 and "is paused" in said
    one.integration.refresh_from_db()
    other.integration.refresh_from_db()
    assert one.integration.paused_since and one.integration.paused_reason == "Year end"
    assert other.integration.paused_since is None
    assert "paused already" in call("pause", one.integration.name)[1]
    code, said = call("resume")
    assert "No pause was ended." in said and "Year end" in said and one.integration.name in said
    assert Integration.objects.exclude(paused_since=None).count() == 1
    code, said = call("resume", one.integration.name)
    assert said == "1 integration synchronizes again.\n"
    call("pause")
    assert Integration.objects.exclude(paused_since=None).count() == 2
    assert "2 integrations synchronize again." in call("resume", all=True)[1]
    assert "Nothing was paused." in call("resume")[1]
    code, said = call("resume", "nobody")
    assert code == 2 and one.integration.name in said


def test_after_trouble_the_same_command_goes_through() -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, lambda: Rejected("value_too_long", {"field": "name", "limit": 5}))
    assert call("sync")[0] == 1
    accept(world.right)
    world.left.put("customer", next(iter(world.rows(Side.LEFT))), {"name": "Short"})
    assert call("sync")[0] == 0 and len(world.rows(Side.RIGHT)) == 1
