"""The question before what a job wrote is undone, and its press."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from synccore.models import Journal, SynchJob
from tests import factories as make


@pytest.fixture
def written(world) -> Journal:
    return make.make_journal(world.job, coupling=world.in_sync)


def where(job: SynchJob, query: str = "") -> str:
    return f"/jobs/{job.pk}/undo-writes/{query}"


def test_the_question_names_records_what_comes_back_and_what_does_not(world, administrator, as_user, written):
    gone = make.make_coupling(world.mapping, left_name="Gone & Co", ended_at=timezone.now())
    make.make_journal(world.job, coupling=gone, operation="delete", side="left", record_id=gone.left_id)
    text = as_user(administrator).get(where(world.job)).content.decode()
    assert "This is about 2 records:" in text
    assert "Contoso" in text and "Gone &amp; Co" in text
    assert "1 change is written back" in text and "1 deleted record is created again" in text
    assert "The id does not come back: ERP gives the record a new one." in text
    assert "notes, attachments" in text and "references to it in other records" in text
    assert "the next synchronization asks which one holds" in text
    assert "Undo 2 records" in text


def test_the_press_starts_one_job_and_pressing_again_says_undone_already(
    world, administrator, as_user, written
):
    browser = as_user(administrator)
    answer = browser.post(where(world.job))
    started = SynchJob.objects.get(verb="undo")
    assert answer.url == f"/jobs/{started.pk}/"
    assert (started.total, started.requested_by) == (1, administrator)
    written.undone_by = make.make_journal(started, coupling=world.in_sync)
    written.save()
    again = browser.post(where(world.job), follow=True)
    assert "This was undone already" in again.content.decode()
    assert "was undone by" in again.content.decode()
    assert SynchJob.objects.filter(verb="undo").count() == 1
    assert "This was undone already" in browser.get(where(world.job)).content.decode()


def test_chosen_rows_only(world, administrator, as_user, written):
    other = make.make_journal(world.job, coupling=world.conflict.coupling)
    browser = as_user(administrator)
    text = browser.get(where(world.job, f"?row={other.pk}")).content.decode()
    assert "This is about 1 record:" in text and "Contoso" not in text
    browser.post(where(world.job), {"row": [other.pk]})
    assert SynchJob.objects.get(verb="undo").options["journal"] == [other.pk]
    nonsense = browser.get(where(world.job, "?row=x&row=99999999999999999999"))
    assert "There is nothing to undo" in nonsense.content.decode()


def test_a_viewer_reads_who_can_and_may_not_press(world, viewer, owner, as_user, written):
    text = as_user(viewer).get(where(world.job)).content.decode()
    assert (
        "Synchronize and resolve conflicts" in text and "Record owner" in text and "Undo 1 record" not in text
    )
    assert as_user(viewer).post(where(world.job)).status_code == 403
    assert not SynchJob.objects.filter(verb="undo").exists()
    assert "Undo what this job wrote" not in as_user(viewer).get(f"/jobs/{world.job.pk}/").content.decode()
    assert "Undo what this job wrote" in as_user(owner).get(f"/jobs/{world.job.pk}/").content.decode()


def test_what_is_too_old_says_so(world, administrator, as_user, written):
    Journal.objects.filter(pk=written.pk).update(at=timezone.now() - timedelta(days=31))
    answer = as_user(administrator).post(where(world.job), follow=True)
    assert "more than 30 days ago" in answer.content.decode()


def test_more_than_fifty_need_the_right_to_many(world, owner, as_user):
    for _n in range(51):
        make.make_journal(world.job, coupling=make.make_coupling(world.mapping))
    text = as_user(owner).get(where(world.job)).content.decode()
    assert "Act on more than 50 records at once" in text and "Undo 51 records" not in text
    assert "and 41 more" in text
    assert as_user(owner).post(where(world.job)).status_code == 403


def test_a_job_one_may_not_see_is_not_there(world, owner, as_user):
    assert as_user(owner).get(where(make.make_job(world.hidden))).status_code == 404
