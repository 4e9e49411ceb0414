"""Fields of business apps in the editor and on the page of a table: their lists of values, and what does not fit."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

import pytest
from django.urls import reverse

from tests.browser.looks import check
from tests.pages.test_mapping_lists import catalogues, mapping  # noqa: F401


@pytest.mark.parametrize(("dark", "width"), [(False, 1440), (True, 390)], ids=["wide-light", "narrow-dark"])
def test_lists_of_values(world, mapping, administrator, open_browser, dark, width):
    page = open_browser(administrator, dark=dark, width=width, height=900)
    page.goto(reverse("synccore:mapping_fields", args=[mapping.pk]))
    page.get_by_text("values of CRM").first.click()
    check(page, f"field-lists-{width}")
    page.goto(reverse("synccore:mapping", args=[mapping.pk]))
    check(page, f"mapping-lists-{width}")
    where = reverse("synccore:live_catalogue", args=[mapping.integration.right_id])
    page.goto(f"{where}?side=right&table=accounts")
    page.get_by_text("Values", exact=True).first.click()
    check(page, f"table-lists-{width}")
