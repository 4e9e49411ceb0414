"""*Tell Me* by keyboard alone: from any page to a record, to an action, in another language; refused, and signed out."""

from __future__ import annotations

import re

from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from tests.browser.test_looks import check
from tests.factories import make_coupling


def test_tell_me_to_a_record(world, owner, open_browser):
    make_coupling(
        world.mapping, left_key="10023", left_name="Van Dam", right_key="A-77", right_name="Van Dam NV"
    )
    page = open_browser(owner)
    page.goto("/jobs/")
    page.keyboard.press("Alt+q")
    expect(page.get_by_role("searchbox", name="Tell me what you want to do")).to_be_focused()
    page.keyboard.type("1002")
    expect(page.locator("dialog [data-hit]").first).to_contain_text("10023 Van Dam")
    check(page, "tell-me-record")
    page.keyboard.press("ArrowDown")
    expect(page.locator("dialog [data-hit]").first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/jobs/" not in url)
    expect(page.get_by_text("Van Dam NV").first).to_be_visible()


def test_enter_opens_the_first_answer_even_before_it_came(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("verwerkingswachtrij")
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Job Queue Entries").wait_for()


def test_arrows_escape_and_typing_on(world, viewer, open_browser):
    page = open_browser(viewer, width=390, height=844, dark=True)
    page.goto("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("koppeling")
    box = page.locator("dialog [data-tell-me-input]")
    expect(page.locator("dialog .hit-refused").first).to_contain_text("These groups may: Administrator")
    check(page, "tell-me-refused-390-dark")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.type("en")
    expect(box).to_have_value("koppelingen")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[data-tell-me]")).to_be_hidden()


def test_a_session_that_ended_meanwhile_leads_to_the_sign_in_and_back(world, owner, open_browser):
    page = open_browser(owner)
    page.goto("/jobs/")
    Session.objects.all().delete()
    page.keyboard.press("Alt+q")
    page.keyboard.type("contoso")
    page.get_by_role("heading", level=1, name="Sign in").wait_for()
    expect(page).to_have_url(re.compile("next=/tell-me/"))


def test_without_javascript_it_is_a_page(world, owner, open_browser):
    page = open_browser(owner, scripts=False)
    page.goto("/jobs/")
    page.get_by_role("link", name="Tell me what you want to do").click()
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("contoso")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Contoso").click()
    expect(page.get_by_text("Contoso").first).to_be_visible()
