"""Delete Entries Older than 7 Days: an honest question, the moment of the click, nothing relevant, and back again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore.models import DeletedEntry, Problem, SynchJob, SynchJobError
from tests import factories as make

ASK = reverse("errors:ask_clean_up")
DO = reverse("errors:clean_up")


@pytest.fixture
def old(world) -> list[SynchJobError]:
    """Three entries of eight days ago, one of them still told by an open problem; and one just inside the week."""
    now = timezone.now()
    ended = make.make_problem(make.make_coupling(world.mapping), state="ended")
    gone = [make.make_entry(ended, at=now - timedelta(days=8)) for _ in range(2)]
    kept = make.make_entry(world.bug, at=now - timedelta(days=8))
    Problem.objects.filter(pk=world.bug.pk).update(first_entry=kept.pk, last_entry=kept.pk)
    make.make_entry(ended, at=now - timedelta(days=7) + timedelta(minutes=5))
    return gone


def test_the_question_names_what_goes_and_what_stays(world, old, administrator, as_user):
    text = as_user(administrator).get(ASK).content.decode()
    assert "2 entries are deleted." in text
    assert "1 entry stays" in text
    assert "No problem, skip or conflict changes" in text
    assert "Delete 2 entries" in text
    assert SynchJobError.objects.filter(pk__in=[each.pk for each in old]).count() == 2


def test_the_hour_is_that_of_the_click(world, old, administrator, as_user):
    browser = as_user(administrator)
    form = browser.get(ASK).context["form"]
    clicked = datetime.fromisoformat(form.initial["clicked"])
    browser.post(DO, form.initial)
    job = SynchJob.objects.get(verb="purge")
    assert datetime.fromisoformat(job.options["older_than"]) == clicked - timedelta(hours=7 * 24)
    assert job.options["include_relevant"] is False


def test_a_click_in_the_future_takes_nothing_younger(world, old, administrator, as_user):
    later = (timezone.now() + timedelta(days=300)).isoformat()
    as_user(administrator).post(DO, {"which": "week", "clicked": later})
    older_than = datetime.fromisoformat(SynchJob.objects.get(verb="purge").options["older_than"])
    assert older_than <= timezone.now() - timedelta(days=7)


def test_delete_all_still_keeps_what_is_relevant(world, old, administrator, as_user):
    browser = as_user(administrator)
    form = browser.get(f"{ASK}?which=all").context["form"]
    browser.post(DO, form.initial)
    job = SynchJob.objects.get(verb="purge")
    assert job.options["older_than"] is None
    assert job.options["include_relevant"] is False


@pytest.mark.parametrize(
    "data",
    [{}, {"which": "x"}, {"which": "week", "clicked": "soon"}, {"which": "week", "clicked": "2026-01-01"}],
)
def test_half_a_question_deletes_nothing(world, administrator, as_user, data):
    as_user(administrator).post(DO, data)
    assert not SynchJob.objects.filter(verb="purge").exists()


def test_an_answer_without_the_clicks_hour_uses_now(world, administrator, as_user):
    as_user(administrator).post(DO, {"which": "week"})
    assert SynchJob.objects.get(verb="purge").options["older_than"] is not None


def test_only_who_has_the_right_cleans_up(world, old, owner, as_user):
    answer = as_user(owner).post(DO, {"which": "all"})
    assert answer.status_code == 403
    assert "Delete entries" in answer.content.decode()
    assert not SynchJob.objects.filter(verb="purge").exists()
    assert "Delete Entries Older" not in as_user(owner).get(reverse("errors:entries")).content.decode()


def test_a_clean_up_can_be_taken_back_from_its_job(world, administrator, owner, as_user):
    purge = "8b0f2c52-5f36-4f7b-9a43-9f6d0f7f2b10"
    job = make.make_job(None, connection=None, verb="purge", scope="items", options={"purge": purge})
    where = reverse("synccore:undo_purge", args=[job.pk])
    browser = as_user(administrator)
    browser.post(where)
    assert not SynchJob.objects.filter(verb="undo_purge").exists()  # nothing is left of it
    values = {
        field.attname: getattr(world.entry, field.attname) for field in SynchJobError._meta.concrete_fields
    }
    DeletedEntry.objects.create(**values, purge=purge, deleted_at=timezone.now())
    assert (
        "Bring the deleted entries back"
        in browser.get(reverse("synccore:job", args=[job.pk])).content.decode()
    )
    browser.post(where)
    assert SynchJob.objects.get(verb="undo_purge").options["purge"] == purge
