"""Answers as the services send them, and what they must come out as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synccore.codes import CODES
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Answer, Request
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.errors import Situation, translate
from synccore.connectors.odata.plain import PlainProfile
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Scope, Stale
from synccore.shapes import FieldInfo, FieldType

DATAVERSE, BUSINESS_CENTRAL, PLAIN = DataverseProfile(), BusinessCentralProfile(), PlainProfile()

ID = "6f1c1d1e-0000-4000-8000-00000000abcd"
OTHER = "0b2d2a7e-1111-4222-8333-00000000beef"
USER = "9c0ffee0-2222-4333-8444-000000001234"
TRACE = "e0b1a2c3-3333-4444-8555-000000009999"
SECRET = "s3cr3t~with+signs/=="
JSON = {"content-type": "application/json; odata.metadata=minimal"}
ADDRESS = {"app": "CRM", "host": "crm.example.com", "port": "443", "user": "tandem"}

READ = {"operation": "read"}
READ_ONE = {"operation": "read", "id": ID}
CREATE = {"operation": "create"}
UPDATE = {"operation": "update", "id": ID}
DELETE = {"operation": "delete", "id": ID}


def infos(**lengths: int) -> dict[str, FieldInfo]:
    return {name: FieldInfo(name, FieldType.TEXT, length=length) for name, length in lengths.items()}


def error(code: object, message: str, **more: Any) -> bytes:
    """The body of an OData error."""
    return json.dumps({"error": {"code": code, "message": message, **more}}).encode()


def situation(table: str = "accounts", **facts: Any) -> Situation:
    known = {**ADDRESS, "table": table, "secrets": (SECRET,), **facts}
    return Situation(**known)


def answer(
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] = JSON,
    *,
    path: str = "",
    method: str = "PATCH",
) -> Answer:
    return Answer(status, dict(headers), body, Request(method, path or f"accounts({ID})"))


@dataclass(frozen=True)
class Row:
    """One row of a table: what the service sends while something is done, and the failure it stands for."""

    name: str
    status: int
    body: bytes
    doing: Mapping[str, Any]
    failure: type[Failure]
    code: str
    scope: Scope
    params: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)

    def __str__(self) -> str:
        return self.name


def check(row: Row, profile: Profile, table: str) -> Failure:
    """Exactly that failure, with those facts and all of the message, and nothing that its code may not send."""
    path = (
        f"{table}({ID})" if row.doing.get("id") or row.doing["operation"] in ("update", "delete") else table
    )
    found = translate(
        answer(row.status, row.body, row.headers, path=path), situation(table, **row.doing), profile
    )
    assert (type(found), found.code, found.scope) == (row.failure, row.code, row.scope), found
    assert row.params.items() <= found.params.items(), found.params
    if row.message is not None:
        assert found.app_message == row.message
    if not isinstance(found, Stale):
        assert found.params.keys() <= CODES[found.code].params, found.params
        assert CODES[found.code].kind is found.kind
    json.dumps(found.params)
    assert f"HTTP {row.status}" in found.debug
    return found
