"""The bar of a list: what applies to how many of the ticked rows, why not to the others, and what has left meanwhile."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from synccore.models import Problem
from synccore.models.scoping import GrantLevel
from tests import factories as make

COUPLED = reverse("coupling:coupled")
ENTRIES = reverse("errors:entries")
BAR = {"HX-Request": "true", "HX-Target": "div#bulk"}


def bar(
    browser, *rows, where: str = f"{COUPLED}?tab=all", every: bool = False
) -> tuple[list[str], list[str]]:
    """Words on the buttons (in brackets where it cannot be pressed), and the sentences below."""
    ticked = "all=1" if every else "ticked=" + ".".join(str(row.pk) for row in rows)
    text = browser.get(f"{where}&{ticked}", headers=BAR).content.decode()
    found = re.findall(r"<button([^>]*)>(?:<svg.*?</svg>)?(.*?)</button>", text)
    words = [f"[{word}]" if " disabled" in attributes else word for attributes, word in found]
    return words, [re.sub(r"<[^>]+>", "", each).strip() for each in re.findall("<li.*?</li>", text)]


@pytest.fixture
def deleter(world):
    return make.make_user("Administrator", grants={world.mapping: GrantLevel.DELETE})


def test_each_button_says_how_many_and_the_line_says_why_not_the_others(world, deleter, as_user):
    words, why = bar(as_user(deleter), world.conflict, world.deleted, world.rejected)
    assert words == [
        "Retry 3 records",
        "Synchronize 3 records…",
        "Restore Records 1 of 3…",
        "Delete Records 1 of 3…",
        "[Set Up Coupling 0 of 3…]",
        "[Find matches 0 of 3]",
        "Remove 3 couplings…",
        "Leave out on purpose · 3…",
        "Run it now · 3",
    ]
    assert why == [
        "Restore Records 1 of 3 Restore is for coupled records whose counterpart was deleted.",
        "Delete Records 1 of 3 Delete is for coupled records whose counterpart was deleted.",
        "Set Up Coupling 0 of 3 Set Up Coupling is for records without a counterpart.",
        "Find matches 0 of 3 "
        "Find matches is for records without a counterpart, and for couplings that were removed.",
    ]


def test_what_fits_none_cannot_be_pressed(world, deleter, as_user):
    words, why = bar(as_user(deleter), world.conflict)
    assert "[Restore Records 0 of 1…]" in words
    assert "Retry 1 record" in words
    assert len(why) == 4


def test_a_person_is_offered_what_his_role_may_do(world, owner, viewer, as_user):
    words, _why = bar(as_user(owner), world.conflict)
    assert [word.split()[0] for word in words] == [
        "Retry",
        "Synchronize",
        "[Set",
        "[Find",
        "Remove",
        "Leave",
        "Run",
    ]
    assert bar(as_user(viewer), world.conflict) == ([], [])


def test_rows_one_may_only_view_are_told(world, as_user):
    person = make.make_user("Record owner", grants={world.mapping: 1, world.hidden: 2})
    words, why = bar(as_user(person), world.conflict, world.secret)
    assert "Retry 1 of 2" in words
    assert "Retry 1 of 2 1 of them your groups may only view." in why


def test_a_ticked_row_that_ended_meanwhile_is_told(world, owner, as_user):
    for problem in (world.conflict, world.rejected):
        Problem.objects.filter(pk=problem.pk).update(state="ended", ending="fixed", ended_at=problem.since)
    words, why = bar(as_user(owner), world.conflict, world.rejected, world.retrying)
    assert "Retry 1 of 3" in words
    assert why[-1] == "2 of your ticked records have left this list meanwhile."


def test_all_that_match_is_counted_by_the_filter(world, owner, as_user):
    words, _why = bar(as_user(owner), where=f"{COUPLED}?tab=all&kind=rejected", every=True)
    assert words[0] == "Retry 1 record"
    assert bar(as_user(owner), every=True)[0][0] == "Retry 6 records"


def test_too_many_are_not_looked_at_before_the_press(world, owner, as_user, monkeypatch):
    monkeypatch.setattr("ui.views.MOST_LOOKED_AT", 3)
    words, why = bar(as_user(owner), every=True)
    assert words == [
        "Retry",
        "Synchronize…",
        "Set Up Coupling…",
        "Find matches",
        "Remove Coupling…",
        "Leave out on purpose…",
        "Run it now",
    ]
    assert why == []


def test_entries_are_counted_as_entries_where_they_are_what_goes(world, administrator, as_user):
    again = make.make_entry(world.rejected)
    words, _why = bar(as_user(administrator), world.entry, again, where=f"{ENTRIES}?tab=entries")
    assert "Retry 1 record" in words  # two entries of one record
    assert "Delete Entries · 2…" in words


@pytest.mark.parametrize("ticked", ["", "x", "1.2.x", "-5", "9" * 60, ".".join("7" * 300)])
def test_nonsense_is_no_row(world, owner, as_user, ticked):
    assert as_user(owner).get(f"{COUPLED}?tab=all&ticked={ticked}", headers=BAR).status_code == 200


def test_the_bar_asks_the_database_little(world, deleter, as_user):
    browser = as_user(deleter)
    with CaptureQueriesContext(connection) as captured:
        bar(browser, world.conflict, world.deleted, world.rejected)
    own = [each for each in captured if not re.search(r'FROM "(django_session|auth_)', each["sql"])]
    assert len(own) <= 3, own


def test_without_javascript_the_bar_stands_there_with_plain_words(world, owner, as_user):
    text = as_user(owner).get(f"{COUPLED}?tab=all").content.decode()
    assert "With the ticked records:" in text
    assert re.search(
        r'name="retry" value="selected" aria-keyshortcuts="r">(<svg.*?</svg>)?Retry</button>', text
    )
