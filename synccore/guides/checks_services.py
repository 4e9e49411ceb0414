"""Guides of the set-up checks that only services on the web can be asked."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.check_shape import CheckGuide

_RUNS_THE_APP = _("Whoever runs {app}")
_TENANT = _("An administrator of the tenant in Microsoft Entra")
_NOT_TOLD = _("{app} did not tell.")
_SECRET = _(
    "In the Microsoft Entra admin center, look under Certificates & secrets of the app registration when it ends, and "
    "note the day."
)

SERVICES: Final[dict[str, CheckGuide]] = {
    "certificate_ends": CheckGuide(
        _("End of the certificate"),
        _("The certificate of {host} is valid until {until}, {days} days from now."),
        _("The certificate of {host} ended on {until}."),
        _("The certificate of {host} could not be looked at from here."),
        _RUNS_THE_APP,
        warned=_("The certificate of {host} ends on {until}, in {days} days: it is usually renewed before."),
        steps=(_("Ask whoever runs {app} to renew the certificate; after its end nothing is sent."),),
    ),
    "user_exists": CheckGuide(
        _("Integration user"),
        _("{app} knows {user}."),
        _("{app} does not know {user}."),
        _NOT_TOLD,
        _RUNS_THE_APP,
        steps=(_("Add the app registration as a user of {app}, with the rights on the mapped tables."),),
    ),
    "user_enabled": CheckGuide(
        _("Integration user is enabled"),
        _("{user} is enabled."),
        _("{user} is disabled in {app}."),
        _NOT_TOLD,
        _RUNS_THE_APP,
        steps=(_("Enable {user} in {app}, then check again."),),
    ),
    "user_access_mode": CheckGuide(
        _("Integration user may work with records"),
        _("{user} is an account for working with records."),
        _("{user} is an account for administration or for reading only: {app} lets it change no records."),
        _NOT_TOLD,
        _RUNS_THE_APP,
        steps=(_("In {app}, set the access mode of {user} to Non-interactive or Read-Write."),),
    ),
    "secret_valid": CheckGuide(
        _("Secret of the integration user"),
        _("The secret is accepted."),
        _("The secret is refused."),
        _("The secret is accepted now. {app} does not tell when it ends."),
        _TENANT,
        steps=(_SECRET,),
        by_hand=(_SECRET,),
    ),
    "admin_mode_off": CheckGuide(
        _("Administration mode"),
        _("It is off: {app} lets in accounts that are no administrators."),
        _("{app} is in administration mode: only administrators are let in."),
        _("{user} is an administrator, who is let in whether it is on or off."),
        _RUNS_THE_APP,
        steps=(
            _(
                "In the Power Platform admin center, open the environment, Edit, and turn Administration mode off."
            ),
        ),
    ),
    "quota_left": CheckGuide(
        _("Requests left"),
        _("{app} takes {requests} more requests from this account in the next five minutes."),
        _("{app} takes no more requests from this account for now."),
        _("{app} does not tell how many requests it still takes. When it asks for fewer, Tandem waits."),
        _RUNS_THE_APP,
        warned=_(
            "Only {requests} requests are left in these five minutes: other programs may sign in with "
            "the same account."
        ),
        steps=(_("Give Tandem an account of its own, which no other program uses."),),
    ),
    "tracks_changes": CheckGuide(
        _("Change tracking of {table}"),
        _("{app} tells what was changed and deleted."),
        _("Change tracking is off for {table}."),
        _NOT_TOLD,
        _RUNS_THE_APP,
        warned=_(
            "Change tracking is off for {table}: changes are found by their time, deletions only by the "
            "daily comparison of all records."
        ),
        steps=(
            _(
                "In Power Apps, open the table {table}, then Properties, Advanced options, and turn Track changes on."
            ),
        ),
    ),
    "safe_writes": CheckGuide(
        _("Versions of {table}"),
        _("{app} compares versions: nobody's change is overwritten unseen."),
        _(
            "{app} does not compare versions for {table}: a change of somebody else could be overwritten unseen."
        ),
        _NOT_TOLD,
        _RUNS_THE_APP,
        steps=(
            _("Ask whoever runs {app} to turn optimistic concurrency on for {table}."),
            _("Or let the mapping only read {table}."),
        ),
    ),
}
