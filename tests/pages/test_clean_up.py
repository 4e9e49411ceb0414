"""Delete Entries Older than 7 Days: an honest question, the moment of the click, nothing relevant, and back again.

What the jobs do is in ``tests/jobs/test_clean_up.py``."""

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
    assert "<h1>Delete 2 entries?</h1>" in text
    assert "1 more is still relevant and stays" in text
    assert "Delete those too" in text
    assert "No problem, skip or conflict changes" in text
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


def finish(job: SynchJob, **counters: int) -> None:
    SynchJob.objects.filter(pk=job.pk).update(state="finished", finished_at=timezone.now(), **counters)


def test_the_result_stands_where_the_person_looks(world, old, administrator, as_user):
    browser = as_user(administrator)
    where = reverse("errors:entries") + "?tab=entries&kind=rejected"
    form = browser.get(ASK, {"back": where}).context["form"]
    answer = browser.post(DO, form.initial)
    job = SynchJob.objects.get(verb="purge")
    assert answer.url == f"{where}&cleaned={job.pk}"
    text = browser.get(answer.url).content.decode()
    assert "The entries are being deleted." in text
    assert "cleaned=" not in text.split('<nav class="tabs"')[1].split("</nav>")[0], "links do not carry it on"
    finish(job, deleted=312, skipped=41, total=353)
    make.make_deleted_entry(world.rejected, purge=job.options["purge"])
    text = browser.get(answer.url).content.decode()
    assert "312 deleted" in text and f"purge={job.options['purge']}" in text
    assert "41 kept" in text and f"tab=entries&amp;kept={job.pk}" in text
    assert "Undo" in text
    back = browser.post(reverse("errors:bring_back"), {"purge": job.options["purge"], "back": answer.url})
    undo = SynchJob.objects.get(verb="undo_purge")
    assert back.url == f"{where}&cleaned={undo.pk}"
    finish(undo, inserted=312)
    assert "312 entries are back in the diary." in browser.get(back.url).content.decode()


def test_the_line_asks_for_itself_and_then_for_the_page(world, old, administrator, as_user):
    browser = as_user(administrator)
    browser.post(DO, {"which": "all"})
    job = SynchJob.objects.get(verb="purge")
    where = reverse("errors:clean_up_result", args=[job.pk])
    answer = browser.get(where, headers={"HX-Request": "true"})
    assert "<h1" not in answer.content.decode() and "every 1s" in answer.content.decode()
    assert "HX-Refresh" not in answer
    finish(job, deleted=2)
    answer = browser.get(where, headers={"HX-Request": "true"})
    assert "every 1s" not in answer.content.decode() and answer["HX-Refresh"] == "true"
    whole = browser.get(where)
    assert "<h1>" in whole.content.decode() and "HX-Refresh" not in whole


def test_those_too_is_asked_for_and_only_then_done(world, old, administrator, as_user):
    browser = as_user(administrator)
    for box, wanted in (({}, False), ({"also_relevant": "1"}, True)):
        browser.post(DO, {"which": "week", **box})
        assert SynchJob.objects.filter(verb="purge").latest("pk").options["include_relevant"] is wanted


def test_ticked_entries_are_deleted_after_the_same_question(world, old, administrator, as_user):
    browser = as_user(administrator)
    where = reverse("errors:entries") + "?tab=entries"
    ticked = [old[0].pk, world.entry.pk]
    question = browser.post(where, {"delete_entries": "selected", "row": ticked})
    assert "<h1>Delete 1 entry?</h1>" in question.content.decode()
    assert "1 more is still relevant and stays" in question.content.decode()
    assert SynchJobError.objects.filter(pk__in=ticked).count() == 2, "nothing goes before the answer"
    answer = browser.post(DO, question.context["form"].initial)
    job = SynchJob.objects.get(verb="purge")
    assert sorted(job.options["ids"]) == sorted(ticked)
    assert answer.url == f"{where}&cleaned={job.pk}"


def test_all_that_match_means_the_filter_and_the_tab(world, old, administrator, as_user):
    where = reverse("errors:entries") + "?tab=entries&kind=misconfigured"
    question = as_user(administrator).post(where, {"delete_entries": "selected", "all": "1"})
    wanted = SynchJobError.objects.filter(kind="misconfigured").values_list("pk", flat=True)
    assert question.context["form"].initial["ids"] == ",".join(map(str, wanted))


@pytest.mark.parametrize(
    "data", [{"which": "chosen"}, {"which": "chosen", "ids": "1,x"}, {"which": "chosen", "ids": "9" * 30}]
)
def test_chosen_entries_that_cannot_be_read_are_told(world, administrator, as_user, data):
    as_user(administrator).post(DO, data)
    assert not SynchJob.objects.filter(verb="purge").exists()


def test_nothing_ticked_and_rows_that_left_are_told(world, administrator, as_user):
    browser = as_user(administrator)
    for rows in ([], [999_999_999]):
        answer = browser.post(
            reverse("errors:entries"), {"delete_entries": "selected", "row": rows}, follow=True
        )
        assert "Nothing is ticked" in answer.content.decode()


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_the_way_back_stays_in_the_house(world, administrator, as_user, back):
    answer = as_user(administrator).post(DO, {"which": "all", "back": back})
    assert answer.url.startswith(reverse("errors:entries") + "?cleaned=")


def test_what_was_kept_can_be_shown(world, old, administrator, as_user):
    week = (timezone.now() - timedelta(days=7)).isoformat()
    job = make.make_job(
        None, connection=None, verb="purge", scope="items", pressed_at=timezone.now(),
        options={"older_than": week, "purge": "8b0f2c52-5f36-4f7b-9a43-9f6d0f7f2b10"}, skipped=1,
    )  # fmt: skip
    page = as_user(administrator).get(reverse("errors:entries"), {"tab": "entries", "kept": job.pk})
    assert {row.pk for row in page.context["page"].rows} == {
        each.pk for each in SynchJobError.objects.filter(at__lt=timezone.now() - timedelta(days=7))
    }
    assert "Kept by clean-up" in page.content.decode()


def test_deleted_entries_say_who_deleted_them_and_come_back(world, clean_up, administrator, as_user):
    gone = DeletedEntry.objects.get()
    DeletedEntry.objects.update(deleted_by=administrator)
    browser = as_user(administrator)
    where = reverse("errors:deleted_entries")
    text = browser.get(where).content.decode()
    assert "Alpine Ski House" in text and "anna" in text
    assert "1 deleted, 1 kept" in text and "Bring back all of it" in text
    assert "Deleted by anna" in browser.get(reverse("errors:entry", args=[gone.pk])).content.decode()
    answer = browser.post(where, {"bring_back": "selected", "row": [gone.pk]})
    job = SynchJob.objects.get(verb="undo_purge")
    assert job.options == {"ids": [gone.pk]}
    assert answer.url == f"{where}?cleaned={job.pk}"
    DeletedEntry.objects.all().delete()
    answer = browser.post(where, {"bring_back": "selected", "row": [gone.pk]}, follow=True)
    assert "have left the list" in answer.content.decode()


def test_only_who_may_clean_up_brings_entries_back(world, clean_up, owner, as_user):
    browser = as_user(owner)
    where = reverse("errors:deleted_entries")
    assert "Bring back" not in browser.get(where).content.decode()
    gone = DeletedEntry.objects.get()
    for address, data in (
        (where, {"bring_back": "selected", "row": [gone.pk]}),
        (reverse("errors:bring_back"), {"purge": str(gone.purge)}),
    ):
        assert browser.post(address, data).status_code == 403
    assert not SynchJob.objects.filter(verb="undo_purge").exists()


@pytest.mark.parametrize("purge", ["", "x", "8b0f2c52-5f36-4f7b-9a43-9f6d0f7f2b10"])
def test_a_clean_up_of_which_nothing_is_left_says_so(world, administrator, as_user, purge):
    answer = as_user(administrator).post(reverse("errors:bring_back"), {"purge": purge}, follow=True)
    assert "Nothing of this clean-up is left to bring back." in answer.content.decode()


def test_the_result_of_nonsense_is_no_result(world, administrator, as_user):
    browser = as_user(administrator)
    for value in ("x", "9" * 40, str(world.job.pk)):
        answer = browser.get(reverse("errors:entries"), {"cleaned": value})
        assert answer.status_code == 200 and answer.context["cleaned"] is None
