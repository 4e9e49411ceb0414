"""The set-up of mappings in a real browser: nothing for axe, no sideways scrolling, pickers fill, pictures to look at."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from synccore.models import TableMapping
from synccore.services import runs
from tests import factories as make
from tests.jobs.helpers import new, start_full, work
from tests.jobs.world import World as Apps
from tests.pages.test_mappings import page as address
from tests.pages.test_mappings import read

from .looks import SMALLEST, check, look_at


@pytest.fixture(autouse=True)
def no_bell(monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


@pytest.fixture
def person(transactional_db):
    return make.make_user("Administrator", username="anna")


@pytest.fixture
def apps(transactional_db) -> Apps:
    made = Apps()
    read(made)
    left = [{"field": "city", "operator": "in", "value": ["Gent", "‮Brussel <b>" * 20]}]
    TableMapping.objects.filter(pk=made.mapping.pk).update(
        name="Customers",
        left_filter=left,
        templates=[{"priority": 10, "side": "right", "values": {"city": '"Gent"'}, "when": left}],
        preconditions=[
            {"what": "<b>a rate", "side": "right", "table": "account", "lookup_field": "no", "record_side": "left",
             "field": "city", "exempt": ["Gent"], "filter": []}
        ],
    )  # fmt: skip
    for _n in range(3):
        make.make_coupling(made.mapping)
    new(made, "C1", city="Gent", name="<b>Long</b> " * 9)
    new(made, "C2", city="Gent", name="‮x")
    made.mapping.refresh_from_db()
    return made


def test_pages_of_a_mapping(apps, person, open_browser):
    page = open_browser(person, width=SMALLEST[0], height=SMALLEST[1])
    for name in ("mapping", "edit_mapping", "delete_mapping", "mapping_fields"):
        page.goto(address(apps.mapping, name))
        look_at(page, f"{name}-world", whole=True)
    runs.start_dry_run(apps.mapping, user=None)
    work()
    for name in (
        "mapping_filters",
        "mapping_templates",
        "mapping_preconditions",
        "planned",
        "synchronize_since",
    ):
        page.goto(address(apps.mapping, name))
        look_at(page, f"{name}-world", whole=True)
    parent, _left = start_full([apps.mapping], user=None)
    work()
    page.goto(f"/full-synchronization/{parent.pk}/")
    look_at(page, "full_status-world", whole=True)
    page.goto("/full-synchronization/")
    look_at(page, "full-world", whole=True)
    page.get_by_label("What to do with Customers").select_option("full")
    page.get_by_role("button", name="Synchronize all that is chosen").click()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    look_at(page, "full_question-world", whole=True)
    page.goto("/mappings/")
    look_at(page, "mappings-world", whole=True)


def test_pickers_fill_from_the_app_and_follow_the_table(apps, person, open_browser):
    page = open_browser(person)
    page.goto(address(apps.mapping, "edit_mapping"))
    expect(page.locator("#picker-left")).to_contain_text("has them now")
    expect(page.locator("#fields-left option[value=phone]")).to_have_count(1)
    page.get_by_label(f"Table of {apps.left.name}").fill("nothing")
    page.get_by_label(f"Table of {apps.left.name}").blur()
    expect(page.locator("#fields-left option")).to_have_count(0)
    page.get_by_label(f"Table of {apps.left.name}").fill("customer")
    page.get_by_label(f"Table of {apps.left.name}").blur()
    expect(page.locator("#fields-left option[value=phone]")).to_have_count(1)


def test_fields_are_mapped_by_keyboard(apps, person, open_browser):
    page = open_browser(person)
    page.goto(address(apps.mapping, "mapping_fields"))
    page.get_by_role("button", name="Add a field").press("Enter")
    expect(page.locator("#f-4-left")).to_be_focused()
    page.keyboard.type("parent")
    page.locator("#f-4-right").fill("nonsense")
    page.locator("#f-4-right").press("Enter")
    expect(page.locator("#f-4-right")).to_be_focused()
    expect(page.locator("#f-4-right-error")).to_contain_text("had no field nonsense")
    check(page, "mapping_fields-error-1440-light", whole=True)
    page.locator("#f-4 summary").press("Enter")
    page.locator("#f-4-to_right-add-name").select_option("map")
    page.locator("#f-4").get_by_role("button", name="Add on the way to").first.press("Enter")
    expect(page.locator("#f-4-to_right-0-pairs")).to_be_focused()
    check(page, "mapping_fields-conversion-1440-light", whole=True)
    page.locator("#f-4").get_by_role("button", name="Remove the line").press("Enter")
    expect(page.locator("#f-4-to_right-0-pairs")).to_have_count(0)
    page.get_by_role("button", name="Save").last.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Customers")
