"""What each set-up check is about: the headings under which the page shows them, in this order."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import Text

SUBJECTS: Final[dict[str, Text]] = {
    "connection": _("Address and sign-in"),
    "account": _("Integration user"),
    "service": _("The app"),
    "tables": _("Tables and fields"),
    "rights": _("Rights"),
    "currencies": _("Currencies"),
}

_OF: Final[dict[str, str]] = {
    "address": "connection",
    "certificate": "connection",
    "signs_in": "connection",
    "certificate_ends": "connection",
    "secret_valid": "account",
    "not_superuser": "account",
    "not_owner": "account",
    "password_valid": "account",
    "privileges": "rights",
    "table": "tables",
    "fields": "tables",
    "field_type": "tables",
    "compatible": "tables",
    "coupled_records": "tables",
    "tracks_changes": "tables",
    "safe_writes": "tables",
    "currencies": "currencies",
    "base_currency": "currencies",
    "exchange_rates": "currencies",
}


def subject_of(code: str) -> str:
    """The subject of a check; what is none of the others is about the app itself (its clock, its limits, its mode)."""
    return _OF.get(code, "account" if code.startswith("user_") else "service")
