"""What a page leaves for later, and the results of the records that were frozen into the job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from synccore.failures import Bug, Failure, Stale
from synccore.models import Coupling, JobItem
from synccore.shapes import Side

from .candidate import Candidate
from .run import Run


def is_open_question(failure: Failure | None) -> bool:
    """The record moved, or no answer came: no failure yet, the next run looks. An error of ours is one, whatever the app
    did: it is shown, and the write is looked up before the next try."""
    if failure is None or isinstance(failure, Bug):
        return False
    return isinstance(failure, Stale) or failure.outcome_unknown


def leave_for_next_run(run: Run, candidates: Sequence[Candidate]) -> None:
    """Records that kept moving, or whose write got no answer, are taken up by the next run: no error, nothing forgotten."""
    left = []
    for candidate in candidates:
        failure = candidate.failure
        if failure is None or candidate.untouched and not failure.outcome_unknown:
            continue
        if is_open_question(failure):
            side = candidate.origin if candidate.id(candidate.origin) else candidate.origin.other
            left.append((candidate.coupling, side, candidate.id(side) or ""))
    find(run, left)


def find(run: Run, found: Sequence[tuple[Coupling | None, Side, str]]) -> int:
    """Leave records for the next run of the mapping; one open item per record. Returns how many were new."""
    items = [
        JobItem(
            job=run.job,
            mapping=run.mapping,
            coupling=coupling if coupling is not None and coupling.pk else None,
            side=side.value,
            record_id=id,
            purpose=JobItem.Purpose.FOUND,
        )
        for coupling, side, id in found
    ]
    return len(JobItem.objects.bulk_create(items, ignore_conflicts=True)) if items else 0


def close_item(candidate: Candidate, state: JobItem.State, note: str = "") -> None:
    if candidate.item is not None:
        candidate.item.state, candidate.item.note = state, note[:200]


def named_note(code: str, named: Mapping[str, Sequence[str | int]]) -> str:
    """``code:{"right": ["phone", 2]}``: side → names of fields, a number for how many more there are."""
    longest = 200  # of the column
    told = {side: list(names) for side, names in named.items()}
    cut = dict.fromkeys(told, 0)
    while True:
        shown = {side: [*names, cut[side]] if cut[side] else names for side, names in told.items()}
        note = f"{code}:{json.dumps(shown, ensure_ascii=False)}"
        if len(note) <= longest:
            return note
        side = max(told, key=lambda each: len(told[each]))
        told[side] = told[side][:-1]
        cut[side] += 1


def store_items(run: Run, candidates: Sequence[Candidate]) -> None:
    collected: list[JobItem] = run.known.pop("collected", [])
    seen: set[Any] = run.known.setdefault("collected_keys", set())
    fresh = []
    for item in collected:
        key = (item.purpose, item.coupling_id, item.side, item.record_id)
        if key not in seen:
            seen.add(key)
            fresh.append(item)
    if fresh:
        JobItem.objects.bulk_create(fresh)
    closed = []
    for candidate in candidates:
        if candidate.item is None or candidate.untouched:
            continue
        failure = candidate.failure
        if is_open_question(failure) and candidate.item.purpose == JobItem.Purpose.FOUND:
            continue  # still open: the next run takes it
        if candidate.outcome in ("failed", "waiting"):
            close_item(
                candidate,
                JobItem.State.FAILED,
                candidate.failure.code if candidate.failure else candidate.note,
            )
        elif candidate.item.state == JobItem.State.OPEN:
            close_item(candidate, JobItem.State.DONE, candidate.note)
        closed.append(candidate.item)
    if closed:
        JobItem.objects.bulk_update(closed, ["state", "note"], batch_size=1000)
