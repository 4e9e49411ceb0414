"""What a service lists for people to choose from when they connect it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from synccore.connectors.odata.addresses import (
    BUSINESS_CENTRAL,
    business_central_api,
    business_central_environments,
)
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.errors import BadAnswer, translate
from synccore.failures import Failure, Misconfigured
from synccore.shapes import Choice

#: So many environments are asked for their companies; whoever has more names one in the address.
MOST_ENVIRONMENTS: Final = 20


def choices(client: Client) -> list[Choice]:
    """The companies of every environment (Business Central), or the organization (Dataverse), for people to choose or
    confirm. Raises Failure."""
    match client.profile.name:
        case "business_central":
            return _companies(client)
        case "dataverse":
            return [_organization(client)]
        case _:
            return []


# -- Business Central --------------------------------------------------------------------------------------------------


def _companies(client: Client) -> list[Choice]:
    values = client.profile.values
    chosen = _text(values.get("environment"))
    if not chosen and _text(values.get("address")) not in ("", BUSINESS_CENTRAL) and not _lists(client):
        return _of_environment(client, values, "", "")  # an installation of one's own has no environments
    found: list[Choice] = []
    first: Failure | None = None
    for name, kind in _environments(client, chosen):
        try:
            found += _of_environment(client, values, name, kind)
        except Misconfigured as failure:  # Tandem's application may be allowed in some environments only
            first = first or failure
    if not found and first is not None:
        raise first
    return found


def _lists(client: Client) -> bool:
    """Whether environments are listed at this address."""
    try:
        return bool(_rows(client, business_central_environments(client.profile.values)))
    except Misconfigured:
        return False


def _environments(client: Client, chosen: str) -> list[tuple[str, str]]:
    """Name and type of each environment, the one in use first, then those for production. Where the list is refused, only
    the one that was named. Raises Failure."""
    try:
        rows = _rows(client, business_central_environments(client.profile.values))
    except Misconfigured:
        if not chosen:
            raise
        rows = []
    named = [(_text(row.get("name")), _text(row.get("type"))) for row in rows]
    found = [each for each in named if each[0]]
    if chosen and chosen.lower() not in (name.lower() for name, _kind in found):
        found.append((chosen, ""))
    found.sort(key=lambda each: (each[0].lower() != chosen.lower(), each[1] != "Production", each[0].lower()))
    return found[:MOST_ENVIRONMENTS]


def _of_environment(client: Client, values: Mapping[str, Any], name: str, kind: str) -> list[Choice]:
    """The companies of one environment, by name. Raises Failure."""
    api = business_central_api({**values, "environment": name})
    rows = _rows(client, f"{api}companies?$select=id,name,displayName")
    detail = f"{name} ({kind})" if kind and kind.lower() != name.lower() else name
    environment = {"environment": name} if name else {}
    found = [
        Choice(
            _text(row.get("displayName")) or _text(row.get("name")) or _text(row.get("id")),
            {**environment, "company": _text(row.get("id")), "company_name": _text(row.get("name"))},
            detail,
        )
        for row in rows
        if _text(row.get("id"))
    ]
    return sorted(found, key=lambda each: each.label.lower())


# -- Dataverse ---------------------------------------------------------------------------------------------------------


def _organization(client: Client) -> Choice:
    """The organization by its name; by its id where its row may not be read. Raises Failure."""
    host = urlsplit(client.root).netloc
    told = Choice(host, {}, _text(_read(client, "WhoAmI").get("OrganizationId")))
    try:
        rows = _rows(client, "organizations?$select=name")
    except Misconfigured:
        return told
    name = _text(rows[0].get("name")) if rows else ""
    return replace(told, label=name, detail=host) if name else told


# -- asking ------------------------------------------------------------------------------------------------------------


def _read(client: Client, path: str) -> dict[str, Any]:
    answer = client.send(Request("GET", path), operation="connect", idempotent=True)
    try:
        return answer.json()
    except BadAnswer:
        raise translate(answer, client.situation("connect"), client.profile) from None


def _rows(client: Client, path: str) -> list[dict[str, Any]]:
    """The rows of an answer; what is none is left out. Raises Failure."""
    value = _read(client, path).get("value")
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
