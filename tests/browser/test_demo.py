"""The demo's bar and its page, in a browser: how they look, one press to be somebody else, by keyboard alone."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tandem.demo import faults
from tests.browser.looks import SMALLEST, look_at
from tests.demo.conftest import apps, demo_runs  # noqa: F401  (fixtures)
from tests.factories import make_user


def test_looks(world, administrator, demo_runs, open_browser):  # noqa: F811
    page = open_browser(administrator, width=SMALLEST[0], height=SMALLEST[1])
    page.goto("/")
    look_at(page, "demo-home")
    page.goto("/coupled-errors/?tab=all")
    look_at(page, "demo-bar")
    faults.FAULTS["superuser"].cause(demo_runs, "anna")
    page.goto("/demo/break/")
    page.get_by_text("Not now").first.wait_for()
    look_at(page, "demo-break")
    faults.FAULTS["superuser"].put_right(demo_runs)
    page.get_by_role("button", name="Put the demo’s bar away").click()
    expect(page.get_by_role("button", name="Put the demo’s bar away")).to_have_count(0)
    look_at(page, "demo-bar-away")


def test_be_somebody_else_and_see_who_can_help(world, viewer, demo_runs, open_browser):  # noqa: F811
    make_user("Administrator", username="admin")
    page = open_browser(viewer)
    page.goto("/errors/clean-up/")
    page.get_by_text("This needs the right").wait_for()
    page.get_by_role("button", name="admin", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_text("You are admin.").wait_for()
    expect(page).to_have_url(re.compile("/errors/clean-up/$"))


def test_the_card_stays_as_it_was_left(world, administrator, demo_runs, open_browser):  # noqa: F811
    page = open_browser(administrator)
    page.goto("/")
    card = page.get_by_text("The first five minutes: 1 of 6")
    first = page.get_by_role("link", name="End a conflict")
    expect(first).to_be_visible()
    card.focus()
    page.keyboard.press("Enter")
    expect(first).to_be_hidden()
    page.reload()
    expect(first).to_be_hidden()


def test_the_bar_is_not_printed(world, administrator, demo_runs, open_browser):  # noqa: F811
    page = open_browser(administrator)
    page.goto("/jobs/")
    bar = page.get_by_role("complementary", name="Demo")
    expect(bar).to_be_visible()
    page.emulate_media(media="print")
    expect(bar).to_be_hidden()
