"""Deleting a connection beside whoever is about to use it: one waits for the other and sees it, nothing breaks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from synccore import jobs, schedule
from synccore.connectors.memory import MemoryConnector
from synccore.models import Connection, Integration, Problem, SynchJob, SynchJobError
from synccore.services import connections as services
from synccore.services import deleting, mappings
from synccore.services.jobs import NotNow
from tests import factories as make

beside = pytest.mark.django_db(transaction=True)


@pytest.fixture
def set_up_checks() -> None:
    """The tick does look here."""


class Other:
    """Somebody who works at the same time, over a connection to PostgreSQL of his own."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self.pid = 0
        self._work, self._begun = work, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._begun.wait()

    def _run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.pid = cursor.fetchone()[0]
            self._begun.set()
            self.result = self._work()
        except Exception as error:
            self.result = error
        finally:
            self._begun.set()
            connection.close()

    def waits(self) -> None:
        """Returns as soon as he waits for a lock that we hold."""
        while self._thread.is_alive():
            with connection.cursor() as cursor:
                cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", [self.pid])
                if cursor.fetchone()[0]:
                    return
        raise AssertionError(f"He did not wait: {self.result!r}")

    def ended(self) -> Any:
        self._thread.join()
        return self.result


def delete(app: Connection) -> None:
    deleting.delete_connection(app, user=None, revision=services.revision_of(app))


@beside
def test_a_job_that_starts_first_is_seen() -> None:
    app = make.make_connection("Sales")
    with transaction.atomic():
        job = services.start_test(app, user=None)
        other = Other(lambda: delete(app))
        other.waits()
    assert isinstance(other.ended(), NotNow) and other.result.code == "connection_needed"
    assert SynchJob.objects.get() == job and Connection.objects.get() == app


@beside
def test_a_job_that_comes_later_does_not_start() -> None:
    app = make.make_connection("Sales")
    with transaction.atomic():
        delete(app)
        other = Other(lambda: services.start_test(app, user=None))
        other.waits()
    assert isinstance(other.ended(), Connection.DoesNotExist)
    assert not SynchJob.objects.exists() and not Connection.objects.exists()


@beside
def test_a_pair_that_is_made_first_is_seen_and_one_that_comes_later_is_not_made() -> None:
    app, erp = make.make_connection("Sales"), make.make_connection("ERP")
    with transaction.atomic():
        pair = mappings.make_integration(user=None, name="ERP ⇄ Sales", left=erp, right=app)
        other = Other(lambda: delete(app))
        other.waits()
    assert isinstance(other.ended(), NotNow) and other.result.code == "connection_needed"
    deleting.delete_integration(pair, user=None)
    with transaction.atomic():
        delete(app)
        other = Other(lambda: mappings.make_integration(user=None, name="Again", left=erp, right=app))
        other.waits()
    assert isinstance(other.ended(), mappings.Wrong)
    assert other.result.found == {"right": [("app_gone", {"app": "Sales"})]}
    assert list(Connection.objects.all()) == [erp] and not Integration.objects.exists()


@beside
def test_a_mapping_that_is_made_first_keeps_its_pair_and_one_that_comes_later_is_not_made() -> None:
    pair = make.make_integration()
    tables = {"name": "Items", "left_table": "item", "right_table": "product", "direction": "both"}
    with transaction.atomic():
        made = mappings.make_mapping(pair, user=None, values=tables)
        other = Other(lambda: deleting.delete_integration(pair, user=None))
        other.waits()
    assert isinstance(other.ended(), NotNow) and other.result.code == "integration_needed"
    SynchJob.objects.all().delete()  # those that read the tables
    deleting.delete_mapping(made, user=None)
    with transaction.atomic():
        deleting.delete_integration(pair, user=None)
        gone = Integration(pk=made.integration_id, name=pair.name, left=pair.left, right=pair.right)
        other = Other(lambda: mappings.make_mapping(gone, user=None, values=tables))
        other.waits()
    assert isinstance(other.ended(), NotNow) and other.result.code == "integration_gone"


@beside
def test_of_two_who_delete_one_does_and_the_other_is_told() -> None:
    app = make.make_connection("Sales")
    seen, same = services.revision_of(app), Connection(pk=app.pk, name="Sales")
    with transaction.atomic():
        delete(app)
        other = Other(lambda: deleting.delete_connection(same, user=None, revision=seen))
        other.waits()
    assert isinstance(other.ended(), NotNow) and other.result.code == "connection_gone"


@beside
def test_a_clean_up_that_moves_entries_is_waited_for() -> None:
    """It holds the entries and refers to the connection as it ends: who locked the connection first would hold it up."""
    app = make.make_connection("Sales")
    entry = make.make_entry(make.make_problem(connection=app, state="ended"))
    with transaction.atomic():
        moved = make.make_deleted_entry(make.make_problem(connection=app, state="ended"))
        assert SynchJobError.objects.filter(pk=entry.pk).delete()[0] == 1
        other = Other(lambda: delete(app))
        other.waits()
        assert moved.connection == app
    assert other.ended() is None
    assert not Connection.objects.exists() and not Problem.objects.exists()


@pytest.mark.django_db
def test_the_tick_passes_over_an_app_that_just_went(monkeypatch) -> None:
    gone, stays = make.make_connection("Sales"), make.make_connection("ERP")
    both = [gone, stays]
    monkeypatch.setattr(schedule, "_went_wrong_since", lambda: both)
    Connection.objects.filter(pk=gone.pk).delete()
    schedule.start_set_up_checks()
    assert [job.connection for job in SynchJob.objects.all()] == [stays]


@pytest.mark.django_db
def test_a_message_for_a_job_that_went_with_its_connection_does_nothing() -> None:
    app = make.make_connection("Sales")
    job = make.make_job(connection=app, verb="check_connection", state="cancelled")
    delete(app)
    assert jobs.run(job.pk) is None


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["check_connection", "check_set_up", "describe", "list_choices"])
def test_a_worker_whose_connection_is_taken_from_the_database_ends_cleanly(monkeypatch, verb) -> None:
    """Tandem refuses to; somebody may do so in the database all the same."""
    app = make.make_connection("Sales", options={"name": "sales"})

    def taken(*_given: object) -> Any:
        Connection.objects.filter(pk=app.pk).delete()
        return []

    for name in ("check", "choices", "describe"):
        monkeypatch.setattr(MemoryConnector, name, taken)
    job = jobs.enqueue(verb=verb, connection=app)
    assert jobs.run(job.pk) is None
    assert not SynchJob.objects.exists() and not Connection.objects.exists()
