"""Couple by hand without a mouse: an item's unit first, and the item follows; and how the page looks."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from synccore.models import Connection, FieldMapping, Problem, SynchJob
from synccore.shapes import Side
from tests.browser.looks import SMALLEST, arrived, look_at
from tests.browser.test_journeys import tab_to
from tests.factories import make_coupling, make_user
from tests.jobs.helpers import contact, contacts_of, new, work
from tests.jobs.world import World

HTML = "<b>BOX</b> Schachtel à 12 Stück, " + "sehr lang und ausführlich beschrieben " * 4


@pytest.fixture
def duo(transactional_db, monkeypatch) -> World:
    """Units ⇄ units that nothing couples by itself, and an item that waits for its unit."""
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)
    world = World(name="Units of measure", only_coupled=True)
    for side, name in (("left", "ERP"), ("right", "CRM")):
        Connection.objects.filter(pk=getattr(world.integration, f"{side}_id")).update(name=name)
    world.items = contacts_of(world)
    world.items.name = "Items"
    world.items.save(update_fields=["name"])
    world.unit = new(world, "BOX", name="Box of 12", phone="1", city="Gent")
    world.twin = new(world, "BOX", Side.RIGHT, name="Box, 12 pieces", phone="1", city=None)
    new(world, "BOXES", Side.RIGHT, name="Boxes")
    contact(world, "1896-S", world.unit)
    world.run(mapping=world.items)
    assert Problem.objects.get().blocker_record == world.unit
    return world


@pytest.fixture
def owner(duo):
    return make_user("Record owner", username="otto", grants={duo.mapping: 2, duo.items: 2})


def enter(page, wanted: str) -> None:
    tab_to(page, wanted)
    page.keyboard.press("Enter")


def test_couple_an_items_unit_by_keyboard_and_watch_the_item_follow(duo, owner, open_browser):
    problem = Problem.objects.get()
    page = open_browser(owner)
    page.goto(f"/problems/{problem.pk}/")
    enter(page, "a[href^='/couple/']")
    page.get_by_role("heading", level=1, name="Set Up Coupling").wait_for()
    page.get_by_role("heading", name="Likely counterparts in CRM").wait_for()
    expect(page.locator("#chosen-left")).to_contain_text("BOX Box of 12")
    search = page.get_by_role("searchbox", name="Number or name")
    expect(search).to_be_focused()

    page.keyboard.type("boxes")
    page.get_by_role("heading", name="Found in CRM").wait_for()
    expect(page.get_by_role("link", name="BOXES Boxes")).to_be_visible()
    expect(page.get_by_role("link", name="BOX Box, 12 pieces")).to_be_hidden()
    expect(search).to_be_focused()
    page.keyboard.press("Control+a")
    with page.expect_response(lambda answer: "12+box" in answer.url or "12%20box" in answer.url):
        page.keyboard.type("12 box")
    arrived(page)
    expect(page.get_by_role("link", name="BOXES Boxes")).to_be_hidden()
    enter(page, "#hits-right a")

    page.get_by_text("Which version counts where they differ?").wait_for()
    tab_to(page, "input[name=prefer]")
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name="Use ERP")).to_be_checked()
    name = page.locator(".couple-table tbody tr", has_text="Box, 12 pieces")
    expect(name.locator("[data-side=right] .value")).to_have_css("text-decoration-line", "line-through")
    expect(name.locator(".couple-will:visible .value")).to_have_text("Box of 12")
    enter(page, "button.btn-primary")

    page.get_by_role("heading", name="Result").wait_for()
    expect(page.get_by_text("Items 1896-S Person 1896-S")).to_be_visible()
    assert [job.verb for job in work()] == ["couple", "synchronise"]
    page.get_by_role("heading", name="These two are coupled").wait_for()
    page.get_by_role("status").get_by_text("In sync").wait_for()
    expect(page.locator("#couple-result li", has_text="Items 1896-S").get_by_text("In sync")).to_be_visible()
    problem.refresh_from_db()
    assert (problem.state, problem.ending) == ("ended", "fixed")
    assert duo.rows(Side.RIGHT)[duo.twin]["name"] == "Box of 12"
    expect(page.locator("#couple-result[hx-get]")).to_have_count(0)


def test_it_works_without_javascript(duo, owner, open_browser):
    page = open_browser(owner, scripts=False)
    page.goto(f"/couple/?mapping={duo.mapping.pk}")
    page.get_by_label("Number or name").first.fill("box")
    page.get_by_role("button", name="Search").first.click()
    page.get_by_role("link", name="BOX Box of 12").click()
    page.get_by_role("link", name="Look now").click()
    page.get_by_role("link", name="BOX Box, 12 pieces").click()
    page.get_by_role("link", name="Read both records now").click()
    page.get_by_label("Use CRM").check()
    page.get_by_role("button", name="Couple the two").click()
    page.get_by_role("heading", name="Result").wait_for()
    assert SynchJob.objects.get(verb="couple").options["prefer"] == "right"


def test_looks(duo, owner, open_browser):
    page = open_browser(owner, width=SMALLEST[0], height=SMALLEST[1])
    duo.right.put("account", duo.twin, {"name": HTML[:100], "phone": "+32 2 555 01 77"}, by="A. Berg")
    make_coupling(duo.mapping, right_id=None, left_key="KG", left_name="Kilogram مرحبا بالعالم")
    page.goto(f"/couple/?mapping={duo.mapping.pk}")
    look_at(page, "couple-start")
    page.goto(f"/couple/?mapping={duo.mapping.pk}&side=left&id={duo.unit}")
    page.get_by_role("heading", name="Likely counterparts in CRM").wait_for()
    look_at(page, "couple-candidates")
    page.get_by_role("link", name="BOX <b>BOX</b>").click()
    page.get_by_text("Which version counts where they differ?").wait_for()
    look_at(page, "couple-pair")
    page.get_by_label("Use ERP").check()
    look_at(page, "couple-chosen")

    item = next(iter(duo.left.tables["contact"].rows))
    person = "7e57ed00-0000-4000-8000-000000000001"
    duo.right.put("person", person, {"no": "1896-S", "name": "Desk", "parent": duo.twin})
    page.goto(f"/couple/?mapping={duo.items.pk}&left={item}&right={person}")
    page.get_by_role("heading", name="What must be coupled first").wait_for()
    look_at(page, "couple-parents")
    page.get_by_label("Decide field by field afterwards").check()
    page.get_by_role("button", name="Couple them").click()
    page.get_by_role("heading", name="Result").wait_for()
    work()
    page.get_by_role("heading", name="These two are coupled").wait_for()
    expect(page.get_by_role("button", name="Couple")).to_have_count(0)
    look_at(page, "couple-result")
    assert FieldMapping.objects.exists()
