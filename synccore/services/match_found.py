"""What a look found, as lists and pages read it: each record with whom it goes, and what came of it."""

from __future__ import annotations

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, JSONObject

from synccore.models import Coupling, MatchRecord, Problem, SynchJob, TableMapping
from synccore.shapes import Side

from .match import creatable, latest_look, latest_looks

_State = MatchRecord.State


def look_of(mapping: TableMapping) -> SynchJob | None:
    """``latest_look`` with all that a list says of it; one query. Annotated: ``is_coupling``, whether a run is under way,
    and ``run``, the job that carried it out. Its mapping comes with ``match_setup``."""
    runs = SynchJob.objects.filter(mapping=OuterRef("mapping"), verb="match_couple")
    mine = runs.exclude(state=SynchJob.State.CANCELLED).alias(_look=KT("options__look"))
    return (
        latest_looks(mapping)
        .select_related("mapping__match_setup")
        .annotate(
            is_coupling=Exists(runs.unfinished()),
            run=Case(
                When(verb="match_couple", then=F("pk")),
                default=Subquery(
                    mine.filter(_look=Cast(OuterRef("pk"), TextField())).order_by("-pk").values("pk")[:1]
                ),
            ),
        )
        .first()
    )


def records_of(look: SynchJob | None) -> QuerySet[MatchRecord]:
    """The records that a look is about. The caller has scoped the look's mapping to the person."""
    return MatchRecord.objects.filter(job=look.pk if look is not None else 0, subject=True)


def may_double(mapping: TableMapping) -> bool:
    """Whether the last look found records that may be in both apps, and that neither are coupled nor left out since: a run
    of the mapping might create a second one of them. At most three queries."""
    look = None if mapping.only_coupled else latest_look(mapping)
    if look is None:
        return False
    standing = (*MatchRecord.PAIRED, *MatchRecord.UNDECIDED)
    for source in (side.other for side in creatable(mapping)):
        known = Coupling.objects.live().filter(
            mapping=mapping, **{f"{source.value}_id": OuterRef("record_id")}
        )
        left_out = Problem.objects.filter(coupling=OuterRef("pk"), state=Problem.State.ON_PURPOSE)
        settled = known.filter(Q(**{f"{source.other.value}_id__isnull": False}) | Exists(left_out))
        open_ = records_of(look).filter(side=source.value, state=_State.FREE, outcome__in=standing)
        if open_.exclude(Exists(settled)).exists():
            return True
    return False


def told(rows: QuerySet[MatchRecord]) -> QuerySet[MatchRecord]:
    """The same rows, annotated: ``other``, the record it goes with (key, name, values), and ``coupling``, what memory holds
    of it now with its open problem; None where there is nothing."""
    others = MatchRecord.objects.filter(
        job=OuterRef("job"), side=OuterRef("_there"), record_id=OuterRef("other_id")
    )
    there = Case(When(side=Side.LEFT.value, then=Value(Side.RIGHT.value)), default=Value(Side.LEFT.value))
    of_left, of_right = Q(side=Side.LEFT.value), Q(side=Side.RIGHT.value)
    return rows.alias(_there=there).annotate(
        other=Subquery(others.values(said=JSONObject(key="key", name="name", values="values"))[:1]),
        coupling=Case(
            When(of_left & Q(state=_State.REMOVED), then=_coupling(Side.LEFT, removed=True)),
            When(of_right & Q(state=_State.REMOVED), then=_coupling(Side.RIGHT, removed=True)),
            When(of_left, then=_coupling(Side.LEFT, removed=False)),
            default=_coupling(Side.RIGHT, removed=False),
        ),
    )


def _coupling(side: Side, *, removed: bool) -> Subquery:
    """Each of the four is answered by its own index."""
    problem = Problem.objects.filter(coupling=OuterRef("pk")).not_ended()
    found = Coupling.objects.filter(
        mapping=OuterRef("mapping"),
        ended_at=None,
        removed_at__isnull=not removed,
        **{f"{side.value}_id": OuterRef("record_id")},
    )
    names = ("pk", "left_id", "left_key", "left_name", "right_id", "right_key", "right_name")
    said = JSONObject(
        problem=Subquery(problem.values("pk")[:1]),
        problem_state=Subquery(problem.values("state")[:1]),
        **{name: name for name in names},
    )
    return Subquery(found.order_by("-pk").values(said=said)[:1])
