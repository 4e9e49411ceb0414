"""An action is one object for button, hotkey, one row, many rows and all matching rows.

It says who may, on which rows, and what is asked before. It contains no work: the page hands name, rows and options to
its own function that does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

Text = str | Promise

#: The value of an action's button that means "the ticked rows"; any other value is one row's key.
SELECTED = "selected"
#: More rows than this need the right to act on many.
MANY = 50
#: So many names a question shows.
NAMES_SHOWN = 10


@dataclass(frozen=True)
class Action:
    """One thing people can do with rows of a list.

    Args:
        name: also the name of the button in the form.
        permission: the right it needs, ``app.codename``.
        level: how far the right on the row's own scope must reach (the page knows the scale).
        applies_to: the rows it makes sense for.
        not_for: why it leaves the other rows alone, as a sentence.
        counted: the label with a number ("Retry %(n)s records"), made by ``ngettext_lazy(…, "n")``.
        question: heading of the page that asks before; "" where nothing is asked.
        consequences: what will happen, one sentence each; shown under the question.
        confirm: label of the button that does it, where it differs from ``label``.
        options: form with what must be chosen before.
        danger: cannot be taken back at once.
    """

    name: str
    label: Text
    permission: str
    icon: str = ""
    shortcut: str = ""
    level: int = 1
    applies_to: Q = field(default_factory=Q)
    not_for: Text = ""
    counted: Text = ""
    question: Text = ""
    consequences: tuple[Text, ...] = ()
    confirm: Text = ""
    options: type[forms.Form] | None = None
    danger: bool = False

    @property
    def asks(self) -> bool:
        return bool(self.question) or self.options is not None

    def with_count(self, n: int) -> Text:
        return self.counted % {"n": n} if self.counted else f"{self.label} · {n}"


@dataclass(frozen=True)
class Selection:
    """Which rows a press means: the ticked ones, one, or all that match the list's own query string."""

    keys: tuple[int, ...] = ()
    everything: bool = False

    @classmethod
    def of(cls, data: QueryDict, value: str) -> Selection:
        """Read it from a posted form; ``value`` is that of the pressed button."""
        if value != SELECTED:
            return cls(keys=_keys([value]))
        if data.get("all") == "1":
            return cls(everything=True)
        return cls(keys=_keys(data.getlist("row")))

    @classmethod
    def of_address(cls, params: QueryDict) -> Selection:
        """What is ticked, as a script tells it: ``ticked=1.2.3``, or ``all=1``."""
        return cls(keys_of(params.get("ticked", "")), params.get("all") == "1")

    def __bool__(self) -> bool:
        return self.everything or bool(self.keys)


@dataclass(frozen=True)
class Outcome:
    """What an action did, as one sentence (may hold links, then marked safe by whoever made it)."""

    sentence: Text
    ok: bool = True


@dataclass(frozen=True)
class Told:
    """One consequence of a question, worked out for the chosen rows; ``lines`` stand below it."""

    sentence: Text
    lines: tuple[Text, ...] = ()


def press(label: Text, url: str, name: str, value: str) -> SafeString:
    """A button inside a result sentence ("… — *Run it now*"): posts to ``url`` by the form that stands beside the messages,
    with ``back``, the page it is on. Works without a script."""
    html = '<button class="press" form="press" formaction="{}" name="{}" value="{}">{}</button>'
    return format_html(html, url, name, value, label)


def permitted(actions: Sequence[Action], user: AbstractBaseUser | AnonymousUser) -> list[Action]:
    return [action for action in actions if user.has_perm(action.permission)]  # type: ignore[union-attr]


def pressed(actions: Sequence[Action], data: QueryDict) -> tuple[Action, str] | None:
    """The action whose button was pressed, with the button's value."""
    return next(((action, str(data[action.name])) for action in actions if action.name in data), None)


def number(text: Any) -> int | None:
    """A key as it stands in an address or a form; None for what is no key."""
    return int(text) if str(text).isdecimal() and len(str(text)) < 19 else None


def keys_of(text: str) -> tuple[int, ...]:
    """Keys as a script tells them: ``1.2.3``."""
    return _keys(text.split("."))


def _keys(values: Iterable[Any]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(key for value in values if (key := number(value)) is not None))
