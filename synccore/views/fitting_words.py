"""Warnings about a mapping in words: what does not fit, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.services.fitting import Warned
from synccore.shapes import FieldType

from .mapping_words import TYPES

#: As many values of a list as a sentence names.
_SAID: Final = 5


def _some(values: Sequence[str]) -> str:
    """The first values of a list, and how many more there are."""
    if len(values) <= _SAID:
        return ", ".join(values)
    more = len(values) - _SAID + 1
    text = ngettext("%(values)s and %(n)s more", "%(values)s and %(n)s more", more)
    return text % {"values": ", ".join(values[: _SAID - 1]), "n": more}


def warning_words(warned: Warned, apps: Mapping[str, str]) -> tuple[str, str]:
    """Title and sentence of a warning."""
    params = warned.params
    app = apps.get(str(params.get("side", "")), "")
    values = {"app": app, "field": "", "table": "", "from": "", "length": "", "limit": "", **params}
    for name in ("fields", "values", "options"):
        if isinstance(values.get(name), list):
            values[name] = ", ".join(values[name]) if name == "fields" else _some(values[name])
    kinds = {"from_type": params.get("from_type"), "type": params.get("type")}
    values |= {name: str(TYPES[FieldType(kind)]) for name, kind in kinds.items() if kind}
    longer = _(
        "%(field)s in %(app)s takes %(limit)s characters; %(from)s may hold %(length)s. Longer values are refused."
    )
    if params.get("length") is None:
        longer = _(
            "%(field)s in %(app)s takes %(limit)s characters; %(from)s has no limit. Longer values are refused."
        )
    known = {
        "shorter": (_("%(field)s is shorter"), longer),
        "fewer_decimals": (
            _("%(field)s has fewer decimals"),
            _("%(field)s in %(app)s keeps %(scale)s decimals; %(from)s may have more. Round it, or they are refused."),
        ),
        "smaller": (
            _("%(field)s takes smaller numbers"),
            _("%(field)s in %(app)s takes %(digits)s digits before the decimals; %(from)s may have more."),
        ),
        "no_decimals": (
            _("%(field)s takes whole numbers only"),
            _("%(from)s may have decimals. Round it, or such values are refused."),
        ),
        "other_type": (
            _("%(field)s is of another type"),
            _("%(from)s is a %(from_type)s, %(field)s in %(app)s a %(type)s. Values that are none are refused."),
        ),
        "only_of_list": (
            _("%(field)s takes the values of a list"),
            _(
                "%(field)s in %(app)s takes only: %(options)s. %(from)s may hold anything. "
                "Add the conversion “Replace values by a list”, or other values are refused."
            ),
        ),
        "other_list": (
            _("%(field)s takes the values of another list"),
            _(
                "%(field)s in %(app)s takes only: %(options)s. %(from)s also has: %(values)s. "
                "Add the conversion “Replace values by a list”, or these are refused."
            ),
        ),
        "not_all_of_list": (
            _("Some values of %(from)s are not in the conversion"),
            _("Not replaced, and so refused: %(values)s."),
        ),
        "not_of_list": (
            _("%(field)s takes the values of another list"),
            _("%(field)s in %(app)s takes only: %(options)s. The conversion gives: %(values)s."),
        ),
        "number_of_list": (
            _("%(field)s gets numbers"),
            _(
                "%(from)s is a list whose values are numbers: %(values)s. The number is written, not its caption. "
                "Add the conversion “Replace values by a list” to write something else."
            ),
        ),
        "foreign_id": (
            _("%(field)s names a record of its own app"),
            _(
                "%(from)s holds an id of the other app, which means nothing in %(app)s. "
                "Say under “It names a record of” which mapping couples the two."
            ),
        ),
        "zone_needed": (
            _("%(field)s needs a time zone"),
            _(
                "Only one of %(from)s and %(field)s knows its time zone. "
                "Add the conversion “Time zone of the clock reading”."
            ),
        ),
        "required_here": (
            _("%(field)s must have a value"),
            _(
                "%(field)s in %(app)s is never empty; %(from)s may be. "
                "Add the conversion “Value when empty”, or such records are refused."
            ),
        ),
        "no_stamp": (
            _("%(table)s has no modified-on field"),
            _("%(table)s of %(app)s is read whole by each run."),
        ),
        "required_unmapped": (
            _("New records of %(table)s lack a value"),
            _("%(app)s needs %(fields)s, and nothing is mapped to it. Map it, or give it a constant or a template."),
        ),
        "uncertain_creates": (
            _("New records of %(table)s cannot be recognised"),
            _(
                "If the answer to a create in %(app)s is lost, a person must look. "
                "Choose a field by which new records are looked up."
            ),
        ),
    }  # fmt: skip
    title, sentence = known.get(warned.code, (warned.code.replace("_", " "), ""))
    return title % values, sentence % values
