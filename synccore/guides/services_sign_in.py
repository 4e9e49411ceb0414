"""Guides: an address that leads elsewhere, and a sign-in that a service on the web, or the one that gives its tokens,
refuses."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import CHECKED_AGAIN, Guide, Text, Who

_PRESS = _("Press Test Connection.")


def _set_up(title: Text, sentence: Text, *steps: Text) -> Guide:
    return Guide(title, sentence, Who.ADMINISTRATOR, steps, ("set_up_connection", "test_connection"))


GUIDES: Final[dict[str, Guide]] = {
    # -- the address
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
        _("If others trust it: set the clock of the server of Tandem right."),
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
    # -- the sign-in
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
            "Microsoft Entra gives {user} no token for {app}: the permission is missing, or no administrator of "
            "the tenant has consented to it."
        ),
        _(
            "Business Central: in the Microsoft Entra admin center, open the app registration of {user}, then API "
            "permissions; add the application permission API.ReadWrite.All and press Grant admin consent."
        ),
        _(
            "Dataverse needs no permission: compare the address and the tenant on Connection Setup with those of "
            "the environment."
        ),
        _PRESS,
    ),
    "scope_refused": _set_up(
        _("What the token is asked for is not known"),
        _(
            "The tenant knows nothing by the name for which {user} asks a token. The name is made of the address "
            "of {app}, or is the scope that was entered."
        ),
        _(
            "Dataverse: compare the address on Connection Setup with that of the environment, and the tenant with "
            "the one that the environment belongs to."
        ),
        _("Leave the scope on Connection Setup empty, unless {app} publishes one: then compare the two."),
        _PRESS,
    ),
    "conditional_access": _set_up(
        _("A policy of the tenant blocks the sign-in"),
        _(
            "Microsoft Entra knows {user}, and a policy of conditional access does not let it in, or not from the "
            "server of Tandem."
        ),
        _(
            "In the Microsoft Entra admin center, open the sign-in logs, then Service principal sign-ins: the entry "
            "of {user} names the policy."
        ),
        _(
            "Ask an administrator of the tenant to leave the app registration out of the policy, or to add the "
            "address of the server of Tandem to the places it allows."
        ),
        CHECKED_AGAIN,
    ),
    "token_refused": _set_up(
        _("{app} gets no token"),
        _("{host} refuses {user} a token, for a reason that it tells in its own words."),
        _(
            "Compare the client id, the client secret and the scope on Connection Setup with what was registered."
        ),
        _("If they are right: show the message to whoever runs {host}."),
        CHECKED_AGAIN,
    ),
    "token_address_wrong": _set_up(
        _("There are no tokens at the token address of {app}"),
        _(
            "{host} was asked for a token and is not there, or does not answer as what gives tokens: the token "
            "address is another one, or something in between answers, such as a proxy. {app} itself was not asked."
        ),
        _(
            "Leave the token address on Connection Setup empty where Microsoft Entra gives the tokens; else compare "
            "it with the one that is published for {app}."
        ),
        _(
            "If it is the right one: ask whoever runs the network whether the server of Tandem may reach {host}."
        ),
        CHECKED_AGAIN,
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
