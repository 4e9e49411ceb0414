"""The scheduled run of a mapping: what is due, then changes of the left, then of the right, then what was collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from synccore.engine.brakes import creations_stop, deletions_stop
from synccore.engine.rules import Resolution
from synccore.failures import Kind, Misconfigured, Stopped
from synccore.models import Coupling, JobItem, Problem, SynchJob, TableMapping
from synccore.shapes import SIDES, Page, Record, Side

from .candidate import Candidate
from .clocks import keep_measured
from .lookup import complete, read
from .mended import put_right
from .page import WANTED, creations_allowed, living_couplings, process
from .resume import settle_open
from .run import Run
from .select import attach_problems, from_changes, from_couplings, from_items, pass_over, read_uncoupled

_PHASES: Final = ("due", "found", "left", "right", "deletions", "end")


def synchronise(run: Run) -> None:
    """Run one mapping. Scope ``due`` takes retries and finds only; ``full`` reads all records (a sweep follows it);
    ``since`` reads the sides named in the job's options from a date on.

    Raises Failure where the job cannot go on, Interrupted where it is to stop between two pages.
    """
    keep_measured(run)
    if not run.rules.rules.fields:
        raise Misconfigured("mapping_without_fields", {"mapping_name": run.mapping.name})
    settle_open(run)
    checkpoint = run.job.checkpoint or {"phase": "due"}
    phases = [phase for phase in _PHASES if _takes(run, phase)]
    start = phases.index(checkpoint["phase"]) if checkpoint["phase"] in phases else 0
    for phase in phases[start:]:
        resumed = checkpoint if phase == checkpoint["phase"] else {}
        match phase:
            case "due":
                due(run)
            case "found":
                found(run)
            case "left" | "right":
                changes(run, Side(phase), resumed)
            case "deletions":
                collected(run)
    if run.job.scope != SynchJob.Scope.DUE:  # retries alone do not prove that the whole mapping can be read
        succeeded(run)


def _takes(run: Run, phase: str) -> bool:
    if phase in ("left", "right"):
        reads = run.rules.rules.direction.allows(Side(phase).other)
        if run.job.scope == SynchJob.Scope.SINCE and phase not in run.job.options.get("since", {}):
            return False
        return reads and run.job.scope in (
            SynchJob.Scope.CHANGES,
            SynchJob.Scope.FULL,
            SynchJob.Scope.SINCE,
        )
    return True


def succeeded(run: Run) -> None:
    """Everything of this mapping could be reached: what held the whole mapping or its apps is over."""
    with run.page({"phase": "end"}) as at:
        kinds = (Kind.TRANSIENT, Kind.MISCONFIGURED, Kind.BUG, Kind.UNRECOGNISED, Kind.REJECTED)
        put_right(run, at, kinds, asked=run.asked)


# -- retries and finds -------------------------------------------------------------------------------------------------


def due_problems(mapping_id: int, revision: int, now: datetime) -> Any:
    """Problems of records that this run must try: asked for, their time has come, or the mapping's rules moved."""
    return (
        Problem.objects.of_records()
        .open()
        .filter(mapping_id=mapping_id)
        .filter(Q(next_attempt__lte=now) | Q(requested_at__isnull=False) | Q(mapping_revision__lt=revision))
    )


def due(run: Run) -> None:
    """Retries, page by page. A record that fails again moves out of what is due, so the query needs no cursor."""
    at = timezone.now()
    last = 0
    while True:
        run.between_pages()
        chosen = list(
            due_problems(run.mapping.pk, run.mapping.revision, at)
            .filter(pk__gt=last)
            .prefetch_related("coupling")  # joined, all are read while the database knows neither table
            .order_by("pk")[: _page_size(run)]
        )
        if not chosen:
            return
        last = chosen[-1].pk
        couplings = [
            p.coupling for p in chosen if p.coupling and not (p.coupling.ended_at or p.coupling.removed_at)
        ]
        process(run, pass_over(run, from_couplings(couplings)), checkpoint={"phase": "due"})


def found(run: Run) -> None:
    """What sweeps found, and what earlier runs could not finish. Its own new finds are for the next run."""
    newest = JobItem.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    last = 0
    while True:
        run.between_pages()
        chosen = list(
            JobItem.objects.filter(
                mapping=run.mapping,
                purpose=JobItem.Purpose.FOUND,
                state=JobItem.State.OPEN,
                pk__gt=last,
                pk__lte=newest,
            ).order_by("pk")[: _page_size(run)]
        )
        if not chosen:
            return
        last = chosen[-1].pk
        candidates = read_uncoupled(run, from_items(run, chosen))
        process(run, pass_over(run, _read_first(run, candidates)), checkpoint={"phase": "found"})


def _read_first(run: Run, candidates: list[Candidate]) -> list[Candidate]:
    """Both records before the problem is asked: a find is only worth a try if something is not as it failed."""
    complete(run, candidates)
    return candidates


def open_items(run: Run, purpose: JobItem.Purpose) -> Iterator[list[JobItem]]:
    """Open items of the job, page by page; each page is done when the next one is asked for."""
    last = 0
    while page := list(
        run.job.items.filter(purpose=purpose, state=JobItem.State.OPEN, pk__gt=last).order_by("pk")[
            : _page_size(run)
        ]
    ):
        last = page[-1].pk
        yield page


# -- changes -----------------------------------------------------------------------------------------------------------


def changes(run: Run, side: Side, resumed: dict[str, Any]) -> None:
    """One pass over what changed on a side since its watermark; the watermark moves when the pass ends.

    A pass over changes since a date leaves the watermark alone: the date may lie above it, and what lies between the two
    is still to be read.
    """
    rules = run.rules.rules
    full = run.job.scope == SynchJob.Scope.FULL
    since = run.job.scope == SynchJob.Scope.SINCE
    cursor = resumed.get("cursor") or (None if full else run.mapping.watermark(side))
    if since and not resumed.get("cursor"):
        moment = datetime.fromisoformat(run.job.options["since"][side.value])
        with run.remote(side) as connector:
            cursor = connector.cursor_at(rules.table(side), moment)
    phase = side.value
    while True:
        run.between_pages()
        with run.remote(side) as connector:
            page = connector.changes(rules.table(side), rules.fields_of(side), rules.filter(side), cursor)
        records, deleted = _told_once(run, side, page)
        candidates = from_changes(run, side, records)
        candidates += _reported_deleted(run, side, deleted)
        cursor = page.cursor

        def advance(_at: datetime, watermark: Any = page.watermark if page.complete else None) -> None:
            if watermark is not None and not since:
                # Where the rules moved meanwhile, or the app's address, what was read by the old ones is read again.
                same = TableMapping.objects.filter(pk=run.mapping.pk, revision=run.job.mapping_revision)
                same.update(**{f"{side.value}_watermark": watermark})

        after = (
            {"phase": _PHASES[_PHASES.index(phase) + 1]}
            if page.complete
            else {"phase": phase, "cursor": cursor}
        )
        process(run, candidates, checkpoint=after, advance=advance)
        if page.complete:
            return


def _told_once(run: Run, side: Side, page: Page) -> tuple[Sequence[Record], Sequence[str]]:
    """The records of a page, and the ids it reports as deleted. One that is both, in whichever order (deleted and made
    again under its id, or changed and deleted), is what it is now."""
    both = {record.id for record in page.records}.intersection(page.deleted_ids)
    if not both:
        return page.records, page.deleted_ids
    there = read(run, side, sorted(both))
    records = [record for record in page.records if record.id not in both]
    return [*records, *there.values()], [id for id in page.deleted_ids if id not in there]


def _reported_deleted(run: Run, side: Side, ids: Sequence[str]) -> list[Candidate]:
    """Ids the app itself reports as deleted: candidates, confirmed by a fetch like any other."""
    if not ids:
        return []
    coupled = Coupling.objects.live().filter(mapping=run.mapping, **{f"{side.value}_id__in": list(ids)})
    return pass_over(run, _read_first(run, from_couplings(coupled)))


# -- what was collected ------------------------------------------------------------------------------------------------


def collected(run: Run, *, released: bool = False) -> None:
    """Carry out the deletions and late creations that runs of this mapping collected, once their number was judged.

    ``released``: a person allowed them once. Raises Stopped where there are too many; the items stay open.
    """
    run.between_pages()
    waiting = JobItem.objects.filter(mapping=run.mapping, state=JobItem.State.OPEN)
    deletions = waiting.filter(purpose=JobItem.Purpose.DELETION)
    creations = waiting.filter(purpose=JobItem.Purpose.CREATION)
    if not released:
        _brake(run, deletions, creations)
    for purpose in (JobItem.Purpose.DELETION, JobItem.Purpose.CREATION):
        last = 0
        while chosen := list(waiting.filter(purpose=purpose, pk__gt=last).order_by("pk")[: _page_size(run)]):
            last = chosen[-1].pk
            candidates = read_uncoupled(run, from_items(run, chosen))
            attach_problems(candidates)
            for candidate in candidates:
                if candidate.item is not None and candidate.item.note == WANTED:
                    candidate.resolution = Resolution(create=True)
            process(run, candidates, checkpoint={"phase": "deletions"}, carry_out=True)
            run.between_pages()


def _brake(run: Run, deletions: Any, creations: Any) -> None:
    couplings = living_couplings(run)
    # A record may have been collected by more than one run; it counts once.
    n_deletions = deletions.values("coupling").distinct().count()
    n_creations = creations.values("side", "record_id").distinct().count()
    stop = deletions_stop(n_deletions, couplings, brakes=run.brakes)
    found = deletions
    if stop is None and n_creations:
        found = creations
        limit = max(
            (creations_allowed(run, Side(side).other) or 0 for side in _sides_of(creations)), default=0
        )
        stop = creations_stop(run.job.inserted + n_creations, couplings, limit) or Stopped(
            "too_many_creations", {"count": n_creations, "limit": limit, "couplings": couplings}
        )
    if stop is not None:
        stop.params["samples"] = list(found.order_by("pk").values_list("title", flat=True)[:10])
        stop.params["job"] = run.job.pk
        raise stop


def _sides_of(items: Any) -> list[str]:
    return list(items.order_by().values_list("side", flat=True).distinct())


def _page_size(run: Run) -> int:
    return min(run.connector(side).page_size for side in SIDES)
