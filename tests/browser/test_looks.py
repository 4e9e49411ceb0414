"""Every page in a real browser: nothing for axe to find, no sideways scrolling, and a picture to look at."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.looks import axe, check, look_at, picture
from tests.pages.test_every_page import PAGES, address

__all__ = ["axe", "check", "picture"]

QUESTIONS = {"synchronize": "question-synchronize", "remove_coupling": "question-remove"}


#: What a page is looked at with, where its plain address shows little.
QUERIES = {
    "errors:entries": "?tab=entries",
    "coupling:coupled": "?tab=all",
    "synccore:new_connection": "?kind=postgresql",
}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page(world, clean_up, full, administrator, open_browser, name):
    page = open_browser(administrator)
    page.goto(address(name, world) + QUERIES.get(name, ""))
    look_at(page, name.replace(":", "-"))


def test_questions_and_refusals(world, clean_up, full, administrator, viewer, open_browser):
    page = open_browser(administrator)
    for action, name in QUESTIONS.items():
        page.goto(address("coupling:coupled", world) + "?tab=all")
        page.get_by_label("Van Dijk & Zn.").check()
        page.get_by_label("Trey Research").check()
        picture(page, "bulk")
        page.locator(f"button[name={action}]").click()
        expect(page.get_by_role("link", name="Cancel")).to_be_focused()
        look_at(page, name)
    refused = open_browser(viewer)
    refused.goto("/errors/clean-up/")
    look_at(refused, "refused")
    refused.goto("/nothing-here/")
    look_at(refused, "not-found")


def test_sign_in_page(transactional_db, open_browser):
    page = open_browser()
    page.goto("/sign-in/")
    look_at(page, "sign-in")
    page.get_by_role("link", name="Become its first administrator").click()
    expect(page).to_have_url(re.compile("/first-administrator/"))
    look_at(page, "first-administrator")


def test_menu_opens_on_narrow_screens(world, administrator, open_browser):
    page = open_browser(administrator, width=390, height=844)
    page.goto("/")
    page.get_by_role("button", name="Menu").click()
    picture(page, "menu-390")
    page.get_by_role("link", name="Couplings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Couplings")
