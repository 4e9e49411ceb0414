"""The only path to a business app (ENGINE §6): intention, write, result.

``intend`` commits one journal row per write before the app hears of any; ``send`` carries them out in batches. The page
transaction of the caller settles them together with the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from synccore.engine.values import dump_values
from synccore.failures import Bug, Failure, Misconfigured, Transient
from synccore.models import Coupling, Journal
from synccore.models.bulk import insert, reserve, values_of
from synccore.shapes import SIDES, CreateItem, DeleteItem, KeyKind, Record, Side, UpdateItem

from .candidate import Write
from .run import Run

COLUMNS = (
    "id", "job", "mapping", "coupling", "side", "operation", "record_id", "version",
    "before", "values", "overwrites", "basis", "key", "state", "at",
)  # fmt: skip

#: A refusal on one record is of the record, unless a whole batch of at least this size meets it.
WHOLE_BATCH = 10


def intend(run: Run, writes: Sequence[Write]) -> None:
    """Store the intentions. One transaction, conditional on the lease; nothing is sent before it is committed."""
    if not writes:
        return
    reserve_ids(run, writes)
    with transaction.atomic():
        run._hold()
        at = timezone.now()
        rows = []
        for pk, write in zip(reserve(Journal, len(writes)), writes, strict=True):
            write.row = Journal(
                id=pk,
                job_id=run.job.pk,
                mapping_id=run.mapping.pk,
                coupling_id=_key(write.candidate.coupling),
                side=write.side.value,
                operation=write.operation,
                record_id=write.record_id or "",
                version=write.version,
                before=dump_values(write.before),
                values=dump_values(write.fields),
                overwrites=write.overwrites,
                basis=write.candidate.basis,
                key=write.key,
                state=Journal.State.INTENDED,
                at=at,
            )
            rows.append(write.row)
        store_rows(rows)
    run.observe("intended")


def store_rows(rows: Sequence[Journal]) -> None:
    """Journal rows that have their id, in one statement."""
    insert(Journal, COLUMNS, map(values_of(Journal, COLUMNS), rows))


def _key(coupling: Coupling | None) -> int | None:
    return None if coupling is None else coupling.pk


def reserve_ids(run: Run, writes: Sequence[Write]) -> None:
    """Choose the ids of new records where the app lets us, so that a create can be repeated without a second record."""
    for side in SIDES:
        new = [
            w
            for w in writes
            if w.side is side and w.operation == Journal.Operation.CREATE and not w.record_id
        ]
        if not new:
            continue
        kind, id_field = run.rules.rules.key_kind(side), run.rules.rules.id_field(side)
        if kind is KeyKind.UUID:
            for write in new:
                write.record_id = str(write.fields.get(id_field or "") or uuid4())
        elif kind is KeyKind.SEQUENCE:
            with run.remote(side) as connector:
                ids = connector.reserve_ids(run.rules.rules.table(side), len(new))
            for write, id in zip(new, ids, strict=True):
                write.record_id = id
        elif kind is KeyKind.NATURAL and id_field:
            for write in new:
                value = write.fields.get(id_field)
                write.record_id = None if value is None else str(value)


def send(run: Run, writes: Sequence[Write]) -> Failure | None:
    """Carry out intended writes, in batches per side and operation; each gets its ``result``.

    Returns the failure that ended the whole thing (connection or table scope), if one did: writes that were not sent then
    have no result. Raises LeaseLost.
    """
    order = {Journal.Operation.DELETE: 2, Journal.Operation.CREATE: 0, Journal.Operation.UPDATE: 1}
    by_batch = sorted(writes, key=lambda write: (write.side.value, order[Journal.Operation(write.operation)]))
    for (side_text, operation), group in groupby(
        by_batch, key=lambda write: (write.side.value, write.operation)
    ):
        side = Side(side_text)
        batch = list(group)
        size = run.connector(side).page_size
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            stopped = _send_batch(run, side, Journal.Operation(operation), part)
            run.observe("sent")
            if stopped is not None:
                return stopped
    return None


def _send_batch(run: Run, side: Side, operation: Journal.Operation, batch: list[Write]) -> Failure | None:
    table, fields = run.rules.rules.table(side), run.rules.rules.fields_of(side)
    results: Sequence[Record | Failure | None]
    for write in batch:
        write.sent = True
    try:
        with run.remote(side) as connector:
            if operation == Journal.Operation.CREATE:
                items = [CreateItem(str(w.key), w.fields, w.record_id) for w in batch]
                results = connector.create(table, items, fields)
            elif operation == Journal.Operation.UPDATE:
                updates = [UpdateItem(w.record_id or "", w.version, w.fields) for w in batch]
                results = connector.update(table, updates, fields)
            else:
                results = connector.delete(table, [DeleteItem(w.record_id or "", w.version) for w in batch])
    except Failure as failure:
        for write in batch:
            write.result = failure
        if failure.stops_the_job or not isinstance(failure, Bug):
            return failure
        _unknown(batch, failure)
        return None
    if len(results) != len(batch):
        # The contract is broken; whatever happened over there is found out by settling the intentions.
        _unknown(
            batch, Bug("bug", {"step": f"{operation} gave {len(results)} results for {len(batch)} items"})
        )
        return None
    for write, result in zip(batch, results, strict=True):
        write.result = result
        if isinstance(result, Failure):
            result.params.setdefault("side", side.value)
    return _broke_off(batch) or _refused_as_a_whole(run, side, batch)


def _broke_off(batch: list[Write]) -> Failure | None:
    """A call that takes several requests may lose its app half-way: what was written counts, the rest is not to blame."""
    for write in batch:
        failure = write.failure
        if isinstance(failure, Transient) and failure.stops_the_job:
            return failure
    return None


def _unknown(batch: list[Write], failure: Failure) -> None:
    """An error of ours around a call: whether the app stored anything is found out by settling."""
    failure.outcome_unknown = True
    for write in batch:
        write.result = failure


def _refused_as_a_whole(run: Run, side: Side, batch: list[Write]) -> Failure | None:
    """A right that is missing for the table stops the mapping; one missing for a record only concerns that record.

    It is the table's when every one of ≥ 10 writes met it, or the table's own check meets it too.
    """
    refusals = [w.failure for w in batch if isinstance(w.failure, Misconfigured)]
    if not refusals:
        return None
    first = refusals[0]
    same = all(refusal.code == first.code for refusal in refusals)
    if same and len(refusals) == len(batch) >= WHOLE_BATCH:
        return first
    try:
        with run.remote(side) as connector:
            connector.check(run.rules.rules.table(side), write=True)
    except Misconfigured as failure:
        if failure.code == first.code:
            return failure
    except Failure as failure:
        return failure
    return None


def settle(run: Run, writes: Iterable[Write]) -> None:
    """Set the journal rows to what came of them; the page stores them, together with the memory."""
    now = timezone.now()
    for write in writes:
        row = write.row
        if row is None:
            continue
        row.state = state_of(write)
        row.settled_at = now
        if isinstance(write.result, Record):
            row.record_id, row.version_after = write.result.id, write.result.version
        row.coupling_id = _key(write.candidate.coupling)
        run.settled.append(row)


def state_of(write: Write) -> Journal.State:
    if not write.sent:
        return Journal.State.FAILED
    failure = write.failure
    if failure is None:
        return Journal.State.DONE
    return Journal.State.UNKNOWN if failure.outcome_unknown else Journal.State.FAILED
