"""Telling Tandem about the two online apps by its own services: connections, a pair, *Use Default Synchronization Setup*.

Safe to repeat; what people changed since stays.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from synccore.models import Connection, Integration, TableMapping
from synccore.models.catalogue import store_catalogue
from synccore.services.mappings import make_integration as make_pair
from synccore.services.standard import use_standard
from synccore.shapes import SIDES
from tandem.demo.online.apps import OnlineApp, OnlineApps
from tandem.demo.online.sample import LOCAL
from tandem.demo.setup import make_schedules
from tandem.demo.users import make_people

INTEGRATION: Final = "Business Central ⇄ Dataverse"
_MAPPINGS: Final = (
    "salespeople", "currencies", "unit-groups", "units", "customers", "vendors", "contacts", "items",
)  # fmt: skip


@transaction.atomic
def make_integration(apps: OnlineApps) -> bool:
    """Connections, the pair and its standard mappings with their schedules; True if they are new.

    Raises Failure where an app does not answer.
    """
    make_people()  # the administrator who sets up
    administrator = get_user_model().objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    left, right = (_connection(app) for app in apps)
    if Integration.objects.filter(name=INTEGRATION).exists():
        return False
    for connection in (left, right):
        _read_tables(connection)
    integration = make_pair(user=administrator, name=INTEGRATION, left=left, right=right)
    done = use_standard(integration, user=administrator, chosen=_MAPPINGS, currency=LOCAL, switch_on=True)
    make_schedules(done.made)
    return True


def options_of(app: OnlineApp) -> dict[str, Any]:
    """The answers that a person would give on Connection Setup."""
    options: dict[str, Any] = {
        "address": app.address,
        "tenant": app.tenant,
        "client_id": app.client[0],
        "token_address": app.token_address,
    }
    if app.kind == "business_central":
        options |= {"environment": app.environment, "company": app.company[0], "company_name": app.company[1]}
    return options


def _connection(app: OnlineApp) -> Connection:
    """The app as its integration user sees it. Where it is follows the start; another address is read from the beginning."""
    row = Connection.objects.filter(name=app.name).first()
    if row is None:
        row = Connection(name=app.name, kind=app.kind, integration_user=app.client[0], options={})
    moved = bool(row.pk) and row.options.get("address") not in (None, app.address)
    row.options = {**row.options, **options_of(app)}
    row.set_secrets({"client_secret": app.client[1]})
    row.save()
    if moved:
        for side in SIDES:
            of_app = TableMapping.objects.filter(**{f"integration__{side.value}": row})
            of_app.update(**{f"{side.value}_watermark": None})
    return row


def _read_tables(connection: Connection) -> None:
    with connection.connect() as connector:
        store_catalogue(connection, connector.describe(), timezone.now())
