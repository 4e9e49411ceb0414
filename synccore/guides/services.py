"""Guides: what only services on the web can say, and what their administrators do about it (Dataverse, Business Central,
other OData services). What is met before anybody is signed in is in :mod:`synccore.guides.services_sign_in`."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import CHECKED_AGAIN, NOTHING_TO_DO, Guide, Text, Who

_MAPPING = ("set_up_mapping", "test_connection")
_RETRY = _("Then retry; a change of the record brings it back by itself as well.")
_FIX = ("edit", "retry", "leave_out")


def _set_up(title: Text, sentence: Text, *steps: Text, actions: tuple[str, ...]) -> Guide:
    return Guide(title, sentence, Who.ADMINISTRATOR, steps, actions)


PASSING: Final[dict[str, Guide]] = {
    "throttled": Guide(
        _("{app} asks for fewer requests"),
        _(
            "{app} has had as many requests as it takes from one account for now. Tandem waits as long "
            "as it says."
        ),
        Who.ITSELF,
        (
            NOTHING_TO_DO,
            _("If it lasts: look whether another program signs in to {app} with the same account."),
        ),
        ("test_connection",),
    ),
    "app_fault": Guide(
        _("{app} met an error of its own"),
        _("{app} answered that it failed, without saying why it could not be done."),
        Who.ITSELF,
        (NOTHING_TO_DO, _("If it lasts: copy the details for whoever supports {app}.")),
        ("retry", "copy_details"),
    ),
    "answer_unreadable": Guide(
        _("The answer of {app} cannot be read"),
        _("An answer of {app} was cut short, or is not what its protocol says. Nothing of it was used."),
        Who.ITSELF,
        (
            NOTHING_TO_DO,
            _("If it lasts: copy the details for whoever runs {app} or the network in between."),
        ),
        ("retry", "copy_details"),
    ),
    "pages_repeat": Guide(
        _("The pages of {table} lead in a circle"),
        _(
            "{app} gives {table} page by page, and the next page it named is one that was read already. "
            "Reading on would never end, so the run stopped; nothing of it was lost."
        ),
        Who.OWNER,
        (
            _("Retry: the next run reads on from where this one was."),
            _("If it comes back: copy the details for whoever supports {app}."),
        ),
        ("retry", "copy_details"),
    ),
    "delta_expired": Guide(
        _("{table} is read whole once more"),
        _(
            "{app} no longer knows what changed since the last reading, so Tandem reads {table} from "
            "the start."
        ),
        Who.ITSELF,
        (NOTHING_TO_DO,),
        ("retry",),
    ),
}

TABLES: Final[dict[str, Guide]] = {
    "change_tracking_off": _set_up(
        _("{table} does not track changes"),
        _("Change tracking is off for {table}, so {app} cannot tell what was changed or deleted."),
        _(
            "In Power Apps, open the table {table}, then Properties, Advanced options, and turn Track "
            "changes on. It cannot be turned off again."
        ),
        CHECKED_AGAIN,
        actions=_MAPPING,
    ),
    "concurrency_off": _set_up(
        _("{table} cannot be written safely"),
        _(
            "{app} does not compare versions for {table}, so a change of somebody else could be "
            "overwritten unseen. Tandem does not write like that."
        ),
        _("Ask whoever runs {app} to turn optimistic concurrency on for {table}."),
        _("Or let the mapping only read {table}."),
        actions=_MAPPING,
    ),
    "version_not_accepted": _set_up(
        _("{app} does not accept the version of a record"),
        _(
            "{app} wants to know which version of a record of {table} is changed, and does not take the "
            "one it gave."
        ),
        _("Copy the details for whoever supports Tandem; something between the two may change what is sent."),
        actions=("copy_details", "test_connection"),
    ),
    "key_not_defined": _set_up(
        _("{table} has no such key"),
        _("{app} was asked for a record of {table} by fields that are no key there."),
        _("Ask whoever runs {app} to define and activate the key, or look records up by another field."),
        actions=_MAPPING,
    ),
    "data_upgrade_needed": _set_up(
        _("{app} must upgrade its data first"),
        _("{app} was updated, but the data of {table} was not; until then its page refuses every request."),
        _(
            "Business Central: an administrator runs the data upgrade of the app, on the page API Data "
            "Upgrade."
        ),
        CHECKED_AGAIN,
        actions=_MAPPING,
    ),
    "manual_numbers_off": _set_up(
        _("{app} takes no numbers from outside"),
        _("The number series {series} gives the numbers of {table} itself, and the mapping writes one."),
        _("Business Central: on the page No. Series, turn Manual Nos. on for {series}."),
        _("Or take the number out of what the mapping writes, so that {app} numbers new records."),
        actions=("retry", "set_up_fields"),
    ),
    "number_series_missing": _set_up(
        _("{app} has no number series for {table}"),
        _("New records of {table} get their number from a series, and {field} names none."),
        _("Business Central: choose a series in {field} on the set-up page that the message names."),
        _RETRY,
        actions=("retry",),
    ),
    "posting_group_missing": _set_up(
        _("A posting group is missing"),
        _("{app} needs {field} for a record of {table}, and nothing gives it one."),
        _("Add a template for new records to the mapping that fills {field} in."),
        _("Or let whoever keeps the books of {app} give new records a posting group by its own template."),
        _RETRY,
        actions=("retry", "set_up_mapping"),
    ),
}

VALUES: Final[dict[str, Guide]] = {
    "duplicate_rule": Guide(
        _("{app} takes the record for a duplicate"),
        _("A rule of {app} that looks for duplicates found another record like this one."),
        Who.OWNER,
        (
            _("If the other record is the same one: couple the two."),
            _("If not: change what the two have in common."),
            _("Or ask whoever runs {app} to change the duplicate detection rule."),
            _RETRY,
        ),
        ("couple", *_FIX),
    ),
    "business_rule": Guide(
        _("A rule of {app} refuses the record"),
        _("{app} has a rule of its own that does not let the record be stored. Its own words stand below."),
        Who.OWNER,
        (_("Change the record as {app} asks."), _RETRY, _("Or ask whoever runs {app} about the rule.")),
        _FIX,
    ),
    "request_too_large": Guide(
        _("The record is too large for {app}"),
        _("What would be written to {table} is larger than {app} takes in one request."),
        Who.OWNER,
        (_("Shorten the longest of its fields."), _RETRY),
        _FIX,
    ),
    "currency_needed": Guide(
        _("The record needs a currency first"),
        _(
            "{app} takes an amount in {table} only with its currency, and the record has none there, or "
            "another one."
        ),
        Who.OWNER,
        (
            _("Give the record a currency in the app it comes from, or couple the currency it has."),
            _("Or ask an administrator to map the currency of {table} beside its amounts."),
        ),
        ("edit", "retry"),
    ),
}

GUIDES: Final[dict[str, Guide]] = {**PASSING, **TABLES, **VALUES}
