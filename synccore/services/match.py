"""Match-based coupling as people ask for it: its criteria, a look at what they would couple, choices, and the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from synccore import jobs
from synccore.engine.compiled import compile_rules
from synccore.engine.matching import CASED, Compare, may_compare
from synccore.engine.rules import Direction
from synccore.failures import Failure
from synccore.models import (
    Coupling,
    FieldMapping,
    JobItem,
    MatchCriterion,
    MatchRecord,
    MatchSetup,
    SynchJob,
    TableMapping,
)
from synccore.models.build import rules_of
from synccore.models.scoping import SET_UP, GrantLevel
from synccore.shapes import SIDES, Side
from synccore.tasks import kick_on_commit
from synccore.verbs.match_look import counts_of, setup_of

from .jobs import NotNow
from .mappings import Found, Wrong, add
from .records import may_bulk
from .rights import require, require_on

COUPLE: Final = "synccore.couple"
#: Groups are numbered so far; more alternatives than anybody keeps apart.
MOST_GROUPS: Final = 9
#: A look is carried out for so long; the apps have moved on then.
FRESH: Final = timedelta(days=1)

__all__ = ["counts_of", "setup_of"]


# -- criteria ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CriterionDraft:
    """A criterion as it was typed."""

    field: str
    group: str
    compare: str
    case_sensitive: bool = False


def comparable(mapping: TableMapping) -> list[FieldMapping]:
    """The mapped fields that can be criteria, in their order. None where the mapping's rules cannot be used."""
    try:
        rules = compile_rules(rules_of(mapping))
    except Failure:
        return []
    can = {each.rule.id for each in rules.fields if may_compare(each)}
    return [row for row in mapping.field_mappings.order_by("position", "pk") if row.pk in can]


def creatable(mapping: TableMapping) -> list[Side]:
    """Sides on which the mapping may make records."""
    return [side for side in SIDES if Direction(mapping.direction).allows(side)]


@transaction.atomic
def save_criteria(
    mapping: TableMapping,
    *,
    user: Any,
    drafts: Sequence[CriterionDraft],
    create: Iterable[Side],
    after: str,
    revision: int,
) -> MatchSetup:
    """Replace the criteria of a mapping and what its match-based coupling does besides.

    Raises RightMissing; NotNow ``mapping_moved``, ``mapping_gone``; Wrong, with places like ``c-2-field``.
    """
    require(user, SET_UP)
    row = TableMapping.objects.select_for_update(of=("self",)).filter(pk=mapping.pk).first()
    if row is None:
        raise NotNow("mapping_gone", mapping=mapping.name)
    setup = setup_of(row)
    if setup.revision != revision:
        raise NotNow("mapping_moved", mapping=row.name)
    found: Found = {}
    lines = _lines(row, drafts, found)
    wanted, can = set(create), creatable(row)
    for side in wanted - set(can):
        add(found, f"create_{side.value}", "not_a_choice")
    if after not in MatchSetup.After.values:
        add(found, "after", "not_a_choice")
    if found:
        raise Wrong(found)
    setup.create_left, setup.create_right, setup.after = Side.LEFT in wanted, Side.RIGHT in wanted, after
    setup.revision = revision + 1
    setup.save()
    MatchCriterion.objects.filter(mapping=row).delete()
    MatchCriterion.objects.bulk_create(lines)
    return setup


def _lines(mapping: TableMapping, drafts: Sequence[CriterionDraft], found: Found) -> list[MatchCriterion]:
    can = {str(row.pk): row for row in comparable(mapping)}
    lines: list[MatchCriterion] = []
    seen: set[tuple[str, int]] = set()
    for i, draft in enumerate(drafts):
        at = f"c-{i}"
        group = int(draft.group) if draft.group.isdecimal() and len(draft.group) < 3 else 0
        if draft.field not in can:
            add(found, f"{at}-field", "not_a_choice" if draft.field else "required")
        if not 1 <= group <= MOST_GROUPS:
            add(found, f"{at}-group", "not_a_choice")
        if draft.compare not in MatchCriterion.How.values:
            add(found, f"{at}-compare", "not_a_choice")
        if (draft.field, group) in seen:
            add(found, f"{at}-field", "twice")
        seen.add((draft.field, group))
        if draft.field in can and draft.compare in MatchCriterion.How.values:
            cased = draft.case_sensitive and Compare(draft.compare) in CASED
            lines.append(
                MatchCriterion(
                    mapping=mapping,
                    field=can[draft.field],
                    group=max(group, 1),
                    compare=draft.compare,
                    case_sensitive=cased,
                )
            )
    return lines


# -- looks -------------------------------------------------------------------------------------------------------------


def latest_looks(mapping: TableMapping) -> QuerySet[SynchJob]:
    """The jobs whose look at both apps is kept, the last one first."""
    kept = MatchRecord.objects.filter(job=OuterRef("pk"))
    looks = SynchJob.objects.filter(mapping=mapping, verb__in=("match_preview", "match_couple"))
    ended = looks.exclude(state__in=(SynchJob.State.QUEUED, SynchJob.State.RUNNING))
    return (
        ended.filter(Exists(kept), checkpoint__phase__in=("end", "frozen"))
        .select_related("requested_by")
        .order_by("-pk")
    )


def latest_look(mapping: TableMapping) -> SynchJob | None:
    """The last job whose look at both apps is kept: a preview, or a run that looked itself."""
    return latest_looks(mapping).first()


def looking(mapping: TableMapping) -> SynchJob | None:
    """The job that looks at both apps now, or waits to."""
    return (
        SynchJob.objects.unfinished()
        .filter(mapping=mapping, verb="match_preview")
        .select_related("requested_by")
        .order_by("pk")
        .first()
    )


def coupling_now(mapping: TableMapping) -> SynchJob | None:
    """The match-based coupling that runs now, or waits to."""
    return SynchJob.objects.unfinished().filter(mapping=mapping, verb="match_couple").order_by("pk").first()


def results_of(runs: Iterable[SynchJob]) -> dict[int, int]:
    """Per run how many of its records have a result; one query. A run that has none yet is not in it."""
    chosen = JobItem.objects.filter(job__in=list(runs), purpose=JobItem.Purpose.CHOSEN)
    counted = chosen.exclude(state=JobItem.State.OPEN).order_by().values_list("job")
    return dict(counted.annotate(n=Count("pk")))


def run_of(look: SynchJob) -> SynchJob | None:
    """The last run that carried a look out; the look itself where it was made by a run."""
    if look.verb == "match_couple":
        return look
    runs = SynchJob.objects.filter(mapping=look.mapping_id, verb="match_couple", options__look=look.pk)
    return runs.exclude(state=SynchJob.State.CANCELLED).order_by("-pk").first()


@transaction.atomic
def start_look(mapping: TableMapping, *, user: Any, couplings: QuerySet[Coupling] | None = None) -> SynchJob:
    """Look at both apps by the criteria, and store what a run would couple. It runs on a mapping that is switched off, too.

    ``couplings``: only these records (halves, or pairs that were taken apart). A look that waits or runs is given back, but
    for chosen records. Raises RightMissing; NotNow ``match_no_criteria``, ``match_looking``, ``match_nothing``.
    """
    require_on(user, mapping, COUPLE, GrantLevel.RESOLVE)
    if not mapping.match_criteria.exists():
        raise NotNow("match_no_criteria", mapping=mapping.name)
    if (job := looking(mapping)) is not None:
        if couplings is None:
            return job
        raise NotNow("match_looking", mapping=mapping.name, job=job.pk)
    chosen = _frozen(mapping, couplings) if couplings is not None else []
    if couplings is not None and not chosen:
        raise NotNow("match_nothing", mapping=mapping.name)
    may_bulk(user, len(chosen))
    pressed = timezone.now()
    job = jobs.enqueue(
        verb="match_preview",
        mapping=mapping,
        scope=SynchJob.Scope.FULL,
        requested_by=user,
        origin=SynchJob.Origin.PERSON if user else SynchJob.Origin.COMMAND,
        options={"criteria": setup_of(mapping).revision, "chosen": bool(chosen)},
        pressed_at=pressed,
        total=len(chosen) or None,
    )
    if chosen and job.pressed_at != pressed:  # somebody else's press was quicker: it is about other records
        raise NotNow("match_looking", mapping=mapping.name, job=job.pk)
    for item in chosen:
        item.job = job
    JobItem.objects.bulk_create(chosen)
    kick_on_commit()
    return job


def _frozen(mapping: TableMapping, couplings: QuerySet[Coupling]) -> list[JobItem]:
    """The records of these couplings that could be matched: the one there is of a half, both of a removed pair."""
    rows = Coupling.objects.filter(pk__in=couplings.order_by().values("pk"), mapping=mapping, ended_at=None)
    free = rows.filter(Q(left_id=None) | Q(right_id=None) | Q(removed_at__isnull=False))
    items = {}
    for coupling in free.defer("left_base", "right_base").order_by("pk")[:100_000]:
        for side in coupling.sides():
            id = coupling.of(side, "id")
            items[(side, id)] = JobItem(
                mapping=mapping,
                side=side.value,
                record_id=id,
                title=coupling.title(side),
                purpose=JobItem.Purpose.CHOSEN,
            )
    return list(items.values())


def stale(mapping: TableMapping, look: SynchJob) -> str:
    """Why a look cannot be carried out (any more), as a code of NotNow; "" where it can. At most four queries."""
    if look.verb != "match_preview" or run_of(look) is not None:
        return "match_done"
    if (
        look.mapping_revision != mapping.revision
        or look.options.get("criteria") != setup_of(mapping).revision
    ):
        return "match_rules_moved"
    if look.finished_at is None or look.finished_at < timezone.now() - FRESH:
        return "match_old"
    return "match_couplings_moved" if _touched(mapping, look) else ""


def _touched(mapping: TableMapping, look: SynchJob) -> bool:
    """Whether a record of the look was coupled, or taken apart, since. Asked only where some job can have done that."""
    since = SynchJob.objects.filter(mapping=mapping, finished_at__gte=look.finished_at).exclude(pk=look.pk)
    running = SynchJob.objects.filter(mapping=mapping, state=SynchJob.State.RUNNING)
    moved = Q(coupled__gt=0) | Q(uncoupled__gt=0) | Q(inserted__gt=0) | Q(deleted__gt=0)
    if not since.filter(moved | ~Q(verb="synchronise")).exists() and not running.filter(moved).exists():
        return False
    for side in SIDES:
        live = Coupling.objects.live().paired()
        pair = live.filter(mapping=mapping, **{f"{side.value}_id": OuterRef("record_id")})
        met = MatchRecord.objects.filter(job=look, side=side.value)
        free = met.filter(state=MatchRecord.State.FREE).filter(Exists(pair))
        was = met.filter(state=MatchRecord.State.COUPLED).exclude(Exists(pair))
        if free.exists() or was.exists():
            return True
    return False


# -- the run -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """What carrying out a look would do: pairs coupled, records made per side, records left alone."""

    pairs: int
    creations: Mapping[Side, int]
    left_alone: int


def plan_of(setup: MatchSetup, counts: Mapping[str, Mapping[str, int]]) -> Plan:
    """``counts``: outcome → side → how many (``counts_of``)."""
    one, chosen = counts.get("one", {}), counts.get("chosen", {})
    none = counts.get("none", {})
    creations = {side: none.get(side.other.value, 0) for side in SIDES if setup.creates(side)}
    alone = sum(sum(counts.get(outcome, {}).values()) for outcome in ("several", "taken", "none"))
    pairs = one.get(Side.LEFT.value, 0) + chosen.get(Side.LEFT.value, 0)
    return Plan(pairs, creations, alone - sum(creations.values()))


@transaction.atomic
def start_match(mapping: TableMapping, *, user: Any, look: int) -> SynchJob:
    """Couple what the look of this job found, and do what the criteria say besides.

    Raises RightMissing; NotNow ``match_no_look``, ``match_running``, ``match_nothing``, and the codes of ``stale``.
    """
    require_on(user, mapping, COUPLE, GrantLevel.RESOLVE)
    row = TableMapping.objects.select_for_update(of=("self",)).get(pk=mapping.pk)
    found = latest_look(row)
    if found is None or found.pk != look:
        raise NotNow("match_no_look", mapping=row.name)
    if (busy := coupling_now(row)) is not None:
        raise NotNow("match_running", mapping=row.name, job=busy.pk)
    if code := stale(row, found):
        raise NotNow(code, mapping=row.name)
    setup, counts = setup_of(row), counts_of(found.pk)
    plan = plan_of(setup, counts)
    n = plan.pairs + sum(plan.creations.values())
    if not n:
        raise NotNow("match_nothing", mapping=row.name)
    may_bulk(user, n)
    options = {"look": found.pk, "chosen": bool(found.options.get("chosen"))}
    return _enqueue(row, user, options)


def enqueue_match(
    mapping: TableMapping, *, user: Any, parent: SynchJob | None = None, then_full: bool = False
) -> SynchJob:
    """A run that looks at both apps itself, by the stored criteria. ``then_full``: the full synchronization of the same line
    follows by itself. The caller checked the rights. Raises NotNow ``match_no_criteria``."""
    if not mapping.match_criteria.exists():
        raise NotNow("match_no_criteria", mapping=mapping.name)
    return _enqueue(mapping, user, {"then": SynchJob.Scope.FULL.value} if then_full else {}, parent=parent)


def _enqueue(
    mapping: TableMapping, user: Any, options: dict[str, Any], *, parent: SynchJob | None = None
) -> SynchJob:
    setup = setup_of(mapping)
    job = SynchJob.objects.create(
        verb="match_couple",
        scope=SynchJob.Scope.ITEMS,
        mapping=mapping,
        parent=parent,
        is_line=parent is not None,
        requested_by=user,
        origin=SynchJob.Origin.PERSON if user else SynchJob.Origin.COMMAND,
        options={
            **options,
            "after": setup.after,
            "create": [side.value for side in creatable(mapping) if setup.creates(side)],
            "criteria": setup.revision,
            "manual": True,
        },
        pressed_at=timezone.now(),
    )
    kick_on_commit()
    return job
