"""Valid rows for tests, one function per model. Every argument may be given; what is not, is made."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from synccore.engine.serial import dump_info
from synccore.models import (
    Bucket,
    Connection,
    Coupling,
    DeletedEntry,
    FieldMapping,
    Integration,
    JobItem,
    JobQueueEntry,
    Journal,
    MappingGrant,
    Problem,
    SynchJob,
    SynchJobError,
    TableMapping,
)
from synccore.models.scoping import GrantLevel
from synccore.shapes import FieldInfo, FieldType

_numbers = itertools.count(1)

#: A moment for rows whose time does not matter.
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

ADMINISTRATOR, RECORD_OWNER, VIEWER = "Administrator", "Record owner", "Viewer"


def number() -> int:
    """The next number; no two calls of a test run give the same."""
    return next(_numbers)


def make_connection(name: str = "", *, secrets: dict[str, str] | None = None, **values: Any) -> Connection:
    values.setdefault("kind", "memory")
    row = Connection(name=name or f"App {number()}", **values)
    row.set_secrets(secrets or {})
    row.save()
    return row


def make_integration(
    left: Connection | None = None, right: Connection | None = None, **values: Any
) -> Integration:
    values.setdefault("name", f"Integration {number()}")
    return Integration.objects.create(
        left=left or make_connection(f"ERP {number()}"),
        right=right or make_connection(f"CRM {number()}"),
        **values,
    )


def make_mapping(name: str = "", *, integration: Integration | None = None, **values: Any) -> TableMapping:
    """A mapping of ``customer`` with ``account``, without field mappings."""
    values.setdefault("left_table", "customer")
    values.setdefault("right_table", "account")
    return TableMapping.objects.create(
        integration=integration or make_integration(), name=name or f"Mapping {number()}", **values
    )


def make_info(name: str, type: FieldType = FieldType.TEXT, **values: Any) -> FieldInfo:
    return FieldInfo(name, type, **values)


def make_field(mapping: TableMapping, left: str = "name", right: str = "", **values: Any) -> FieldMapping:
    """A field mapping, described as text of up to 100 characters on both sides unless said otherwise."""
    right = right or left
    for side, field in (("left", left), ("right", right)):
        values.setdefault(f"{side}_info", dump_info(make_info(field, length=100)))
    values.setdefault("position", number())
    return FieldMapping.objects.create(mapping=mapping, left_field=left, right_field=right, **values)


def make_coupling(mapping: TableMapping | None = None, **values: Any) -> Coupling:
    """A coupled pair; ``left_id=None`` or ``right_id=None`` makes half of one."""
    n = number()
    for side in ("left", "right"):
        values.setdefault(f"{side}_id", f"{side[0]}{n}")
        if values[f"{side}_id"] is None:
            values.setdefault(f"{side}_exists", False)
            continue
        values.setdefault(f"{side}_key", f"C{n:05}")
        values.setdefault(f"{side}_name", f"Company {n}")
        values.setdefault(f"{side}_version", "1")
    if values["left_id"] and values["right_id"]:
        values.setdefault("agreed_at", timezone.now())
    return Coupling.objects.create(mapping=mapping or make_mapping(), **values)


def make_bucket(mapping: TableMapping | None = None, **values: Any) -> Bucket:
    """The bucket with these values; the same row for the same values."""
    values.setdefault("kind", "rejected")
    values.setdefault("code", "value_too_long")
    row, _ = Bucket.objects.get_or_create(mapping=mapping, **values)
    return row


def make_problem(
    coupling: Coupling | None = None,
    *,
    mapping: TableMapping | None = None,
    connection: Connection | None = None,
    **values: Any,
) -> Problem:
    """A skipped problem of a new coupling, or of the coupling, mapping or connection given."""
    if coupling is None and mapping is None and connection is None:
        coupling = make_coupling()
    mapping = mapping or (coupling.mapping if coupling else None)
    values.setdefault("kind", "rejected")
    values.setdefault("code", "value_too_long")
    values.setdefault("state", Problem.State.SKIPPED)
    values.setdefault("since", timezone.now())
    values.setdefault("last_failure", values["since"])
    values.setdefault("attempts", 1)
    values.setdefault("fingerprint", f"{number():064x}")
    if coupling is not None:
        values.setdefault("name", coupling.left_name or coupling.right_name)
    if values["state"] == Problem.State.ENDED:
        values.setdefault("ending", Problem.Ending.FIXED)
        values.setdefault("ended_at", timezone.now())
    if "bucket" not in values:
        values["bucket"] = make_bucket(
            mapping,
            connection=connection,
            kind=values["kind"],
            code=values["code"],
            destination=values.get("destination", ""),
        )
    return Problem.objects.create(coupling=coupling, mapping=mapping, connection=connection, **values)


def make_entry(problem: Problem | None = None, **values: Any) -> SynchJobError:
    """One failed try of a problem, said as the problem says it. Does not touch the problem."""
    problem = problem or make_problem()
    for name in ("kind", "code", "fingerprint", "params", "app_message", "side", "destination"):
        values.setdefault(name, getattr(problem, name))
    for name in ("mapping", "connection", "bucket"):
        values.setdefault(name, getattr(problem, name))
    values.setdefault("at", timezone.now())
    values.setdefault("problem_id", problem.pk)
    if problem.coupling is not None:
        values.setdefault("coupling_id", problem.coupling_id)
        values.setdefault("left_id", problem.coupling.left_id or "")
        values.setdefault("right_id", problem.coupling.right_id or "")
        values.setdefault("left_title", problem.coupling.left_name)
        values.setdefault("right_title", problem.coupling.right_name)
    return SynchJobError.objects.create(**values)


def make_deleted_entry(problem: Problem | None = None, **values: Any) -> DeletedEntry:
    """An entry that a clean-up took away just now."""
    told = {name: values.pop(name) for name in ("purge", "deleted_at", "deleted_by") if name in values}
    entry = make_entry(problem, **values)
    kept = {field.attname: getattr(entry, field.attname) for field in entry._meta.concrete_fields}
    entry.delete()
    told.setdefault("purge", uuid.uuid4())
    told.setdefault("deleted_at", timezone.now())
    return DeletedEntry.objects.create(**kept, **told)


def make_job(mapping: TableMapping | None = None, **values: Any) -> SynchJob:
    """A finished job; a connection's where one is given instead of a mapping."""
    if mapping is None and "connection" not in values:
        mapping = make_mapping()
    values.setdefault("verb", "synchronize")
    values.setdefault("state", SynchJob.State.FINISHED)
    if values["state"] != SynchJob.State.QUEUED:
        values.setdefault("started_at", timezone.now())
    if values["state"] in (SynchJob.State.FINISHED, SynchJob.State.FAILED, SynchJob.State.CANCELLED):
        values.setdefault("finished_at", timezone.now())
    return SynchJob.objects.create(mapping=mapping, **values)


def make_item(job: SynchJob, coupling: Coupling | None = None, **values: Any) -> JobItem:
    """A chosen record of a job that has a mapping, or that of the coupling."""
    coupling = coupling or make_coupling(job.mapping)
    values.setdefault("purpose", JobItem.Purpose.CHOSEN)
    values.setdefault("title", coupling.left_name)
    return JobItem.objects.create(job=job, coupling=coupling, mapping=coupling.mapping, **values)


def make_queue_entry(mapping: TableMapping | None = None, **values: Any) -> JobQueueEntry:
    values.setdefault("next_run", timezone.now())
    return JobQueueEntry.objects.create(mapping=mapping or make_mapping(), **values)


def make_journal(job: SynchJob | None = None, **values: Any) -> Journal:
    """A settled update of the right side; not sealed."""
    job = job or make_job()
    values.setdefault("mapping", job.mapping)
    if "coupling" not in values:
        values["coupling"] = make_coupling(values["mapping"])
    values.setdefault("side", "right")
    values.setdefault("operation", Journal.Operation.UPDATE)
    values.setdefault("record_id", values["coupling"].right_id if values["coupling"] else "")
    values.setdefault("version", "1")
    values.setdefault("before", {"name": "Old"})
    values.setdefault("values", {"name": "New"})
    values.setdefault("state", Journal.State.DONE)
    values.setdefault("key", uuid.uuid4())
    values.setdefault("at", timezone.now())
    if values["state"] in (Journal.State.DONE, Journal.State.FAILED):
        values.setdefault("settled_at", values["at"])
    return Journal.objects.create(job=job, **values)


def make_user(
    role: str = "",
    *,
    grants: dict[TableMapping, GrantLevel] | None = None,
    username: str = "",
    password: str = "secret",
    **values: Any,
) -> User:
    """A user in the group ``role`` ("" for none), and in one of his own with ``grants``."""
    username = username or f"user{number()}"
    user = User.objects.create_user(username, password=password, **values)
    if role:
        user.groups.add(Group.objects.get(name=role))
    if grants:
        own = Group.objects.create(name=f"Grants of {username}")
        user.groups.add(own)
        for mapping, level in grants.items():
            make_grant(own, mapping, level)
    return user


def make_grant(group: Group, mapping: TableMapping, level: GrantLevel = GrantLevel.VIEW) -> MappingGrant:
    return MappingGrant.objects.create(group=group, mapping=mapping, level=level)


def multiply(row: Model, n: int, **columns: str) -> None:
    """``n`` copies of a row, made by the database, with keys after its own; ``columns``: SQL in which ``i`` counts from 1.
    The row is the last of its table."""
    table, key = row._meta.db_table, row._meta.pk.column
    columns[key] = f"{row.pk} + i"
    names = [field.column for field in row._meta.concrete_fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO {table} ({", ".join(names)})
                SELECT {", ".join(columns.get(name, name) for name in names)}
                FROM {table}, generate_series(1, {n}) AS i WHERE {key} = {row.pk}"""
        )
        cursor.execute(f"SELECT setval(pg_get_serial_sequence(%s, %s), {row.pk + n})", [table, key])
