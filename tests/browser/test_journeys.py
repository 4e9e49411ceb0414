"""The triage without a mouse, from sign-in to the result."""

from __future__ import annotations

from playwright.sync_api import expect

from synccore.models import JobItem, Problem, SynchJob
from tests.factories import make_user

PASSWORD = "correct horse battery"


def tab_to(page, wanted: str) -> None:
    """Press Tab until the control with this selector has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", wanted):
            return
    raise AssertionError(f"Tab never reaches {wanted}")


def sign_in(page, name: str) -> None:
    page.goto("/sign-in/?next=/coupled-errors/%3Ftab%3Dall")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Coupled Data Synchronization Errors").wait_for()


def test_sign_in_and_retry_by_keyboard(world, open_browser):
    person = make_user("Record owner", username="otto", password=PASSWORD, grants={world.mapping: 2})
    page = open_browser()
    sign_in(page, "otto")
    tab_to(page, f"input[name=row][value='{world.rejected.pk}']")
    page.keyboard.press("Space")
    expect(page.get_by_text("1 ticked")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("2 ticked")).to_be_visible()
    page.keyboard.press("r")
    page.get_by_role("status").get_by_text("2 records are in the next synchronization").wait_for()
    world.rejected.refresh_from_db()
    assert world.rejected.requested_by == person
    assert Problem.objects.exclude(requested_at=None).count() == 2


def test_resolve_several_records_by_choosing_a_side_by_keyboard(world, open_browser):
    make_user("Record owner", username="otto", password=PASSWORD, grants={world.mapping: 2})
    page = open_browser()
    sign_in(page, "otto")
    for problem in (world.conflict, world.rejected):
        page.locator(f"input[name=row][value='{problem.pk}']").focus()
        page.keyboard.press("x")
    page.keyboard.press("s")
    page.get_by_role("heading", level=1, name="Synchronize: which version?").wait_for()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)
    for _ in range(8):  # past what the rules would write, back to the rules
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.type") == "radio":
            break
    page.keyboard.press("ArrowDown")
    tab_to(page, "button[name=synchronize]")
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("Synchronize runs as").wait_for()
    job = SynchJob.objects.exclude(pk=world.job.pk).get()
    assert job.verb == "resolve"
    assert job.options.get("side") or job.options.get("newest")
    chosen = JobItem.objects.filter(job=job).values_list("coupling_id", flat=True)
    assert set(chosen) == {world.conflict.coupling_id, world.rejected.coupling_id}


def test_single_keys_can_be_switched_off(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto("/coupled-errors/?tab=all")
    page.get_by_role("button", name="anna").click()
    page.get_by_role("button", name="Keyboard shortcuts are on").click()
    page.keyboard.press("Escape")
    page.locator("input[name=row]").first.check()
    page.keyboard.press("r")
    page.wait_for_timeout(300)
    assert not Problem.objects.exclude(requested_at=None).exists()


def test_shift_ticks_a_range_and_the_head_ticks_the_page(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto("/coupled-errors/?tab=all")
    expect(page.locator("[data-bulk]")).to_be_hidden()
    boxes = page.locator("input[name=row]")
    boxes.nth(0).click()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.get_by_text("4 ticked")).to_be_visible()
    page.get_by_label("Tick all on this page").check()
    expect(page.locator("input[name=row]:checked")).to_have_count(boxes.count())


def test_colours_are_kept_and_go_back_to_the_system(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto("/")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    toggle = page.locator("[data-theme-toggle]")
    toggle.click()
    toggle.click()
    dark = page.evaluate(background)
    assert dark != light
    page.goto("/jobs/")
    assert page.evaluate(background) == dark
    page.locator("[data-theme-toggle]").click()
    assert page.evaluate(background) == light


def test_a_running_job_refreshes_itself_until_it_ends(world, administrator, open_browser):
    from tests.factories import make_job

    job = make_job(world.mapping, state="running", modified=40, total=100)
    page = open_browser(administrator)
    page.goto(f"/jobs/{job.pk}/")
    SynchJob.objects.filter(pk=job.pk).update(modified=77)
    page.locator("#job-region").get_by_text("77").first.wait_for()
    SynchJob.objects.filter(pk=job.pk).update(state="finished")
    page.get_by_role("status").get_by_text("Finished").wait_for()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3000)
    assert not [url for url in asked if f"/jobs/{job.pk}/" in url]


def test_a_list_works_without_javascript(world, administrator, open_browser):
    page = open_browser(administrator, scripts=False)
    page.goto("/coupled-errors/?tab=all")
    page.locator(f"input[name=row][value='{world.rejected.pk}']").check()
    page.get_by_role("button", name="Remove Coupling").click()
    page.get_by_role("button", name="Remove 1 coupling").click()
    expect(page.get_by_text("Remove Coupling runs as")).to_be_visible()
