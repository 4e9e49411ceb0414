"""Set-up check of currencies: one base currency in both apps, and an exchange rate for every other coupled one.

Where an app keeps them is what people said on Connection Setup, else what the app itself tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from synccore.connectors.base import Connector
from synccore.failures import Failure, Misconfigured, Scope
from synccore.models import Connection, Coupling, Integration, Problem, SetupCheck, TableMapping
from synccore.shapes import SIDES, CheckState, Finding, Record, Side, TableRef

from .run import Run
from .set_up import because

#: So many coupled currencies are looked at.
MOST: Final = 500
#: Failures of a record that a rate ends.
WANTS_RATE: Final = ("exchange_rate_missing", "precondition_missing")

#: The earliest clocks on earth are so far ahead of UTC.
_FIRST_TO_MIDNIGHT: Final = timedelta(hours=14)
#: Findings that say that somebody looked at the currencies.
OF_CURRENCIES: Final = ("currencies", "base_currency", "exchange_rates")

Found = list[tuple[int | None, Finding]]


@dataclass(frozen=True)
class Known:
    """Where an app keeps its currencies. ``mapping``: the one people named; ``currencies``: the table of them; ``since``:
    the field of a rate with the day from which it holds, "" where there is none."""

    base: str
    rates: str
    field: str
    mapping: int | None = None
    currencies: str = ""
    since: str = ""


def known_of(app: Connection) -> Known | None:
    """What people said of the app's currencies, else what it told; None where nobody did."""
    said, told = app.currencies, app.told_currencies
    if said.get("mapping"):
        return Known(said["base"], said["table"], said["field"], mapping=said["mapping"])
    if told and not said.get("skip"):
        since = told.get("since", "")
        return Known(told["base"], told["rates"], told["field"], currencies=told["table"], since=since)
    return None


def check_rates(connector: Connector, app: Connection) -> Found:
    """The app's currencies beside those of each app it is paired with and has mappings with.

    Nothing where people said that there is nothing to check. Raises Failure only where the app does not answer.
    """
    if not concerns(app):
        return []
    known, found = known_of(app), []
    for integration, side in _pairs(app):
        if known is None:
            return [(None, Finding("currencies", CheckState.UNKNOWN, {}))]
        found += _of_pair(connector, known, integration, side)
    return found


def concerns(app: Connection) -> bool:
    """Whether the app's currencies are to be checked: it has mappings, and nobody said that there is nothing to check."""
    return not app.currencies.get("skip") and next(_pairs(app), None) is not None


def _pairs(app: Connection) -> Iterator[tuple[Integration, Side]]:
    of_app = Q(left=app) | Q(right=app)
    rows = Integration.objects.filter(of_app, mappings__isnull=False).select_related("left", "right")
    for row in rows.order_by("pk").distinct():
        yield row, next(side for side in SIDES if row.connection(side).pk == app.pk)


def _of_pair(connector: Connector, known: Known, integration: Integration, side: Side) -> Found:
    mapping = _mapping_of(known, integration, side)
    if mapping is None and known.mapping and TableMapping.objects.filter(pk=known.mapping).exists():
        return []  # the currencies of another pair
    pairs = _currencies(mapping, side) if mapping else {}
    pk = mapping.pk if mapping else None
    wanted = [code for code in pairs if code != known.base]
    return [
        (pk, _base_currency(known, integration.connection(side.other), pairs)),
        (pk, _rates(connector, known, wanted, bool(pairs))),
    ]


def _mapping_of(known: Known, integration: Integration, side: Side) -> TableMapping | None:
    """The pair's mapping whose records are the app's currencies."""
    mappings = TableMapping.objects.filter(integration=integration).order_by("pk")
    if known.mapping is not None:
        return mappings.filter(pk=known.mapping).first()
    return mappings.filter(**{f"{side.value}_table": known.currencies}).first()


def hold_paired(app: Connection) -> None:
    """Lock the app and those it is paired with until the transaction ends: of two checks that end together, the later one
    sees what the earlier one was told. To be called before anything else of them is locked."""
    paired = {pk for integration, _side in _pairs(app) for pk in (integration.left_id, integration.right_id)}
    rows = Connection.objects.filter(pk__in={app.pk, *paired}).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))


def compare_bases(app: Connection, at: datetime) -> None:
    """Say anew on both sides of each pair of the app whether their base currencies are the same: what the app told now is
    news for those that were checked before it. Asks no app."""
    for integration, _side in _pairs(app):
        for side in SIDES:
            _compare_base(integration, side, at)


def _compare_base(integration: Integration, side: Side, at: datetime) -> None:
    app, other = integration.connection(side), integration.connection(side.other)
    stored = SetupCheck.objects.filter(connection=app, code="base_currency", params__other=other.name)
    known = known_of(app)
    if known is None or not stored.exists():
        return
    mapping = _mapping_of(known, integration, side)
    found = _base_currency(known, other, _currencies(mapping, side) if mapping else {})
    moved = stored.filter(mapping=mapping).exclude(state=found.state.value, params=found.params)
    for check in moved:
        if check.state != found.state.value:
            check.since = at
        check.state, check.params = found.state.value, found.params
        check.save(update_fields=["state", "params", "since"])


def _currencies(mapping: TableMapping, side: Side) -> dict[str, str]:
    """The coupled currencies by their code in this app; with it the code in the other one."""
    here, there = f"{side.value}_key", f"{side.other.value}_key"
    rows = Coupling.objects.live().paired().filter(mapping=mapping).order_by(here)
    return {code: other for code, other in rows.values_list(here, there)[:MOST] if code}


def _base_currency(known: Known, other: Connection, pairs: dict[str, str]) -> Finding:
    theirs = known_of(other)
    params = {"base": known.base, "other": other.name, "other_base": theirs.base if theirs else ""}
    if theirs is None:
        return Finding("base_currency", CheckState.UNKNOWN, params)
    is_same = theirs.base == pairs.get(known.base, known.base)
    return Finding("base_currency", CheckState.PASS if is_same else CheckState.FAIL, params)


def _rates(connector: Connector, known: Known, wanted: list[str], any_coupled: bool) -> Finding:
    params: dict[str, Any] = {"table": known.rates, "field": known.field, "base": known.base}
    if not any_coupled:
        return Finding("exchange_rates", CheckState.UNKNOWN, params)
    try:
        fields = (known.field, known.since) if known.since else (known.field,)
        rows = connector.find(TableRef(known.rates), known.field, wanted, fields) if wanted else []
    except Misconfigured as failure:  # the table is not there, or may not be read
        return Finding("exchange_rates", CheckState.FAIL, {**params, **because(failure)})
    except Failure as failure:
        if failure.scope is Scope.CONNECTION:
            raise
        return Finding("exchange_rates", CheckState.UNKNOWN, {**params, **because(failure)})
    there = {str(row.fields.get(known.field)).strip() for row in rows if _holds(row, known)}
    missing = [code for code in wanted if code not in there]
    params |= {"currency": missing, "n": len(wanted)}
    return Finding("exchange_rates", CheckState.FAIL if missing else CheckState.PASS, params)


def _holds(rate: Record, known: Known) -> bool:
    """Whether a rate's day has come, somewhere on earth: it is not ours to say where the app's people are."""
    day = rate.fields.get(known.since) if known.since else None
    return not isinstance(day, date) or day <= (timezone.now() + _FIRST_TO_MIDNIGHT).date()


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
