"""Users and grants in a browser: a new colleague by keyboard, from his account to his first page; and how it looks."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.looks import SMALLEST, look_at
from tests.browser.test_journeys import tab_to
from tests.factories import make_grant, make_mapping, make_user
from tests.pages.test_users import role


def test_a_new_colleague_by_keyboard(world, administrator, open_browser):
    make_grant(role("Viewer"), world.mapping)
    page = open_browser(administrator)
    page.goto("/users/")
    tab_to(page, "a[href='/users/new/']")
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="New user").wait_for()
    tab_to(page, "input[name=username]")
    page.keyboard.type("nina")
    page.keyboard.press("Tab")
    page.keyboard.type("Nina")
    tab_to(page, f"input[name=groups][value='{role('Viewer').pk}']")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Sign-in link of Nina").wait_for()
    address = page.locator("pre").inner_text().strip()

    hers = open_browser()
    hers.goto(re.sub(r"^https?://[^/]+", "", address))
    hers.get_by_label("New password", exact=True).fill("correct horse battery")
    hers.get_by_label("New password confirmation").fill("correct horse battery")
    hers.keyboard.press("Enter")
    hers.get_by_text("Your password is set").wait_for()
    hers.get_by_label("Username").fill("nina")
    hers.get_by_label("Password").fill("correct horse battery")
    hers.keyboard.press("Enter")
    hers.get_by_role("heading", level=1, name="Home").wait_for()
    expect(hers.get_by_text("Customer").first).to_be_visible()


def test_looks(world, administrator, open_browser):
    nina = make_user(
        "Record owner", username="nina", first_name="Nina", last_name="van der Berg-Øvrebø مرحبا"
    )
    make_user("Viewer", username="long" * 20, email="a.very.long.address.of.somebody@department.example.org")
    for n in range(9):
        make_grant(
            role("Record owner"),
            make_mapping(f"Mapping {n} with a long name", integration=world.mapping.integration),
            1 + n % 3,
        )
    page = open_browser(administrator, width=SMALLEST[0], height=SMALLEST[1])
    for name, where in (
        ("users", "/users/"),
        ("user", f"/users/{nina.pk}/"),
        ("user-form", f"/users/{nina.pk}/edit/"),
        ("groups", "/groups/"),
        ("group", f"/groups/{role('Record owner').pk}/"),
        ("password", "/password/"),
    ):
        page.goto(where)
        look_at(page, f"people-{name}")
    page.goto(f"/users/{nina.pk}/")
    page.get_by_role("button", name="New sign-in link").click()
    page.locator("pre").wait_for()
    look_at(page, "people-link")
    address = page.locator("pre").inner_text().strip()
    page.goto(re.sub(r"^https?://[^/]+", "", address))
    look_at(page, "people-set-password")
    page.goto("/set-password/MQ/no-no/")
    look_at(page, "people-link-over")
