"""Filters by a builder; what the next run would take; changes since a date; full synchronizations, parents first."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore import jobs
from synccore.failures import Misconfigured, Scope
from synccore.models import JobQueueEntry, PlannedRecord, Problem, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.services import mappings, runs
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from synccore.shapes import Side
from tests import factories as make
from tests.jobs.helpers import contacts_of, new, pair, schedule_of, start_full, work

from .test_mapping_fields import flat
from .test_mappings import HOSTILE, apps, browser, person, pressed  # noqa: F401

FULL = reverse("synccore:full")


@pytest.fixture(autouse=True)
def no_bell(monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


def page(name: str, *keys: int) -> str:
    return reverse(f"synccore:{name}", args=keys)


# --- filters ---------------------------------------------------------------------------------------------------------


def condition(field: str, operator: str, value: str = "") -> dict[str, str]:
    return {"field": field, "operator": operator, "value": value}


def send(browser, mapping: TableMapping, left, right=(), do: str = "save", **more: str):
    data = {**flat(list(left), "left"), **flat(list(right), "right"), "do": do, **more}
    data.setdefault("revision", mappings.revision_of(mapping))
    return browser.post(page("mapping_filters", mapping.pk), data)


def test_conditions_are_added_taken_away_and_saved(apps, browser):
    city = condition("city", "in", "Gent\nBrugge, stad\n\n")
    answer = send(browser, apps.mapping, [city], do="add:left")
    assert [line.line["field"] for line in answer.context["sides"][0]["lines"]] == ["city", ""]
    assert send(browser, apps.mapping, [city], do="remove:left:0").context["sides"][0]["count"] == 0
    assert apps.mapping.left_filter == []
    assert send(browser, apps.mapping, [city], [condition("phone", "empty")]).status_code == 302
    apps.mapping.refresh_from_db()
    assert apps.mapping.left_filter == [
        {"field": "city", "operator": "in", "value": ["Gent", "Brugge, stad"]}
    ]
    assert apps.mapping.right_filter == [{"field": "phone", "operator": "empty", "value": None}]
    assert apps.mapping.revision == 2
    assert SynchJob.objects.filter(scope="sweep", state="queued", mapping=apps.mapping).count() == 1
    shown = browser.get(page("mapping_filters", apps.mapping.pk)).context["sides"][0]["lines"][0]
    assert shown.line["value"] == "Gent\nBrugge, stad"
    send(browser, apps.mapping, [shown.line], [condition("phone", "empty", "left over")])
    apps.mapping.refresh_from_db()
    assert apps.mapping.revision == 2, "nothing changed"


BAD = {
    "no field": (condition("", "eq", "x"), "Choose a field."),
    "no such field": (condition(HOSTILE, "eq", "x"), "The table has no such field."),
    "no operator": (condition("city", "like", "x"), "Choose how to compare."),
    "no value": (condition("city", "gt"), "Enter a value."),
    "empty list": (condition("parent", "in", "x\ny"), "The value is not one that this field can hold."),
    "other type": (
        condition("modified_at", "ge", "yesterday"),
        "The value is not one that this field can hold.",
    ),
    "not comparable": (
        condition("modified_at", "starts_with", "2026-01-01T00:00:00Z"),
        "cannot be compared like this",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_condition_that_makes_no_sense_is_told_at_its_line(apps, browser, name):
    bad, sentence = BAD[name]
    answer = send(browser, apps.mapping, [condition("city", "eq", "Gent"), bad])
    assert answer.status_code == 422
    first, second = answer.context["sides"][0]["lines"]
    assert first.errors == []
    assert sentence in second.errors[0]
    assert "<b>Ünï" not in answer.content.decode()
    assert TableMapping.objects.get().left_filter == []


def test_of_two_people_the_second_is_told_that_the_filter_moved(apps, browser):
    revision = mappings.revision_of(apps.mapping)
    send(browser, apps.mapping, [condition("city", "eq", "Gent")])
    data = {**flat([], "left"), **flat([], "right"), "do": "save", "revision": revision}
    assert "Somebody saved" in pressed(browser, page("mapping_filters", apps.mapping.pk), data)


# --- records to be synchronized --------------------------------------------------------------------------------------


def look(apps, browser, **data: str) -> SynchJob:
    browser.post(page("planned", apps.mapping.pk), data)
    [job] = [job for job in work() if job.verb == "dry_run"]
    return job


def test_a_look_shows_every_record_a_run_would_take_and_writes_nothing(apps, browser):
    left, _right = pair(apps, "C1", city="Gent")
    apps.left.put("customer", left, {"city": "Brugge"}, by="anna")
    new(apps, "C2", name=HOSTILE)
    before = apps.rows(Side.RIGHT)
    job = look(apps, browser)
    assert (job.state, job.options["counts"], job.scanned) == ("finished", {"inserted": 1, "modified": 1}, 0)
    assert apps.rows(Side.RIGHT) == before
    text = browser.get(page("job", job.pk)).content.decode()
    assert "A look: nothing was written." in text
    assert page("planned", apps.mapping.pk) in text
    answer = browser.get(page("planned", apps.mapping.pk))
    rows = {row.title: row for row in answer.context["rows"]}
    [(app, fields)] = rows["C1 Firm C1 ⇄ C1 Firm C1"].writes
    assert (app, fields) == (apps.right.name, [("city", "Brugge")])
    assert rows[f"C2 {HOSTILE}"].state.word == f"New in {apps.right.name}"
    text = answer.content.decode()
    assert "<b>Ünï" not in text
    assert [link.n for link in answer.context["steps"]] == [2, 1, 1]
    ran = apps.run()
    assert (ran.inserted, ran.modified) == (1, 1), "the run does what the look said"


def test_a_second_look_replaces_the_first_and_sensitive_values_stay_hidden(apps, browser):
    apps.mapping.field_mappings.filter(left_field="phone").update(sensitive=True)
    new(apps, "C1", phone="0123 SECRET")
    look(apps, browser)
    look(apps, browser, full="1")
    assert PlannedRecord.objects.count() == 1
    assert "SECRET" not in browser.get(page("planned", apps.mapping.pk)).content.decode()


def test_a_look_that_cannot_go_on_is_told_there_and_makes_no_problem(apps, browser):
    schedule_of(apps.mapping)
    new(apps, "C1")
    apps.left.faults.fail.append(
        Misconfigured("missing_privilege", {"table": "customer", "privilege": "SELECT"}, scope=Scope.TABLE)
    )
    job = look(apps, browser)
    assert job.state == "failed"
    assert not Problem.objects.exists()
    assert JobQueueEntry.objects.get().status == "ready"
    text = browser.get(page("planned", apps.mapping.pk)).content.decode()
    assert "A run could not go on:" in text
    assert "lacks SELECT on customer" in text


def test_a_look_tells_of_the_brake_that_would_stop_the_run(apps, browser):
    new(apps, "R1", Side.RIGHT)
    new(apps, "L1")
    look(apps, browser)
    assert "A brake would stop the run:" in browser.get(page("planned", apps.mapping.pk)).content.decode()


def test_a_mapping_that_is_switched_off_can_be_looked_at(apps, browser):
    TableMapping.objects.update(enabled=False)
    new(apps, "C1")
    assert look(apps, browser).options["counts"] == {"inserted": 1}


def test_many_records_are_shown_page_by_page(apps, browser, monkeypatch):
    monkeypatch.setattr("synccore.views.mapping_runs.PAGE", 2)
    monkeypatch.setattr("synccore.verbs.plan.KEPT", 4)
    monkeypatch.setattr("synccore.verbs.plan.BATCH", 2)
    for n in range(5):
        new(apps, f"C{n}")
    assert look(apps, browser).options["counts"] == {"inserted": 5}
    first = browser.get(page("planned", apps.mapping.pk))
    assert "The first 4 of 5 records are shown." in first.content.decode()
    second = browser.get(first.context["older"])
    assert [row.title for row in first.context["rows"] + second.context["rows"]] == [
        f"C{n} Firm C{n}" for n in range(4)
    ]
    assert second.context["older"] == ""


# --- changes since ---------------------------------------------------------------------------------------------------


def stamp(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def test_changes_since_a_date_are_read_and_the_watermarks_stay(apps, browser):
    apps.run()
    marks = TableMapping.objects.values_list("left_watermark", "right_watermark").get()
    moment = apps.left.clock - timedelta(days=3)
    for no, days in (("OLD", 9), ("BACK", 2)):
        apps.left.put(
            "customer",
            f"00000000-0000-4000-8000-00000000000{days}",
            {"no": no, "name": no},
            stamp=apps.left.clock - timedelta(days=days),
        )
    assert apps.run().inserted == 0, "back-dated: reading by time cannot see them"
    local = timezone.localtime(moment)
    answer = browser.post(
        page("synchronize_since", apps.mapping.pk), {"left": f"{local:%Y-%m-%dT%H:%M}", "do": "run"}
    )
    job = SynchJob.objects.get(scope="since")
    assert answer.url == page("job", job.pk)
    [ended] = [each for each in work() if each.pk == job.pk]
    assert (ended.state, ended.inserted) == ("finished", 1)
    assert set(apps.by_no(Side.RIGHT)) == {"BACK"}
    after = TableMapping.objects.values_list("left_watermark", "right_watermark").get()
    assert [mark["low"] >= was["low"] for mark, was in zip(after, marks, strict=True)] == [True, True]


def test_a_moment_above_the_watermark_loses_nothing_between(apps):
    new(apps, "C1")
    apps.left.clock += timedelta(days=1)
    later = apps.left.clock
    new(apps, "C2")
    runs.synchronise_since(apps.mapping, user=None, since={Side.LEFT: later})
    work()
    assert set(apps.by_no(Side.RIGHT)) == {"C2"}
    apps.mapping.refresh_from_db()
    assert apps.mapping.left_watermark is None
    TableMapping.objects.update(creations_min=1000)
    make.make_queue_entry(apps.mapping)
    apps.run()
    assert SynchJob.objects.filter(kind="stopped").count() == 0
    assert set(apps.by_no(Side.RIGHT)) == {"C1", "C2"}


def test_a_run_that_waits_already_reads_from_the_earlier_moment(apps):
    first, second = stamp(2), stamp(5)
    one = runs.synchronise_since(apps.mapping, user=None, since={Side.LEFT: first})
    two = runs.synchronise_since(apps.mapping, user=None, since={Side.LEFT: second, Side.RIGHT: first})
    assert one.pk == two.pk
    assert SynchJob.objects.get(scope="since").options["since"] == {
        "left": second.isoformat(),
        "right": first.isoformat(),
    }
    runs.synchronise_since(apps.mapping, user=None, since={Side.LEFT: first})
    assert SynchJob.objects.get(scope="since").options["since"]["left"] == second.isoformat()


def test_changes_since_can_be_looked_at_first(apps, browser):
    apps.run()
    apps.left.put(
        "customer",
        "00000000-0000-4000-8000-000000000001",
        {"no": "B", "name": "B"},
        stamp=apps.left.clock - timedelta(days=2),
    )
    local = timezone.localtime(apps.left.clock - timedelta(days=3))
    browser.post(
        page("synchronize_since", apps.mapping.pk), {"left": f"{local:%Y-%m-%dT%H:%M}", "do": "look"}
    )
    [job] = [job for job in work() if job.verb == "dry_run"]
    assert job.options["counts"] == {"inserted": 1}
    assert apps.left.name in str(browser.get(page("planned", apps.mapping.pk)).context["since"])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "Enter a date and time for at least one app."),
        ({"left": "tomorrow"}, "Enter a valid date/time."),
        ({"left": "9999-12-31T00:00"}, "It must be a moment that has passed"),
        ({"right": "0001-01-01T00:00"}, "It must be a moment that has passed"),
        ({"left": "2" * 5000}, "Enter a valid date/time."),
    ],
)
def test_a_moment_that_makes_no_sense_is_told(apps, browser, data, sentence):
    answer = browser.post(page("synchronize_since", apps.mapping.pk), {**data, "do": "run"})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not SynchJob.objects.filter(scope="since").exists()


def test_a_mapping_that_is_held_is_not_run_and_says_so(apps, browser):
    TableMapping.objects.update(enabled=False)
    said = pressed(
        browser, page("synchronize_since", apps.mapping.pk), {"left": "2026-01-01T00:00", "do": "run"}
    )
    assert "is switched off" in said


# --- rights ----------------------------------------------------------------------------------------------------------


def test_runs_of_one_mapping_need_a_grant_and_of_all_the_set_up(world, owner, viewer, as_user):
    for name in ("planned", "synchronize_since"):
        assert as_user(owner).get(page(name, world.mapping.pk)).status_code == 200
        assert as_user(owner).get(page(name, world.hidden.pk)).status_code == 404
        assert as_user(viewer).post(page(name, world.mapping.pk), {}).status_code == 403
    assert as_user(owner).post(page("planned", world.mapping.pk)).status_code == 302
    assert SynchJob.objects.get(verb="dry_run").requested_by == owner
    assert as_user(viewer).get(FULL).status_code == 403
    assert [row.mapping for row in as_user(owner).get(FULL).context["rows"]] == [world.mapping]
    make.make_grant(owner.groups.last(), world.hidden, GrantLevel.RESOLVE)
    Problem.objects.of_setup().delete()
    both = {"mapping": [world.mapping.pk, world.hidden.pk]}
    assert as_user(owner).post(FULL, both).status_code == 403
    assert as_user(owner).post(FULL, {**both, "answered": "1"}).status_code == 403
    assert not SynchJob.objects.filter(scope="full").exists()
    answer = as_user(owner).post(FULL, {"mapping": world.mapping.pk, "answered": "1"})
    parent = SynchJob.objects.get(scope="full", mapping=None)
    assert answer.url == page("full_status", parent.pk)
    assert as_user(owner).get(answer.url).status_code == 200
    assert as_user(viewer).get(answer.url).status_code == 403
    assert as_user(viewer).post(page("cancel_full", parent.pk)).status_code == 403
    reader = make.make_user("Record owner", grants={world.mapping: GrantLevel.VIEW})
    assert as_user(reader).post(page("planned", world.mapping.pk)).status_code == 403
    with pytest.raises(RightMissing):
        runs.start_dry_run(world.mapping, user=viewer)
    with pytest.raises(RightMissing):
        runs.synchronise_since(
            world.mapping, user=viewer, since={Side.LEFT: datetime(2026, 1, 1, tzinfo=UTC)}
        )
    with pytest.raises(RightMissing):
        start_full([world.mapping], user=viewer)
    with pytest.raises(RightMissing):
        start_full([world.mapping, world.hidden], user=owner)


# --- full synchronization ---------------------------------------------------------------------------------------------


def test_parents_come_first_and_each_line_waits_for_the_one_before(apps, browser):
    contacts = contacts_of(apps)
    assert [row.name for row in browser.get(FULL).context["rows"]] == [apps.mapping.name, "Contacts"]
    question = browser.post(FULL, {"mapping": [contacts.pk, apps.mapping.pk]}).content.decode()
    assert "in this order" in question
    browser.post(FULL, {"mapping": [contacts.pk, apps.mapping.pk], "answered": "1"})
    parent = SynchJob.objects.get(mapping=None, scope="full")
    assert [line.job.mapping for line in runs.lines_of(parent)] == [apps.mapping, contacts]
    first = jobs.startable().get()
    assert first.mapping == apps.mapping
    work()
    parent.refresh_from_db()
    assert (parent.state, [line.job.state for line in runs.lines_of(parent)]) == (
        "finished",
        ["finished", "finished"],
    )
    answer = browser.get(page("full_status", parent.pk))
    assert (answer.context["done"], answer.context["count"]) == (2, 2)


def test_a_line_can_be_run_again_and_the_whole_goes_on_until_it_ends(apps, browser):
    parent, _left = start_full([apps.mapping], user=None)
    with pytest.raises(NotNow, match="still_running"):
        runs.run_line_again(parent, apps.mapping, user=None)
    work()
    assert "is being synchronized whole again" in pressed(
        browser, page("full_again", parent.pk, apps.mapping.pk)
    )
    parent.refresh_from_db()
    assert (parent.state, parent.finished_at) == ("running", None)
    work()
    parent.refresh_from_db()
    assert (parent.state, len(runs.lines_of(parent)), parent.children.filter(scope="full").count()) == (
        "finished",
        1,
        2,
    )
    assert browser.post(page("full_again", parent.pk, 999999)).status_code == 404


def test_what_waits_is_cancelled(apps, browser):
    contacts = contacts_of(apps)
    parent, _left = start_full([apps.mapping, contacts], user=None)
    assert "What waits is cancelled" in pressed(browser, page("cancel_full", parent.pk))
    parent.refresh_from_db()
    assert parent.state == "cancelled"
    assert "nothing was cancelled" in pressed(browser, page("cancel_full", parent.pk))


def test_what_is_held_is_left_out_and_named(apps, browser):
    contacts = contacts_of(apps)
    TableMapping.objects.filter(pk=contacts.pk).update(enabled=False)
    said = pressed(browser, FULL, {"mapping": [apps.mapping.pk, contacts.pk], "answered": "1"})
    assert "1 mapping is being synchronized whole. Contacts is switched off" in said
    assert "is switched off" in pressed(browser, FULL, {"mapping": [contacts.pk], "answered": "1"})
    assert "Choose at least one mapping" in pressed(
        browser, FULL, {"mapping": ["x", "99999"], "answered": "1"}
    )
    assert "Choose at least one mapping" in browser.post(FULL).content.decode()
    assert SynchJob.objects.filter(mapping=None, scope="full").count() == 1


def test_a_mapping_is_in_one_full_synchronization_at_a_time(apps):
    queued = jobs.enqueue(verb="synchronise", mapping=apps.mapping, scope="full")
    parent, _left = start_full([apps.mapping], user=None)
    assert [line.job.pk for line in runs.lines_of(parent)] == [queued.pk], "the one that waits is taken in"
    with pytest.raises(NotNow, match="full_running"):
        start_full([apps.mapping], user=None)
    assert SynchJob.objects.filter(mapping=None, scope="full").count() == 1
