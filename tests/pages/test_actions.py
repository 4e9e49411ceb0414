"""Every action: who may, what it does, what it says; and what a person reads who may not."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from synccore.models import Coupling, JobItem, MappingGrant, Problem, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from tests import factories as make

COUPLED = reverse("coupling:coupled")
ALL = f"{COUPLED}?tab=all"
ASKED = {"answered": "1"}


def said(answer) -> str:
    """The result sentence on the page that follows, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", "", str(message)) for message in answer.context["messages"])


def press(browser, action: str, *rows, where: str = ALL, **data):
    """Press an action's button with these rows ticked; the page that follows."""
    ticked = [row.pk for row in rows]
    return browser.post(where, {action: "selected", "row": ticked, **data}, follow=True)


# --- Retry ---------------------------------------------------------------------------------------------


def test_retry_puts_records_into_the_next_synchronization_and_says_when(world, owner, as_user):
    answer = press(as_user(owner), "retry", world.rejected, world.retrying)
    world.rejected.refresh_from_db()
    assert world.rejected.requested_by == owner
    assert world.rejected.state == "skipped"
    assert re.search(r"2 records are in the next synchronization at \d\d:\d\d\.", said(answer))


def test_retry_of_one_row_by_its_own_button(world, owner, as_user):
    as_user(owner).post(ALL, {"retry": str(world.rejected.pk), "row": [world.bug.pk]})
    assert list(Problem.objects.exclude(requested_at=None)) == [world.rejected]


def test_retry_leaves_a_conflict_alone_and_says_what_decides_it(world, owner, as_user):
    answer = press(as_user(owner), "retry", world.conflict)
    assert (
        "1 record was not included: Only Synchronize, Restore Records or Delete Records decides it."
        in said(answer)
    )
    assert not Problem.objects.exclude(requested_at=None).exists()


def test_all_that_match_means_the_filter_and_not_the_page(world, owner, as_user, monkeypatch):
    monkeypatch.setattr("coupling.views.CoupledPage.page_size", 1)
    as_user(owner).post(f"{ALL}&kind=rejected", {"retry": "selected", "all": "1"})
    assert list(Problem.objects.exclude(requested_at=None)) == [world.rejected]


def test_all_that_match_never_reaches_records_one_may_not_see(world, owner, as_user):
    as_user(owner).post(ALL, {"retry": "selected", "all": "1"})
    world.secret.refresh_from_db()
    assert world.secret.requested_at is None
    assert Problem.objects.exclude(requested_at=None).count() > 1


def test_nothing_ticked_says_so(world, owner, as_user):
    assert "Nothing is ticked" in said(press(as_user(owner), "retry"))


@pytest.mark.parametrize("row", ["x", "-1", "1e9", "9" * 40])
def test_nonsense_for_a_row_is_no_row(world, owner, as_user, row):
    assert "Nothing is ticked" in said(as_user(owner).post(ALL, {"retry": row}, follow=True))


def test_the_list_stays_where_it_was(world, owner, as_user):
    answer = as_user(owner).post(f"{ALL}&kind=rejected", {"retry": str(world.rejected.pk)})
    assert answer.url == f"{ALL}&kind=rejected"


# --- what is asked before ------------------------------------------------------------------------------


def test_synchronize_asks_which_version_and_offers_no_answer_for_a_conflict(world, owner, as_user):
    answer = press(as_user(owner), "synchronize", world.conflict, world.rejected)
    text = answer.content.decode()
    assert "Synchronize: which version?" in text
    assert "Van Dijk &amp; Zn." in text
    assert "checked" not in text
    assert "Whichever app has a change" not in text
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


def test_an_answer_without_a_choice_is_asked_again(world, owner, as_user):
    answer = press(as_user(owner), "synchronize", world.conflict, **ASKED)
    assert "This field is required" in answer.content.decode()
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


@pytest.mark.parametrize(
    ("version", "verb", "options"),
    [
        ("left", "resolve", {"side": "left"}),
        ("right", "resolve", {"side": "right"}),
        ("newest", "resolve", {"newest": True}),
    ],
)
def test_synchronize_starts_a_job_with_the_chosen_version(world, owner, as_user, version, verb, options):
    answer = press(as_user(owner), "synchronize", world.conflict, version=version, **ASKED)
    job = SynchJob.objects.exclude(pk=world.job.pk).get()
    assert (job.verb, job.requested_by) == (verb, owner)
    assert options.items() <= job.options.items()
    assert list(JobItem.objects.filter(job=job).values_list("coupling", flat=True)) == [
        world.conflict.coupling_id
    ]
    assert f"Synchronize runs as job {job.pk}" in said(answer)
    assert reverse("synccore:job", args=[job.pk]) in str(*answer.context["messages"])


def test_synchronize_without_a_conflict_may_simply_go_on(world, owner, as_user):
    press(as_user(owner), "synchronize", world.rejected, version="changes", **ASKED)
    assert SynchJob.objects.exclude(pk=world.job.pk).get().verb == "synchronise"


def test_remove_coupling_names_records_and_consequence_first(world, owner, as_user):
    answer = press(as_user(owner), "remove_coupling", world.rejected, world.bug)
    text = answer.content.decode()
    assert "This is about 2 records:" in text
    assert "Trey Research" in text
    assert "no later run couples or creates them again" in text
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()
    press(as_user(owner), "remove_coupling", world.rejected, world.bug, **ASKED)
    assert SynchJob.objects.exclude(pk=world.job.pk).get().verb == "uncouple"


@pytest.mark.parametrize(("action", "verb"), [("restore", "restore"), ("delete", "delete")])
def test_restore_and_delete_take_only_what_was_deleted_on_one_side(
    world, administrator, as_user, action, verb
):
    browser = as_user(administrator)
    asked = press(browser, action, world.deleted, world.rejected).content.decode()
    assert "This is about 1 record:" in asked
    assert "1 more was chosen but is left alone." in asked
    press(browser, action, world.deleted, world.rejected, **ASKED)
    job = SynchJob.objects.exclude(pk=world.job.pk).get()
    assert job.verb == verb
    assert list(job.items.values_list("coupling", flat=True)) == [world.deleted.coupling_id]


def test_restore_of_a_record_that_is_not_deleted_says_whom_it_is_for(world, administrator, as_user):
    answer = press(as_user(administrator), "restore", world.rejected)
    assert "Restore is for coupled records whose counterpart was deleted." in said(answer)


def test_the_question_shows_ten_names_and_how_many_more(world, owner, as_user):
    problems = [make.make_problem(make.make_coupling(world.mapping)) for _ in range(12)]
    text = press(as_user(owner), "remove_coupling", *problems).content.decode()
    assert "and 2 more" in text


def test_actions_work_from_the_diary_and_from_couplings(world, owner, as_user):
    browser = as_user(owner)
    entries = f"{reverse('errors:entries')}?tab=entries"
    browser.post(entries, {"retry": str(world.entry.pk)})
    assert list(Problem.objects.exclude(requested_at=None)) == [world.rejected]
    couplings = reverse("synccore:couplings")
    browser.post(couplings, {"remove_coupling": str(world.in_sync.pk), **ASKED})
    assert SynchJob.objects.exclude(pk=world.job.pk).get().verb == "uncouple"


# --- who may -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["retry", "synchronize", "restore", "delete", "remove_coupling"])
def test_a_viewer_is_refused_and_reads_who_has_the_right(world, viewer, as_user, action):
    answer = press(as_user(viewer), action, world.deleted, version="left", **ASKED)
    assert answer.status_code == 403
    text = answer.content.decode()
    assert "This needs the right" in text
    assert "Administrator" in text
    assert "Nothing was changed." in text
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()
    assert not Problem.objects.exclude(requested_at=None).exists()


def test_a_viewer_is_offered_nothing(world, viewer, as_user):
    text = as_user(viewer).get(ALL).content.decode()
    assert 'name="retry"' not in text
    assert 'name="row"' not in text
    assert "Run now" not in text


def test_the_right_without_the_level_on_the_mapping_is_refused(world, as_user):
    person = make.make_user("Record owner", grants={world.mapping: GrantLevel.VIEW})
    answer = press(as_user(person), "retry", world.rejected)
    assert answer.status_code == 403
    assert "this mapping" in answer.content.decode()
    assert not Problem.objects.exclude(requested_at=None).exists()


def test_records_one_may_only_view_are_left_alone_and_told(world, owner, as_user):
    group = owner.groups.exclude(name="Record owner").get()
    MappingGrant.objects.create(mapping=world.hidden, group=group, level=GrantLevel.VIEW)
    answer = press(as_user(owner), "retry", world.rejected, world.secret)
    assert "1 of the chosen records were left alone: your group may only view them." in said(answer)
    assert list(Problem.objects.exclude(requested_at=None)) == [world.rejected]


def test_more_than_fifty_records_need_the_right_to_act_on_many(world, owner, administrator, as_user):
    problems = [make.make_problem(make.make_coupling(world.mapping)) for _ in range(51)]
    refused = press(as_user(owner), "retry", *problems)
    assert refused.status_code == 403
    assert "Act on more than 50 records at once" in refused.content.decode()
    assert "51 records are in the next synchronization" in said(
        press(as_user(administrator), "retry", *problems)
    )


# --- jobs ----------------------------------------------------------------------------------------------


def test_run_now_starts_the_mapping_and_comes_back(world, owner, as_user):
    Problem.objects.filter(pk=world.setup.pk).delete()
    where = reverse("synccore:run_now", args=[world.mapping.pk])
    answer = as_user(owner).post(where, {"back": ALL}, follow=True)
    job = SynchJob.objects.exclude(pk=world.job.pk).get()
    assert (job.mapping, job.verb) == (world.mapping, "synchronise")
    assert f"Customer runs now as job {job.pk}" in said(answer)
    assert answer.redirect_chain[0][0] == ALL


def test_run_now_of_a_stopped_mapping_says_why_not(world, owner, as_user):
    answer = as_user(owner).post(
        reverse("synccore:run_now", args=[world.mapping.pk]), {"back": ALL}, follow=True
    )
    assert "Customer is stopped by a set-up problem" in said(answer)
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org", "javascript:alert(1)", ""])
def test_run_now_leads_nowhere_else(world, owner, as_user, back):
    answer = as_user(owner).post(reverse("synccore:run_now", args=[world.mapping.pk]), {"back": back})
    assert answer.url == "/"


def test_run_now_is_refused_where_one_may_only_view_or_not_see(world, viewer, owner, as_user):
    assert as_user(viewer).post(reverse("synccore:run_now", args=[world.mapping.pk])).status_code == 403
    assert as_user(owner).post(reverse("synccore:run_now", args=[world.hidden.pk])).status_code == 404


def test_cancel_ends_a_queued_job(world, owner, viewer, as_user):
    job = make.make_job(world.mapping, state="queued")
    where = reverse("synccore:cancel", args=[job.pk])
    assert as_user(viewer).post(where).status_code == 403
    answer = as_user(owner).post(where, follow=True)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert "What is done stays done" in said(answer)
    assert "had ended already" in said(as_user(owner).post(where, follow=True))


@pytest.fixture
def braked(world) -> SynchJob:
    """A job that stopped for safety, with the problem that holds its mapping."""
    job = make.make_job(
        world.mapping,
        state="failed",
        kind="stopped",
        code="too_many_deletions",
        params={"count": 80, "limit": 20},
    )
    make.make_problem(mapping=world.mapping, kind="stopped", code="too_many_deletions", last_job=job.pk)
    return job


def test_a_brake_shows_on_its_job_and_only_who_sets_up_decides(world, braked, owner, administrator, as_user):
    where = reverse("synccore:job", args=[braked.pk])
    assert "Allow once</button>" in as_user(administrator).get(where).content.decode()
    text = as_user(owner).get(where).content.decode()
    assert "Stopped for safety: decide" in text
    assert "Allow once</button>" not in text


def test_allow_once_needs_a_reason_and_keeps_it(world, braked, administrator, as_user):
    where, browser = reverse("synccore:allow_once", args=[braked.pk]), as_user(administrator)
    assert browser.post(where, {"reason": " "}).status_code == 422
    assert not SynchJob.objects.filter(verb="allow_once").exists()
    answer = browser.post(where, {"reason": "The old catalogue was cleared on purpose"}, follow=True)
    job = SynchJob.objects.get(verb="allow_once")
    assert job.options["reason"] == "The old catalogue was cleared on purpose"
    assert job.requested_by == administrator
    assert f"carried out as job {job.pk}" in said(answer)


def test_keep_stopped_switches_the_mapping_off(world, braked, administrator, as_user):
    answer = as_user(administrator).post(reverse("synccore:keep_stopped", args=[braked.pk]), follow=True)
    assert not TableMapping.objects.get(pk=world.mapping.pk).enabled
    assert "The mapping stays off" in said(answer)


@pytest.mark.parametrize("name", ["allow_once", "keep_stopped"])
def test_deciding_a_brake_is_refused_to_others_and_after_the_decision(
    world, braked, owner, administrator, as_user, name
):
    where = reverse(f"synccore:{name}", args=[braked.pk])
    refused = as_user(owner).post(where, {"reason": "because I say so"})
    assert refused.status_code == 403
    assert "This needs the right" in refused.content.decode()
    Problem.objects.filter(kind="stopped").delete()
    late = as_user(administrator).post(where, {"reason": "because I say so"}, follow=True)
    assert said(late) == "Customer is not stopped any more; somebody decided before you."
    assert not SynchJob.objects.filter(verb="allow_once").exists()
    assert TableMapping.objects.get(pk=world.mapping.pk).enabled


def test_no_action_ever_changes_the_rows_by_itself(world, administrator, as_user):
    """Pages start jobs; what happens to couplings is the worker's."""
    before = list(Coupling.objects.order_by("pk").values())
    for action in ("synchronize", "restore", "delete", "remove_coupling"):
        press(as_user(administrator), action, world.deleted, version="left", **ASKED)
    assert list(Coupling.objects.order_by("pk").values()) == before
