"""What the database itself refuses, and that its indexes are there."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from synccore.models import (
    Bucket,
    Coupling,
    FieldMapping,
    Instance,
    JobItem,
    JobQueueEntry,
    JournalSeal,
    MappingGrant,
    Problem,
    SynchJob,
)
from tests.factories import (
    make_bucket,
    make_connection,
    make_coupling,
    make_field,
    make_grant,
    make_integration,
    make_item,
    make_job,
    make_mapping,
    make_problem,
    make_queue_entry,
    make_user,
)

pytestmark = pytest.mark.django_db


class refused:
    """``with refused("name"):`` the named constraint must refuse it."""

    def __init__(self, constraint: str) -> None:
        self.constraint = constraint

    def __enter__(self) -> None:
        self.point = transaction.atomic()
        self.point.__enter__()

    def __exit__(self, kind, error, trace) -> bool:
        self.point.__exit__(kind, error, trace)
        assert isinstance(error, IntegrityError), f"{self.constraint} did not refuse it"
        assert f'"{self.constraint}"' in str(error)
        return True


# -- problems


def test_one_problem_per_coupling_as_long_as_it_has_not_ended() -> None:
    coupling = make_coupling()
    make_problem(coupling, state=Problem.State.ENDED)
    make_problem(coupling, state=Problem.State.ENDED)
    problem = make_problem(coupling, state=Problem.State.ON_PURPOSE)
    with refused("one_problem_per_coupling"):
        make_problem(coupling, code="other")
    Problem.objects.filter(pk=problem.pk).update(state="ended", ending="fixed", ended_at=timezone.now())
    make_problem(coupling)


def test_one_problem_per_mapping_and_code_and_per_connection_and_code() -> None:
    mapping, connection_ = make_mapping(), make_connection()
    for of, name in (({"mapping": mapping}, "mapping"), ({"connection": connection_}, "connection")):
        make_problem(**of, code="missing_privilege")
        make_problem(**of, code="unknown_table")
        make_problem(**of, code="missing_privilege", state=Problem.State.ENDED)
        with refused(f"one_problem_per_{name}_and_code"):
            make_problem(**of, code="missing_privilege")
    for _ in range(2):
        make_problem(make_coupling(mapping), code="missing_privilege")  # of records, not of the mapping


def test_a_problem_is_of_something_and_says_how_it_ended() -> None:
    bucket = make_bucket()
    with refused("problem_is_of_something"):
        Problem.objects.create(bucket=bucket, state="skipped", since=timezone.now())
    for values in ({"ending": ""}, {"ended_at": None}):
        with refused("problem_ended_says_how"):
            make_problem(state=Problem.State.ENDED, **values)
    with refused("problem_ended_says_how"):
        make_problem(state=Problem.State.SKIPPED, ending=Problem.Ending.FIXED)


def test_a_bucket_stands_once_also_without_mapping() -> None:
    for mapping in (make_mapping(), None):
        make_bucket(mapping, kind="bug", code="bug")
        with refused("bucket_once"):
            Bucket.objects.create(mapping=mapping, kind="bug", code="bug")


# -- couplings


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_record_is_coupled_once_per_mapping(side: str) -> None:
    mapping = make_mapping()
    first = make_coupling(mapping, **{f"{side}_id": "1"})
    make_coupling(**{f"{side}_id": "1"})  # of another mapping
    with refused(f"{side}_coupled_once"):
        make_coupling(mapping, **{f"{side}_id": "1"})
    for mark in ("removed_at", "ended_at"):
        Coupling.objects.filter(pk=first.pk).update(removed_at=None, ended_at=None)
        Coupling.objects.filter(pk=first.pk).update(**{mark: timezone.now()})
        with transaction.atomic():
            make_coupling(mapping, **{f"{side}_id": "1"})
            transaction.set_rollback(True)


def test_half_couplings_are_many_but_name_a_record_each() -> None:
    mapping = make_mapping()
    halves = [make_coupling(mapping, right_id=None) for _ in range(2)] + [
        make_coupling(mapping, left_id=None)
    ]
    assert all(half.is_half for half in halves) and not Coupling.objects.paired().exists()
    assert [half.sides() for half in halves] == [("left",), ("left",), ("right",)]
    with refused("coupling_names_a_record"):
        make_coupling(mapping, left_id=None, right_id=None)
    with refused("left_coupled_once"):
        make_coupling(mapping, left_id=halves[0].left_id)


# -- jobs


def test_one_job_runs_per_mapping_and_a_sweep_beside_it() -> None:
    mapping = make_mapping()
    make_job(mapping, state=SynchJob.State.RUNNING)
    make_job(mapping, state=SynchJob.State.RUNNING, scope="sweep")
    make_job(make_mapping(), state=SynchJob.State.RUNNING)
    for _ in range(2):
        make_job(connection=make_connection(), state=SynchJob.State.RUNNING)
    for scope in ("full", "items"):
        with refused("one_running_job_per_mapping"):
            make_job(mapping, state=SynchJob.State.RUNNING, scope=scope)
    with refused("one_running_sweep_per_mapping"):
        make_job(mapping, state=SynchJob.State.RUNNING, scope="sweep")


def test_one_job_is_queued_per_scope_but_any_number_with_records_of_their_own() -> None:
    mapping = make_mapping()
    for scope in ("changes", "full", "sweep", "due", "items", "items"):
        make_job(mapping, state=SynchJob.State.QUEUED, scope=scope)
    for scope in ("changes", "full", "sweep", "due"):
        with refused("one_queued_job_per_scope"):
            make_job(mapping, state=SynchJob.State.QUEUED, scope=scope)


def test_a_record_is_in_a_job_once_and_found_once() -> None:
    job = make_job()
    item = make_item(job)
    with refused("chosen_once_per_job"):
        make_item(job, item.coupling)
    make_item(make_job(job.mapping), item.coupling)
    found = {"purpose": JobItem.Purpose.FOUND, "side": "left", "record_id": "7"}
    make_item(job, state=JobItem.State.DONE, **found)
    make_item(job, **found)
    with refused("one_open_find_per_record"):
        make_item(make_job(job.mapping), **found)


def test_schedules() -> None:
    mapping = make_mapping()
    make_queue_entry(mapping)
    make_queue_entry(mapping, scope="sweep")
    with refused("one_schedule_per_scope"):
        make_queue_entry(mapping)
    with refused("interval_at_least_5_s"):
        make_queue_entry(interval_seconds=4)
    assert JobQueueEntry.objects.count() == 2


# -- set-up


def test_mappings_fields_grants_and_the_instance() -> None:
    app = make_connection()
    with refused("integration_two_apps"):
        make_integration(app, app)
    mapping = make_mapping("Customers")
    make_mapping("Customers")
    with refused("mapping_name_once"):
        make_mapping("Customers", integration=mapping.integration)
    with refused("field_mapping_names_a_field"):
        FieldMapping.objects.create(mapping=mapping)
    with refused("constant_is_one_way"):
        make_field(mapping, has_constant=True, constant='"x"')
    group = make_user("Viewer").groups.get()
    make_grant(group, mapping)
    with refused("one_grant_per_group"):
        make_grant(group, mapping)
    assert MappingGrant.objects.count() == 1
    with refused("instance_one_row"):
        Instance.objects.create(id=2, instance_id="second")
    job = make_job(mapping)
    JournalSeal.objects.create(job=job, page=1, digest="x", rows=1, at=timezone.now())
    with refused("one_seal_per_page"):
        JournalSeal.objects.create(job=job, page=1, digest="y", rows=1, at=timezone.now())


# -- indexes


@pytest.mark.parametrize(
    ("table", "index"),
    [
        ("synccore_problem", "problem_tab_since"),
        ("synccore_problem", "problem_due"),
        ("synccore_problem", "problem_blocker"),
        ("synccore_coupling", "coupling_left_key"),
        ("synccore_coupling", "removed_right"),
        ("synccore_journal", "journal_open"),
        ("synccore_synchjob", "job_queued"),
        ("synccore_stat", "stat_counts"),
        ("synccore_synchjoberror", "entry_bucket_time"),
    ],
)
def test_the_indexes_of_the_lists_are_there(table: str, index: str) -> None:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
    assert found[index]["index"]


@pytest.mark.parametrize(
    ("queryset", "index"),
    [
        (lambda: Problem.objects.needs_you().order_by("-since", "-pk"), "problem_tab_since"),
        (lambda: Problem.objects.waiting().order_by("-since", "-pk"), "problem_tab_since"),
        (lambda: Problem.objects.will_retry().order_by("-last_failure", "-pk"), "problem_tab_failed"),
        (lambda: Problem.objects.filter(state="ended").order_by("-ended_at", "-pk"), "problem_ended"),
        (lambda: SynchJob.objects.order_by("-queued_at", "-pk"), "job_by_time"),
    ],
)
def test_a_tab_is_read_in_the_order_of_its_index(queryset, index: str) -> None:
    """Asked of the planner with sorting made dear: the index gives the order, nothing is sorted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
        )
    plan = queryset()[:51].explain()
    assert index in plan and "Sort" not in plan, plan
