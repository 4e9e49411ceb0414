"""Intentions without an answer are settled before a mapping does anything else (ENGINE §6).

A run may have died between its intention and its page, or an app's answer may have been lost. For each such journal row the
record is looked at: it holds the values → done; it was created under our id → the pair is coupled; else it did not happen.
Whatever came of it, the record is left for deciding anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from synccore.engine.canonical import canon
from synccore.engine.images import canon_fields, holds
from synccore.engine.values import load_values
from synccore.failures import Rejected, Unrecognised
from synccore.models import Coupling, Journal
from synccore.shapes import Record, Side

from . import items, problems, undone
from .elsewhere import ours
from .lookup import read
from .released import release
from .run import Run
from .select import attach_problems, from_couplings

_PAGE = 500


def settle_open(run: Run) -> None:
    """Settle every open intention of the mapping, page by page, each page in one transaction.

    Raises Failure where an app cannot be asked: then the rows stay open and nothing else is done.
    """
    while rows := list(
        Journal.objects.filter(mapping=run.mapping, state__in=(Journal.State.INTENDED, Journal.State.UNKNOWN))
        .select_related("coupling", "job")
        .order_by("id")[:_PAGE]
    ):
        found = {side: read(run, side, _ids(rows, side)) for side in Side}
        candidates = {row.pk: _by_natural_key(run, row, found) for row in rows}
        with run.page() as at:
            left = []
            for row in rows:
                record = candidates[row.pk]
                left.append(_settle(run, row, record, at))
            run.settled.extend(rows)
            items.find(run, [each for each in left if each is not None])
            run.log(
                "intentions_settled", n=len(rows), done=sum(row.state == Journal.State.DONE for row in rows)
            )


def _ids(rows: Sequence[Journal], side: Side) -> list[str]:
    return [row.record_id for row in rows if row.side == side.value and row.record_id]


def _by_natural_key(run: Run, row: Journal, found: dict[Side, dict[str, Record]]) -> Record | None:
    """The record a row is about; a create without an id of ours is looked up by the mapping's natural key."""
    side = Side(row.side)
    if row.record_id:
        return found[side].get(row.record_id)
    rules = run.rules.rules
    rule = next((rule for rule in rules.fields if rule.id == rules.natural_key), None)
    name = rule.name(side) if rule else None
    values = load_values(row.values)
    if row.operation != Journal.Operation.CREATE or name is None or values.get(name) is None:
        return None
    with run.remote(side) as connector:
        hits = connector.find(rules.table(side), name, [values[name]], rules.fields_of(side))
    free = [hit for hit in ours(run, side, hits) if not _is_coupled(run, side, hit.id)]
    return free[0] if len(free) == 1 else None


def _is_coupled(run: Run, side: Side, id: str) -> bool:
    return Coupling.objects.live().paired().filter(mapping=run.mapping, **{f"{side.value}_id": id}).exists()


def _settle(
    run: Run, row: Journal, record: Record | None, at: Any
) -> tuple[Coupling | None, Side, str] | None:
    side = Side(row.side)
    row.settled_at = at
    done = _is_done(run, row, side, record)
    takes_back = undone.settled(run, row, done, record, at)
    if row.operation == Journal.Operation.CREATE and not takes_back:
        return _settle_create(run, row, side, record, at)
    row.state = Journal.State.DONE if done else Journal.State.FAILED
    if done and record is not None:
        row.record_id = record.id
        if not takes_back and row.coupling is not None and row.job.verb not in undone.EDITS:
            _advance(run, row, side, record)
    return (row.coupling, side, row.record_id) if row.record_id else None


def _is_done(run: Run, row: Journal, side: Side, record: Record | None) -> bool:
    """Whether the app carried the write out, by what it holds now."""
    if row.operation != Journal.Operation.UPDATE:
        return (record is None) == (row.operation == Journal.Operation.DELETE)
    meant = _texts(run, row, side)
    return record is not None and meant is not None and holds(record, meant, run.rules.rules.infos(side))


def _texts(run: Run, row: Journal, side: Side) -> dict[str, str | None] | None:
    try:
        return canon_fields(load_values(row.values), run.rules.rules.infos(side))
    except Rejected:
        return None


def _advance(run: Run, row: Journal, side: Side, record: Record) -> None:
    """The write arrived: the base images become what was decided, with the written fields as they are now.

    Only what this write carried advances. Edits made to other fields since then differ from the base and flow.
    """
    coupling = row.coupling
    assert coupling is not None
    infos = run.rules.rules.infos(side)
    written = set(row.values)
    for each in run.rules.fields:
        name, source = each.name(side), each.name(side.other)
        key = str(each.rule.id)
        if name in written and name is not None:
            entry = [each.rule.revision, _canon(record, name, infos)]
            coupling.put(side, "base", {**coupling.of(side, "base"), key: entry})
            decided = row.basis.get(side.other.value)
            if source is not None and decided is not None and key in decided[2]:
                coupling.put(side.other, "base", {**coupling.of(side.other, "base"), key: decided[2][key]})
    coupling.save(update_fields=["left_base", "right_base"])


def _canon(record: Record, name: str, infos: Any) -> str | None:
    try:
        return canon(record.fields.get(name), infos.get(name))
    except Rejected:
        return None


def _settle_create(
    run: Run, row: Journal, side: Side, record: Record | None, at: Any
) -> tuple[Coupling | None, Side, str] | None:
    source = row.basis.get(side.other.value)
    if record is None:
        row.state = Journal.State.FAILED
        if source is None:
            return None
        if not row.record_id and not run.rules.rules.natural_key:
            return _uncertain(run, row, side, source, at)
        return (row.coupling, side.other, source[0])
    row.state, row.record_id = Journal.State.DONE, record.id
    coupling = row.coupling
    if coupling is None and source is not None:
        coupling = (
            Coupling.objects.live()
            .filter(mapping=run.mapping, **{f"{side.other.value}_id": source[0]})
            .first()
        )
    if source is None:
        return (coupling, side, record.id) if coupling else None
    if coupling is None:
        coupling = Coupling(mapping=run.mapping, created_at=timezone.now())
        coupling.put(side.other, "id", source[0])
    elif coupling.of(side, "id") not in (None, record.id) and coupling.of(side, "exists"):
        return (coupling, side, coupling.of(side, "id"))  # paired with another record meanwhile
    coupling.see(side, record)
    # A field that is not as we wrote it was edited since, or the app spells it its own way: nobody can tell, so it has no
    # base, and both values are shown to whoever (or whatever policy) decides.
    infos = run.rules.rules.infos(side)
    meant = _texts(run, row, side) or {}
    bases: dict[Side, dict[str, Any]] = {side: {}, side.other: dict(source[2])}
    for each in run.rules.fields:
        name, key = each.name(side), str(each.rule.id)
        if name is None:
            continue
        stored = _canon(record, name, infos)
        if name in meant and meant[name] != stored:
            bases[side.other].pop(key, None)
        else:
            bases[side][key] = [each.rule.revision, stored]
    for each_side, base in bases.items():
        coupling.put(each_side, "base", base)
    coupling.agreed_at, coupling.agreed_job = at, row.job_id
    coupling.save()
    row.coupling = coupling
    release(run, {each: {coupling.of(each, "id")} for each in coupling.sides()}, at)
    return (coupling, side, record.id)


def _uncertain(
    run: Run, row: Journal, side: Side, source: list[Any], at: Any
) -> tuple[Coupling | None, Side, str] | None:
    """Nothing tells whether the app stored the record: a person looks, before a second one is made."""
    coupling = row.coupling
    if coupling is None:
        coupling = Coupling(mapping=run.mapping)
        coupling.put(side.other, "id", source[0])
        coupling.put(side.other, "key", source[0])
        coupling.save()
        row.coupling = coupling
    candidate = from_couplings([coupling])[0]
    attach_problems([candidate])
    problems.record_failure(
        job=run.job,
        tally=run.tally,
        entries=run.entries,
        mapping=run.mapping,
        coupling=coupling,
        problem=candidate.problem,
        failure=Unrecognised(
            "uncertain_create", {"side": side.value, "table": run.rules.rules.table(side).name}
        ),
        destination=side,
        records={},
        rules=run.rules,
        now=at,
    )
    return None
