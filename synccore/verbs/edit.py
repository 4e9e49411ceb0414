"""Edit a record in an app, as a person typed it on the record's page: option ``side``, ``values`` and ``seen``.

The journal keeps it like every write; nothing is agreed by it: the next run finds it as it finds any change in the app.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from synccore.engine.canonical import canon
from synccore.engine.values import load_values
from synccore.failures import Failure, Rejected, Stale
from synccore.models import Coupling, JobItem, Journal
from synccore.shapes import ALL, Record, Side, Value

from . import items
from .candidate import Candidate, Write
from .chosen import CHANGED_MEANWHILE, allowed
from .page import ROUNDS
from .resume import settle_open
from .run import Run
from .seen import digest
from .synchronise import open_items
from .write import intend, send, settle
from .written import close_written


def edit(run: Run) -> None:
    """Write the values to the one record of the job, if its fields are as the person saw them.

    Raises the Failure with which the app (or its connector) refused the values: the job says it.
    """
    for chosen in open_items(run, JobItem.Purpose.CHOSEN):
        item = chosen[0]
        settle_open(run)
        coupling = item.coupling
        side = Side(run.job.options["side"])
        if close_written(run, [item]):
            return  # to look again would find our own change
        if not allowed(run):
            _close(item, JobItem.State.NOT_APPLICABLE, "right_missing")
            return
        if coupling is None or coupling.of(side, "id") is None:
            _close(item, JobItem.State.NOT_APPLICABLE, "coupling ended")
            return
        _edit(run, item, coupling, side)


def _close(item: JobItem, state: JobItem.State, note: str = "") -> None:
    item.state, item.note = state, note[:200]
    item.save(update_fields=["state", "note"])


def _edit(run: Run, item: JobItem, coupling: Coupling, side: Side) -> None:
    values = load_values(run.job.options["values"])
    writes: list[Write] = []
    failure: Failure | None = None
    note = ""
    for _round in range(ROUNDS + 1):
        record = _read(run, side, str(coupling.of(side, "id")))
        note = _moved(side, record, run.job.options["seen"])
        if record is None or note:
            break
        write = _write(run, item, coupling, side, record, values)
        intend(run, [write])
        writes.append(write)
        send(run, [write])
        failure = write.failure
        if not isinstance(failure, Stale):
            break
    done = bool(writes) and failure is None and not note
    with run.page():
        settle(run, writes)
        if done:
            run.count("modified", side)
            _close(item, JobItem.State.DONE)
        elif note:
            _close(item, JobItem.State.NOT_APPLICABLE, note)
        else:
            run.count("failed", side)
            _close(item, JobItem.State.FAILED, failure.code if failure else "")
    if failure is not None and not note:
        raise failure


def _read(run: Run, side: Side, id: str) -> Record | None:
    with run.remote(side) as connector:
        found = connector.fetch(run.rules.rules.table(side), [id], ALL)
    return next((record for record in found if record.id == id), None)


def _moved(side: Side, record: Record | None, seen: Mapping[str, Any]) -> str:
    """Why nothing is written: the record is gone, or these of its fields are not as they were seen; "" where it may be."""
    if record is None:
        return "gone"
    if record.version == seen["version"]:
        return ""
    moved = [name for name, was in seen["fields"].items() if field_digest(record, name) != was]
    return items.named_note(CHANGED_MEANWHILE, {side.value: moved}) if moved else ""


def field_digest(record: Record, name: str) -> str:
    """What a person saw of one field, so that it can be told whether it is still that."""
    value = record.fields.get(name)
    try:
        return digest(canon(value, None))
    except Rejected:
        return digest(repr(value))


def _write(
    run: Run, item: JobItem, coupling: Coupling, side: Side, record: Record, values: dict[str, Value]
) -> Write:
    candidate = Candidate(origin=side, coupling=coupling, item=item, records={side: record})
    with suppress(Failure):  # a mapped field is gone, or holds what is no value of its type
        candidate.basis = candidate.as_read(run.rules)
    return Write(
        candidate=candidate,
        side=side,
        operation=Journal.Operation.UPDATE,
        record_id=record.id,
        version=record.version,
        fields=values,
        before={name: record.fields.get(name) for name in values},
        overwrites={},
        key=uuid4(),
    )
