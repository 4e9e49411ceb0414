"""Tampering with the journal is found, whatever is touched."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from synccore.engine.values import dump_values
from synccore.models import Instance, JobSeal, Journal, JournalSeal, SynchJob, close_job, seal_page
from synccore.models.seals import KEPT, page_digest, seal_written, verify_journal
from tests.factories import make_job, make_journal, make_mapping

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def run_job(pages: tuple[int, ...] = (3, 2), at: datetime | None = None) -> SynchJob:
    """A finished job whose pages wrote that many rows."""
    job = make_job(state=SynchJob.State.RUNNING)
    for number, size in enumerate(pages, start=1):
        seal_page(job, number, [make_journal(job) for _ in range(size)], at or timezone.now())
    job.state = SynchJob.State.FINISHED
    job.save()
    close_job(job, at or timezone.now())
    return job


def broken() -> str:
    found = verify_journal().broken
    return found.what if found else ""


def test_an_untouched_journal_is_whole() -> None:
    run_job(), run_job((1,)), make_job()
    checked = verify_journal()
    assert (checked.broken, checked.jobs, checked.pages, checked.rows) == (None, 2, 3, 6)


def test_an_empty_journal_is_whole() -> None:
    assert verify_journal().broken is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("side", "left"),
        ("operation", "delete"),
        ("record_id", "other"),
        ("version", "2"),
        ("before", {"name": "Forged"}),
        ("values", {"name": "Forged"}),
        ("overwrites", {"name": "x"}),
        ("key", uuid4()),
        ("state", "failed"),
    ],
)
def test_a_changed_column_is_found(column: str, value: object) -> None:
    job = run_job()
    run_job()
    row = Journal.objects.filter(job=job).order_by("pk")[3]
    assert Journal.objects.filter(pk=row.pk).update(**{column: value}) == 1
    found = verify_journal().broken
    assert found and (found.what, found.job, found.page) == ("rows", job.pk, 2)


def test_a_row_moved_to_another_job_or_mapping_is_found() -> None:
    first, second = run_job(), run_job()
    row = Journal.objects.filter(job=first).first()
    assert row
    with transaction.atomic():
        Journal.objects.filter(pk=row.pk).update(job=second)
        assert broken() == "rows"
        transaction.set_rollback(True)
    Journal.objects.filter(pk=row.pk).update(mapping=make_mapping())
    assert broken() == "rows"


def test_a_deleted_row_is_found() -> None:
    job = run_job()
    Journal.objects.filter(job=job).first().delete()
    assert broken() == "rows"


def test_an_inserted_row_is_found_in_a_page_and_outside() -> None:
    job = run_job()
    loose = make_journal(job)
    found = verify_journal().broken
    assert found and (found.what, found.row) == ("unsealed", loose.pk)
    Journal.objects.filter(pk=loose.pk).update(seal=JournalSeal.objects.filter(job=job).first())
    assert broken() == "rows"


def test_swapped_contents_are_found() -> None:
    job = run_job()
    one, two = Journal.objects.filter(job=job).order_by("pk")[:2]
    Journal.objects.filter(pk=one.pk).update(record_id=two.record_id)
    Journal.objects.filter(pk=two.pk).update(record_id=one.record_id)
    assert broken() == "rows"


def test_pages_that_change_places_are_found() -> None:
    job = run_job((1, 1))
    one, two = JournalSeal.objects.filter(job=job).order_by("page")
    JournalSeal.objects.filter(pk=one.pk).update(page=9)
    assert broken() == "page_chain"
    JournalSeal.objects.filter(pk=two.pk).update(page=1)
    JournalSeal.objects.filter(pk=one.pk).update(page=2)
    assert broken() == "page_chain"


def test_a_page_that_is_gone_is_found_wherever_it_stood() -> None:
    for page, what in ((1, "page_chain"), (3, "job_end")):
        with transaction.atomic():
            job = run_job((1, 1, 1))
            Journal.objects.filter(seal__job=job, seal__page=page).delete()
            JournalSeal.objects.filter(job=job, page=page).delete()
            assert broken() == what
            transaction.set_rollback(True)


def test_a_page_forged_with_its_own_seal_is_found() -> None:
    """Whoever recomputes a page's seal still has to forge the chain."""
    job = run_job((1, 1))
    seal = JournalSeal.objects.get(job=job, page=2)
    Journal.objects.filter(seal=seal).update(record_id="forged")
    from synccore.models.seals import page_follows

    digest = page_digest(page_follows(job.pk, 2, seal.previous, seal.at), Journal.objects.filter(seal=seal))
    JournalSeal.objects.filter(pk=seal.pk).update(digest=digest)
    assert broken() == "job_end"
    JobSeal.objects.filter(job_id=job.pk).update(seal=digest)
    assert broken() == "job_chain"


def test_the_time_of_a_page_and_of_a_job_are_sealed() -> None:
    job = run_job()
    seal = JournalSeal.objects.filter(job=job).first()
    JournalSeal.objects.filter(pk=seal.pk).update(at=seal.at - timedelta(days=1))
    assert broken() == "rows"
    JobSeal.objects.update(at=AT)
    assert broken() == "job_chain"


def test_the_chain_of_jobs_breaks_where_one_is_gone() -> None:
    jobs = [run_job((1,)) for _ in range(3)]
    for job, what in ((jobs[1], "job_chain"), (jobs[2], "chain_end")):
        with transaction.atomic():
            JobSeal.objects.filter(job_id=job.pk).delete()
            assert broken() == what
            transaction.set_rollback(True)
    Instance.objects.update(last_seal="")
    assert broken() == "chain_end"


def test_a_job_that_ended_without_its_seal_is_found() -> None:
    job = make_job(state=SynchJob.State.RUNNING)
    seal_page(job, 1, [make_journal(job)], AT)
    assert broken() == ""
    SynchJob.objects.filter(pk=job.pk).update(state="finished")
    assert broken() == "not_closed"


def test_retention_takes_whole_jobs_of_old_and_nothing_younger() -> None:
    old, young = run_job(at=timezone.now() - KEPT - timedelta(days=1)), run_job()
    for job, what in ((old, ""), (young, "pages_gone")):
        Journal.objects.filter(job=job).delete()
        job.delete()  # takes its page seals along; the job seal stays
        assert broken() == what
    assert JobSeal.objects.count() == 2


def test_losing_its_coupling_does_not_break_the_seal() -> None:
    job = run_job((1,))
    row = Journal.objects.get(job=job)
    row.coupling.delete()
    row.refresh_from_db()
    assert row.coupling_id is None and broken() == ""


def test_json_is_sealed_as_the_database_spells_it() -> None:
    job = make_job(state=SynchJob.State.RUNNING)
    row = make_journal(job, values={"b": 1e20, "a": 1.50, "æ": "å", "n": None}, before={"x": [1, "\u2028"]})
    seal_page(job, 1, [row], AT)
    assert broken() == ""


def test_rows_being_written_are_sealed_as_they_are_read_back() -> None:
    """What ``dump_values`` makes of every type of value is spelled alike before and after the database."""
    values = dump_values(
        {
            "text": "å\u2028 \x00 \ud800", "decimal": Decimal("1.500"), "big": 10**30, "float": 1e20, "tiny": 5e-324,
            "whole": 7, "no": False, "null": None, "date": AT.date(), "at": AT, "time": AT.time(), "guid": uuid4(),
            "binary": b"\x00\xff",
        }
    )  # fmt: skip
    job = make_job(state=SynchJob.State.RUNNING)
    row = make_journal(job, values=values, before=values, overwrites={"name": '"old"', "x": None})
    seal = seal_written(job, 1, [row], AT)
    Journal.objects.filter(pk=row.pk).update(seal=seal)
    assert broken() == ""


def test_the_digest_does_not_depend_on_the_order_of_reading() -> None:
    job = make_job()
    rows = [make_journal(job) for _ in range(3)]
    assert page_digest("x", rows) == page_digest("x", reversed(rows)) != page_digest("y", rows)


def test_only_settled_rows_of_the_job_are_sealed_and_only_once() -> None:
    job = make_job(state=SynchJob.State.RUNNING)
    for rows in (
        [],
        [make_journal(job, state=Journal.State.INTENDED)],
        [make_journal(job, state=Journal.State.UNKNOWN)],
    ):
        with pytest.raises(ValueError, match="sealed"):
            seal_page(job, 1, rows, AT)
    row = make_journal(job)
    seal_page(job, 1, [row], AT)
    with pytest.raises(ValueError, match="cannot be sealed"):
        seal_page(job, 2, [row], AT)


def test_a_row_of_a_run_that_died_is_sealed_by_the_job_that_settles_it() -> None:
    dead, job = make_job(state=SynchJob.State.FAILED), make_job(state=SynchJob.State.RUNNING)
    row = make_journal(dead)
    assert broken() == "unsealed"
    seal_page(job, 1, [row, make_journal(job)], AT)
    assert broken() == ""
    Journal.objects.filter(pk=row.pk).update(job=job)
    assert broken() == "rows"


@pytest.mark.django_db(transaction=True)
def test_sealing_outside_a_transaction_is_refused() -> None:
    job = make_job(state=SynchJob.State.RUNNING)
    with pytest.raises(ValueError, match="transaction"):
        seal_page(job, 1, [make_journal(job)], AT)


def test_closing_again_keeps_the_seal_and_a_job_without_writes_has_none() -> None:
    job = run_job()
    assert close_job(job, timezone.now()) == JobSeal.objects.get()
    assert close_job(make_job(), AT) is None and JobSeal.objects.count() == 1


def test_the_command_says_what_is_broken_and_fails() -> None:
    job = run_job()
    out = StringIO()
    call_command("journal", "verify", stdout=out)
    assert "2 pages" in out.getvalue()
    Journal.objects.filter(job=job).update(version="9")
    with pytest.raises(CommandError, match=f"job {job.pk}, page 1") as caught:
        call_command("journal", "verify", stdout=out)
    assert caught.value.returncode == 1
