"""The record page: which records an address means, and what is shown about one pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from synccore import services
from synccore.engine.compare import Fate
from synccore.engine.times import SideTimes, follows
from synccore.engine.why import why
from synccore.models import Coupling, Problem, TableMapping
from synccore.services import situation
from synccore.services.comparing import Pair
from synccore.shapes import SIDES, Side
from synccore.tables import app_names, record_name
from synccore.views.why import sentence, times_follow

from . import now
from .now import Now, NowLine

#: So many pairs of one number are listed.
LISTED = 50


def mappings_named(user: Any, named: str) -> QuerySet[Any]:
    """The mappings an address means, of those the person may see: by id, else by name."""
    seen = TableMapping.objects.visible_to(user).select_related("integration__left", "integration__right")
    if named.isdecimal() and len(named) < 19 and seen.filter(pk=named).exists():
        return seen.filter(pk=named)
    return seen.filter(name__iexact=named)


def pairs_of(user: Any) -> QuerySet[Any]:
    """Pairs and halves a person may see, with all that the page names."""
    return Coupling.objects.visible_to(user).select_related(
        "mapping__integration__left",
        "mapping__integration__right",
        "mapping__integration__paused_by",
        "agreed_by",
        "removed_by",
    )


def hits(user: Any, mappings: QuerySet[Any], key: str) -> list[Coupling]:
    """Pairs in which either record has this id or number; those that synchronize first."""
    named = Coupling.objects.filter(mapping_id__in=[each.pk for each in mappings]).order_by()
    low = {name: Lower(name) for name in ("left_key", "right_key")}
    # Each part has its own index: ids of pairs that synchronize, of those taken apart, and numbers whatever became of them.
    parts = [
        *(named.filter(**{side: key}, removed_at=None, ended_at=None) for side in ("left_id", "right_id")),
        *(named.filter(**{side: key}, removed_at__isnull=False) for side in ("left_id", "right_id")),
        *(named.alias(low=lower).filter(low=key.lower()) for lower in low.values()),
    ]
    keys = {pk for part in parts for pk in part.values_list("pk", flat=True)[:LISTED]}
    found = pairs_of(user).filter(pk__in=keys)
    order = ("ended_at", "removed_at", "mapping__name", "pk")
    return sorted(
        found.order_by(*order)[:LISTED],
        key=lambda each: (each.ended_at is not None, each.removed_at is not None),
    )


def pair_named(user: Any, mappings: QuerySet[Any], wanted: str) -> Coupling | None:
    """The very pair that an address of ours names, whatever its number is by now."""
    if not wanted.isdecimal() or len(wanted) > 18:
        return None
    found: Coupling | None = pairs_of(user).filter(mapping__in=mappings, pk=wanted).first()
    return found


def the_one(found: list[Coupling]) -> Coupling | None:
    """The pair to show: the only one, or the only one that synchronizes."""
    alive = [each for each in found if each.ended_at is None and each.removed_at is None]
    if len(alive) == 1:
        return alive[0]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class End:
    """One side of the pair: the app, the record as people know it, and where it stands in the app's own pages."""

    side: str
    app: str
    title: str
    state: str
    there: bool
    id: str
    url: str
    edit_url: str


@dataclass(frozen=True, slots=True)
class TimesOf:
    app: str
    times: SideTimes


@dataclass(slots=True)
class Shown:
    """What depends on whether the apps were asked: values, times, the one sentence."""

    now: Now
    answer: str
    ok: bool
    times: list[TimesOf]
    follows: list[str]
    zone: str
    #: Lines of values with the mark of a one-way field, "" for others.
    differing: list[tuple[NowLine, str]] = field(default_factory=list)
    equal: list[tuple[NowLine, str]] = field(default_factory=list)
    differs: bool = False
    #: What a decision made on this page is carried out on.
    seen: dict[str, Any] = field(default_factory=dict)


def ends(coupling: Coupling) -> list[End]:
    apps = app_names(coupling.mapping)
    addresses = services.app_addresses(coupling)
    found = []
    for side in SIDES:
        named = record_name(coupling, side, apps[side.value])
        known = coupling.of(side, "id") is not None
        there = known and bool(coupling.of(side, "exists"))
        url = addresses.get(side, "") if there else ""
        found.append(
            End(
                side.value,
                named.app,
                named.title,
                named.state,
                there,
                coupling.of(side, "id") or "",
                url,
                reverse("coupling:edit", args=[coupling.pk, side.value]) if there and not url else "",
            )
        )
    return found


def shown(coupling: Coupling, problem: Problem | None, *, live: bool, see_sensitive: bool) -> Shown:
    """Values, times and the sentence: from memory, or (``live``) from both apps now."""
    pair = services.live_pair(coupling, problem) if live else services.kept_pair(coupling, problem)
    apps = app_names(coupling.mapping)
    is_live = bool(pair.live)
    of_mapping = situation.mapping_now(coupling.mapping)
    edits = one_way_edits(pair) if is_live else {}
    answer = why(situation.of_pair(coupling, problem, mapping=of_mapping, one_way=edits))
    times = situation.times_of(coupling, problem, pair.records if is_live else None)
    values = now.build(pair, see_sensitive=see_sensitive)
    marks = one_way_fields(coupling, apps)
    return Shown(
        now=values,
        answer=sentence(answer, apps),
        ok=answer.ok,
        times=[TimesOf(apps[side.value], times[side]) for side in SIDES],
        follows=times_follow(follows(times, live=is_live), apps, of_mapping.next_run),
        zone=timezone.get_current_timezone_name(),
        differing=[(line, marks.get(line.label, "")) for line in values.differing],
        equal=[(line, marks.get(line.label, "")) for line in values.equal],
        seen=dict(pair.seen),
        differs=is_live and any(unit.fate is not Fate.EQUAL for unit in pair.units),
    )


def one_way_edits(pair: Pair) -> dict[Side, tuple[str, ...]]:
    """Fields edited on a side from which they do not flow, while nothing else of the pair differs."""
    found: dict[Side, list[str]] = {}
    for unit in pair.units:
        if unit.fate is Fate.ONE_WAY and unit.to is not None:
            names = [
                view.rule.name(unit.to) or ""
                for view in unit.fields
                if view.based and view.now[unit.to] != view.base[unit.to]
            ]
            found.setdefault(unit.to, []).extend(name for name in names if name)
    return {side: tuple(names) for side, names in found.items() if names}


def one_way_fields(coupling: Coupling, apps: Mapping[str, str]) -> dict[str, str]:
    """Field (as the table of values names it) → the sentence that says which way it flows."""
    marks = {}
    whole = coupling.mapping.direction
    for each in coupling.mapping.field_mappings.all():
        direction = each.direction if whole == "both" else whole
        if direction == "both":
            continue
        to = Side.RIGHT if direction == "to_right" else Side.LEFT
        label = (each.left_info or {}).get("label") or (each.right_info or {}).get("label")
        name = label or each.left_field or each.right_field
        marks[name] = _("one way, %(from)s → %(to)s") % {
            "from": apps[to.other.value],
            "to": apps[to.value],
        }
    return marks
