"""Reading by stamp, along links of every form, losing nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from synccore.connectors.odata import changes, reading
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.model import Binding
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Misconfigured, Transient, Unrecognised
from synccore.shapes import Condition, Operator, TableRef
from tests.connectors.odata.scripted import FIELDS, PERSON, ROOT, Script, id, page, row

NOTE = TableRef("notes")


def read(script, cursor=None, *, filter=(), limit=100, table=PERSON, source=None, fields=FIELDS):
    cursor = json.loads(json.dumps(cursor or {}))
    return changes.changes(source or script.source, table, fields, filter, cursor, limit)


def numbers(page):
    return [int(record.id[-4:]) for record in page.records]


def stamp(minute, second=0):
    return f"2026-11-25T10:{minute:02d}:{second:02d}.000Z"


# -- what is asked ------------------------------------------------------------------------------------------------------


def test_a_page_asks_for_what_is_used_and_nothing_else():
    script = Script(page(row(1)))
    found = read(script, {"low": "2026-11-25T09:00:00+00:00"}, limit=250)
    [asked] = script.queries
    assert asked == (
        "people?$select=id,changed,number,name,city"
        "&$filter=changed ge 2026-11-25T09:00:00Z&$orderby=changed,id"
    )
    assert script.preferences == ["odata.maxpagesize=250"]
    [record] = found.records
    assert (record.id, record.version, record.key, record.name) == (id(1), 'W/"1"', "P1", "Name 1")
    assert record.fields == {"name": "Name 1", "city": "Gent"}
    assert record.modified_at == datetime(2026, 11, 25, 10, tzinfo=UTC)


def test_filters_go_to_the_service_and_are_judged_again_where_it_compares_in_its_own_way():
    rows = [row(1, city="Gent"), row(2, city="GENT"), row(3, city="Gent ")]
    script = Script(page(*rows), page(row(1, age=5)))
    by_city = (Condition("city", Operator.EQ, "Gent"),)
    assert numbers(read(script, filter=by_city, fields=["name"])) == [1]
    assert "$select=id,changed,number,name,city&" in script.queries[0]
    by_age = (Condition("age", Operator.GE, "5"),)
    assert numbers(read(script, filter=by_age, fields=["name"])) == [1]
    assert "age" not in script.queries[1].split("&")[0], "it is judged by the service alone"


def test_values_with_special_characters_are_encoded_once():
    script = Script(page())
    value = "O'Neil & Söhne #1 + 5%/x?"
    read(script, filter=(Condition("city", Operator.EQ, value),))
    assert "O%27%27Neil" in script.paths[0] or "O''Neil" in script.paths[0]
    assert value.replace("'", "''") in script.queries[0]
    for character in ("%26", "%23", "%2B", "%25", "%C3%B6"):
        assert character in script.paths[0]


def test_a_table_without_stamps_is_read_whole_by_key():
    told = page({"@odata.etag": 'W/"1"', "code": "A", "text": "a"})
    script = Script(told, told)
    for cursor in ({}, {}):
        found = read(script, cursor, table=NOTE, fields=["text"])
        assert (found.complete, found.watermark) == (True, {})
    assert script.queries == ["notes?$select=code,text&$orderby=code"] * 2


def test_a_field_that_is_no_stamp_is_a_set_up_fault():
    script = Script()
    with pytest.raises(Misconfigured) as caught:
        read(script, table=TableRef("people", modified_field="city"))
    assert caught.value.code == "bad_modified_field"


# -- links --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "sent"),
    [
        (
            ROOT + "people?$skiptoken=%3Ccookie%20a=%22x%22%3E+b",
            "people?$skiptoken=%3Ccookie%20a=%22x%22%3E+b",
        ),
        ("people?$skiptoken=%253Cx%253E", "people?$skiptoken=%253Cx%253E"),
        ("./people?$skiptoken=2", "people?$skiptoken=2"),
        ("/api/v2/people?$skiptoken='2'", "people?$skiptoken='2'"),
        ("?$skiptoken=2", "people?$skiptoken=2"),
    ],
)
def test_the_next_page_s_link_is_taken_in_every_form_and_sent_byte_for_byte(link, sent):
    script = Script(page(row(1), next=link), page(row(2)))
    first = read(script, limit=7)
    second = read(script, first.cursor, limit=7)
    assert (numbers(first), first.complete, numbers(second), second.complete) == ([1], False, [2], True)
    assert script.paths[1] == sent
    assert script.preferences == ["odata.maxpagesize=7"] * 2


def test_a_relative_link_is_relative_to_the_context_of_its_answer():
    context = "https://service.example/api/v2/companies(1)/$metadata#people"
    told = page(row(1), next="people?$skiptoken=2", **{"@odata.context": context})
    script = Script(told, page())
    read(script, read(script).cursor)
    assert script.paths[1] == "companies(1)/people?$skiptoken=2"


def test_a_context_that_names_another_host_does_not_lead_there():
    told = page(
        row(1), next="people?$skiptoken=2", **{"@odata.context": "http://inner:81/x/$metadata#people"}
    )
    script = Script(told, page())
    read(script, read(script).cursor)
    assert script.paths[1] == "people?$skiptoken=2"


def test_a_link_to_another_host_is_not_followed():
    script = Script(page(row(1), next="https://elsewhere.example/api/v2/people?$skiptoken=2"))
    first = read(script)
    with pytest.raises(Unrecognised) as caught:
        read(script, first.cursor)
    assert caught.value.stops_the_job and len(script.asked) == 1


def test_an_empty_page_with_a_link_goes_on():
    script = Script(page(next="people?$skiptoken=1"), page(next="people?$skiptoken=2"), page(row(1)))
    first = read(script)
    assert (first.records, first.complete) == ((), False)
    last = read(script, read(script, first.cursor).cursor)
    assert (numbers(last), last.complete) == ([1], True)


def test_links_that_lead_in_a_circle_end_with_a_failure():
    told = [page(row(1), next=f"people?$skiptoken={n}") for n in (1, 2, 1)]
    script = Script(*told)
    second = read(script, read(script).cursor)
    with pytest.raises(Unrecognised) as caught:
        read(script, second.cursor)
    assert caught.value.code == "pages_repeat" and caught.value.stops_the_job
    assert caught.value.app_message.endswith("people?$skiptoken=1")


@pytest.mark.parametrize("before", [0, 7])
@pytest.mark.parametrize("length", [1, 2, 19, 25, 300])
def test_a_circle_of_any_length_ends(length, before):
    """It may be entered after some pages, and be longer than the links that are remembered."""

    def answer(request):
        at = int(Script.target(request).rpartition("=")[2]) if "skiptoken" in Script.target(request) else 0
        return page(row(at), next=f"people?$skiptoken={at + 1 if at + 1 < before + length else before}")

    script, cursor = Script(*[answer] * 2000), None
    with pytest.raises(Unrecognised) as caught:
        while True:
            cursor = json.loads(json.dumps(read(script, cursor).cursor))
    assert caught.value.code == "pages_repeat"
    assert len(script.asked) < before + 4 * length + 50
    script, cursor = Script(*[answer] * 2000), {}
    with pytest.raises(Unrecognised):
        while True:
            cursor = reading.versions(script.source, PERSON, (), cursor, 1000).cursor
    assert len(script.asked) < before + 4 * length + 50


def test_a_link_that_is_no_longer_taken_is_given_up_for_the_stamp_read_last():
    refused = (400, {"error": {"code": "x", "message": "The skip token is no longer valid."}})
    script = Script(
        page(row(1, stamp(1)), row(2, stamp(2)), next="people?$skiptoken=1"),
        refused,
        page(row(2, stamp(2)), row(3, stamp(3))),
    )
    second = read(script, read(script).cursor)
    assert "$filter=changed ge 2026-11-25T10:02:00Z&" in script.queries[2]
    assert (numbers(second), second.complete) == ([2, 3], True)


def test_a_pass_is_not_begun_again_for_ever():
    refused = (410, {"error": {"code": "x", "message": "Gone."}})
    told = [page(row(1, stamp(1)), next="people?$skiptoken=1"), refused] * 6
    script = Script(*told)
    cursor = {}
    with pytest.raises(Exception, match="."):
        for _ in range(6):
            cursor = read(script, cursor).cursor
    assert len(script.asked) <= 10


def test_a_pass_of_a_table_without_stamps_is_not_begun_again_for_ever():
    """Its place was noted when it still had a stamp."""
    refused = (400, {"error": {"code": "", "message": "Bad token"}})
    told = page({"@odata.etag": 'W/"1"', "code": "A", "text": "a"}, next="notes?$skiptoken=a")
    script = Script(*[told, refused] * 9)
    cursor = {"low": "2026-11-25T09:00:00+00:00"}
    with pytest.raises(Failure):
        for _ in range(9):
            cursor = read(script, cursor, table=NOTE, fields=["text"]).cursor
    assert len(script.asked) == 8


def test_links_that_count_rows_are_not_followed_where_a_stamp_tells_the_place():
    """A row that changes moves to the end, and a link that counts passes over the one after it."""
    script = Script(
        page(row(1, stamp(1)), row(2, stamp(2)), next="people?$skip=2"),
        page(row(2, stamp(2)), row(3, stamp(2)), next="people?$filter=x&%24skip=2"),
        page(row(4, stamp(2)), next="people?$filter=x&$skip=3"),
        page(row(5, stamp(3))),
    )
    cursor, seen = {}, []
    for _ in range(4):
        found = read(script, cursor)
        cursor = found.cursor
        seen += numbers(found)
    assert seen == [1, 2, 2, 3, 4, 5] and found.complete
    assert "ge 2026-11-25T10:02:00Z" in script.queries[1]
    assert script.paths[2] == "people?$filter=x&%24skip=2", "all of one stamp: counting is all there is"
    assert script.paths[3] == "people?$filter=x&$skip=3"


# -- pages longer than asked for ----------------------------------------------------------------------------------------


def test_a_page_longer_than_asked_for_is_given_in_parts():
    rows = [row(n, stamp(n)) for n in range(1, 6)]
    script = Script(page(*rows, next="people?$skiptoken=5"), page(row(6, stamp(6))))
    cursor, seen = {}, []
    for _ in range(4):
        found = read(script, cursor, limit=2)
        cursor = found.cursor
        seen.append(numbers(found))
    assert seen == [[1, 2], [3, 4], [5], [6]] and found.complete
    assert len(script.asked) == 2, "what was sent already is not asked for again"


def test_the_rest_of_a_long_page_is_read_again_by_another_worker():
    rows = [row(n, stamp(n)) for n in range(1, 5)]
    moved = [rows[0], rows[2], rows[3], row(2, stamp(9))]
    script = Script(page(*rows), page(*rows), page(*moved))
    first = read(script, limit=2)
    assert numbers(read(script, first.cursor, limit=2, source=script.another())) == [3, 4]
    # The row given last changed meanwhile: nothing behind its old place is left out.
    assert numbers(read(script, first.cursor, limit=5, source=script.another())) == [3, 4, 2]


@pytest.mark.parametrize("status", [408, 413, 504])
def test_a_page_that_is_too_long_for_the_service_is_asked_for_shorter(status):
    refused = (status, {"error": {"code": "", "message": "too long"}})
    script = Script(lambda request: page(row(1)) if "250" in request.headers["Prefer"] else refused)
    script.told = script.told * 20
    assert numbers(read(script, limit=1000)) == [1]
    assert script.preferences[-1] == "odata.maxpagesize=250"
    asked = len(script.asked)
    read(script, limit=1000)
    assert len(script.asked) == asked + 1, "the next page begins with the size that worked"


def test_a_page_that_takes_longer_than_a_call_may_last_is_asked_for_shorter():
    """Else it would be asked for in vain for ever: the service itself waits longer than we do."""

    def answer(request):
        if int(request.headers["Prefer"].rpartition("=")[2]) > 100:
            raise httpx2.ReadTimeout("The read operation timed out")
        return page(row(1))

    script = Script(*[answer] * 9)
    assert numbers(read(script, limit=1000)) == [1]
    assert script.preferences == ["odata.maxpagesize=1000", "odata.maxpagesize=62"]
    script = Script(*[answer] * 9)
    assert len(reading.versions(script.source, PERSON, (), {}, 1000).versions) == 1


# -- stamps -------------------------------------------------------------------------------------------------------------


def test_the_next_pass_starts_at_the_highest_stamp_less_the_overlap():
    script = Script(page(row(1, stamp(1)), row(2, stamp(20))), overlap=timedelta(minutes=3))
    found = read(script)
    assert found.watermark == {"low": "2026-11-25T10:17:00+00:00"}


def test_a_stamp_in_the_future_does_not_move_the_next_pass_beyond_the_service_s_clock():
    script = Script(page(row(1, "2030-01-01T00:00:00Z")))
    low = datetime.fromisoformat(read(script).watermark["low"])
    clock = datetime(2026, 11, 25, 12, tzinfo=UTC) - timedelta(minutes=5)
    assert clock - timedelta(seconds=5) < low <= clock


def test_the_clock_counts_from_the_start_of_the_pass():
    later = {"Date": "Wed, 25 Nov 2026 18:00:00 GMT"}
    script = Script(page(next="people?$skiptoken=1"), (200, page(row(1, "2026-11-25T17:00:00Z")), later))
    found = read(script, read(script).cursor)
    assert found.watermark["low"] < "2026-11-25T11:55:01"


def test_stamps_and_clocks_at_the_ends_of_time_are_no_error():
    first = Script((200, page(row(1, "0001-01-01T00:00:00Z")), {"Date": "Fri, 31 Dec 9999 23:59:59 -1200"}))
    assert read(first).watermark == {"low": "0001-01-01T00:00:00+00:00"}
    unset = Script((200, page(), {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}))
    assert read(unset).watermark["low"] > "2020"


def test_rows_without_a_stamp_come_in_the_first_pass():
    script = Script(page(row(1, None), row(2, stamp(2))))
    found = read(script)
    assert numbers(found) == [1, 2] and "$filter" not in script.queries[0]
    assert found.records[0].modified_at is None
    assert found.watermark == {"low": "2026-11-25T09:57:00+00:00"}


def test_a_page_that_fails_leaves_the_place_as_it_was():
    broken = (200, '{"value": [{"id": ')
    script = Script(page(row(1), next="people?$skiptoken=1"), broken, page(row(2)))
    first = read(script)
    before = json.dumps(first.cursor)
    with pytest.raises(Transient) as caught:
        read(script, first.cursor)
    assert caught.value.stops_the_job and json.dumps(first.cursor) == before
    again = read(script, first.cursor)
    assert numbers(again) == [2] and script.paths[1] == script.paths[2]


@pytest.mark.parametrize(
    "body", [{}, {"value": None}, {"value": [1]}, {"value": {}}, "[]", "<html>sign in</html>", "", "null"]
)
def test_an_answer_that_is_no_list_of_records_is_a_failure(body):
    script = Script((200, body))
    with pytest.raises((Transient, Misconfigured)):
        read(script)


def test_what_nobody_can_store_reaches_nobody():
    [told] = read(Script(page(row(1, number="P\x001", name="a\ud800")))).records
    assert (told.key, told.name, told.fields["name"]) == ("P\ufffd1", "a\ufffd", "a\ud800")
    notes = page({"@odata.etag": 'W/"1"', "code": "\x00", "text": "a"})
    assert read(Script(notes), table=NOTE, fields=["text"]).records == ()


def test_a_value_that_is_none_of_its_type_is_a_failure_of_the_table():
    script = Script(page(row(1, "yesterday")))
    with pytest.raises(Transient) as caught:
        read(script)
    assert caught.value.code == "answer_unreadable" and caught.value.stops_the_job
    assert "yesterday" in caught.value.debug


def test_a_pass_can_start_at_a_moment():
    script = Script(page())
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    read(script, changes.cursor_at(script.source, PERSON, moment))
    assert "changed ge 2026-01-02T03:04:05.678Z" in script.queries[0]
    assert changes.cursor_at(script.source, NOTE, moment) is None


def test_who_changed_a_record_is_told_by_name_where_the_service_knows_it():
    script = Script(
        page(
            row(1, **{"city@OData.Community.Display.V1.FormattedValue": "Kim Dekker"}),
            row(2),
        )
    )
    people = script.entities["people"]
    lookup = replace(people.properties["city"], bind=Binding("city", "users", "user"))
    script.entities["people"] = replace(people, properties={**people.properties, "city": lookup})
    found = read(script, table=replace(PERSON, modified_by_field="city"), fields=["name"])
    assert [record.modified_by for record in found.records] == ["Kim Dekker", "Gent"]
    assert 'include-annotations="OData.Community.Display.V1.FormattedValue"' in script.preferences[0]


@pytest.mark.parametrize(
    ("low", "asked"),
    [
        ("2026-01-02 03:04:05.5+00", "changed ge 2026-01-02T03:04:05.5Z"),
        ("2026-01-02 03:04:05", "changed ge 2026-01-02T03:04:05Z"),
        ("infinity", "$orderby"),
    ],
)
def test_a_place_that_another_kind_of_app_noted_is_read_as_well_as_can_be(low, asked):
    script = Script(page(row(1)))
    found = read(script, {"low": low})
    assert asked in script.queries[0] and found.watermark["low"].endswith("+00:00")


# -- by id and by value --------------------------------------------------------------------------------------------------


def test_one_record_is_one_request():
    script = Script(page(row(1)))
    [record] = reading.fetch(script.source, PERSON, [id(1).upper(), "no id", ""], FIELDS)
    assert record.id == id(1)
    assert script.queries == [f"people?$select=id,changed,number,name,city&$filter=id eq {id(1)}"]


def test_nobody_is_asked_for_ids_that_cannot_be():
    script = Script()
    assert reading.fetch(script.source, PERSON, ["x", "", "nul\x00", "\ud800"], FIELDS) == []
    assert reading.find(script.source, PERSON, "age", ["many", None, 10**30], FIELDS) == []


def test_many_ids_go_into_as_few_queries_as_their_addresses_allow():
    script = Script(*[page()] * 20)
    assert reading.fetch(script.source, PERSON, [id(n) for n in range(100)], FIELDS) == []
    assert len(script.asked) <= 5
    assert all(len(str(request.url)) <= 2000 for request in script.asked)
    asked = " ".join(script.queries)
    assert all(id(n) in asked for n in range(100))


def test_found_values_are_compared_here():
    rows = [row(1, city="Gent"), row(2, city="gent"), row(3, city="Brugge"), row(4, city="Gent ")]
    script = Script(page(*rows))
    found = reading.find(script.source, PERSON, "city", ["Gent", "Brugge", None, "x" * 99], ["name"])
    assert sorted(record.id for record in found) == [id(1), id(3)]
    assert script.queries[0].endswith("$filter=city eq 'Gent' or city eq 'Brugge'")
    assert dict(found[0].fields) == {"name": found[0].name}


def test_what_a_service_keeps_in_capitals_is_found_by_its_other_letters_and_nothing_else_is():
    rows = [row(1, city="GENT"), row(2, city="Gent"), row(3, city="BRUGGE"), row(4, city="gent")]
    kept = Script(page(*rows), profile=BusinessCentralProfile())
    found = reading.find(kept.source, PERSON, "city", ["gent ", "Aalst"], ["name"])
    assert [record.id for record in found] == [id(1)]
    for profile in (Profile(), DataverseProfile()):
        script = Script(page(*rows), profile=profile)
        found = reading.find(script.source, PERSON, "city", ["gent", "Aalst"], ["name"])
        assert [record.id for record in found] == [id(4)], "abc and ABC are two records"


@pytest.mark.parametrize("name", ["@odata.nextlink", "@odata.NextLink", "@nextLink", "@nextlink"])
def test_a_link_is_seen_whatever_its_case(name):
    script = Script(page(row(1), **{name: "people?$skiptoken=a"}), page(row(2)))
    assert [record.id for record in reading.find(script.source, PERSON, "city", ["Gent"], ["name"])] == [
        id(1),
        id(2),
    ]
    script = Script(page(row(1), **{name: 7}))
    with pytest.raises(Transient) as caught:
        reading.find(script.source, PERSON, "city", ["Gent"], ["name"])
    assert caught.value.code == "answer_unreadable"


def test_a_look_up_reads_every_page_of_its_answer():
    script = Script(page(row(1), next="people?$skiptoken=a"), page(row(2)))
    assert len(reading.find(script.source, PERSON, "city", ["Gent"], ["name"])) == 2
    circle = Script(page(row(1), next="people?$skiptoken=a"), page(next="people?$skiptoken=a"))
    with pytest.raises(Unrecognised):
        reading.find(circle.source, PERSON, "city", ["Gent"], ["name"])


# -- versions -----------------------------------------------------------------------------------------------------------


def test_versions_come_in_the_longest_pages_there_are():
    script = Script(
        page(row(1), row(2), next="people?$skiptoken=x"),
        page(row(3)),
        profile=BusinessCentralProfile(),
    )
    first = reading.versions(script.source, PERSON, (), {}, None)
    second = reading.versions(script.source, PERSON, (), json.loads(json.dumps(first.cursor)), None)
    assert first.versions == ((id(1), 'W/"1"'), (id(2), 'W/"2"')) and not first.complete
    assert second.versions == ((id(3), 'W/"3"'),) and second.complete
    assert script.queries[0] == "people?$select=id,changed&$orderby=id"
    assert script.preferences == ["odata.maxpagesize=20000"] * 2


def test_versions_in_shorter_pages_than_the_service_makes():
    script = Script(page(*[row(n) for n in range(5)]))
    cursor, seen = {}, []
    for _ in range(3):
        found = reading.versions(script.source, PERSON, (), cursor, 2)
        cursor = found.cursor
        seen += [id for id, _version in found.versions]
    assert seen == [id(n) for n in range(5)] and found.complete and len(script.asked) == 1


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_sweep_whose_link_is_no_longer_taken_begins_again_and_misses_nothing(status):
    refused = (status, {"error": {"code": "", "message": "The token has expired."}})
    script = Script(page(row(1), next="people?$skiptoken=a"), refused, page(row(1), row(2)))
    first = reading.versions(script.source, PERSON, (), {}, None)
    again = reading.versions(script.source, PERSON, (), json.loads(json.dumps(first.cursor)), None)
    assert (again.complete, [id_ for id_, _version in again.versions]) == (True, [id(1), id(2)])
    assert script.paths[2] == script.paths[0]


def test_a_sweep_whose_links_are_never_taken_ends_with_the_service_s_word():
    refused = (410, {"error": {"code": "", "message": "Gone"}})
    script = Script(*[page(row(1), next="people?$skiptoken=a"), refused] * 9)
    cursor = {}
    with pytest.raises(Transient):
        for _ in range(9):
            cursor = reading.versions(script.source, PERSON, (), cursor, None).cursor
    assert len(script.asked) == 8


def test_a_sweep_never_takes_a_broken_page_for_the_end():
    script = Script(page(row(1), next="people?$skiptoken=x"), (403, {"error": {"code": "", "message": "no"}}))
    first = reading.versions(script.source, PERSON, (), {}, None)
    with pytest.raises(Misconfigured):
        reading.versions(script.source, PERSON, (), first.cursor, None)


# -- a service without ETags --------------------------------------------------------------------------------------------


def plain(n, stamp=None, **values):
    found = row(n, stamp, **values) if stamp else row(n, **values)
    del found["@odata.etag"]
    return found


def test_without_etags_the_stamp_makes_the_version():
    script = Script(page(plain(1, stamp(1))), page(plain(1, stamp(1))), page(plain(1, stamp(2))))
    [first] = read(script).records
    [again] = reading.fetch(script.source, PERSON, [id(1)], ["city"])
    [(_id, moved)] = reading.versions(script.source, PERSON, (), {}, None).versions
    assert first.version == again.version != moved and first.version.startswith("~")


def test_without_etags_and_stamps_the_whole_row_makes_it():
    one = {"code": "A", "text": "a"}
    script = Script(page(one), page(one), page(one), page({"code": "A", "text": "b"}))
    [first] = read(script, table=NOTE, fields=["text"]).records
    assert script.queries == ["notes?$select=code,text&$orderby=code", "notes?$orderby=code"]
    [(_id, same)] = reading.versions(script.source, NOTE, (), {}, None).versions
    [moved] = reading.fetch(script.source, NOTE, ["A"], ["text"])
    assert first.version == same != moved.version
