"""The review of a full synchronization on its page: recommendations, choices per line, and how it goes."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from synccore.models import SynchJob, TableMapping
from synccore.services import runs
from synccore.services.jobs import NotNow
from synccore.services.review import What
from synccore.shapes import Side
from tests import factories as make
from tests.jobs.helpers import contacts_of, new, start_full, work
from tests.jobs.test_full_review import items_of, stop
from tests.jobs.test_match import both, criteria

from .test_mappings import apps, browser, person  # noqa: F401
from .test_match import page, text_of

FULL = reverse("synccore:full")


@pytest.fixture(autouse=True)
def no_bell(monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


def advice(browser) -> list[tuple[str, str]]:
    """Per line the recommendation and what stands there as chosen."""
    return [(row.advice.word, row.what) for row in browser.get(FULL).context["rows"]]


def test_counting_brings_a_recommendation(apps, browser):
    assert advice(browser) == [("Count first", "")]
    new(apps, "1", name="A")
    browser.post(FULL, {"do": "count"})
    waiting = browser.get(FULL)
    assert "being counted" in text_of(waiting) and "hx-get" in waiting.content.decode()
    assert "Look again</a></noscript>" in waiting.content.decode()
    work()
    assert advice(browser) == [("Full synchronization", "full")]
    told = browser.get(FULL)
    assert "is empty: the one record of" in text_of(told) and "hx-get" not in told.content.decode()
    new(apps, "2", Side.RIGHT, name="A")
    browser.post(FULL, {"do": "count"})
    work()
    assert advice(browser) == [("Couple first", "")], "there are no criteria yet"
    told = browser.get(FULL)
    assert page("match_criteria", apps.mapping.pk) in told.content.decode()
    criteria(apps, ("name",))
    assert advice(browser) == [("Couple first", "couple")]
    apps.change_mapping(direction="to_right")
    assert advice(browser) == [("Count first", "")], "the numbers were counted under other rules"
    assert "before its rules changed" in text_of(browser.get(FULL))
    TableMapping.objects.update(enabled=False)
    assert advice(browser) == [("Not possible", "")]
    assert "is switched off" in text_of(browser.get(FULL))


def test_what_is_in_step_needs_nothing(apps, browser):
    new(apps, "1")
    apps.run()
    apps.run(scope="full")
    assert advice(browser) == [("Nothing to do", "")]
    apps.change_mapping(conflicts="left")
    assert advice(browser) == [("Full synchronization", "full")]


def test_a_link_to_one_mapping_chooses_it_alone(apps, browser):
    contacts = contacts_of(apps)
    rows = browser.get(f"{FULL}?mapping={contacts.pk}").context["rows"]
    assert {row.name: row.what for row in rows} == {apps.mapping.name: "", "Contacts": "full"}


def test_the_choices_are_asked_about_and_started(apps, browser):
    contacts, products = contacts_of(apps), items_of(apps)
    both(apps, "1", name="A")
    criteria(apps, ("name",))
    chosen = {f"what-{apps.mapping.pk}": "couple", f"what-{contacts.pk}": "full", f"what-{products.pk}": ""}
    asked = browser.post(FULL, chosen)
    told = text_of(asked)
    assert (
        f"{apps.mapping.name}: Match-Based Coupling, then full synchronization" in told
        and "Contacts: Full synchronization" in told
    )
    assert "Items" not in asked.content.decode().split("question-names")[1].split("</ol>")[0]
    answer = browser.post(FULL, {**chosen, "answered": "1"})
    parent = SynchJob.objects.get(mapping=None, scope="full")
    assert answer.url == page("full_status", parent.pk)
    text = text_of(browser.get(answer.url))
    assert (
        "1 mapping is being synchronized whole. 1 mapping is being coupled by its criteria, then synchronized whole."
        in text
    )
    assert f"for {apps.mapping.name}:" in text, "the dependent line waits"
    assert "Look again</a></noscript>" in browser.get(answer.url).content.decode()
    work()
    text = text_of(browser.get(answer.url))
    assert "2 of 2 mappings have ended" in text and "1 Coupled" in text
    for n in (8, 9):
        make.make_problem(
            make.make_coupling(contacts, left_id=str(n), right_id=str(n)), kind="rejected", state="skipped"
        )
    left = browser.get(answer.url)
    assert f'?tab=all&amp;mapping={contacts.pk}">2 of Contacts</a>' in left.content.decode()


@pytest.mark.parametrize("given", ["nonsense", "match_couple", "", "<b>"])
def test_a_choice_that_is_none_starts_nothing(apps, browser, given):
    answer = browser.post(FULL, {f"what-{apps.mapping.pk}": given, "what-x": "full", "answered": "1"})
    assert answer.status_code == 302
    assert not SynchJob.objects.filter(scope="full").exists()


def test_coupling_without_criteria_is_refused_with_the_reason(apps, browser):
    answer = browser.post(FULL, {f"what-{apps.mapping.pk}": "couple"})
    assert "Choose at least one mapping that can run." in text_of(answer)
    browser.post(FULL, {f"what-{apps.mapping.pk}": "couple", "answered": "1"})
    assert "has no criteria to match by yet" in text_of(browser.get(FULL))


def test_a_stuck_line_says_for_whom_and_can_start_alone(apps, browser):
    contacts, products = contacts_of(apps), items_of(apps)
    parent, _left = start_full([apps.mapping, contacts, products], user=None)
    where = page("full_status", parent.pk)
    before = browser.get(where)
    assert [line.state.word for line in before.context["lines"]].count("Waits") == 1
    assert "Do not wait" not in text_of(before)
    stop(apps)
    work()
    told = browser.get(where)
    assert "A line waits for one that did not end well." in text_of(told)
    by_name = {line.job.mapping.name: line for line in told.context["lines"]}
    assert by_name["Contacts"].stuck and by_name["Items"].state.word == "Finished"
    browser.post(page("full_again", parent.pk, contacts.pk), {"do": "start"})
    assert "does not wait for the others any more" in text_of(browser.get(where))
    work()
    parent.refresh_from_db()
    assert parent.state == "failed"
    browser.post(page("full_again", parent.pk, contacts.pk), {"do": "start"})
    assert "does not wait for another line any more" in text_of(browser.get(where))


def test_a_line_shows_what_it_did_per_direction(apps, browser):
    new(apps, "1")
    new(apps, "2")
    parent, _left = start_full([apps.mapping], user=None)
    work()
    [line] = browser.get(page("full_status", parent.pk)).context["lines"]
    [step] = line.steps
    assert step.directions == [(f"to {apps.right.name}", [("inserted", "Inserted", 2)])]


def test_the_page_asks_no_more_for_many_lines_than_for_few(world, full, administrator, as_user):
    """It is asked for again and again while they run."""

    def lines_and_queries() -> tuple[int, int]:
        for verb, state in (
            ("synchronise", "queued"),
            ("match_couple", "queued"),
            ("match_couple", "running"),
        ):
            mapping = make.make_mapping(integration=world.mapping.integration)
            make.make_job(mapping, verb=verb, scope="full", state=state, parent=full, is_line=True)
        with CaptureQueriesContext(connection) as caught:
            answer = as_user(administrator).get(page("full_status", full.pk))
        return len(answer.context["lines"]), len(caught)

    (few, queries), (many, more) = lines_and_queries(), lines_and_queries()
    assert (few, many) == (4, 7) and more == queries


def test_a_record_owner_counts_and_couples_only_what_is_his(apps, client):
    contacts = contacts_of(apps)
    owner = make.make_user("Record owner", grants={apps.mapping: 2, contacts: 1})
    client.force_login(owner)
    rows = client.get(FULL).context["rows"]
    assert [(row.mapping, row.what) for row in rows] == [(apps.mapping, "")]
    client.post(FULL, {"do": "count"})
    assert {job.mapping_id for job in SynchJob.objects.filter(verb="count_records")} == {apps.mapping.pk}
    criteria(apps, ("name",))
    both(apps, "1", name="A")
    client.post(FULL, {f"what-{apps.mapping.pk}": "couple", f"what-{contacts.pk}": "full", "answered": "1"})
    assert [job.verb for job in SynchJob.objects.filter(is_line=True)] == ["match_couple"]
    with pytest.raises(NotNow, match="full_running"):
        runs.start_review({apps.mapping: What.COUPLE}, user=None)


def test_both_steps_of_a_line_are_shown_with_their_results(apps, browser):
    both(apps, "1", name="A")
    new(apps, "2", name="B")
    criteria(apps, ("name",))
    parent, _left = runs.start_review({apps.mapping: What.COUPLE}, user=None)
    where = page("full_status", parent.pk)
    text = text_of(browser.get(where))
    assert "1. Match-Based Coupling" in text and "2. Full synchronization · Follows by itself" in text
    work()
    text = text_of(browser.get(where))
    coupling, full = parent.children.order_by("pk")
    assert f"1. Match-Based Coupling · job {coupling.pk} 2. Full synchronization · job {full.pk}" in text
    assert "1. Match-Based Coupling Finished 1 Coupled" in text
    assert "2. Full synchronization Finished" in text and "1 Inserted" in text
    assert "1 of 1 mappings have ended" in text


def test_a_line_with_matches_to_choose_asks_for_it_and_can_go_on_without(apps, browser):
    both(apps, "9", name="Z")
    new(apps, "1", name="A")
    for each in ("2", "3"):
        new(apps, each, Side.RIGHT, name="A")
    criteria(apps, ("name",))
    parent, _left = runs.start_review({apps.mapping: What.COUPLE}, user=None)
    work()
    where = page("full_status", parent.pk)
    answer = browser.get(where)
    [line] = answer.context["lines"]
    assert line.state.word == "Needs you"
    text = text_of(answer)
    assert "3 more records have several matches" in text and "2. Full synchronization · Not started" in text
    assert page("match", apps.mapping.pk) in answer.content.decode() and "Go on without a choice" in text
    job = parent.children.get()
    assert "3 more records have several matches" in text_of(browser.get(page("job", job.pk)))
    browser.post(page("full_again", parent.pk, apps.mapping.pk), {"do": "go_on"})
    assert "is being synchronized whole." in text_of(browser.get(where))
    browser.post(page("full_again", parent.pk, apps.mapping.pk), {"do": "go_on"})
    assert "is still being synchronized" in text_of(browser.get(where))
    work()
    browser.post(page("full_again", parent.pk, apps.mapping.pk), {"do": "go_on"})
    assert "does not wait for a decision about matches any more" in text_of(browser.get(where))


def test_what_is_switched_off_is_offered_coupling_alone(apps, browser):
    both(apps, "1", name="A")
    criteria(apps, ("name",))
    TableMapping.objects.update(enabled=False)
    [row] = browser.get(FULL).context["rows"]
    assert [str(label) for _value, label, _off in row.options] == [
        "Leave out",
        "Full synchronization",
        "Match-Based Coupling",
    ]
