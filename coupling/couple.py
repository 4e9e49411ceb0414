"""Two records that are to be coupled, as people read them. Everything the templates show is computed here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore import roles
from synccore.engine.compare import Fate, UnitView, compare
from synccore.engine.compiled import compile_rules
from synccore.engine.rules import Link
from synccore.models import Coupling, TableMapping
from synccore.models.build import rules_of
from synccore.services.comparing import Pair
from synccore.services.matching import Found, Hit, title_of
from synccore.services.parents import Parent
from synccore.shapes import SIDES, Record, Side
from synccore.tables import State, app_names
from synccore.views.sentences import why_silent
from ui.views import Text

from . import compare as comparing

#: The three answers to "which version counts where they differ": a side, or nobody yet.
ASK = "ask"
PREFERS = ("left", "right", ASK)


@dataclass(frozen=True)
class Asked:
    """What the address says: a mapping, the chosen record of each side, and what is searched on each side."""

    mapping: TableMapping | None = None
    ids: Mapping[Side, str] = field(default_factory=dict)
    words: Mapping[Side, str] = field(default_factory=dict)
    job: str = ""

    def params(self) -> dict[str, str]:
        values = {"mapping": str(self.mapping.pk) if self.mapping else ""}
        values |= {side.value: self.ids.get(side, "") for side in SIDES}
        values |= {f"{side.value}_q": self.words.get(side, "") for side in SIDES}
        return {name: value for name, value in (values | {"job": self.job}).items() if value}

    def url(self, name: str = "couple", **more: str) -> str:
        return f"{reverse(f'coupling:{name}')}?{urlencode({**self.params(), **more})}"

    def choose(self, side: Side, id: str) -> Asked:
        """The same with this record chosen (""; none) and its search over."""
        return replace(self, ids={**self.ids, side: id}, words={**self.words, side: ""}, job="")

    @property
    def is_whole(self) -> bool:
        return self.mapping is not None and all(self.ids.get(side) for side in SIDES)


def address(mapping: int, side: str, id: str) -> str:
    """Where one record is coupled by hand."""
    return f"{reverse('coupling:couple')}?{urlencode({'mapping': str(mapping), 'side': side, 'id': id})}"


# -- one side ----------------------------------------------------------------------------------------------------------


class HitRow:
    """A record to choose: what it is called, what memory knows of it, and why it is proposed."""

    def __init__(
        self, title: str, url: str, coupling: Coupling | None, side: Side, hit: Hit | None = None
    ) -> None:
        self.title, self.url = title, url
        self.key = hit.record.id if hit else ""
        self.state = _state(coupling, side)
        self.why = [_why(code) for code in (hit.why if hit else ())]
        self.outside = bool(hit and hit.outside)
        self.is_free = hit.is_free if hit else True


def _state(coupling: Coupling | None, side: Side) -> State:
    if coupling is None:
        return State(_("Free"), "check", "good")
    other = coupling.title(side.other)
    if coupling.removed_at is not None:
        text = _("Its coupling to %(other)s was removed") % {"other": other}
        return State(text, "unlink", "closed", coupling.removed_at)
    if coupling.is_half:
        return State(_("New, without a counterpart"), "hourglass", "waits")
    return State(_("Coupled to %(other)s") % {"other": other}, "link", "closed")


def _why(code: str) -> str:
    words = {
        "as_written": _("holds what Tandem was about to write"),
        "referred": _("the counterpart refers to it"),
        "natural_key": _("same natural key"),
        "same_key": _("same number"),
        "same_name": _("same name"),
        "like_name": _("similar name"),
    }
    return words[code]


class SideView:
    """One column of the page: the chosen record, or a search with what it found."""

    def __init__(self, asked: Asked, side: Side, apps: Mapping[str, str], known: Coupling | None) -> None:
        self.side, self.app, self._apps = side.value, apps[side.value], apps
        self.id, self.words = asked.ids.get(side, ""), asked.words.get(side, "")
        self.known = known
        self.title = (known.title(side) if known else "") or self.id
        self.state = _state(known, side)
        self.field = f"{side.value}_q"
        self.other_app = apps[side.other.value]
        self.has_other = bool(asked.ids.get(side.other))
        self.clear_url = asked.choose(side, "").url()
        self.live_url = asked.url("live_couple", part=side.value)
        self.kept = {name: value for name, value in asked.params().items() if name not in (self.field, "job")}
        #: Whether an app is asked: for what was typed, or for counterparts of the other side's record.
        self.asks = not self.id and bool(self.words or self.has_other)
        self.hits: list[HitRow] | None = None
        self.more = False
        self.trouble = ""
        self.heading: Text = ""

    def name(self, record: Record) -> None:
        """The app told what the chosen record is called now."""
        self.title = title_of(record)

    def take(self, found: Found, asked: Asked) -> None:
        side = Side(self.side)
        self.hits = [
            HitRow(hit.title, asked.choose(side, hit.record.id).url(), hit.coupling, side, hit)
            for hit in found.hits
        ]
        self.more = found.more
        self.trouble = why_silent(found.trouble, found.failure, self._apps, side)
        if self.words:
            self.heading = _("Found in %(app)s") % {"app": self.app}
        else:
            self.heading = _("Likely counterparts in %(app)s") % {"app": self.app}

    def remember(self, halves: Iterable[Coupling], asked: Asked) -> None:
        """What memory knows without asking: new records of this side that have no counterpart."""
        side = Side(self.side)
        self.hits = [
            HitRow(each.title(side), asked.choose(side, each.of(side, "id")).url(), each, side)
            for each in halves
        ]
        self.heading = _("New in %(app)s, without a counterpart") % {"app": self.app} if self.hits else ""


# -- both --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Will:
    """What a field holds in both apps after the press, under one answer: values, or why there are none."""

    prefer: str
    values: tuple[tuple[str, comparing.Value], ...] = ()
    sentence: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Line:
    line: comparing.Line
    will: tuple[Will, ...]
    #: side → the answers under which its value is replaced.
    lost: Mapping[str, str]


@dataclass(frozen=True)
class Unit:
    label: str
    group: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Answer:
    """One answer to "which version counts", with what it writes."""

    prefer: str
    label: str
    sentence: str


@dataclass(frozen=True)
class Preview:
    heads: Sequence[comparing.Head]
    units: list[Unit]
    equal: list[comparing.Row]
    answers: list[Answer]
    troubles: list[str]

    @property
    def equal_fields(self) -> int:
        return sum(len(row.lines) for row in self.equal)

    @property
    def differ(self) -> int:
        return sum(len(unit.lines) for unit in self.units)


def preview(pair: Pair, *, see_sensitive: bool) -> Preview:
    """The two records field by field, and what each answer would write."""
    by_answer = {prefer: _units(pair, prefer) for prefer in PREFERS}
    shown = {
        prefer: comparing.build(replace_units(pair, units), see_sensitive=see_sensitive, choices={})
        for prefer, units in by_answer.items()
    }
    first = shown[ASK]
    rows = {prefer: {row.name: row for row in [*each.rows, *each.equal]} for prefer, each in shown.items()}
    units = [_unit(row, {prefer: rows[prefer][row.name] for prefer in PREFERS}) for row in first.rows]
    apps = app_names(pair.coupling.mapping)
    is_open = any(row.fate in (Fate.CONFLICT.value, Fate.SETTLED.value) for row in first.rows)
    answers = [_answer(prefer, by_answer[prefer], apps) for prefer in (PREFERS if is_open else (ASK,))]
    return Preview(first.heads, units, first.equal, answers, first.troubles)


def replace_units(pair: Pair, units: list[UnitView]) -> Pair:
    return replace(pair, units=units)


def _units(pair: Pair, prefer: str) -> list[UnitView]:
    left, right = pair.records.get(Side.LEFT), pair.records.get(Side.RIGHT)
    if left is None or right is None or pair.failure is not None:
        return []
    if prefer == ASK:
        return pair.units
    link = Link(
        left_id=left.id, right_id=right.id, prefer=Side(prefer)
    )  # whatever was agreed before is not asked
    compiled = compile_rules(rules_of(pair.coupling.mapping))
    return compare(compiled, link, left, right, pair.refs)


def _unit(row: comparing.Row, by_answer: Mapping[str, comparing.Row]) -> Unit:
    lines = []
    for number, line in enumerate(row.lines):
        will = tuple(_will(prefer, each, each.lines[number]) for prefer, each in by_answer.items())
        lost = {
            side.value: " ".join(
                prefer
                for prefer, each in by_answer.items()
                if each.winner == side.other.value and line.differs and not line.values[side.value].note
            )
            for side in SIDES
        }
        lines.append(Line(line, will, lost))
    return Unit(row.label, row.is_group, tuple(lines))


def _will(prefer: str, row: comparing.Row, line: comparing.Line) -> Will:
    if row.fate == Fate.CONFLICT.value:
        return Will(prefer, sentence=_("somebody chooses afterwards"))
    if not row.winner:
        return Will(prefer, sentence=_("stays"))
    return Will(prefer, line.after.get(row.winner, ()), row.sentence, line.refused.get(row.winner, ""))


def _answer(prefer: str, units: list[UnitView], apps: Mapping[str, str]) -> Answer:
    to = {side: sum(_written(unit) for unit in units if unit.to is side) for side in SIDES}
    open_ = sum(len(unit.fields) for unit in units if unit.fate is Fate.CONFLICT)
    use = _("Use %(app)s") % {"app": apps.get(prefer, "")}
    label = _("Decide field by field afterwards") if prefer == ASK else use
    parts = [
        ngettext("%(n)s field is written to %(app)s", "%(n)s fields are written to %(app)s", n)
        % {"n": n, "app": apps[side.value]}
        for side, n in to.items()
        if n and not open_
    ]
    if open_:
        text = ngettext(
            "nothing is written: the pair waits under Needs you until somebody chooses %(n)s field",
            "nothing is written: the pair waits under Needs you until somebody chooses %(n)s fields",
            open_,
        )
        parts.append(text % {"n": open_})
    return Answer(prefer, label, ", ".join(parts) or _("nothing is written"))


def _written(unit: UnitView) -> int:
    assert unit.to is not None
    winner = unit.to.other
    return sum(
        winner in view.after and view.after[winner][unit.to] != view.now[unit.to] for view in unit.fields
    )


class ParentRow:
    """A record that must be coupled first, with what it may be coupled with."""

    def __init__(self, parent: Parent, apps: Mapping[str, str]) -> None:
        self.parent, self.mapping = parent, parent.mapping
        self.title, self.app = parent.title, apps[parent.side.value]
        self.other_app = apps[parent.side.other.value]
        self.field = parent.field_name
        self.exists = parent.record is not None
        self.refusal = "" if parent.is_granted else roles.refusal("synccore.couple", of_mapping=True)
        proposed = parent.proposed
        self.options = [
            (_value(parent, hit), hit.title, ", ".join(map(_why, hit.why)), hit is proposed)
            for hit in parent.candidates
            if hit.is_free
        ]
        self.url = address(parent.mapping.pk, parent.side.value, parent.id)


def _value(parent: Parent, hit: Hit) -> str:
    ids = {parent.side: parent.id, hit.side: hit.record.id}
    return json.dumps([parent.mapping.pk, ids[Side.LEFT], ids[Side.RIGHT]], separators=(",", ":"))


def parent_values(posted: Sequence[str]) -> list[tuple[int, str, str]] | None:
    """What was posted for parents: (mapping, left id, right id); None where it is no such thing."""
    found: list[tuple[int, str, str]] = []
    for text in posted:
        if not text:
            continue
        try:
            value: Any = json.loads(text)
        except ValueError:
            return None
        shape = [type(each) for each in value] if isinstance(value, list) else []
        if shape != [int, str, str]:
            return None
        found.append((value[0], value[1], value[2]))
    return found
