"""Restore and undo, and a conflict made by editing both records: by the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from synccore import jobs
from synccore.models import Connection, SynchJob
from synccore.shapes import Side
from synccore.tables import record_url
from tests.browser.test_journeys import tab_to
from tests.browser.test_looks import check
from tests.factories import make_user
from tests.jobs.helpers import pair
from tests.jobs.world import World


@pytest.fixture
def duo(transactional_db, monkeypatch) -> World:
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)
    world = World()
    for side, name in (("left", "ERP"), ("right", "CRM")):
        Connection.objects.filter(pk=getattr(world.integration, f"{side}_id")).update(name=name)
    return world


@pytest.fixture
def administrator(duo):
    return make_user("Administrator", username="anna")


def carry_out(verb: str) -> SynchJob:
    done = jobs.run(SynchJob.objects.filter(verb=verb).latest("pk").pk)
    assert done is not None and done.state == "finished"
    return done


def test_restore_a_deleted_record_and_undo_it(duo, administrator, open_browser):
    _left, right = pair(duo, "C10023", name="Deerfield")
    pair(duo, "C2")
    duo.right.remove("account", right)
    duo.run(scope="sweep")
    duo.run()
    page = open_browser(administrator)
    page.goto("/coupled-errors/")
    page.locator("input[name=row]").focus()
    page.keyboard.press("x")
    tab_to(page, "button[name=restore]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    expect(page.get_by_text("C10023 Deerfield").first).to_be_visible()
    tab_to(page, "button[name=restore]")
    page.keyboard.press("Enter")
    page.get_by_text("Restore Records runs as").wait_for()
    restored = carry_out("restore")
    assert right in duo.rows(Side.RIGHT)

    page.goto(f"/jobs/{restored.pk}/")
    tab_to(page, f"a[href='/jobs/{restored.pk}/undo-writes/']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Undo what job {restored.pk} wrote?")
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    expect(page.get_by_text("1 record that the job created is deleted again")).to_be_visible()
    check(page, "undo-question")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("is undone now").wait_for()
    carry_out("undo")
    assert right not in duo.rows(Side.RIGHT)
    page.reload()
    expect(page.get_by_text("Finished").first).to_be_visible()
    page.goto(f"/jobs/{restored.pk}/undo-writes/")
    expect(page.get_by_text("This was undone already; nothing more was written.")).to_be_visible()
    page.goto("/coupled-errors/")
    expect(page.get_by_text("C10023 Deerfield").first).to_be_visible()


def test_edit_both_sides_and_see_the_conflict_after_a_run(duo, administrator, open_browser):
    pair(duo, "C10023", name="Van Dijk", phone="+32 2 555 01 00")
    coupling = duo.coupling("C10023")
    page = open_browser(administrator)
    for app, number in (("ERP", "77"), ("CRM", "99")):
        page.goto(record_url(coupling))
        side = "left" if app == "ERP" else "right"
        tab_to(page, f"a[href='/record/{coupling.pk}/edit/{side}/']")
        page.keyboard.press("Enter")
        page.get_by_text("As it is in the app").wait_for()
        if app == "ERP":
            check(page, "edit-form")
        tab_to(page, "input[name='field:phone']")
        page.keyboard.press("Control+a")
        page.keyboard.type(f"+32 2 555 01 {number}")
        page.keyboard.press("Enter")
        page.get_by_text(f"is changed in {app} now").wait_for()
        carry_out("edit")
    duo.run()
    page.goto(record_url(coupling))
    expect(page.get_by_text("Both apps changed it since the last agreement")).to_be_visible()
    page.get_by_text("As it is in the apps").wait_for()
    values = page.locator("#record-now")
    for number in ("77", "99"):
        expect(values.get_by_text(f"+32 2 555 01 {number}")).to_be_visible()
    narrow = open_browser(administrator, width=390, height=844, dark=True)
    narrow.goto(f"/live/edit/{coupling.pk}/left/")
    check(narrow, "edit-form-390-dark")
