"""What people type or paste into a search box: words, or a list of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

#: How the box searches, as it says itself.
HELP = gettext_lazy(
    "Whole words and beginnings of 3 letters or more, all of them; or a pasted list of numbers, "
    "apart by commas, blanks or lines."
)
MOST_WORDS = 20
MOST_NUMBERS = 1_000
LONGEST = 100
PREFIX = 3
_APART = re.compile(r"[,;\t\r\n]+")
_EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum()) + "«»“”„‘’…–—"


@dataclass(frozen=True)
class Words:
    """Words to be found, lower case; those of at least ``PREFIX`` letters also as beginnings."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Numbers:
    """Exactly these numbers, in lower case and in the order they were pasted; ``typed``: as they were pasted."""

    numbers: tuple[str, ...]
    typed: tuple[str, ...] = field(default=(), compare=False)

    def sorted_out(self, rows: Iterable[tuple[Iterable[str | None], bool]]) -> Pasted:
        """Which of them no row of a list has. ``rows``: what each known record is called, and whether the list shows it."""
        known: set[str] = set()
        here: set[str] = set()
        for names, is_here in rows:
            own = {name.lower() for name in names if name}
            known |= own
            here |= own if is_here else set()
        missing = [each for each in zip(self.numbers, self.typed, strict=True) if each[0] not in here]
        return Pasted(
            len(self.numbers),
            tuple(typed for number, typed in missing if number in known),
            tuple(typed for number, typed in missing if number not in known),
        )


@dataclass(frozen=True)
class Pasted:
    """Pasted numbers that no row of the list has: of records that are known, and unknown ones."""

    pasted: int
    elsewhere: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        return len(self.elsewhere) + len(self.unknown)


def read(text: str) -> Words | Numbers:
    """Tell a list of numbers from words. Raises ValidationError, with a sentence, for what can be neither.

    A list is anything of two or more parts that are apart by commas, semicolons, tabs or lines and hold no blank, or that
    are apart by blanks and each hold a digit.
    """
    parts = [part.strip() for part in _APART.split(text) if part.strip()]
    if len(parts) == 1 or any(re.search(r"\s", part) for part in parts):
        blanks = text.split() if len(parts) == 1 else [word for part in parts for word in part.split()]
        parts = blanks if all(re.search(r"\d", part) for part in blanks) else []
    if len(parts) > 1:
        return _numbers(parts)
    words = tuple(dict.fromkeys(word for each in text.lower().split() if (word := each.strip(_EDGES))))
    if not words:
        raise ValidationError(_("There is no word or number in this to search for."))
    if len(words) > MOST_WORDS:
        raise ValidationError(
            _("These are %(n)s words; search for %(most)s at most.") % {"n": len(words), "most": MOST_WORDS}
        )
    if any(len(word) > LONGEST for word in words):
        raise ValidationError(
            _("A word of more than %(most)s letters is not searched for.") % {"most": LONGEST}
        )
    return Words(words)


def _numbers(parts: list[str]) -> Numbers:
    typed = {part.lower(): part for part in parts}
    numbers = tuple(typed)
    if len(numbers) > MOST_NUMBERS:
        raise ValidationError(
            _("These are %(n)s numbers; paste %(most)s at most, the rest in a second list.")
            % {"n": len(numbers), "most": MOST_NUMBERS}
        )
    if any(len(number) > LONGEST for number in numbers):
        raise ValidationError(_("One of these has more than %(most)s characters.") % {"most": LONGEST})
    return Numbers(numbers, tuple(typed.values()))
