"""What a run would do: the same selecting, looking up and deciding as a run, and then nothing.

No app is written to and no table changes: what selecting would note down is let go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from synccore.connectors.base import Connector
from synccore.connectors.values import written
from synccore.engine.brakes import deletions_stop
from synccore.engine.rules import StepKind
from synccore.failures import Failure, Misconfigured, Stopped
from synccore.models import JobItem, SynchJob, TableMapping
from synccore.shapes import SIDES, Record, Side

from . import lookup
from .candidate import Candidate
from .page import creations_allowed, decide_all, living_couplings, newly_gone
from .run import Run
from .select import from_changes, from_couplings, from_items, pass_over, read_uncoupled
from .synchronise import due_problems

#: Shown in the place of a sensitive value.
BLANK: Final = "•••"
_PAGE: Final = 200

_COUNTED: Final = {
    StepKind.WRITE: "modified",
    StepKind.CREATE: "inserted",
    StepKind.DELETE: "deleted",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One record and what a run would do about it. ``writes``: side → field → value as text, sensitive ones blanked."""

    title: str
    kind: StepKind
    why: str
    side: Side | None = None
    writes: dict[Side, dict[str, str]] = field(default_factory=dict)
    failure: Failure | None = None


class DryRun(Run):
    """A run without a job's row: it holds no lease and can store nothing."""

    def __init__(
        self,
        mapping: TableMapping,
        *,
        full: bool = False,
        since: Mapping[Side, datetime] | None = None,
        connect: Callable[[TableMapping, Side], Connector] | None = None,
        renew: Callable[[], None] | None = None,
    ) -> None:
        """``since``: where a side is read from instead of its watermark. ``renew``: called before each remote call."""
        scope = SynchJob.Scope.FULL if full else SynchJob.Scope.CHANGES
        job = SynchJob(verb="synchronise", mapping=mapping, scope=scope, mapping_revision=mapping.revision)
        super().__init__(job, connect=connect)
        #: The counters of the job it stands for.
        self.counters: Counter[str] = Counter()
        self._seen: set[Any] = set()
        self._since = dict(since or {})
        self._renew = renew

    def renew(self) -> None:
        if self._renew is not None:
            self._renew()

    def between_pages(self) -> None: ...

    def has_met(self, side: Side, id: str) -> bool:
        return (side, id) in self._seen

    def no_longer(self, item: JobItem, note: str) -> None: ...

    def page(self, checkpoint: Any = None) -> Any:
        raise AssertionError("A dry run stores nothing.")

    def steps(self) -> Iterator[Planned]:
        """What the run would do, record by record: retries and finds first, then what changed left and right.

        Raises Failure where the run could not go on.
        """
        if not self.rules.rules.fields:
            raise Misconfigured("mapping_without_fields", {"mapping_name": self.mapping.name})
        for select in (self._due, self._found, *self._changed()):
            for candidates in select():
                yield from self._decided(candidates)
        for counter in self.counts.values():
            self.counters.update(counter)
        self.counts.clear()

    def stop(self) -> Stopped | None:
        """The brake that would stop the run, once all steps were taken."""
        deleted, created = self.known.get("gone", 0), self.known.get("created", Counter())
        if stop := deletions_stop(deleted, living_couplings(self), brakes=self.brakes):
            return stop
        for side, n in created.items():
            limit = creations_allowed(self, side)
            if limit is not None and n > limit:
                couplings = living_couplings(self)
                return Stopped("too_many_creations", {"count": n, "limit": limit, "couplings": couplings})
        return None

    # -- selecting ---------------------------------------------------------------------------------------------------

    def _due(self) -> Iterator[list[Candidate]]:
        # Not joined: all couplings are read while the database knows neither table.
        found = due_problems(self.mapping.pk, self.mapping.revision, timezone.now()).prefetch_related(
            "coupling"
        )
        for problems in _pages(found):
            couplings = [p.coupling for p in problems if not (p.coupling.ended_at or p.coupling.removed_at)]
            yield pass_over(self, from_couplings(couplings))

    def _found(self) -> Iterator[list[Candidate]]:
        open_ = JobItem.objects.filter(
            mapping=self.mapping, purpose=JobItem.Purpose.FOUND, state=JobItem.State.OPEN
        )
        for items in _pages(open_):
            candidates = read_uncoupled(self, from_items(self, items))
            lookup.complete(self, candidates)
            yield pass_over(self, candidates)

    def _changed(self) -> Iterator[Callable[[], Iterator[list[Candidate]]]]:
        for side in SIDES:
            if self.rules.rules.direction.allows(side.other):
                yield lambda side=side: self._changes(side)  # type: ignore[misc]

    def _changes(self, side: Side) -> Iterator[list[Candidate]]:
        rules = self.rules.rules
        cursor = None if self.job.scope == SynchJob.Scope.FULL else self.mapping.watermark(side)
        while True:
            with self.remote(side) as connector:
                if side in self._since:
                    cursor = connector.cursor_at(rules.table(side), self._since.pop(side))
                page = connector.changes(rules.table(side), rules.fields_of(side), rules.filter(side), cursor)
            yield from_changes(self, side, page.records)
            if page.complete:
                return
            cursor = page.cursor

    # -- deciding ----------------------------------------------------------------------------------------------------

    def _decided(self, candidates: Sequence[Candidate]) -> Iterator[Planned]:
        fresh = [c for c in candidates if _key(c) not in self._seen]
        lookup.complete(self, fresh)
        lookup.adopt(self, fresh)
        decide_all(self, fresh)
        for candidate in fresh:
            self._seen.update(_keys(candidate))
            yield self._planned(candidate)

    def _planned(self, candidate: Candidate) -> Planned:
        step = candidate.step
        assert step is not None
        if newly_gone(candidate) is not None:
            self.known["gone"] = self.known.get("gone", 0) + 1
        if step.kind is StepKind.CREATE and step.side is not None and not step.restores:
            self.known.setdefault("created", Counter())[step.side] += 1
        failure = candidate.failure
        outcome = _COUNTED.get(step.kind, "unchanged")
        if failure is not None:
            outcome = "waiting" if failure.kind.value == "blocked" else "failed"
        self.counters[outcome] += 1
        writes = {
            side: {name: self._shown(side, name, value) for name, value in step.writes.get(side, {}).items()}
            for side in SIDES
            if step.writes.get(side)
        }
        side = step.side or next(iter(step.written_sides()), None)
        return Planned(_title(candidate), step.kind, step.why, side, writes, self._blanked(failure))

    def _shown(self, side: Side, name: str, value: Any) -> str:
        if name in self._sensitive(side):
            return BLANK
        return "" if value is None else written(value)

    def _sensitive(self, side: Side) -> set[str]:
        return {rule.name(side) or "" for rule in self.rules.rules.fields if rule.sensitive}

    def _blanked(self, failure: Failure | None) -> Failure | None:
        named = self._sensitive(Side.LEFT) | self._sensitive(Side.RIGHT)
        if failure is not None and (failure.params.get("sensitive") or failure.params.get("field") in named):
            failure.params = {**failure.params, "value": BLANK}
        return failure


def _pages(found: Any) -> Iterator[list[Any]]:
    last = 0
    while page := list(found.filter(pk__gt=last).order_by("pk")[:_PAGE]):
        last = page[-1].pk
        yield page


def _keys(candidate: Candidate) -> set[Any]:
    ids = {(side, candidate.id(side)) for side in SIDES if candidate.id(side) is not None}
    return ids | {_key(candidate)}


def _key(candidate: Candidate) -> Any:
    return (candidate.origin, candidate.id(candidate.origin))


def _title(candidate: Candidate) -> str:
    if candidate.coupling is not None and candidate.coupling.pk:
        return str(candidate.coupling)
    record = candidate.record(candidate.origin)
    parts = (record.key, record.name) if isinstance(record, Record) else (candidate.id(candidate.origin),)
    return " ".join(part for part in parts if part)
