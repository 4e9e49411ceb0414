"""The frame in a browser: the menu folds and stays so, its numbers follow, paper shows what the page says."""

from __future__ import annotations

from playwright.sync_api import expect

from synccore.models.ledger import replace_stat
from tests.browser.test_looks import check, picture
from tests.factories import make_coupling, make_problem


def test_the_menu_folds_to_icons_and_stays_folded(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto("/jobs/")
    page.get_by_role("button", name="Fold the menu").press("Enter")
    check(page, "menu-folded-light")
    page.goto("/")
    assert page.locator("#navigation").bounding_box()["width"] < 80
    expect(page.get_by_role("link", name="Couplings")).to_have_attribute("title", "Couplings")
    page.get_by_role("button", name="Unfold the menu").click()
    assert page.locator("#navigation").bounding_box()["width"] > 200


def test_the_menus_numbers_follow_while_somebody_looks(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto("/couplings/")
    number = page.locator("[data-menu-count=all]")
    before = int(number.inner_text())
    make_problem(make_coupling(world.mapping))
    replace_stat()
    page.evaluate("document.dispatchEvent(new Event('tandem:count'))")
    expect(number).to_have_text(str(before + 1))


def test_a_language_is_chosen_by_keyboard_and_paper_shows_no_buttons(world, administrator, open_browser):
    page = open_browser(administrator, dark=True)
    page.goto("/")
    page.locator("button.who").press("Enter")
    check(page, "account-menu-dark")
    page.get_by_role("button", name="NL").press("Enter")
    page.get_by_role("link", name="Synchronisatiefouten bij integratie").first.wait_for()
    page.emulate_media(media="print")
    expect(page.locator("#navigation")).to_be_hidden()
    expect(page.locator(".icon-button").first).to_be_hidden()
    picture(page, "home-paper")
