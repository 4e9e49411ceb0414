"""A list that refreshes itself under one's hands: ticks, focus, scroll, opened messages and the panel stay."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from synccore.models import Problem
from tests import factories as make

ALL = "/coupled-errors/?tab=all&sort=name"
ASK = "document.dispatchEvent(new Event('tandem:refresh'))"


def end(*problems) -> None:
    for problem in problems:
        Problem.objects.filter(pk=problem.pk).update(state="ended", ending="fixed", ended_at=problem.since)


def refresh(page) -> None:
    """One refresh from its question to the end; one that the page began by itself ends first."""
    page.locator("#list:not([aria-busy])").wait_for()
    with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "div#list"):
        page.evaluate(ASK)
    page.locator("#list:not([aria-busy])").wait_for()


@pytest.fixture
def page(world, administrator, open_browser):
    for _ in range(30):
        make.make_problem(make.make_coupling(world.mapping, left_name="Many"), name="Many")
    page = open_browser(administrator)
    page.goto(ALL)
    return page


def box(page, problem):
    return page.locator(f"input[name=row][value='{problem.pk}']")


def test_ticks_focus_scroll_and_opened_messages_stay(world, page):
    box(page, world.conflict).check()
    box(page, world.rejected).check()
    page.locator(f"#row-{world.rejected.pk} summary").click()
    page.get_by_role("link", name="Trey Research").focus()
    page.get_by_role("button", name="Retry 2 records").wait_for()
    top = "document.activeElement.getBoundingClientRect().top"
    before = page.evaluate(top)
    end(world.bug, world.deleted)
    refresh(page)
    expect(page.locator(f"#row-{world.bug.pk}")).to_have_count(0)
    expect(box(page, world.conflict)).to_be_checked()
    expect(box(page, world.rejected)).to_be_checked()
    expect(page.locator("input[name=row]:checked")).to_have_count(2)
    expect(page.get_by_role("link", name="Trey Research")).to_be_focused()
    assert page.evaluate(f"document.querySelector('#row-{world.rejected.pk} details').open")
    expect(page.get_by_role("button", name="Retry 2 records")).to_be_visible()
    assert abs(page.evaluate(top) - before) < 250


def test_ticked_rows_that_ended_are_told_and_their_ticks_are_gone(world, page):
    for problem in (world.conflict, world.deleted, world.rejected):
        box(page, problem).check()
    end(world.conflict, world.deleted)
    refresh(page)
    told = page.locator("[data-list-note]")
    expect(told).to_have_text("2 of your ticked records have left this list meanwhile.")
    expect(page.get_by_role("button", name="Retry 1 record")).to_be_visible()


def test_a_row_with_the_focus_that_leaves_hands_it_to_the_next(world, page):
    page.get_by_role("link", name="Deerfield").focus()
    end(world.deleted)
    refresh(page)
    expect(page.locator(f"#row-{world.deleted.pk}")).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('tr') !== null")


def test_ticks_of_rows_that_moved_to_another_page_are_kept_and_sent(
    world, administrator, open_browser, monkeypatch
):
    monkeypatch.setattr("coupling.views.CoupledPage.page_size", 3)
    page = open_browser(administrator)
    page.goto("/coupled-errors/?tab=all")
    boxes = page.locator("input[name=row][type=checkbox]")
    last = boxes.nth(2).get_attribute("value")
    boxes.nth(2).check()
    for _ in range(3):
        make.make_problem(make.make_coupling(world.mapping))
    refresh(page)
    expect(page.locator(f"input[type=hidden][name=row][value='{last}']")).to_have_count(1)
    expect(page.get_by_text("1 of them on another page")).to_be_visible()
    page.keyboard.press("r")
    page.get_by_role("status").get_by_text("record").first.wait_for()
    assert list(Problem.objects.exclude(requested_at=None).values_list("pk", flat=True)) in ([int(last)], [])


def test_the_panel_stays_and_says_when_its_row_has_ended(world, page):
    page.get_by_role("link", name="Trey Research").click()
    panel = page.locator("#panel")
    expect(panel).to_contain_text("History")
    refresh(page)
    expect(panel).to_contain_text("History")
    end(world.rejected)
    refresh(page)
    expect(panel).to_contain_text("This problem has ended.")


def test_it_asks_by_itself_and_not_while_hidden_or_typing(world, administrator, open_browser):
    page = open_browser(administrator, alone=True)
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # only the steps below move it, however long the page takes
    page.goto(ALL)
    asked = []
    page.on("request", lambda request: asked.extend(filter(None, [request.headers.get("hx-target")])))
    page.clock.run_for(25_000)
    assert not asked
    with page.expect_request(lambda request: request.headers.get("hx-target")):
        page.clock.run_for(10_000)
    assert asked == ["div#list"]
    page.keyboard.press("/")
    page.clock.run_for(60_000)
    assert asked == ["div#list"]


def test_a_server_that_is_away_is_told_once_and_found_again(world, page):
    page.route("**/coupled-errors/*", lambda route: route.fulfill(status=404, body=""))
    for _ in range(2):
        refresh(page)
    expect(page.get_by_text("The server does not answer: this list is as it was.")).to_be_visible()
    page.unroute("**/coupled-errors/*")
    refresh(page)
    expect(page.get_by_text("The server does not answer")).to_be_hidden()
