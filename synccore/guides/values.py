"""Guides: values that an app, or the conversion between the two, refuses."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import Guide, Who

_RETRY = _("Then retry; a change of the record brings it back by itself as well.")
_FIX = ("edit", "retry", "leave_out")
_MAPPING = _("Or ask an administrator to change the mapping of {field}.")

GUIDES: Final[dict[str, Guide]] = {
    "duplicate_key": Guide(
        _("The value of {field} is in use by another record"),
        _("{app} allows each {field} once, and {value} is in use by another record."),
        Who.OWNER,
        (
            _("If the other record is the same one: couple the two."),
            _("If not: give one of them another {field}."),
            _RETRY,
        ),
        ("couple", *_FIX),
    ),
    "still_referenced": Guide(
        _("Other records still use this one"),
        _("{app} does not let the record be deleted while {referencing} refers to it."),
        Who.OWNER,
        (
            _("Delete or reassign what refers to it in {app}, then retry."),
            _("Or restore the record instead."),
        ),
        ("restore", "retry", "remove_coupling"),
    ),
    "reference_missing": Guide(
        _("{field} refers to something that is not there"),
        _("{field} is {value}, and {app} has no such record in {referenced}."),
        Who.OWNER,
        (_("Create it in {app}, or choose another value."), _RETRY),
        _FIX,
    ),
    "check_refused": Guide(
        _("{app} refuses the value of {field}"),
        _("The value {value} of {field} breaks the rule {constraint}: {limit}."),
        Who.OWNER,
        (_("Change {field} so that the rule is kept."), _RETRY),
        _FIX,
    ),
    "value_required": Guide(
        _("{field} must not be empty"),
        _("{app} needs a value in {field}, and the record has none."),
        Who.OWNER,
        (
            _("Fill in {field} in the app the record comes from."),
            _RETRY,
            _("A new record can also be entered in {app} by hand, with {field}: couple the two, then retry."),
            _MAPPING,
        ),
        _FIX,
    ),
    "value_too_long": Guide(
        _("{field} is too long"),
        _(
            "The value of {field} has {length} characters; there is room for {limit}. Tandem cuts nothing by itself."
        ),
        Who.OWNER,
        (_("Shorten {field} in the app the record comes from."), _RETRY, _MAPPING),
        _FIX,
    ),
    "number_out_of_range": Guide(
        _("{field} is too large or too small"),
        _("{value} in {field} is beyond what can be stored there: {limit}."),
        Who.OWNER,
        (_("Correct {field}."), _RETRY),
        _FIX,
    ),
    "number_too_precise": Guide(
        _("{field} has too many decimals"),
        _(
            "{value} in {field} has more digits than the {limit} that can be stored. Tandem rounds nothing by itself."
        ),
        Who.OWNER,
        (_("Round {field} in the app the record comes from."), _RETRY, _MAPPING),
        _FIX,
    ),
    "time_too_precise": Guide(
        _("{field} has too fine a time"),
        _("{value} in {field} has more digits of a second than the {limit} that can be stored."),
        Who.OWNER,
        (_("Correct {field}."), _MAPPING),
        _FIX,
    ),
    "invalid_value": Guide(
        _("{field} holds a value of the wrong kind"),
        _("{value} in {field} is not what is expected there ({expected})."),
        Who.OWNER,
        (_("Correct {field}."), _RETRY, _MAPPING),
        _FIX,
    ),
    "unstorable_character": Guide(
        _("{field} holds a character that cannot be stored"),
        _("{field} contains {character}, which {app} cannot store."),
        Who.OWNER,
        (_("Remove the character from {field}."), _RETRY),
        _FIX,
    ),
    "read_only_field": Guide(
        _("{field} cannot be written"),
        _("{app} works out {field} itself and takes no value for it."),
        Who.ADMINISTRATOR,
        (_("Let the mapping read {field} only, or map another field."),),
        ("set_up_fields",),
    ),
    "write_ignored": Guide(
        _("{app} did not take the change"),
        _(
            "{app} accepted the change to {table} and then left the record as it was: a rule of its own undoes it."
        ),
        Who.OWNER,
        (_("Ask whoever runs {app} which rule keeps the record from being changed."), _RETRY),
        _FIX,
    ),
    "zone_missing": Guide(
        _("{field} lacks its time zone"),
        _("{value} in {field} is a clock reading without a zone, so the moment it means is not known."),
        Who.ADMINISTRATOR,
        (_("Add the transformation “Time zone of the clock reading” to {field}."),),
        ("set_up_fields",),
    ),
    "option_unmapped": Guide(
        _("{field} has a value that is not in the list"),
        _("{value} in {field} has no counterpart in the mapping."),
        Who.OWNER,
        (
            _("Choose one of the values that are known."),
            _("Or ask an administrator to add {value} to the list."),
        ),
        _FIX,
        (_("The values it knows: {options}."),),
    ),
    "exchange_rate_missing": Guide(
        _("An exchange rate is missing"),
        _("{app} has no exchange rate for {value}, which the record is in."),
        Who.ADMINISTRATOR,
        (
            _("Enter an exchange rate for {value} in {app}, starting on or before the record's date."),
            _("The records that wait for it follow by themselves."),
        ),
        ("retry",),
    ),
}
