"""Telling Tandem about the two apps: connections, mappings, schedules. Safe to repeat; what people changed since stays."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from synccore.models import Connection, FieldMapping, Integration, JobQueueEntry, SynchJob, TableMapping
from synccore.services.setup import refresh
from tandem.demo.apps import App, Apps
from tandem.demo.mappings import MAPPINGS, TableSpec

INTEGRATION: Final = "ERP ⇄ CRM"
#: The ERP's own error, as its trigger raises it, and what it means to Tandem.
PATTERNS: Final = [
    {
        "sqlstate": "ERP01",
        "regex": r"Currency Code (?P<currency>[A-Z]{3})",
        "kind": "blocked",
        "code": "exchange_rate_missing",
        "fields": {"currency": "value"},
    }
]
#: Every minute, so that a newcomer sees something happen; a real set-up sweeps once a day.
INTERVAL: Final = 60


@transaction.atomic
def make_integration(apps: Apps) -> bool:
    """Connections, the integration and its mappings with their schedules; True if they are new.

    Raises Failure where an app does not answer, or has not the tables and fields that the mappings name.
    """
    left = _connection("ERP", apps.erp, patterns=PATTERNS)
    right = _connection("CRM", apps.crm)
    integration, new = Integration.objects.get_or_create(
        name=INTEGRATION, defaults={"left": left, "right": right}
    )
    if not new:
        return False
    made: dict[str, TableMapping] = {}
    for spec in MAPPINGS:
        made[spec.name] = _mapping(integration, spec, made)
    make_schedules(made.values())
    for app, field in ((left, "currency_code"), (right, "iso_code")):
        rates = {"mapping": made["Currencies"].pk, "base": "EUR", "table": "exchange_rate", "field": field}
        Connection.objects.filter(pk=app.pk).update(currencies=rates)
    return True


def _connection(name: str, app: App, **options: Any) -> Connection:
    """The app as its integration user sees it. Address and password follow the server, the rest stays as it is."""
    where = {**app.server, "dbname": app.database, "user": app.integration}
    row = Connection.objects.filter(name=name).first()
    if row is None:
        row = Connection(name=name, kind="postgresql", integration_user=app.integration)
        row.options = {"lock_timeout": 3, **options}
    row.options = {**row.options, **where}
    row.set_secrets({"password": app.password(app.integration)})
    row.save()
    return row


def _mapping(integration: Integration, spec: TableSpec, made: dict[str, TableMapping]) -> TableMapping:
    mapping = TableMapping.objects.create(
        integration=integration,
        name=spec.name,
        direction=spec.direction,
        left_table=spec.left,
        left_modified_field="modified_at",
        left_modified_by_field="modified_by",
        left_key_field=spec.left_key,
        left_name_field=spec.left_name,
        right_table=spec.right,
        right_modified_field="modified_on",
        right_modified_by_field="modified_by",
        right_key_field=spec.right_key,
        right_name_field=spec.right_name,
        **spec.options,
    )
    for position, field in enumerate(spec.fields):
        row = FieldMapping.objects.create(
            mapping=mapping,
            position=position,
            left_field=field.left,
            right_field=field.right,
            direction=field.direction,
            reference=made[field.reference] if field.reference else None,
            **field.options,
        )
        if spec.natural_key and field.left == spec.natural_key:
            mapping.natural_key = row.pk
    mapping.save()
    for failure in refresh(mapping):
        raise failure
    return mapping


def make_schedules(made: Iterable[TableMapping]) -> None:
    """Changes and sweeps once a minute. They begin when the first pass is through (``opening``), else in ten minutes."""
    begin = timezone.now() + timedelta(minutes=10)
    for mapping in made:
        for scope in (SynchJob.Scope.CHANGES, SynchJob.Scope.SWEEP):
            JobQueueEntry.objects.update_or_create(
                mapping=mapping, scope=scope, defaults={"interval_seconds": INTERVAL, "next_run": begin}
            )
