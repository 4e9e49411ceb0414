"""*Full synchronization* with a review: what is recommended for each mapping, and the press that starts what was chosen.

A recommendation follows from what is known already: couplings, the records of both sides as last counted, and the last runs.
It contacts nobody; counting anew is a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Case, Count, F, Q, Value, When
from django.utils import timezone

from synccore import jobs
from synccore.engine.rules import Direction
from synccore.models import Coupling, FieldMapping, RecordCount, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.shapes import SIDES, Side
from synccore.tasks import kick_on_commit

from .jobs import NotNow
from .rights import require_on


class What(StrEnum):
    """What a line of a review does with its mapping."""

    FULL = "full"  # all records of both sides, coupled or not
    COUPLE = "couple"  # match-based coupling by the stored criteria


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a mapping that a recommendation depends on.

    ``held``: why it does not run by itself (``jobs.held``). ``counts``: records per side in the filter, None where nobody
    counted since the rules changed. ``full_at``, ``full_revision``: its last full synchronization that ended well.
    """

    direction: Direction
    couplings: int
    held: str = ""
    only_coupled: bool = False
    criteria: bool = False
    revision: int = 1
    counts: Mapping[Side, int] | None = None
    #: Per side the records that are known and have no counterpart: their problem says why, and no run brings one.
    halves: Mapping[Side, int] = field(default_factory=dict)
    counted_at: datetime | None = None
    matched_at: datetime | None = None
    full_at: datetime | None = None
    full_revision: int | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """``what``: the recommended press, None where none is; ``code`` says why in one word, ``params`` with which facts."""

    what: What | None
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_impossible(self) -> bool:
        return self.code == "held"


def advise(facts: Facts) -> Advice:
    """What to do with a mapping, and why. Pure."""
    if facts.held in ("paused", "stopped"):
        return Advice(None, "held", {"reason": facts.held})
    if facts.counts is None and not facts.couplings:
        return Advice(None, "held", {"reason": facts.held}) if facts.held else Advice(None, "not_counted")
    found = _first_time(facts) if not facts.couplings else _coupled(facts)
    if facts.held and found.what is What.FULL:
        return Advice(None, "held", {"reason": facts.held})
    return found


def _first_time(facts: Facts) -> Advice:
    """Nothing is coupled yet."""
    counts = facts.counts or {}
    full = [side for side in SIDES if counts.get(side)]
    if not full:
        return Advice(None, "both_empty")
    if len(full) == 2:
        return Advice(What.COUPLE, "both_hold", {"left": counts[Side.LEFT], "right": counts[Side.RIGHT]})
    params = {"side": full[0].value, "other": full[0].other.value, "n": counts[full[0]]}
    if not facts.direction.allows(full[0].other):
        return Advice(None, "no_flow", params)
    if facts.only_coupled:
        return Advice(None, "only_coupled", params)
    return Advice(What.FULL, "one_empty", params)


def _coupled(facts: Facts) -> Advice:
    alone = {
        side: max(0, n - facts.couplings - facts.halves.get(side, 0))
        for side, n in (facts.counts or {}).items()
    }
    matched = facts.matched_at is not None and (
        facts.counted_at is None or facts.matched_at >= facts.counted_at
    )
    if all(alone.get(side) for side in SIDES) and not matched:
        return Advice(What.COUPLE, "both_uncoupled", {"left": alone[Side.LEFT], "right": alone[Side.RIGHT]})
    if facts.full_at is None:
        return Advice(What.FULL, "never")
    if facts.full_revision is not None and facts.full_revision < facts.revision:
        return Advice(What.FULL, "rules_moved")
    flows = [] if facts.only_coupled else [side for side in SIDES if facts.direction.allows(side.other)]
    new = next((side for side in flows if alone.get(side)), None)
    if new is not None and facts.counted_at is not None and facts.full_at < facts.counted_at:
        return Advice(What.FULL, "uncoupled", {"side": new.value, "n": alone[new]})
    return Advice(None, "in_step")


def facts_of(
    mapping: TableMapping,
    *,
    couplings: int,
    held: str,
    count: RecordCount | None,
    last_full: Mapping[str, Any] | None,
    matched_at: datetime | None,
    criteria: bool,
    halves: Mapping[Side, int] | None = None,
) -> Facts:
    """The facts of one mapping from what its row, its counts and its last jobs say."""
    known = count if count is not None and count.is_whole and count.revision == mapping.revision else None
    finished = last_full["finished"] if last_full else None
    return Facts(
        direction=Direction(mapping.direction),
        couplings=couplings,
        held=held,
        only_coupled=mapping.only_coupled,
        criteria=criteria,
        revision=mapping.revision,
        counts={side: known.of(side) or 0 for side in SIDES} if known else None,
        halves=halves or {},
        counted_at=known.at if known else None,
        matched_at=matched_at,
        full_at=datetime.fromisoformat(finished) if isinstance(finished, str) else finished,
        full_revision=last_full["revision"] if last_full else None,
    )


def halves_of(mappings: Iterable[TableMapping]) -> dict[int, dict[Side, int]]:
    """Per mapping and side how many records are known that have no counterpart; one query."""
    alone = Coupling.objects.live().filter(Q(left_id=None) | Q(right_id=None), mapping__in=list(mappings))
    found: dict[int, dict[Side, int]] = {}
    side = Case(When(right_id=None, then=Value(Side.LEFT.value)), default=Value(Side.RIGHT.value))
    counted = alone.order_by().annotate(side=side).values_list("mapping", "side").annotate(n=Count("pk"))
    for mapping, name, n in counted:
        found.setdefault(mapping, {})[Side(name)] = n
    return found


def pairs_of(mappings: Iterable[TableMapping]) -> dict[int, int]:
    """Per mapping how many pairs are coupled, counted to the end; one query."""
    pairs = Coupling.objects.live().paired().filter(mapping__in=list(mappings)).order_by()
    return dict(pairs.values_list("mapping").annotate(n=Count("pk")))


def counting(mappings: Iterable[TableMapping]) -> set[int]:
    """The mappings whose records are being counted now."""
    waiting = SynchJob.objects.unfinished().filter(verb="count_records", mapping__in=list(mappings))
    return set(waiting.values_list("mapping", flat=True))


def start_count(mappings: Iterable[TableMapping], *, user: Any) -> list[SynchJob]:
    """Count the records of these mappings anew, beside whatever runs. Raises RightMissing."""
    started = []
    for mapping in mappings:
        require_on(user, mapping, "synccore.synchronize", GrantLevel.RESOLVE)
        started.append(
            jobs.enqueue(
                verb="count_records",
                mapping=mapping,
                scope=SynchJob.Scope.SWEEP,
                requested_by=user,
                origin=SynchJob.Origin.PERSON if user else SynchJob.Origin.COMMAND,
                pressed_at=timezone.now(),
            )
        )
    kick_on_commit()
    return started


def needs_of(ordered: Sequence[TableMapping]) -> dict[int, set[int]]:
    """Per mapping those of the others that it refers to and that come before it: they must have ended well first."""
    places = {mapping.pk: place for place, mapping in enumerate(ordered)}
    rows = FieldMapping.objects.filter(mapping__in=places, reference__in=places).exclude(
        mapping=F("reference")
    )
    needs: dict[int, set[int]] = {pk: set() for pk in places}
    for child, parent in rows.values_list("mapping", "reference"):
        if places[parent] < places[child]:
            needs[child].add(parent)
    return needs


__all__ = ["Advice", "Facts", "NotNow", "What", "advise", "counting", "facts_of", "needs_of", "start_count"]
