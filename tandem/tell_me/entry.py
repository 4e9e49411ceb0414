"""One page or action that *Tell Me* finds, and the names it is known by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from django.urls import reverse
from django.utils.translation import get_language

from .match import Phrase

LANGUAGES = ("en", "nl", "nb")


class Kind(StrEnum):
    PAGE = "page"
    ACTION = "action"


@dataclass(frozen=True)
class Entry:
    """A page, or an action and the page on which it is done.

    Args:
        captions: its name in English, Dutch and Norwegian, as the pages say it.
        address: name of the URL it opens; ``query`` is added as it stands.
        permission: the right it needs; who lacks it reads who has it.
        also: other names, in any language: old ones, longer ones.
        wording: regular expressions of messages that lead here, over text in lower case without accents.
        on: English caption of the page that an action opens, where that is not the action's own question.
    """

    kind: Kind
    captions: tuple[str, str, str]
    address: str
    query: str = ""
    permission: str = "synccore.view"
    icon: str = "right"
    also: tuple[str, ...] = ()
    wording: tuple[str, ...] = ()
    on: str = ""

    @property
    def label(self) -> str:
        """The caption in the reader's language."""
        language = (get_language() or "en").split("-")[0]
        return self.captions[LANGUAGES.index(language) if language in LANGUAGES else 0]

    @property
    def url(self) -> str:
        return reverse(self.address) + self.query

    @cached_property
    def phrases(self) -> tuple[Phrase, ...]:
        return tuple(Phrase(text) for text in dict.fromkeys((*self.captions, *self.also)))

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(each) for each in self.wording)


def page(en: str, nl: str, nb: str, address: str, query: str = "", **values: object) -> Entry:
    return Entry(Kind.PAGE, (en, nl, nb), address, query, **values)  # type: ignore[arg-type]


def action(en: str, nl: str, nb: str, address: str, query: str = "", **values: object) -> Entry:
    return Entry(Kind.ACTION, (en, nl, nb), address, query, **values)  # type: ignore[arg-type]
