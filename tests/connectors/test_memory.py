"""The reference connector keeps the contract, and each fault it can be given does what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from synccore.connectors import connect
from synccore.connectors.memory import MemoryApp, MemoryConnector
from synccore.failures import Blocked, Rejected, Transient
from synccore.shapes import KeyKind, Record, TableInfo, UpdateItem, Value
from tests.connectors.contract import ConnectorContract
from tests.connectors.harness import FIELDS, ITEM, ITEM_FIELDS, TICKET_FIELDS, Harness, items, stored


class MemoryHarness(Harness):
    def __init__(self, name: str) -> None:
        self.app = MemoryApp.get(name)
        fields = {info.name: info for info in ITEM_FIELDS}
        info = TableInfo("item", fields, "code", KeyKind.NATURAL, modified_field="changed")
        self.app.add_table(info, modified_by_field="changed_by")
        tickets = {info.name: info for info in TICKET_FIELDS}
        self.app.add_table(TableInfo("ticket", tickets, "id", KeyKind.SEQUENCE))
        connector = connect("memory", {"name": name}, {}, app="Test")
        assert isinstance(connector, MemoryConnector)
        self.connector = connector

    def put(
        self,
        table: str,
        name: str,
        fields: Mapping[str, Value],
        *,
        stamp: datetime | None | Literal["now"] = "now",
    ) -> None:
        self.app.put(table, name, fields, stamp=stamp)

    def remove(self, table: str, name: str) -> None:
        self.app.remove(table, name)


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Iterator[MemoryHarness]:
    yield MemoryHarness(request.node.nodeid)
    MemoryApp.forget(request.node.nodeid)


class TestMemory(ConnectorContract):
    @pytest.fixture
    def harness(self, request: pytest.FixtureRequest) -> Iterator[MemoryHarness]:
        yield MemoryHarness(request.node.nodeid)
        MemoryApp.forget(request.node.nodeid)


def test_two_connectors_of_one_name_share_the_app(harness: MemoryHarness) -> None:
    other = connect("memory", {"name": harness.app.name}, {}, app="Other")
    stored(harness.connector.create(ITEM, items(1), FIELDS))
    assert len(other.changes(ITEM, FIELDS).records) == 1


def test_flaky_versions_move_without_a_change(harness: MemoryHarness) -> None:
    stored(harness.connector.create(ITEM, items(1), FIELDS))
    harness.app.faults.flaky_versions = True
    [first], [second] = (harness.connector.fetch(ITEM, ["I00000"], FIELDS) for _ in range(2))
    assert first.version != second.version
    assert first.fields == second.fields
    stored(harness.connector.update(ITEM, [UpdateItem("I00000", second.version, {"count": 1})], FIELDS))


def test_normalised_values_come_back_as_stored(harness: MemoryHarness) -> None:
    harness.app.faults.normalise = lambda name, value: value.upper() if isinstance(value, str) else value
    [record] = stored(harness.connector.create(ITEM, items(1), FIELDS))
    assert (record.id, record.fields["name"]) == ("I00000", "ITEM 0")
    assert harness.connector.fetch(ITEM, ["I00000"], FIELDS) == [record]


def test_a_lost_answer_comes_after_the_write(harness: MemoryHarness) -> None:
    harness.app.faults.lose_answers = 1
    with pytest.raises(Transient) as caught:
        harness.connector.create(ITEM, items(2), FIELDS)
    assert caught.value.outcome_unknown
    assert len(harness.connector.changes(ITEM, FIELDS).records) == 2
    stored(harness.connector.create(ITEM, items(1, start=5), FIELDS))


def test_failing_calls_and_items(harness: MemoryHarness) -> None:
    harness.app.faults.fail = [Transient("lock_timeout")]
    with pytest.raises(Transient):
        harness.connector.create(ITEM, items(1), FIELDS)
    assert harness.connector.changes(ITEM, FIELDS).records == ()

    def refuse(operation: str, table: str, item: Any) -> Rejected | Blocked | None:
        return Rejected("check_refused") if operation == "create" and item.id == "I00001" else None

    harness.app.faults.refuse = refuse
    results = harness.connector.create(ITEM, items(3), FIELDS)
    assert [isinstance(result, Record) for result in results] == [True, False, True]


def test_skewed_clock_and_short_pages(harness: MemoryHarness) -> None:
    harness.app.faults.skew = 3600
    assert harness.connector.now() == harness.app.clock + timedelta(hours=1)
    [record] = stored(harness.connector.create(ITEM, items(1), FIELDS))
    assert record.modified_at is not None and record.modified_at > harness.app.clock
    stored(harness.connector.create(ITEM, items(4, start=1), FIELDS))
    harness.app.faults.page_limit = 2
    page = harness.connector.changes(ITEM, FIELDS, limit=100)
    assert (len(page.records), page.complete) == (2, False)


def test_the_hook_stands_around_every_call(harness: MemoryHarness) -> None:
    calls: list[tuple[str, str]] = []
    harness.app.faults.hook = lambda when, method: calls.append((when, method))
    harness.connector.now()
    harness.connector.create(ITEM, items(1), FIELDS)
    assert calls == [("before", "now"), ("after", "now"), ("before", "create"), ("after", "create")]

    def killed(when: str, method: str) -> None:
        if (when, method) == ("after", "update"):
            raise KeyboardInterrupt

    harness.app.faults.hook = killed
    [record] = harness.connector.fetch(ITEM, ["I00000"], FIELDS)
    with pytest.raises(KeyboardInterrupt):
        harness.connector.update(ITEM, [UpdateItem(record.id, record.version, {"count": 77})], FIELDS)
    assert harness.connector.fetch(ITEM, ["I00000"], FIELDS)[0].fields["count"] == 77


def test_touch_and_late_rows(harness: MemoryHarness) -> None:
    harness.put("item", "A", {"name": "a"})
    [before] = harness.connector.fetch(ITEM, ["A"], FIELDS)
    harness.app.touch("item", "A")
    [after] = harness.connector.fetch(ITEM, ["A"], FIELDS)
    assert after.version != before.version and after.modified_at == before.modified_at
    harness.put("item", "LATE", {"name": "b"}, stamp=harness.app.clock - timedelta(days=3))
    page = harness.connector.changes(ITEM, FIELDS)
    assert [record.id for record in page.records] == ["LATE", "A"]
