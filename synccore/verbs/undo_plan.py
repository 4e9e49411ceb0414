"""How one record gets back to where it was before a job wrote it: what is to be written, or why nothing may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from django.db.models import Q

from synccore.engine.canonical import canon
from synccore.engine.values import load_values
from synccore.failures import Failure, Rejected
from synccore.models import Coupling, JobItem, Journal, TableMapping
from synccore.shapes import ALL, SIDES, KeyKind, Record, Side, Value

from . import items
from .candidate import Candidate, Write
from .run import Run

#: Begins the note of an item whose record is not as the job left it: side → fields, as JSON.
CHANGED_SINCE: Final = "changed_since"


@dataclass(slots=True, eq=False)
class Undoing:
    """One record on its way back: the rows that wrote it, oldest first, and what is to be written for them."""

    candidate: Candidate
    rows: list[Journal]
    #: Side → fields that are not as the job left them.
    changed: dict[str, list[str | int]] = field(default_factory=dict)
    #: What an earlier round carried out; another one of the same record was stale and is planned again.
    carried_out: list[Write] = field(default_factory=list)

    @property
    def item(self) -> JobItem:
        assert self.candidate.item is not None
        return self.candidate.item

    @property
    def coupling(self) -> Coupling:
        assert self.candidate.coupling is not None
        return self.candidate.coupling

    @property
    def coupled(self) -> list[Journal]:
        """The rows that say that the job coupled the two."""
        return [row for row in self.rows if row.operation == Journal.Operation.COUPLE]

    @property
    def wrote(self) -> bool:
        """Whether the job wrote to one of the records, besides coupling them."""
        return len(self.coupled) < len(self.rows)

    def rows_on(self, side: Side) -> list[Journal]:
        """The writes to one side's record."""
        return [row for row in self.rows if row.side == side.value and row not in self.coupled]

    def close(self, state: JobItem.State, note: str = "") -> None:
        self.item.state, self.item.note = state, note[:200]

    @property
    def is_open(self) -> bool:
        return self.item.state == JobItem.State.OPEN


# -- what is to be written ---------------------------------------------------------------------------------------------


def read_both(run: Run, todo: Sequence[Undoing]) -> None:
    """Both records of each pair as they are now, whole."""
    for side in SIDES:
        # A record is looked up under the id it was written with, should the pair have another one by now.
        wanted = [
            (each, rows[-1].record_id if (rows := each.rows_on(side)) else each.candidate.id(side))
            for each in todo
        ]
        ids = sorted({id for _each, id in wanted if id})
        if not ids:
            continue
        with run.remote(side) as connector:
            read = {record.id: record for record in connector.fetch(run.rules.rules.table(side), ids, ALL)}
        for each, id in wanted:
            if id:
                each.candidate.records[side] = read.get(id)


def plan(run: Run, each: Undoing) -> list[Write]:
    """The writes that take the record's rows back; none, and the item closed, where something is not as it was left."""
    candidate = each.candidate
    each.changed = {}
    with suppress(Failure):  # a mapped field is gone, or holds what is no value of its type
        candidate.basis = candidate.as_read(run.rules)
    each.carried_out = [write for write in candidate.writes if write.sent and write.failure is None]
    done = {write.side for write in each.carried_out}
    planned = [
        write
        for side in SIDES
        if side not in done and (rows := each.rows_on(side)) and (write := _back(run, each, side, rows))
    ]
    if each.changed:
        each.close(JobItem.State.NOT_APPLICABLE, items.named_note(CHANGED_SINCE, each.changed))
    if not each.is_open:
        planned = []
    candidate.writes = [*each.carried_out, *planned]
    return planned


def _back(run: Run, each: Undoing, side: Side, rows: Sequence[Journal]) -> Write | None:
    """What takes these writes to one record back. None: nothing has to be written, or nothing may (the item says why)."""
    record = each.candidate.record(side)
    first, last = rows[0], rows[-1]
    before: dict[str, Value] = {}
    for row in reversed(rows):
        before.update(load_values(row.before))
    if last.operation == Journal.Operation.DELETE:
        if first.operation == Journal.Operation.CREATE:
            return None
        if record is not None:
            each.close(JobItem.State.NOT_APPLICABLE, "exists_again")
            return None
        if taken(each.coupling, side, last.record_id):
            each.close(JobItem.State.NOT_APPLICABLE, "coupled_since")
            return None
        return _creation(run, each, side, last.record_id, before)
    if record is None:
        each.close(JobItem.State.NOT_APPLICABLE, "gone")
        return None
    if first.operation == Journal.Operation.CREATE:
        if not _as_left(run, each.coupling, side, record, rows):
            each.changed[side.value] = _moved(run, each.coupling, side, record, rows)
            return None
        return _write(each, side, Journal.Operation.DELETE, record, {}, dict(record.fields))
    if moved := _moved(run, each.coupling, side, record, rows):
        each.changed[side.value] = moved
        return None
    back = {name: value for name, value in before.items() if not _same(run, side, name, record, value)}
    if not back:
        return None
    return _write(
        each, side, Journal.Operation.UPDATE, record, back, {name: record.fields.get(name) for name in back}
    )


def _write(
    each: Undoing,
    side: Side,
    operation: Journal.Operation,
    record: Record,
    fields: dict[str, Value],
    before: dict[str, Value],
) -> Write:
    return Write(
        candidate=each.candidate,
        side=side,
        operation=operation,
        record_id=record.id,
        version=record.version,
        fields=fields,
        before=before,
        overwrites={},
        key=uuid4(),
    )


def _creation(run: Run, each: Undoing, side: Side, id: str, before: Mapping[str, Value]) -> Write:
    """The deleted record again: all fields that can be written, under its id where new records may be given one."""
    rules = run.rules.rules
    described = run.known.setdefault("described", {})
    if side not in described:
        with run.remote(side) as connector:
            described[side] = connector.glance([rules.table(side).name])
    info = described[side].get(rules.table(side).name)
    keeps_id = keeps_its_id(run.mapping, side)
    fields = {
        name: value
        for name, value in before.items()
        if (name != rules.id_field(side) or rules.key_kind(side) is KeyKind.NATURAL)
        and (info is None or (name in info.fields and not info.fields[name].read_only))
    }
    return Write(
        candidate=each.candidate,
        side=side,
        operation=Journal.Operation.CREATE,
        record_id=id if keeps_id else None,
        version="",
        fields=fields,
        before={},
        overwrites={},
        key=uuid4(),
    )


def keeps_its_id(mapping: TableMapping, side: Side) -> bool:
    """Whether a record that is created again can get the id it had."""
    return getattr(mapping, f"{side.value}_key_kind") != KeyKind.OPAQUE.value


def taken(coupling: Coupling, side: Side, id: str) -> bool:
    """Whether another pair holds one of the two records by now."""
    others = Coupling.objects.live().filter(mapping=coupling.mapping_id).exclude(pk=coupling.pk)
    other = coupling.of(side.other, "id")
    return others.filter(
        Q(**{f"{side.value}_id": id})
        | Q(**{f"{side.other.value}_id": other, f"{side.other.value}_id__isnull": False})
    ).exists()


# -- is it as the job left it ------------------------------------------------------------------------------------------


def _as_left(run: Run, coupling: Coupling, side: Side, record: Record, rows: Sequence[Journal]) -> bool:
    """Whether nothing at all changed in the record since the last of these writes."""
    last = rows[-1]
    if last.version_after:
        return record.version == last.version_after
    agreed = coupling.agreed_job == last.job_id and record.version == coupling.of(side, "version")
    return agreed and not _moved(run, coupling, side, record, rows)


def _moved(
    run: Run, coupling: Coupling, side: Side, record: Record, rows: Sequence[Journal]
) -> list[str | int]:
    """Fields that hold something else than these writes left there, and those that belong together with a written one:
    an old city beside a new street would be an address that never was."""
    last = rows[-1]
    written: dict[str, Value] = {}
    for row in rows:
        written.update(load_values(row.values))
    if last.version_after and record.version == last.version_after:
        return [name for name in written if name not in record.fields]
    stored = _as_stored(run, coupling, side) if coupling.agreed_job == last.job_id else {}
    moved: list[str | int] = [
        name
        for name, value in written.items()
        if not _same(run, side, name, record, value) and not _holds_text(run, side, name, record, stored)
    ]
    return moved + _neighbours_moved(run, side, record, written, last, stored)


def _neighbours_moved(
    run: Run,
    side: Side,
    record: Record,
    written: Collection[str],
    last: Journal,
    stored: Mapping[str, str | None],
) -> list[str | int]:
    """Fields that share a group with written ones and are neither as the last write met them nor as they were stored. What
    they were is not known where the journal kept no image of the record."""
    _id, _version, met = last.basis.get(side.value, ("", "", {}))
    grouped = [each for each in run.rules.fields if each.rule.group]
    groups = {each.rule.group for each in grouped if each.name(side) in written}
    moved: list[str | int] = []
    for each in grouped:
        name, key = each.name(side), str(each.rule.id)
        if each.rule.group not in groups or name is None or name in written or key not in met:
            continue
        try:
            text = each.text(side, record)
        except Failure:  # it was a value of its type then
            moved.append(name)
            continue
        if text != met[key][1] and not (name in stored and text == stored[name]):
            moved.append(name)
    return moved


def _as_stored(run: Run, coupling: Coupling, side: Side) -> dict[str, str | None]:
    """What the app made of the values at the last agreement: canonical text by field."""
    base = coupling.of(side, "base")
    return {
        name: base[key][1]
        for each in run.rules.fields
        if (name := each.name(side)) is not None and (key := str(each.rule.id)) in base
    }


def _text(run: Run, side: Side, name: str, value: Value) -> str | None:
    infos = run.known.setdefault("infos of fields", {})
    if side not in infos:
        infos[side] = run.rules.rules.infos(side)
    try:
        return canon(value, infos[side].get(name))
    except Rejected:
        return repr(value)


def _same(run: Run, side: Side, name: str, record: Record, value: Value) -> bool:
    if name not in record.fields:
        return False
    return _text(run, side, name, record.fields[name]) == _text(run, side, name, value)


def _holds_text(run: Run, side: Side, name: str, record: Record, stored: Mapping[str, str | None]) -> bool:
    return (
        name in stored
        and name in record.fields
        and _text(run, side, name, record.fields[name]) == stored[name]
    )
