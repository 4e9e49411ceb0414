"""What Connection Setup asks for, where the kinds of OData service ask the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2

from synccore.connectors.odata.messages import is_loopback
from synccore.connectors.odata.network import is_of_the_machine
from synccore.connectors.options import Option, OptionType, bad_option
from synccore.connectors.options import gettext_noop as _

#: Where the identity platform gives tokens.
LOGIN: Final = "https://login.microsoftonline.com"

TENANT: Final = Option(
    "tenant", _("Tenant"), address=True, placeholder="contoso.onmicrosoft.com",
    help=_("The domain or the id of your organization in Microsoft Entra."),
)  # fmt: skip
CLIENT: Final = (
    Option(
        "client_id", _("Client ID"), address=True, placeholder="11111111-2222-3333-4444-555555555555",
        help=_("The application that was registered for Tandem."), group=_("Sign-in"),
    ),
    Option("client_secret", _("Client secret"), secret=True, help=_("Its value, not its id.")),
)  # fmt: skip
TOKENS: Final = (
    Option(
        "token_address", _("Token address"), address=True, advanced=True, group=_("Tokens"),
        help=_("Where a token is asked for; left empty, the identity platform of the tenant."),
    ),
    Option("scope", _("Scope"), advanced=True, help=_("What the token is asked for; left empty, this service.")),
)  # fmt: skip
READING: Final = (
    Option(
        "overlap", _("Overlap of two readings (seconds)"), OptionType.INTEGER, default=300, minimum=0,
        help=_("So much of the time before is read again: records that were stored late are not missed."),
        group=_("Reading"), advanced=True,
    ),
    Option(
        "page_size", _("Longest page (records)"), OptionType.INTEGER, minimum=1, advanced=True,
        help=_("Left empty, as long as the service makes them."),
    ),
)  # fmt: skip
WAITING: Final = (
    Option(
        "connect_timeout", _("Longest wait for a connection (seconds)"), OptionType.INTEGER, default=10,
        minimum=1, group=_("Waiting"), advanced=True,
    ),
    Option(
        "request_timeout", _("Longest request (seconds)"), OptionType.INTEGER, default=55, minimum=1,
        help=_("Waiting for the service's limits and asking again are part of it."), advanced=True,
    ),
)  # fmt: skip
RECORD_URL: Final = Option(
    "record_url", _("Address of a record"), help=_("With {table} and {id}."), group=_("Pages and messages"),
    placeholder="https://app.example.com/{table}/{id}", advanced=True,
)  # fmt: skip


def token_address_of(tenant: Any) -> str:
    return f"{LOGIN}/{quote(str(tenant), safe='')}/oauth2/v2.0/token" if tenant else ""


def check_address(field: str, address: str, *, secrets: bool) -> None:
    """An address that requests may go to; what is secret goes to another machine only encrypted. Raises Misconfigured
    ``bad_connection_options``."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        usable = parts.scheme in ("http", "https") and 0 < len(host) <= 253 and parts.port != 0
        httpx2.URL(address)
        host.encode("idna")  # as the name service is asked
    except (ValueError, httpx2.InvalidURL):
        usable = False
    if not usable or not address.isprintable() or " " in address or "@" in parts.netloc:
        raise bad_option(field, "no_address")
    if is_of_the_machine(host):
        raise bad_option(field, "of_the_machine")
    if secrets and parts.scheme == "http" and not is_loopback(host):
        raise bad_option(field, "not_encrypted")


def check_times(values: Mapping[str, Any]) -> None:
    """A request fits into the time a job may wait for one. Raises Misconfigured ``bad_connection_options``."""
    for name, limit in (("request_timeout", 55), ("connect_timeout", 30)):
        if values[name] > limit:
            raise bad_option(name, "too_large", limit=limit)
