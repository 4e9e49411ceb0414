"""What the errors of Business Central mean. Its codes are words, a few of which (``Application_DialogException``,
``Internal_ServerError``) stand for anything that a developer let the app say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from synccore.connectors.odata.bodies import Told
from synccore.connectors.odata.facts import holder_of, own_name
from synccore.connectors.odata.meanings import (
    CONNECTION,
    RECORD,
    TABLE,
    ErrorTable,
    Meaning,
    Rule,
    Situation,
    worded,
    wording,
)
from synccore.connectors.odata.privileges import of_business_central
from synccore.failures import Blocked, Misconfigured, Rejected, Stale, Transient

#: ``Identification fields and values: Id='{…}'``, ``No.='C10'``: what a record is named by.
_NAMES: Final = re.compile(r": (?P<names>[^\n:=']{1,60}='[^\n]{0,1000})")

_TOO_LONG: Final = Meaning(
    Rejected,
    "value_too_long",
    RECORD,
    wording(
        r"length of the string is (?P<length>\d+), but it must be less than or equal to (?P<limit>\d+)",
        # In other languages the order stays.
        r"\b(?P<length>\d{1,9}),\D{5,120}?\b(?P<limit>\d{1,9})\b",
    ),
)
_RELATION: Final = Meaning(
    Rejected,
    "reference_missing",
    RECORD,
    wording(
        r"field (?P<field>[^\n]{1,200}?)(?: of table [^\n]{1,200}?)? contains a value \((?P<value>[^()\n]{0,250})\)"
        r" that cannot be found in the related table \((?P<referenced>[^()\n]{1,200})\)",
    ),
)
_NO_MATCH: Final = Meaning(
    Rejected,
    "reference_missing",
    RECORD,
    wording(
        r"\"(?P<field>\w{1,100})\" (?:does not match to|komt niet overeen met|samsvarer ikke med) (?:an?|een|et|en) "
        r"(?P<referenced>[^\n.]{1,200})"
    ),
)
_RATE: Final = Meaning(
    Blocked,
    "exchange_rate_missing",
    RECORD,
    wording(
        r"(?:Currency Code|Valutacode|Valutakode)\s?[:=]\s?'?(?P<value>[A-Z0-9]{1,10})\b",
        r"currency '?(?P<value>[A-Z]{3})\b",
    ),
)
_NO_PROPERTY: Final = Meaning(
    Misconfigured,
    "unknown_field",
    TABLE,
    wording(
        r"property named '(?P<field>[^']{1,200})'",
        r"property '(?P<field>[^']{1,200})' (?:does not exist|is not declared)",
    ),
)
_REQUIRED: Final = Meaning(
    Rejected,
    "value_required",
    RECORD,
    wording(
        r"(?:\A|\n|\. )(?P<field>[^\n]{1,80}?) must have a value in [^\n:]{1,100}",
        r"\"(?P<field>\w{1,100})\"[^\n]{0,60}must (?:be provided|be filled in|not be blank|have a value)",
        r"(?:parameter|property) '?\"?(?P<field>\w{1,100})'?\"?",
    ),
)
_READ_ONLY: Final = Meaning(
    Rejected,
    "read_only_field",
    RECORD,
    wording(r"control ['\"](?P<field>[^'\"]{1,100})['\"] is read-only", r"\"(?P<field>\w{1,100})\""),
)
_WRONG_KIND: Final = Meaning(
    Rejected,
    "invalid_value",
    RECORD,
    wording(
        r"'(?P<value>[^'\n]{0,250})' is not an option\. The existing options are: (?P<expected>[^\n]{1,2000})",
        r"value ['\"](?P<value>[^'\"\n]{0,250})['\"] (?:can'?t|cannot) be evaluated into type (?P<expected>[^\n.]{1,100})",
        r"Cannot convert (?:the literal|a value) '(?P<value>[^']{0,250})' to the expected type '(?P<expected>[^']{1,100})'",
        r"Unable to convert value to (?P<expected>\w{1,50})",
    ),
)
_MANUAL: Final = Meaning(
    Misconfigured,
    "manual_numbers_off",
    RECORD,
    wording(r"(?:No\. Series|Nr\.-reeks|Nummerserie|Nr\.serie) (?P<series>[\w./&-]{1,20}?)\.?\s*\Z"),
)
_USED: Final = Meaning(
    Rejected,
    "still_referenced",
    RECORD,
    wording(
        r"because there (?:is|are) (?:at least )?(?:one |1 )?(?:or more )?(?P<referencing>[^\n]{3,120}?)(?: that| for|\.|\Z)"
    ),
)
_REGISTRATION: Final = Meaning(Misconfigured, "registration_refused", CONNECTION)
_DISABLED: Final = Meaning(Misconfigured, "user_disabled", CONNECTION)
_RULE: Final = Meaning(Rejected, "business_rule")
_STALE: Final = Meaning(Stale, "stale")
_LICENCE: Final = Meaning(Misconfigured, "licence_missing", CONNECTION)
_UPGRADE: Final = Meaning(Misconfigured, "data_upgrade_needed", TABLE)
_BUSY: Final = Meaning(Transient, "app_overloaded", CONNECTION)

#: Tables that hold the number series of the others, in the three languages.
_SETUP: Final = re.compile(
    r"must have a value in ((?:Sales|Purchases|Inventory|Marketing|General Ledger)[^\n:]{0,40}Setup)|\bNos\. must",
    re.IGNORECASE,
)
_POSTING: Final = re.compile(r"posting group|boekingsgroep|bokføringsgruppe", re.IGNORECASE)


def _authorization(said: Told, now: Situation) -> Meaning:
    return of_business_central(said, now) or Meaning(Misconfigured, "missing_privilege", TABLE)


def _absent(said: Told, now: Situation) -> Meaning:
    """Our record is gone, or one that it refers to is not there: told apart by the names in the words."""
    found = _NAMES.search(said.message)
    names = found["names"].lower() if found else ""
    is_ours = not names or not now.id or now.id.strip("{}").lower() in names
    if now.writes and not is_ours:
        value = re.search(r"='?\{?([^'{}\n]{1,250})", names)
        named = value[1] if value else ""
        table = re.match(r"\s*The ([^\n]{1,100}?) does not exist", said.message)
        params = {"referenced": table[1] if table else "", "value": named, "field": holder_of(named, now)}
        return Meaning(Rejected, "reference_missing", RECORD, params=params)
    if now.id or now.writes:
        return _STALE
    return Meaning(Misconfigured, "unknown_table", TABLE)


def _validation(said: Told, now: Situation) -> Meaning:
    """A field must have a value: one of the record, or one that the set-up of the company lacks."""
    match = _REQUIRED.wordings[0].search(said.message)
    if match and _SETUP.search(said.message):
        return Meaning(
            Misconfigured, "number_series_missing", RECORD, params={"field": match["field"].strip()}
        )
    if _POSTING.search(match["field"] if match else said.message):
        return Meaning(
            Misconfigured,
            "posting_group_missing",
            RECORD,
            params={"field": match["field"].strip() if match else ""},
        )
    if match:
        return _REQUIRED
    return _RULE


def _same_key(said: Told, now: Situation) -> Meaning:
    """A record with this key exists: which field holds the key, and which value, stands in the names."""
    found = _NAMES.search(said.message)
    pairs = re.findall(r"([^=,'\n]{1,100})='([^'\n]{0,250})'", found["names"]) if found else []
    fields = [holder_of(value, now) or own_name(name.strip(), now) for name, value in pairs]
    values = [value for _name, value in pairs]
    return Meaning(
        Rejected, "duplicate_key", RECORD, params={"field": ", ".join(fields), "value": ", ".join(values)}
    )


def _by_words(said: Told, now: Situation) -> Meaning:
    """A dialogue, or whatever a developer let it say: known words, else verbatim as a rule of the app."""
    for pattern, rule in WORDS:
        if pattern.search(said.message):
            found = rule if isinstance(rule, Meaning) else rule(said, now)
            if found is not None:
                return found
    return _RULE


def _server_error(said: Told, now: Situation) -> Meaning | None:
    """Anything from a missing right to an outage of its database."""
    found = of_business_central(said, now)
    if found is None and re.search(r"SQL Server|database", said.message, re.IGNORECASE):
        return Meaning(Transient, "app_fault")
    return found


def _bad_request(said: Told, now: Situation) -> Meaning | None:
    """The request was not understood: a value where words say so, else the mapping."""
    if _NO_PROPERTY.wordings[0].search(said.message) or _NO_PROPERTY.wordings[1].search(said.message):
        return _NO_PROPERTY
    for pattern in _WRONG_KIND.wordings:
        if match := pattern.search(said.message):
            value = match.groupdict().get("value")
            return _WRONG_KIND._replace(params={"field": holder_of(value, now) if value else ""})
    return None


def _evaluated(said: Told, now: Situation) -> Meaning:
    return _bad_request(said, now) or _WRONG_KIND


WORDS: Final = (
    worded(r"\b(?:TableData|Table|Page|Codeunit|System)\s[^\n]{1,200}", of_business_central),
    worded(r"(?:your|the) (?:program )?licen[cs]e[^\n]{0,100}(?:does not|not) (?:grant|permit|allow)|"
           r"do not have a licen[cs]e|licen[cs]e (?:has )?expired", _LICENCE),
    worded(r"user account[^\n]{0,60}(?:is|has been) (?:disabled|deactivated)|\buser[^\n]{0,60}is not enabled", _DISABLED),
    worded(r"password[^\n]{0,60}(?:has )?expired|(?:must|have to|need to) change[^\n]{0,30}password|"
           r"wachtwoord[^\n]{0,60}verlopen|passordet[^\n]{0,60}utløpt",
           Meaning(Misconfigured, "password_expired", CONNECTION)),
    worded(r"must run the data upgrade", _UPGRADE),
    worded(r"enter numbers manually|nummers? (?:niet )?handmatig|nummer(?:e)? manuelt", _MANUAL),
    worded(r"no Currency Exchange Rate within|exchange rate[^\n]{0,80}(?:missing|not (?:found|defined|exist))|"
           r"(?:geen|ontbreek)[^\n]{0,60}(?:valuta|wissel)koers|(?:ingen|mangler)[^\n]{0,60}valutakurs", _RATE),
    worded(r"does not match to an? |komt niet overeen met een |samsvarer ikke med et?n? ", _NO_MATCH),
    worded(r"cannot be found in the related table", _RELATION),
    worded(r"length of the string is \d+, but", _TOO_LONG),
    worded(r"is not an option\. The existing options are", _evaluated),
    worded(r"(?:cannot|can'?t) delete|(?:cannot|can'?t) be deleted", _USED),
    worded(r"must have a value in ", _validation),
    worded(r"Another user has (?:already )?(?:changed|modified|deleted)", _STALE),
    worded(r"already exists?\. Identification fields", _same_key),
    worded(r"table[^\n]{0,100}(?:cannot|can'?t) be (?:locked|changed)[^\n]{0,60}locked|deadlock|"
           r"because it is locked by another user",
           Meaning(Transient, "lock_timeout")),
    worded(r"No environment|environment[^\n]{0,80}(?:does not exist|not found)", Meaning(
        Misconfigured, "environment_unknown", CONNECTION)),
)  # fmt: skip

CODES: Final[Mapping[str, Meaning | Rule]] = {
    # -- signing in, and where ----------------------------------------------------------------------------------------
    "Authentication_InvalidCredentials": _REGISTRATION,
    "Unauthorized": _REGISTRATION,
    "Internal_CompanyNotFound": Meaning(Misconfigured, "company_unknown", CONNECTION),
    "NoEnvironment": Meaning(Misconfigured, "environment_unknown", CONNECTION),
    "Internal_EnvironmentNotFound": Meaning(Misconfigured, "environment_unknown", CONNECTION),
    "Internal_TenantUnavailable": Meaning(Transient, "app_starting", CONNECTION),
    "Internal_ServerError": _server_error,
    # -- tables and fields --------------------------------------------------------------------------------------------
    "BadRequest_ResourceNotFound": Meaning(
        Misconfigured, "unknown_table", TABLE, wording(r"for the segment '(?P<table>[^']{1,200})'")
    ),
    "BadRequest_NotFound": Meaning(Misconfigured, "unknown_table", TABLE),
    "BadRequest_MethodNotAllowed": Meaning(Misconfigured, "not_supported", TABLE),
    "BadRequest_MethodNotImplemented": Meaning(Misconfigured, "not_supported", TABLE),
    "BadRequest_InvalidToken": Meaning(Misconfigured, "version_not_accepted", TABLE),
    "BadRequest_InvalidRequestUrl": _bad_request,
    "BadRequest": _bad_request,
    # -- records ------------------------------------------------------------------------------------------------------
    "Request_EntityChanged": _STALE,
    "Internal_RecordNotFound": _absent,
    "Internal_EntityWithSameKeyExists": _same_key,
    "Internal_DataNotFoundFilter": lambda said, now: (
        _RATE
        if re.search(r"exchange rate|koers|valutakurs", said.message, re.IGNORECASE)
        else Meaning(
            Rejected,
            "reference_missing",
            RECORD,
            wording(r"no (?P<referenced>[^\n]{1,100}?) within the filter"),
        )
    ),
    "Internal_InvalidTableRelation": _RELATION,
    # -- values -------------------------------------------------------------------------------------------------------
    "Application_StringExceededLength": _TOO_LONG,
    "Application_FieldValidationException": _by_words,
    "Application_EvaluateException": _evaluated,
    "Application_InvalidGUID": _evaluated,
    "Application_FilterErrorException": _evaluated,
    "Application_DialogException": _by_words,
    "Application_CallbackNotAllowed": _by_words,
    "BadRequest_RequiredParamNotProvided": _REQUIRED,
    "BadRequest_InvalidOperation": _READ_ONLY,
}

ERRORS: Final = ErrorTable(
    codes=CODES,
    prefixes={"Authorization_": _authorization},
    words=WORDS,
    statuses={401: _REGISTRATION, 403: _authorization},
)
