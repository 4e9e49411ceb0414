"""Set-up checks of an OData service: what it says of the account that signs in, of its rights and of the tables. Nothing is
left behind: a right to write is asked for, or probed on a record that cannot exist.

What a service cannot tell is said to be so. A check that was not made is never taken for passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from synccore.connectors.odata import metadata
from synccore.connectors.odata.audit_dataverse import audit_dataverse
from synccore.connectors.odata.certificates import certificate_ends
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.json_answers import object_of, rows_of
from synccore.failures import Failure, Misconfigured, Scope
from synccore.shapes import CheckState, Currencies, FieldType, Finding, TableUse

#: Where Business Central tells the currency of the company: set and property, the better one first.
_LOCAL_CURRENCY = (("generalLedgerSetup", "localCurrencyCode"), ("companyInformation", "currencyCode"))

#: Where it keeps exchange rates, and the day from which each of them holds.
_RATES, _SINCE = "currencyExchangeRates", "startingDate"


def audit(client: Client, uses: Sequence[TableUse]) -> list[Finding]:
    """See ``Connector.audit``. Raises Failure only where the service does not answer."""
    found = list(certificate_ends(client.root))
    if client.profile.name == "dataverse":
        found += ask(lambda: audit_dataverse(client, uses))
        return found
    if client.profile.name == "business_central":
        found += ask(lambda: _let_in(client))
    if client.profile.token_address():
        # The service sees a token, and the token end-point says of a secret only whether it is right.
        found.append(Finding("secret_valid", CheckState.UNKNOWN, {}))
    for use in uses:
        found += ask(lambda use=use: _privileges(client, use))  # type: ignore[misc]
    return found


def currencies(client: Client) -> Currencies | None:
    """See ``Connector.currencies``."""
    if client.profile.name == "dataverse":
        return _dataverse_currencies(client)
    if client.profile.name == "business_central":
        known = metadata.entities(client)
        for table, name in _LOCAL_CURRENCY:
            if table in known and name in known[table].properties:
                rows, _said = rows_of(client, _read(client, f"{table}?$select={name}", table))
                base = str(rows[0].get(name) or "").strip() if rows else ""
                if base:
                    rates = known.get(_RATES)
                    since = _SINCE if rates is not None and _SINCE in rates.properties else ""
                    return Currencies(base, "currencies", _RATES, "currencyCode", since)
    return None


def _dataverse_currencies(client: Client) -> Currencies | None:
    """Each currency of Dataverse carries its own rate; the organization names its own one."""
    rows, _said = rows_of(
        client, _read(client, "organizations?$select=_basecurrencyid_value", "organizations")
    )
    id = str(rows[0].get("_basecurrencyid_value") or "") if rows else ""
    if not id:
        return None
    table, name = "transactioncurrencies", "isocurrencycode"
    answer = _read(client, f"{table}{client.profile.key(id)}?$select={name}", table)
    base = str(object_of(client, answer, table).get(name) or "").strip()
    return Currencies(base, table, table, name) if base else None


def ask(work: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What a question brought; nothing where the service refuses it. Raises Failure where it does not answer at all."""
    found: list[Finding] = []
    try:
        for each in work():
            found.append(each)
    except Failure as failure:
        if failure.scope is Scope.CONNECTION:
            raise
    return found


def _let_in(client: Client) -> Iterator[Finding]:
    """Business Central refuses the token of an application that it does not know, or that is not enabled there: an answer
    says that it is. Its permission sets cannot be seen, so nothing is said of SUPER."""
    metadata.entities(client)
    params = {"user": client.situation("read").user}
    yield Finding("user_exists", CheckState.PASS, params)
    yield Finding("user_enabled", CheckState.PASS, params)


def _privileges(client: Client, use: TableUse) -> Iterator[Finding]:
    """Reading is tried. Writing is tried on a record that does not exist, and only a refusal of the right says something:
    most services look for the record before they look at the rights. A record is never created to find out."""
    table = use.table.name
    entity = metadata.entity(client, table)
    params: dict[str, Any] = {"table": table, "user": client.situation("read").user}
    refused: list[Misconfigured] = []
    probes: list[Callable[[], object]] = [
        lambda: _read(client, f"{table}?$top=1{_selected(entity.key)}", table)
    ]
    key = entity.properties.get(entity.key or "")
    if use.write and key is not None and key.info.type is FieldType.GUID:
        path = f"{table}{client.profile.key(str(uuid4()))}"
        if client.profile.updates_never_create:
            probes.append(
                lambda: _probe(client, Request("PATCH", path, {"If-Match": "*"}, b"{}"), "update", table)
            )
        probes.append(lambda: _probe(client, Request("DELETE", path, {"If-Match": "*"}), "delete", table))
    for probe in probes:
        try:
            probe()
        except Misconfigured as failure:
            if failure.scope is Scope.CONNECTION:
                raise
            if failure.code != "missing_privilege":
                return  # the table is not there, or cannot be used: other checks say so
            refused.append(failure)
    if refused:
        named = [str(each.params.get("privilege") or "") for each in refused]
        params["privilege"] = list(dict.fromkeys(filter(None, named)))
        params["holder"] = refused[0].params.get("holder", "")
    state = CheckState.FAIL if refused else CheckState.UNKNOWN if use.write else CheckState.PASS
    yield Finding("privileges", state, params, table)


def _selected(key: str | None) -> str:
    return f"&$select={key}" if key else ""


def _read(client: Client, path: str, table: str) -> Any:
    return client.send(Request("GET", path), operation="read", table=table)


def _probe(client: Client, request: Request, operation: str, table: str) -> None:
    """Raises Misconfigured where the right is refused, Failure of scope connection where nobody answers; anything else is
    no answer to the question."""
    try:
        client.send(request, operation=operation, table=table)
    except Misconfigured:
        raise
    except Failure as failure:
        if failure.scope is Scope.CONNECTION:
            raise
