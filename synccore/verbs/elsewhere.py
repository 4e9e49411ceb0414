"""Mappings that write one table (customers and vendors on accounts) share it out: a record belongs to one of them.

Whose a record is, is told by the pair it is coupled in, else by the conditions of the filter on fields that the mapping
itself fills with a constant ("customertypecode is 3"). A mapping that only reads the table takes whatever it likes.
"""

from __future__ import annotations

from collections.abc import Sequence

from synccore.engine.filters import compile_filter
from synccore.failures import Blocked, Misconfigured
from synccore.models import Coupling, TableMapping
from synccore.shapes import SIDES, Record, Side

from .candidate import Candidate
from .run import Run


def sharing(mapping: TableMapping, side: Side) -> list[int]:
    """The other mappings of these two apps that write the same table of ``side``, if this one writes it too."""
    writes = ("both", f"to_{side.value}")
    if mapping.direction not in writes:
        return []
    table = {f"{side.value}_table": getattr(mapping, f"{side.value}_table")}
    others = TableMapping.objects.filter(integration=mapping.integration_id, direction__in=writes, **table)
    return list(others.exclude(pk=mapping.pk).order_by("pk").values_list("pk", flat=True))


def coupled_elsewhere(mapping: TableMapping, side: Side, ids: Sequence[str]) -> dict[str, Coupling]:
    """Which of these records of ``side`` stand in a pair of another mapping that shares the table. At most two queries."""
    others = sharing(mapping, side) if ids else []
    if not others:
        return {}
    pairs = Coupling.objects.live().paired().filter(mapping__in=others, **{f"{side.value}_id__in": ids})
    found = pairs.select_related("mapping").defer("left_base", "right_base").order_by("-pk")
    return {str(coupling.of(side, "id")): coupling for coupling in found}


def taken(run: Run, candidates: Sequence[Candidate]) -> dict[int, Blocked]:
    """The new records (by their place in the list) that are coupled in another mapping, as the failure that says so."""
    failed: dict[int, Blocked] = {}
    for side in SIDES:
        new = {
            place: record.id
            for place, candidate in enumerate(candidates)
            if candidate.id(side.other) is None and (record := candidate.record(side)) is not None
        }
        if not new or not _shares(run, side):
            continue
        elsewhere = coupled_elsewhere(run.mapping, side, list(new.values()))
        for place, id in new.items():
            if id in elsewhere:
                failed[place] = _failure(elsewhere[id], side)
    return failed


def _failure(coupling: Coupling, side: Side) -> Blocked:
    params = {
        "mapping_name": coupling.mapping.name,
        "side": side.value,
        "record_name": coupling.title(side.other),
        "hopeless": True,
    }
    return Blocked("coupled_elsewhere", params)


def _shares(run: Run, side: Side) -> bool:
    known = run.known.setdefault("shares", {})
    if side not in known:
        known[side] = bool(sharing(run.mapping, side))
    return bool(known[side])


def ours(run: Run, side: Side, records: Sequence[Record]) -> list[Record]:
    """The records of a shared table that this mapping may couple with: in no pair of another mapping, and of its kind."""
    if not records or not _shares(run, side):
        return list(records)
    elsewhere = coupled_elsewhere(run.mapping, side, [record.id for record in records])
    rules = run.rules.rules
    written = {rule.name(side) for rule in rules.fields if rule.has_constant and rule.direction.allows(side)}
    mine = tuple(condition for condition in rules.filter(side) if condition.field in written)
    is_mine = compile_filter(mine or rules.filter(side), rules.infos(side))
    found = []
    for record in records:
        try:
            if record.id not in elsewhere and is_mine(record.fields):
                found.append(record)
        except Misconfigured:  # the filter's own trouble, told by the run
            continue
    return found
