"""The same failure with the same facts in whatever language the service answers."""

# ruff: noqa: E501  (what a service said is as long as it is)

from __future__ import annotations

from typing import Any

import pytest

from synccore.connectors.odata.errors import translate
from synccore.failures import Scope
from tests.connectors.odata.said import (
    BUSINESS_CENTRAL,
    DATAVERSE,
    ID,
    OTHER,
    USER,
    answer,
    error,
    situation,
)
from tests.odata.messages import TEXTS, say

UPDATE = {"operation": "update", "id": ID}
FACTS: dict[str, Any] = {
    "user": USER, "privilege": "prvWriteAccount", "id": OTHER, "otc": 1, "entity": "account", "field": "name", "limit": 10,
    "label": "Account Name", "number": 18, "table": "Customer", "right": "Modify", "length": 11, "value": "12345678901",
    "identity": "number='C10'",
}  # fmt: skip
PRIVILEGE = {"privilege": "prvWriteAccount", "user_id": USER, "action": "change", "table": "accounts"}

ROWS: list[tuple[str, int, str, str, Scope, dict[str, Any]]] = [
    ("privilege", 403, "0x80040220", "missing_privilege", Scope.TABLE, PRIVILEGE),
    ("privilege", 403, "", "missing_privilege", Scope.TABLE, PRIVILEGE),
    ("admin_mode", 403, "0x80044172", "admin_mode", Scope.CONNECTION, {}),
    ("admin_mode", 403, "", "admin_mode", Scope.CONNECTION, {}),
    ("user_disabled", 403, "0x8004a112", "user_disabled", Scope.CONNECTION, {}),
    ("user_disabled", 403, "", "user_disabled", Scope.CONNECTION, {}),
    ("not_member", 403, "0x80072560", "user_unknown", Scope.CONNECTION, {}),
    ("gone", 404, "0x80040217", "reference_missing", Scope.RECORD, {"field": "parentaccountid", "referenced": "account", "value": OTHER}),
    ("stale", 412, "0x80060882", "stale", Scope.RECORD, {"gone": False}),
    ("exists", 412, "0x80040237", "duplicate_key", Scope.RECORD, {}),
    ("alternate_key", 412, "0x80060892", "duplicate_key", Scope.RECORD, {"field": "Account Name"}),
    ("duplicate_rule", 412, "0x80040333", "duplicate_rule", Scope.RECORD, {}),
    ("too_long", 400, "0x80044331", "value_too_long", Scope.RECORD, {"field": "name", "limit": 10, "length": 11}),
    ("bc_changed", 409, "Request_EntityChanged", "stale", Scope.RECORD, {}),
    ("bc_permission", 403, "Authorization_RequestDenied", "missing_privilege", Scope.RECORD, {"entity": "Customer", "action": "change"}),
    ("bc_permission", 400, "Internal_ServerError", "missing_privilege", Scope.RECORD, {"entity": "Customer", "privilege": "Modify"}),
    ("bc_too_long", 400, "Application_StringExceededLength", "value_too_long", Scope.RECORD, {"field": "name", "limit": 10, "length": 11}),
    ("bc_exists", 400, "Internal_EntityWithSameKeyExists", "duplicate_key", Scope.RECORD, {"field": "number", "value": "C10"}),
    ("bc_gone", 404, "Internal_RecordNotFound", "reference_missing", Scope.RECORD, {"value": OTHER}),
    ("bc_no_match", 400, "Application_DialogException", "reference_missing", Scope.RECORD, {"field": "name", "referenced": "Customer"}),
]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "nl", "nb"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[2]}")
def test_a_failure_is_the_same_in_every_language(row: Any, language: str) -> None:
    name, status, code, wanted, scope, params = row
    profile = BUSINESS_CENTRAL if name.startswith("bc_") else DATAVERSE
    values = {"name": "12345678901", "fax": "1", "number": "C10", "parentaccountid": OTHER}
    message = say(name, language, **FACTS)
    now = situation(**UPDATE, values=values)
    found = translate(answer(status, error(code, message)), now, profile)
    assert (found.code, found.scope) == (wanted, scope), message
    assert params.items() <= found.params.items(), (message, found.params)
    if wanted != "stale":
        assert found.app_message == message


def test_every_sentence_of_the_services_is_looked_at() -> None:
    assert {row[0] for row in ROWS} == set(TEXTS)
