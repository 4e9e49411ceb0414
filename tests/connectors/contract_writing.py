"""Promises about writing to an app."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

import pytest

from synccore.connectors.base import Connector
from synccore.failures import Failure, Rejected, Scope, Stale
from synccore.shapes import (
    CreateItem,
    DeleteItem,
    KeyKind,
    Record,
    UpdateItem,
    Value,
    by_id,
)
from tests.connectors.harness import FIELDS, ITEM, TICKET, Harness, all_pages, names, stored


class WritingContract:
    """Inherited through ``contract.ConnectorContract``."""

    # -- create ---------------------------------------------------------------------------------------------------------

    def test_create_gives_the_stored_records_in_order(self, harness: Harness) -> None:
        wanted = harness.items(50)
        wanted.reverse()
        records = stored(harness.connector.create(ITEM, wanted, FIELDS))
        assert names(records) == [f"I{i:05}" for i in reversed(range(50))]
        for item, record in zip(wanted, records, strict=True):
            assert item.id in (None, record.id)
            assert dict(item.fields) == {name: record.fields[name] for name in item.fields}
        fetched = harness.connector.fetch(ITEM, [record.id for record in records], FIELDS)
        assert by_id(fetched) == by_id(records)

    def test_create_of_a_record_that_exists_is_refused_by_name(self, harness: Harness) -> None:
        harness.put("item", "I00002", {"name": "was here"})
        results = harness.connector.create(ITEM, harness.items(5), FIELDS)
        assert isinstance(results[2], Rejected)
        assert results[2].code == "duplicate_key"
        key = (
            ("code", "I00002")
            if harness.item_keys is not KeyKind.UUID
            else (harness.item_id, harness.id("I00002"))
        )
        assert (results[2].params["field"], results[2].params["value"]) == key
        assert len(stored(results[:2] + results[3:])) == 4
        [untouched] = harness.fetch("I00002")
        assert untouched.fields["name"] == "was here"

    def test_create_twice_in_one_batch_is_refused_once(self, harness: Harness) -> None:
        first, second = harness.connector.create(ITEM, [*harness.items(1), *harness.items(1)], FIELDS)
        assert isinstance(first, Record) and isinstance(second, Rejected)
        assert second.code == "duplicate_key"

    def test_create_with_different_fields_in_one_batch(self, harness: Harness) -> None:
        wanted = [
            harness.new("A", name="a", count=1),
            harness.new("B", name="b"),
            CreateItem("3", {"count": 3, "name": "c", "code": "C"}),
            harness.new("D", name="d", price=Decimal(4)),
        ]
        records = stored(harness.connector.create(ITEM, wanted, FIELDS))
        assert [(r.key, r.fields["name"], r.fields["count"]) for r in records] == [
            ("A", "a", 1),
            ("B", "b", harness.empty("count")),
            ("C", "c", 3),
            ("D", "d", harness.empty("count")),
        ]

    def test_reserved_ids_are_ours_alone(self, harness: Harness) -> None:
        if harness.ticket_keys is not KeyKind.SEQUENCE:
            pytest.skip("no ids are reserved in this app")
        connector = harness.connector
        ids = connector.reserve_ids(TICKET, 5) + connector.reserve_ids(TICKET, 5)
        assert len(set(ids)) == 10
        wanted = [CreateItem(id, {"title": f"t{id}"}, id) for id in ids[:9]]
        records = stored(connector.create(TICKET, wanted, ["title"]))
        assert [record.id for record in records] == ids[:9]
        [own] = stored(connector.create(TICKET, [CreateItem("x", {"title": "by the app"})], ["title"]))
        assert own.id not in ids

    def test_ids_that_the_app_chooses_come_back_in_order(self, connector: Connector) -> None:
        wanted = [CreateItem(str(i), {"title": f"t{i}"}) for i in range(20)]
        records = stored(connector.create(TICKET, wanted, ["title"]))
        assert [record.fields["title"] for record in records] == [f"t{i}" for i in range(20)]
        assert len({record.id for record in records}) == 20

    # -- update ---------------------------------------------------------------------------------------------------------

    def test_update_writes_the_given_fields_only(self, harness: Harness) -> None:
        connector = harness.connector
        created = stored(connector.create(ITEM, harness.items(20), FIELDS))
        changed = [
            UpdateItem(record.id, record.version, {"name": f"new {record.key}"})
            for record in reversed(created)
        ]
        records = stored(connector.update(ITEM, changed, FIELDS))
        assert [record.id for record in records] == [item.id for item in changed]
        for before, after in zip(reversed(created), records, strict=True):
            assert after.version != before.version
            assert after.fields == {**before.fields, "name": f"new {before.key}"}
        assert by_id(connector.fetch(ITEM, [record.id for record in records], FIELDS)) == by_id(records)

    def test_update_of_a_moved_or_gone_record_is_stale(self, harness: Harness) -> None:
        created = stored(harness.connector.create(ITEM, harness.items(6), FIELDS))
        harness.put("item", created[1].key, {"name": "elsewhere"})
        harness.remove("item", created[4].key)
        changed = [UpdateItem(record.id, record.version, {"count": 99}) for record in created]
        changed.append(UpdateItem("no\x00id", "1", {"count": 99}))
        results = harness.connector.update(ITEM, changed, FIELDS)
        assert [isinstance(result, Stale) for result in results] == [
            False, True, False, False, True, False, True,
        ]  # fmt: skip
        [moved] = harness.connector.fetch(ITEM, [created[1].id], FIELDS)
        assert (moved.fields["name"], moved.fields["count"]) == ("elsewhere", 1)

    def test_a_second_update_of_one_record_in_a_batch_is_stale(self, harness: Harness) -> None:
        connector = harness.connector
        [record] = stored(connector.create(ITEM, harness.items(1), FIELDS))
        first, second = connector.update(
            ITEM,
            [UpdateItem(record.id, record.version, {"name": name}) for name in ("one", "two")],
            FIELDS,
        )
        assert isinstance(first, Record) and isinstance(second, Stale)
        assert connector.fetch(ITEM, [record.id], FIELDS)[0] == first

    def test_own_writes_are_told_by_their_version(self, harness: Harness) -> None:
        connector = harness.connector
        created = stored(connector.create(ITEM, harness.items(3), FIELDS))
        updated = stored(
            connector.update(ITEM, [UpdateItem(r.id, r.version, {"count": 8}) for r in created], FIELDS)
        )
        seen, _ = all_pages(connector, ITEM)
        assert {r.id: r.version for r in seen} == {r.id: r.version for r in updated}

    def test_an_update_of_no_field_only_looks(self, harness: Harness) -> None:
        connector = harness.connector
        [record] = stored(connector.create(ITEM, harness.items(1), FIELDS))
        same, stale = connector.update(
            ITEM, [UpdateItem(record.id, record.version, {}), UpdateItem(record.id, "0", {})], FIELDS
        )
        assert same == record
        assert isinstance(stale, Stale)

    # -- delete ---------------------------------------------------------------------------------------------------------

    def test_delete(self, harness: Harness) -> None:
        created = stored(harness.connector.create(ITEM, harness.items(5), FIELDS))
        harness.put("item", created[1].key, {"name": "elsewhere"})
        harness.remove("item", created[2].key)
        wanted = [DeleteItem(record.id, record.version) for record in created]
        wanted.append(DeleteItem("no\x00id", "1"))
        results = harness.connector.delete(ITEM, wanted)
        assert isinstance(results[1], Stale)
        assert [result for i, result in enumerate(results) if i != 1] == [None] * 5
        left = harness.connector.fetch(ITEM, [record.id for record in created], FIELDS)
        assert [record.id for record in left] == [created[1].id]

    # -- refused values -------------------------------------------------------------------------------------------------

    BAD: tuple[tuple[str, Value, str], ...] = (
        ("name", "x" * 21, "value_too_long"),
        ("name", "ends in blanks" + " " * 10, "value_too_long"),
        ("name", None, "value_required"),
        ("name", "nul \x00", "unstorable_character"),
        ("name", "half \ud83d", "unstorable_character"),
        ("price", Decimal("1.005"), "number_too_precise"),
        ("price", Decimal("123456789"), "number_out_of_range"),
        ("price", "a lot", "invalid_value"),
        ("price", True, "invalid_value"),
        ("count", 2**31, "number_out_of_range"),
        ("count", Decimal("1.5"), "number_too_precise"),
        ("ready", 1, "invalid_value"),
        ("born", datetime(2020, 1, 1, 12), "invalid_value"),
        ("seen", datetime(2020, 1, 1), "zone_missing"),
        ("mail", "taken@example.org", "duplicate_key"),
    )

    @pytest.mark.parametrize(("field", "value", "code"), BAD)
    def test_a_bad_value_is_named_and_harms_nobody_else(
        self, harness: Harness, field: str, value: Value, code: str
    ) -> None:
        connector = harness.connector
        created = stored(connector.create(ITEM, harness.items(8), FIELDS))
        stored(connector.create(ITEM, [harness.new("M", name="m", mail="taken@example.org")], FIELDS))
        changed = [UpdateItem(record.id, record.version, {"name": "good"}) for record in created]
        changed[3] = UpdateItem(created[3].id, created[3].version, {"name": "bad", field: value})
        new = harness.items(5, start=100)
        new[2] = harness.new("BAD", **{"name": "bad", field: value})
        for results, bad in (
            (connector.update(ITEM, changed, FIELDS), 3),
            (connector.create(ITEM, new, FIELDS), 2),
        ):
            failure = results[bad]
            assert isinstance(failure, Rejected), failure
            assert (failure.code, failure.scope) == (code, Scope.RECORD)
            assert (failure.params["table"], failure.params["field"]) == ("item", field)
            json.dumps(failure.params)
            assert "\x00" not in str(failure.params["value"])
            stored(results[:bad] + results[bad + 1 :])
        [untouched] = connector.fetch(ITEM, [created[3].id], FIELDS)
        assert untouched == created[3]
        assert harness.fetch("BAD") == []

    def test_many_bad_rows_among_many_good_ones(self, harness: Harness) -> None:
        connector, wanted = harness.connector, harness.items(200)
        bad = {3, 4, 50, 99, 100, 101, 150, 199}
        for i in bad:
            wanted[i] = CreateItem(f"k{i}", {**wanted[i].fields, "mail": "same@example.org"}, wanted[i].id)
        results = connector.create(ITEM, wanted, FIELDS)
        refused = {i for i, result in enumerate(results) if isinstance(result, Rejected)}
        assert refused < bad and len(refused) == len(bad) - 1  # the first one got the address
        assert {result.code for result in results if isinstance(result, Failure)} == {"duplicate_key"}
        kept = [f"I{i:05}" for i in range(200) if i not in refused]
        assert sorted(names(harness.fetch(*(f"I{i:05}" for i in range(200))))) == kept

    def test_empty_batches(self, connector: Connector) -> None:
        assert connector.create(ITEM, [], FIELDS) == []
        assert connector.update(ITEM, [], FIELDS) == []
        assert connector.delete(ITEM, []) == []
        assert connector.find(ITEM, "name", [], FIELDS) == []
