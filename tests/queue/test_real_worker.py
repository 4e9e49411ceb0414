"""Jobs through real workers, a real broker and a real database, all of which end in the middle of the work.

The tests build on one another's processes and run in this order; each has a mapping and records of its own.
"""

from __future__ import annotations

import signal
import subprocess
from datetime import timedelta

import pytest
from stage import (
    BEAT,
    PAGE,
    Stage,
    coupled,
    due_now,
    keep_lease,
    let_leases_run_out,
    let_waits_pass,
    settled,
    state_of,
    until,
)

from synccore import jobs, services, tasks
from synccore.models import Coupling, Journal, Problem, SynchJob
from synccore.models.ledger import read_ledger
from synccore.models.seals import verify_journal
from tandem.celery import app as celery

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def two_beats(stage: Stage) -> None:
    """They tick all the while."""
    for name in ("beat-1", "beat-2"):
        stage.start(BEAT, name)


@pytest.fixture
def worker(stage: Stage) -> subprocess.Popen[bytes]:
    """The worker that is up; a new one after a test that ended it."""
    if stage.worker is None or stage.worker.poll() is not None:
        stage.worker = stage.start_worker()
    return stage.worker


def tick() -> None:
    celery.send_task("synccore.tick", queue="tick")


def whole(stage: Stage, mapping: object, n: int) -> None:
    """Every record is there once, on both sides and in the memory; every write was settled and sealed."""
    numbers = sorted(f"C{each}" for each in range(1, n + 1))
    assert stage.accounts(mapping) == numbers  # type: ignore[arg-type]
    assert stage.customers(mapping) == numbers, "nothing came back as new"  # type: ignore[arg-type]
    assert coupled(mapping) == n  # type: ignore[arg-type]
    assert not Journal.objects.filter(state__in=("intended", "unknown"), mapping=mapping).exists()
    assert verify_journal().broken is None
    assert read_ledger().drift == []


def test_a_button_rings_and_the_same_message_twice_runs_the_job_once(
    stage: Stage, worker: subprocess.Popen[bytes]
) -> None:
    mapping = stage.mapping(customers=3)
    stage.entry = due_now(stage.mapping(customers=2))  # type: ignore[attr-defined]  # for the two beats, below
    job = services.start_job(mapping=mapping)
    for _again in range(4):
        tasks.run_job.apply_async((job.pk,), queue="sync")
    until(lambda: state_of(job) == "finished", "the job ends")
    job.refresh_from_db()
    assert (job.lease_no, job.inserted, job.pages > 0) == (1, 3, True)
    whole(stage, mapping, 3)


def test_a_worker_that_is_killed_in_a_job_leaves_nothing_twice(
    stage: Stage, worker: subprocess.Popen[bytes]
) -> None:
    mapping = stage.mapping(customers=PAGE + 200, gate=PAGE + 100)
    with stage.closed_gate():
        job = services.start_job(mapping=mapping)
        until(stage.waits_at_gate, "the second page is on its way")
        stage.kill(worker)
    keep_lease(job)
    job.refresh_from_db()
    assert (job.state, coupled(mapping)) == (SynchJob.State.RUNNING, PAGE)
    assert Journal.objects.filter(mapping=mapping, state="intended").count() == 200
    other = services.start_job(mapping=stage.mapping(customers=1))
    tasks.run_job.apply_async((job.pk,), queue="sync")
    stage.worker = stage.start_worker()
    until(lambda: state_of(other) == "finished", "the new worker works")
    assert state_of(job) == SynchJob.State.RUNNING, "nobody takes a job whose lease has not run out"
    let_leases_run_out()
    tick()
    until(lambda: state_of(job) == "finished", "the job is taken over and ends")
    job.refresh_from_db()
    assert job.lease_no > 1 and job.options["deaths"]["n"] == 1
    whole(stage, mapping, PAGE + 200)


def test_a_worker_that_is_asked_to_end_stops_after_its_page(
    stage: Stage, worker: subprocess.Popen[bytes]
) -> None:
    n = 2 * PAGE + 100
    mapping = stage.mapping(customers=n, gate=PAGE + 1)
    with stage.closed_gate():
        job = services.start_job(mapping=mapping)
        until(stage.waits_at_gate, "the second page is on its way")
        worker.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(1)  # it does not drop its page
    assert worker.wait(180) == 0
    stage.children.remove(worker)
    job.refresh_from_db()
    assert (job.state, job.inserted, job.lease_until) == (SynchJob.State.QUEUED, 2 * PAGE, None)
    assert job.checkpoint["phase"] == "left" and job.checkpoint["cursor"]
    assert len(stage.accounts(mapping)) == coupled(mapping) == 2 * PAGE
    stage.worker = stage.start_worker()
    until(lambda: state_of(job) == "finished", "the next worker goes on from there")
    job.refresh_from_db()
    assert (job.inserted, job.failed) == (n, 0)
    whole(stage, mapping, n)


def test_our_database_restarted_in_a_job_loses_nothing(stage: Stage, worker: subprocess.Popen[bytes]) -> None:
    mapping = stage.mapping(customers=30, gate=10)
    with stage.closed_gate():
        job = services.start_job(mapping=mapping)
        until(stage.waits_at_gate, "the page is on its way")
        server = stage.services._postgres
        assert server is not None
        from django.db import connection

        connection.close()
        server.stop()
        server.start()
    until(lambda: bool(stage.accounts(mapping)), "the app heard of it")
    until(lambda: state_of(job) != "running" or not stage.waits_at_gate(), "the worker noticed")

    def recovered() -> bool:
        if coupled(mapping) == 30 and settled(mapping):
            return True
        let_leases_run_out(silent_for=timedelta(seconds=5))  # whoever is at work keeps it
        let_waits_pass()
        tick()
        return False

    until(recovered, "a later run ends what was begun", pause=1)
    ended = SynchJob.objects.get(pk=job.pk)
    if ended.state == SynchJob.State.FAILED:
        assert ended.code == "own_database"
        assert Problem.objects.get(mapping=mapping, code="own_database").ending == Problem.Ending.FIXED
    assert not Problem.objects.not_ended().filter(mapping=mapping).exists()
    whole(stage, mapping, 30)


def test_without_a_broker_a_button_works_and_the_tick_rings_later(
    stage: Stage, worker: subprocess.Popen[bytes]
) -> None:
    mapping = stage.mapping(customers=3)
    lost = stage.mapping(customers=4)
    rung = jobs.enqueue(verb="synchronise", mapping=lost, origin=SynchJob.Origin.SCHEDULE)
    valkey = stage.services._valkey
    assert valkey is not None
    valkey.stop()  # with whatever it held: nothing is on disk
    SynchJob.objects.filter(pk=rung.pk).update(
        sent_at=rung.queued_at - jobs.RESEND
    )  # its message was in there
    job = services.start_job(mapping=mapping)
    assert (state_of(job), SynchJob.objects.get(pk=job.pk).sent_at) == ("queued", None)
    valkey.start()
    until(
        lambda: {state_of(job), state_of(rung)} == {"finished"},
        "a beat's own tick rings for both",
    )
    whole(stage, mapping, 3)
    whole(stage, lost, 4)


def test_two_beats_start_each_due_schedule_once(stage: Stage, worker: subprocess.Popen[bytes]) -> None:
    entry = stage.entry  # type: ignore[attr-defined]

    def ticked() -> list[int]:
        logs = [(stage.folder / f"{name}.log").read_text() for name in ("beat-1", "beat-2")]
        return [log.count("Sending due task tick") for log in logs]

    until(lambda: min(ticked()) >= 2, "both beats ticked")
    until(lambda: settled(entry.mapping), "the job that is due ends")
    assert SynchJob.objects.filter(entry=entry).count() == 1
    entry.refresh_from_db()
    assert (entry.last_run is not None, entry.status) == (True, "ready")
    whole(stage, entry.mapping, 2)
    assert Coupling.objects.filter(mapping=entry.mapping).count() == 2
