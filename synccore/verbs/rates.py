"""Set-up check of currencies: one base currency in both apps, and an exchange rate for every other coupled one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from synccore.connectors.base import Connector
from synccore.failures import Misconfigured
from synccore.models import Connection, Coupling, Problem, TableMapping
from synccore.shapes import CheckState, Finding, Side, TableRef

from .run import Run

#: So many coupled currencies are looked at.
MOST: Final = 500
#: Failures of a record that a rate ends.
WANTS_RATE: Final = ("exchange_rate_missing", "precondition_missing")


def check_rates(connector: Connector, app: Connection) -> list[tuple[int | None, Finding]]:
    """What the app's set-up names, compared with the coupled currencies; nothing where it names nothing.

    Raises Failure only where the app does not answer.
    """
    chosen = app.currencies
    if not chosen:
        return []
    mapping = (
        TableMapping.objects.select_related("integration__left", "integration__right")
        .filter(pk=chosen["mapping"])
        .first()
    )
    if mapping is None or app.pk not in (mapping.integration.left_id, mapping.integration.right_id):
        return [(None, Finding("exchange_rates", CheckState.UNKNOWN, {"table": chosen["table"]}))]
    side = Side.LEFT if mapping.integration.left_id == app.pk else Side.RIGHT
    pairs = _currencies(mapping, side)
    return [
        (mapping.pk, _base_currency(app, mapping.connection(side.other), pairs)),
        (
            mapping.pk,
            _rates(connector, chosen, [code for code in pairs if code != chosen["base"]], bool(pairs)),
        ),
    ]


def _currencies(mapping: TableMapping, side: Side) -> dict[str, str]:
    """The coupled currencies by their code in this app; with it the code in the other one."""
    here, there = f"{side.value}_key", f"{side.other.value}_key"
    rows = Coupling.objects.live().paired().filter(mapping=mapping).order_by(here)
    return {code: other for code, other in rows.values_list(here, there)[:MOST] if code}


def _base_currency(app: Connection, other: Connection, pairs: dict[str, str]) -> Finding:
    base, theirs = app.currencies["base"], other.currencies.get("base", "")
    params = {"base": base, "other": other.name, "other_base": theirs}
    if not theirs:
        return Finding("base_currency", CheckState.UNKNOWN, params)
    is_same = theirs == pairs.get(base, base)
    return Finding("base_currency", CheckState.PASS if is_same else CheckState.FAIL, params)


def _rates(connector: Connector, chosen: dict[str, Any], wanted: list[str], any_coupled: bool) -> Finding:
    table, field = chosen["table"], chosen["field"]
    params: dict[str, Any] = {"table": table, "field": field, "base": chosen["base"]}
    if not any_coupled:
        return Finding("exchange_rates", CheckState.UNKNOWN, params)
    try:
        rows = connector.find(TableRef(table), field, wanted, (field,)) if wanted else []
    except Misconfigured as failure:  # the table is not there, or may not be read
        facts = {
            "failure": failure.code,
            "kind": failure.kind.value,
            "facts": failure.params,
            "said": failure.app_message,
        }
        return Finding("exchange_rates", CheckState.FAIL, {**params, **facts})
    there = {str(row.fields.get(field)).strip() for row in rows}
    missing = [code for code in wanted if code not in there]
    params |= {"currency": missing, "n": len(wanted)}
    return Finding("exchange_rates", CheckState.FAIL if missing else CheckState.PASS, params)


def release_waiting(run: Run, app: Connection, at: datetime) -> None:
    """The rates are there: records that wait for one are due at once."""
    mappings = TableMapping.objects.filter(integration__left=app) | TableMapping.objects.filter(
        integration__right=app
    )
    waiting = (
        Problem.objects.of_records().open().filter(mapping__in=mappings.values("pk"), code__in=WANTS_RATE)
    )
    run.queue_next.update((pk, "due") for pk in set(waiting.values_list("mapping", flat=True)))
    waiting.update(next_attempt=at)
