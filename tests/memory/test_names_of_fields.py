"""Sentences name fields as people know them; who sets up reads the app's own name behind it."""

from __future__ import annotations

from typing import Any

import pytest

from synccore import guides
from synccore.engine.serial import dump_info
from synccore.guides import Names
from synccore.models import TableMapping
from synccore.tables import app_names
from synccore.verbs.chosen import CHANGED_MEANWHILE
from synccore.verbs.items import named_note
from synccore.views.sentences import item_note
from tests import factories as make

CAPTIONS = {
    "left": {"phone": "Phone No.", "name": "Name", "city": "City"},
    "right": {"telephone1": "Main Phone", "name": "Account Name"},
}
APPS = Names({"left": "ERP", "right": "CRM"}, lambda: CAPTIONS)


def told(code: str, **params: Any) -> guides.Rendered:
    return guides.render(code, params, apps=APPS)


def test_an_owner_reads_the_caption_alone() -> None:
    failure = told("value_too_long", field="telephone1", side="right", length=40, limit=20)
    assert failure.title == "Main Phone is too long"
    assert failure.sentence.startswith("The value of Main Phone has 40 characters; there is room for 20.")
    assert failure.steps[0] == "Shorten Main Phone in the app the record comes from."


def test_an_administrator_reads_the_name_as_well_where_it_says_more() -> None:
    gone = told("field_vanished", field="telephone1", table="accounts", side="right")
    assert gone.sentence.startswith(
        "accounts no longer has the field Main Phone (telephone1), which is mapped"
    )
    assert told("field_vanished", field="city", side="left").title == "The field City is gone"


def test_the_help_page_names_both() -> None:
    page = guides.explain("value_too_long", {"field": "telephone1", "side": "right"}, apps=APPS)
    assert page is not None
    assert page.title == "Main Phone (telephone1) is too long"
    assert ("Field", "Main Phone (telephone1)") in page.facts


def test_the_side_of_the_failure_comes_first_and_the_other_one_follows() -> None:
    assert told("value_required", field="name", side="right").title == "Account Name must not be empty"
    assert told("value_required", field="name", side="left").title == "Name must not be empty"
    assert told("value_required", field="telephone1", side="left").title == "Main Phone must not be empty"
    assert told("value_required", field="telephone1").title == "Main Phone must not be empty"


def test_a_field_without_a_caption_keeps_its_name() -> None:
    assert told("value_required", field="fax", side="right").title == "fax must not be empty"
    assert told("value_required", side="right").title == "A field must not be empty"
    plain = guides.render("value_required", {"field": "telephone1"}, apps={"left": "ERP", "right": "CRM"})
    assert plain.title == "telephone1 must not be empty"


def test_a_conflict_names_its_fields_in_the_words_of_both_apps() -> None:
    fields = [
        {"left_field": "phone", "right_field": "telephone1", "left": "phone", "right": "telephone1"},
        {"left_field": "city", "right_field": None, "left": None, "right": None},
        "name",
    ]
    assert (
        told("update_conflict", fields=fields)
        .sentence.removeprefix("Since the last synchronization both apps changed: ")
        .startswith("Phone No. / Main Phone, City, Name.")
    )
    assert fields[0]["left"] == "phone", "values are no names, and what is stored stays as it is"


def test_captions_are_read_for_a_sentence_that_names_a_field_only() -> None:
    def unread() -> dict[str, dict[str, str]]:
        raise AssertionError("no field is named")

    apps = Names({"left": "ERP", "right": "CRM"}, unread)
    assert guides.render("throttled", {"side": "left"}, apps=apps).sentence
    assert guides.render("value_required", {"side": "left"}, apps=apps).sentence
    assert item_note("gone", apps) == "the record is gone"


def test_what_a_job_left_alone_names_fields_likewise() -> None:
    note = named_note(CHANGED_MEANWHILE, {"right": ["telephone1", "name", 2], "left": []})
    text = item_note(note, APPS)
    assert "Main Phone, Account Name and 2 more in CRM" in text
    assert "the record in ERP" in text


# -- where captions come from -------------------------------------------------------------------------------------------


@pytest.fixture
def mapping(db: None) -> TableMapping:
    mapping = make.make_mapping("Customers")
    left = dump_info(make.make_info("phone", label="Phone No."))
    right = dump_info(make.make_info("t1", label="Main Phone"))
    make.make_field(mapping, "phone", "t1", left_info=left, right_info=right)
    make.make_field(mapping, "city")
    make.make_field(mapping, "junk", left_info=["none"], right_info=None)
    return mapping


def test_a_mapping_knows_the_captions_of_its_fields_by_one_query(
    mapping: TableMapping, django_assert_num_queries: Any
) -> None:
    found = TableMapping.objects.get(pk=mapping.pk)
    with django_assert_num_queries(1):
        assert found.captions == {"left": {"phone": "Phone No."}, "right": {"t1": "Main Phone"}}
        assert found.captions["left"]
    assert make.make_mapping().captions == {"left": {}, "right": {}}


def test_mappings_bring_their_captions_where_a_list_asks_for_them(
    mapping: TableMapping, django_assert_num_queries: Any
) -> None:
    other = make.make_mapping("Without fields")
    with django_assert_num_queries(1):
        found = {each.pk: each.captions for each in TableMapping.objects.with_captions()}
    assert found[mapping.pk] == {"left": {"phone": "Phone No."}, "right": {"t1": "Main Phone"}}
    assert found[other.pk] == {"left": {}, "right": {}}


def test_the_names_of_a_mapping_are_its_apps_and_its_captions(mapping: TableMapping) -> None:
    names = app_names(mapping)
    assert names == {"left": mapping.integration.left.name, "right": mapping.integration.right.name}
    assert guides.render("value_required", {"field": "t1", "side": "right"}, apps=names).title == (
        "Main Phone must not be empty"
    )
