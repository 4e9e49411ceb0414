"""The tables of a service as one process read them: what the next process asks for, and what it does not believe."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from synccore.connectors.odata import copies, limiter, metadata
from synccore.connectors.odata.client import Client
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.entity_json import from_json, to_json
from synccore.connectors.odata.model import Entity
from tests.connectors.odata.test_metadata import connect
from tests.odata.dataverse import DataverseServer
from tests.odata.dataverse_service import Dataverse
from tests.odata.fixtures import dataverse_server  # noqa: F401

pytestmark = pytest.mark.usefixtures("with_redis")


@pytest.fixture(autouse=True)
def nothing_known(with_redis: None) -> Iterator[None]:
    metadata.forget()
    yield
    metadata.forget()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that have passed, for this process and by the clock on the wall."""
    now = [10_000.0]
    monkeypatch.setattr(metadata, "monotonic", lambda: now[0])
    monkeypatch.setattr(copies, "time", lambda: now[0] + 1_700_000_000)
    return now


@pytest.fixture
def crm(dataverse_server: DataverseServer) -> Iterator[Client]:  # noqa: F811
    with connect(dataverse_server, DataverseProfile()) as client:
        yield client


def another_process() -> None:
    """What this process knew by itself is gone; what is shared is not."""
    metadata._kept = OrderedDict()


def asked(server: DataverseServer) -> list[str]:
    """What was asked since the last time, without its query."""
    found = [path.partition("?")[0].rpartition("/")[2] for _method, path in server.requests]
    server.requests.clear()
    return found


def key_of(client: Client, copy: bool = True) -> tuple[redis.Redis, str]:
    """The Redis of this run, and the key of the copy or of its head."""
    place = metadata._name(metadata._place(client))
    taken = copies.take(place)
    key = copies._head_key(place)
    if copy:
        assert taken is not None
        key = copies._copy_key(place, taken[0].id)
    return redis.Redis.from_url(limiter.shared().url), key


def test_the_second_process_asks_for_nothing_and_later_for_the_version(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
    clock: list[float],
) -> None:
    first = metadata.entity(crm, "accounts")
    assert asked(dataverse_server) == ["$metadata", "EntityDefinitions", "$batch"]
    another_process()
    assert metadata.entity(crm, "accounts") == first
    assert asked(dataverse_server) == []
    clock[0] += metadata.FRESH + 1
    another_process()
    assert metadata.entity(crm, "accounts") == first
    assert asked(dataverse_server) == ["EntityDefinitions"], "its version, in one small request"
    another_process()
    assert metadata.entity(crm, "accounts") == first
    assert asked(dataverse_server) == [], "the confirmation is shared as well"


def test_who_knew_it_before_does_not_ask_again_what_another_has_confirmed(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
    clock: list[float],
) -> None:
    metadata.entity(crm, "accounts")
    mine = metadata._kept
    clock[0] += metadata.FRESH + 1
    another_process()
    metadata.entity(crm, "accounts")
    asked(dataverse_server)
    metadata._kept = mine
    metadata.entity(crm, "accounts")
    assert asked(dataverse_server) == []


def test_a_service_that_changed_is_read_anew_once(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metadata.entity(crm, "accounts")
    mine = metadata._kept
    another_process()
    metadata.entity(crm, "accounts")
    clock[0] += metadata.FRESH + 1
    monkeypatch.setattr(Dataverse, "definitions_version", "another")
    asked(dataverse_server)
    metadata.entity(crm, "accounts")
    assert asked(dataverse_server) == ["EntityDefinitions", "$metadata", "EntityDefinitions", "$batch"]
    metadata._kept = mine
    metadata.entity(crm, "accounts")
    assert asked(dataverse_server) == []


def test_what_is_described_anew_is_taken_by_the_others(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
    clock: list[float],
) -> None:
    metadata.entity(crm, "accounts")
    mine = metadata._kept
    another_process()
    clock[0] += metadata.GLANCES + 1
    described = metadata.describe(crm)
    asked(dataverse_server)
    metadata._kept = mine
    assert metadata.glance(crm, list(described)) == described
    assert asked(dataverse_server) == [], "its tables and all their details"


def test_details_that_were_asked_for_later_are_shared_too(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    metadata.entity(crm, "accounts")
    metadata.entity(crm, "contacts")
    asked(dataverse_server)
    another_process()
    assert metadata.entity(crm, "contacts").table.fields["jobtitle"].length == 100
    assert asked(dataverse_server) == []
    assert set(metadata._kept[metadata._place(crm)].entities) == {"contacts"}, "no more than was needed"


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"garbage",
        b"x\x9c",
        copies._packed([True, {}]),
        copies._packed([True, {"set_name": 7}]),
        copies._packed({"a": "[" * 100_000}),
        copies._packed([True]),
        copies.zlib.compress(b"[" * 200_000),
        copies.zlib.compress(b"[true, " + b" " * (copies.LARGEST_ENTRY + 1) + b"{}]"),
    ],
)
def test_an_entry_that_is_spoilt_is_read_anew(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
    entry: bytes,
) -> None:
    first = metadata.entity(crm, "accounts")
    server, key = key_of(crm)
    server.hset(key, "table:accounts", entry)
    asked(dataverse_server)
    another_process()
    assert metadata.entity(crm, "accounts") == first
    assert asked(dataverse_server) == ["$metadata", "EntityDefinitions", "$batch"]
    another_process()
    assert metadata.entity(crm, "accounts") == first
    assert asked(dataverse_server) == [], "and is whole again"


@pytest.mark.parametrize(
    "head",
    [b"", b"garbage", copies._packed([]), copies._packed({"id": "x"}), copies._packed(None)],
)
def test_a_head_that_is_spoilt_is_read_anew(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
    head: bytes,
) -> None:
    first = metadata.entity(crm, "accounts")
    server, key = key_of(crm, copy=False)
    server.set(key, head)
    another_process()
    asked(dataverse_server)
    assert metadata.entity(crm, "accounts") == first
    assert len(asked(dataverse_server)) == 3


def test_keys_that_are_something_else_hurt_nobody(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    metadata.entity(crm, "accounts")
    server, key = key_of(crm, copy=False)
    server.delete(key)
    server.rpush(key, "a list")
    another_process()
    asked(dataverse_server)
    metadata.entity(crm, "accounts")
    assert len(asked(dataverse_server)) == 3
    limiter.shared().run(lambda redis: redis.ping())  # it is not taken for away


def test_a_copy_that_went_away_meanwhile_is_read_anew(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    metadata.entity(crm, "accounts")
    another_process()
    metadata.entity(crm, "accounts")
    server, key = key_of(crm)
    server.delete(key)
    asked(dataverse_server)
    assert metadata.entity(crm, "contacts").table.fields["jobtitle"].length == 100
    assert asked(dataverse_server) == ["$metadata", "EntityDefinitions", "$batch"]


def test_what_is_too_large_is_not_shared(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copies, "LARGEST", 1_000)
    metadata.entity(crm, "accounts")
    assert copies.take(metadata._name(metadata._place(crm))) is None
    metadata.entity(crm, "accounts")
    assert len(asked(dataverse_server)) == 3


def test_two_users_of_a_service_have_copies_of_their_own(crm: Client) -> None:
    metadata.entity(crm, "accounts")
    other = Client(DataverseProfile(), app=crm.app, root=crm.root)
    assert metadata._place(other) != metadata._place(crm)
    assert copies.take(metadata._name(metadata._place(other))) is None


def test_nothing_secret_is_kept_and_all_of_it_ends(
    crm: Client,
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    metadata.entity(crm, "accounts")
    server, key = key_of(crm)
    stored = [copies.zlib.decompress(each) for name, each in server.hgetall(key).items() if name != b"held"]
    text = b"".join(stored).decode() + key
    for secret in (dataverse_server.client_secret, dataverse_server.client_id, dataverse_server.address):
        assert secret not in text
    assert "Bearer" not in text
    head = copies._head_key(metadata._name(metadata._place(crm)))
    assert 0 < server.ttl(key) <= copies.KEPT and 0 < server.ttl(head) <= copies.KEPT
    metadata.describe(crm)  # another copy takes its place
    assert 0 < server.ttl(key) <= 60


def test_a_table_is_the_same_on_both_sides_of_its_text(crm: Client) -> None:
    metadata.glance(crm, metadata.entities(crm))
    for each in metadata.entities(crm).values():
        assert from_json(json.loads(json.dumps(to_json(each)))) == each


def said(entity: Entity, **changes: Any) -> dict[str, Any]:
    return {**to_json(entity), **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"key": 7},
        {"properties": []},
        {"properties": {"name": {"name": "name"}}},
        {"tracks_changes": 1},
        {"table": {"name": "accounts", "id_field": "accountid", "key_kind": "no kind"}},
        {"more": "than there is"},
        {"label": None},
    ],
)
def test_what_is_no_table_is_refused(crm: Client, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        from_json(said(metadata.entity(crm, "accounts"), **changes))


READER = """
import json, sys
from synccore.connectors import read_options
from synccore.connectors.odata import DataverseConnector, limiter
from synccore.shapes import TableRef
told = json.load(sys.stdin)
limiter.use(told["redis"])
clean = read_options(DataverseConnector.options, told["options"], {"client_secret": told["secret"]})
with DataverseConnector.open(clean, app=told["app"]) as connector:
    [record] = connector.fetch(TableRef("accounts", modified_field="modifiedon"), [told["id"]], ["name"])
    print(json.dumps([record.fields["name"], connector.client.requests]))
"""


def test_a_live_reading_of_a_fresh_process_is_one_request(
    dataverse_server: DataverseServer,  # noqa: F811
    redis_url: str,
) -> None:
    server, id = dataverse_server, "6f1c1d1e-0000-4000-8000-00000000abcd"
    server.put("accounts", id, {"name": "Fabrikam"})
    assert server.tokens
    options = {
        "address": server.url, "token_address": server.token_url, "scope": server.tokens.scope,
        "client_id": server.client_id,
    }  # fmt: skip
    app = f"CRM {uuid4()}"  # nobody knows it yet
    told = {"redis": redis_url, "options": options, "secret": server.client_secret, "id": id, "app": app}
    seen = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", READER],
            input=json.dumps(told),
            capture_output=True,
            text=True,
            timeout=290,
            check=True,
            cwd=Path(__file__).parents[3],
        )
        seen.append(json.loads(done.stdout))
    assert seen == [["Fabrikam", 4], ["Fabrikam", 1]]
