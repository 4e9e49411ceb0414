"""Every failure code of Tandem: what kind of failure it is, what it is about, and which facts it sends.

Here because three places must agree: who raises a code, the guide that explains it (``synccore.guides``), and the
pages. ``tests/memory/test_guides.py`` walks the source and proves it. A customer's own patterns may send any other code;
those are explained by their kind and shown with the app's own words.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from synccore.failures import Kind, Scope


class Code(NamedTuple):
    """``kind`` and ``scope`` are the usual ones; a place that knows better may say another scope.

    ``params``: the facts a failure with this code may send. One that its situation lacks is missing or "".
    """

    kind: Kind
    scope: Scope
    params: frozenset[str]


_RECORD, _TABLE, _CONNECTION = Scope.RECORD, Scope.TABLE, Scope.CONNECTION

#: Added to whatever concerns a field of a record, by connectors and by the engine.
_VALUE: Final = (
    "table", "field", "value", "length", "limit", "side", "rule", "sensitive", "others", "expected", "reason",
    "constraint",
)  # fmt: skip
_ADDRESS: Final = ("host", "port", "database", "user", "app")


def _code(kind: Kind, scope: Scope, *params: str) -> Code:
    return Code(kind, scope, frozenset(params))


def _rejected(*params: str) -> Code:
    return _code(Kind.REJECTED, _RECORD, *_VALUE, *params)


def _set_up(*params: str) -> Code:
    return _code(Kind.MISCONFIGURED, _TABLE, *params)


def _passing(scope: Scope, *params: str) -> Code:
    return _code(Kind.TRANSIENT, scope, *_ADDRESS, "table", *params)


def _connection(*params: str) -> Code:
    return _code(Kind.MISCONFIGURED, _CONNECTION, *params)


CODES: Final[dict[str, Code]] = {
    # -- connecting
    "bad_connection_options": _connection("field", "reason", "limit", "choices", "name", "app"),
    "bad_connection_string": _connection("field", *_ADDRESS),
    "bad_pattern": _connection("number", "part", "reason", "detail"),
    "credentials_unreadable": _connection("app"),
    "unknown_host": _connection(*_ADDRESS),
    "sign_in_refused": _connection(*_ADDRESS),
    "password_expired": _connection(*_ADDRESS),
    "unknown_database": _connection(*_ADDRESS),
    "wrong_address": _connection(*_ADDRESS),
    "address_of_the_machine": _connection(*_ADDRESS),
    "certificate_refused": _connection(*_ADDRESS),
    "tenant_unknown": _connection(*_ADDRESS),
    "environment_unknown": _connection(*_ADDRESS),
    "company_unknown": _connection(*_ADDRESS),
    "secret_refused": _connection(*_ADDRESS),
    "secret_expired": _connection(*_ADDRESS),
    "client_unknown": _connection(*_ADDRESS),
    "consent_missing": _connection(*_ADDRESS),
    "scope_refused": _connection(*_ADDRESS),
    "conditional_access": _connection(*_ADDRESS),
    "token_refused": _connection(*_ADDRESS),
    "token_address_wrong": _connection(*_ADDRESS),
    "interaction_required": _connection(*_ADDRESS),
    "registration_refused": _connection(*_ADDRESS),
    "user_unknown": _connection(*_ADDRESS),
    "user_disabled": _connection(*_ADDRESS),
    "licence_missing": _connection(*_ADDRESS),
    "admin_mode": _connection(*_ADDRESS),
    "app_disabled": _connection(*_ADDRESS),
    "metadata_unreadable": _connection("reason", *_ADDRESS),
    "unknown_kind": _connection("kind", "app"),
    "app_read_only": _connection(*_ADDRESS),
    "connection_refused": _passing(_CONNECTION),
    "connection_lost": _passing(_CONNECTION),
    "app_starting": _passing(_CONNECTION),
    "app_overloaded": _passing(_CONNECTION),
    "disk_full": _passing(_CONNECTION),
    "too_many_connections": _passing(_CONNECTION),
    "lock_timeout": _passing(_RECORD),
    "statement_timeout": _passing(_RECORD),
    "throttled": _passing(_CONNECTION),
    "app_fault": _passing(_RECORD),
    "answer_unreadable": _passing(_TABLE),
    "delta_expired": _passing(_TABLE),
    "pages_repeat": _code(Kind.UNRECOGNISED, _TABLE, "table"),
    "app_answer": _code(Kind.UNRECOGNISED, _RECORD, "sqlstate", "table", "status", "answer_code"),
    # -- rights and tables
    "missing_privilege": _set_up(
        "table", "privilege", "grant", "action", "entity", "holder", "user_id", *_ADDRESS
    ),
    "record_privilege": _code(
        Kind.MISCONFIGURED, _RECORD, "table", "user", "privilege", "grant", "policy", "record"
    ),
    "unknown_table": _set_up("table", "side"),
    "unknown_field": _set_up("table", "field", "side", "part"),
    "field_vanished": _set_up("table", "field", "side"),
    "table_changed": _set_up("table"),
    "not_supported": _set_up("table", "side"),
    "not_writable": _set_up("table", "side"),
    "no_sequence": _set_up("table", "side"),
    "no_key": _set_up("table", "side"),
    "change_tracking_off": _set_up("table"),
    "concurrency_off": _set_up("table"),
    "version_not_accepted": _set_up("table"),
    "key_not_defined": _set_up("table"),
    "data_upgrade_needed": _set_up("table"),
    "manual_numbers_off": _code(Kind.MISCONFIGURED, _RECORD, "table", "series"),
    "number_series_missing": _code(Kind.MISCONFIGURED, _RECORD, "table", "field"),
    "posting_group_missing": _code(Kind.MISCONFIGURED, _RECORD, "table", "field"),
    "bad_modified_field": _set_up("table", "field", "type", "side"),
    # -- values
    "duplicate_key": _rejected("fields"),
    "duplicate_rule": _rejected(),
    "business_rule": _rejected(),
    "request_too_large": _rejected(),
    "still_referenced": _rejected("fields", "referencing"),
    "reference_missing": _rejected("fields", "referenced"),
    "check_refused": _rejected("fields"),
    "value_required": _rejected(),
    "value_too_long": _rejected(),
    "number_out_of_range": _rejected(),
    "number_too_precise": _rejected(),
    "time_too_precise": _rejected(),
    "invalid_value": _rejected(),
    "unstorable_character": _rejected("character"),
    "read_only_field": _rejected(),
    "write_ignored": _rejected(),
    "zone_missing": _rejected(),
    "option_unmapped": _rejected("options"),
    "currency_needed": _code(Kind.BLOCKED, _RECORD, *_VALUE),
    "exchange_rate_missing": _code(Kind.BLOCKED, _RECORD, *_VALUE, "sqlstate", "currency", "app", "what"),
    # -- deciding
    "update_conflict": _code(
        Kind.CONFLICT,
        _RECORD,
        "fields",
        "groups",
        "joined",
        "left_modified_at",
        "left_modified_by",
        "right_modified_at",
        "right_modified_by",
    ),
    "deleted_left": _code(Kind.MISSING, _RECORD, "side", "key", "name", "changed"),
    "deleted_right": _code(Kind.MISSING, _RECORD, "side", "key", "name", "changed"),
    "reference_not_coupled": _code(
        Kind.BLOCKED,
        _RECORD,
        "mapping",
        "mapping_name",
        "side",
        "record",
        "record_name",
        "field",
        "hopeless",
        "reason",
        "others",
    ),
    "coupled_elsewhere": _code(Kind.BLOCKED, _RECORD, "mapping_name", "side", "record_name", "hopeless"),
    "precondition_missing": _code(
        Kind.BLOCKED, _RECORD, "what", "value", "side", "table", "field", "hopeless", "others"
    ),
    "uncertain_create": _code(
        Kind.UNRECOGNISED, _RECORD, "side", "table", "candidates", "count", "key", "name"
    ),
    "changed_too_often": _code(Kind.TRANSIENT, _RECORD, "side", "times"),
    "already_coupled": _set_up("side", "record", "to"),
    "record_not_found": _set_up("side", "record"),
    # -- brakes
    "too_many_deletions": _code(Kind.STOPPED, _TABLE, "count", "limit", "couplings", "samples"),
    "too_many_creations": _code(Kind.STOPPED, _TABLE, "count", "limit", "couplings", "samples", "side"),
    "side_empty": _code(Kind.STOPPED, _TABLE, "side", "couplings"),
    "match_undecided": _code(Kind.STOPPED, _RECORD, "count"),
    # -- set-up
    "mapping_without_fields": _set_up("mapping_name", "mapping"),
    "match_without_criteria": _set_up("mapping_name", "mapping"),
    "cyclic_references": _set_up("mapping_name", "names"),
    "bad_filter": _set_up("table", "field", "reason", "side"),
    "bad_transformation": _set_up("field", "transform", "param", "reason"),
    "bad_constant": _set_up("field", "value"),
    "bad_template": _set_up("field", "value", "priority", "reason"),
    "bad_precondition": _set_up("what", "part", "reason"),
    "bad_setting": _set_up("setting", "value"),
    "field_unknown": _set_up("field", "side"),
    "field_missing": _set_up("field", "side"),
    "written_twice": _set_up("field", "side", "table"),
    "constant_both_ways": _set_up("field"),
    "one_way_transformation": _set_up("field", "other_field"),
    "natural_key_not_mapped": _set_up("mapping_name"),
    "field_read_only": _set_up("table", "field", "side"),
    "instance_mismatch": _connection("app"),
    # -- our own
    "bug": _code(Kind.BUG, _RECORD, "step", "error"),
    "job_lost": _code(Kind.BUG, _TABLE, "job", "deaths"),
    "own_database": _code(Kind.TRANSIENT, _TABLE, "error"),
}

#: Which facts each code may send.
CODE_PARAMS: Final[dict[str, frozenset[str]]] = {name: code.params for name, code in CODES.items()}
