"""Keys: what the controls of a page declare, the list of them, and when they are silent."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from synccore.models import Problem
from tests.browser.test_looks import check

ALL = "/coupled-errors/?tab=all"
DECLARE = """keys => {
  window.pressed = [];
  keys.forEach(key => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Does " + key;
    button.setAttribute("aria-keyshortcuts", key);
    button.addEventListener("click", () => window.pressed.push(key));
    document.querySelector("main").prepend(button);
  });
}"""


@pytest.fixture
def page(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    return page


@pytest.mark.parametrize(
    ("declared", "pressed"),
    [
        ("Shift+R", "Shift+R"),
        ("Alt+W Control+M", "Alt+w"),
        ("Alt+W Control+M", "Control+m"),
        ("g", "g"),
        ("!", "Shift+!"),
    ],
)
def test_a_control_is_pressed_by_what_it_declares(page, declared, pressed):
    page.evaluate(DECLARE, [declared])
    page.keyboard.press(pressed)
    assert page.evaluate("window.pressed") == [declared]


def test_shift_and_the_plain_letter_are_two_keys(page):
    page.evaluate(DECLARE, ["Shift+G", "g"])
    page.keyboard.press("g")
    assert page.evaluate("window.pressed") == ["g"]
    page.keyboard.press("Shift+G")
    assert page.evaluate("window.pressed") == ["g", "Shift+G"]
    page.keyboard.press("Control+g")
    page.keyboard.press("Alt+g")
    assert page.evaluate("window.pressed") == ["g", "Shift+G"]


def test_while_typing_only_combinations_with_ctrl_or_alt_work(page):
    page.evaluate(DECLARE, ["g", "Control+M"])
    page.keyboard.press("/")
    expect(page.locator("#id_q")).to_be_focused()
    page.keyboard.type("gg?jx")
    page.keyboard.press("Control+m")
    assert page.evaluate("window.pressed") == ["Control+M"]
    assert page.locator("#id_q").input_value() == "gg?jx"
    assert not page.locator("#shortcuts").is_visible()


def test_the_question_mark_lists_the_keys_of_this_page(page):
    page.evaluate(DECLARE, ["Alt+W Control+M"])
    page.keyboard.press("?")
    listed = page.locator("#shortcuts")
    expect(listed).to_be_visible()
    expect(listed).to_contain_text("Alt + W · Ctrl + M")
    expect(listed).to_contain_text("Does Alt+W Control+M")
    expect(listed).to_contain_text("Retry")
    expect(listed).to_contain_text("Next row, row before")
    check(page, "shortcuts")
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    expect(listed).to_be_hidden()
    assert not Problem.objects.exclude(requested_at=None).exists()


def test_a_page_without_rows_lists_no_keys_for_rows(page):
    page.goto("/")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    expect(page.get_by_text("Next row, row before")).to_be_hidden()


def test_switched_off_means_off_but_not_for_combinations(page):
    page.keyboard.press("?")
    page.locator("#shortcuts [data-shortcuts-toggle]").click()
    page.keyboard.press("Escape")
    page.reload()
    page.evaluate(DECLARE, ["g", "Control+M"])
    for key in ("g", "j", "?", "Control+m"):
        page.keyboard.press(key)
    assert page.evaluate("window.pressed") == ["Control+M"]
    assert not page.locator("#shortcuts").is_visible()
    page.get_by_role("button", name="anna").click()
    page.get_by_role("button", name="Keyboard shortcuts are off").click()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    assert page.evaluate("window.pressed") == ["Control+M", "g"]
