"""Set-up checks of one app: the account Tandem signs in with, its rights, the clock, and the tables as they are mapped.

Nothing is written to the app. What cannot be checked is stored as that, never as passed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from synccore.connectors import CONNECTORS
from synccore.connectors.base import Connector
from synccore.failures import Failure, Misconfigured, Scope, Unrecognised
from synccore.models import Connection, SetupCheck
from synccore.shapes import CheckState, Finding, TableInfo

from . import clocks
from .audit_coupled import check_coupled
from .audit_tables import OF_TABLE, Used, check_tables, merged, uses_of
from .mended import look_again, take_up
from .rates import OF_CURRENCIES, check_rates, compare_bases, concerns, hold_paired, release_waiting
from .run import Run
from .set_up import because, connection_of, signed_in

#: An app's clock further off than this is worth a word, though stamps are corrected by it.
FAR_OFF: Final = 10.0
#: Failures which say that the address is wrong, and those met before anybody was asked. With another one of the set-up,
#: something answered.
_WRONG_ADDRESS: Final = frozenset(
    {
        "unknown_host",
        "certificate_refused",
        "wrong_address",
        "address_of_the_machine",
        "tenant_unknown",
        "environment_unknown",
        "company_unknown",
    }
)
_NOT_ASKED: Final = frozenset(
    {
        "bad_connection_string",
        "bad_connection_options",
        "bad_pattern",
        "unknown_kind",
        "credentials_unreadable",
    }
)

#: What goes to these leaves the machine never.
_THIS_MACHINE: Final = re.compile(r"http://(localhost|127\.[0-9.]+|\[::1\])(:|/|$)", re.IGNORECASE)
#: Failures of the sign-in which are what a check of its own looks for.
_FAILS: Final = {
    "admin_mode": "admin_mode_off",
    "user_disabled": "user_enabled",
    "user_unknown": "user_exists",
    "secret_expired": "secret_valid",
    "secret_refused": "secret_valid",
    "password_expired": "password_valid",
}

#: Which check, of which mapping (None: of the app).
Key = tuple[int | None, str]
Found = list[tuple[int | None, Finding]]


def check_set_up(run: Run) -> None:
    """Look at the set-up of one app and replace what is stored of it. When something that failed passes now, or a person
    asked, what holds its mappings is checked next, and released as ever.

    A failure of the app is a finding, not a failure of the job.
    """
    app = connection_of(run)
    used = list(uses_of(app))
    found: Found = []
    failure = None
    clock: clocks.Clock | None = None
    try:
        with signed_in(run, app) as connector:
            connector.check(None)
            found += [(None, each) for each in (*_reached(app, None), _passed("signs_in"))]
            clock, told = _clock(connector)
            found.append((None, told))
            run.renew()
            found += _audit(connector, used)
            for each in used:
                run.renew()
                found += _rights(connector, each, found)
            run.renew()
            found += check_tables(_tables(connector, used), used)
            for each in used:
                run.renew()
                found += check_coupled(connector, each)
            run.renew()
            app.told_currencies = _told(connector)
            found += check_rates(connector, app)
    except Failure as met:
        failure = met
        if not found:
            found += [(None, each) for each in _refused(app, met)]
    found += _not_made(app, found, used, failure)
    with run.page() as at:
        hold_paired(app)
        if clock is not None:
            clocks.store(app, clock)
        Connection.objects.filter(pk=app.pk).update(told_currencies=app.told_currencies)
        failed, unknown = _stored(app, CheckState.FAIL), _stored(app, CheckState.UNKNOWN)
        _replace(app, found, at)
        compare_bases(app, at)
        passed = {(mapping, finding.code) for mapping, finding in found if finding.state is CheckState.PASS}
        if failure is None:
            take_up(run, app, failed & passed, at)
            if (failed | unknown) & passed or run.job.requested_by_id is not None:
                look_again(run, app, at)
        if any(code == "exchange_rates" for _mapping, code in passed):
            release_waiting(run, app, at)


def _tables(connector: Connector, used: Sequence[Used]) -> dict[str, TableInfo]:
    """The tables as they are now: a field that is gone must be seen."""
    return connector.glance({each.use.table.name for each in used}, anew=True)


def _replace(app: Connection, found: Found, at: datetime) -> None:
    """Store what was found in the place of what stood there; what is as it was is so since then."""
    before: dict[tuple[Any, ...], datetime] = {}
    for row in SetupCheck.objects.filter(connection=app):
        before[_same(row.mapping_id, row.code, row.params, row.state)] = row.since
    SetupCheck.objects.filter(connection=app).delete()
    rows = []
    for mapping, finding in found:
        params, state = _params(finding), finding.state.value
        since = before.get(_same(mapping, finding.code, params, state), at)
        rows.append(
            SetupCheck(
                connection=app, mapping_id=mapping, code=finding.code, state=state, params=params, at=at, since=since
            )
        )  # fmt: skip
    SetupCheck.objects.bulk_create(rows)


def _same(mapping: int | None, code: str, params: dict[str, Any], state: str) -> tuple[Any, ...]:
    """What makes a check the same one in the same state. Its facts may move (a clock's drift, days left)."""
    return mapping, code, params.get("table", ""), str(params.get("field", "")), state


def _passed(code: str, **params: Any) -> Finding:
    return Finding(code, CheckState.PASS, params)


def _reached(app: Connection, failure: Failure | None) -> list[Finding]:
    """The address, judged by whether anything answered at it, and whether what goes there is encrypted."""
    where = app.address or app.name
    if failure is not None:
        asked = failure.code not in _NOT_ASKED and not _elsewhere(app, failure)
        if asked and failure.code in _WRONG_ADDRESS:
            code = "certificate" if failure.code == "certificate_refused" else "address"
            return [Finding(code, CheckState.FAIL, {"address": where, **because(failure)})]
        if not asked or not isinstance(failure, Misconfigured):
            return [Finding("address", CheckState.UNKNOWN, {"address": where, **because(failure)})]
    found = [_passed("address", address=where)]
    if where.startswith("https://"):
        found.append(_passed("certificate", address=where))
    elif where.startswith("http://") and not _THIS_MACHINE.match(where):
        found.append(Finding("certificate", CheckState.WARN, {"address": where}))
    return found


def _elsewhere(app: Connection, failure: Failure) -> bool:
    """Whether a failure was met at another server than the app's, such as the one that gives tokens."""
    host, asked = urlsplit(app.address).hostname, failure.params.get("host")
    return bool(host and host.isascii() and asked) and host != str(asked).lower()


def _refused(app: Connection, failure: Failure) -> list[Finding]:
    """What a failure says that was met before anybody was signed in."""
    is_certain = isinstance(failure, Misconfigured) and (
        failure.code not in _WRONG_ADDRESS or _elsewhere(app, failure)
    )
    found = _reached(app, failure)
    found.append(Finding("signs_in", CheckState.FAIL if is_certain else CheckState.UNKNOWN, because(failure)))
    kind = CONNECTORS.get(app.kind)
    if kind is not None and _FAILS.get(failure.code) in kind.audits:
        facts = {"user": failure.params.get("user") or app.integration_user}
        found.append(Finding(_FAILS[failure.code], CheckState.FAIL, {**facts, **because(failure)}))
    return found


def _told(connector: Connector) -> dict[str, Any]:
    """What the app tells of its currencies; nothing where it may not be asked, which the check then says."""
    try:
        told = connector.currencies()
    except Failure as failure:
        if failure.scope is Scope.CONNECTION and not isinstance(failure, Misconfigured):
            raise
        return {}
    return asdict(told) if told else {}


def _stored(app: Connection, state: CheckState) -> set[Key]:
    """What stood so before."""
    return set(SetupCheck.objects.filter(connection=app, state=state.value).values_list("mapping_id", "code"))


def _params(finding: Finding) -> dict[str, Any]:
    return {**finding.params, **({"table": finding.table} if finding.table else {})}


def _clock(connector: Connector) -> tuple[clocks.Clock | None, Finding]:
    """The app's clock and the check of it. An app that answers, but tells no time that can be read, has none."""
    try:
        clock = clocks.read(connector)
    except Unrecognised as untold:
        return None, Finding("clock", CheckState.UNKNOWN, because(untold))
    params = {"skew": f"{clock.skew:+.2f}", "uncertainty": f"{clock.uncertainty:.2f}"}
    far = abs(clock.skew) - clock.uncertainty > FAR_OFF
    return clock, Finding("clock", CheckState.WARN if far else CheckState.PASS, params)


def _audit(connector: Connector, used: list[Used]) -> Found:
    """What the connector knows of its account; findings about a table go to each mapping that uses it."""
    found: Found = []
    # one question per table: two mappings of it may need different rights
    by_table: dict[str, list[Used]] = {}
    for each in used:
        by_table.setdefault(each.use.table.name, []).append(each)
    for finding in connector.audit([merged([each.use for each in uses]) for uses in by_table.values()]):
        if not finding.table:
            found.append((None, finding))
        for each in by_table.get(finding.table, ()):
            found.append((each.mapping.pk, finding))
    return found


def _rights(connector: Connector, used: Used, found: Found) -> Found:
    """Rights of a kind of app whose ``audit`` does not know them: the check every connector has."""
    if any(finding.code == "privileges" and mapping == used.mapping.pk for mapping, finding in found):
        return []
    params: dict[str, Any] = {"table": used.use.table.name}
    try:
        connector.check(used.use.table, write=used.use.write)
    except Misconfigured as failure:
        if failure.code in ("unknown_table", "unknown_field"):
            return []  # what is not there has no rights; that it is not there is said by itself
        return [(used.mapping.pk, Finding("privileges", CheckState.FAIL, {**params, **because(failure)}))]
    except Failure as failure:
        if failure.scope is Scope.CONNECTION:
            raise
        return [(used.mapping.pk, Finding("privileges", CheckState.UNKNOWN, {**params, **because(failure)}))]
    return [(used.mapping.pk, Finding("privileges", CheckState.PASS, params))]


def _not_made(app: Connection, found: Found, used: list[Used], failure: Failure | None) -> Found:
    """What nobody answered: because of ``failure``, or because this kind of app does not tell."""
    made: set[Key] = {(mapping, finding.code) for mapping, finding in found}
    looked_at = {mapping for mapping, finding in found if finding.code in OF_TABLE}
    why = because(failure) if failure is not None else {}
    kind = CONNECTORS.get(app.kind)
    wanted = ("clock", *(kind.audits if kind else ()))
    if app.address.startswith("http://"):
        wanted = tuple(code for code in wanted if code != "certificate_ends")  # there is none
    missing: Found = [
        (None, Finding(code, CheckState.UNKNOWN, why)) for code in wanted if (None, code) not in made
    ]
    if failure is not None and concerns(app) and not any(code in OF_CURRENCIES for _mapping, code in made):
        missing.append((None, Finding("currencies", CheckState.UNKNOWN, why)))
    for each in used:
        mapping, params = each.mapping.pk, {**why, "table": each.use.table.name}
        if (mapping, "privileges") not in made:
            missing.append((mapping, Finding("privileges", CheckState.UNKNOWN, params)))
        if mapping not in looked_at:
            missing.append((mapping, Finding("fields", CheckState.UNKNOWN, params)))
    return missing
