"""Pages in states that break pages: much of everything, nothing of anything, and text from the apps at its worst."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from synccore.models import Problem
from synccore.models.ledger import replace_stat
from tests.browser.looks import look_at
from tests.factories import make_coupling, make_entry, make_field, make_problem, make_user, multiply
from tests.pages.test_every_page import LISTS, OF_MAPPING, SET_UP_LISTS

MARKUP = "<b onclick=\"alert(1)\">Kaas</b> & <script>alert('x')</script>"
RIGHT_TO_LEFT = "شركة الأفق للتجارة والمقاولات العامة المحدودة"
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
MESSAGE = ("value too long for type character varying(50)\n" + "DETAIL: " + "the row at hand; " * 400)[:5000]


@pytest.fixture
def worst(world):
    """Records whose names and messages are what apps really send."""
    problems = []
    for name in (MARKUP, RIGHT_TO_LEFT, LONG_WORD):
        pair = make_coupling(world.mapping, left_name=name, right_name=name)
        problem = make_problem(
            pair,
            app_message=MESSAGE,
            side="right",
            destination="right",
            params={
                "field": "name",
                "length": 240,
                "limit": 50,
                "value": name,
                "table": "account",
                "side": "right",
            },
        )
        entry = make_entry(problem, job_id=world.job.pk)
        Problem.objects.filter(pk=problem.pk).update(first_entry=entry.pk, last_entry=entry.pk)
        problems.append(problem)
    replace_stat()
    return problems


@pytest.mark.parametrize("name", ["markup", "right-to-left", "long-word"])
@pytest.mark.parametrize("where", ["panel", "problem", "entry"])
def test_the_worst_that_apps_send(world, worst, administrator, open_browser, where, name):
    problem = worst[["markup", "right-to-left", "long-word"].index(name)]
    addresses = {
        "panel": f"{reverse('coupling:coupled')}?tab=all&open={problem.pk}",
        "problem": reverse("coupling:problem", args=[problem.pk]),
        "entry": reverse("errors:entry", args=[Problem.objects.get(pk=problem.pk).last_entry]),
    }
    page = open_browser(administrator)
    page.on("dialog", lambda _: pytest.fail("text of an app was run"))
    page.goto(addresses[where])
    look_at(page, f"worst-{where}-{name}")
    expect(page.get_by_text(problem.name[:40]).first).to_be_attached()


@pytest.mark.parametrize("where", ["list", "entries"])
def test_lists_of_the_worst(world, worst, administrator, open_browser, where):
    page = open_browser(administrator)
    page.goto(
        reverse("coupling:coupled" if where == "list" else "errors:entries")
        + "?tab="
        + ("all", "entries")[where == "entries"]
    )
    look_at(page, f"worst-{where}")


@pytest.mark.parametrize("where", ["compare", "mapping"])
def test_sixty_mapped_fields(world, administrator, open_browser, where):
    pair = world.conflict.coupling
    for number in range(60):
        field = make_field(world.mapping, f"field_{number:02}_of_the_customer", f"attribute_{number:02}")
        for base in (pair.left_base, pair.right_base):
            base[str(field.pk)] = [1, f'"{"x" * number}"']
    pair.save()
    page = open_browser(administrator)
    keys = {"compare": ("coupling:compare", pair.pk), "mapping": ("synccore:mapping", world.mapping.pk)}
    page.goto(reverse(keys[where][0], args=[keys[where][1]]))
    if where == "compare":
        page.get_by_text("60 fields").click()
    look_at(page, f"sixty-fields-{where}")


#: Where there is no data at all there is no mapping, nor a list that is one mapping's.
OF_ALL = {*LISTS, *SET_UP_LISTS} - {f"synccore:{each}" for each in OF_MAPPING}


@pytest.mark.parametrize("name", sorted([*OF_ALL, "home", "synccore:connections"]))
def test_no_data_at_all(transactional_db, open_browser, name):
    page = open_browser(make_user("Administrator", username="anna"))
    page.goto(reverse(name))
    look_at(page, f"empty-{name.replace(':', '-')}")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_rows(world, administrator, open_browser):
    """The list is the same page at any size: hundred rows of it, true counts, and the last page one press away."""
    many = 100_000 - 1
    pair = make_coupling(world.mapping, left_name="Company 0", right_key="", right_name="")
    problem = make_problem(pair)
    multiply(
        pair,
        many,
        left_id="'m' || i",
        right_id="'m' || i",
        left_key="'M' || lpad(i::text, 6, '0')",
        left_name="'Company ' || i",
    )
    multiply(
        problem,
        many,
        coupling_id=f"{pair.pk} + i",
        name="'Company ' || i",
        fingerprint="lpad(to_hex(i), 64, '0')",
    )
    replace_stat()
    page = open_browser(administrator)
    page.goto(reverse("coupling:coupled"))
    look_at(page, "hundred-thousand-coupled")
    expect(page.locator("input[name=row]")).to_have_count(100)
    expect(page.get_by_role("navigation", name="States").get_by_text("100,004").first).to_be_attached()
    page.get_by_role("link", name="last").first.click()
    expect(page).to_have_url(re.compile("last"))
    expect(page.locator("input[name=row]")).to_have_count(100)
    page.goto(reverse("synccore:couplings"))
    look_at(page, "hundred-thousand-couplings")
