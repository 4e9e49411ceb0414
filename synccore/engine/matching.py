"""Which records of two apps belong together by their values: what a criterion compares, and the key of a record. Pure.

A criterion compares one mapped field. Criteria of one *group* must all agree; groups are alternatives, each on its own, the
lowest number first. What is compared is the value as it would arrive in the other app, by the field's own conversion, so
that two apps which spell a thing differently still meet. An empty value never matches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from unicodedata import category, combining, digit, normalize

from synccore.engine.compiled import Compiled, CompiledField, field_missing
from synccore.engine.rules import References
from synccore.failures import Blocked, Rejected
from synccore.shapes import FieldType, Record, Side, TableRef, Value


class Compare(StrEnum):
    """How two values are compared.

    Legal forms (Ltd, NV, GmbH) count as written: "Jansen NV" and "Jansen BV" are two companies.
    """

    EXACT = "exact"  # as it stands, blanks at both ends aside
    TEXT = "text"  # without accents, punctuation and surplus blanks
    PHONE = "phone"  # digits; "00" and "+" begin the same number
    EMAIL = "email"  # the address alone, whatever its case
    WEB = "web"  # without scheme, "www." and a slash at the end
    CODE = "code"  # letters and digits: VAT and registration numbers, IBAN


#: Ways of comparing for which a difference of case can be meant; the others never look at it.
CASED: Final = frozenset({Compare.EXACT, Compare.TEXT})

#: So many fields besides those of the criteria help to tell candidates apart.
TELLING: Final = 3

#: Letters that are no base letter with an accent for Unicode, and what people type in their place.
_SPELLED: Final = str.maketrans(
    {
        "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "ħ": "h", "Ħ": "H",
        "ı": "i", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "TH", "ß": "ss", "ẞ": "SS",
        "\u0345": "ι",  # below a letter; in capitals, and without case, it is a letter beside it
    }
)  # fmt: skip
#: Stand inside a word: they go, what is around them stays together.
_WITHIN: Final = frozenset(".'’‘`´")
_BLANKS: Final = re.compile(r"\s+")
_STEPS: Final = 4
_SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def normalized(text: str, compare: Compare, *, case_sensitive: bool = False) -> str:
    """What is compared in place of ``text``; "" where nothing of it is left, which matches nothing.

    Applying it twice gives the same as applying it once.
    """
    found = _once(text, compare, case_sensitive)
    # Unicode's own steps are not stable together: "¨" becomes a blank with an accent, and that blank is cut only then.
    for _ in range(_STEPS):
        if found.isascii() or found == (again := _once(found, compare, case_sensitive)):
            break
        found = again
    return found


def _once(text: str, compare: Compare, case_sensitive: bool) -> str:
    match compare:
        case Compare.EXACT:
            found = normalize("NFC", text).strip()
        case Compare.TEXT:
            found = _plain(text)
        case Compare.PHONE:
            return _phone(text)
        case Compare.EMAIL:
            return _email(text)
        case Compare.WEB:
            return _web(text)
        case Compare.CODE:
            return _folded("".join(letter for letter in _plain(text) if letter.isalnum()))
    return found if case_sensitive and compare in CASED else _folded(found)


def _folded(text: str) -> str:
    """Without case; decomposed again, since folding may compose (and the other way round)."""
    return normalize("NFC", normalize("NFKD", text).casefold()) if not text.isascii() else text.lower()


def _plain(text: str) -> str:
    """Letters without accents, digits and symbols, words parted by single blanks."""
    letters = map(_seen, normalize("NFKD", text).translate(_SPELLED))
    return _BLANKS.sub(" ", "".join(letters)).strip()


@lru_cache(maxsize=4096)
def _seen(letter: str) -> str:
    """What of a character is compared: itself, a blank, or nothing."""
    kind = category(letter)
    if combining(letter) or letter in _WITHIN or kind == "Cf":  # nobody sees what only formats
        return ""
    return " " if kind[0] in "PZC" else letter


def _joined(text: str) -> str:
    """Without blanks, and without what only formats."""
    return "".join(letter for letter in text if not letter.isspace() and category(letter) != "Cf")


def _phone(text: str) -> str:
    """Digits, with "+" before an international number. A national number and its international form are not the same: the
    country is not known. A "(0)" within an international number is only for callers from inside, and goes."""
    plain = normalize("NFKC", text).strip()
    if international := plain.startswith(("+", "00")):
        plain = plain.replace("(0)", "")
    digits = "".join(str(found) for letter in plain if (found := digit(letter, -1)) >= 0)
    if international and plain.startswith("00"):
        digits = digits.removeprefix("00")
    return f"+{digits}" if international and digits else digits


def _email(text: str) -> str:
    plain = _folded(normalize("NFKC", text)).strip()
    if plain.endswith(">") and "<" in plain:
        plain = plain[plain.rindex("<") + 1 : -1]
    plain = _joined(plain)
    while plain.startswith("mailto:"):
        plain = plain.removeprefix("mailto:")
    return plain


def _web(text: str) -> str:
    plain = _joined(_folded(normalize("NFKC", text)))
    while True:
        shorter = _SCHEME.sub("", plain).removeprefix("www.").rstrip("/")
        if shorter == plain:
            return plain
        plain = shorter


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line: the field mapping ``rule`` (its id), how it is compared, and the group it belongs to."""

    rule: int
    compare: Compare = Compare.TEXT
    case_sensitive: bool = False
    group: int = 1


def may_compare(rule: CompiledField) -> bool:
    """Whether a field can be a criterion: it stands on both sides, and holds something that can be compared."""
    return bool(
        rule.left
        and rule.right
        and not rule.rule.has_constant
        and all(info is None or info.type is not FieldType.BINARY for info in rule.infos.values())
    )


def _title_fields(table: TableRef) -> set[str | None]:
    return {table.key_field, table.name_field} - {None}


def _described(field: CompiledField) -> dict[str, Any]:
    return {
        "rule": str(field.rule.id),
        "left": field.left,
        "right": field.right,
        "sensitive": field.rule.sensitive,
    }


@dataclass(frozen=True, slots=True)
class _Line:
    field: CompiledField
    criterion: Criterion
    #: The side in whose spelling both values are compared.
    there: Side


class Matcher:
    """The criteria of a mapping, ready for many records. ``groups`` are their numbers, the first tried first."""

    def __init__(self, rules: Compiled, criteria: Iterable[Criterion]) -> None:
        """Criteria on fields that are not mapped (any more), or cannot be compared, are passed over with their group: a
        group that lacks one of its lines would match more than was meant."""
        fields = {each.rule.id: each for each in rules.fields}
        found: dict[int, list[_Line]] = {}
        broken: set[int] = set()
        for each in criteria:
            field = fields.get(each.rule)
            if field is None or not may_compare(field):
                broken.add(each.group)
                continue
            there = Side.LEFT if field.allows(Side.LEFT) and not field.allows(Side.RIGHT) else Side.RIGHT
            found.setdefault(each.group, []).append(_Line(field, each, there))
        self.rules = rules
        self.groups = tuple(sorted(set(found) - broken))
        self._lines = [found[group] for group in self.groups]
        self._all = [line for lines in self._lines for line in lines]
        self._told = [*dict.fromkeys(line.field for line in self._all), *self._telling()]

    def __bool__(self) -> bool:
        return bool(self.groups)

    def _telling(self) -> list[CompiledField]:
        """A few more fields by which a person tells candidates apart; number and name stand in a record's title anyway."""
        compared = {line.field.rule.id for line in self._all}
        rules = self.rules.rules
        titles = {(side, name) for side in Side for name in _title_fields(rules.table(side))}
        return [
            each
            for each in self.rules.fields
            if may_compare(each)
            and each.rule.id not in compared
            and each.rule.reference is None
            and not each.rule.sensitive
            and not any((side, each.name(side)) in titles for side in Side)
        ][:TELLING]

    def fields(self, side: Side) -> tuple[str, ...]:
        """Fields that must be read from one side."""
        return tuple(dict.fromkeys(str(field.name(side)) for field in self._told))

    def described(self) -> list[list[dict[str, Any]]]:
        """What each group compares, for those who read the result: rule, both fields, whether values are shown."""
        return [[_described(line.field) for line in lines] for lines in self._lines]

    def told(self) -> list[dict[str, Any]]:
        """The fields of ``shown``, likewise."""
        return [_described(field) for field in self._told]

    def references(self, side: Side, records: Iterable[Record]) -> set[tuple[int, Side, str]]:
        """What ``References`` must hold for the keys of these records."""
        wanted = set()
        translated = [
            line for line in self._all if line.field.rule.reference is not None and line.there is not side
        ]
        for record in records if translated else ():
            for line in translated:
                try:
                    key = line.field.reference_key(side, line.field.value(record, side))
                except Rejected:
                    continue
                if key is not None:
                    wanted.add(key)
        return wanted

    def keys(self, side: Side, record: Record, refs: References) -> list[str | None]:
        """One key per group, in the order of ``groups``; None where a value is empty or cannot be brought over: no match."""
        return [self._key(lines, side, record, refs) for lines in self._lines]

    def _key(self, lines: Sequence[_Line], side: Side, record: Record, refs: References) -> str | None:
        texts = []
        for line in lines:
            text = self._text(line, side, record, refs)
            if not text:
                return None
            texts.append(text)
        return blake2b(json.dumps(texts, ensure_ascii=True).encode(), digest_size=16).hexdigest()

    def _text(self, line: _Line, side: Side, record: Record, refs: References) -> str:
        field, criterion = line.field, line.criterion
        try:
            if side is line.there or not field.allows(line.there):
                canonical = field.text(side, record)
            else:
                canonical = field.flow_text(line.there, field.value(record, side), refs)
        except (Rejected, Blocked):
            return ""
        if canonical is None:
            return ""
        text = json.loads(canonical) if canonical.startswith('"') else canonical
        if not isinstance(text, str):
            return canonical
        return normalized(text, criterion.compare, case_sensitive=criterion.case_sensitive)

    def shown(self, side: Side, record: Record, spell: Callable[[Value], str]) -> Mapping[str, str]:
        """The values of the criteria's fields, and of a few more, as people read them: rule id → text. Sensitive ones are
        left out."""
        found = {}
        for field in self._told:
            name = str(field.name(side))
            if field.rule.sensitive:
                continue
            try:
                value = record.fields[name]
            except KeyError:
                raise field_missing(side, name) from None
            found[str(field.rule.id)] = "" if value is None else spell(value)
        return found
