"""Is everything as people were promised? An opinion of its own: it imports nothing of the engine or the verbs.

It compares the tables of both apps with the memory, the journal, the problems and the counts, and with the history of what
people typed. What it asks, once faults have stopped and everything came to rest:

**Now**
1. Pairs agree: each living, complete coupling without an open problem whose records are in the filter holds equal values in
   every field that flows; a normalising app may spell a value its way.
2. The memory is true: base images and versions of such a pair are what each app holds.
   Fields of a group stand together as a person saw them in one of the apps.
3. Nobody is forgotten: each record of an app is paired, or has an open problem, or carries a mark of a person (removed),
   or a rule leaves it out (filter, direction, only coupled).
4. Nothing exists twice: the birth mark of a record (``no``, copied with it) stands at most once in each app; no two living
   couplings name one record.
   Nothing is deleted that no person deleted in the other app, unless a person decided it.
5. Nothing hangs: no intention without outcome, no job that waits or runs, no find that waits; no problem that only time or
   Tandem was to end; nothing waits for a record that is there.
6. Proofs hold: seals verify; counts of problems and entries are what a recount gives; a job's counters add up, by direction
   too, and do not claim more writes than the journal holds.

**What became of every edit.** A value that a person typed must

a. stand in its field, in either app, on a record with the same birth mark (then rule 1 answers for the other app); where one
   app spells values its own way, a value typed in the other one stands there as it was typed, or
b. have been replaced by a person: typed over, or its record deleted, in an app that showed this very value, or
c. be named where it was lost: a journal row of the side it stood on, whose ``overwrites`` holds it for its field, written by
   somebody's decision (a person's, a policy's, an owner side's, a one-way field's); or a journal row of a deletion whose
   ``before`` holds it, where both apps had held the value before (a deletion in one app carried over) or a person decided on
   the deletion.

``before`` of an update does not count: every write has one. A policy that overwrites an edit is told from a bug by nothing
but ``overwrites``. One exception, as the rules have it (ENGINE §4): where a pair has no base for a field (just coupled, or
the field's rules changed), an empty value says nothing and is filled.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import Count

from synccore.models import (
    Coupling,
    FieldMapping,
    JobItem,
    Journal,
    Problem,
    Stat,
    SynchJob,
    SynchJobError,
    TableMapping,
)
from synccore.models.job import EXTRAS, OUTCOMES
from synccore.models.seals import verify_journal
from synccore.shapes import SIDES, Side

from .arena import KINDS, Arena, Edit, Kind, shout
from .by_hand import is_taken_back

#: Problems that may stand at rest: a person has to do something no button of the test does.
MAY_STAY = ("blocked", "rejected", "unrecognised")


def check(arena: Arena) -> list[str]:
    """Everything that is wrong, in words; [] where all is well."""
    arena.look()
    found: list[str] = []
    for kind in KINDS:
        of = _Mapping(arena, kind)
        found += [f"{kind}: {each}" for each in (*of.pairs(), *of.strangers(), *of.twice())]
    found += [*_hanging(arena), *_proofs(), *_counters(arena)]
    found += [f"lost: {_told(edit)}" for edit in lost(arena)]
    return found


def pairs_agree(arena: Arena) -> list[str]:
    """Only rules 1 and 2, which hold after every run that met no fault and nobody in between."""
    arena.look()
    return [f"{kind}: {each}" for kind in KINDS for each in _Mapping(arena, kind).pairs()]


def canonical(value: Any) -> str | None:
    """A value as the memory writes it down: this test's fields hold texts, ids and numbers only."""
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return str(value)
    return json.dumps(str(value).lower() if not isinstance(value, str) else value, ensure_ascii=False)


class _Mapping:
    def __init__(self, arena: Arena, kind: Kind) -> None:
        self.arena, self.kind = arena, kind
        self.row = TableMapping.objects.get(pk=arena.mappings[kind].pk)
        self.fields = list(FieldMapping.objects.filter(mapping=self.row))
        self.rows = {side: arena.rows(kind, side) for side in SIDES}
        self.live = list(Coupling.objects.live().filter(mapping=self.row))
        self.problems = {p.coupling_id: p for p in Problem.objects.not_ended().filter(mapping=self.row)}

    def flows(self, field: FieldMapping) -> set[Side]:
        """The sides to which a field is written."""
        return {
            side for side in SIDES if _allows(self.row.direction, side) and _allows(field.direction, side)
        }

    def inside(self, side: Side, id: str) -> bool:
        filtered = side is Side.LEFT and bool(self.row.left_filter)
        return not filtered or self.rows[side][id]["closed"] in (None, "")

    # 1, 2
    def pairs(self) -> Iterator[str]:
        for coupling in self.live:
            if coupling.is_half or coupling.pk in self.problems:
                continue
            ids = {Side.LEFT: coupling.left_id, Side.RIGHT: coupling.right_id}
            there = [side for side in SIDES if ids[side] in self.rows[side]]
            if any(not self.inside(side, ids[side]) for side in there):
                continue  # left as it is until it comes back
            name = f"{coupling.left_key} (left {ids[Side.LEFT]}, right {ids[Side.RIGHT]})"
            if len(there) < 2:
                yield f"{name}: {len(there)} of two records exist, and no problem says so"
                continue
            rows = {side: self.rows[side][ids[side]] for side in SIDES}
            for field in self.fields:
                if self.flows(field) and not (
                    self.equal(field, rows) or self.never_said(field, rows) or self.taken_back(field, rows)
                ):
                    yield f"{name}: {field.left_field} is {rows[Side.LEFT][field.left_field]!r} on the left, " \
                          f"{rows[Side.RIGHT][field.right_field]!r} on the right"  # fmt: skip
            for side in SIDES:
                yield from self.memory(coupling, side, rows[side], name)
            if self.kind == "company" and self.arena.setup.grouped:
                yield from self.group(rows[Side.LEFT], name)

    def equal(self, field: FieldMapping, rows: dict[Side, dict[str, Any]]) -> bool:
        left, right = rows[Side.LEFT][field.left_field], rows[Side.RIGHT][field.right_field]
        if field.reference_id is not None:
            return self.same_record(left, right)
        if self.arena.setup.normalises is Side.RIGHT and shout(field.left_field, left) == right:
            return True
        if self.arena.setup.normalises is Side.LEFT and shout(field.left_field, right) == left:
            return True
        return canonical(left) == canonical(right)

    def never_said(self, field: FieldMapping, rows: dict[Side, dict[str, Any]]) -> bool:
        """A one-way field whose source is empty and was never filled: the other app may hold what it was created with."""
        to = self.flows(field)
        if len(to) == 2:
            return False
        side = to.pop().other
        row, name = rows[side], field.left_field
        birth = self.arena.one(str(row["no"]))
        typed = any(
            (e.kind, e.side, self.arena.one(e.birth), e.field, e.replaced)
            == (self.kind, side, birth, name, False)
            for e in self.arena.history
        )
        return row[name] in (None, "") and not typed

    def taken_back(self, field: FieldMapping, rows: dict[Side, dict[str, Any]]) -> bool:
        """A one-way field that a person took back keeps what stands there until its source changes."""
        birth = str(rows[Side.LEFT]["no"])
        return len(self.flows(field)) == 1 and is_taken_back(self.arena, self.kind, birth, field.left_field)

    def group(self, row: dict[str, Any], name: str) -> Iterator[str]:
        birth, address = self.arena.one(str(row["no"])), self.arena.address(row)
        seen = {tuple(each) for mark, *each in self.arena.addresses if self.arena.one(mark) == birth}
        if address not in seen:
            yield f"{name}: nobody ever saw the address {address}"

    def same_record(self, left: Any, right: Any) -> bool:
        """Two references mean one company; what points to a company that is gone says nothing any more."""
        if left is None or right is None:
            return left is None and right is None
        company = _Mapping(self.arena, "company") if self.kind != "company" else self
        ids = {Side.LEFT: str(left), Side.RIGHT: str(right)}
        if any(ids[side] not in company.rows[side] for side in SIDES):
            return True
        paired = {(c.left_id, c.right_id) for c in company.live}
        one_of = {c.left_id for c in company.live} & {ids[Side.LEFT]} | {c.right_id for c in company.live} & {
            ids[Side.RIGHT]
        }
        return (ids[Side.LEFT], ids[Side.RIGHT]) in paired or not one_of

    def memory(self, coupling: Coupling, side: Side, row: dict[str, Any], name: str) -> Iterator[str]:
        id = coupling.of(side, "id")
        version = str(self.arena.memory(self.kind, side).rows[id].version)
        if coupling.of(side, "version") != version:
            yield f"{name}: version {coupling.of(side, 'version')} is remembered on the {side}, it is {version}"
        base = coupling.of(side, "base")
        for field in self.fields:
            column = field.left_field if side is Side.LEFT else field.right_field
            known, text = base.get(str(field.pk)), canonical(row[column])
            # A base taken under earlier rules of the field stands until the pair is touched.
            anew = (
                known is not None
                and known[0] < field.revision
                and (self.kind, field.left_field) in self.arena.voided
            )
            if column and known != [known[0] if known and anew else field.revision, text]:
                yield f"{name}: base of {column} on the {side} is {known}, the app holds {text}"

    # 3
    def strangers(self) -> Iterator[str]:
        removed = Coupling.objects.filter(mapping=self.row, ended_at=None, removed_at__isnull=False)
        for side in SIDES:
            marked = set(removed.values_list(f"{side.value}_id", flat=True))
            known = {c.of(side, "id"): c for c in self.live}
            for id, row in self.rows[side].items():
                coupling = known.get(id)
                if coupling is None:
                    left_out = not _allows(self.row.direction, side.other) or self.row.only_coupled
                    if not (id in marked or left_out or not self.inside(side, id)):
                        yield f"{row['no']} ({side} {id}) is known to nobody"
                elif coupling.is_half and coupling.pk not in self.problems:
                    yield f"{row['no']} ({side} {id}) has no counterpart, and no problem says why"

    # 4
    def twice(self) -> Iterator[str]:
        for side in SIDES:
            births = Counter(self.arena.birth(self.kind, side, id) for id in self.rows[side])
            yield from (f"{birth} exists {n} times on the {side}" for birth, n in births.items() if n > 1)
            ids = Counter(c.of(side, "id") for c in self.live if c.of(side, "id"))
            yield from (f"{id} on the {side} is coupled {n} times" for id, n in ids.items() if n > 1)


def _allows(direction: str, destination: Side) -> bool:
    return direction in ("both", f"to_{destination.value}")


# 5
def _hanging(arena: Arena) -> Iterator[str]:
    mine = {"mapping__integration": arena.integration}
    for row in Journal.objects.filter(**mine, state__in=("intended", "unknown")):
        yield f"journal row {row.pk} is {row.state}"
    for job in SynchJob.objects.filter(**mine, state__in=("queued", "running")):
        yield f"job {job.pk} ({job.verb} {job.scope}) is {job.state}"
    for item in JobItem.objects.filter(**mine, state="open"):
        yield f"item {item.pk} ({item.purpose} {item.side} {item.record_id}) is open in job {item.job_id}"
    for problem in Problem.objects.not_ended().filter(coupling=None):
        yield f"the set-up problem {problem.code} has not ended"
    for problem in Problem.objects.open().filter(**mine, coupling__isnull=False):
        if problem.kind not in MAY_STAY:
            yield f"{problem.name}: {problem.kind} {problem.code} is open, though nothing is wrong any more"
        if problem.coupling and (problem.coupling.ended_at or problem.coupling.removed_at):
            yield f"{problem.name}: {problem.code} is open on a coupling that is over"
        if problem.kind == "rejected":
            yield from _refused(arena, problem)
    yield from waits(arena)
    for row in Journal.objects.filter(**mine, operation="delete", state="done").select_related("job"):
        kind = arena.kind_of(row.mapping_id)
        birth = arena.births.get((kind, Side(row.side), row.record_id), "?")
        by_people = {
            arena.one(mark) for k, side, mark in arena.deleted if (k, side) == (kind, Side(row.side).other)
        }
        if row.job.verb not in ("delete", "undo") and arena.one(birth) not in by_people:
            yield f"{birth} was deleted on the {row.side}, though nobody deleted it in the other app"


def waits(arena: Arena) -> Iterator[str]:
    """Records that wait for another one which is there: somebody forgot to release them."""
    for problem in Problem.objects.open().filter(
        mapping__integration=arena.integration, kind="blocked", state="waiting"
    ):
        blocker = {f"{problem.blocker_side}_id": problem.blocker_record, "mapping": problem.blocker_mapping}
        if problem.blocker_record and Coupling.objects.live().paired().filter(**blocker).exists():
            yield f"{problem.name} waits for {problem.blocker_record}, which is coupled"


def _refused(arena: Arena, problem: Problem) -> Iterator[str]:
    """With every fault gone, all that may be refused for good is a number that the other app gave to another pair."""
    coupling, kind = (
        problem.coupling,
        arena.kind_of(problem.mapping_id),
    )
    assert coupling is not None
    if problem.code != "duplicate_key":
        yield f"{problem.name}: {problem.code} is open, though nothing refuses values any more"
        return
    for side in SIDES:
        row = arena.rows(kind, side).get(coupling.of(side, "id"))
        twins = [id for id, other in arena.rows(kind, side.other).items() if row and other["no"] == row["no"]]
        taken = Coupling.objects.filter(mapping=problem.mapping, ended_at=None).exclude(pk=coupling.pk)
        known = set(taken.values_list(f"{side.other.value}_id", flat=True))
        halves = set(
            taken.live().filter(**{f"{side.value}_id": None}).values_list(f"{side.other.value}_id", flat=True)
        )
        if coupling.is_half and any(id not in known or id in halves for id in twins):
            yield f"{problem.name}: its counterpart is there under the same number, and was not coupled"


# 6
def _proofs() -> Iterator[str]:
    broken = verify_journal().broken
    if broken is not None:
        yield f"seals: {broken}"
    counted: Counter[tuple[Any, ...]] = Counter()
    for bucket, print_, state, of_record, n in Stat.objects.values_list(
        "bucket", "fingerprint", "state", "of_record", "n"
    ):
        counted[bucket, print_, state, of_record] += n
    really: Counter[tuple[Any, ...]] = Counter()
    for bucket, print_, state, coupling in Problem.objects.values_list(
        "bucket", "fingerprint", "state", "coupling"
    ):
        really[bucket, print_, state, coupling is not None] += 1
    for bucket, print_, coupling in SynchJobError.objects.values_list("bucket", "fingerprint", "coupling_id"):
        really[bucket, print_, "entry", coupling is not None] += 1
    for key in counted.keys() | really.keys():
        if counted[key] != really[key]:
            yield f"counts say {counted[key]} of {key}, there are {really[key]}"
    twice = (
        Problem.objects.not_ended()
        .exclude(coupling=None)
        .values("coupling")
        .annotate(n=Count("pk"))
        .filter(n__gt=1)
    )
    yield from (f"coupling {row['coupling']} has {row['n']} open problems" for row in twice)


def _counters(arena: Arena) -> Iterator[str]:
    for job in SynchJob.objects.filter(mapping__integration=arena.integration):
        by_direction: Counter[str] = Counter()
        for counts in job.by_direction.values():
            by_direction.update(counts)
        for name in (*OUTCOMES, *EXTRAS):
            if getattr(job, name) != by_direction[name]:
                yield f"job {job.pk}: {name} is {getattr(job, name)}, its directions add up to {by_direction[name]}"
        if job.is_unfinished:
            continue
        done: dict[str, set[int]] = defaultdict(set)
        for row in Journal.objects.filter(job=job, state="done"):
            done[row.operation].add(row.coupling_id or -row.pk)
        for name, operation in (("inserted", "create"), ("modified", "update"), ("deleted", "delete")):
            if getattr(job, name) > len(done[operation]):
                yield f"job {job.pk}: {name} is {getattr(job, name)}, the journal holds {len(done[operation])}"
        if job.items.filter(purpose="chosen", state="open").exists():
            yield f"job {job.pk} is over, and chosen records of it have no result"


def story(arena: Arena) -> str:
    """Everything that was done, in order, for whoever reads a failure."""
    mine = {"mapping__integration": arena.integration}
    lines = ["edits"]
    lines += [
        f"  {e.n} {e.birth}.{e.field}={e.value!r} {e.side} replaced={e.replaced} met={e.met}"
        for e in arena.history
    ]
    lines += ["jobs"]
    for job in SynchJob.objects.filter(**mine).order_by("pk"):
        counts = {name: getattr(job, name) for name in (*OUTCOMES, *EXTRAS) if getattr(job, name)}
        if counts or job.code or job.scope == "items":
            lines.append(f"  {job.pk} {job.verb} {job.scope} {job.options} {job.state} {job.code} {counts}")
    lines += ["journal"]
    for row in Journal.objects.filter(**mine).order_by("pk"):
        lines.append(
            f"  {row.pk} job {row.job_id} c{row.coupling_id} {row.side} {row.operation} {row.record_id[:8]} {row.state}"
            f" values {row.values} before {row.before} overwrites {row.overwrites}"
        )
    lines += ["couplings"]
    for c in Coupling.objects.filter(**mine).order_by("pk"):
        for side in SIDES:
            lines.append(
                f"  c{c.pk} {side} {c.of(side, 'id')} v{c.of(side, 'version')} exists {c.of(side, 'exists')}"
                f" base {c.of(side, 'base')} ended {c.ended_at is not None} removed {c.removed_at is not None} {c.prefer}"
            )
    lines += [
        f"problem c{p.coupling_id} {p.state} {p.kind} {p.code} {p.ending}"
        for p in Problem.objects.order_by("pk")
    ]
    return "\n".join(lines)


# -- what became of every edit ----------------------------------------------------------------------------------------------


def lost(arena: Arena) -> list[Edit]:
    """Edits that neither stand, nor were replaced by a person, nor are named where they were lost."""
    standing = {cell for side in SIDES for cell in arena._held(side)}
    named = _named(arena)
    found = []
    for edit in arena.history:
        cell = (edit.kind, arena.one(edit.birth), edit.field, edit.value)
        stands = cell in standing and _spelled(arena, edit)
        told = (*cell, True) in named or edit.met and (*cell, False) in named
        fills = edit.value is None and (
            (edit.kind, edit.field) in arena.voided or arena.setup.natural or arena.has_coupled
        )
        if not (edit.replaced or stands or told or fills):
            found.append(edit)
    return found


def _spelled(arena: Arena, edit: Edit) -> bool:
    """Whether a name stands as it was typed, in the app where it was typed, if that app does not spell names its own way."""
    if arena.setup.normalises in (None, edit.side) or edit.field != "name":
        return True
    mine = (
        id
        for id in arena.rows(edit.kind, edit.side)
        if arena.birth(edit.kind, edit.side, id) == arena.one(edit.birth)
    )
    return any((arena.rows(edit.kind, edit.side)[id]["name"] or None) == edit.raw for id in mine)


def _named(arena: Arena) -> set[tuple[Kind, str, str, str | None, bool]]:
    """What the journal names as lost: kind, birth, field, value, and whether it counts for edits that never met, too."""
    found = set()
    for kind in KINDS:
        one_way = {
            f.left_field
            for f in FieldMapping.objects.filter(mapping=arena.mappings[kind])
            if f.direction != "both"
        }
        owned = {f.left_field for f in FieldMapping.objects.filter(mapping=arena.mappings[kind]) if f.owner}
        for row in Journal.objects.filter(mapping=arena.mappings[kind]).select_related("job", "coupling"):
            side, birth = Side(row.side), arena.births.get((kind, Side(row.side), row.record_id))
            if birth is None:
                continue
            by_person = row.job.verb in ("resolve", "couple", "delete") or bool(
                row.coupling and row.coupling.prefer
            )
            by_rule = kind in arena.policy_decides or arena.setup.direction != "both"
            for name, text in row.overwrites.items():
                if by_person or by_rule or name in one_way or name in owned:
                    found.add(
                        (kind, arena.one(birth), name, arena.meaning(kind, side, name, _plain(text)), True)
                    )
            if row.operation == "delete" and row.state == "done":
                decided = row.job.verb in ("delete", "resolve")
                for name, value in row.before.items():
                    found.add(
                        (
                            kind,
                            arena.one(birth),
                            name,
                            arena.meaning(kind, side, name, _untyped(value)),
                            decided,
                        )
                    )
    return found


def _plain(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _untyped(value: Any) -> Any:
    """A value of the journal's typed JSON: ``{"type", "value"}`` for what JSON has no word for."""
    return value["value"] if isinstance(value, dict) else value


def _told(edit: Edit) -> str:
    return f"{edit.birth}.{edit.field} = {edit.value!r}, typed on the {edit.side} (edit {edit.n}, met {edit.met})"
