"""What a guide is, and how its sentence is filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, lru_cache
from string import Formatter
from typing import Any, Final, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text: TypeAlias = str | Promise


#: Steps that say that nobody needs to do anything: they hold where changes wait, not where an app is being connected.
NOTHING_TO_DO: Final = _("Nothing to do: Tandem tries again by itself, and nothing is lost meanwhile.")
CHECKED_AGAIN: Final = _("Tandem checks again by itself; when the check passes, the waiting changes follow.")


class Who(StrEnum):
    """Whose turn it is."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    ITSELF = "itself"

    @property
    def label(self) -> Promise:
        return _WHO[self]


_WHO: Final[dict[Who, Promise]] = {
    Who.OWNER: _("You, or whoever owns the record"),
    Who.ADMINISTRATOR: _("An administrator"),
    Who.ITSELF: _("Nobody: Tandem tries again by itself"),
}

#: What a guide may offer: names of the actions of the pages.
ACTIONS: Final = frozenset(
    {
        "retry", "synchronize", "restore", "delete", "remove_coupling", "couple", "edit", "leave_out",
        "set_up_connection", "test_connection", "set_up_mapping", "set_up_fields", "allow_once", "keep_stopped",
        "show_job", "copy_details", "resume",
    }
)  # fmt: skip

#: Read where a failure does not say: the sentence stays a sentence.
UNSAID: Final[dict[str, Promise]] = {
    "app": _("the app"),
    "other_app": _("the other app"),
    "table": _("this table"),
    "field": _("a field"),
    "fields": _("some fields"),
    "other_field": _("the other field"),
    "value": _("this value"),
    "limit": _("the limit"),
    "length": _("more"),
    "user": _("the integration user"),
    "privilege": _("a right"),
    "grant": _("the right it needs"),
    "host": _("the server"),
    "port": _("its port"),
    "database": _("the database"),
    "constraint": _("a rule of the app"),
    "referenced": _("another table"),
    "referencing": _("another table"),
    "mapping_name": _("another mapping"),
    "record": _("a record"),
    "record_name": _("a record"),
    "what": _("something it needs"),
    "count": _("too many"),
    "couplings": _("all"),
    "names": _("mappings"),
    "key": _("the record"),
    "name": _("the record"),
    "character": _("a character"),
    "options": _("others"),
    "currency": _("this currency"),
    "transform": _("a transformation"),
    "priority": _("one"),
    "setting": _("a setting"),
    "number": _("one"),
    "part": _("a part"),
    "kind": _("this kind"),
    "step": _("working"),
    "error": _("an error"),
    "deaths": _("several"),
    "to": _("another record"),
    "n": _("some"),
    "done": _("some"),
    "rows": _("all"),
    "found": _("some"),
    "job": _("a job"),
    "reason": _("no reason given"),
    "type": _("another type"),
    "expected": _("another type"),
    "series": _("of the table"),
    "action": _("use"),
    "entity": _("this table"),
    "holder": _("a role"),
    "requests": _("some"),
    "until": _("a day that was not told"),
    "days": _("some"),
}

_ACTION_WORDS: Final[dict[str, Promise]] = {
    "read": _("read"),
    "create": _("create"),
    "change": _("change"),
    "delete": _("delete"),
    "append": _("attach something to"),
    "append_to": _("refer to"),
    "assign": _("give to another owner"),
    "share": _("share"),
    "execute": _("run"),
}
#: Words that a failure sends by a name of ours: they are read in the reader's language.
WORDS: Final[dict[str, dict[str, Promise]]] = {
    "action": _ACTION_WORDS,
    "privilege": _ACTION_WORDS,
    "holder": {"security_role": _("a security role"), "permission_set": _("a permission set")},
}


@dataclass(frozen=True, slots=True)
class Guide:
    """What happened, why, what to do and who can do it; lazy texts in English with ``{param}`` in them.

    ``actions``: names of the actions to offer, the likeliest first (:data:`ACTIONS`). ``more`` and ``more_steps``:
    sentences, and first steps, that are added where everything they name was sent.
    """

    title: Text
    sentence: Text
    who: Who
    steps: tuple[Text, ...] = ()
    actions: tuple[str, ...] = ()
    more: tuple[Text, ...] = ()
    more_steps: tuple[Text, ...] = ()

    @property
    def params(self) -> frozenset[str]:
        """The facts its texts name; ``app`` and ``other_app`` come from the mapping and the side."""
        texts = (self.title, self.sentence, *self.steps, *self.more, *self.more_steps)
        return frozenset(name for text in texts for name in names_in(str(text))) - {"app", "other_app"}

    def spelled_out(self) -> Guide:
        """The same with its texts in the language that is active now."""
        return replace(
            self,
            title=str(self.title),
            sentence=str(self.sentence),
            steps=tuple(map(str, self.steps)),
            more=tuple(map(str, self.more)),
            more_steps=tuple(map(str, self.more_steps)),
        )


@dataclass(frozen=True)
class Rendered:
    """A guide in the reader's language with its values filled in, each text when it is asked for: a list shows one of them.
    Values are data: templates escape all of it."""

    guide: Guide
    values: Mapping[str, Any]

    @cached_property
    def title(self) -> str:
        return fill(self.guide.title, self.values)

    @cached_property
    def sentence(self) -> str:
        return " ".join([fill(self.guide.sentence, self.values), *fill_said(self.guide.more, self.values)])

    @property
    def who(self) -> Who:
        return self.guide.who

    @cached_property
    def steps(self) -> tuple[str, ...]:
        return filled_steps(self.guide, self.values)

    @property
    def actions(self) -> tuple[str, ...]:
        return self.guide.actions

    def without(self, *steps: Text) -> Rendered:
        """The same without these steps of its guide."""
        left_out = {str(step) for step in steps}
        kept = tuple(step for step in self.guide.steps if str(step) not in left_out)
        return replace(self, guide=replace(self.guide, steps=kept))


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[tuple[str, str], ...]:
    """A text as (words, name of the param behind them)."""
    return tuple((literal, name or "") for literal, name, _format, _conversion in Formatter().parse(text))


def names_in(text: str) -> set[str]:
    """The params a text names."""
    return {name for _literal, name in _parts(text) if name}


def fill(text: Text, values: Mapping[str, Any]) -> str:
    """``text`` with its ``{params}`` filled, each by plain replacement: a value is never read as a format.

    A missing or empty value becomes a word that keeps the sentence readable; it is written with a capital where the
    text begins with it. Values stay as they are.
    """
    parts: list[str] = []
    for literal, name in _parts(str(text)):
        if literal:
            parts.append(literal)
        if name:
            word = said(name, values.get(name))
            starts = not parts and is_unsaid(values.get(name))
            parts.append(word[:1].upper() + word[1:] if starts else word)
    return "".join(parts)


def fill_said(texts: Iterable[Text], values: Mapping[str, Any]) -> list[str]:
    """Those of the texts for which everything was sent, filled."""
    return [
        fill(text, values)
        for text in texts
        if not any(is_unsaid(values.get(name)) for name in names_in(str(text)))
    ]


def filled_steps(guide: Guide, values: Mapping[str, Any]) -> tuple[str, ...]:
    return (*fill_said(guide.more_steps, values), *(fill(step, values) for step in guide.steps))


def is_unsaid(value: Any) -> bool:
    """Whether a failure did not say this."""
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def said(name: str, value: Any) -> str:
    """One value as people read it."""
    if is_unsaid(value):
        return str(UNSAID.get(name, "…"))
    if isinstance(value, str) and value in WORDS.get(name, ()):
        return str(WORDS[name][value])
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, list | tuple):
        return ", ".join(said(name, each) for each in value)
    if isinstance(value, Mapping):
        return " / ".join(str(part) for part in _field_names(value)) or str(UNSAID.get(name, "…"))
    return str(value)


def _field_names(value: Mapping[str, Any]) -> list[str]:
    """The names of a field that is in conflict, once where they are the same in both apps."""
    names = [value.get("left_field"), value.get("right_field"), value.get("name")]
    return list(dict.fromkeys(str(name) for name in names if name))
