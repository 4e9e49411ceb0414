"""Every page in a real browser: nothing for axe to find, no sideways scrolling, and a picture to look at."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS
from tests.pages.test_every_page import PAGES, address

QUESTIONS = {"synchronize": "question-synchronize", "remove_coupling": "question-remove"}


def axe(page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
        for each in found
        for node in each["nodes"]
    ]


def picture(page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def check(page, name: str) -> None:
    picture(page, name)
    assert not axe(page)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"scrolls sideways by {wide} px"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844), (320, 640)], ids=["wide", "narrow", "smallest"])
def test_pages(world, clean_up, full, administrator, open_browser, dark, size):
    page = open_browser(administrator, dark=dark, width=size[0], height=size[1])
    for name in PAGES:
        query = "?tab=entries" if name == "errors:entries" else ""
        page.goto(address(name, world) + query)
        check(page, f"{name.replace(':', '-')}-{size[0]}-{'dark' if dark else 'light'}")
    page.goto(address("coupling:coupled", world) + "?tab=all")
    check(page, f"coupled-all-{size[0]}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_questions_and_refusals(world, administrator, viewer, open_browser, dark):
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
    check(page, f"first-administrator-{'dark' if dark else 'light'}")


def test_menu_opens_on_narrow_screens(world, administrator, open_browser):
    page = open_browser(administrator, width=390, height=844)
    page.goto("/")
    page.get_by_role("button", name="Menu").click()
    picture(page, "menu-390")
    page.get_by_role("link", name="Couplings").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Couplings"
