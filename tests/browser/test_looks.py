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


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_questions_and_refusals(world, clean_up, full, administrator, viewer, open_browser, dark):
    tone = "dark" if dark else "light"
    page = open_browser(administrator, dark=dark)
    for action, name in QUESTIONS.items():
        page.goto(address("coupling:coupled", world) + "?tab=all")
        page.get_by_label("Van Dijk & Zn.").check()
        page.get_by_label("Trey Research").check()
        picture(page, f"bulk-{tone}")
        page.locator(f"button[name={action}]").click()
        expect(page.get_by_role("link", name="Cancel")).to_be_focused()
        check(page, f"{name}-{tone}")
    refused = open_browser(viewer, dark=dark)
    refused.goto("/errors/clean-up/")
    check(refused, f"refused-{tone}")
    refused.goto("/nothing-here/")
    check(refused, f"not-found-{tone}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_sign_in_page(transactional_db, open_browser, dark):
    page = open_browser(dark=dark)
    page.goto("/sign-in/")
    check(page, f"sign-in-{'dark' if dark else 'light'}")
    page.get_by_role("link", name="Become its first administrator").click()
    expect(page).to_have_url(re.compile("/first-administrator/"))
    check(page, f"first-administrator-{'dark' if dark else 'light'}")


def test_menu_opens_on_narrow_screens(world, administrator, open_browser):
    page = open_browser(administrator, width=390, height=844)
    page.goto("/")
    page.get_by_role("button", name="Menu").click()
    picture(page, "menu-390")
    page.get_by_role("link", name="Couplings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Couplings")
