"""The comparison of a pair as people read it. Everything the templates show is computed here."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final

from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from synccore import guides
from synccore.engine.compare import Fate, FieldView, UnitView
from synccore.engine.fit_lists import option_text
from synccore.engine.rules import FieldRule
from synccore.services.comparing import Pair, reference_name
from synccore.shapes import SIDES, FieldInfo, FieldType, Side
from synccore.tables import app_names
from synccore.verbs.seen import digest
from synccore.views.sentences import why_silent

#: From this length on, the words in which two texts differ are marked.
LONG: Final = 40
#: Longer texts are shown whole, but not compared word by word.
TOO_LONG: Final = 5_000

#: Two such texts of the same eight or more digits are one telephone number.
_PHONE: Final = re.compile(r"^\s*\+?[(\d][\d\s().\-/]+$")


@dataclass(frozen=True, slots=True)
class Value:
    """A value of one field: ``html`` is what to show; ``note`` says why there is none."""

    html: str | SafeString = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One field of a unit. ``agreed``: one value, or one per app where the two last agreed on different ones."""

    label: str
    other_label: str
    values: dict[str, Value]
    agreed: tuple[tuple[str, Value], ...]
    #: winner → what both apps hold then, as (app or "", value)
    after: dict[str, tuple[tuple[str, Value], ...]]
    moved: frozenset[str]
    only_formatting: bool
    refused: dict[str, str]

    @property
    def differs(self) -> bool:
        """Whether choosing one side loses something on the other."""
        return self.values["left"] != self.values["right"]


@dataclass(frozen=True, slots=True)
class Choice:
    side: str
    app: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One unit of the comparison."""

    name: str
    id: str
    label: str
    fate: str
    to: str
    lines: tuple[Line, ...]
    choices: tuple[Choice, ...] = ()
    sentence: str = ""
    #: What both sides hold, as one opaque word: a choice survives a new reading only where this is the same.
    values_key: str = ""
    winner: str = ""

    @property
    def chosen(self) -> str:
        return next((choice.side for choice in self.choices if choice.chosen), "")

    @property
    def is_group(self) -> bool:
        return len(self.lines) > 1

    @property
    def only_formatting(self) -> bool:
        return all(
            line.only_formatting or line.values["left"] == line.values["right"] for line in self.lines
        ) and any(line.only_formatting for line in self.lines)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one side: when the record was last saved, and by whom."""

    side: str
    app: str
    title: str
    saved: datetime | None
    by: str
    told: bool
    gone: bool


@dataclass(slots=True)
class Comparison:
    heads: list[Head]
    rows: list[Row] = field(default_factory=list)
    equal: list[Row] = field(default_factory=list)
    newest: Head | None = None
    troubles: list[str] = field(default_factory=list)

    @property
    def conflicts(self) -> list[Row]:
        return [row for row in self.rows if row.fate == Fate.CONFLICT.value]

    @property
    def equal_fields(self) -> int:
        return sum(len(row.lines) for row in self.equal)

    @property
    def by_themselves(self) -> int:
        return len(self.rows) - len(self.conflicts)


class Reader:
    """Turns canonical texts of one pair into what this person may read."""

    def __init__(self, pair: Pair, see_sensitive: bool) -> None:
        self.pair, self.see_sensitive = pair, see_sensitive
        self.apps = app_names(pair.coupling.mapping)

    def hides(self, rule: FieldRule) -> bool:
        return rule.sensitive and not self.see_sensitive

    def value(self, view: FieldView, side: Side, text: str | None, *, other: str | None = None) -> Value:
        rule = view.rule
        if rule.name(side) is None:
            return Value(note=_("constant"))
        if self.hides(rule):
            return Value(note=_("hidden"))
        if text is None:
            return Value(note=_("empty"))
        shown = self.plain(rule, side, text)
        if not shown.strip():
            return Value(note=_("%(n)s spaces") % {"n": len(shown)} if shown else _("empty text"))
        if other is not None and LONG <= max(len(text), len(other)) <= TOO_LONG and _is_text(rule, side):
            return Value(marked(shown, self.plain(rule, side.other, other)))
        return Value(shown)

    def plain(self, rule: FieldRule, side: Side, text: str) -> str:
        if rule.reference is not None and (name := reference_name(self.pair, rule.reference, side, text)):
            return name
        return readable(text, rule.info(side))


def build(pair: Pair, *, see_sensitive: bool, choices: Mapping[str, str]) -> Comparison:
    """The whole page. ``choices``: unit → side, chosen so far."""
    reader = Reader(pair, see_sensitive)
    found = Comparison([_head(pair, side, reader.apps) for side in SIDES])
    for number, unit in enumerate(pair.units):
        row = _row(reader, unit, number, choices)
        (found.equal if unit.fate is Fate.EQUAL else found.rows).append(row)
    order = [Fate.CONFLICT, Fate.SETTLED, Fate.JOINED, Fate.ONE_WAY]
    found.rows.sort(key=lambda row: order.index(Fate(row.fate)))
    if pair.newest is not None and found.conflicts:
        found.newest = next(head for head in found.heads if head.side == pair.newest.value)
    found.troubles = troubles(pair, reader.apps)
    return found


def _head(pair: Pair, side: Side, apps: Mapping[str, str]) -> Head:
    record = pair.records.get(side)
    saved = record.modified_at if record else pair.coupling.of(side, "modified_at")
    return Head(
        side.value,
        apps[side.value],
        pair.coupling.title(side),
        saved,
        (record.modified_by or "") if record else "",
        saved is not None,
        side in pair.gone,
    )


def _row(reader: Reader, unit: UnitView, number: int, chosen: Mapping[str, str]) -> Row:
    lines = tuple(_line(reader, unit, view) for view in unit.fields)
    winner = unit.to.other if unit.to is not None else None
    row_choices: tuple[Choice, ...] = ()
    if unit.fate is Fate.CONFLICT:
        row_choices = tuple(
            Choice(side.value, reader.apps[side.value], chosen.get(unit.name) == side.value) for side in SIDES
        )
    return Row(
        name=unit.name,
        id=f"unit-{number}",
        label=unit.group or lines[0].label,
        fate=unit.fate.value,
        to=reader.apps[unit.to.value] if unit.to is not None else "",
        lines=lines,
        choices=row_choices,
        sentence=_sentence(unit, reader.apps),
        values_key=_values_key(unit),
        winner=winner.value if winner is not None else "",
    )


def _values_key(unit: UnitView) -> str:
    held = [[view.rule.id, *(view.now[side] for side in SIDES), view.unknown] for view in unit.fields]
    return digest(json.dumps(held))


def _sentence(unit: UnitView, apps: Mapping[str, str]) -> str:
    """What happens to a unit that nobody chooses."""
    if unit.to is None:
        return ""
    names = {"app": apps[unit.to.other.value], "to": apps[unit.to.value]}
    if unit.fate is Fate.SETTLED:
        return _("by rule: %(app)s’s version goes to %(to)s") % names
    if unit.fate is Fate.JOINED:
        return _("only %(app)s changed it: goes to %(to)s") % names
    if all(view.rule.has_constant for view in unit.fields):
        return _("a constant: written to %(to)s again") % names
    if any(unit.to in view.moved and unit.to.other not in view.moved for view in unit.fields):
        return _("one way: %(app)s’s value replaces the edit in %(to)s") % names
    return _("one way: %(app)s’s value goes to %(to)s") % names


def _line(reader: Reader, unit: UnitView, view: FieldView) -> Line:
    rule = view.rule
    values, refused = {}, {}
    left, right = view.now[Side.LEFT], view.now[Side.RIGHT]
    for side in SIDES:
        if view.unknown:
            values[side.value] = Value(note=_("not kept"))
            continue
        differs = unit.fate is not Fate.EQUAL and left != right and not rule.reference
        values[side.value] = reader.value(
            view, side, view.now[side], other=view.now[side.other] if differs else None
        )
    for side, failure in view.refused.items():
        if reader.hides(rule):
            failure.params.update(value=None)
        refused[side.value] = guides.render(
            failure.code, failure.params, apps=reader.apps, kind=failure.kind.value
        ).sentence
    label = _label(rule, Side.LEFT)
    return Line(
        label=label or _label(rule, Side.RIGHT),
        other_label=_other_label(rule, label) if label else "",
        values=values,
        agreed=both(reader, view, view.base) if view.based else (("", Value(note=_("not agreed yet"))),),
        after={side.value: both(reader, view, after) for side, after in view.after.items()},
        moved=frozenset(side.value for side in view.moved),
        only_formatting=(
            not view.unknown
            and not reader.hides(rule)
            and left is not None
            and right is not None
            and all(_is_text(rule, side) for side in SIDES)
            and differs_in_format_only(str(json.loads(left)), str(json.loads(right)))
        ),
        refused=refused,
    )


def _label(rule: FieldRule, side: Side) -> str:
    info = rule.info(side)
    return (info.label if info else "") or rule.name(side) or ""


def _other_label(rule: FieldRule, label: str) -> str:
    """What the right app calls the field, where that says something else."""
    other = _label(rule, Side.RIGHT)
    return "" if _same_name(other) in {_same_name(label), _same_name(rule.left or "")} else other


def _same_name(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def both(reader: Reader, view: FieldView, texts: Mapping[Side, str | None]) -> tuple[tuple[str, Value], ...]:
    """One value where both apps hold the same, else one per app."""
    rule = view.rule
    sides = [side for side in SIDES if rule.name(side) is not None]
    found = [(reader.apps[side.value], reader.value(view, side, texts[side])) for side in sides]
    if len(found) == 1 or found[0][1] == found[1][1]:
        return (("", found[0][1]),)
    return tuple(found)


def troubles(pair: Pair, apps: Mapping[str, str]) -> list[str]:
    """Why what is shown is not how it stands in the apps now; one sentence per app."""
    said = [why_silent(each.trouble, each.failure, apps, side) for side, each in pair.readings.items()]
    return [sentence for sentence in said if sentence]


# -- values ------------------------------------------------------------------------------------------------------------


def _is_text(rule: FieldRule, side: Side) -> bool:
    info = rule.info(side)
    return rule.reference is None and info is not None and info.type is FieldType.TEXT


def readable(text: str, info: FieldInfo | None) -> str:
    """A canonical text as people write it, in their format; a value of a list with its caption."""
    kind = info.type if info else None
    try:
        value = json.loads(text, parse_float=Decimal)
    except (ValueError, InvalidOperation):
        return text
    if info is not None and (caption := dict(info.options).get(str(value))):
        return option_text(str(value), caption)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | Decimal):
        digits = -int(value.as_tuple().exponent) if isinstance(value, Decimal) else 0
        return formats.number_format(value, decimal_pos=max(digits, 0), force_grouping=True)
    if not isinstance(value, str):
        return text
    try:
        return _moment(value, kind)
    except ValueError:
        return value


def _moment(value: str, kind: FieldType | None) -> str:
    match kind:
        case FieldType.DATE:
            return formats.date_format(date.fromisoformat(value), "SHORT_DATE_FORMAT")
        case FieldType.TIME:
            return f"{time.fromisoformat(value):%H:%M:%S}"
        case FieldType.DATETIME | FieldType.INSTANT:
            moment = datetime.fromisoformat(value)
            local = timezone.localtime(moment) if moment.tzinfo is not None else moment
            return f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}"
        case FieldType.BINARY:
            return _("binary content %(hash)s") % {"hash": value.removeprefix("sha256:")[:12]}
    return value


def differs_in_format_only(left: str, right: str) -> bool:
    """Whether two different texts differ in spaces, in case, or in how one telephone number is written."""
    if left == right:
        return False
    if "".join(left.split()).casefold() == "".join(right.split()).casefold():
        return True
    if not all(_PHONE.match(text) and text.count(".") != 1 for text in (left, right)):
        return False  # a point by itself may be a decimal point: 1.5 is not 15
    digits = [re.sub(r"\D", "", text) for text in (left, right)]
    same_prefix = left.strip().startswith("+") == right.strip().startswith("+")
    return digits[0] == digits[1] and len(digits[0]) >= 8 and same_prefix


def marked(text: str, other: str) -> SafeString:
    """``text`` with the words marked in which it differs from ``other``."""
    words = re.findall(r"\s+|[^\s]+", text)
    theirs = re.findall(r"\s+|[^\s]+", other)
    parts: list[tuple[str, str]] = []
    for same, start, end, *_rest in difflib.SequenceMatcher(
        None, words, theirs, autojunk=False
    ).get_opcodes():
        piece = "".join(words[start:end])
        if piece:
            parts.append(("" if same == "equal" else "mark", piece))
    return format_html_join("", "{}", ((format_html("<mark>{}</mark>", p) if m else p,) for m, p in parts))
