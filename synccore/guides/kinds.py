"""What each kind of app needs to have ready before it is connected. ``docs/integration-users.md`` and
``docs/integration-users-services.md`` say how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import Text


@dataclass(frozen=True, slots=True)
class Kind:
    """``about``: which apps are meant. ``ready``: what somebody with rights in the app makes first. ``section`` of the page
    ``doc`` of the documentation says how. ``side``: where such an app usually stands."""

    about: Text
    ready: tuple[Text, ...]
    section: str = ""
    doc: str = "integration-users-services"
    side: str = ""


_ENTRA: Final = _(
    "An application in Microsoft Entra: its tenant, its application (client) id, and a client secret."
)

KINDS: Final[dict[str, Kind]] = {
    "business_central": Kind(
        _("Dynamics 365 Business Central, online or on your own server, by its API v2.0."),
        (
            _ENTRA,
            _(
                "In Entra, the application permission API.ReadWrite.All of Dynamics 365 Business Central,"
                " with an administrator's consent."
            ),
            _(
                "In Business Central, a card on the page Microsoft Entra Applications with that client "
                "id, state Enabled, and permission sets for the mapped tables; never SUPER."
            ),
            _("The environment's name, or simply the address of the web client from a browser."),
        ),
        section="Business Central",
        side="left",
    ),
    "dataverse": Kind(
        _("Microsoft Dataverse and what stands on it, such as Dynamics 365 Sales, by its Web API."),
        (
            _ENTRA,
            _(
                "In the Power Platform admin center, an application user for that client id in the environment."
            ),
            _(
                "A security role of its own for that user: read, write, create and delete on the mapped "
                "tables, for the whole organization; never System Administrator."
            ),
            _("The environment's address, or simply the address of the app from a browser."),
        ),
        section="Dataverse",
        side="right",
    ),
    "odata": Kind(
        _("Any service that speaks OData V4."),
        (
            _("The address of the service root, where the service lists its tables."),
            _(
                "How it lets Tandem in: a user and password, a header with a key, or a client id and "
                "secret and where tokens are given."
            ),
            _("An account of its own for Tandem, with rights on the mapped tables only."),
        ),
        section="Any OData V4 service",
    ),
    "postgresql": Kind(
        _("An app that keeps its records in a PostgreSQL database, version 12 or newer."),
        (
            _("Server, port and name of the database."),
            _(
                "A role of its own for Tandem: rights on the mapped tables only, never a superuser, never"
                " their owner."
            ),
        ),
        section="The account",
        doc="integration-users",
    ),
}
