"""Search, pasted lists and the file, as a person meets them; and names that are long, right-to-left or HTML."""

from __future__ import annotations

from playwright.sync_api import expect

from synccore.models import Coupling, Problem
from tests.browser.looks import look_at
from tests.factories import make_coupling, make_problem

ALL = "/coupled-errors/?tab=all&sort=name"


def test_the_search_box_says_how_it_searches_and_finds(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    page.keyboard.press("/")
    expect(page.get_by_text("Whole words and beginnings of 3 letters or more")).to_be_visible()
    page.keyboard.type("zonen")
    page.keyboard.press("Enter")
    expect(page.locator("table.list tbody tr")).to_have_count(1)
    expect(page.get_by_role("link", name="Clear all")).to_be_visible()


def test_a_list_from_a_spreadsheet_is_pasted(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    numbers = [world.rejected.coupling.left_key, world.conflict.coupling.left_key, "X-99"]
    page.locator("#id_q").fill("\t".join(numbers))
    page.keyboard.press("Enter")
    expect(page.locator("table.list tbody tr")).to_have_count(2)
    expect(page.get_by_text("1 of the 3 numbers is in no row of this list.")).to_be_visible()
    assert "+" in page.url


def test_a_list_that_is_too_long_for_an_address_is_told_before_it_is_sent(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    page.locator("#id_q").fill(" ".join(str(10_000_000 + n) for n in range(900)))
    page.keyboard.press("Enter")
    assert page.locator("#id_q").evaluate("box => box.validationMessage").startswith("This list is too long")
    assert page.url.endswith(ALL)


def test_the_file_comes_down(world, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(ALL)
    with page.expect_download() as found:
        page.get_by_role("link", name="Download as CSV").click()
    assert found.value.suggested_filename.startswith("tandem-coupled-all-")


def test_looks(world, administrator, open_browser):
    strange = make_coupling(
        world.mapping, left_name="شركة الاختبار (SA)", right_name="<b>bold</b> & Söhne " + "x" * 90
    )
    make_problem(strange, name="0", app_message="No blank here:" + "y" * 5000, side="right")
    Coupling.objects.filter(pk=world.rejected.coupling_id).update(left_name="A name of many words " * 12)
    Problem.objects.filter(pk=world.conflict.pk).update(app_message="Ein Satz. " * 500, side="left")
    page = open_browser(administrator)
    page.goto(f"{ALL}&failed=range&per=25")
    look_at(page, "list-strange")
    numbers = [
        world.rejected.coupling.left_key,
        world.in_sync.left_key,
        "X-99",
        *(f"Z{n}" for n in range(60)),
    ]
    page.goto(f"{ALL}&kind=rejected&q={'+'.join(numbers)}")
    look_at(page, "list-pasted")
    page.goto(f"{ALL}&q=...")
    look_at(page, "list-refused")
