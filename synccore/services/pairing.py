"""Fields of two tables that look like one: paired by their names and labels, and by the words that apps use."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Final

from synccore.models import TableMapping
from synccore.shapes import SIDES, FieldInfo, KeyKind, Side, TableInfo

from . import fitting
from .field_mappings import Draft


class Why(StrEnum):
    """Why two fields are suggested, the surest first."""

    STANDARD = "standard"  # the standard set-up of these kinds of apps has it
    NAME = "name"
    BEGINNING = "beginning"  # the same name, but for how it begins
    LABEL = "label"
    ALIKE = "alike"  # another word for the same thing


#: What apps call the fields in which they keep a record's own history, without signs.
_HISTORY: Final = frozenset(
    [f"{start}{what}{end}" for start in ("", "last", "system") for what in ("created", "modified", "updated", "changed")
     for end in ("", "at", "by", "on", "date", "datetime")]
    + ["creationdate", "versionnumber", "rowversion", "timestamp", "importsequencenumber"]
)  # fmt: skip
#: A publisher's or a group's prefix, as in ``new_city`` and ``address1_city``.
_PREFIX: Final = re.compile(r"[a-z][a-z0-9]{1,11}_(?=.)")
#: Words that apps use for the same thing.
_SAME: Final[Mapping[str, str]] = {
    other: word
    for word, others in {
        "addressline": "line street streetaddress address",
        "addressline2": "line2 street2 address2",
        "email": "emailaddress mail eaddress",
        "fax": "faxnumber faxno",
        "jobtitle": "title function",
        "mobile": "mobilephone mobilephonenumber mobileno cellphone",
        "name": "displayname fullname description",
        "number": "no nr num code",
        "phone": "phonenumber phoneno telephone telephonenumber tel",
        "postalcode": "postcode zip zipcode",
        "state": "stateorprovince province county region",
        "website": "websiteurl web homepage webaddress url",
    }.items()
    for other in others.split()
}


#: What a field of a table may be known by.
Forms = Callable[[str, FieldInfo], set[str]]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _names(table: str, info: FieldInfo) -> set[str]:
    return {_plain(info.name)} - {""}


def _captions(table: str, info: FieldInfo) -> set[str]:
    return {_plain(info.name), _plain(info.label)} - {""}


def _endings(table: str, info: FieldInfo) -> set[str]:
    """The name, and what is left of it without a prefix or without the name of its table."""
    found = _names(table, info) | {_plain(_without_prefix(info.name))}
    for one in _singular(_plain(table)):
        if len(rest := _plain(info.name).removeprefix(one)) > 1:
            found.add(rest)
    return found - {""}


def _without_prefix(name: str) -> str:
    match = _PREFIX.match(name.casefold())
    return name.casefold()[match.end() :] if match else ""


def _words(table: str, info: FieldInfo) -> set[str]:
    return set(map(_word, _captions(table, info)))


def _ending_words(table: str, info: FieldInfo) -> set[str]:
    """Besides, the words of its endings, and what stands behind the colon of its label, as in ``Address 1: City``."""
    behind = _plain(info.label.rpartition(":")[2])
    return set(map(_word, (_captions(table, info) | _endings(table, info) | {behind}) - {""}))


def _word(form: str) -> str:
    """In the word that most apps use. The first of several is the one."""
    first = form if form.endswith("11") else form.removesuffix("1")
    return _SAME.get(first, first)


def _singular(name: str) -> Iterator[str]:
    yield name
    if name.endswith("ies"):
        yield f"{name[:-3]}y"
    elif name.endswith("s"):
        yield name[:-1]


#: How fields are paired, one way after the other: by what one of the two is called as a whole, and by what the other may be
#: called. Of two endings nobody knows whether they are of one thing (``vat_number`` and ``accountnumber``).
RANKS: Final[tuple[tuple[Why, Forms, Forms], ...]] = (
    (Why.NAME, _names, _names),
    (Why.BEGINNING, _names, _endings),
    (Why.LABEL, _captions, _captions),
    (Why.ALIKE, _words, _words),
    (Why.ALIKE, _words, _ending_words),
)


@dataclass(slots=True)
class Pairing:
    """Fields of two tables that are still free, paired by one way of reading their names after the other."""

    mapping: TableMapping
    left: TableInfo
    right: TableInfo
    used: dict[Side, set[str]]
    free: dict[Side, dict[str, FieldInfo]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for side, table in ((Side.LEFT, self.left), (Side.RIGHT, self.right)):
            out = self.used[side] | _own(self.mapping, side, table)
            self.free[side] = {
                name: info
                for name, info in table.fields.items()
                if name not in out and _plain(name) not in _HISTORY
            }

    def pairs(self, why: Why, whole: Forms, forms: Forms) -> list[Draft]:
        """The pairs that this way finds, in the order of the left table. They are free no more."""
        left = _Called(self.left.name, self.free[Side.LEFT], whole, forms)
        right = _Called(self.right.name, self.free[Side.RIGHT], whole, forms)
        rights: dict[str, set[str]] = {}
        lefts: dict[str, set[str]] = {}
        for one, other in {*_met(left.whole, right.forms), *_met(left.forms, right.whole)}:
            if self._can_be(why, one, other):
                rights.setdefault(one, set()).add(other)
                lefts.setdefault(other, set()).add(one)
        found = []
        for name in list(self.free[Side.LEFT]):
            partner = _the_one(rights.get(name, ()))
            if partner is None or _the_one(lefts[partner]) != name:
                continue
            infos = {
                Side.LEFT: self.free[Side.LEFT].pop(name),
                Side.RIGHT: self.free[Side.RIGHT].pop(partner),
            }
            found.append(Draft(left=name, right=partner, direction=ways_of(self.mapping, infos)[0]))
        return found

    def _can_be(self, why: Why, one: str, other: str) -> bool:
        infos = {Side.LEFT: self.free[Side.LEFT][one], Side.RIGHT: self.free[Side.RIGHT][other]}
        if not ways_of(self.mapping, infos):
            return False
        # Of fields with one name a person may want to convert one into the other.
        return why is Why.NAME or infos[Side.LEFT].type is infos[Side.RIGHT].type


class _Called:
    """The fields of a table by what they are called as a whole, and by all they may be called."""

    def __init__(self, table: str, infos: Mapping[str, FieldInfo], whole: Forms, forms: Forms) -> None:
        self.whole: dict[str, list[str]] = {}
        self.forms: dict[str, list[str]] = {}
        for name, info in infos.items():
            for found, said in ((self.whole, whole(table, info)), (self.forms, forms(table, info))):
                for each in said:
                    found.setdefault(each, []).append(name)


def _met(left: Mapping[str, list[str]], right: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """The pairs that are called the same."""
    for form in left.keys() & right.keys():
        yield from product(left[form], right[form])


def _the_one(names: Collection[str]) -> str | None:
    """The only one, or the first of several that differ in a number alone (``address1_city``, ``address2_city``)."""
    alike = {re.sub(r"\d+", "", name) for name in names}
    return min(names, key=lambda name: (len(name), name)) if len(alike) == 1 else None


def _own(mapping: TableMapping, side: Side, table: TableInfo) -> set[str]:
    """Fields that the app itself fills: id, stamp, person."""
    named = {getattr(mapping, f"{side.value}_{name}_field") for name in ("modified", "modified_by")}
    return named | ({table.id_field} if table.id_field and table.key_kind is not KeyKind.NATURAL else set())


def ways_of(mapping: TableMapping, infos: Mapping[Side, FieldInfo]) -> tuple[str, ...]:
    """The directions in which a value can flow between two fields of this mapping; the widest first."""
    to = [side for side in SIDES if fitting.allows(mapping.direction, side) and not infos[side].read_only]
    one_way = tuple(f"to_{side.value}" for side in SIDES if side in to)
    if len(to) == 2:
        return ("both", "to_right", "to_left")
    # Where the mapping itself goes one way, a field that could go both ways says so: the mapping may be turned later.
    free = not any(info.read_only for info in infos.values())
    return ("both",) if to and free else one_way
