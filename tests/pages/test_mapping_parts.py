"""Templates for new records and preconditions, by forms that grow by lines; the engine follows what was saved."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from synccore.models import Problem, TableMapping
from synccore.services import mappings
from synccore.shapes import FieldInfo, FieldType, Side
from tests.jobs.helpers import new
from tests.jobs.world import table

from .test_mapping_fields import flat
from .test_mappings import HOSTILE, apps, browser, person, pressed, read  # noqa: F401


@pytest.fixture(autouse=True)
def no_bell(monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


def send(
    browser, mapping: TableMapping, page: str, lines: list[dict[str, Any]], do: str = "save", **more: str
):
    prefix = page[8]  # mapping_templates → t
    data = {**flat(lines, prefix), "do": do, **more}
    data.setdefault("revision", mappings.revision_of(mapping))
    return browser.post(reverse(f"synccore:{page}", args=[mapping.pk]), data)


def template(**changed: Any) -> dict[str, Any]:
    line = {"priority": "10", "side": "right", "values": [{"field": "city", "value": "Gent"}], "when": []}
    return {**line, **changed}


def precondition(**changed: Any) -> dict[str, Any]:
    line = {
        "what": "a rate", "side": "right", "table": "rate", "lookup_field": "no", "record_side": "left",
        "field": "city", "exempt": "Gent\nBrugge", "filter": [],
    }  # fmt: skip
    return {**line, **changed}


def errors(answer, prefix: str) -> dict[str, list[str]]:
    assert answer.status_code == 422
    parts = answer.context["parts"]
    return {f"{part.at}-{at}": said for part in parts for at, said in part.errors.items()}


# --- templates --------------------------------------------------------------------------------------------------------


def test_a_template_fills_new_records_whose_source_matches(apps, browser):
    apps.mapping.field_mappings.filter(left_field="city").delete()
    when = [{"field": "phone", "operator": "starts_with", "value": "0"}]
    assert send(browser, apps.mapping, "mapping_templates", [template(when=when)]).status_code == 302
    apps.mapping.refresh_from_db()
    assert apps.mapping.templates == [
        {"priority": 10, "side": "right", "values": {"city": '"Gent"'}, "when": when}
    ]
    new(apps, "C1", phone="012")
    new(apps, "C2", phone="999")
    apps.run()
    assert {no: row["city"] for no, row in apps.by_no(Side.RIGHT).items()} == {"C1": "Gent", "C2": None}
    shown = browser.get(reverse("synccore:mapping_templates", args=[apps.mapping.pk])).context["parts"][0]
    assert shown.values[0]["line"] == {"field": "city", "value": "Gent"}
    revision = apps.mapping.revision
    send(browser, apps.mapping, "mapping_templates", [template(when=when)])
    apps.mapping.refresh_from_db()
    assert apps.mapping.revision == revision, "nothing changed"


def test_lines_inside_a_template_come_and_go(apps, browser):
    answer = send(browser, apps.mapping, "mapping_templates", [template()], do="add:t-0-values")
    assert len(answer.context["parts"][0].values) == 2
    answer = send(browser, apps.mapping, "mapping_templates", [template()], do="add:t-0-when")
    assert len(answer.context["parts"][0].conditions) == 1
    answer = send(browser, apps.mapping, "mapping_templates", [template(), template()], do="remove:t:0")
    assert answer.context["count"] == 1
    assert TableMapping.objects.get().templates == []


BAD_TEMPLATES = {
    "priority": (template(priority="first"), "t-0-priority", "whole number"),
    "huge priority": (template(priority="9" * 40), "t-0-priority", "whole number"),
    "side": (template(side="middle"), "t-0-side", "none of the choices"),
    "no values": (template(values=[]), "t-0-values", "must be filled in"),
    "no field": (template(values=[{"field": "", "value": "x"}]), "t-0-values-0-field", "must be filled in"),
    "unknown": (template(values=[{"field": HOSTILE, "value": "x"}]), "t-0-values-0-field", "had no field"),
    "twice": (
        template(values=[{"field": "city", "value": "x"}] * 2),
        "t-0-values-1-field",
        "stands here twice",
    ),
    "type": (
        template(values=[{"field": "parent", "value": "x"}]),
        "t-0-values-0-value",
        "not a value that parent",
    ),
    "condition": (
        template(when=[{"field": "x", "operator": "eq", "value": "1"}]),
        "t-0-when-0",
        "no such field",
    ),
}


@pytest.mark.parametrize("name", BAD_TEMPLATES)
def test_a_template_that_makes_no_sense_is_told_at_its_place(apps, browser, name):
    line, place, sentence = BAD_TEMPLATES[name]
    answer = send(browser, apps.mapping, "mapping_templates", [line])
    found = errors(answer, "t")
    assert list(found) == [place]
    assert sentence in found[place][0]
    text = answer.content.decode()
    assert sentence in text
    assert "<b>Ünï" not in text
    assert TableMapping.objects.get().templates == []


# --- preconditions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def rates(apps):
    apps.right.add_table(table("rate", FieldInfo("no", FieldType.TEXT), FieldInfo("open", FieldType.BOOLEAN)))
    read(apps)


def test_a_record_waits_for_what_must_exist(apps, rates, browser):
    open_ = [{"field": "open", "operator": "eq", "value": "true"}]
    assert (
        send(browser, apps.mapping, "mapping_preconditions", [precondition(filter=open_)]).status_code == 302
    )
    apps.mapping.refresh_from_db()
    [stored] = apps.mapping.preconditions
    assert (stored["exempt"], stored["filter"]) == (["Gent", "Brugge"], open_)
    new(apps, "C1", city="Gent")
    new(apps, "C2", city="Oslo")
    apps.run()
    assert set(apps.by_no(Side.RIGHT)) == {"C1"}
    assert Problem.objects.get().code == "precondition_missing"
    shown = browser.get(reverse("synccore:mapping_preconditions", args=[apps.mapping.pk])).context["parts"][0]
    assert (shown.line["exempt"], len(shown.conditions)) == ("Gent\nBrugge", 1)
    assert "a rate" in browser.get(reverse("synccore:mapping", args=[apps.mapping.pk])).content.decode()


BAD_PRECONDITIONS = {
    "nothing": ({"what": ""}, "p-0-what", "must be filled in"),
    "long": ({"what": "x" * 5000}, "p-0-what", "more than 200"),
    "table": ({"table": HOSTILE}, "p-0-table", "had no table"),
    "lookup": ({"lookup_field": "x"}, "p-0-lookup_field", "had no field x"),
    "field": ({"field": "x"}, "p-0-field", "had no field x"),
    "side": ({"side": "up"}, "p-0-side", "none of the choices"),
    "record side": ({"record_side": ""}, "p-0-record_side", "none of the choices"),
    "condition": (
        {"filter": [{"field": "open", "operator": "gt", "value": "true"}]},
        "p-0-filter-0",
        "cannot be compared",
    ),
}


@pytest.mark.parametrize("name", BAD_PRECONDITIONS)
def test_a_precondition_that_makes_no_sense_is_told_at_its_place(apps, rates, browser, name):
    changed, place, sentence = BAD_PRECONDITIONS[name]
    answer = send(browser, apps.mapping, "mapping_preconditions", [precondition(**changed)])
    found = errors(answer, "p")
    assert list(found) == [place]
    assert sentence in found[place][0]
    assert "<b>Ünï" not in answer.content.decode()
    assert TableMapping.objects.get().preconditions == []


@pytest.mark.parametrize("page", ["mapping_templates", "mapping_preconditions"])
def test_the_second_of_two_people_is_told_and_only_who_may_set_up_gets_in(
    world, apps, browser, owner, as_user, page
):
    where = reverse(f"synccore:{page}", args=[apps.mapping.pk])
    assert "Somebody saved" in pressed(browser, where, {"do": "save", "revision": "stale"})
    refused = as_user(owner).post(reverse(f"synccore:{page}", args=[world.mapping.pk]), {"do": "save"})
    assert refused.status_code == 403
