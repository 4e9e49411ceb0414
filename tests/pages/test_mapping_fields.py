"""The editor of field mappings: lines that come and go, conversions that come back, and what a saved change costs."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from synccore import jobs
from synccore.forms.fields import LINE, line_of
from synccore.forms.lines import MOST, press, read
from synccore.models import FieldMapping, SynchJob, TableMapping
from synccore.services import mappings
from synccore.shapes import FieldInfo, FieldType, Side
from tests import factories as make
from tests.jobs.helpers import new
from tests.jobs.world import table

from .test_mappings import HOSTILE, apps, browser, person, pressed  # noqa: F401
from .test_mappings import read as read_tables


@pytest.fixture(autouse=True)
def no_bell(monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


def where(mapping: TableMapping) -> str:
    return reverse("synccore:mapping_fields", args=[mapping.pk])


def suggest(mapping: TableMapping) -> str:
    return reverse("synccore:suggest_fields", args=[mapping.pk])


def stored(mapping: TableMapping) -> list[dict[str, Any]]:
    """The lines of the form as it is shown."""
    return [line_of(row) for row in mapping.field_mappings.order_by("position", "pk")]


def flat(lines: list[dict[str, Any]], prefix: str = "f") -> dict[str, str]:
    """The lines as a browser sends them."""
    data = {f"{prefix}-n": str(len(lines))}
    for i, line in enumerate(lines):
        for name, value in line.items():
            if isinstance(value, list):
                data |= flat(value, f"{prefix}-{i}-{name}")
            elif value:
                data[f"{prefix}-{i}-{name}"] = value
    return data


def send(browser, mapping: TableMapping, lines: list[dict[str, Any]], do: str = "save", **more: str):
    data = {**flat(lines), "revision": mappings.revision_of(mapping), "do": do, **more}
    return browser.post(where(mapping), data)


def errors(answer) -> dict[str, list[str]]:
    """What is wrong, by place."""
    assert answer.status_code == 422
    found = {f"{line.at}-{at}": said for line in answer.context["lines"] for at, said in line.errors.items()}
    return {**found, "": answer.context["general"]} if answer.context["general"] else found


def revisions(mapping: TableMapping) -> tuple[int, dict[str, int]]:
    mapping.refresh_from_db()
    rows = dict(mapping.field_mappings.values_list("left_field", "revision"))
    return mapping.revision, rows


def with_(line: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {**line, **changed}


def step(name: str, **params: str) -> dict[str, str]:
    return {"name": name, **params}


# --- lines ---------------------------------------------------------------------------------------------------------


def test_lines_are_added_removed_and_moved_without_anything_being_stored(apps, browser):
    lines = stored(apps.mapping)
    before = mappings.revision_of(apps.mapping)
    answer = send(browser, apps.mapping, lines, "add:f")
    assert [line.line["left"] for line in answer.context["lines"]] == ["no", "name", "phone", "city", ""]
    assert answer.context["focus"] == "f-4"
    answer = send(browser, apps.mapping, lines, "remove:f:1")
    assert [line.line["left"] for line in answer.context["lines"]] == ["no", "phone", "city"]
    answer = send(browser, apps.mapping, lines, "up:f:3")
    assert [line.line["left"] for line in answer.context["lines"]] == ["no", "name", "city", "phone"]
    answer = send(browser, apps.mapping, lines, "add:f-1-to_right", **{"f-1-to_right-add-name": "cut"})
    [(_way, _words, [cut]), _left] = answer.context["lines"][1].ways
    assert (cut.name, [ask.name for ask, _said in cut.asked]) == ("cut", ["length"])
    assert mappings.revision_of(apps.mapping) == before


@pytest.mark.parametrize(
    "do",
    [
        "",
        "add",
        "add:f-99-to_right",
        "add:f-0-nothing",
        "remove:f:99",
        "remove:f:x",
        "up:f:0",
        "fly:f:0",
        "a:b:c:d",
    ],
)
def test_a_press_that_makes_no_sense_changes_nothing(do):
    lines = [LINE.blank() | {"left": "a"}, LINE.blank() | {"left": "b"}]
    assert press(lines, "f", LINE, do, {}) == ""
    assert [line["left"] for line in lines] == ["a", "b"]


def test_numbers_of_lines_nobody_means_are_read_as_few(apps, browser):
    assert read({"f-n": "9" * 8}, "f", LINE) != []
    assert len(read({"f-n": "99999999"}, "f", LINE)) == MOST
    assert read({"f-n": "-1"}, "f", LINE) == read({"f-n": "x"}, "f", LINE) == read({}, "f", LINE) == []
    answer = browser.post(
        where(apps.mapping), {"f-n": "400", "revision": mappings.revision_of(apps.mapping), "do": "save"}
    )
    assert "There are more than 300 of them." in errors(answer)[""]


# --- saving --------------------------------------------------------------------------------------------------------


def test_saving_what_was_shown_changes_nothing(apps, browser):
    FieldMapping.objects.filter(left_field="city").update(
        to_right=[{"name": "map", "params": {"pairs": [["Gent", "Gand"], ["7", 7]], "unmapped": "keep"}}],
        to_left=[{"name": "map", "params": {"pairs": [["Gand", "Gent"]], "unmapped": "keep"}}],
        group="address", owner="left", optional=True, keep_empty=True, personal=True, sensitive=True,
    )  # fmt: skip
    before = revisions(apps.mapping)
    lines = stored(apps.mapping)
    assert lines[3]["to_right"][0]["pairs"] == "Gent = Gand\n7 = 7"
    FieldMapping.objects.filter(left_field="city").update(
        to_right=[{"name": "map", "params": {"pairs": [["Gent", "Gand"], ["7", "7"]], "unmapped": "keep"}}]
    )
    answer = send(browser, apps.mapping, lines)
    assert answer.url == reverse("synccore:mapping", args=[apps.mapping.pk])
    assert revisions(apps.mapping) == before


def test_only_fields_that_compare_differently_are_taken_anew(apps, browser):
    no, name, phone, city = stored(apps.mapping)
    lines = [
        no,
        with_(name, group="who", personal="on"),
        with_(phone, to_right=[step("trim")], to_left=[step("trim")], accepted="on"),
        with_(city, keep_empty="on"),
    ]
    assert send(browser, apps.mapping, lines).status_code == 302
    assert revisions(apps.mapping) == (2, {"no": 1, "name": 1, "phone": 2, "city": 2})
    row = apps.mapping.field_mappings.get(left_field="phone")
    assert (row.to_right, row.accepted) == ([{"name": "trim", "params": {}}], True)
    lines = stored(apps.mapping)
    send(browser, apps.mapping, [lines[1], lines[0], *lines[2:]])
    assert revisions(apps.mapping)[0] == 2, "another order makes no other rules"
    assert [row.left_field for row in apps.mapping.field_mappings.all()] == ["name", "no", "phone", "city"]


def test_lines_that_go_and_come_keep_the_others_as_they_are(apps, browser):
    lines = stored(apps.mapping)
    keys = {row.left_field: row.pk for row in apps.mapping.field_mappings.all()}
    parent = with_(
        LINE.blank(),
        left="parent",
        right="parent",
        direction="to_right",
        reference=str(apps.mapping.pk),
        optional="on",
    )
    answer = send(browser, apps.mapping, [*lines[:3], parent])
    assert answer.status_code == 302
    rows = {row.left_field: row for row in apps.mapping.field_mappings.all()}
    assert {name: row.pk for name, row in rows.items() if name in keys} == {
        name: keys[name] for name in ("no", "name", "phone")
    }
    assert (rows["parent"].reference, rows["parent"].left_info["type"]) == (apps.mapping, "guid")
    assert revisions(apps.mapping)[0] == 2


def test_the_second_of_two_people_is_told(apps, browser):
    lines = stored(apps.mapping)
    revision = mappings.revision_of(apps.mapping)
    send(browser, apps.mapping, lines[:3])
    data = {**flat(lines[:2]), "revision": revision, "do": "save"}
    assert "Somebody saved" in pressed(browser, where(apps.mapping), data)
    assert apps.mapping.field_mappings.count() == 3


def _converted(name: str, **params: str) -> dict[str, Any]:
    return {"direction": "to_right", "to_right": [step(name, **params)]}


def _constant(**changed: str) -> dict[str, Any]:
    return {"direction": "to_right", "has_constant": "on", "constant": "x", **changed}


BOTH = "A field of both apps is needed"
BAD: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing": ({"left": "", "right": ""}, {"left": BOTH, "right": BOTH}),
    "unknown": ({"left": HOSTILE}, {"left": "had no field"}),
    "huge": ({"right": "x" * 5000}, {"right": "more than 200 characters"}),
    "read only": ({"right": "modified_by"}, {"right": "takes no values for modified_by"}),
    "twice": ({"right": "name"}, {"right": "Two lines of the mapping write name"}),
    "direction": ({"direction": "sideways"}, {"direction": "none of the choices"}),
    "owner": ({"owner": "middle"}, {"owner": "none of the choices"}),
    "reference": ({"reference": "999999"}, {"reference": "none of the choices"}),
    "group": ({"group": "g" * 61}, {"group": "more than 60"}),
    "one way": ({"to_right": [step("trim")]}, {"to_right": "only one way has transformations"}),
    "no number": (_converted("cut", length="long"), {"to_right-0-length": "It must be a whole number."}),
    "negative": (_converted("cut", length="-4"), {"to_right-0-length": "It must not be negative."}),
    "no zone": (_converted("zone", zone="Mars/Base"), {"to_right-0-zone": "This time zone is not known."}),
    "no conversion": (_converted("explode"), {"to_right-0-": "There is no such conversion."}),
    "no pairs": (_converted("map"), {"to_right-0-pairs": "Enter at least one line."}),
    "bad pair": (_converted("map", pairs="A = B\nC"), {"to_right-0-pairs": "Line 2 is not of the form"}),
    "pair twice": (_converted("map", pairs="A=B\nA=C"), {"to_right-0-pairs": "A value stands here twice."}),
    "constant both ways": (_constant(left="", direction="both"), {"direction": "is set to go both ways"}),
    "constant with source": (_constant(), {"left": "Leave the other app’s field empty"}),
    "constant of another type": (
        _constant(left="", right="parent"),
        {"constant": "x is not a value that parent"},
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_nonsense_is_told_at_its_place_and_nothing_is_saved(apps, browser, name):
    changed, expected = BAD[name]
    before = mappings.revision_of(apps.mapping)
    lines = stored(apps.mapping)
    answer = send(browser, apps.mapping, [*lines[:3], with_(lines[3], **changed)])
    found = errors(answer)
    assert set(found) == {f"f-3-{at}" for at in expected}
    assert all(sentence in found[f"f-3-{at}"][0] for at, sentence in expected.items())
    text = answer.content.decode()
    assert "<b>Ünï" not in text
    assert "Nothing was saved." in text
    assert mappings.revision_of(TableMapping.objects.get()) == before


def test_a_mapping_that_runs_keeps_a_field_and_the_one_it_looks_up_by(apps, browser):
    assert "there is nothing to synchronize" in errors(send(browser, apps.mapping, []))[""][0]
    TableMapping.objects.update(natural_key=apps.mapping.field_mappings.get(left_field="no").pk)
    apps.mapping.refresh_from_db()
    assert (
        "New records are looked up by no / no"
        in errors(send(browser, apps.mapping, stored(apps.mapping)[1:]))[""][0]
    )


def test_mappings_that_would_wait_for_each_other_are_refused(apps, browser):
    other = make.make_mapping("Other", integration=apps.integration)
    make.make_field(other, "x", reference=apps.mapping)
    line = with_(LINE.blank(), left="parent", right="parent", direction="both", reference=str(other.pk))
    found = errors(send(browser, apps.mapping, [*stored(apps.mapping), line]))
    assert "none can be first" in found[""][0]
    assert apps.mapping.field_mappings.count() == 4


def test_a_field_that_is_gone_does_not_keep_the_others_from_being_saved(apps, browser):
    apps.right.add_table(
        table("account", FieldInfo("no", FieldType.TEXT, length=20), FieldInfo("name", FieldType.TEXT))
    )
    read_tables(apps)
    no, name, *rest = stored(apps.mapping)
    assert send(browser, apps.mapping, [no, with_(name, group="who"), *rest]).status_code == 302


# --- conversions that come back -------------------------------------------------------------------------------------


def test_conversions_are_tried_on_what_records_held_when_they_agreed(apps, browser):
    for no, city in (("C1", " Gent"), ("C2", "Brugge")):
        new(apps, no, city=city)
    apps.run()
    no, name, phone, city = stored(apps.mapping)
    lossy = with_(city, to_right=[step("trim")], to_left=[step("trim")])
    found = errors(send(browser, apps.mapping, [no, name, phone, lossy]))
    assert found == {
        "f-3-accepted": [
            "Of 4 known values 2 do not come back as they were (“ Gent” → “Gent”, “ Gent” → “Gent”). "
            "Change the conversions, or accept it."
        ]
    }
    harmless = with_(
        city, to_right=[step("replace", old="x", new="x")], to_left=[step("replace", old="x", new="x")]
    )
    assert send(browser, apps.mapping, [no, name, phone, harmless]).status_code == 302
    secret = with_(lossy, sensitive="on")
    assert "Gent" not in str(errors(send(browser, apps.mapping, [no, name, phone, secret])))
    assert send(browser, apps.mapping, [no, name, phone, with_(lossy, accepted="on")]).status_code == 302


def test_without_a_record_to_try_what_may_lose_something_is_asked(apps, browser):
    no, name, phone, city = stored(apps.mapping)
    found = errors(
        send(
            browser,
            apps.mapping,
            [no, name, phone, with_(city, to_right=[step("upper")], to_left=[step("upper")])],
        )
    )
    assert "no record is coupled yet" in found["f-3-accepted"][0]
    pairs = with_(
        city,
        to_right=[step("map", pairs="Gent = Gand", unmapped="keep")],
        to_left=[step("map", pairs="Gand = Gent", unmapped="keep")],
    )
    assert send(browser, apps.mapping, [no, name, phone, pairs]).status_code == 302


def test_a_field_that_is_new_in_the_app_is_known_once_the_tables_were_read(apps, browser):
    fields = [
        each
        for name, each in apps.left.tables["customer"].info.fields.items()
        if not name.startswith("modified")
    ]
    apps.left.add_table(table("customer", *fields[1:], FieldInfo("fax", FieldType.TEXT)))
    lines = [*stored(apps.mapping)[:3], with_(LINE.blank(), left="fax", right="city", direction="to_right")]
    assert "had no field fax" in errors(send(browser, apps.mapping, lines))["f-3-left"][0]
    answer = send(browser, apps.mapping, lines, "read")
    assert answer.context["lines"][3].line["left"] == "fax", "what was typed stays"
    for job in SynchJob.objects.filter(verb="describe", state="queued"):
        jobs.run(job.pk)
    apps.mapping.refresh_from_db()
    assert send(browser, apps.mapping, lines).status_code == 302


def test_a_mapping_of_more_than_a_hundred_fields_is_one_form(apps, browser):
    many = [FieldInfo(f"field_{n}", FieldType.TEXT, length=20) for n in range(120)]
    apps.left.add_table(table("wide", *many))
    apps.right.add_table(table("broad", *many))
    read_tables(apps)
    mapping = make.make_mapping(
        "Wide", integration=apps.integration, left_table="wide", right_table="broad", enabled=False
    )
    suggested = [row.key for row in browser.get(suggest(mapping)).context["rows"]]
    assert len(suggested) == 120
    assert browser.post(suggest(mapping), {"map": suggested}).status_code == 302
    assert send(browser, mapping, stored(mapping)).status_code == 302
    assert mapping.field_mappings.count() == 120
    shown = browser.get(where(mapping))
    assert shown.context["count"] == 120
    assert len(shown.content) < 2_000_000


# --- from nothing to a record ---------------------------------------------------------------------------------------


def test_a_mapping_made_by_the_forms_alone_synchronizes(apps, browser, as_user):
    apps.left.add_table(
        table(
            "vendor",
            FieldInfo("no", FieldType.TEXT, length=20),
            FieldInfo("name", FieldType.TEXT, length=30),
            FieldInfo("rate", FieldType.DECIMAL, precision=10, scale=4),
        ),
        modified_by_field="modified_by",
    )
    apps.right.add_table(
        table(
            "supplier",
            FieldInfo("No", FieldType.TEXT, length=20),
            FieldInfo("name", FieldType.TEXT, length=10),
            FieldInfo("rate", FieldType.DECIMAL, precision=10, scale=2),
            FieldInfo("kind", FieldType.INTEGER),
        )
    )
    read_tables(apps)
    browser.post(
        reverse("synccore:new_mapping"),
        {"name": "Vendors", "left_table": "vendor", "right_table": "supplier", "direction": "to_right"},
    )
    made = TableMapping.objects.get(name="Vendors")
    chosen = [row.key for row in browser.get(suggest(made)).context["rows"] if row.ticked]
    assert browser.post(suggest(made), {"map": chosen}).url == reverse("synccore:mapping", args=[made.pk])
    answer = browser.get(where(made))
    lines = [line.line for line in answer.context["lines"]]
    assert [(line["left"], line["right"], line["direction"]) for line in lines] == [
        ("no", "No", "both"),
        ("name", "name", "both"),
        ("rate", "rate", "both"),
    ]
    shorter, decimals = answer.context["lines"][1].troubles[0], answer.context["lines"][2].troubles[0]
    assert "takes 10 characters; name may hold 30" in shorter.sentence
    assert "keeps 2 decimals" in decimals.sentence
    lines[1] = with_(lines[1], direction="to_right", to_right=[step("cut", length="10")])
    lines[2] = with_(lines[2], direction="to_right", to_right=[step("round", scale="2")])
    lines.append(with_(LINE.blank(), right="kind", direction="to_right", has_constant="on", constant="7"))
    assert send(browser, made, lines).status_code == 302
    assert "is switched on" in pressed(browser, reverse("synccore:switch_on", args=[made.pk]))
    from decimal import Decimal
    from uuid import uuid4

    id = str(uuid4())
    apps.left.put(
        "vendor", id, {"no": "V1", "name": "A very long name", "rate": Decimal("1.2345")}, by="anna"
    )
    made.refresh_from_db()
    job = apps.run(mapping=made)
    assert (job.state, job.inserted, job.failed) == (SynchJob.State.FINISHED, 1, 0)
    [row] = apps.app(Side.RIGHT).tables["supplier"].rows.values()
    assert (row.fields["No"], row.fields["name"], row.fields["rate"], row.fields["kind"]) == (
        "V1",
        "A very lon",
        Decimal("1.23"),
        7,
    )
