"""What the errors of Dataverse mean. Its codes are numbers; one status stands for many of them, and some come with words
alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from synccore.connectors.odata.bodies import Told
from synccore.connectors.odata.facts import holder_of
from synccore.connectors.odata.meanings import (
    CONNECTION,
    RECORD,
    TABLE,
    ErrorTable,
    Meaning,
    Rule,
    Situation,
    Worded,
    worded,
    wording,
)
from synccore.connectors.odata.privileges import PRIVILEGE, of_dataverse, record_access
from synccore.failures import Blocked, Misconfigured, Rejected, Stale, Transient

_GUID: Final = r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?"

#: ``account With Id = … Does Not Exist``, ``contact With Ids = … Do Not Exist``, ``account met id = … bestaat niet``.
_ABSENT: Final = re.compile(
    rf"'?(?P<referenced>\w{{1,200}})'?\s+\w{{1,20}}\s+Ids?\s*=\s*(?P<value>{_GUID})", re.IGNORECASE
)

_TOO_LONG: Final = Meaning(
    Rejected,
    "value_too_long",
    RECORD,
    wording(
        r"length of the '(?P<field>\w+)' attribute of the '\w+' entity exceeded the maximum allowed length of"
        r" '?(?P<limit>\d+)",
        # In other languages the order stays: the field, its entity, the limit.
        r"'(?P<field>[a-z]\w*)' [^']{1,100}'\w+'[^']{1,200}'(?P<limit>\d{1,9})'",
        r"'(?P<limit>\d{1,9})'",
    ),
)
_OPTION: Final = Meaning(
    Rejected,
    "invalid_value",
    RECORD,
    wording(
        r"value '?(?P<value>-?\d+)'? of '(?P<field>\w+)' on record of type '\w+' is outside the valid range\.?"
        r"(?: Accepted Values: (?P<expected>[^\n]{1,2000}))?",
        r"'(?P<field>\w+)'[^\n]{0,200}?Accepted Values: (?P<expected>[^\n]{1,2000})",
    ),
)
_RANGE: Final = Meaning(
    Rejected,
    "number_out_of_range",
    RECORD,
    wording(
        r"'(?P<field>\w+)'[^\n]{0,200}?outside the valid range(?: of (?P<limit>[^\n]{1,200}?)\.?\s*(?:\n|\Z))?",
    ),
)
_NO_PROPERTY: Final = Meaning(
    Misconfigured,
    "unknown_field",
    TABLE,
    wording(
        r"(?:property|properties) named '(?P<field>[^']{1,200})'",
        r"(?:invalid|undeclared) property '(?P<field>[^']{1,200})'",
        r"property '(?P<field>[^']{1,200})' (?:which|does not exist|is not declared)",
        r"attribute(?: with name)?\s?[=:]?\s?'(?P<field>[^']{1,200})'",
    ),
)
_WRONG_KIND: Final = Meaning(
    Rejected,
    "invalid_value",
    RECORD,
    wording(
        r"Cannot convert (?:the literal|a value) '(?P<value>[^']{0,500})' to the expected type '(?P<expected>[^']{1,100})'",
        r"property '(?P<field>[^']{1,200})'[^\n]{0,200}?expected type '(?P<expected>[^']{1,100})'",
    ),
)
_REQUIRED: Final = Meaning(
    Rejected,
    "value_required",
    RECORD,
    wording(r"Attribute: (?P<field>\w{1,200}) cannot be set to NULL", r"'(?P<field>\w{1,200})'"),
)
_DUPLICATE: Final = Meaning(
    Rejected,
    "duplicate_key",
    RECORD,
    wording(
        r"attribute values (?P<field>[^\n]{1,300}?) already exists?\. The entity key (?P<constraint>[^\n]{1,200}?) requires",
        r"attribute values (?P<field>[^\n]{1,300}?) already exists?",
        r"Entity Key (?P<constraint>[^\n]{1,200}?) violated\. A record with the same value for"
        r" (?P<field>[^\n]{1,300}?) already exists",
        r"(?:Entiteitssleutel|enhetsnøkkel) (?P<field>[^\n.]{1,200}?)(?: is geschonden)?\.",
    ),
)
_RATE: Final = Meaning(
    Blocked,
    "exchange_rate_missing",
    RECORD,
    wording(
        r"currency with the ISO code '?(?P<value>[A-Z]{3})\b",
        r"\bcurrency '?(?P<value>[A-Z]{3})\b",
        r"'(?P<value>[A-Z]{3})'",
    ),
)
_CURRENCY: Final = Meaning(Blocked, "currency_needed")
_ADMIN_MODE: Final = Meaning(Misconfigured, "admin_mode", CONNECTION)
_READ_ONLY_MODE: Final = Meaning(Misconfigured, "app_read_only", CONNECTION)
_USER_DISABLED: Final = Meaning(Misconfigured, "user_disabled", CONNECTION)
_USER_UNKNOWN: Final = Meaning(Misconfigured, "user_unknown", CONNECTION)
_TOKEN: Final = Meaning(Misconfigured, "registration_refused", CONNECTION)
_THROTTLED: Final = Meaning(Transient, "throttled", CONNECTION)
_BUSY: Final = Meaning(Transient, "app_overloaded", CONNECTION)
_LOCKED: Final = Meaning(Transient, "lock_timeout")
_RULE: Final = Meaning(Rejected, "business_rule")
_REFERENCED: Final = Meaning(
    Rejected, "still_referenced", RECORD, wording(r"associated with (?P<referencing>\w+) records")
)


#: What an operation does, in the words of the guides.
_DOING: Final = {"create": "create", "update": "change", "delete": "delete"}


def _denied(said: Told, now: Situation) -> Meaning:
    if re.search(r"admin[ -]only", said.message, re.IGNORECASE):
        return _ADMIN_MODE
    return of_dataverse(said, now) or Meaning(Misconfigured, "missing_privilege", TABLE)


def _access(said: Told, now: Situation) -> Meaning:
    """Codes that say "not this record", unless the words name a privilege that the role lacks."""
    if re.search(r"read[ -]only mode", said.message, re.IGNORECASE):
        return _READ_ONLY_MODE
    return of_dataverse(said, now) or record_access(_DOING.get(now.operation, "read"))


def _absent(said: Told, now: Situation) -> Meaning:
    """The record itself is gone, or one that it refers to does not exist: told apart by the id in the words."""
    found = _ABSENT.search(said.message)
    named = found["value"].strip("{}").lower() if found else ""
    if found and found["referenced"].lower() == "systemuser" and now.operation in ("connect", "token"):
        return _USER_UNKNOWN
    if now.writes and named and named != now.id.strip("{}").lower():
        params = {
            "referenced": found["referenced"] if found else "",
            "value": named,
            "field": holder_of(named, now),
        }
        return Meaning(Rejected, "reference_missing", RECORD, params=params)
    if now.id or now.writes:
        return Meaning(Stale, "stale")
    return Meaning(Misconfigured, "unknown_table", TABLE)


def _payload(said: Told, now: Situation) -> Meaning | None:
    """The request was not understood: a field that is not there, or a value of another kind."""
    if any(pattern.search(said.message) for pattern in _WRONG_KIND.wordings):
        return _with_field(_WRONG_KIND, said, now)
    if re.search(r"undeclared property|find a property|invalid property", said.message, re.IGNORECASE):
        return _NO_PROPERTY
    return _WRONG_KIND if now.writes else None


def _with_field(meaning: Meaning, said: Told, now: Situation) -> Meaning:
    for pattern in meaning.wordings:
        if (found := pattern.search(said.message)) and "value" in pattern.groupindex:
            return meaning._replace(params={"field": holder_of(found["value"], now)})
    return meaning


CODES: Final[Mapping[str, Meaning | Rule]] = {
    # -- passing by themselves ----------------------------------------------------------------------------------------
    "0x80072321": _THROTTLED,  # execution time
    "0x80072322": _THROTTLED,  # requests
    "0x80072326": _THROTTLED,  # at once
    "0x8005f103": _THROTTLED,
    "0x80044150": _LOCKED,  # generic SQL error: a deadlock
    "0x80044151": Meaning(Transient, "statement_timeout"),
    "0x8004a001": _BUSY,
    "0x80073000": Meaning(Transient, "connection_lost", CONNECTION),  # between its own servers
    "0x80071154": _LOCKED,  # another operation is running
    "0x80044352": Meaning(Transient, "delta_expired", TABLE),
    # -- signing in ---------------------------------------------------------------------------------------------------
    "0x8005f101": _TOKEN,
    "0x8005f102": _TOKEN,
    "0x80072560": _USER_UNKNOWN,
    "0x8004a112": _USER_DISABLED,
    "0x80040225": _USER_DISABLED,
    "0x80044172": _ADMIN_MODE,
    "0x8004a104": Meaning(Misconfigured, "app_disabled", CONNECTION),
    "0x80050304": Meaning(Misconfigured, "licence_missing", CONNECTION),
    # -- rights -------------------------------------------------------------------------------------------------------
    "0x80040220": _denied,
    "0x80042f09": _denied,  # a user without any role
    "0x80048306": _access,
    "0x80048405": _access,
    "0x80040256": _access,
    "0x80040231": _access,
    # -- tables and fields --------------------------------------------------------------------------------------------
    "0x80072491": Meaning(Misconfigured, "change_tracking_off", TABLE),
    "0x8006088a": Meaning(
        Misconfigured, "unknown_table", TABLE, wording(r"for the segment '(?P<table>[^']{1,200})'")
    ),
    "0x80048d19": _payload,
    "0x80060888": _payload,
    "0x80060890": Meaning(Misconfigured, "key_not_defined", TABLE),
    "0x80060883": Meaning(Misconfigured, "version_not_accepted", TABLE),
    "0x8006088d": Meaning(Misconfigured, "concurrency_off", TABLE),
    # -- records ------------------------------------------------------------------------------------------------------
    "0x80060882": Meaning(Stale, "stale"),
    "0x80040217": _absent,
    "0x80040227": _REFERENCED,
    "0x80040237": _DUPLICATE,
    "0x80060892": _DUPLICATE,
    "0x80073002": _DUPLICATE,
    "0x80040333": Meaning(Rejected, "duplicate_rule"),
    "0x80048cf3": Meaning(Rejected, "duplicate_key", params={"field": "isocurrencycode"}),
    "0x80043b06": Meaning(Rejected, "duplicate_key", params={"field": "productnumber"}),
    # -- values -------------------------------------------------------------------------------------------------------
    "0x80044331": _TOO_LONG,
    "0x80073001": _TOO_LONG,
    "0x80061005": _OPTION,
    "0x80044330": _RANGE,
    "0x80048cfb": _CURRENCY,
    "0x8004e026": _CURRENCY,
    "0x80048cea": _CURRENCY,
    "0x80043b13": Meaning(Rejected, "value_required", params={"field": "defaultuomscheduleid"}),
    "0x80043b05": Meaning(Rejected, "value_required", params={"field": "productnumber"}),
    "0x80043b24": Meaning(
        Rejected, "reference_missing", params={"field": "productid", "referenced": "products"}
    ),
    "0x8004f995": _RULE,  # only a product that is a draft may be changed
    "0x80040265": _RULE,  # a plug-in, a workflow or a business rule refused
    "0x80040224": _RULE,
    "0x80048408": _RULE,  # a reason of another state
}  # fmt: skip

WORDS: Final = (
    worded(r"admin[ -]only (?:mode|modus)", _ADMIN_MODE),
    Worded(PRIVILEGE, _denied),
    worded(r"AccessCheckEx failed", _access),
    worded(r"is not a member of the organization", _USER_UNKNOWN),
    worded(r"user[^\n]{0,200}\bis (?:either )?disabled", _USER_DISABLED),
    worded(r"SystemUserId=[^\n]{0,200}(?:uitgeschakeld|deaktivert)", _USER_DISABLED),
    worded(r"read[ -]only mode", _READ_ONLY_MODE),
    worded(r"cannot be set to NULL|is required on '", _REQUIRED),
    worded(r"organization[^\n]{0,100}\bis disabled", Meaning(Misconfigured, "app_disabled", CONNECTION)),
    worded(r"doesn'?t match the RowVersion property", Meaning(Stale, "stale")),
    worded(r"record with matching key values already exists", _DUPLICATE),
    worded(r"Cannot insert duplicate key", _DUPLICATE),
    worded(r"duplicate of the current record already exists", Meaning(Rejected, "duplicate_rule")),
    worded(r"exceeded the maximum allowed length", _TOO_LONG),
    worded(r"outside the valid range\.? Accepted Values", _OPTION),
    worded(r"outside the valid range", _RANGE),
    worded(r"(?:no|missing|without(?: an?)?|cannot be calculated)[^\n]{0,80}exchange rate|exchange rate[^\n]{0,80}"
           r"(?:missing|cannot be calculated|not (?:found|defined))", _RATE),
    worded(rf"With Ids? = {_GUID} Do(?:es)? Not Exist", _absent),
    worded(r"Could not find a property named|invalid property '|undeclared property", _NO_PROPERTY),
    worded(r"Cannot convert (?:the literal|a value) '", _payload),
    worded(r"Resource not found for the segment '", Meaning(
        Misconfigured, "unknown_table", TABLE, wording(r"for the segment '(?P<table>[^']{1,200})'"))),
)  # fmt: skip

ERRORS: Final = ErrorTable(codes=CODES, words=WORDS, statuses={401: _TOKEN, 403: _denied})
