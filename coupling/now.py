"""*The two records now*: every mapped field of a pair, or of the one that is there, beside what was last agreed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from synccore import guides
from synccore.engine.compare import Fate, FieldView
from synccore.engine.compiled import CompiledField, compile_rules
from synccore.failures import Failure, Rejected
from synccore.models.build import rules_of
from synccore.services.comparing import Pair
from synccore.shapes import SIDES, Side
from synccore.tables import app_names

from .compare import Reader, Value, both, troubles


@dataclass(frozen=True, slots=True)
class NowLine:
    """One field: its name, the value of each side, and what the two last agreed on."""

    label: str
    left: Value
    right: Value
    agreed: tuple[tuple[str, Value], ...]


@dataclass(slots=True)
class Now:
    """``differing`` first, ``equal`` folded. ``trouble``: why nothing can be shown; ``notes``: which app did not answer."""

    left: str
    right: str
    live: bool = False
    at: datetime | None = None
    conflict: bool = False
    differing: list[NowLine] = field(default_factory=list)
    equal: list[NowLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trouble: str = ""

    @property
    def kept(self) -> bool:
        """Whether there is anything that Tandem remembers of the pair."""
        return bool(self.differing or self.equal)


def build(pair: Pair, *, see_sensitive: bool) -> Now:
    """What a person may read of both records; ``pair`` as ``kept_pair`` or ``live_pair`` gives it."""
    apps = app_names(pair.coupling.mapping)
    found = Now(apps["left"], apps["right"], live=bool(pair.live), at=pair.kept_at)
    found.notes = troubles(pair, apps)
    if pair.live:
        found.at = next((each.at for each in pair.readings.values() if each.at), None)
    if pair.failure is not None:
        failure = pair.failure
        side = str(failure.params.get("side", ""))
        told = guides.render(failure.code, failure.params, apps=apps, side=side, kind=failure.kind.value)
        found.trouble = told.sentence
        return found
    reader = Reader(pair, see_sensitive)
    if pair.units:
        for unit in pair.units:
            for view in unit.fields:
                line = _line(reader, view)
                (found.equal if unit.fate is Fate.EQUAL else found.differing).append(line)
            found.conflict = found.conflict or unit.fate is Fate.CONFLICT
        return found
    try:
        compiled = compile_rules(rules_of(pair.coupling.mapping))
        views = [_view(pair, each) for each in compiled.fields]
    except Failure as failure:
        found.trouble = guides.render(failure.code, failure.params, apps=apps).sentence
        return found
    found.differing = [_line(reader, view) for view in views if view is not None]
    return found


def _view(pair: Pair, each: CompiledField) -> FieldView | None:
    """A field where one record alone is left, or none is known but by what was agreed."""
    coupling = pair.coupling
    bases = {side: coupling.base(side).get(each.rule.id) for side in SIDES}
    base = {side: known[1] if (known := bases[side]) else None for side in SIDES}
    based = any(bases.values())
    if not pair.live:
        return FieldView(each.rule, base, base, based) if based else None
    now: dict[Side, str | None] = dict.fromkeys(SIDES)
    for side in SIDES:
        record = pair.records.get(side)
        if record is not None and each.name(side):
            try:
                now[side] = each.text(side, record)
            except Rejected:
                now[side] = None  # what happened says which value it is
    return FieldView(each.rule, now, base, based)


def _line(reader: Reader, view: FieldView) -> NowLine:
    values = {side: _value(reader, view, side) for side in SIDES}
    rule = view.rule
    label = next(
        (info.label for side in SIDES if (info := rule.info(side)) is not None and info.label),
        rule.left or rule.right or "",
    )
    agreed = both(reader, view, view.base) if view.based else (("", Value(note=_("not agreed yet"))),)
    return NowLine(label, values[Side.LEFT], values[Side.RIGHT], agreed)


def _value(reader: Reader, view: FieldView, side: Side) -> Value:
    pair: Any = reader.pair
    if pair.coupling.of(side, "id") is None:
        return Value(note=_("not coupled"))
    if view.rule.name(side) is not None and pair.records.get(side) is None:
        return Value(note=_("deleted"))
    if view.unknown:
        return Value(note=_("not kept"))
    return reader.value(view, side, view.now[side])
