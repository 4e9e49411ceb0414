"""Integration Table Mappings: made, changed, switched on and off, copied, deleted; what is wrong is said before it runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore import jobs
from synccore.failures import Transient
from synccore.models import AppTable, Integration, JobQueueEntry, SynchJob, TableMapping
from synccore.services import deleting, mappings
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from synccore.shapes import FieldInfo, FieldType
from tests import factories as make
from tests.jobs.world import World as Apps
from tests.jobs.world import table

from .test_actions import said

LIST = reverse("synccore:mappings")
NEW = reverse("synccore:new_mapping")
HOSTILE = "<b>Ünï</b> \"x\" & 'y' ‮gnp"


@pytest.fixture
def person(db):
    return make.make_user("Administrator", username="anna")


@pytest.fixture
def apps(db) -> Apps:
    """Two apps in memory, and a mapping of customers with accounts."""
    made = Apps()
    read(made)
    return made


@pytest.fixture
def browser(as_user, person):
    return as_user(person)


@pytest.fixture(autouse=True)
def nobody_is_contacted(request):
    """A page that asked an app would fail here; jobs of these tests and live fragments may."""
    if not {"apps", "live"} & set(request.fixturenames):
        request.getfixturevalue("no_app")


def read(made: Apps) -> None:
    """What the job does that reads both apps' tables."""
    for app in (made.integration.left, made.integration.right):
        job = jobs.run(jobs.enqueue(verb="describe", connection=app).pk)
        assert job is not None and job.state == SynchJob.State.FINISHED


def page(mapping: TableMapping, name: str = "mapping") -> str:
    return reverse(f"synccore:{name}", args=[mapping.pk])


def answers(mapping: TableMapping, **changed) -> dict[str, str]:
    """The edit form as it was shown, some answers changed."""
    names = [f"{side}_{each}_field" for side in ("left", "right") for each in mappings.NAMED]
    shown = {
        name: str(getattr(mapping, name))
        for name in ("name", "left_table", "right_table", "direction", "conflicts", "deletions", *names)
    }
    shown |= {"deletions_min": "20", "deletions_share": "5", "creations_min": "200", "creations_share": "10"}
    shown["natural_key"] = str(mapping.natural_key or "")
    shown["revision"] = mappings.revision_of(mapping)
    return {**shown, **{name: str(value) for name, value in changed.items()}}


def pressed(browser, where: str, data: dict | None = None) -> str:
    """What the page says that follows a press."""
    return said(browser.post(where, data or {}, follow=True))


def errors(answer) -> dict[str, list[str]]:
    assert answer.status_code == 422
    return {name: [str(each) for each in found] for name, found in answer.context["form"].errors.items()}


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_only_who_may_set_up_changes_anything(request, world, as_user, who):
    refused = as_user(request.getfixturevalue(who))
    before = mappings.revision_of(world.mapping)
    posts = {"switch_on", "switch_off", "copy_mapping", "delete_mapping", "read_tables", "edit_mapping"}
    for name in posts:
        answer = refused.post(page(world.mapping, name), {"name": "Mine"})
        assert answer.status_code == 403
        assert "These groups have it: Administrator" in answer.content.decode()
    assert refused.post(NEW, {"name": "Mine"}).status_code == 403
    assert refused.post(reverse("synccore:new_integration"), {"name": "Mine"}).status_code == 403
    assert mappings.revision_of(TableMapping.objects.get(pk=world.mapping.pk)) == before
    assert not SynchJob.objects.filter(verb="describe").exists()
    assert f'href="{LIST}"' not in refused.get("/").content.decode()


def test_the_services_check_the_right_themselves(world, owner):
    for service in (mappings.switch_on, mappings.switch_off, deleting.delete_mapping):
        with pytest.raises(RightMissing):
            service(world.mapping, user=owner)
    with pytest.raises(RightMissing):
        mappings.copy_mapping(world.mapping, user=owner, name="Mine")
    with pytest.raises(RightMissing):
        mappings.change_mapping(world.mapping, user=owner, values={}, revision="")
    with pytest.raises(RightMissing):
        mappings.make_mapping(world.mapping.integration, user=owner, values={})


# --- from nothing ----------------------------------------------------------------------------------------------------


def test_a_new_installation_reads_the_three_steps(db, browser):
    text = browser.get(LIST).content.decode()
    assert "Three steps to the first synchronization" in text
    assert reverse("synccore:connections") in text
    assert "No two apps are a pair yet" in browser.get(NEW).content.decode()


def test_two_apps_become_a_pair_once(db, browser):
    left, right = make.make_connection("ERP"), make.make_connection("CRM")
    where = reverse("synccore:new_integration")
    assert browser.get(where).context["form"].initial["name"] == "CRM ⇄ ERP"
    pair = {"name": "ERP ⇄ CRM", "left": left.pk, "right": right.pk}
    assert errors(browser.post(where, {**pair, "right": left.pk})) == {
        "right": ["An app cannot be kept in step with itself. Choose another one."]
    }
    assert set(errors(browser.post(where, {"name": "", "left": "99999", "right": "x"}))) == {
        "name",
        "left",
        "right",
    }
    assert browser.post(where, pair).status_code == 302
    made = Integration.objects.get()
    assert (made.left, made.right) == (left, right)
    assert errors(browser.post(where, pair)) == {"name": ["Another pair of apps has this name."]}


def test_a_new_mapping_is_switched_off_has_schedules_and_reads_its_apps(apps, browser):
    AppTable.objects.all().delete()
    asked = {"name": HOSTILE, "left_table": "customer", "right_table": "account", "direction": "to_right"}
    answer = browser.post(NEW, asked)
    made = TableMapping.objects.get(name=HOSTILE)
    assert answer.url == page(made)
    assert (made.enabled, made.direction, made.integration) == (False, "to_right", apps.integration)
    assert {(e.scope, e.interval_seconds) for e in JobQueueEntry.objects.filter(mapping=made)} == {
        ("changes", 1800),
        ("sweep", 86400),
    }
    queued = SynchJob.objects.filter(verb="describe", state="queued")
    assert {job.connection_id for job in queued} == {apps.integration.left_id, apps.integration.right_id}
    text = browser.get(page(made)).content.decode()
    assert "<b>Ünï" not in text
    assert "Being read:" in text
    for job in queued:
        jobs.run(job.pk)
    made.refresh_from_db()
    assert (made.left_id_field, made.left_key_kind) == ("id", "uuid")
    assert "Being read:" not in browser.get(page(made)).content.decode()


def test_what_the_catalogues_know_is_filled_in_at_once(apps, browser):
    asked = {"name": "Second", "left_table": "customer", "right_table": "account", "direction": "both"}
    browser.post(NEW, asked)
    made = TableMapping.objects.get(name="Second")
    assert (made.left_id_field, made.left_modified_field, made.right_key_kind) == (
        "id",
        "modified_at",
        "uuid",
    )
    assert not SynchJob.objects.filter(verb="describe", state="queued").exists()


def test_nonsense_in_a_new_mapping_is_told_at_its_field(apps, browser):
    count = TableMapping.objects.count()
    nonsense = {"name": "", "left_table": "custommer", "right_table": "x" * 300, "direction": "sideways"}
    assert set(errors(browser.post(NEW, nonsense))) == {"name", "right_table", "direction"}
    asked = {
        "name": apps.mapping.name,
        "left_table": "custommer",
        "right_table": HOSTILE,
        "direction": "both",
    }
    answer = browser.post(NEW, asked)
    assert errors(answer)["left_table"] == [
        f"When its tables were last read, {apps.left.name} had no table of this name."
    ]
    assert "<b>Ünï" not in answer.content.decode()
    good = {**asked, "left_table": "customer", "right_table": "account"}
    assert errors(browser.post(NEW, good)) == {"name": ["Another mapping of these two apps has this name."]}
    assert errors(browser.post(NEW, {**good, "name": "a\0b"}))["name"]
    assert TableMapping.objects.count() == count


# --- the list and the page -------------------------------------------------------------------------------------------


def test_the_list_tells_numbers_state_and_what_is_wrong(apps, browser):
    make.make_coupling(apps.mapping)
    make.make_coupling(apps.mapping, right_id=None)
    row = browser.get(LIST).context["rows"][0]
    assert (row.coupled, row.state.word, row.checked.word, row.direction) == (
        "1",
        "Switched on",
        "Nothing to correct",
        "⇄",
    )
    apps.mapping.field_mappings.all().delete()
    TableMapping.objects.update(enabled=False)
    row = browser.get(LIST).context["rows"][0]
    assert (row.state.word, row.checked.word) == ("Switched off", "1 thing to correct")


def test_many_couplings_are_not_counted_to_the_end(apps, browser, monkeypatch):
    for _n in range(4):
        make.make_coupling(apps.mapping)
    monkeypatch.setattr("synccore.views.mapping_rows.COUNTED", 3)
    assert browser.get(LIST).context["rows"][0].coupled == "more than 3"


def test_the_page_says_watermarks_policies_and_how_creates_are_made_safe(apps, browser):
    at = timezone.now().replace(microsecond=0) - timedelta(hours=3)
    TableMapping.objects.update(
        left_watermark={"low": at.isoformat()},
        left_filter=[{"field": "city", "operator": "eq", "value": "<i>Gent"}],
    )
    answer = browser.get(page(apps.mapping))
    text = answer.content.decode()
    left, right = answer.context["sides"]
    assert (left.caption, left.watermark) == ("Synch. Int. Tbl. Mod. On Fltr.", at)
    assert (right.caption, right.watermark) == ("Synch. Modified On Filter", None)
    assert left.filter == ["city is “<i>Gent”"]
    assert "city is “&lt;i&gt;Gent”" in text
    assert "yes: Tandem chooses the id beforehand" in text
    assert "more than 20 deletions" in text


def test_a_shorter_field_on_the_other_side_is_warned_of_before_anything_runs(apps, browser):
    apps.right.add_table(
        table(
            "account",
            FieldInfo("no", FieldType.TEXT, length=20),
            FieldInfo("name", FieldType.TEXT, length=50),
        )
    )
    read(apps)
    text = browser.get(page(apps.mapping)).content.decode()
    assert (
        f"name in {apps.right.name} takes 50 characters; name may hold 100. Longer values are refused."
        in text
    )
    assert "account no longer has the field phone" in text


def test_a_mapping_that_cannot_run_is_not_switched_on(apps, browser):
    TableMapping.objects.update(enabled=False)
    apps.mapping.field_mappings.all().delete()
    assert "stays switched off until this is corrected: No field is mapped" in pressed(
        browser, page(apps.mapping, "switch_on")
    )
    make.make_field(apps.mapping, "no")
    assert "is switched on" in pressed(browser, page(apps.mapping, "switch_on"))
    assert TableMapping.objects.get().enabled
    assert "is switched off" in pressed(browser, page(apps.mapping, "switch_off"))
    assert not TableMapping.objects.get().enabled
    AppTable.objects.all().delete()
    assert "were not read yet" in pressed(browser, page(apps.mapping, "switch_on"))
    assert not TableMapping.objects.get().enabled


# --- changing --------------------------------------------------------------------------------------------------------


def test_another_rule_moves_the_revision_and_another_name_does_not(apps, browser):
    revision = apps.mapping.revision
    assert (
        browser.post(page(apps.mapping, "edit_mapping"), answers(apps.mapping, name="Kunden")).status_code
        == 302
    )
    apps.mapping.refresh_from_db()
    assert (apps.mapping.name, apps.mapping.revision) == ("Kunden", revision)
    changed = answers(
        apps.mapping, conflicts="newest", only_coupled="on", deletions_share="2,5 %", creations_min="0"
    )
    browser.post(page(apps.mapping, "edit_mapping"), changed)
    apps.mapping.refresh_from_db()
    assert apps.mapping.revision == revision + 1
    assert (apps.mapping.conflicts, apps.mapping.only_coupled) == ("newest", True)
    assert (apps.mapping.deletions_share, apps.mapping.creations_min) == (0.025, 0)
    fields = set(apps.mapping.field_mappings.values_list("revision", flat=True))
    assert fields == {1}, "values are got and compared as before"


def test_the_second_of_two_people_is_told(apps, browser):
    first = answers(apps.mapping, conflicts="left")
    second = answers(apps.mapping, conflicts="right")
    browser.post(page(apps.mapping, "edit_mapping"), first)
    assert "Somebody saved" in pressed(browser, page(apps.mapping, "edit_mapping"), second)
    assert TableMapping.objects.get().conflicts == "left"
    with pytest.raises(NotNow, match="mapping_moved"):
        mappings.change_mapping(apps.mapping, user=None, values={}, revision="stale")


def test_what_a_run_brings_home_is_no_change_of_the_mapping(apps):
    before = mappings.revision_of(apps.mapping)
    TableMapping.objects.update(left_watermark={"low": "x"}, revision=9, swept_at=timezone.now())
    assert mappings.revision_of(TableMapping.objects.get()) == before


def test_tables_stay_while_records_are_coupled(apps, browser):
    apps.left.add_table(table("vendor", FieldInfo("no", FieldType.TEXT)))
    read(apps)
    make.make_coupling(apps.mapping)
    changed = answers(apps.mapping, left_table="vendor", left_name_field="", left_key_field="")
    found = errors(browser.post(page(apps.mapping, "edit_mapping"), changed))
    assert found == {
        "left_table": [
            "1 coupling belongs to this table, so it cannot be another. Make a new mapping instead."
        ]
    }
    from synccore.models import Coupling

    Coupling.objects.all().delete()
    TableMapping.objects.update(left_watermark={"low": "x"}, right_watermark={"low": "y"})
    assert browser.post(page(apps.mapping, "edit_mapping"), changed).status_code == 302
    saved = TableMapping.objects.get()
    assert (saved.left_table, saved.left_watermark, saved.right_watermark) == ("vendor", None, {"low": "y"})


BAD = {
    "left_name_field": ("nmae", "had no field nmae"),
    "left_modified_field": ("name", "is not a date and time"),
    "deletions_share": ("101", "Enter a percentage"),
    "creations_share": ("-1", "Enter a percentage"),
    "deletions_min": ("-5", "greater than or equal to 0"),
    "creations_min": ("9" * 30, "less than or equal to"),
    "natural_key": ("999999", "Select a valid choice"),
    "conflicts": ("fight", "Select a valid choice"),
    "right_table": ("", "required"),
    "right_owner_field": ("x" * 201, "at most 200"),
}


@pytest.mark.parametrize("name", BAD)
def test_nonsense_is_told_at_its_field_and_nothing_is_saved(apps, browser, name):
    value, sentence = BAD[name]
    before = mappings.revision_of(apps.mapping)
    found = errors(browser.post(page(apps.mapping, "edit_mapping"), answers(apps.mapping, **{name: value})))
    assert list(found) == [name]
    assert sentence in found[name][0]
    assert mappings.revision_of(TableMapping.objects.get()) == before


# --- copy, delete ----------------------------------------------------------------------------------------------------


def test_a_copy_has_the_rules_and_nothing_else(apps, browser):
    key = apps.mapping.field_mappings.get(left_field="no")
    TableMapping.objects.update(natural_key=key.pk, left_watermark={"low": "x"})
    make.make_coupling(apps.mapping)
    make.make_queue_entry(apps.mapping, interval_seconds=120)
    browser.post(page(apps.mapping, "copy_mapping"), {"name": "Copy"})
    made = TableMapping.objects.get(name="Copy")
    assert (made.enabled, made.left_watermark, made.couplings.count()) == (False, None, 0)
    assert made.field_mappings.count() == 4
    assert made.field_mappings.get(pk=made.natural_key).left_field == "no"
    assert [e.interval_seconds for e in made.queue_entries.all()] == [120]
    again = browser.post(page(apps.mapping, "copy_mapping"), {"name": "Copy"})
    assert again.status_code == 422
    assert "Another mapping of these two apps has this name." in again.content.decode()
    assert TableMapping.objects.count() == 2


def test_a_mapping_goes_only_when_nothing_hangs_on_it(apps, browser):
    coupling = make.make_coupling(apps.mapping)
    child = make.make_mapping("Contacts", integration=apps.integration)
    make.make_field(child, "parent", reference=apps.mapping)
    text = browser.get(page(apps.mapping, "delete_mapping")).content.decode()
    assert "1 coupling, also removed ones" in text
    assert "1 field of another mapping that refers to it" in text
    assert "nothing was deleted" in pressed(browser, page(apps.mapping, "delete_mapping"))
    coupling.delete()
    child.field_mappings.all().delete()
    make.make_job(apps.mapping)
    assert "is deleted" in pressed(browser, page(apps.mapping, "delete_mapping"))
    assert list(TableMapping.objects.all()) == [child]
    assert browser.post(page(apps.mapping, "delete_mapping")).status_code == 404


# --- choices from the live catalogue -----------------------------------------------------------------------------------


def test_choices_come_from_the_app_as_it_is_now(apps, browser):
    apps.left.add_table(table("invoice", FieldInfo("amount", FieldType.DECIMAL, precision=12, scale=2)))
    where = reverse("synccore:live_catalogue", args=[apps.integration.left_id])
    picker = browser.get(where, {"side": "left", "table": "customer", "left_table": "invoice"}).context[
        "picker"
    ]
    assert [name for name, _label in picker.tables] == ["customer", "invoice"]
    assert ("amount", "number, 12 digits, 2 of them decimals") in picker.fields
    assert not AppTable.objects.filter(name="invoice").exists(), "a GET stores nothing"
    text = browser.get(where, headers={"hx-request": "true"}).content.decode()
    assert "<h1" not in text
    assert '<datalist id="tables-left">' in text


def test_tables_that_could_not_be_read_are_told_with_why(apps, browser):
    browser.post(page(apps.mapping, "read_tables"))
    apps.left.faults.fail.append(Transient("connection_lost", {"app": apps.left.name, "host": "erp"}))
    for job in SynchJob.objects.filter(verb="describe", state="queued").order_by("pk"):
        jobs.run(job.pk)
    text = browser.get(page(apps.mapping)).content.decode()
    assert f"The tables of {apps.left.name} could not be read:" in text
    assert f"The tables of {apps.right.name} could not be read:" not in text
    assert AppTable.objects.filter(connection=apps.integration.left).exists(), "what was known stays"


def test_a_field_of_another_type_is_taken_anew_when_the_tables_are_read(apps):
    fields = {each.name: each for each in apps.left.tables["customer"].info.fields.values()}
    own = {"id", "modified_at", "modified_by"}
    changed = [each for name, each in fields.items() if name not in own | {"city"}]
    apps.left.add_table(
        table("customer", *changed, FieldInfo("city", FieldType.INTEGER)), modified_by_field="modified_by"
    )
    read(apps)
    apps.mapping.refresh_from_db()
    assert apps.mapping.revision == 2
    assert dict(apps.mapping.field_mappings.values_list("left_field", "revision")) == {
        "no": 1,
        "name": 1,
        "phone": 1,
        "city": 2,
    }


def test_where_the_app_does_not_answer_the_choices_are_those_of_before(apps, browser):
    apps.left.faults.fail.append(Transient("connection_lost", {"app": apps.left.name}))
    where = reverse("synccore:live_catalogue", args=[apps.integration.left_id])
    answer = browser.get(where, {"side": "left", "table": "customer"}, headers={"hx-request": "true"})
    assert [name for name, _label in answer.context["picker"].tables] == ["customer"]
    assert "Typed names work all the same." in answer.content.decode()
