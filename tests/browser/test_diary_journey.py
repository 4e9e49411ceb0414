"""The diary without a mouse: clean up old entries, see what came of it, and bring them back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from synccore import jobs
from synccore.models import DeletedEntry, Problem, SynchJob, SynchJobError
from tests import factories as make
from tests.browser.test_journeys import tab_to
from tests.browser.test_looks import check


@pytest.fixture
def old(world) -> None:
    """Three entries of eight days ago, one of them still told by an open problem."""
    at = timezone.now() - timedelta(days=8)
    ended = make.make_problem(make.make_coupling(world.mapping, left_name="Litware"), state="ended")
    for _ in range(2):
        make.make_entry(ended, at=at)
    kept = make.make_entry(world.bug, at=at)
    Problem.objects.filter(pk=world.bug.pk).update(first_entry=kept.pk, last_entry=kept.pk)


def run(verb: str) -> None:
    """What a worker would do."""
    jobs.run(SynchJob.objects.get(verb=verb, state="queued").pk)


def press_enter_on(page, name: str) -> None:
    """Tab to the link or button of this name, and press Enter."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip().startswith(name):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"Tab never reaches {name}")


def test_clean_up_old_entries_and_bring_them_back_by_keyboard(world, old, administrator, open_browser):
    before = list(SynchJobError.objects.order_by("pk").values())
    problems = list(Problem.objects.order_by("pk").values())
    page = open_browser(administrator)
    page.goto("/errors/?tab=entries")
    press_enter_on(page, "Delete Entries Older than 7 Days")
    page.get_by_role("heading", level=1, name="Delete 2 entries?").wait_for()
    expect(page.get_by_text("1 more is still relevant and stays")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    expect(page.get_by_role("button", name="Delete 2 entries")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Delete 3 entries")).to_be_visible()
    check(page, "clean-up-question")
    page.keyboard.press("Space")
    press_enter_on(page, "Delete 2 entries")
    line = page.locator("#clean-up")
    expect(line).to_contain_text("The entries are being deleted.")
    check(page, "clean-up-running")
    run("purge")
    expect(line).to_contain_text("2 deleted, 1 kept: show")
    expect(page.get_by_text("Litware")).to_have_count(0)
    assert DeletedEntry.objects.count() == 2
    check(page, "clean-up-done")
    press_enter_on(page, "show")
    page.get_by_text("Kept by clean-up").first.wait_for()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.go_back()
    press_enter_on(page, "Undo")
    expect(line).to_contain_text("The entries are being brought back.")
    run("undo_purge")
    expect(line).to_contain_text("2 entries are back in the diary.")
    expect(page.get_by_text("Litware").first).to_be_visible()
    assert list(SynchJobError.objects.order_by("pk").values()) == before
    assert list(Problem.objects.order_by("pk").values()) == problems


def test_deleted_entries_come_back_one_by_one_by_keyboard(world, old, administrator, open_browser):
    gone = [make.make_deleted_entry(world.bug) for _ in range(2)]
    page = open_browser(administrator)
    page.goto("/errors/deleted/")
    tab_to(page, f"input[name=row][value='{gone[0].pk}']")
    page.keyboard.press("Space")
    page.keyboard.press("b")
    expect(page.locator("#clean-up")).to_contain_text("being brought back")
    run("undo_purge")
    expect(page.locator("#clean-up")).to_contain_text("1 entry is back in the diary.")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert SynchJobError.objects.filter(pk=gone[0].pk).exists()


def test_retry_all_records_of_a_cause_by_keyboard(world, administrator, open_browser):
    for n in range(200):
        make.make_problem(
            make.make_coupling(world.mapping, left_name=f"Litware {n}"),
            fingerprint="f" * 64,
            params={"field": "phone", "length": 50 + n, "limit": 40, "table": "account", "side": "right"},
        )
    page = open_browser(administrator)
    page.goto("/coupled-errors/?tab=all")
    press_enter_on(page, "Causes")
    expect(page.get_by_role("link", name="phone is too long", exact=True)).to_be_visible()
    check(page, "causes")
    press_enter_on(page, "Retry: 200 records")
    page.get_by_role("status").get_by_text("200 records are in the next synchronization").wait_for()
    assert Problem.objects.exclude(requested_at=None).count() == 200
    expect(page.get_by_label("Filters that are set")).to_contain_text("Cause")


def test_copy_details_by_keyboard(world, administrator, open_browser):
    page = open_browser(administrator, alone=True)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/errors/{world.entry.pk}/")
    press_enter_on(page, "Copy details")
    expect(page.get_by_role("status").get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#details-text").input_value()
    assert f"details of entry {world.entry.pk}" in copied
    check(page, "copy-details")


def test_from_an_entry_to_its_help_and_back_to_a_retry(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto("/errors/?tab=entries&kind=rejected")
    press_enter_on(page, "Help on")
    page.get_by_role("heading", level=1, name="name is too long").wait_for()
    page.keyboard.press("r")
    page.get_by_role("status").get_by_text("1 record is in the next synchronization").wait_for()
    world.rejected.refresh_from_db()
    assert world.rejected.requested_by == administrator
