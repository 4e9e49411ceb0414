"""Promises about knowing and reading an app."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from synccore.connectors.base import Connector
from synccore.engine.filters import matches
from synccore.engine.serial import dump_table, load_table
from synccore.failures import Misconfigured, Scope
from synccore.shapes import (
    ALL,
    CheckState,
    Condition,
    Filter,
    Operator,
    TableRef,
    TableUse,
    UpdateItem,
    Value,
    by_id,
)
from tests.connectors.harness import FIELDS, ITEM, TICKET, Harness, all_pages, names


class ReadingContract:
    """Inherited through ``contract.ConnectorContract``."""

    # -- knowing the app ------------------------------------------------------------------------------------------------

    def test_check_passes_on_a_healthy_app(self, connector: Connector) -> None:
        connector.check()
        connector.check(ITEM)
        connector.check(ITEM, write=True)
        connector.check(TICKET, write=True)

    def test_check_names_an_unknown_table(self, connector: Connector) -> None:
        with pytest.raises(Misconfigured) as caught:
            connector.check(TableRef("nothing"))
        assert (caught.value.code, caught.value.scope) == ("unknown_table", Scope.TABLE)
        assert caught.value.params["table"] == "nothing"

    def test_an_audit_tells_known_checks_once_each_and_changes_nothing(self, harness: Harness) -> None:
        harness.put("item", "A", {"name": "a"})
        before = harness.fetch("A")
        uses = [
            TableUse(ITEM, FIELDS, ("name", "price"), write=True),
            TableUse(TICKET, ("title",)),
            TableUse(TableRef("nothing")),
        ]
        found = harness.connector.audit(uses)
        of_tables = {"privileges", "tracks_changes", "safe_writes"}
        assert {each.code for each in found} <= {*of_tables, "certificate_ends", *harness.connector.audits}
        assert len({(each.code, each.table) for each in found}) == len(found)
        assert {each.table for each in found if each.code == "privileges"} <= {"item", "ticket"}
        # The harness signs in with an ordinary account that has every right; a service may not tell all of it.
        assert {each.state for each in found} <= {CheckState.PASS, CheckState.UNKNOWN}
        json.dumps([each.params for each in found])
        assert harness.fetch("A") == before

    def test_now_is_aware(self, connector: Connector) -> None:
        assert connector.now().utcoffset() == timedelta(0)
        assert connector.now() <= connector.now()

    def test_describe(self, harness: Harness) -> None:
        tables = harness.connector.describe()
        item, ticket = tables["item"], tables["ticket"]
        assert (item.id_field, item.key_kind, item.writable) == (harness.item_id, harness.item_keys, True)
        assert (ticket.id_field, ticket.key_kind) == (harness.ticket_id, harness.ticket_keys)
        for expected in harness.item_fields:
            found = item.fields[expected.name]
            for fact in ("type", "length", "precision", "scale", "required", "unique"):
                assert getattr(found, fact) == getattr(expected, fact), (expected.name, fact)

    def test_a_glance_tells_of_a_table_what_the_description_tells(self, connector: Connector) -> None:
        described = connector.describe()
        assert connector.glance(["item"])["item"] == described["item"]
        assert connector.glance(["item", "nothing"], anew=True)["item"] == described["item"]
        assert set(connector.glance()) == set(described)

    def test_what_it_describes_survives_being_stored(self, connector: Connector) -> None:
        for name, table in connector.describe().items():
            assert load_table(json.loads(json.dumps(dump_table(table)))) == table, name

    def test_record_url_is_an_address_or_nothing(self, connector: Connector) -> None:
        url = connector.record_url(ITEM, "a b/ü")
        assert url is None or (url.isascii() and " " not in url)

    # -- changes --------------------------------------------------------------------------------------------------------

    def test_an_empty_table_is_one_complete_page(self, connector: Connector) -> None:
        records, watermark = all_pages(connector, ITEM)
        assert records == []
        assert all_pages(connector, ITEM, watermark)[0] == []

    def test_a_first_pass_reads_every_row_once_oldest_first(self, harness: Harness) -> None:
        base = harness.connector.now() - timedelta(days=1)
        for i in range(10):  # groups of three share a stamp, so that pages end inside a group
            harness.put("item", f"I{i}", {"name": f"n{i}"}, stamp=base + timedelta(minutes=i // 3))
        records, watermark = all_pages(harness.connector, ITEM, limit=2)
        assert names(records) == [f"I{i}" for i in range(10)]
        assert watermark is not None

    def test_a_first_pass_reads_rows_without_a_stamp(self, harness: Harness) -> None:
        if not harness.has_rows_without_stamp:
            pytest.skip("this app stamps every row")
        for i in range(5):
            harness.put("item", f"N{i}", {"name": "no stamp"}, stamp=None)
        harness.put("item", "S", {"name": "stamp"})
        records, _ = all_pages(harness.connector, ITEM, limit=2)
        assert sorted(names(records)) == ["N0", "N1", "N2", "N3", "N4", "S"]
        assert by_id(records)[harness.id("N0")].modified_at is None

    def test_the_next_pass_finds_what_changed(self, harness: Harness) -> None:
        old = harness.connector.now() - timedelta(days=2)
        harness.put("item", "OLD", {"name": "a"}, stamp=old)
        harness.put("item", "A", {"name": "a"})
        _, watermark = all_pages(harness.connector, ITEM)
        harness.put("item", "B", {"name": "b"})
        harness.put("item", "A", {"name": "changed"})
        records, _ = all_pages(harness.connector, ITEM, watermark)
        assert {record.key: record.fields["name"] for record in records} == {"A": "changed", "B": "b"}

    def test_a_row_committed_late_within_the_overlap_is_found(self, harness: Harness) -> None:
        harness.put("item", "A", {"name": "a"})
        _, watermark = all_pages(harness.connector, ITEM)
        harness.put("item", "LATE", {"name": "late"}, stamp=harness.connector.now() - timedelta(minutes=2))
        records, _ = all_pages(harness.connector, ITEM, watermark)
        assert "LATE" in names(records)

    def test_a_stamp_in_the_future_does_not_move_the_watermark_beyond_the_clock(
        self, harness: Harness
    ) -> None:
        harness.put("item", "FUTURE", {"name": "f"}, stamp=harness.connector.now() + timedelta(days=400))
        _, watermark = all_pages(harness.connector, ITEM)
        harness.put("item", "B", {"name": "b"})
        records, _ = all_pages(harness.connector, ITEM, watermark)
        assert "B" in names(records)

    def test_rows_changed_during_a_pass_are_not_lost(self, harness: Harness) -> None:
        base = harness.connector.now() - timedelta(hours=1)
        for i in range(6):
            harness.put("item", f"I{i}", {"name": "before"}, stamp=base + timedelta(minutes=i))
        page = harness.connector.changes(ITEM, FIELDS, limit=2)
        harness.put("item", "I0", {"name": "after"})  # read already
        harness.put("item", "I5", {"name": "after"})  # still to come
        rest, watermark = all_pages(harness.connector, ITEM, page.cursor)
        following, _ = all_pages(harness.connector, ITEM, watermark)
        seen = {**by_id(page.records), **by_id(rest), **by_id(following)}
        assert {each.key for each in seen.values() if each.fields["name"] == "after"} == {"I0", "I5"}
        assert len(seen) == 6

    def test_a_pass_can_start_at_any_moment(self, harness: Harness) -> None:
        now = harness.connector.now().replace(microsecond=0)
        for name, days in (("OLD", 9), ("EDGE", 2), ("NEW", 1)):
            harness.put("item", name, {"name": name}, stamp=now - timedelta(days=days))
        if harness.has_rows_without_stamp:
            harness.put("item", "NONE", {"name": "no stamp"}, stamp=None)
        cursor = harness.connector.cursor_at(ITEM, now - timedelta(days=2))
        records, _ = all_pages(harness.connector, ITEM, json.loads(json.dumps(cursor)), limit=1)
        assert names(records) == ["EDGE", "NEW"]
        assert harness.connector.cursor_at(TICKET, now) is None

    def test_a_table_without_stamps_is_read_whole_unless_its_app_tells_changes(
        self, harness: Harness
    ) -> None:
        for i in range(1, 8):
            harness.put("ticket", str(i), {"title": f"t{i}"})
        for _ in range(2):
            records, watermark = all_pages(harness.connector, TICKET)
            assert sorted(record.id for record in records) == [
                harness.id(str(i), "ticket") for i in range(1, 8)
            ]
            assert watermark is not None
            again, later = all_pages(harness.connector, TICKET, watermark)
            assert again == ([] if harness.connector.reports_deletions else records)
        harness.put("ticket", "3", {"title": "changed"})
        following, _ = all_pages(harness.connector, TICKET, later)
        assert {record.id: record.fields["title"] for record in following}[
            harness.id("3", "ticket")
        ] == "changed"

    def test_a_record_carries_what_its_table_names(self, harness: Harness) -> None:
        before = harness.connector.now()
        harness.put("item", "A", {"name": "Bolt", "owner": "KIM"})
        [record] = all_pages(harness.connector, ITEM)[0]
        assert (record.id, record.key, record.name, record.owner) == (harness.id("A"), "A", "Bolt", "KIM")
        assert record.modified_by == "somebody"
        assert record.modified_at is not None and record.modified_at.utcoffset() is not None
        assert before - harness.stamp_precision - harness.clock_precision <= record.modified_at
        assert record.modified_at <= harness.connector.now() + harness.clock_precision
        harness.put("ticket", "5", {"title": None})
        id = harness.id("5", "ticket")
        [ticket] = harness.connector.fetch(TICKET, [id], ["title"])
        assert ticket.key == id  # no key of its own: the id

    FILTERS: tuple[Filter, ...] = (
        (Condition("name", Operator.EQ, "b"),),
        (Condition("name", Operator.NE, "b"),),
        (Condition("name", Operator.IN, ("a", "Ä")),),
        (Condition("name", Operator.NOT_IN, ("a", "")),),
        (Condition("name", Operator.STARTS_WITH, "a"),),
        (Condition("name", Operator.GT, "Z"),),
        (Condition("name", Operator.LE, "a%_"),),
        (Condition("mail", Operator.EMPTY),),
        (Condition("mail", Operator.NOT_EMPTY),),
        (Condition("mail", Operator.EQ, ""),),
        (Condition("mail", Operator.EQ, None),),
        (Condition("mail", Operator.NE, "x@y"),),
        (Condition("mail", Operator.NE, ""),),
        (Condition("mail", Operator.IN, ("", "x@y")),),
        (Condition("mail", Operator.IN, ()),),
        (Condition("mail", Operator.NOT_IN, ("x@y",)),),
        (Condition("mail", Operator.NOT_IN, ()),),
        (Condition("mail", Operator.LT, "z"),),
        (Condition("price", Operator.EQ, "1.5"),),
        (Condition("price", Operator.EQ, "1.555"),),
        (Condition("price", Operator.GE, "1.50"),),
        (Condition("price", Operator.LT, "1.501"),),
        (Condition("price", Operator.NE, "0"),),
        (Condition("count", Operator.LT, "99999999999999999999999"),),
        (Condition("count", Operator.GT, "-99999999999999999999999"),),
        (Condition("count", Operator.IN, ("1", "99999999999999999999999")),),
        (Condition("count", Operator.EMPTY),),
        (Condition("ready", Operator.EQ, "true"),),
        (Condition("ready", Operator.NE, "true"),),
        (Condition("born", Operator.GT, "2000-02-29"),),
        (Condition("seen", Operator.GE, "2026-01-01T12:00:00.5Z"),),
        (Condition("seen", Operator.EQ, "2026-01-01T14:00:00.5+02:00"),),
        (Condition("count", Operator.GE, "1"), Condition("ready", Operator.EQ, "false")),
    )

    def test_filters_mean_the_same_as_in_the_engine(self, harness: Harness) -> None:
        moment = datetime(2026, 1, 1, 12, 0, 0, 500_000, UTC)
        rows: dict[str, dict[str, Value]] = {
            "A": {
                "name": "a",
                "mail": None,
                "price": Decimal("1.50"),
                "count": 1,
                "ready": True,
                "seen": moment,
            },
            "B": {"name": "b", "mail": "x@y", "price": Decimal("-2"), "count": 0, "ready": False},
            "C": {"name": "Ä", "mail": "", "price": Decimal(0), "count": -5, "born": date(2000, 2, 29)},
            "D": {"name": "a%_\\'\"", "mail": "Z", "count": 7, "ready": False, "born": date(2020, 1, 1)},
            "E": {"name": "ab", "mail": "zz", "price": Decimal("1.51"), "seen": moment - timedelta(days=1)},
            "F": {"name": "💧", "mail": "x@Y", "price": None, "count": None, "ready": None},
        }
        for id, fields in rows.items():
            harness.put("item", id, fields)
        infos = harness.connector.describe()["item"].fields
        every = harness.fetch(*rows)
        assert len(every) == len(rows)
        for filter in self.FILTERS:
            expected = {record.id for record in every if matches(filter, record.fields, infos)}
            page = harness.connector.changes(ITEM, FIELDS, filter)
            found = {record.id for record in page.records}
            assert found == expected, filter
            swept = harness.connector.versions(ITEM, filter)
            assert {id for id, _ in swept.versions} == expected, filter

    @pytest.mark.parametrize(
        ("condition", "reason"),
        [
            (Condition("nothing", Operator.EQ, "1"), "unknown_field"),
            (Condition("price", Operator.EQ, "a lot"), "value_not_of_type"),
            (Condition("name", Operator.EQ, "nul\x00"), "value_not_of_type"),
            (Condition("price", Operator.LT, ""), "value_missing"),
            (Condition("ready", Operator.GT, "true"), "type_not_comparable"),
            (Condition("name", Operator.EQ, ("a",)), "is_a_list"),
            (Condition("name", Operator.IN, "a"), "not_a_list"),
        ],
    )
    def test_a_filter_without_sense_is_a_set_up_fault(
        self, connector: Connector, condition: Condition, reason: str
    ) -> None:
        with pytest.raises(Misconfigured) as caught:
            connector.changes(ITEM, FIELDS, (condition,))
        assert (caught.value.code, caught.value.scope) == ("bad_filter", Scope.TABLE)
        assert caught.value.params == {"table": "item", "field": condition.field, "reason": reason}

    # -- fetch, find, versions ------------------------------------------------------------------------------------------

    def test_fetch_gives_each_existing_record_once(self, harness: Harness) -> None:
        for i in range(3):
            harness.put("item", f"I{i}", {"name": f"n{i}"})
        asked = [harness.id(name) for name in ("I1", "I0", "I1", "GONE")]
        asked += ["gone", "", "x" * 50, "nul\x00", "\ud800", "I2 ", "i1", f"{harness.id('I2')} "]
        records = harness.connector.fetch(ITEM, asked, FIELDS)
        assert sorted(names(records)) == ["I0", "I1"]
        assert harness.connector.fetch(ITEM, [], FIELDS) == []

    def test_fetch_knows_no_id_that_is_not_written_as_the_app_does(self, harness: Harness) -> None:
        harness.put("ticket", "7", {"title": "seven"})
        id = harness.id("7", "ticket")
        asked = [id, f"0{id}", f"+{id}", f"{id}.0", "seven", "", "9" * 30, "-1", f" {id}", f"{{{id}}}"]
        assert [record.id for record in harness.connector.fetch(TICKET, asked, ["title"])] == [id]

    def test_fetch_all_reads_every_field(self, harness: Harness) -> None:
        harness.put("item", "A", {"name": "a", "price": Decimal("1.25")})
        [record] = harness.connector.fetch(ITEM, [harness.id("A")], ALL)
        assert set(record.fields) == harness.all_fields
        assert record.fields["price"] == Decimal("1.25")

    def test_an_unknown_field_is_a_set_up_fault(self, harness: Harness) -> None:
        connector, id = harness.connector, harness.id("A")
        for call in (
            lambda: connector.fetch(ITEM, [id], ["nothing"]),
            lambda: connector.changes(ITEM, ["nothing"]),
            lambda: connector.find(ITEM, "nothing", ["a"], FIELDS),
            lambda: connector.create(ITEM, [harness.new("A", name="a", nothing=1)], FIELDS),
            lambda: connector.update(ITEM, [UpdateItem(id, "1", {"nothing": 1})], FIELDS),
        ):
            with pytest.raises(Misconfigured) as caught:
                call()
            assert (caught.value.code, caught.value.scope) == ("unknown_field", Scope.TABLE)
            assert (caught.value.params["table"], caught.value.params["field"]) == ("item", "nothing")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("b1", ["B1", "B10", "A5"]),  # the very number, what begins with it, then what is called so
            ("van dij", ["A1", "A2"]),
            ("DIJK van", ["A1"]),
            ("dijk", ["A1"]),
            ("ijk", []),  # words begin with it
            ("100% a_", ["A3"]),
            ("10__", []),
            ("it's \\ \"", ["A4"]),
            ("a", ["A1", "A2", "A3", "A4", "A5"]),
            ("  ", []),
            ("nul\x00", []),
        ],
    )
    def test_search_finds_what_people_mean_by_number_and_name(
        self, harness: Harness, text: str, expected: list[str]
    ) -> None:
        called = {
            "A1": "Van Dijk & Zn.",
            "A2": "Vans and dijon",
            "A3": "100% a_b",
            "A4": 'It\'s \\ "q"',
            "A5": "b1 b10",
            "B10": "other",
            "B1": "thing",
        }
        for code, name in called.items():
            harness.put("item", code, {"name": name})
        found = harness.connector.search(ITEM, text, ["name", "price"])
        assert names(found) == expected
        assert [record.fields["name"] for record in found] == [called[code] for code in expected]
        assert names(harness.connector.search(ITEM, text, ["name"], limit=1)) == expected[:1]

    def test_search_finds_records_without_a_name_by_their_id(self, harness: Harness) -> None:
        id = harness.id("41", "ticket")
        harness.put("ticket", "41", {"title": None})
        harness.put("ticket", "4", {"title": f"{id} balloons"})
        found = harness.connector.search(TICKET, id, ["title"])
        assert [record.id for record in found] == [id, harness.id("4", "ticket")]

    def test_find_by_value(self, harness: Harness) -> None:
        harness.put("item", "A", {"name": "same", "count": 1})
        harness.put("item", "B", {"name": "same", "count": 2})
        harness.put("item", "C", {"name": "other", "count": None})
        connector = harness.connector

        def found(field: str, *values: Value) -> list[str]:
            return sorted(names(connector.find(ITEM, field, values, FIELDS)))

        assert found("name", "same") == ["A", "B"]
        assert found("name", "SAME") == []
        assert found("name", "same", "other", "same") == ["A", "B", "C"]
        assert found("count", 2, None) == ["B"]
        assert found("count", 10**30, "no number") == []
        assert found("name", "x" * 100, "nul\x00") == []
        assert found("name") == []

    def test_versions_of_every_row_in_pages(self, harness: Harness) -> None:
        for i in range(7):
            harness.put("item", f"I{i}", {"name": "n"})
        ids = [harness.id(f"I{i}") for i in range(7)]
        pairs: dict[str, str] = {}
        cursor: dict[str, Any] | None = None
        for _ in range(10):
            page = harness.connector.versions(ITEM, (), cursor, limit=3)
            assert not set(pairs) & {id for id, _ in page.versions}
            pairs.update(page.versions)
            if page.complete:
                break
            cursor = json.loads(json.dumps(page.cursor))
        assert sorted(pairs) == ids
        assert pairs == {record.id: record.version for record in harness.connector.fetch(ITEM, ids, FIELDS)}

    def test_a_change_moves_the_version(self, harness: Harness) -> None:
        harness.put("item", "A", {"name": "a"})
        [before], [again] = harness.fetch("A"), harness.fetch("A")
        harness.put("item", "A", {"name": "b"})
        [after] = harness.fetch("A")
        assert before.version == again.version != after.version
