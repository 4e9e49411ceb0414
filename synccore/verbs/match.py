"""Match-based coupling carried out: every record of a look ends with a result (ENGINE §7).

The pairs of a look are coupled page by page, both records read again: a record that was coupled, taken apart or changed in
the meantime is left alone and says so. What matches nothing is made new where that was asked for; the brakes hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from synccore.engine.matching import Matcher
from synccore.engine.rules import Resolution
from synccore.failures import Scope, Stopped
from synccore.models import Coupling, JobItem, MatchChoice, MatchRecord, SynchJob
from synccore.models.bulk import update
from synccore.shapes import SIDES, Side

from . import items, lookup
from .candidate import Candidate
from .chosen import allowed
from .match_items import begun, freeze, give_up
from .match_look import look, matcher_of, setup_of
from .match_pairs import Memory, Pair, note_coupled
from .page import process
from .released import release
from .resume import settle_open
from .run import Cancelled, Run
from .select import attach_problems
from .store import keep_couplings
from .synchronise import collected, open_items


@dataclass(slots=True)
class Terms:
    """How this run couples, frozen when it starts."""

    matcher: Matcher
    look: int
    #: The side that wins where the two differ; None: nobody does.
    prefer: Side | None
    synchronise: bool
    #: Sides whose records without a match are made new on the other one.
    sources: tuple[Side, ...]
    #: A person named the records: their mark "not to be coupled by itself" ends.
    chosen: bool

    @property
    def origin(self) -> Side:
        """The side from which a pair is read."""
        return self.prefer or Side.LEFT


def match_couple(run: Run) -> None:
    """Couple what matches. Options: ``look`` (id of the job whose look a person saw; without it both apps are read first),
    ``after``, ``create`` (sides on which records are made) and ``chosen``, as in :class:`MatchSetup`.

    ``then``: it is the first step of a line, whose full synchronization follows.

    Raises Failure where an app cannot be reached, Stopped where more would be made than the brake allows, or where the
    full synchronization that follows must wait for a decision.
    """
    goes_on = bool(run.job.options.get("then"))
    settle_open(run)
    if not allowed(run) or goes_on and not allowed(run, "synchronise"):
        run.log("right_missing", n=1)
        give_up(run, "right_missing")
        if run.job.is_line:  # who waits for this line must not take it for done
            raise Cancelled
        return
    matcher = matcher_of(run)
    terms = _terms(run, matcher)
    criteria = setup_of(run.mapping).revision
    if run.job.checkpoint.get("phase") != "frozen" or run.job.options.get("criteria") != criteria:
        if terms.look == run.job.pk:
            look(run, matcher)
        elif not _as_seen(run, terms.look, criteria):
            run.log("match_moved")
            give_up(run, "match_moved")
            return
        freeze(run, terms.look, terms.sources)
    # The brake on new records asks what an app held before: the look has met it, coupled or not.
    met = MatchRecord.objects.filter(job=terms.look)
    run.known["holds_records"] = {side: met.filter(side=side.value).exists() for side in SIDES}
    for page in open_items(run, JobItem.Purpose.CHOSEN):
        run.between_pages()
        _page(run, terms, page)
    if run.job.items.filter(purpose=JobItem.Purpose.CREATION, state=JobItem.State.OPEN).exists():
        collected(run)
    if goes_on:
        _go_on(run, terms)


def _go_on(run: Run, terms: Terms) -> None:
    """The line's full synchronization follows. It would make a second one of a record whose match only a person can tell:
    where there are such, it waits for that person. Raises Stopped then, Cancelled where nobody wants it any more."""
    run.renew()
    if run.cancel_requested:
        raise Cancelled
    rules = run.rules.rules
    flows = [] if rules.only_coupled else [side for side in SIDES if rules.direction.allows(side.other)]
    undecided = MatchRecord.objects.filter(
        job=terms.look, subject=True, side__in=flows, outcome__in=MatchRecord.UNDECIDED
    )
    if n := undecided.count():
        raise Stopped("match_undecided", {"count": n}, scope=Scope.RECORD)
    run.goes_on = True


def _terms(run: Run, matcher: Matcher) -> Terms:
    options = run.job.options
    after, create = str(options.get("after", "")), options.get("create", [])
    return Terms(
        matcher=matcher,
        look=int(options.get("look") or run.job.pk),
        prefer=Side(after) if after in list(Side) else None,
        synchronise=bool(after),
        sources=tuple(side for side in SIDES if side.other.value in create),
        chosen=bool(options.get("chosen")),
    )


def _as_seen(run: Run, look: int, criteria: int) -> bool:
    """Whether the rules and criteria are those under which the look was made."""
    seen = SynchJob.objects.filter(pk=look, mapping=run.mapping, verb="match_preview").first()
    return (
        seen is not None
        and seen.mapping_revision == run.mapping.revision
        and seen.options.get("criteria") == criteria
    )


# -- a page ------------------------------------------------------------------------------------------------------------


def _page(run: Run, terms: Terms, page: Sequence[JobItem]) -> None:
    rows = {
        (row.side, row.record_id): row
        for side in SIDES
        for row in MatchRecord.objects.filter(
            job=terms.look, side=side.value, record_id__in=[i.record_id for i in page if i.side == side.value]
        )
    }
    done = begun(run, page)
    known = {item.pk for item, _pair, _how in done}
    pairs: list[Pair] = []
    new: list[JobItem] = []
    for item in page:
        row = rows.get((item.side, item.record_id))
        if item.pk in known:
            continue
        if row is None:
            run.no_longer(item, "match_moved")
        elif row.outcome in MatchRecord.PAIRED:
            ids = {Side.LEFT: row.record_id, Side.RIGHT: row.other_id}
            pairs.append(Pair(item, ids, row.place if row.outcome == MatchRecord.Outcome.ONE else None, {}))
        else:
            new.append(item)
    if done:
        _go_on_with(run, terms, done)
    if pairs:
        _couple(run, terms, pairs)
    for side in SIDES:
        if mine := [item for item in new if item.side == side.value]:
            _create(run, terms, side, mine)


def _go_on_with(run: Run, terms: Terms, done: Sequence[tuple[JobItem, Coupling, str]]) -> None:
    """A worker died after it had coupled these, or made their counterparts: they are still to be brought into step."""
    for note in ("match_coupled", "match_created"):
        candidates = [Candidate(terms.origin, pair, item=item) for item, pair, how in done if how == note]
        if candidates:
            _synchronise(run, candidates, note)
    made = [item for item, _pair, how in done if how == "match_created"]
    ids = {side: {item.record_id for item in made if item.side == side.value} for side in SIDES}
    _remember(run, terms, ids, MatchRecord.Outcome.CREATED)


def _couple(run: Run, terms: Terms, pairs: Sequence[Pair]) -> None:
    _read(run, terms, pairs)
    made: list[tuple[Pair, Coupling]] = []
    with run.page(run.job.checkpoint) as at:
        memory = Memory(run, [pair for pair in pairs if pair.item.state == JobItem.State.OPEN])
        for pair in memory.pairs:
            if why := memory.in_the_way(pair, chosen=terms.chosen):
                pair.close(why)
            else:
                made.append((pair, memory.coupling(pair, terms.prefer, at)))
        new = [coupling for _pair, coupling in made if coupling.pk is None]
        known = {coupling.pk: coupling for _pair, coupling in made if coupling.pk is not None}
        keep_couplings(new, known, at)
        note_coupled(run, made, at)
        for pair, coupling in made:
            pair.item.coupling = coupling
            if not terms.synchronise:
                pair.item.state, pair.item.note = JobItem.State.DONE, "match_coupled"
        _store([pair.item for pair in pairs])
        closed = [pair for pair in pairs if pair.item.state == JobItem.State.NOT_APPLICABLE]
        _left_alone(terms, [(pair.item.note, side, id) for pair in closed for side, id in pair.ids.items()])
        _count(run, terms, pairs, made)
        if not terms.synchronise:  # the next run compares them
            items.find(run, [(coupling, Side.LEFT, coupling.left_id or "") for _pair, coupling in made])
        ids = {side: {pair.ids[side] for pair, _coupling in made} for side in SIDES}
        _remember(run, terms, ids, MatchRecord.Outcome.COUPLED)
        # What waited for one of them goes on, also where the two themselves still differ.
        release(run, ids, at)
    if terms.synchronise and made:
        pairs_made = [
            Candidate(terms.origin, coupling, dict(pair.records), item=pair.item) for pair, coupling in made
        ]
        _synchronise(run, pairs_made)


def _synchronise(run: Run, candidates: Sequence[Candidate], note: str = "match_coupled") -> None:
    """Bring pairs that this run coupled into step; ``note`` says on their items how that came."""
    attach_problems(candidates)
    process(
        run,
        candidates,
        checkpoint=run.job.checkpoint,
        carry_out=True,
        advance=partial(_say, candidates, note),
    )


def _read(run: Run, terms: Terms, pairs: Sequence[Pair]) -> None:
    """Both records of each pair; one that is gone, left the filter or no longer matches closes the pair's item."""
    found = {side: lookup.read(run, side, [pair.ids[side] for pair in pairs]) for side in SIDES}
    wanted: dict[tuple[int, Side], set[str]] = {}
    for side in SIDES:
        for mapping, at, id in terms.matcher.references(side, found[side].values()):
            wanted.setdefault((mapping, at), set()).add(id)
    refs = lookup.coupled(wanted)
    for pair in pairs:
        pair.records = {side: found[side][pair.ids[side]] for side in SIDES if pair.ids[side] in found[side]}
        if len(pair.records) < 2:
            pair.close("gone")
        elif not all(run.rules.inside(side, pair.records[side]) for side in SIDES):
            pair.close("not_in_filter")
        elif pair.place is not None:
            keys = [terms.matcher.keys(side, pair.records[side], refs)[pair.place] for side in SIDES]
            if keys[0] is None or keys[0] != keys[1]:
                pair.close("match_moved")


def _count(run: Run, terms: Terms, pairs: Sequence[Pair], made: Sequence[tuple[Pair, Coupling]]) -> None:
    towards = terms.origin.other
    run.count("coupled", towards, len(made))
    if not terms.synchronise:
        run.count("unchanged", towards, len(made))
    run.count("skipped", towards, len(pairs) - len(made))


def _remember(run: Run, terms: Terms, ids: Mapping[Side, set[str]], outcome: MatchRecord.Outcome) -> None:
    """The look says what became of them, and what people chose for them has been done."""
    for side in SIDES:
        if not ids.get(side):
            continue
        of_side = {"side": side.value, "record_id__in": ids[side]}
        MatchRecord.objects.filter(job=terms.look, **of_side).update(
            state=MatchRecord.State.COUPLED, outcome=outcome
        )
        MatchChoice.objects.filter(mapping=run.mapping, **of_side).delete()


def _left_alone(terms: Terms, closed: Iterable[tuple[str, Side, str]]) -> None:
    """The look says why nothing came of these records: note, side, id."""
    ids: dict[tuple[str, Side], list[str]] = {}
    for note, side, id in closed:
        ids.setdefault((note, side), []).append(id)
    for (note, side), of_side in ids.items():
        rows = MatchRecord.objects.filter(job=terms.look, side=side.value, record_id__in=of_side)
        rows.update(note=note)


def _store(items: Sequence[JobItem]) -> None:
    """Results of items, in one statement."""
    update(
        JobItem,
        ("state", "note", "coupling"),
        [[item.pk, item.state, item.note, item.coupling_id] for item in items],
    )


def _say(candidates: Sequence[Candidate], note: str, _at: datetime) -> None:
    """Items of records that went well say how, and name their pair."""
    done = []
    for candidate in candidates:
        item = candidate.item
        if item is not None and item.state == JobItem.State.DONE:
            item.note, item.coupling = item.note or note, candidate.coupling
            done.append(item)
    _store(done)


# -- records without a match -------------------------------------------------------------------------------------------


def _create(run: Run, terms: Terms, side: Side, page: Sequence[JobItem]) -> None:
    """Make the counterparts of records that match nothing. Those past the brake's limit are held back."""
    ids = [item.record_id for item in page]
    records = lookup.read(run, side, ids)
    known = Coupling.objects.filter(mapping=run.mapping, ended_at=None, **{f"{side.value}_id__in": ids})
    known = known.order_by("pk")
    halves = {each.of(side, "id"): each for each in known if each.removed_at is None and each.is_half}
    gone = {each.of(side, "id"): each for each in known if each.of(side, "id") not in halves}
    candidates, closed = [], []
    for item in page:
        record, found = records.get(item.record_id), gone.get(item.record_id)
        why = ""
        if record is None:
            why = "gone"
        elif found is not None:
            why = "coupled_since" if found.removed_at is None else "" if terms.chosen else "removed"
        elif not run.rules.inside(side, record):
            why = "not_in_filter"
        if why or record is None:
            item.state, item.note = JobItem.State.NOT_APPLICABLE, why
            closed.append(item)
            continue
        candidates.append(
            Candidate(
                origin=side,
                coupling=halves.get(item.record_id),
                records={side: record},
                item=item,
                resolution=Resolution(create=True),
            )
        )
    attach_problems(candidates)
    left_out = [c for c in candidates if c.problem is not None and c.problem.state == "on_purpose"]
    for candidate in left_out:
        items.close_item(candidate, JobItem.State.NOT_APPLICABLE, "on_purpose")
    closed += [c.item for c in left_out if c.item is not None]
    candidates = [c for c in candidates if c not in left_out]
    process(
        run,
        candidates,
        checkpoint=run.job.checkpoint,
        advance=partial(_created, run, terms, side, candidates, closed),
    )


def _created(
    run: Run,
    terms: Terms,
    side: Side,
    candidates: Sequence[Candidate],
    closed: Sequence[JobItem],
    _at: datetime,
) -> None:
    made: set[str] = set()
    for candidate in candidates:
        item = candidate.item
        assert item is not None
        if candidate.outcome == "collected":
            item.state, item.note = JobItem.State.NOT_APPLICABLE, "held_back"
        elif item.state == JobItem.State.DONE:
            item.note = "match_adopted" if candidate.adopted else item.note or "match_created"
            item.coupling = candidate.coupling
            made.add(item.record_id)
        elif candidate.coupling is not None and candidate.coupling.pk:
            item.coupling = candidate.coupling
    changed = [*closed, *(c.item for c in candidates if c.item is not None)]
    _store(changed)
    alone = [item for item in changed if item.state == JobItem.State.NOT_APPLICABLE]
    _left_alone(terms, [(item.note, side, item.record_id) for item in alone])
    run.count("skipped", side.other, len(closed))
    _remember(run, terms, {side: made}, MatchRecord.Outcome.CREATED)
