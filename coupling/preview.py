"""*Synchronize* of many by one rule: what each rule would write, record by record, from what was kept with the conflicts.

No app is asked: the job reads both records again and decides on what is there then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from synccore.engine.policies import newest
from synccore.engine.rules import FieldRule, MappingRules
from synccore.failures import Kind
from synccore.models import Coupling, Problem
from synccore.models.build import rules_of
from synccore.shapes import SIDES, Record, Side
from synccore.tables import app_names

from .compare import Value, readable

#: So many records are shown; the rule holds for all.
SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One field in conflict: what each app held when the conflict was found."""

    label: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One record. ``newest``: the side saved last, "" where nobody can say; ``note``: why there is nothing to choose."""

    name: str
    left_app: str
    right_app: str
    lines: tuple[PreviewLine, ...] = ()
    newest: str = ""
    note: str = ""


@dataclass(slots=True)
class Preview:
    """The table of the question: the first records, and how many more the rule is for."""

    rows: list[PreviewRow] = field(default_factory=list)
    more: int = 0


def build(couplings: QuerySet[Coupling], count: int, *, see_sensitive: bool) -> Preview:
    """What *use left*, *use right* and *most recently saved* would do with these records; a few queries per mapping."""
    shown = list(
        couplings.order_by("pk").select_related("mapping__integration__left", "mapping__integration__right")[
            :SHOWN
        ]
    )
    problems = {
        problem.coupling_id: problem
        for problem in Problem.objects.not_ended().filter(coupling__in=[each.pk for each in shown])
    }
    rules: dict[int, MappingRules] = {}
    found = Preview(more=max(count - len(shown), 0))
    for coupling in shown:
        if coupling.mapping_id not in rules:
            rules[coupling.mapping_id] = rules_of(coupling.mapping)
        row = _row(coupling, problems.get(coupling.pk), rules[coupling.mapping_id], see_sensitive)
        found.rows.append(row)
    return found


def _row(coupling: Coupling, problem: Problem | None, rules: MappingRules, see_sensitive: bool) -> PreviewRow:
    apps = app_names(coupling.mapping)
    names = (str(coupling), apps["left"], apps["right"])
    if coupling.is_half:
        return PreviewRow(*names, note=_("has no counterpart; it is tried again"))
    if problem is None or problem.kind != Kind.CONFLICT.value:
        return PreviewRow(*names, note=_("no conflict is known; what changed in one app goes to the other"))
    told = [each for each in problem.params.get("fields", ()) if isinstance(each, dict)]
    by_id = {rule.id: rule for rule in rules.fields}
    lines = tuple(_line(each, by_id.get(each["field"]), see_sensitive) for each in told)
    side = newest(rules, *(_stamp(coupling, problem, side) for side in SIDES))
    note = "" if lines else _("the values of this conflict were not kept; open its comparison to see them")
    return PreviewRow(*names, lines, side.value if side is not None else "", note)


def _line(told: dict[str, Any], rule: FieldRule | None, see_sensitive: bool) -> PreviewLine:
    label = str(told.get("left_field") or told.get("right_field") or "")
    values = [_value(told, rule, side, see_sensitive) for side in SIDES]
    return PreviewLine(label, *values)


def _value(told: dict[str, Any], rule: FieldRule | None, side: Side, see_sensitive: bool) -> Value:
    if told.get("sensitive"):
        return Value(note=_("not kept") if see_sensitive else _("hidden"))
    text = told.get(side.value)
    if text is None:
        return Value(note=_("empty"))
    info = rule.info(side) if rule is not None else None
    return Value(readable(text, info))


def _stamp(coupling: Coupling, problem: Problem, side: Side) -> Record:
    """A record that knows only when it was saved."""
    told = problem.params.get(f"{side.value}_modified_at")
    saved = parse_datetime(told) if told else coupling.of(side, "modified_at")
    return Record(str(coupling.of(side, "id")), "", saved, None, "", "", {})
