"""The page rule, row by row: in which state a failure leaves a record, on which tab it stands, and whose turn it is."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore.models import Problem
from synccore.models.ledger import replace_stat
from tests import factories as make

COUPLED, SKIPPED = reverse("coupling:coupled"), reverse("coupling:skipped")
DIARY = reverse("errors:entries")
TABS = ("needs_you", "with_the_administrator", "waiting", "will_retry")

#: What happened → kind, state → tab of Coupled, on Skipped, on the diary's tab Set-up, whose turn it is.
RULE = {
    "lock, throttling, short outage": ("transient", "retrying", "will_retry", False, False, "Will retry"),
    "right missing for this record only": (
        "misconfigured", "skipped", "with_the_administrator", True, True, "The administrator’s turn",
    ),
    "bug of ours twice": ("bug", "skipped", "with_the_administrator", True, True, "The administrator’s turn"),
    "value refused, first time": ("rejected", "retrying", "will_retry", False, False, "Will retry"),
    "value refused, twice": ("rejected", "skipped", "needs_you", True, False, "Your turn"),
    "answer not recognised, twice": ("unrecognised", "skipped", "needs_you", True, False, "Your turn"),
    "changed in both apps": ("conflict", "skipped", "needs_you", True, False, "Your turn"),
    "deleted in one app": ("missing", "skipped", "needs_you", True, False, "Your turn"),
    "waits for a parent": ("blocked", "waiting", "waiting", False, False, "Waiting"),
    "waits for what nothing will couple": ("blocked", "skipped", "needs_you", True, False, "Your turn"),
}  # fmt: skip


#: A code of each kind.
CODES = {
    "transient": "lock_timeout", "misconfigured": "missing_privilege", "bug": "bug", "rejected": "value_too_long",
    "unrecognised": "unrecognised", "conflict": "update_conflict", "missing": "deleted_right",
    "blocked": "reference_not_coupled", "stopped": "too_many_deletions",
}  # fmt: skip


def shown(answer) -> set[int]:
    return {row.pk for row in answer.context["table"].row_list}


def row_of(answer, problem: Problem) -> str:
    found = re.search(rf'<tr id="row-{problem.pk}".*?</tr>', answer.content.decode(), re.S)
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


@pytest.fixture
def mapping(world):
    Problem.objects.all().delete()
    return world.mapping


@pytest.mark.parametrize("what", RULE)
def test_rule(world, mapping, administrator, as_user, what):
    kind, state, tab, on_skipped, on_set_up, turn = RULE[what]
    problem = make.make_problem(
        make.make_coupling(mapping, left_name="The record"),
        kind=kind,
        state=state,
        code=CODES[kind],
        next_attempt=timezone.now() + timedelta(minutes=5),
        attempts=2,
    )
    entry = make.make_entry(problem)
    replace_stat()
    browser = as_user(administrator)
    for each in TABS:
        assert (problem.pk in shown(browser.get(f"{COUPLED}?tab={each}"))) == (each == tab), each
    everything = browser.get(f"{COUPLED}?tab=all")
    assert shown(everything) == {problem.pk}
    counts = {each.tab.name: each.count.n for each in everything.context["tabs"] if each.count}
    assert counts[tab] == counts["all"] == 1 == sum(counts[each] for each in TABS)
    assert (problem.pk in shown(browser.get(SKIPPED))) == on_skipped
    assert (entry.pk in shown(browser.get(DIARY))) == on_set_up
    assert entry.pk in shown(browser.get(f"{DIARY}?tab=entries"))
    assert turn in row_of(everything, problem)


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("misconfigured", "retrying", "Customer is stopped:"),
        ("transient", "retrying", "Customer is interrupted and tried again by itself:"),
        ("stopped", "skipped", "Customer is stopped for safety:"),
    ],
)
def test_what_holds_a_whole_mapping_is_a_banner_and_on_no_tab(
    world, mapping, administrator, as_user, kind, state, words
):
    problem = make.make_problem(
        mapping=mapping, kind=kind, state=state, code=CODES[kind], last_job=world.job.pk
    )
    entry = make.make_entry(problem)
    replace_stat()
    browser = as_user(administrator)
    answer = browser.get(f"{COUPLED}?tab=all")
    assert words in " ".join(re.sub(r"<[^>]+>", "", answer.content.decode()).split())
    assert shown(answer) == set() == shown(browser.get(SKIPPED))
    assert entry.pk in shown(browser.get(DIARY))


def test_left_out_by_a_person_stands_on_the_tab_on_purpose_alone(world, mapping, owner, as_user):
    problem = make.make_problem(
        make.make_coupling(mapping), kind="", code="", state="on_purpose", reason="Archive", left_out_by=owner
    )
    replace_stat()
    browser = as_user(owner)
    assert shown(browser.get(f"{COUPLED}?tab=all")) == set() == shown(browser.get(SKIPPED))
    answer = browser.get(f"{SKIPPED}?tab=on_purpose")
    assert shown(answer) == {problem.pk}
    assert "Archive" in row_of(answer, problem) and "by otto" in row_of(answer, problem)


def test_what_ended_stands_under_ended_for_seven_days(world, mapping, owner, as_user):
    now = timezone.now()
    fresh, old = (
        make.make_problem(
            make.make_coupling(mapping),
            state="ended",
            ending="superseded",
            ended_at=now - timedelta(days=days),
        )
        for days in (6, 8)
    )
    browser = as_user(owner)
    assert shown(browser.get(f"{COUPLED}?tab=ended")) == {fresh.pk}
    assert shown(browser.get(f"{COUPLED}?tab=all")) == set()
    assert old.pk != fresh.pk


def test_a_row_says_everything_without_opening_it(world, mapping, owner, administrator, as_user):
    units = make.make_mapping("Unit of measure", integration=mapping.integration)
    problem = make.make_problem(
        make.make_coupling(mapping, left_name="ATHENS Desk", right_id=None),
        kind="blocked",
        code="reference_not_coupled",
        state="waiting",
        params={
            "record": "BOX",
            "record_name": "BOX",
            "mapping": units.pk,
            "mapping_name": units.name,
            "side": "left",
        },
        blocker_mapping=units,
        blocker_side="left",
        blocker_record="BOX",
        attempts=3,
        found_by=administrator,
    )
    replace_stat()
    answer = as_user(owner).get(f"{COUPLED}?tab=waiting")
    row = row_of(answer, problem)
    for words in (
        "Customer", "ATHENS Desk", "ERP", "not coupled", "Waits for another record", "anna, by hand", "3 tries",
        "for Unit of measure BOX to be coupled", "Couple it",
    ):  # fmt: skip
        assert words in row, words
    assert (
        f"{reverse('coupling:couple')}?mapping={units.pk}&amp;side=left&amp;id=BOX" in answer.content.decode()
    )


def test_skipped_says_what_brings_each_record_back(world, mapping, owner, as_user):
    words = {
        "conflict": "when somebody decides",
        "misconfigured": "when the set-up is changed",
        "blocked": "when the record it waits for is coupled",
        "rejected": "when the record changes in an app",
    }
    problems = {kind: make.make_problem(make.make_coupling(mapping), kind=kind, code="") for kind in words}
    replace_stat()
    answer = as_user(owner).get(SKIPPED)
    for kind, sentence in words.items():
        assert f"Comes back {sentence}" in row_of(answer, problems[kind])
