"""Why it happens, for what only services on the web can say; see :mod:`synccore.guides.why`."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.why_shape import Why

_ENTRA = _("An administrator of the tenant in Microsoft Entra; after that, an administrator of Tandem.")
_APP_ADMIN = _("An administrator of {app}; after that, any administrator of Tandem can check again.")
_OURS = _("An administrator of Tandem.")
_NOBODY = _("Nobody, if it passes; else whoever runs {app}.")
_OWNER = _("Whoever may change the record in {app} or {other_app}; then anybody with the right to retry.")
_BOOKS = _("Whoever keeps the books or the set-up of {app}.")

WHY: Final[dict[str, Why]] = {
    "pages_repeat": Why(
        _(
            "A long list comes in pages, each of which names the next. Where a page names one that came "
            "before it, {app} has lost its place, usually while many records changed."
        ),
        _("Whoever runs {app}, if it comes back."),
    ),
    "wrong_address": Why(
        _(
            "A service on the web has one address for people and another for programs. The first shows "
            "a page, or sends a program on to a sign-in page."
        ),
        _OURS,
    ),
    "address_of_the_machine": Why(
        _(
            "At these addresses a machine in a cloud is told its own passwords. Whoever can change what a "
            "name leads to could have them fetched, so Tandem never connects there."
        ),
        _("An administrator of Tandem, with whoever runs the name service."),
    ),
    "certificate_refused": Why(
        _(
            "The certificate proves that the other end is {app} and nobody in between. Without that "
            "proof no password and no record may be sent there."
        ),
        _("Whoever runs {app}; for an authority of your own, whoever runs the server of Tandem."),
    ),
    "secret_refused": Why(
        _(
            "A client secret is shown once, when it is made. Afterwards only its id can be seen, which "
            "is easily taken for it; and a secret belongs to one app registration."
        ),
        _ENTRA,
    ),
    "secret_expired": Why(
        _(
            "Every client secret is given an end when it is made, two years at most. Nobody is told "
            "when it comes."
        ),
        _ENTRA,
    ),
    "client_unknown": Why(
        _(
            "An app registration lives in one tenant. It was deleted or disabled, or the tenant entered "
            "is another one."
        ),
        _ENTRA,
    ),
    "consent_missing": Why(
        _(
            "An app registration may do nothing until an administrator of the tenant has consented to "
            "what it asks for. Asking alone is not enough, and a permission that is added later needs a "
            "new consent."
        ),
        _ENTRA,
    ),
    "scope_refused": Why(
        _(
            "A token is for one service, which the tenant must know by the name it is asked by. A Dataverse "
            "environment has the name of its address; a copy, or one of another tenant, has another."
        ),
        _OURS,
    ),
    "conditional_access": Why(
        _(
            "A tenant can decide from where, and with what risk, an app registration is let in. Such a policy "
            "is often made for all of them at once."
        ),
        _ENTRA,
    ),
    "token_refused": Why(
        _(
            "What gives the tokens knows the client, its secret and what it may ask for. One of them is not as "
            "it was registered, or was changed there."
        ),
        _ENTRA,
    ),
    "token_address_wrong": Why(
        _(
            "Tokens are given by another server than {app}. Where its address was entered by hand, it was "
            "mistyped or belongs to something else; or this server may not reach it."
        ),
        _OURS,
    ),
    "registration_refused": Why(
        _(
            "Microsoft Entra says who somebody is; {app} decides whether he is let in. Both must know "
            "the app registration: being known to one of them is not enough."
        ),
        _APP_ADMIN,
    ),
    "user_unknown": Why(
        _(
            "Microsoft Entra says who somebody is; {app} decides whether he is let in. The account "
            "exists in the tenant, and {app} has no user for it."
        ),
        _APP_ADMIN,
    ),
    "user_disabled": Why(
        _(
            "Accounts are disabled by people who tidy up, when a licence ends, or by a rule for "
            "accounts that nobody signs in with. A job queue is not seen as a person at work."
        ),
        _APP_ADMIN,
    ),
    "licence_missing": Why(
        _("People need a licence to use {app}; an account that was made for a person needs one too."), _ENTRA
    ),
    "admin_mode": Why(
        _(
            "Somebody keeps everybody out while {app} is updated, copied, restored or repaired. A copy "
            "of an environment starts in this mode, so that its jobs do not write to the apps of the "
            "original."
        ),
        _APP_ADMIN,
    ),
    "app_disabled": Why(
        _(
            "A trial or a subscription has ended, or an environment was given up. After some days it is "
            "deleted for good."
        ),
        _ENTRA,
    ),
    "throttled": Why(
        _(
            "{app} allows each account so many requests in some minutes, and so many at once. All "
            "programs that sign in with the account share them."
        ),
        _NOBODY,
    ),
    "delta_expired": Why(
        _(
            "{app} remembers for some days what was changed. The last reading was longer ago, or its "
            "tables were changed meanwhile; reading all of it finds every change as well."
        ),
        _NOBODY,
    ),
    "change_tracking_off": Why(
        _("{app} remembers changes and deletions of a table only where somebody has turned that on."),
        _APP_ADMIN,
    ),
    "manual_numbers_off": Why(
        _(
            "A number series of {app} can give numbers itself, take those that are entered, or both. It "
            "is set to the first, and a record that comes from the other app has a number already."
        ),
        _BOOKS,
    ),
    "number_series_missing": Why(
        _("A company of {app} says on its set-up pages which series each kind of record is numbered by."),
        _BOOKS,
    ),
    "posting_group_missing": Why(
        _(
            "{app} books by posting groups. The other app knows none, so new records get theirs from a "
            "template: that of the mapping, or that of {app}."
        ),
        _BOOKS,
    ),
    "duplicate_rule": Why(
        _(
            "{app} compares new records with those it has by rules of its own, for example the same "
            "name or e-mail address. The other app has no such rule."
        ),
        _OWNER,
    ),
    "business_rule": Why(
        _(
            "Somebody extended {app} with a plug-in, a workflow, an extension or a business rule that "
            "checks records as they are stored. It speaks for itself: Tandem passes its words on."
        ),
        _OWNER,
    ),
    "currency_needed": Why(
        _(
            "{app} stores an amount together with the currency it is in, and works out its base "
            "currency from both."
        ),
        _OWNER,
    ),
}
