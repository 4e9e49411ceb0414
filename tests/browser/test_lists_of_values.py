"""Fields of business apps in the editor and on the page of a table: their lists of values, and what does not fit."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

from django.urls import reverse

from tests.browser.looks import look_at
from tests.pages.test_mapping_lists import catalogues, mapping  # noqa: F401


def test_lists_of_values(world, mapping, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(reverse("synccore:mapping_fields", args=[mapping.pk]))
    page.get_by_text("values of CRM").first.click()
    look_at(page, "field-lists")
    page.goto(reverse("synccore:mapping", args=[mapping.pk]))
    look_at(page, "mapping-lists")
    where = reverse("synccore:live_catalogue", args=[mapping.integration.right_id])
    page.goto(f"{where}?side=right&table=accounts")
    page.get_by_text("Values", exact=True).first.click()
    look_at(page, "table-lists")
