"""The steps of a guided start: where one is, what lies behind, and what is left."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore.connectors import CONNECTORS
from synccore.models import Connection

_TITLES = {
    "kind": gettext_lazy("Kind of app"),
    "address": gettext_lazy("Address and credentials"),
    "test": gettext_lazy("Test Connection"),
    "choose": gettext_lazy("Company or environment"),
    "checks": gettext_lazy("Set-up checks"),
    "next": gettext_lazy("What next"),
}


@dataclass(frozen=True)
class Step:
    """One step. ``url``: "" where one cannot go (back to the kind; on to what needs the connection)."""

    name: str
    number: int
    title: str
    url: str
    is_current: bool
    is_behind: bool


def names_of(kind: str) -> list[str]:
    """The steps of a kind of app; where nothing is listed there is nothing to choose."""
    found = CONNECTORS.get(kind)
    lists = found is None or found.lists_choices
    return [name for name in _TITLES if name != "choose" or lists]


def steps_of(app: Connection | None, current: str, kind: str = "") -> list[Step]:
    """All steps as a page on one of them shows them."""
    names = names_of(app.kind if app else kind)
    at = names.index(current)
    return [
        Step(name, n + 1, str(_TITLES[name]), _url(app, name, current), n == at, n < at)
        for n, name in enumerate(names)
    ]


def _url(app: Connection | None, name: str, current: str) -> str:
    if name == current:
        return ""
    if name == "kind":
        return "" if app else reverse("synccore:new_connection")
    return reverse(f"synccore:guided_{name}", args=[app.pk]) if app else ""


def after(app: Connection, current: str) -> str:
    """Address of the step that follows."""
    names = names_of(app.kind)
    return reverse(f"synccore:guided_{names[names.index(current) + 1]}", args=[app.pk])


def words_for_choosing(kind: str) -> str:
    """The title of the page on which something is chosen, or confirmed."""
    found = CONNECTORS.get(kind)
    is_chosen = found is not None and any(option.listed for option in found.options)
    return _("Company or environment") if is_chosen else _("Is this the one you mean?")
