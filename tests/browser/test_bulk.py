"""Ticks and the bar in a browser: what the buttons say, ranges, pages, and what stays after going back."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.looks import look_at

ALL = "/coupled-errors/?tab=all&sort=name"


def tick(page, *problems) -> None:
    for problem in problems:
        page.locator(f"input[name=row][value='{problem.pk}']").check()


def test_the_bar_comes_with_the_first_tick_and_says_what_fits(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    bar = page.locator("[data-bulk]")
    expect(bar).to_be_hidden()
    tick(page, world.deleted, world.conflict)
    expect(page.get_by_role("button", name="Retry 2 records")).to_be_visible()
    expect(page.get_by_role("button", name="Restore Records 1 of 2")).to_be_enabled()
    expect(bar).to_contain_text("Restore is for coupled records whose counterpart was deleted.")
    page.locator(f"input[name=row][value='{world.deleted.pk}']").uncheck()
    expect(page.get_by_role("button", name="Restore Records 0 of 1")).to_be_disabled()
    page.locator(f"input[name=row][value='{world.conflict.pk}']").uncheck()
    expect(bar).to_be_hidden()


def test_select_all_that_match_counts_them(world, administrator, open_browser, monkeypatch):
    monkeypatch.setattr("coupling.views.CoupledPage.page_size", 3)
    page = open_browser(administrator)
    page.goto(ALL)
    tick(page, world.deleted)
    page.get_by_label("select all 7 that match").check()
    expect(page.get_by_role("button", name="Retry 7 records")).to_be_visible()
    expect(page.locator("[data-all]")).to_be_focused()


def test_looks(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    tick(page, world.deleted, world.conflict, world.rejected)
    page.get_by_role("button", name="Retry 3 records").wait_for()
    look_at(page, "bulk-bar")
    page.goto(f"{ALL}&open={world.rejected.pk}")
    tick(page, world.deleted, world.conflict)
    page.get_by_role("button", name="Retry 2 records").wait_for()
    look_at(page, "bulk-bar-panel")
