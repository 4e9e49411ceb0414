"""Guides: what only services on the web can say, and what their administrators do about it (Dataverse, Business Central,
other OData services)."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import CHECKED_AGAIN, NOTHING_TO_DO, Guide, Text, Who

_PRESS = _("Press Test Connection.")
_TEST = ("set_up_connection", "test_connection")
_MAPPING = ("set_up_mapping", "test_connection")
_RETRY = _("Then retry; a change of the record brings it back by itself as well.")
_FIX = ("edit", "retry", "leave_out")


def _set_up(title: Text, sentence: Text, *steps: Text, actions: tuple[str, ...] = _TEST) -> Guide:
    return Guide(title, sentence, Who.ADMINISTRATOR, steps, actions)


ADDRESS: Final[dict[str, Guide]] = {
    "wrong_address": _set_up(
        _("The address of {app} does not lead to its data"),
        _(
            "{host} answers, but not as the service of {app}: the address is another one, or something in "
            "between answers, such as a sign-in page or a proxy."
        ),
        _("Compare the address on Connection Setup with the one that {app} publishes for its web API."),
        _("If something is in between: let the server of Tandem pass it."),
        CHECKED_AGAIN,
    ),
    "address_of_the_machine": _set_up(
        _("The address of {app} leads to the machine itself"),
        _(
            "The name {host} leads to an address of this machine's own surroundings, where no business app is. "
            "Nothing was sent."
        ),
        _("Compare the address on Connection Setup with the one that {app} publishes for its web API."),
        _("If it is the right one: ask whoever runs your name service why {host} leads there."),
        CHECKED_AGAIN,
    ),
    "certificate_refused": _set_up(
        _("The certificate of {app} is not trusted"),
        _(
            "The certificate that {host} shows has expired, was made for another name, or comes from an "
            "authority that this server does not know. Nothing was sent."
        ),
        _("Ask whoever runs {app} to renew the certificate, or enter the name it was made for."),
        _("If your own authority signed it: add that authority to those the server of Tandem trusts."),
        CHECKED_AGAIN,
    ),
    "tenant_unknown": _set_up(
        _("The tenant is not known"),
        _("Microsoft Entra knows no tenant with the id or domain that was entered for {app}."),
        _(
            "Copy the tenant's id from the overview page of the Microsoft Entra admin center to "
            "Connection Setup."
        ),
        _PRESS,
    ),
    "environment_unknown": _set_up(
        _("The environment of {app} is not there"),
        _("The tenant has no environment of the name that was entered: it was renamed, deleted or mistyped."),
        _("Choose the environment again on Connection Setup; its names stand in the app's admin center."),
        _PRESS,
    ),
    "company_unknown": _set_up(
        _("The company of {app} is not there"),
        _("{app} has no company of the id that was entered, or {user} may not open it."),
        _("Choose the company again on Connection Setup."),
        _("If it is the right one: ask whoever runs {app} whether the permission sets of {user} cover it."),
        CHECKED_AGAIN,
    ),
}

SIGNING_IN: Final[dict[str, Guide]] = {
    "secret_refused": _set_up(
        _("The client secret is refused"),
        _("The client secret that Tandem keeps for {user} is not the right one."),
        _(
            "In the Microsoft Entra admin center, open the app registration of {user}, then Certificates & "
            "secrets, and add a client secret."
        ),
        _("Enter its value, not its id, on Connection Setup and press Test Connection."),
    ),
    "secret_expired": _set_up(
        _("The client secret has expired"),
        _("The client secret of {user} has ended or was revoked; no token is given for it any more."),
        _(
            "In the Microsoft Entra admin center, open the app registration of {user}, then Certificates & "
            "secrets, and add a client secret."
        ),
        _("Enter its value, not its id, on Connection Setup and press Test Connection."),
        _("Note when the new one ends."),
    ),
    "client_unknown": _set_up(
        _("The app registration is not known"),
        _("The tenant has no app registration for {user}, or it was disabled there."),
        _(
            "Compare the client id and the tenant on Connection Setup with the app registration in the "
            "Microsoft Entra admin center."
        ),
        _(
            "If it was disabled: ask an administrator of the tenant to enable it under Enterprise "
            "applications."
        ),
        CHECKED_AGAIN,
    ),
    "consent_missing": _set_up(
        _("The consent for {app} is missing"),
        _(
            "Microsoft Entra gives {user} no token for {app}: the permission or the consent is missing, or the "
            "address of {app} is not the one that Entra knows."
        ),
        _(
            "Dataverse: compare the address on Connection Setup with that of the environment; no permission is needed."
        ),
        _(
            "Business Central: in the Microsoft Entra admin center, open the app registration of {user}, then API "
            "permissions; add the application permission API.ReadWrite.All and press Grant admin consent."
        ),
        _PRESS,
    ),
    "interaction_required": _set_up(
        _("The sign-in asks for a person"),
        _(
            "{app} wants a person at the sign-in of {user}, for a second factor or a consent. Tandem "
            "works without one."
        ),
        _("Let Tandem sign in with an app registration, or take the account out of the rule that asks."),
        CHECKED_AGAIN,
    ),
    "registration_refused": _set_up(
        _("{app} does not accept the app registration"),
        _(
            "The token was given, but {app} does not take it for {user}: the app registration is not "
            "set up there, or not enabled."
        ),
        _(
            "Business Central: open the page Microsoft Entra Applications, add {user} by its client id, "
            "set State to Enabled, and give it the permission sets it needs (SUPER is not allowed)."
        ),
        _(
            "Dataverse: in the Power Platform admin center, open the environment, then Application "
            "users, and add the app registration with a security role."
        ),
        _(
            "Check that an administrator has consented to the permission of the app registration in "
            "Microsoft Entra."
        ),
        CHECKED_AGAIN,
    ),
    "user_unknown": _set_up(
        _("{app} does not know the integration user"),
        _(
            "{user} can sign in to the tenant, but is no user of {app}: it was never added there, or "
            "was deleted."
        ),
        _(
            "Dataverse: in the Power Platform admin center, open the environment, then Application "
            "users, and add the app registration with a security role."
        ),
        _("Business Central: add it on the page Microsoft Entra Applications, and set State to Enabled."),
        CHECKED_AGAIN,
    ),
    "user_disabled": _set_up(
        _("The integration user is disabled"),
        _("{app} no longer lets {user} in: somebody disabled the account."),
        _(
            "Dataverse: in the Power Platform admin center, open the environment, then Application "
            "users, and activate {user}."
        ),
        _("Business Central: on the page Microsoft Entra Applications (or Users), set State to Enabled."),
        CHECKED_AGAIN,
    ),
    "licence_missing": _set_up(
        _("The integration user has no licence"),
        _("{app} does not let {user} work without a licence, or the licence does not cover this."),
        _("Ask an administrator of the tenant to assign a licence, or to renew the one that ended."),
        _(
            "An application user of Dataverse or Business Central needs none: sign in with an app "
            "registration."
        ),
        CHECKED_AGAIN,
    ),
    "admin_mode": _set_up(
        _("{app} is in administration mode"),
        _(
            "Only administrators are let into {app} while it is in administration mode. Synchronizing "
            "waits; nothing is lost and nothing is skipped."
        ),
        _(
            "When the work there is done: in the Power Platform admin center, open the environment, "
            "Edit, and turn Administration mode off."
        ),
        CHECKED_AGAIN,
    ),
    "app_disabled": _set_up(
        _("{app} is disabled"),
        _(
            "The environment of {app} is disabled: its trial or subscription ended, or an administrator "
            "did it."
        ),
        _(
            "Ask an administrator of the tenant to enable it in the admin center, before it is deleted "
            "for good."
        ),
        CHECKED_AGAIN,
    ),
}

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

GUIDES: Final[dict[str, Guide]] = {**ADDRESS, **SIGNING_IN, **PASSING, **TABLES, **VALUES}
