"""What a refused token means: by ``error`` of the token end-point.

Microsoft's numbers (``AADSTS…``) only word the hint: they may change, so what they say is never more than a better name for
the same kind of failure."""

from __future__ import annotations

from typing import Final

from synccore.connectors.odata.bodies import Told
from synccore.connectors.odata.meanings import CONNECTION, ErrorTable, Meaning, Situation, worded
from synccore.failures import Misconfigured, Transient

_SECRET: Final = Meaning(Misconfigured, "secret_refused", CONNECTION)
_EXPIRED: Final = Meaning(Misconfigured, "secret_expired", CONNECTION)
_CLIENT: Final = Meaning(Misconfigured, "client_unknown", CONNECTION)
_CONSENT: Final = Meaning(Misconfigured, "consent_missing", CONNECTION)
_TENANT: Final = Meaning(Misconfigured, "tenant_unknown", CONNECTION)
_SIGN_IN: Final = Meaning(Misconfigured, "sign_in_refused", CONNECTION)

#: Hints by number, for the errors that mean several things.
HINTS: Final = (
    worded(r"AADSTS(?:7000222|7005003)\b", _EXPIRED),  # ended; revoked
    worded(r"AADSTS7000215\b", _SECRET),
    worded(
        r"AADSTS(?:700016|7000112|7000229|700027|7005004)\b", _CLIENT
    ),  # unknown, disabled, no principal, key revoked
    worded(r"AADSTS(?:900021|90002|50059)\b", _TENANT),
    worded(r"AADSTS(?:500011|65001|1001010|650052|650057|70011)\b", _CONSENT),
    worded(r"AADSTS(?:50055|50144|50173)\b", Meaning(Misconfigured, "password_expired", CONNECTION)),
    worded(r"AADSTS(?:50057|50034)\b", Meaning(Misconfigured, "user_disabled", CONNECTION)),
)


class _Hinted:
    """What the number in the words says; what the error says, where there is none that we know."""

    def __init__(self, otherwise: Meaning) -> None:
        self.otherwise = otherwise

    def __call__(self, said: Told, now: Situation) -> Meaning:
        for wording, meaning in HINTS:
            if wording.search(said.message) and isinstance(meaning, Meaning):
                return meaning
        return self.otherwise


TOKEN: Final = ErrorTable(
    codes={
        "invalid_client": _Hinted(_SECRET),
        "unauthorized_client": _Hinted(_CLIENT),
        "invalid_grant": _Hinted(_SIGN_IN),
        "invalid_scope": _Hinted(_CONSENT),
        "invalid_resource": _Hinted(_CONSENT),
        "invalid_request": _Hinted(_SIGN_IN),
        "invalid_tenant": _TENANT,
        "unsupported_grant_type": _Hinted(Meaning(Misconfigured, "wrong_address", CONNECTION)),
        "interaction_required": Meaning(Misconfigured, "interaction_required", CONNECTION),
        "consent_required": _CONSENT,
        "access_denied": _CONSENT,
        "temporarily_unavailable": Meaning(Transient, "app_overloaded", CONNECTION),
        "server_error": Meaning(Transient, "app_overloaded", CONNECTION),
    },
    words=HINTS,
)
