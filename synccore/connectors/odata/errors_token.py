"""What a refused token means: by the number that Microsoft gives it (``AADSTS…``), then by ``error`` of the token
end-point.

The numbers may change, so what one says is never more than a better name for the same kind of failure: without a number
that we know, ``error`` decides, and without that the status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from synccore.connectors.odata.bodies import Told
from synccore.connectors.odata.meanings import CONNECTION, Meaning
from synccore.failures import Misconfigured, Transient

_SECRET: Final = Meaning(Misconfigured, "secret_refused", CONNECTION)
_CLIENT: Final = Meaning(Misconfigured, "client_unknown", CONNECTION)
_CONSENT: Final = Meaning(Misconfigured, "consent_missing", CONNECTION)
_SCOPE: Final = Meaning(Misconfigured, "scope_refused", CONNECTION)
_TENANT: Final = Meaning(Misconfigured, "tenant_unknown", CONNECTION)
_REFUSED: Final = Meaning(Misconfigured, "token_refused", CONNECTION)
_ADDRESS: Final = Meaning(Misconfigured, "token_address_wrong", CONNECTION)
_THROTTLED: Final = Meaning(Transient, "throttled", CONNECTION)
_BUSY: Final = Meaning(Transient, "app_overloaded", CONNECTION)

#: By number, whatever the ``error``: one error stands for many of them.
NUMBERS: Final[Mapping[str, Meaning]] = {
    number: meaning
    for numbers, meaning in (
        # ended; revoked
        ("7000222 7005003", Meaning(Misconfigured, "secret_expired", CONNECTION)),
        ("7000215", _SECRET),
        # unknown, no id of an application, disabled, no principal in the tenant, key unknown or revoked
        ("700016 700038 7000112 7000229 700027 7005004", _CLIENT),
        # unknown, none named, no domain
        ("90002 900021 900023 50059 90019", _TENANT),
        # no such scope, not that of a client, no such resource in the tenant, disabled there
        ("70011 1002012 500011 50001 500014 650057", _SCOPE),
        # nobody consented, or to less; the service is not subscribed to; no role in it
        ("65001 1001010 650052 650056 90094 501051", _CONSENT),
        # blocked by a policy; from this place or device
        ("53003 530003 530034 53011 53000", Meaning(Misconfigured, "conditional_access", CONNECTION)),
        ("50055 50144 50173", Meaning(Misconfigured, "password_expired", CONNECTION)),
        ("50057 50034", Meaning(Misconfigured, "user_disabled", CONNECTION)),
        # the same request too often; the tenant as a whole
        ("50196 90055", _THROTTLED),
    )
    for number in numbers.split()
}
ERRORS: Final[Mapping[str, Meaning]] = {
    "invalid_client": _SECRET,
    "unauthorized_client": _CLIENT,
    "invalid_grant": _REFUSED,
    "invalid_scope": _SCOPE,
    "invalid_resource": _SCOPE,
    "invalid_target": _SCOPE,
    "invalid_request": _REFUSED,
    "invalid_tenant": _TENANT,
    "unsupported_grant_type": _ADDRESS,
    "interaction_required": Meaning(Misconfigured, "interaction_required", CONNECTION),
    "consent_required": _CONSENT,
    "access_denied": _CONSENT,
    "temporarily_unavailable": _BUSY,
    "server_error": _BUSY,
}
_NUMBER: Final = re.compile(r"\bAADSTS([0-9]{3,9})\b")


def meaning_of(said: Told) -> Meaning:
    """What the answer of a token end-point means that gave no token."""
    numbers = [*said.facts.get("error_codes", "").split(), *_NUMBER.findall(said.message)]
    found = next(filter(None, map(NUMBERS.get, numbers)), None) or ERRORS.get(said.code.lower())
    return found or _by_status(said)


def _by_status(said: Told) -> Meaning:
    if said.status == 429:
        return _THROTTLED
    if said.status == 408 or said.status >= 500:
        return _BUSY
    # A page, another service, a redirection, or an answer that is none: whatever is there, it gives no tokens.
    if said.form == "html" or said.status in (404, 405, 407, 410, 421) or said.status < 400:
        return _ADDRESS
    return _REFUSED
