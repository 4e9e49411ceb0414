"""Help pages: everything that is known about one code, filled with what a failure says where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from synccore.codes import CODES
from synccore.failures import Kind
from synccore.guides import by_kind, checks
from synccore.guides.check_shape import filled_check_steps
from synccore.guides.known_as import KNOWN_AS, Known
from synccore.guides.shape import Guide, Text, fill, filled_steps, is_unsaid, said
from synccore.guides.why import WHY

#: What a failure says about what must change, in the order people read it. What is not here is for support only.
FACTS: Final[dict[str, Text]] = {
    "table": _("Table"),
    "field": _("Field"),
    "fields": _("Fields"),
    "value": _("Value"),
    "length": _("Length"),
    "limit": _("Limit"),
    "constraint": _("Rule"),
    "referenced": _("Refers to"),
    "referencing": _("Referred to by"),
    "currency": _("Currency"),
    "what": _("Needs"),
    "mapping_name": _("Mapping"),
    "record_name": _("Record"),
    "user": _("Integration user"),
    "user_id": _("Its id there"),
    "privilege": pgettext_lazy("privilege", "Right"),
    "entity": _("Right on"),
    "series": _("Number series"),
    "policy": _("Rule for records"),
    "host": _("Server"),
    "port": _("Port"),
    "database": _("Database"),
    "until": _("Ends"),
    "count": _("Found"),
    "couplings": _("Coupled records"),
    "options": _("Values it knows"),
}


@dataclass(frozen=True, slots=True)
class Help:
    """A help page in the reader's language. Values are data: templates escape all of it.

    ``kind``: a Kind, "" for a check of the set-up. ``statement``: to copy into the app's database; "" where there is none.
    """

    code: str
    kind: str
    title: str
    sentence: str
    cause: str
    steps: tuple[str, ...]
    who: str
    statement: str
    facts: tuple[tuple[str, str], ...]
    actions: tuple[str, ...]
    known_as: tuple[Known, ...]


def help_for(
    guide: Guide,
    code: str,
    values: Mapping[str, Any] | None = None,
    *,
    kind: str = "",
) -> Help:
    """The page of a failure's code. ``values``: its params and the names of the apps (``app``, ``other_app``)."""
    known = dict(values or {})
    why = WHY.get(code)
    return Help(
        code,
        kind or (CODES[code].kind.value if code in CODES else ""),
        title=fill(guide.title, known),
        sentence=fill(guide.sentence, known),
        cause=fill(why.cause, known) if why else "",
        steps=filled_steps(guide, known),
        who=fill(why.who, known) if why and why.who else str(guide.who.label),
        statement=_statement(code, known),
        facts=_facts(known),
        actions=guide.actions,
        known_as=KNOWN_AS.get(code, ()),
    )


def help_for_check(code: str, values: Mapping[str, Any] | None = None) -> Help | None:
    """The page of a check of the set-up; None for what is none."""
    guide = checks.CHECKS.get(code)
    if guide is None:
        return None
    known, why = dict(values or {}), WHY.get(code)
    return Help(
        code,
        "",
        title=fill(guide.title, known),
        sentence=fill(guide.failed, known),
        cause=fill(why.cause, known) if why else "",
        steps=filled_check_steps(guide, known),
        who=fill(why.who if why and why.who else guide.who, known),
        statement=_statement(code, known),
        facts=_facts(known),
        actions=("test_connection",),
        known_as=KNOWN_AS.get(code, ()),
    )


def help_of_kind(kind: str) -> Guide:
    """What is said of a code that only a customer's own pattern knows."""
    return by_kind.GUIDES.get(Kind(kind), by_kind.UNKNOWN) if kind in set(Kind) else by_kind.UNKNOWN


def _statement(code: str, values: Mapping[str, Any]) -> str:
    """The statement to copy: the one that came with the failure, else the code's own with the names filled in."""
    if grant := str(values.get("grant") or ""):
        return grant
    if values.get("roles") or values.get("holder") or values.get("host") and not values.get("database"):
        return ""  # of a service: its administrators have pages, no statements
    template = WHY[code].statement if code in WHY else ""
    names = [name for name in ("user", "database", "table") if "{" + name + "}" in template]
    if any(is_unsaid(values.get(name)) for name in names):
        return ""
    for name in names:
        template = template.replace("{" + name + "}", _quoted(str(values[name])))
    return template


def _quoted(name: str) -> str:
    """An identifier of SQL, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'


def _facts(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rows: Sequence[tuple[str, Text]] = tuple(FACTS.items())
    return tuple(
        (str(label), said(name, values[name])) for name, label in rows if not is_unsaid(values.get(name))
    )
