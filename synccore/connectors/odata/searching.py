"""Finding the record that a person means: by the beginnings of the words of its id, key and name.

The service is asked for what may be meant (it compares as it likes, and looks at one field at a time where it must); what
comes is judged and ordered here, so the answer is the same for every app. Bounded: a few queries of one page each, in one
request where the service takes batches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from synccore.connectors.odata.links import query
from synccore.connectors.odata.model import ENUM, Property
from synccore.connectors.odata.source import Source
from synccore.connectors.odata.tables import Table
from synccore.connectors.values import fit
from synccore.failures import Rejected
from synccore.shapes import FieldType, Record, TableRef

#: Rows of one query that are looked at, at least; the best stand first where the service sorts by key.
_LOOKED_AT: Final = 100
#: So many words are asked for; all of them are looked for in what comes.
_WORDS: Final = 8
_UNSTORABLE: Final = re.compile("[\x00-\x1f\ud800-\udfff]")
#: Digits of the longest whole number whose beginning is looked for.
_DIGITS: Final = 9


def search(source: Source, ref: TableRef, text: str, fields: Sequence[str], limit: int) -> list[Record]:
    """See ``Connector.search``. The beginning of a GUID finds nothing, a whole one does."""
    words = _UNSTORABLE.sub("", text.lower()).split()
    table = source.table(ref)
    properties = table.properties(fields)
    if not words:
        return []
    asked = _Asked(table, " ".join(text.split()), words)
    select = source.brief(table, table.select(fields))
    paths = asked.paths(select, max(_LOOKED_AT, limit * 5), longest=source.longest)
    rows = source.every(table, paths, table.annotations(fields))
    found = {record.id: record for row in rows if (record := table.record(row, properties)) is not None}
    return _judged(found.values(), words)[:limit]


def _judged(records: Iterable[Record], words: Sequence[str]) -> list[Record]:
    """The records that have all the words, the likeliest first."""
    wanted = " ".join(words)
    hits = []
    for record in records:
        said = " " + " ".join((record.id, record.key, record.name)).lower()
        if all(f" {word}" in said for word in words):
            key = record.key.lower()
            is_it = wanted in (key, record.id.lower())
            hits.append(((not is_it, not key.startswith(wanted), record.key, record.id), record))
    return [record for _place, record in sorted(hits, key=lambda hit: hit[0])]


class _Asked:
    """The queries of one search."""

    def __init__(self, table: Table, text: str, words: Sequence[str]) -> None:
        self.table, self.text, self.words = table, _UNSTORABLE.sub("", text), words
        ref, entity = table.ref, table.entity
        self.key = entity.property(ref.key_field) if ref.key_field else table.key
        named = [table.key, self.key, *([entity.property(ref.name_field)] if ref.name_field else [])]
        self.told = list({each.name: each for each in named}.values())

    def paths(self, select: Sequence[str], most: int, *, longest: int) -> list[str]:
        """The addresses to ask, each no longer than ``longest``: fewer words are asked for where all of them make a longer
        one, the longest, which say the most."""

        def fitting(conditions: Iterable[str]) -> list[str]:
            order = [self.key.read_path]
            found = [
                query(self.table.name, select=select, filter=each, order=order, top=str(most))
                for each in dict.fromkeys(filter(None, conditions))
            ]
            return found if max(map(len, found), default=0) <= longest else []

        words = sorted(self.words, key=len, reverse=True)[:_WORDS]
        tried = (fitting(self._with_words(words[:number])) for number in range(len(words), 0, -1))
        return list(dict.fromkeys([*fitting(self._it()), *next(filter(None, tried), [])]))

    def _it(self) -> list[str]:
        """The record whose id or key is the text, and those whose key begins with it."""
        found = []
        for each in (self.table.key, self.key):
            if _is_text(each):
                found.append(self._in_any_case(each, self.text, "startswith({0},{1})"))
            elif len(self.words) == 1:
                found.append(self._word(each, self.words[0]))
        return found

    def _with_words(self, words: Sequence[str]) -> list[str]:
        """Those with all the words, in whichever field each stands; or where a query may look at one field only, those with
        all of them in one field, and those with the longest in one."""
        if self.table.profile.supports_or_on_two_fields:
            return [_all([_any(self._word(each, word) for each in self.told) for word in words])]
        longest = max(words, key=len)
        in_one = [_all([self._word(each, word) for word in words]) for each in self.told]
        return [*in_one, *(self._word(each, longest) for each in self.told)]

    def _word(self, property: Property, word: str) -> str:
        """The condition that a word of a field may begin with ``word``; "" where none can."""
        if _is_text(property):
            begins = self._in_any_case(property, word, "startswith({0},{1})")
            return f"{begins} or {self._in_any_case(property, ' ' + word, 'contains({0},{1})')}"
        if property.info.type is FieldType.INTEGER and word.isdecimal() and word.isascii():
            return self._number(property, word)
        try:
            value = fit(self.table.name, property.info, word)
        except Rejected:
            return ""
        return f"{property.read_path} eq {self.table.literal(property, value)}"

    def _in_any_case(self, property: Property, text: str, pattern: str) -> str:
        """A condition on text whatever its case: where the service tells cases apart, its lower case is looked at, or the
        ways in which people write a word."""
        profile, path = self.table.profile, property.read_path
        if profile.ignores_case:
            return pattern.format(path, self._quoted(property, text))
        if profile.nests_functions:
            return pattern.format(f"tolower({path})", self._quoted(property, text.lower()))
        ways = dict.fromkeys((text, text.lower(), text.upper(), text.title(), _first_upper(text)))
        return " or ".join(pattern.format(path, self._quoted(property, way)) for way in ways)

    def _quoted(self, property: Property, text: str) -> str:
        return self.table.literal(property, text)

    def _number(self, property: Property, word: str) -> str:
        """Whole numbers that are written beginning with these digits."""
        number = int(word)
        path, found = property.read_path, [f"{property.read_path} eq {number}"]
        if number and not word.startswith("0"):
            for more in range(1, _DIGITS - len(word) + 1):
                low = number * 10**more
                found.append(f"({path} ge {low} and {path} le {low + 10**more - 1})")
        return " or ".join(found)


def _any(conditions: Iterable[str]) -> str:
    return " or ".join(filter(None, conditions))


def _all(conditions: Sequence[str]) -> str:
    """All of the conditions; "" where one of them cannot be met."""
    if not all(conditions):
        return ""
    return conditions[0] if len(conditions) == 1 else " and ".join(f"({each})" for each in conditions)


def _is_text(property: Property) -> bool:
    return property.info.type is FieldType.TEXT and property.edm != ENUM


def _first_upper(text: str) -> str:
    stripped = text.lstrip()
    return text[: len(text) - len(stripped)] + stripped[:1].upper() + stripped[1:].lower()
