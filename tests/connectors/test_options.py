"""What people may enter for a connection, and what is said about it when it cannot be used."""

from __future__ import annotations

import time
from typing import Any

import pytest

from synccore.connectors import CONNECTORS, connect
from synccore.connectors.postgresql.patterns import LOOKED_AT, read_patterns
from synccore.failures import Misconfigured, Scope

GOOD = {"dbname": "erp", "user": "tandem"}


def refusal(kind: str, options: dict[str, Any], credentials: dict[str, Any] | None = None) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        connect(kind, options, credentials or {}, app="ERP")
    assert caught.value.scope is Scope.CONNECTION
    return caught.value


def test_every_kind_declares_what_it_asks_for() -> None:
    for kind, connector in CONNECTORS.items():
        assert connector.kind == kind
        names = [option.name for option in connector.options]
        assert names and len(names) == len(set(names))
        assert all(option.label for option in connector.options)
        assert "overlap" in names  # every connection has one
    secrets = {option.name for option in CONNECTORS["postgresql"].options if option.secret}
    assert secrets == {"password", "dsn"}


@pytest.mark.parametrize(
    ("options", "field", "reason"),
    [
        ({"dbname": "erp"}, "user", "required"),
        ({"user": "tandem"}, "dbname", "required"),
        ({**GOOD, "port": "many"}, "port", "not_a_number"),
        ({**GOOD, "port": 0}, "port", "too_small"),
        ({**GOOD, "port": True}, "port", "not_a_number"),
        ({**GOOD, "overlap": -1}, "overlap", "too_small"),
        ({**GOOD, "sslmode": "maybe"}, "sslmode", "not_a_choice"),
        ({**GOOD, "colour": "red"}, "colour", "unknown"),
        ({**GOOD, "password": "x"}, "password", "is_secret"),
        ({**GOOD, "views": ["a"]}, "views", "wrong_shape"),
        ({**GOOD, "schema": ["a"]}, "schema", "wrong_shape"),
        ({**GOOD, "time_zone": "'; DROP"}, "time_zone", "wrong_shape"),
        ({**GOOD, "statement_timeout": 600}, "statement_timeout", "too_large"),
    ],
)
def test_bad_options(options: dict[str, Any], field: str, reason: str) -> None:
    failure = refusal("postgresql", options)
    assert failure.code == "bad_connection_options"
    assert (failure.params["field"], failure.params["reason"]) == (field, reason)


def test_bad_connection_strings_do_not_show_the_password() -> None:
    for dsn in ("password=hush nonsense", "postgresql://u:hush@[host/db", "host=h colour=hush"):
        failure = refusal("postgresql", {}, {"dsn": dsn})
        assert failure.code == "bad_connection_string"
        assert "hush" not in repr(failure) + failure.app_message + failure.debug
    assert refusal("memory", {}).params == {"field": "name", "reason": "required"}
    assert refusal("fax", {}).code == "unknown_kind"
    assert refusal("postgresql", {**GOOD, "host": "h"}, {"user": "x"}).params["reason"] == "is_not_secret"


def test_parts_win_over_the_connection_string() -> None:
    connector = connect(
        "postgresql",
        {"host": "elsewhere", "port": "5433"},
        {"dsn": "postgresql://u:hush@host:1/db"},
        app="ERP",
    )
    assert repr(connector._database.session) == "<Session u@elsewhere:5433/db>"  # type: ignore[attr-defined]


RIGHT = {"kind": "rejected", "code": "some_code"}


@pytest.mark.parametrize(
    ("pattern", "part", "reason"),
    [
        ("text", "", "wrong_shape"),
        ({**RIGHT, "regex": "a", "colour": "b"}, "colour", "unknown"),
        ({**RIGHT, "kind": "stopped", "regex": "a"}, "kind", "not_a_choice"),
        ({"regex": "a", "code": "some_code"}, "kind", "not_a_choice"),
        ({"regex": "a", "kind": "rejected"}, "code", "required"),
        ({**RIGHT, "code": "Some Code", "regex": "a"}, "code", "wrong_shape"),
        (RIGHT, "sqlstate", "required"),
        ({**RIGHT, "sqlstate": "1"}, "sqlstate", "wrong_shape"),
        ({**RIGHT, "regex": "("}, "regex", "bad_regex"),
        ({**RIGHT, "regex": 3}, "regex", "wrong_shape"),
        ({**RIGHT, "regex": "a", "scope": "world"}, "scope", "not_a_choice"),
        ({**RIGHT, "regex": "a", "fields": ["a"]}, "fields", "wrong_shape"),
        ({**RIGHT, "regex": "a", "fields": {"group": "value"}}, "group", "no_such_group"),
        ({**RIGHT, "regex": "(a+)+$"}, "regex", "may_take_for_ever"),
        ({**RIGHT, "regex": "(a|aa)*$"}, "regex", "may_take_for_ever"),
        ({**RIGHT, "regex": "(?:a|(b))*$"}, "regex", "may_take_for_ever"),
        ({**RIGHT, "regex": "(x+x+)+y"}, "regex", "may_take_for_ever"),
        ({**RIGHT, "regex": ".*.*.*.*x"}, "regex", "may_take_for_ever"),
        ({**RIGHT, "regex": "(?=(a+)+b)"}, "regex", "may_take_for_ever"),
        ({**RIGHT, "regex": "(a*){5}x"}, "regex", "may_take_for_ever"),
    ],
)
def test_bad_patterns(pattern: Any, part: str, reason: str) -> None:
    good = {"sqlstate": "TD001", "kind": "blocked", "code": "good"}
    failure = refusal("postgresql", {**GOOD, "patterns": [good, pattern]})
    assert failure.code == "bad_pattern"
    assert (failure.params["number"], failure.params["part"], failure.params["reason"]) == (2, part, reason)


def test_a_pattern_that_is_allowed_ends_soon() -> None:
    [pattern] = read_patterns(
        [{**RIGHT, "regex": r"(\w+) .* (?P<who>\w+)x{0,3}$", "fields": {"who": "value"}}]
    )
    started = time.monotonic()
    assert pattern.recognise("P0001", "a b " * 100_000 + "!", {}) is None
    assert time.monotonic() - started < 30
    found = pattern.recognise("P0001", "one two three", {"table": "t"})
    assert found is not None and found.params == {"table": "t", "value": "three"}
    assert pattern.recognise("P0001", "x" * LOOKED_AT + " a b", {}) is None


def test_what_is_chosen_from_a_list_is_never_asked_for_before_it_can_be_read() -> None:
    for kind, connector in CONNECTORS.items():
        for option in connector.options:
            assert not (option.listed and (option.required or option.secret or option.address)), kind
            assert not (option.advanced and option.required), (kind, option.name)
        assert any(option.listed for option in connector.options) <= connector.lists_choices
