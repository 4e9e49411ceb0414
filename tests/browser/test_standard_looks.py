"""*Use Default Synchronization Setup* in a real browser: nothing for axe, no sideways scrolling, a press by keyboard."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from synccore.models import TableMapping
from synccore.models.catalogue import store_catalogue
from synccore.services.standard import use_standard
from tests import factories as make
from tests.catalogues import dataverse, make_pair

from .looks import SMALLEST, look_at

ALL = ("salespeople", "currencies", "unit-groups", "units", "customers", "vendors", "contacts", "items")


@pytest.fixture(autouse=True)
def no_bell(monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


@pytest.fixture
def person(transactional_db):
    return make.make_user("Administrator", username="anna")


@pytest.fixture
def pair(transactional_db):
    """Two apps of which one has long names, and lacks a table and a field."""
    made = make_pair()
    made.left.name = "Business Central " * 5
    made.left.save()
    tables = dataverse()
    del tables["systemusers"]
    del tables["accounts"].fields["websiteurl"]  # type: ignore[attr-defined]
    store_catalogue(made.right, tables, timezone.now())
    return made


def test_the_page(pair, person, open_browser):
    use_standard(pair, user=person, chosen=("vendors",))
    page = open_browser(person, width=SMALLEST[0], height=SMALLEST[1])
    where = reverse("synccore:standard", args=[pair.pk])
    page.goto(where)
    for each in page.locator("details > summary").all()[:12]:
        if each.is_visible() and not each.locator("..").evaluate("node => node.open"):
            each.click()
    look_at(page, "standard", whole=True)
    page.goto(where + "?reset=vendors")
    page.get_by_role("button", name="Use Default Synchronization Setup").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reset to default")
    look_at(page, "standard-question", whole=True)


def test_made_and_switched_on_by_keyboard(transactional_db, person, open_browser):
    pair = make_pair()
    page = open_browser(person)
    page.goto(reverse("synccore:mappings"))
    page.get_by_role("link", name="Use Default Synchronization Setup").first.click()
    page.get_by_label("Switch them on at once").press("Space")
    page.get_by_label("Base currency of both apps").press("Enter")
    expect(page.get_by_text("8 mappings are made, 8 of them switched on.")).to_be_visible()
    assert TableMapping.objects.filter(integration=pair, enabled=True).count() == len(ALL)
