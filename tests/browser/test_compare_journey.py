"""A conflict resolved field by field without a mouse, the same without JavaScript, and how the comparison looks."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from synccore import jobs
from synccore.models import Connection, FieldMapping, SynchJob
from synccore.shapes import Side
from tests.browser.looks import SMALLEST, look_at
from tests.factories import make_user
from tests.jobs.helpers import pair
from tests.jobs.world import World

LONG = "At the back, ring twice; not on Fridays after {} o’clock"


@pytest.fixture
def duo(transactional_db, monkeypatch) -> World:
    """One pair: phone and address (street in one app, city in the other) in conflict, name changed in one app only."""
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)
    world = World()
    for side, name in (("left", "ERP"), ("right", "CRM")):
        Connection.objects.filter(pk=getattr(world.integration, f"{side}_id")).update(name=name)
    left, right = pair(world, "C10023", name="Van Dijk", phone="+32 2 555 01 00", city=LONG.format(14))
    world.left.put("customer", left, {"phone": "+32 2 555 01 77", "city": LONG.format(15)}, by="P. Maas")
    world.right.put(
        "account",
        right,
        {"phone": "+32 2 555 01 99", "city": LONG.format(16), "name": "Van Dijk & Zn."},
        by="A. Berg",
    )
    world.run()
    assert world.problem("C10023").code == "update_conflict"
    world.ids = (left, right)
    return world


@pytest.fixture
def owner(duo):
    return make_user("Record owner", username="otto", grants={duo.mapping: 2})


def where(duo: World) -> str:
    return f"/compare/{duo.coupling('C10023').pk}/"


def wait_for_both(page) -> None:
    page.get_by_text("Both records as they are in the apps").wait_for()


def test_resolve_a_conflict_field_by_field_by_keyboard(duo, owner, open_browser):
    page = open_browser(owner)
    page.goto("/coupled-errors/?tab=all")
    page.locator("input[name=row]").focus()
    page.keyboard.press("x")
    page.keyboard.press("s")
    page.get_by_role("heading", level=1, name="Synchronize C10023").wait_for()
    wait_for_both(page)
    apply = page.get_by_role("button", name="Apply")
    expect(apply).to_be_disabled()
    expect(page.get_by_text("2 conflicts are open · 1 to ERP, 0 to CRM")).to_be_visible()
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)

    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "radio":
            break
    page.keyboard.press("ArrowLeft")
    phone = page.locator("tbody.unit", has_text="phone")
    expect(phone.locator("[data-after=left]")).to_have_text("+32 2 555 01 77")
    expect(phone.locator("[data-after=right]")).to_be_hidden()
    lost = phone.locator("[data-side=right] .value")
    expect(lost).to_have_css("text-decoration-line", "line-through")
    expect(page.get_by_text("1 conflict is open · 1 to ERP, 1 to CRM")).to_be_visible()
    expect(apply).to_be_disabled()

    page.keyboard.press("Enter")
    city = page.locator("tbody.unit-conflict", has_text="city")
    expect(city.locator("input").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("2 to ERP, 1 to CRM", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(apply).to_be_focused()
    page.keyboard.press("Control+Enter")

    page.get_by_role("status").get_by_text("is read again and synchronized now").wait_for()
    job = SynchJob.objects.get(verb="resolve")
    assert jobs.run(job.pk).state == "finished"
    page.get_by_role("status").get_by_text("Finished").wait_for()
    for side, id in zip((Side.LEFT, Side.RIGHT), duo.ids, strict=True):
        row = duo.rows(side)[id]
        assert (row["phone"], row["city"], row["name"]) == (
            "+32 2 555 01 77",
            LONG.format(16),
            "Van Dijk & Zn.",
        )


def test_use_one_app_for_all_is_done_in_place_and_can_be_changed(duo, owner, open_browser):
    page = open_browser(owner)
    page.goto(where(duo))
    wait_for_both(page)
    page.get_by_role("button", name="Use CRM").click()
    expect(page.get_by_text("3 to ERP, 0 to CRM")).to_be_visible()
    page.get_by_label("phone, use ERP").check()
    expect(page.get_by_text("2 to ERP, 1 to CRM")).to_be_visible()
    expect(page.get_by_role("button", name="Apply")).to_be_enabled()
    assert page.url.endswith(where(duo))


def test_a_choice_made_before_the_values_arrived_survives_only_where_they_are_the_same(
    duo, owner, open_browser
):
    duo.right.put("account", duo.ids[1], {"phone": "+32 2 555 01 55"}, by="A. Berg")
    page = open_browser(owner)
    held = []
    page.route("**/live/compare/**", lambda route: held.append(route))
    with page.expect_request("**/live/compare/**"):
        page.goto(where(duo))
    page.get_by_label("phone, use ERP").check()
    page.get_by_label("city, use CRM").check()
    expect(page.get_by_role("button", name="Apply")).to_be_enabled()
    held[0].continue_()
    wait_for_both(page)
    expect(page.get_by_text("The values changed while you were choosing")).to_be_visible()
    expect(page.get_by_label("city, use CRM")).to_be_checked()
    expect(page.get_by_label("phone, use ERP")).not_to_be_checked()
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()


def test_the_comparison_works_without_javascript(duo, owner, open_browser):
    page = open_browser(owner, scripts=False)
    page.goto(where(duo))
    page.get_by_role("link", name="Read both records now").click()
    wait_for_both(page)
    page.get_by_role("button", name="Use ERP").click()
    expect(page.locator("input[type=radio]:checked")).to_have_count(2)
    page.get_by_label("phone, use CRM").check()
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("is read again and synchronized now").wait_for()
    units = SynchJob.objects.get(verb="resolve").options["units"]
    phone = FieldMapping.objects.get(mapping=duo.mapping, left_field="phone").pk
    assert sorted(units.values()) == ["left", "right"]
    assert units[f"field:{phone}"] == "right"


def test_looks(duo, owner, open_browser):
    FieldMapping.objects.filter(mapping=duo.mapping, left_field__in=("phone", "city")).update(group="address")
    page = open_browser(owner, width=SMALLEST[0], height=SMALLEST[1])
    page.goto(where(duo))
    wait_for_both(page)
    look_at(page, "compare-group")
    FieldMapping.objects.filter(mapping=duo.mapping).update(group="")
    page.reload()
    wait_for_both(page)
    look_at(page, "compare")
    page.get_by_role("button", name="Use CRM").click()
    page.get_by_text("fields are equal").or_(page.get_by_text("field is equal")).click()
    look_at(page, "compare-chosen")
