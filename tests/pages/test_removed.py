"""Removed couplings, Find for Deleted, and what ended: what each page offers, what it says, and what can be undone."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore.models import Coupling, Journal, Problem, SynchJob
from synccore.models.scoping import GrantLevel
from tests import factories as make
from tests.pages.test_actions import ASKED, press, said

COUPLINGS = reverse("synccore:couplings")
REMOVED = f"{COUPLINGS}?tab=removed"
COUPLED = reverse("coupling:coupled")
FIND = reverse("synccore:find_deleted")


def text(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


@pytest.fixture
def removed(world, owner) -> Coupling:
    return make.make_coupling(
        world.mapping, left_name="Fabrikam", removed_at=timezone.now(), removed_by=owner
    )


# --- Couplings ------------------------------------------------------------------------------------------


def test_couplings_tell_the_last_agreement_and_the_last_job_per_direction(world, owner, as_user):
    Coupling.objects.filter(pk=world.in_sync.pk).update(
        to_right_job=7,
        to_right_result="ok",
        to_left_job=9,
        to_left_result="failed",
        agreed_job=7,
        agreed_by=owner,
    )
    page = text(as_user(owner).get(COUPLINGS))
    assert "Last Synch. Modified On" in page
    assert "to CRM job 7 done" in page and "to ERP job 9 failed" in page
    assert re.search(r"otto job 7", page)


def test_a_pair_that_is_left_out_is_not_called_in_sync(world, owner, as_user):
    make.make_problem(world.in_sync, state="on_purpose", kind="", code="", reason="Archive")
    page = as_user(owner).get(f"{COUPLINGS}?q=contoso").content.decode()
    assert "Left out on purpose" in page and "In sync" not in page


def test_removed_couplings_offer_to_couple_or_to_allow_again_and_nothing_else(world, owner, removed, as_user):
    page = as_user(owner).get(REMOVED).content.decode()
    assert "Fabrikam" in page
    assert 'name="couple_again"' in page and 'name="allow_again"' in page
    assert 'name="remove_coupling"' not in page and 'name="synchronize"' not in page


def test_couple_again_starts_at_once_and_allow_again_says_what_follows(world, owner, removed, as_user):
    browser = as_user(owner)
    done = press(browser, "couple_again", removed, where=REMOVED)
    job = SynchJob.objects.latest("pk")
    assert job.verb == "couple_again" and f"Couple again runs as job {job.pk}" in said(done)
    asked = press(browser, "allow_again", removed, where=REMOVED)
    assert "names no field by which it finds a counterpart" in text(asked)
    rule = make.make_field(world.mapping, "no")
    type(world.mapping).objects.filter(pk=world.mapping.pk).update(natural_key=rule.pk)
    assert "records whose no is the same are coupled with each other again" in text(
        press(browser, "allow_again", removed, where=REMOVED)
    )
    assert SynchJob.objects.latest("pk") == job
    press(browser, "allow_again", removed, where=REMOVED, **ASKED)
    assert SynchJob.objects.latest("pk").verb == "allow_again"


def test_what_is_not_removed_is_left_alone_and_a_viewer_is_refused(world, owner, viewer, removed, as_user):
    answer = press(as_user(owner), "couple_again", world.in_sync, where=COUPLINGS)
    assert "Couple again is for couplings that were removed." in said(answer)
    for action in ("couple_again", "allow_again"):
        refused = press(as_user(viewer), action, removed, where=REMOVED, **ASKED)
        assert refused.status_code == 403 and "These groups have it" in refused.content.decode()
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


# --- Find for Deleted -----------------------------------------------------------------------------------


@pytest.fixture
def free(world):
    Problem.objects.filter(pk=world.setup.pk).delete()


def test_find_for_deleted_starts_and_is_followed_on_the_page_that_started_it(world, free, owner, as_user):
    browser = as_user(owner)
    assert "Find for Deleted" in text(browser.get(COUPLED))
    answer = browser.post(FIND, {"mapping": [world.mapping.pk], "back": f"{COUPLED}?tab=all"}, follow=True)
    job = SynchJob.objects.get(verb="find_deleted")
    assert answer.redirect_chain == [(f"{COUPLED}?tab=all&finding={job.pk}", 302)]
    page = answer.content.decode()
    assert "it asks only and deletes nothing" in page
    assert f'hx-get="{reverse("synccore:finding")}?finding={job.pk}"' in page
    assert job.total == 2 * Coupling.objects.live().paired().filter(mapping=world.mapping).count()


def test_its_result_is_a_sentence_with_a_link(world, free, owner, as_user):
    job = make.make_job(world.mapping, verb="find_deleted", scope="full", unchanged=40)
    browser = as_user(owner)
    where = f"{reverse('synccore:finding')}?finding={job.pk}"
    part = browser.get(where, headers={"HX-Request": "true"}).content.decode()
    assert "40 records read; none of the coupled ones was newly deleted in one app." in part
    assert "hx-get" not in part and "<h1" not in part
    make.make_item(job, world.deleted.coupling, state="done", note="for_decision")
    page = browser.get(where)
    assert "1 record was deleted in one app and waits for a decision: show" in text(page)
    assert f'href="{COUPLED}?kind=missing&amp;mapping={world.mapping.pk}"' in page.content.decode()


def test_one_that_failed_says_why(world, free, owner, as_user):
    job = make.make_job(
        world.mapping, verb="find_deleted", state="failed", kind="stopped", code="side_empty",
        params={"side": "right", "couplings": 7},
    )  # fmt: skip
    page = text(as_user(owner).get(f"{reverse('synccore:finding')}?finding={job.pk}"))
    assert "CRM returned no record at all" in page


@pytest.mark.parametrize("finding", ["", "x", "1.2.x", "9" * 30, "0"])
def test_nonsense_follows_nothing(world, owner, as_user, finding):
    assert "None of these jobs" in text(
        as_user(owner).get(f"{reverse('synccore:finding')}?finding={finding}")
    )
    assert as_user(owner).get(f"{COUPLED}?finding={finding}").status_code == 200


def test_find_for_deleted_is_for_those_who_may_synchronize_the_mapping(world, free, viewer, owner, as_user):
    assert as_user(viewer).post(FIND, {"mapping": [world.mapping.pk]}).status_code == 403
    reader = make.make_user("Record owner", grants={world.mapping: GrantLevel.VIEW})
    assert as_user(reader).post(FIND, {"mapping": [world.mapping.pk]}).status_code == 403
    as_user(owner).post(FIND, {"mapping": [world.hidden.pk]})
    assert not SynchJob.objects.filter(verb="find_deleted").exists()
    hidden = make.make_job(world.hidden, verb="find_deleted")
    assert "None of these jobs" in text(
        as_user(owner).get(f"{reverse('synccore:finding')}?finding={hidden.pk}")
    )


def test_a_mapping_that_a_brake_holds_says_so(world, free, owner, as_user):
    make.make_problem(mapping=world.mapping, kind="stopped", code="too_many_deletions")
    answer = as_user(owner).post(FIND, {"mapping": [world.mapping.pk], "back": COUPLED}, follow=True)
    assert "Customer is stopped by a set-up problem" in said(answer)


# --- Ended ----------------------------------------------------------------------------------------------


def test_ended_says_how_by_whom_and_when_and_undo_stands_on_the_line(world, owner, viewer, as_user):
    job = make.make_job(world.mapping, verb="uncouple", requested_by=owner)
    ended = make.make_problem(
        make.make_coupling(world.mapping, left_name="Northwind"),
        state="ended",
        ending="removed",
        ended_by=owner,
        ended_job=job.pk,
    )
    row = make.make_journal(job, coupling=ended.coupling, operation=Journal.Operation.UNCOUPLE)
    make.make_journal(job)  # of another record of the same job
    where = f"{COUPLED}?tab=ended"
    page = as_user(owner).get(where)
    assert "Coupling removed" in text(page) and "by otto" in text(page)
    undo = f"{reverse('synccore:undo_job', args=[job.pk])}?row={row.pk}"
    assert f'href="{undo}"' in page.content.decode()
    assert "1 removed coupling is put back" in text(as_user(owner).get(undo))
    assert undo not in as_user(viewer).get(where).content.decode()
    Journal.objects.filter(pk=row.pk).update(undone_by=make.make_journal(job))
    assert undo not in as_user(owner).get(where).content.decode()
