"""Comparing what was typed with a name: no accents, no case, both spellings (-ise, -ize), any order of words."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

#: Letters that are no accented form of another one.
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ł": "l", "œ": "oe"})
_WORD = re.compile(r"[^\W_]+")
_ISE = re.compile(r"is(e|ed|es|er|ing|able|ation|ations)$")
#: Words of a question that name nothing.
_EMPTY = frozenset(
    "a an the to of for i me my do does how can is what where which with please want you "
    "de het een ik mijn hoe kan wat waar welke met wil "
    "en et jeg min mitt hvordan hva hvor hvilke med vil".split()
)
#: How alike a mistyped word must be.
_ALIKE = 0.78


def plain(text: str) -> str:
    """Lower case, without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def words(text: str) -> tuple[str, ...]:
    return tuple(_ISE.sub(r"iz\1", word) for word in _WORD.findall(plain(text)))


class Phrase:
    """A name, prepared to be compared."""

    def __init__(self, text: str) -> None:
        self.text, self.words = text, words(text)
        self.joined = " ".join(self.words)

    def score(self, typed: Typed) -> int:
        """How well it fits what was typed; 0: not at all. 100: it is the name."""
        if typed.whole == self.joined:
            return 100
        if typed.joined == self.joined:
            return 98
        if self.joined.startswith(typed.joined):
            return 90 - min(len(self.words) - len(typed.words), 9)
        # Of several words the order does not matter; the last may be unfinished, and so may the others.
        if all(any(mine.startswith(word) for mine in self.words) for word in typed.words):
            return 70 - min(len(self.words) - len(typed.words), 9)
        # A name inside a longer question: "how do I delete all entries".
        if len(self.words) > 1 and f" {self.joined} " in f" {typed.joined} ":
            return 50 + min(len(self.words), 9)
        return 0


class Typed:
    """What a person typed."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        self.plain = plain(self.text)
        every = words(self.text)
        self.words = tuple(word for word in every if word not in _EMPTY) or every
        self.whole, self.joined = " ".join(every), " ".join(self.words)

    def __bool__(self) -> bool:
        return bool(self.words)

    def corrected(self, vocabulary: Iterable[str]) -> Typed | None:
        """The same with every unknown word replaced by the one most like it; None where one is like none."""
        known = sorted(set(vocabulary))
        found = []
        for word in self.words:
            near = difflib.get_close_matches(word, known, n=1, cutoff=_ALIKE) if len(word) > 3 else []
            if not near and not any(each.startswith(word) for each in known):
                return None
            found.append(near[0] if near else word)
        return Typed(" ".join(found))
