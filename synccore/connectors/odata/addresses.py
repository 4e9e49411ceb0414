"""What people paste as the address of a service, and what it says.

People have the address of their app's own pages, not of its service: whatever they paste becomes the one address that is
stored, and what else it names goes into its own option. Never raises; gives the same for what it gave.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit, urlunsplit

#: Where Business Central online answers, and where its pages are.
BUSINESS_CENTRAL: Final = "https://api.businesscentral.dynamics.com"
_PAGES: Final = "businesscentral.dynamics.com"
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_COMPANY: Final = re.compile(rf"companies\(\s*({_GUID.pattern})\s*\)", re.IGNORECASE)
#: An address that has a scheme, or none: "erp.example.com/BC".
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def tidy_business_central(options: Mapping[str, Any]) -> dict[str, Any]:
    """``address`` (without API and company), ``tenant``, ``environment``, ``company`` of Business Central, from the address
    of an API, of a company in it, or of the web client."""
    found = dict(options)
    parts = _split(found.get("address"))
    if parts is None:
        return found
    segments = [unquote(each) for each in parts.path.split("/") if each]
    named: dict[str, str] = {}
    if parts.hostname == _PAGES:
        named = _names(segments[:2])
        parts = urlsplit(BUSINESS_CENTRAL)
        base: list[str] = []
    elif "api" in segments and segments.index("api") < len(segments) - 1:
        at = segments.index("api")
        base, rest = segments[:at], "/".join(segments[at:])
        if company := _COMPANY.search(rest):
            named["company"] = company[1].lower()
        if base[:1] == ["v2.0"]:
            named |= _names(base[1:3])
            base = []
    else:
        base = segments
        if base[:1] == ["v2.0"]:
            named, base = _names(base[1:3]), []
    if company := _COMPANY.fullmatch(parse_qs(parts.query).get("company", [""])[0]):
        named["company"] = company[1].lower()
    found["address"] = _join(parts, "/".join(base))
    if named.get("environment", "") not in ("", str(found.get("environment") or named.get("environment"))):
        # A company of another environment: it is chosen anew.
        found = {name: value for name, value in found.items() if name not in ("company", "company_name")}
    return {**found, **named}


def business_central_root(values: Mapping[str, Any]) -> str:
    """The service root of one company; of all companies where none is chosen yet. Ends in ``/``."""
    return f"{business_central_api(values)}{_in_company(values.get('company'))}"


def business_central_api(values: Mapping[str, Any]) -> str:
    """Where the API of an environment (online) or of an installation (on-premises) starts. Ends in ``/``."""
    address = str(values.get("address") or BUSINESS_CENTRAL).rstrip("/")
    path = [quote(str(values[name]), safe="") for name in ("tenant", "environment") if values.get(name)]
    # An installation of one's own has neither environments nor the service's own version in its address.
    online = values.get("environment") or address == BUSINESS_CENTRAL
    middle = "".join(f"/{each}" for each in ("v2.0", *path)) if online else ""
    return f"{address}{middle}/api/{_api(values, 'v2.0')}/"


def business_central_environments(values: Mapping[str, Any]) -> str:
    """Where Business Central online lists the environments of the tenant that the token is for."""
    return f"{str(values.get('address') or BUSINESS_CENTRAL).rstrip('/')}/environments/v1.2"


def _in_company(company: Any) -> str:
    return f"companies({quote(str(company), safe='-')})/" if company else ""


def _names(segments: list[str]) -> dict[str, str]:
    """Tenant and environment as they stand one behind the other; a single one is a tenant if it looks like one."""
    if len(segments) == 2:
        return {"tenant": segments[0], "environment": segments[1]}
    if len(segments) == 1:
        is_tenant = _GUID.fullmatch(segments[0]) or "." in segments[0]
        return {"tenant" if is_tenant else "environment": segments[0]}
    return {}


def tidy_dataverse(options: Mapping[str, Any]) -> dict[str, Any]:
    """``address`` of a Dataverse environment (``https://contoso.crm4.dynamics.com``), from the address of any of its pages
    or of its Web API."""
    found = dict(options)
    parts = _split(found.get("address"))
    if parts is None:
        return found
    host = parts.netloc.lower()
    if host.endswith(".dynamics.com"):  # contoso.api.crm4.dynamics.com answers the same
        host = host.replace(".api.crm", ".crm", 1)
    return {**found, "address": _join(parts._replace(netloc=host), "")}


def dataverse_root(values: Mapping[str, Any]) -> str:
    """The root of the Web API. Ends in ``/``."""
    return f"{str(values.get('address') or '').rstrip('/')}/api/data/{_api(values, 'v9.2')}/"


def _api(values: Mapping[str, Any], usual: str) -> str:
    """Which API of a service, as it stands in an address."""
    return quote(str(values.get("api") or usual).strip("/"), safe="/")


def tidy_plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """``address`` of a service root, from that of its ``$metadata`` or of a query on it."""
    found = dict(options)
    parts = _split(found.get("address"))
    if parts is None:
        return found
    path = parts.path.split("/$", 1)[0]
    return {**found, "address": _join(parts, path.strip("/"))}


def _split(typed: Any) -> SplitResult | None:
    """The parts of an address; None where it is none, so that it is left for ``open`` to refuse."""
    text = re.sub(r"[\r\n\t]+", "", str(typed or "")).strip()
    if not text:
        return None
    has_scheme = _SCHEME.match(text)
    try:
        parts = urlsplit(text if has_scheme else f"https://{text}")
        has_port = parts.port is not None
    except ValueError:
        return None
    host = parts.hostname or ""
    # One word without a scheme is more likely a name that was typed into the wrong field than a server.
    is_server = (
        bool(host) and " " not in host and bool(has_scheme or has_port or "." in host or host == "localhost")
    )
    return parts if is_server and parts.scheme in ("http", "https") else None


def _join(parts: SplitResult, path: str) -> str:
    """Scheme, host and path alone: no query, no user's name, no slash at the end."""
    host = parts.netloc.rpartition("@")[2].lower()
    return urlunsplit((parts.scheme.lower(), host, f"/{path}" if path else "", "", ""))
