"""Two records that matched, and what the memory knows of them when they are coupled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db.models import Q

from synccore.models import Coupling, JobItem, Journal, Problem
from synccore.models.bulk import reserve
from synccore.shapes import SIDES, Record, Side

from .elsewhere import coupled_elsewhere
from .run import Run
from .write import store_rows


@dataclass(slots=True, eq=False)
class Pair:
    """Two records that are to be coupled. ``records``: as they are now."""

    item: JobItem
    ids: Mapping[Side, str]
    #: The group that decided; None where a person chose.
    place: int | None
    records: dict[Side, Record]
    #: Whether the two had been coupled before and taken apart.
    was_removed: bool = False

    def close(self, note: str) -> None:
        self.item.state, self.item.note = JobItem.State.NOT_APPLICABLE, note


class Memory:
    """What the memory knows of the records of these pairs, read in the transaction that couples them: two queries, and
    two more per table that another mapping shares."""

    def __init__(self, run: Run, pairs: Sequence[Pair]) -> None:
        self.run, self.pairs = run, pairs
        ids = {side: [pair.ids[side] for pair in pairs] for side in SIDES}
        known = Coupling.objects.filter(
            Q(left_id__in=ids[Side.LEFT]) | Q(right_id__in=ids[Side.RIGHT]),
            mapping=run.mapping,
            ended_at=None,
        ).order_by("pk")
        self._elsewhere = {
            (side, id) for side in SIDES for id in coupled_elsewhere(run.mapping, side, ids[side])
        }
        self._known: dict[tuple[Side, str], list[Coupling]] = {}
        for coupling in known:
            for side in coupling.sides():
                self._known.setdefault((side, coupling.of(side, "id")), []).append(coupling)
        self._left_out = set(
            Problem.objects.filter(
                state=Problem.State.ON_PURPOSE, coupling__in=[each.pk for each in known]
            ).values_list("coupling", flat=True)
        )

    def of(self, pair: Pair) -> list[Coupling]:
        found = [each for side in SIDES for each in self._known.get((side, pair.ids[side]), ())]
        return list({each.pk: each for each in found}.values())

    def in_the_way(self, pair: Pair, *, chosen: bool) -> str:
        """Why the two are not coupled, though they matched; "" where nothing is."""
        if any((side, pair.ids[side]) in self._elsewhere for side in SIDES):
            return "coupled_elsewhere"
        for each in self.of(pair):
            if each.removed_at is not None:
                if not chosen:
                    return "removed"
            elif not each.is_half:
                return "coupled_since"
            elif each.pk in self._left_out:
                return "on_purpose"
        return ""

    def coupling(self, pair: Pair, prefer: Side | None, at: datetime) -> Coupling:
        """The pair's coupling, not stored yet: the removed one of the two, a half one completed, else a new one. What else
        there is of a half coupling ends, with its problem."""
        known = self.of(pair)
        removed = [
            each
            for each in known
            if each.removed_at is not None and all(each.of(side, "id") == pair.ids[side] for side in SIDES)
        ]
        halves = [each for each in known if each.removed_at is None]
        coupling = (removed or halves or [Coupling(mapping=self.run.mapping)])[0]
        for each in halves:
            if each is not coupling:
                self._end(each, at)
        pair.was_removed = bool(removed)
        coupling.removed_at = coupling.removed_by = None
        coupling.prefer = prefer.value if prefer else ""
        if (
            prefer is not None
        ):  # that side wins wherever they differ, whatever was agreed before they were taken apart
            coupling.left_base, coupling.right_base = {}, {}
        for side in SIDES:
            coupling.see(side, pair.records[side])
        return coupling

    def _end(self, half: Coupling, at: datetime) -> None:
        self.run.end(Problem.objects.not_ended().filter(coupling=half), Problem.Ending.SUPERSEDED, at)
        half.ended_at = at
        half.save(update_fields=["ended_at"])


def note_coupled(run: Run, made: Sequence[tuple[Pair, Coupling]], at: datetime) -> None:
    """A journal row per coupling: it can be undone."""
    rows = [
        Journal(
            id=pk,
            job_id=run.job.pk,
            mapping_id=run.mapping.pk,
            coupling_id=coupling.pk,
            side=Side.LEFT.value,
            operation=Journal.Operation.COUPLE,
            record_id=coupling.left_id or "",
            before={**{side.value: pair.ids[side] for side in SIDES}, "removed": pair.was_removed},
            version_after="",
            key=uuid4(),
            state=Journal.State.DONE,
            at=at,
            settled_at=at,
        )
        for pk, (pair, coupling) in zip(reserve(Journal, len(made)), made, strict=True)
    ]
    if rows:
        store_rows(rows)
    # Settled with the page, which seals them.
    run.settled += rows
