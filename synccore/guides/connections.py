"""Guides: reaching an app, signing in, and short outages."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import CHECKED_AGAIN, NOTHING_TO_DO, Guide, Who

_TEST = ("set_up_connection", "test_connection")

GUIDES: Final[dict[str, Guide]] = {
    "bad_connection_options": Guide(
        _("The connection is not filled in correctly"),
        _("The option {field} of the connection cannot be used as it is."),
        Who.ADMINISTRATOR,
        (_("Open Connection Setup and correct {field}."), _("Press Test Connection.")),
        _TEST,
    ),
    "bad_connection_string": Guide(
        _("The address of {app} cannot be read"),
        _("The connection string of {app}, or its certificate settings, cannot be used."),
        Who.ADMINISTRATOR,
        (_("Open Connection Setup and correct the address."), _("Press Test Connection.")),
        _TEST,
    ),
    "bad_pattern": Guide(
        _("A pattern of the connection cannot be used"),
        _("Pattern number {number} of the connection is not correct: look at {part}."),
        Who.ADMINISTRATOR,
        (_("Open Connection Setup and correct or remove the pattern."),),
        _TEST,
    ),
    "credentials_unreadable": Guide(
        _("The password of {app} cannot be read"),
        _(
            "The stored credentials of {app} were encrypted with a key that this installation does not have: "
            "the database comes from another installation, or an old key was dropped."
        ),
        Who.ADMINISTRATOR,
        (
            _("Add the old key at the end of TANDEM_CREDENTIAL_KEYS and start Tandem again."),
            _("Or enter the credentials once more on Connection Setup."),
        ),
        _TEST,
    ),
    "unknown_kind": Guide(
        _("This kind of connection is not known"),
        _("The connection {app} is of the kind {kind}, for which this version of Tandem has no connector."),
        Who.ADMINISTRATOR,
        (_("Choose another kind on Connection Setup, or install the version that knows it."),),
        ("set_up_connection",),
    ),
    "unknown_host": Guide(
        _("{app} is not found"),
        _("There is no server with the name {host}."),
        Who.ADMINISTRATOR,
        (
            _("Compare the server's name on Connection Setup with the one {app} really has."),
            _("Ask whoever runs the network whether this server may reach it."),
            CHECKED_AGAIN,
        ),
        _TEST,
    ),
    "connection_refused": Guide(
        _("{app} does not answer"),
        _("No connection to {host} (port {port}): the server is down, or a firewall is in between."),
        Who.ITSELF,
        (NOTHING_TO_DO, _("If it lasts: ask whoever runs {app} whether it is up and reachable from here.")),
        _TEST,
    ),
    "connection_lost": Guide(
        _("The connection to {app} dropped"),
        _("The connection to {app} was cut in the middle of the work."),
        Who.ITSELF,
        (NOTHING_TO_DO, _("A write whose answer never came is looked up before it is tried again.")),
        ("test_connection",),
    ),
    "app_starting": Guide(
        _("{app} is starting or shutting down"),
        _("{app} takes no connections at the moment: it is starting, stopping or being maintained."),
        Who.ITSELF,
        (NOTHING_TO_DO,),
        ("test_connection",),
    ),
    "app_overloaded": Guide(
        _("{app} is overloaded"),
        _("{app} has no resources left for this at the moment."),
        Who.ITSELF,
        (NOTHING_TO_DO, _("If it lasts: ask whoever runs {app} to look at its memory and load.")),
        ("test_connection",),
    ),
    "disk_full": Guide(
        _("The disk of {app} is full"),
        _("{app} can store nothing more: its disk is full."),
        Who.ADMINISTRATOR,
        (_("Ask whoever runs {app} to make room."), CHECKED_AGAIN),
        ("test_connection",),
    ),
    "too_many_connections": Guide(
        _("{app} has no connection free"),
        _("{app} already has as many connections as it allows."),
        Who.ITSELF,
        (NOTHING_TO_DO, _("If it lasts: allow {app} more connections, or end those that are not used.")),
        ("test_connection",),
    ),
    "sign_in_refused": Guide(
        _("{app} refuses the sign-in"),
        _(
            "{app} does not let {user} in: the password is wrong or has expired, the account is locked, or it may not "
            "sign in from here."
        ),
        Who.ADMINISTRATOR,
        (
            _("Enter the integration user's password again on Connection Setup."),
            _(
                "If it is right: ask whoever runs {app} whether it has expired, or whether {user} is locked or barred."
            ),
            CHECKED_AGAIN,
        ),
        _TEST,
    ),
    "password_expired": Guide(
        _("The integration user's password has expired"),
        _("{app} wants {user} to have a new password before it lets the account in."),
        Who.ADMINISTRATOR,
        (
            _("Set a new password for {user} in {app}."),
            _("Enter it on Connection Setup and press Test Connection."),
        ),
        _TEST,
    ),
    "unknown_database": Guide(
        _("The database of {app} is not there"),
        _("There is no database {database} on {host}."),
        Who.ADMINISTRATOR,
        (_("Correct the database's name on Connection Setup, or ask whoever runs {app}."), CHECKED_AGAIN),
        _TEST,
    ),
    "metadata_unreadable": Guide(
        _("{app} does not describe its tables in a way that can be read"),
        _(
            "What {app} gives as $metadata is no description of an OData V4 service, or holds what is not read for safety."
        ),
        Who.ADMINISTRATOR,
        (
            _(
                "Check on Connection Setup that the address is the service's root: $metadata stands right below it."
            ),
            _("A service of an OData version before 4 cannot be connected."),
            CHECKED_AGAIN,
        ),
        _TEST,
    ),
    "app_read_only": Guide(
        _("{app} takes no changes at the moment"),
        _("{app} is in read-only or administration mode: it can be read, but not written to."),
        Who.ADMINISTRATOR,
        (_("Ask whoever runs {app} to end that mode."), CHECKED_AGAIN),
        _TEST,
    ),
    "lock_timeout": Guide(
        _("The record is in use in {app}"),
        _("Somebody or something else held the record in {app}, so that the change had to give way."),
        Who.ITSELF,
        (NOTHING_TO_DO,),
        ("retry",),
    ),
    "statement_timeout": Guide(
        _("{app} took too long"),
        _("{app} did not finish within the time allowed."),
        Who.ITSELF,
        (NOTHING_TO_DO, _("If it lasts: ask whoever runs {app} whether {table} lacks an index.")),
        ("retry",),
    ),
    "app_answer": Guide(
        _("{app} gave an answer that Tandem does not know"),
        _("{app} refused, for a reason no pattern of Tandem recognises. Its own words stand below."),
        Who.OWNER,
        (
            _("Read what {app} answered; change the record there if that is what it asks for."),
            _("Retry. If it comes back, copy the details for whoever supports {app}."),
        ),
        ("retry", "edit", "copy_details"),
    ),
    "instance_mismatch": Guide(
        _("This database belongs to another installation"),
        _(
            "The database was copied or moved: it carries the identity of another installation. So that two "
            "installations do not synchronize the same apps, everything is paused."
        ),
        Who.ADMINISTRATOR,
        (
            _("Make sure that the other installation is stopped, or point this one at test apps."),
            _("Then run: manage.py resume"),
        ),
        ("resume",),
    ),
}
