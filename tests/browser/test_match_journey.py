"""From nothing to coupled, in a real browser: criteria, a look, a choice among several, the press, the result, undo."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from synccore.models import Connection, Coupling, MatchCriterion
from synccore.shapes import Side
from tests.factories import make_user
from tests.jobs.helpers import new, work
from tests.jobs.world import World


@pytest.fixture
def duo(transactional_db, monkeypatch) -> World:
    """Customers ⇄ accounts that were in both apps long before they were connected."""
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)
    world = World(name="Customers", only_coupled=True)
    for side, name in (("left", "ERP"), ("right", "CRM")):
        Connection.objects.filter(pk=getattr(world.integration, f"{side}_id")).update(name=name)
    for no, left, right in (
        ("10", "Van Dijk & Zn.", "VAN DIJK - ZN"),
        ("11", "Ångström AB", "angstrom ab"),
        ("12", "Only in ERP", None),
    ):
        new(world, no, name=left, city="Gent")
        if right:
            new(world, f"A{no}", Side.RIGHT, name=right, city="Gent")
    new(world, "13", name="Jansen", city="Gent")
    for no, city in (("A13", "Gent"), ("A14", "Brugge")):
        new(world, no, Side.RIGHT, name="Jansen", city=city)
    return world


def test_two_apps_that_were_never_connected_are_coupled(duo, open_browser):
    page = open_browser(make_user("Administrator", username="anna"))
    page.goto(f"/mappings/{duo.mapping.pk}/")
    page.get_by_role("link", name="Match-Based Coupling").click()
    page.get_by_role("link", name="Choose the criteria").click()
    expect(page.get_by_text("A proposal from the mapping’s own number and name.")).to_be_visible()
    page.get_by_role("button", name="Remove the criterion no").click()
    expect(page.get_by_label("Field")).to_have_count(1)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Match-Based Coupling: Customers")
    assert MatchCriterion.objects.get().field.left_field == "name"

    page.get_by_role("button", name="Look for matches").click()
    expect(page.locator("#match-region")).to_contain_text("waits for its turn")
    work()
    expect(page.get_by_text("10 Van Dijk & Zn.")).to_be_visible()  # the region asks for itself
    expect(page.get_by_role("link", name="One match, ERP: 2")).to_be_visible()
    assert not Coupling.objects.exists()

    page.get_by_role("link", name="Choose for those that several records match").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Matches of Customers")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="13 Jansen")).to_be_focused()
    mine = page.get_by_role("group", name="Record of CRM that 13 Jansen goes with")
    expect(mine.get_by_label("Decide later")).to_be_checked()
    expect(mine.get_by_role("row", name="city the same Gent Gent")).to_be_visible()
    expect(mine.get_by_role("row", name="city differs Gent Brugge")).to_be_visible()
    page.keyboard.press("2")
    expect(mine.get_by_label("A14 Jansen")).to_be_checked()
    page.keyboard.press("1")
    expect(mine.get_by_label("A13 Jansen")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("The choice is kept; the run takes it over.")).to_be_visible()
    expect(page.get_by_text("It stands under “Chosen by hand” now.")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("A13 Jansen")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()

    page.get_by_role("link", name="Match-Based Coupling", exact=True).click()
    page.get_by_role("link", name="Couple 3 pairs").click()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    page.get_by_role("button", name="Couple 3 pairs").click()
    expect(page.get_by_text("The records are being coupled.")).to_be_visible()
    work()
    page.reload()
    pairs = {(each.left_key, each.right_key) for each in Coupling.objects.live()}
    assert pairs == {("10", "A10"), ("11", "A11"), ("13", "A13")}
    page.get_by_role("link", name="5 records were chosen").click()
    expect(page.get_by_text("nothing matches", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Couple by hand 12 Only in ERP")).to_be_visible()

    page.go_back()
    page.get_by_role("link", name="Undo what this job wrote").click()
    expect(page.get_by_text("3 couplings that the job made are taken away")).to_be_visible()
    page.locator("form button.btn-primary, form button.btn-danger").last.click()
    page.get_by_text("is undone now").wait_for()
    work()
    assert not Coupling.objects.live().exists()
