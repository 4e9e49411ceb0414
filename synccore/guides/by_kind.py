"""Guides for codes that only a customer's own pattern knows: what their kind says, beside the app's own words."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.failures import Kind
from synccore.guides.shape import Guide, Who

UNKNOWN: Final = Guide(
    _("Something went wrong"),
    _("The record could not be synchronized. What was said about it stands below."),
    Who.OWNER,
    (_("Read the message, change the record in one of the apps, then retry."),),
    ("retry", "copy_details"),
)

GUIDES: Final[dict[Kind, Guide]] = {
    Kind.TRANSIENT: Guide(
        _("{app} could not do it just now"),
        _("{app} reported a fault that usually passes. Its own words stand below."),
        Who.ITSELF,
        (_("Nothing to do. Tandem tries again at the time shown."),),
        ("retry",),
    ),
    Kind.BLOCKED: Guide(
        _("Waits for something else"),
        _("{app} needs something else first. Its own words stand below."),
        Who.ITSELF,
        (_("When what is missing is there, the record follows by itself."),),
        ("retry",),
    ),
    Kind.REJECTED: Guide(
        _("{app} refuses the record"),
        _("{app} does not take the record as it is. Its own words stand below."),
        Who.OWNER,
        (_("Change the record so that {app} can take it, then retry."),),
        ("edit", "retry", "leave_out"),
    ),
    Kind.MISCONFIGURED: Guide(
        _("{app} is not set up for this"),
        _("{app} reported a problem with the set-up. Its own words stand below."),
        Who.ADMINISTRATOR,
        (_("Change the set-up of {app}; Tandem checks again by itself."),),
        ("test_connection",),
    ),
}
