"""Records / Causes: one row per cause of what is in view, and actions on exactly those records."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from errors import causes
from synccore.models import JobItem, Problem
from synccore.models.ledger import replace_stat
from synccore.models.scoping import GrantLevel
from tests import factories as make

COUPLED = reverse("coupling:coupled")
LOCKED, LONG = "a" * 64, "b" * 64


@pytest.fixture
def many(world) -> dict[str, list[Problem]]:
    """Three records with one cause, and one of a mapping that the owner may not see; another cause with two."""
    ago = timezone.now() - timedelta(days=2)
    long = [
        make.make_problem(
            make.make_coupling(world.mapping, left_key=f"LONG{n}", left_name=f"Long {n}"),
            fingerprint=LONG,
            params={"field": "name", "length": 60 + n, "limit": 50, "table": "account", "side": "right"},
            since=ago + timedelta(hours=n),
            last_failure=ago + timedelta(hours=10 + n),
        )
        for n in range(3)
    ]
    hidden = make.make_problem(make.make_coupling(world.hidden, left_name="Salary"), fingerprint=LONG)
    locked = [
        make.make_problem(
            make.make_coupling(world.mapping, left_name=f"Zulu {n}"),
            fingerprint=LOCKED,
            kind="blocked",
            code="reference_not_coupled",
            state="waiting",
            params={"record_name": "EUROPAL", "field": "unit"},
        )
        for n in range(2)
    ]
    replace_stat()
    return {"long": long, "locked": locked, "hidden": [hidden]}


def causes_of(browser, query: str = "tab=all") -> dict[str, causes.CauseRow]:
    page = browser.get(f"{COUPLED}?group=causes&{query}")
    return {row.group.fingerprint: row for row in page.context["table"].row_list}


def test_one_row_per_cause_says_how_many_since_when_and_what(world, many, owner, as_user):
    found = causes_of(as_user(owner))
    first, second = found[LONG], found[LOCKED]
    assert (first.group.n, second.group.n) == (3, 2)
    assert list(found)[0] == LONG, "those with the most records first"
    assert first.group.first == many["long"][0].since
    assert first.group.last == many["long"][2].last_failure
    assert first.title == "name is too long" and first.mappings == "Customer"
    assert second.title == "Waits for EUROPAL"
    assert sum(row.group.n for row in found.values()) == 6 + 5


def test_what_the_records_do_not_say_alike_is_not_said_of_the_cause(world, many, owner, as_user):
    Problem.objects.filter(pk=many["locked"][0].pk).update(params={"record_name": "BOX", "field": "unit"})
    assert causes_of(as_user(owner))[LOCKED].title == "Waits for a record"


def test_the_tab_and_the_filters_are_those_in_view(world, many, owner, as_user):
    browser = as_user(owner)
    assert LOCKED not in causes_of(browser, "tab=needs_you")
    assert set(causes_of(browser, "tab=waiting&q=zulu")) == {LOCKED}
    assert causes_of(browser, "tab=all&q=LONG1")[LONG].group.n == 1
    assert set(causes_of(browser, f"tab=all&cause={LONG}")) == {LONG}


def test_nobody_sees_or_counts_what_he_was_not_granted(world, many, owner, administrator, as_user):
    assert causes_of(as_user(owner))[LONG].group.n == 3
    assert causes_of(as_user(administrator))[LONG].group.n == 4


def test_one_press_acts_on_all_records_of_the_cause_in_view_and_on_no_other(world, many, owner, as_user):
    browser = as_user(owner)
    row = causes_of(browser, "tab=all&q=LONG")[LONG]
    assert row.actions[0].name == "retry"
    text = browser.get(f"{COUPLED}?group=causes&tab=all").content.decode()
    assert "Retry: 3 records" in text
    Problem.objects.filter(pk=many["long"][2].pk).update(
        state="ended", ending="fixed", ended_at=timezone.now()
    )
    answer = browser.post(COUPLED + row.url, {"retry": "selected", "all": "1"}, follow=True)
    assert "2 records are in the next synchronization" in answer.content.decode()
    marked = Problem.objects.exclude(requested_at=None)
    assert set(marked) == set(many["long"][:2])


def test_a_question_stands_before_what_asks_one_and_names_these_records(world, many, owner, as_user):
    conflicts = [
        make.make_problem(
            make.make_coupling(world.mapping, left_name=f"Twice {n}"),
            kind="conflict", code="update_conflict", fingerprint="c" * 64,
        )
        for n in range(2)
    ]  # fmt: skip
    browser = as_user(owner)
    row = causes_of(browser)["c" * 64]
    question = browser.post(COUPLED + row.url, {"synchronize": "selected", "all": "1"})
    assert "This is about 2 records" in question.content.decode()
    form = dict(re.findall(r'name="(\w+)" value="(\w*)"', question.content.decode()))
    browser.post(
        COUPLED + row.url,
        {"synchronize": "selected", "all": form["all"], "answered": "1", "version": "left"},
    )
    chosen = JobItem.objects.values_list("coupling_id", flat=True)
    assert set(chosen) == {each.coupling_id for each in conflicts}


def test_who_may_only_view_is_offered_nothing_and_refused(world, many, viewer, as_user):
    browser = as_user(viewer)
    row = causes_of(browser)[LONG]
    assert row.actions == []
    assert browser.post(COUPLED + row.url, {"retry": "selected", "all": "1"}).status_code == 403


def test_more_than_fifty_at_once_need_the_right_for_it(world, owner, administrator, as_user):
    for _n in range(51):
        make.make_problem(make.make_coupling(world.mapping), fingerprint=LONG)
    row = causes_of(as_user(owner))[LONG]
    assert as_user(owner).post(COUPLED + row.url, {"retry": "selected", "all": "1"}).status_code == 403
    assert (
        as_user(administrator).post(COUPLED + row.url, {"retry": "selected", "all": "1"}).status_code == 302
    )
    assert Problem.objects.exclude(requested_at=None).count() == 51


def test_the_records_of_a_cause_carry_its_name_as_a_pill(world, many, owner, as_user):
    page = as_user(owner).get(f"{COUPLED}?tab=all&cause={LONG}")
    assert {problem.pk for problem in page.context["page"].rows} == {each.pk for each in many["long"]}
    [pill] = page.context["pills"]
    assert (pill.label, pill.value) == ("Cause", "A field is too long")


def test_an_unknown_cause_is_an_empty_list(world, owner, as_user):
    for query in ("cause=zzz", "cause=" + "%3Cb%3E", "group=causes&cause=zzz", "group=nonsense"):
        assert as_user(owner).get(f"{COUPLED}?tab=all&{query}").status_code == 200


def test_the_switch_keeps_tab_and_filters(world, many, owner, as_user):
    page = as_user(owner).get(f"{COUPLED}?tab=waiting&q=zulu&sort=name")
    (_records, here, current), (_causes, there, other) = page.context["switch"]
    assert current and not other
    assert here == "?tab=waiting&q=zulu" and there == "?tab=waiting&q=zulu&group=causes"
    page = as_user(owner).get(f"{COUPLED}{there}")
    assert page.context["kept"] == {"tab": "waiting", "group": "causes"}
    assert 'name="group" value="causes"' in page.content.decode()


@pytest.mark.parametrize(
    ("sort", "first"),
    [("-records", LONG), ("records", None), ("-last", None), ("first", LONG), ("bogus", LONG)],
)
def test_causes_are_sorted(world, many, owner, as_user, sort, first):
    found = list(causes_of(as_user(owner), f"tab=all&sort={sort}"))
    assert first is None or found[0] == first
    rows = causes_of(as_user(owner), "tab=all&sort=-last").values()
    times = [row.group.last for row in rows]
    assert times == sorted(times, reverse=True)


def test_only_the_causes_with_the_most_records_are_shown(world, many, owner, as_user, monkeypatch):
    monkeypatch.setattr(causes, "SHOWN", 2)
    page = as_user(owner).get(f"{COUPLED}?group=causes&tab=all")
    assert len(page.context["table"].row_list) == 2
    assert "There are more causes than these 2." in page.content.decode()


def test_left_out_on_purpose_is_a_cause_without_a_guide(world, owner, as_user):
    make.make_problem(
        make.make_coupling(world.mapping),
        state="on_purpose",
        kind="",
        code="",
        fingerprint="",
        reason="Closed",
    )
    text = as_user(owner).get(reverse("coupling:skipped") + "?tab=on_purpose&group=causes").content.decode()
    assert "Left out on purpose" in text


def test_grouping_asks_twice_however_many_there_are(world, many, owner, as_user):
    browser = as_user(owner)
    with CaptureQueriesContext(connection) as captured:
        browser.get(f"{COUPLED}?group=causes&tab=all")
    own = [each["sql"] for each in captured if re.search(r'FROM "synccore_problem"', each["sql"])]
    assert len(own) <= 3, "groups, examples, banners"


def test_grants_to_view_are_left_alone_by_the_press(world, many, as_user):
    person = make.make_user(
        "Record owner", grants={world.mapping: GrantLevel.VIEW, world.hidden: GrantLevel.RESOLVE}
    )
    row = causes_of(as_user(person))[LONG]
    assert row.group.n == 4
    answer = as_user(person).post(COUPLED + row.url, {"retry": "selected", "all": "1"}, follow=True)
    assert "your group may only view them" in answer.content.decode()
    assert list(Problem.objects.exclude(requested_at=None)) == many["hidden"]
