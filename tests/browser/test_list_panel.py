"""The row beside its list, by keyboard: Enter opens, j and k move and the panel follows, Escape closes."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.looks import look_at

ALL = "/coupled-errors/?tab=all&sort=name"


def focused_row(page) -> str:
    return page.evaluate("document.activeElement.closest('tr')?.id ?? ''")


def test_enter_opens_j_follows_escape_closes_and_the_focus_is_never_lost(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    page.keyboard.press("j")
    first = focused_row(page)
    page.keyboard.press("Enter")
    title = page.locator("#panel-title")
    expect(title).to_be_focused()
    expect(title).to_contain_text("Adatum")
    expect(page).to_have_url(re.compile(f"&open={first.removeprefix('row-')}$"))
    page.keyboard.press("j")
    expect(title).to_contain_text("Deerfield")
    second = focused_row(page)
    assert second != first
    expect(page).to_have_url(re.compile(f"&open={second.removeprefix('row-')}$"))
    page.keyboard.press("k")
    expect(title).to_contain_text("Adatum")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator(f"#{first} :focus")).to_have_count(1)
    expect(page).to_have_url(re.compile(f"{re.escape(ALL)}$"))


def test_back_and_forward_close_and_open(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    page.get_by_role("link", name="Trey Research").click()
    expect(page.locator("#panel")).to_contain_text("History")
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    page.go_forward()
    expect(page.locator("#panel-title")).to_contain_text("Trey Research")


def test_ticks_survive_opening_and_enter_on_a_tick_opens(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    page.locator("input[name=row]").nth(1).focus()
    page.keyboard.press("x")
    page.locator("input[name=row]").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text("History")
    expect(page.locator("input[name=row]:checked")).to_have_count(1)


def test_a_session_that_ended_leads_to_sign_in_and_back(world, administrator, open_browser):
    from django.contrib.sessions.models import Session

    page = open_browser(administrator)
    page.goto(ALL)
    Session.objects.all().delete()
    page.get_by_role("link", name="Trey Research").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    expect(page).to_have_url(re.compile("next=%2Fcoupled-errors%2F"))


def test_a_server_that_does_not_answer_is_told_in_the_panel(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    page.route("**/coupled-errors/*open=*", lambda route: route.fulfill(status=404, body="gone"))
    page.get_by_role("link", name="Trey Research").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was lost")


def test_looks(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(f"{ALL}&open={world.rejected.pk}")
    look_at(page, "panel-problem")
    page.goto(f"/errors/?tab=entries&open={world.entry.pk}")
    look_at(page, "panel-entry")
    page.goto(f"{ALL}&open=0")
    look_at(page, "panel-gone")
