"""What the lists say: whose rows, true counts, whole messages, filters that can be taken away."""

from __future__ import annotations

import re
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from synccore.models import Problem
from tests import factories as make

COUPLED = reverse("coupling:coupled")
SKIPPED = reverse("coupling:skipped")
ENTRIES = reverse("errors:entries")


def read(browser, where: str) -> str:
    answer = browser.get(where)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(browser, where: str) -> list[str]:
    """Names of the rows of a list."""
    return [row.name for row in browser.get(where).context["table"].row_list]


def test_tabs_add_up_to_all_and_each_counts_its_rows(world, owner, as_user):
    browser = as_user(owner)
    links = {
        link.tab.name: link.count.n for link in browser.get(COUPLED).context["tabs"] if link.count is not None
    }
    parts = [links[name] for name in ("needs_you", "with_the_administrator", "waiting", "will_retry")]
    assert parts == [3, 1, 1, 1]
    assert sum(parts) == links["all"]
    for name in ("needs_you", "with_the_administrator", "waiting", "will_retry", "all"):
        assert len(shown(browser, f"{COUPLED}?tab={name}")) == links[name]


def test_an_owner_sees_only_records_of_his_mappings(world, owner, administrator, as_user):
    assert world.secret.name not in read(as_user(owner), f"{COUPLED}?tab=all")
    assert world.secret.name in read(as_user(administrator), f"{COUPLED}?tab=all")


def test_a_long_message_is_whole_and_says_who_spoke(world, owner, as_user):
    text = read(as_user(owner), COUPLED)
    assert "CRM answered:" in text
    assert text.count("long ") >= 120
    assert "<details" in text


def test_a_row_says_what_happens_next(world, owner, as_user):
    rows = {row.pk: row.next for row in as_user(owner).get(f"{COUPLED}?tab=all").context["table"].row_list}
    assert rows[world.conflict.pk].word == "Your turn"
    assert rows[world.bug.pk].word == "The administrator’s turn"
    assert rows[world.retrying.pk].at == world.retrying.next_attempt
    assert rows[world.waiting.pk].tone == "waits"


def test_a_retried_row_stays_and_says_when(world, owner, as_user):
    Problem.objects.filter(pk=world.rejected.pk).update(requested_at=timezone.now(), requested_by=owner)
    text = read(as_user(owner), COUPLED)
    assert "In the next synchronization" in text
    assert "in 12 min" in text


def test_a_set_up_problem_is_a_banner_for_the_owner_too(world, owner, as_user):
    assert "Customer is stopped:" in read(as_user(owner), COUPLED)


def test_a_dead_connection_is_a_banner_for_the_owners_of_its_mappings(world, owner, as_user):
    app = world.mapping.integration.right
    make.make_problem(
        connection=app, kind="transient", code="connection_lost", state="retrying", side="right"
    )
    assert "CRM is interrupted and tried again by itself:" in read(as_user(owner), COUPLED)


def test_ended_problems_stand_seven_days(world, owner, as_user):
    now = timezone.now()
    for days in (6, 8):
        coupling = make.make_coupling(world.mapping, left_name=f"Ended {days} days ago")
        make.make_problem(coupling, state="ended", ended_at=now - timedelta(days=days), ended_by=owner)
    text = read(as_user(owner), f"{COUPLED}?tab=ended")
    assert "Ended 6 days ago" in text
    assert "Ended 8 days ago" not in text
    assert "by otto" in text


def test_skipped_says_what_brings_a_record_back(world, owner, as_user):
    assert "when somebody decides" in read(as_user(owner), SKIPPED)


def test_on_purpose_says_reason_and_end(world, owner, as_user):
    coupling = make.make_coupling(world.mapping)
    until = timezone.now() + timedelta(days=30)
    make.make_problem(
        coupling, state="on_purpose", kind="", code="", reason="Moves to the new app", until=until
    )
    text = read(as_user(owner), f"{SKIPPED}?tab=on_purpose")
    assert "Moves to the new app" in text
    assert "comes back on" in text


def test_a_pill_says_its_filter_and_takes_it_away(world, owner, as_user):
    context = as_user(owner).get(f"{COUPLED}?tab=all&kind=bug&mapping={world.mapping.pk}&at=last").context
    pills = {pill.label: pill for pill in context["pills"]}
    assert pills["Kind"].value == "Error in Tandem"
    assert pills["Mapping"].value == "Customer"
    assert pills["Kind"].url == f"?tab=all&mapping={world.mapping.pk}"


def test_an_unknown_filter_is_told_and_filters_nothing(world, owner, as_user):
    text = read(as_user(owner), f"{COUPLED}?tab=all&kind=nonsense&mapping={world.hidden.pk}")
    assert "is not known and filters nothing" in text
    assert "Trey Research" in text


def test_an_empty_filter_offers_to_clear_it(world, owner, as_user):
    text = read(as_user(owner), f"{COUPLED}?q=nobody-is-called-so")
    assert "Nothing here matches the filters" in text
    assert "Clear the filters" in text


def test_nothing_wrong_is_good_news(world, as_user):
    person = make.make_user("Record owner", grants={make.make_mapping(): 2})
    assert "Nothing needs you." in read(as_user(person), COUPLED)


def test_the_diary_opens_on_set_up(world, owner, as_user):
    text = read(as_user(owner), ENTRIES)
    assert "whole mapping" in text
    assert "Trey Research" not in text
    assert "Trey Research" in read(as_user(owner), f"{ENTRIES}?tab=entries")


def test_an_entry_outlives_its_record_and_its_message(world, owner, as_user):
    text = read(as_user(owner), reverse("errors:entry", args=[world.entry.pk]))
    assert "Trey Research" in text
    assert "value too long for type character varying(50)" in text


def test_only_who_sets_up_sees_call_stacks(world, owner, administrator, as_user):
    where = reverse("errors:entry", args=[world.entry.pk])
    assert "Error Call Stack" not in read(as_user(owner), where)
    assert "Error Call Stack" in read(as_user(administrator), where)


def test_text_of_an_app_is_data(world, owner, as_user):
    Problem.objects.filter(pk=world.rejected.pk).update(app_message="<script>alert(1)</script>")
    text = read(as_user(owner), COUPLED)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_couplings_say_what_is_in_sync_and_what_was_removed(world, owner, as_user):
    make.make_coupling(world.mapping, left_name="Taken apart", removed_at=timezone.now(), removed_by=owner)
    browser, where = as_user(owner), reverse("synccore:couplings")
    text = read(browser, where)
    assert "In sync" in text
    assert "Will retry" in text
    assert "Taken apart" not in text
    assert "Desk" not in text  # half a coupling is not one
    assert "Taken apart" in read(browser, f"{where}?tab=removed")


def test_a_person_sees_his_own_jobs_over_several_mappings_only(world, owner, viewer, as_user):
    job = make.SynchJob.objects.create(verb="synchronise", scope="items", requested_by=owner)
    where = reverse("synccore:job", args=[job.pk])
    assert as_user(owner).get(where).status_code == 200
    assert as_user(viewer).get(where).status_code == 404


def test_a_job_that_runs_asks_for_its_region_again_and_stops_when_it_ended(world, owner, as_user):
    running = make.make_job(world.mapping, state="running", total=100, modified=40)
    where = reverse("synccore:job", args=[running.pk])
    browser = as_user(owner)
    assert "hx-trigger" in read(browser, where)
    region = browser.get(where, headers={"HX-Request": "true"}).content.decode()
    assert region.lstrip().startswith('<div id="job-region"')
    running.state = "finished"
    running.save()
    assert "hx-trigger" not in read(browser, where)


def test_a_job_page_names_its_failed_records_and_counts_per_direction(world, owner, as_user):
    text = read(as_user(owner), reverse("synccore:job", args=[world.job.pk]))
    assert "Trey Research" in text
    assert "CRM answered:" in text
    assert "to CRM" in text
    assert "Finished, 3 failed" in text


def test_nothing_can_be_done_with_what_has_ended(world, owner, as_user):
    make.make_problem(make.make_coupling(world.mapping), state="ended")
    text = read(as_user(owner), f"{COUPLED}?tab=ended")
    assert 'name="row"' not in text
    assert 'name="retry"' not in text


def test_captions_are_those_that_people_know(world, owner, as_user):
    for language, caption in (
        ("nl", "Synchronisatiefouten met gekoppelde gegevens"),
        ("nb", "Feil ved synkronisering av koblede data"),
    ):
        text = as_user(owner).get(COUPLED, headers={"accept-language": language}).content.decode()
        assert f"<h1>{caption}</h1>" in text
        assert f'<html lang="{language}">' in text


def test_with_a_filter_the_tabs_count_what_it_leaves(world, owner, as_user):
    links = as_user(owner).get(f"{COUPLED}?kind=rejected").context["tabs"]
    assert {link.tab.name: link.count.n for link in links} == {
        "needs_you": 1, "with_the_administrator": 0, "waiting": 0, "will_retry": 0, "all": 1, "ended": 0,
    }  # fmt: skip


def test_counting_stops_at_a_limit_and_says_so(world, owner, as_user, monkeypatch):
    monkeypatch.setattr("ui.counting.COUNT_LIMIT", 2)
    text = read(as_user(owner), f"{COUPLED}?q=ompany")
    assert "2+</span>" not in text
    text = read(as_user(owner), f"{COUPLED}?q=company")
    assert re.search(r"All <span class=\"tab-count\">2\+</span>", text)


def test_failed_on_days(world, owner, as_user):
    browser = as_user(owner)
    days_ago = timezone.now() - timedelta(days=10)
    Problem.objects.filter(pk=world.rejected.pk).update(last_failure=days_ago)
    everyone = len(shown(browser, f"{COUPLED}?tab=all"))
    assert len(shown(browser, f"{COUPLED}?tab=all&failed=7")) == everyone - 1
    assert len(shown(browser, f"{COUPLED}?tab=all&failed=30")) == everyone
    day = f"{days_ago:%Y-%m-%d}"
    only = f"{COUPLED}?tab=all&failed=range&failed_from={day}&failed_to={day}"
    assert [name.split(" ", 1)[1] for name in shown(browser, only)] == ["Trey Research"]
    text = read(browser, only)
    assert text.count('type="date"') == 2
    assert 'type="date"' not in read(browser, COUPLED)


def test_days_that_are_no_days_are_told(world, owner, as_user):
    text = read(as_user(owner), f"{COUPLED}?failed=never&failed_from=31-31-31&failed_to=9999-12-31")
    assert "is not known and filters nothing: Failed on, From" in text


def test_rows_per_page_are_chosen_and_kept(world, owner, as_user):
    for _ in range(26):
        make.make_problem(make.make_coupling(world.mapping))
    context = as_user(owner).get(f"{COUPLED}?tab=all&per=25&kind=rejected").context
    assert len(context["table"].row_list) == 25
    assert "per=25" in context["pager"]["older"]
    assert "per=25" in context["tabs"][0].url
    assert [(n, now) for n, _url, now in context["per_page"]] == [(25, True), (100, False), (250, False)]
    for nonsense in ("26", "-1", "x", "9" * 30):
        assert len(shown(as_user(owner), f"{COUPLED}?tab=all&per={nonsense}")) > 25
