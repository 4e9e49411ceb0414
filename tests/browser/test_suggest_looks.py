"""*Suggest field mappings* in a real browser: nothing for axe, no sideways scrolling; with none, one and two hundred."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from synccore.shapes import FieldInfo, FieldType
from tests import factories as make
from tests.memory.test_suggesting import field, mapping_of

from .looks import look_at


@pytest.fixture
def person(transactional_db):
    return make.make_user("Administrator", username="anna")


def some():
    """Every kind of suggestion, with long names, labels and warnings."""
    left = [
        field("city", label="City"),
        field("name", length=50),
        field("limit", label="Limit"),
        field("code", read_only=True),
        field("phone", label="Phone number of the person who answers in the afternoon"),
        field("a_very_long_name_" * 6, length=250),
    ]
    right = [
        field("new_city", label="Town"),
        field("name", length=30, required=True),
        field("Limit", FieldType.DECIMAL),
        field("code"),
        field("telephone1"),
        field("a_very_long_name_" * 6, length=20),
        field("country", required=True),
    ]
    return mapping_of(left, right)


def of(n: int):
    fields = [FieldInfo(f"field_{i}", FieldType.TEXT, length=20, label=f"Field {i}") for i in range(n)]
    return mapping_of(fields, fields)


@pytest.mark.parametrize("what", ["0", "1", "some", "200"])
def test_the_page(transactional_db, person, open_browser, what):
    mapping = some() if what == "some" else of(int(what))
    page = open_browser(person)
    page.goto(reverse("synccore:suggest_fields", args=[mapping.pk]))
    look_at(page, f"suggest-{what}", whole=True)


def test_ticked_and_mapped_by_keyboard(transactional_db, person, open_browser):
    mapping = some()
    page = open_browser(person)
    page.goto(reverse("synccore:mapping", args=[mapping.pk]))
    page.get_by_role("link", name="Suggest field mappings").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Suggest field mappings")
    page.get_by_role("button", name="Tick none").press("Enter")
    expect(page.get_by_text("6 suggestions, 0 ticked")).to_be_visible()
    page.get_by_role("checkbox", name="Map city / new_city").press("Space")
    page.get_by_role("button", name="Map the ticked fields").press("Enter")
    expect(page.get_by_text("1 field is mapped.")).to_be_visible()
    assert list(mapping.field_mappings.values_list("right_field", flat=True)) == ["new_city"]
