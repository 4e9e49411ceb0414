"""Writing: bound to a version, refused before it is sent where it cannot be stored, and told as it was stored."""

from __future__ import annotations

import json
from decimal import Decimal
from uuid import UUID

import httpx2
import pytest

from synccore.connectors.odata import reading, writing
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.failures import Failure, Misconfigured, Rejected, Scope, Stale, Transient, Unrecognised
from synccore.shapes import CreateItem, DeleteItem, Record, TableRef, UpdateItem
from tests.connectors.odata.scripted import FIELDS, PERSON, ROOT, Script, id, page, row

NOTE = TableRef("notes")
ETAG = 'W/"JzE5Ozc2Mzg5==;x"'


def refused(status, code="", message="no"):
    return status, {"error": {"code": code, "message": message}}


def update(script, *items, table=PERSON, fields=FIELDS):
    return writing.update(script.source, table, items, fields)


def create(script, *items, table=PERSON, fields=FIELDS):
    return writing.create(script.source, table, items, fields)


def bodies(script):
    return [json.loads(request.content) if request.content else None for request in script.asked]


# -- update --------------------------------------------------------------------------------------------------------------


def test_an_update_sends_what_is_given_under_the_version_it_was_read_at():
    script = Script(row(1, city="Gent", **{"@odata.etag": 'W/"new"'}))
    [record] = update(script, UpdateItem(id(1), ETAG, {"city": "Gent"}))
    [asked] = script.asked
    assert (asked.method, script.paths) == ("PATCH", [f"people({id(1)})"])
    assert bodies(script) == [{"city": "Gent"}]
    assert asked.headers["If-Match"] == ETAG
    assert (record.version, record.fields) == ('W/"new"', {"name": "Name 1", "city": "Gent"})


@pytest.mark.parametrize(
    ("profile", "answer", "stale"),
    [
        (None, refused(412), True),
        (None, refused(428), True),
        (None, refused(409), True),
        (None, refused(404, "", "not there"), True),
        (DataverseProfile(), refused(412, "0x80060882", "The version does not match."), True),
        (DataverseProfile(), refused(404, "0x80040217", f"person With Id = {id(1)} Does Not Exist"), True),
        (BusinessCentralProfile(), refused(409, "Request_EntityChanged", "Another user has changed it."), True),
        (BusinessCentralProfile(), refused(404, "Internal_RecordNotFound", "The Person does not exist."), True),
        (BusinessCentralProfile(), refused(409, "Application_Locked", "The table is locked."), False),
    ],
)  # fmt: skip
def test_a_record_that_moved_or_is_gone_is_stale(profile, answer, stale):
    script = Script(answer, profile=profile)
    [result] = update(script, UpdateItem(id(1), ETAG, {"city": "Gent"}))
    assert isinstance(result, Failure) and isinstance(result, Stale) is stale, result
    assert [request.method for request in script.asked] == ["PATCH"]
    assert all("If-Match" in request.headers for request in script.asked), "never an upsert"


@pytest.mark.parametrize("version", ["0", "", "*", "x\r\nX: y", 'W/"a" , "b"', "\u20ac"])
def test_what_is_no_version_matches_nothing_and_is_not_sent(version):
    script = Script()
    assert isinstance(update(script, UpdateItem(id(1), version, {"city": "x"}))[0], Stale)
    assert isinstance(update(script, UpdateItem("no id", ETAG, {"city": "x"}))[0], Stale)


def test_an_update_of_no_field_only_looks():
    script = Script(page(row(1), row(2)))
    same, moved, gone = update(
        script, UpdateItem(id(1), 'W/"1"', {}), UpdateItem(id(2), 'W/"0"', {}), UpdateItem(id(3), 'W/"3"', {})
    )
    assert isinstance(same, Record) and isinstance(moved, Stale) and isinstance(gone, Stale)
    assert [request.method for request in script.asked] == ["GET"]


def test_a_second_update_of_one_record_goes_after_the_first():
    script = Script(row(1), row(2), refused(412))
    results = update(
        script,
        UpdateItem(id(1), ETAG, {"city": "a"}),
        UpdateItem(id(1), ETAG, {"city": "b"}),
        UpdateItem(id(2), ETAG, {"city": "c"}),
    )
    assert [type(result).__name__ for result in results] == ["Record", "Stale", "Record"]
    assert [body["city"] for body in bodies(script)] == ["a", "c", "b"]


# -- what was stored -----------------------------------------------------------------------------------------------------


def test_an_answer_without_a_body_is_completed_by_one_reading_for_all():
    script = Script(
        (204, None),
        (204, None, {"ETag": 'W/"2"'}),
        page(row(1), row(2)),
    )
    results = update(script, *[UpdateItem(id(n), ETAG, {"city": "x"}) for n in (1, 2)])
    assert [result.version for result in results] == ['W/"1"', 'W/"2"']
    assert [request.method for request in script.asked] == ["PATCH", "PATCH", "GET"]


@pytest.mark.parametrize(
    ("in_lists", "version", "asked"), [(True, 'W/"h"', 0), (False, "~", 0), (None, "~", 1)]
)
def test_the_version_of_a_stored_record_is_the_one_that_lists_tell(in_lists, version, asked):
    told = {name: value for name, value in row(1).items() if "@" not in name}
    script = Script((200, told, {"ETag": 'W/"h"'}), page(told))
    if in_lists is not None:
        script.source.etags["people"] = in_lists
    [record] = update(script, UpdateItem(id(1), ETAG, {"city": "x"}))
    assert record.version.startswith(version) and len(script.asked) == 1 + asked


def test_what_somebody_else_wrote_since_is_not_taken_for_ours():
    script = Script((204, None, {"ETag": 'W/"ours"'}), page(row(1, **{"@odata.etag": 'W/"theirs"'})))
    [result] = update(script, UpdateItem(id(1), ETAG, {"city": "x"}))
    assert isinstance(result, Transient) and result.outcome_unknown


def test_a_write_that_cannot_be_read_again_may_have_happened():
    script = Script((204, None), refused(403))
    [result] = update(script, UpdateItem(id(1), ETAG, {"city": "x"}))
    assert isinstance(result, Misconfigured) and result.outcome_unknown


def test_a_stored_value_that_cannot_be_read_costs_no_other_record_its_result():
    script = Script(row(1, age=1), row(2, age="many"), row(3, age=3), page(row(2, age="many")))
    results = update(script, *[UpdateItem(id(n), ETAG, {"city": "x"}) for n in (1, 2, 3)], fields=["age"])
    assert isinstance(results[0], Record) and isinstance(results[2], Record)
    assert isinstance(results[1], Transient) and results[1].outcome_unknown


def test_what_was_written_is_not_lost_to_a_failure_that_comes_after():
    def cut(request):
        raise httpx2.ConnectError("refused", request=request)

    script = Script(row(1), *[cut] * 9)
    first, second = update(script, *[UpdateItem(id(1), ETAG, {"city": text}) for text in ("a", "b")])
    assert isinstance(first, Record)
    assert isinstance(second, Transient) and second.stops_the_job and not second.outcome_unknown


def test_a_deletion_is_not_lost_to_a_look_that_fails():
    gone = Script((204, None), refused(412), refused(403))
    done, moved = delete(gone, *[DeleteItem(id(n), ETAG) for n in (1, 2)])
    assert done is None and isinstance(moved, Stale), "it is read before it is decided again"


# -- create --------------------------------------------------------------------------------------------------------------


def test_a_new_record_gets_the_id_that_we_chose_and_never_meets_one_that_is_there():
    script = Script((201, row(1)), profile=DataverseProfile())
    [record] = create(script, CreateItem("k", {"name": "a"}, id(1).upper()))
    [asked] = script.asked
    assert asked.method == "PATCH" and script.paths[0].startswith(f"people({id(1)})?$select=id,changed,")
    assert asked.headers["If-None-Match"] == "*" and "If-Match" not in asked.headers
    assert "return=representation" in asked.headers["Prefer"]
    assert bodies(script) == [{"name": "a"}] and record.id == id(1)


@pytest.mark.parametrize(
    "answer",
    [
        refused(412, "0x80040237", "A record with matching key values already exists."),
        refused(412, "", "A record with matching key values already exists."),
    ],
)
def test_an_id_that_exists_is_refused_by_name(answer):
    script = Script(answer, profile=DataverseProfile())
    [result] = create(script, CreateItem("k", {"name": "a"}, id(1)))
    assert isinstance(result, Rejected) and result.code == "duplicate_key"
    assert (result.params["field"], result.params["value"]) == ("id", id(1))


def test_a_new_record_is_never_stale():
    script = Script(refused(404, "", "Resource not found"), profile=DataverseProfile())
    [result] = create(script, CreateItem("k", {"name": "a"}, id(1)))
    assert isinstance(result, Unrecognised) and result.scope is Scope.RECORD
    assert result.app_message == "Resource not found"


def test_a_duplicate_of_another_key_names_that_one():
    message = "The record in table Person already exists. Identification fields and values: No.='P1'"
    script = Script(
        refused(400, "Internal_EntityWithSameKeyExists", message), profile=BusinessCentralProfile()
    )
    [result] = create(script, CreateItem("k", {"number": "P1", "name": "a"}))
    assert isinstance(result, Rejected) and result.code == "duplicate_key"
    assert (result.params["value"], result.app_message) == ("P1", message)


def test_a_natural_key_stands_in_the_body():
    told = {"@odata.etag": 'W/"1"', "code": "KG", "text": "kilo"}
    script = Script((201, told))
    [record] = create(script, CreateItem("k", {"text": "kilo"}, "KG"), table=NOTE, fields=["text"])
    assert (script.asked[0].method, script.paths) == ("POST", ["notes"])
    assert bodies(script) == [{"text": "kilo", "code": "KG"}]
    assert (record.id, record.fields) == ("KG", {"text": "kilo"})


@pytest.mark.parametrize(
    "headers",
    [
        {"OData-EntityId": f"{ROOT}people({id(1)})"},
        {"Location": f"{ROOT}people({id(1)})"},
        {"Location": f"people(id={id(1)})"},
        {"Location": f"people({id(1)})", "ETag": 'W/"1"'},
    ],
)
def test_the_id_of_a_new_record_may_stand_in_a_header(headers):
    script = Script((204, None, headers), page(row(1)))
    [record] = create(script, CreateItem("k", {"name": "a"}))
    assert record.id == id(1)


def test_a_lost_answer_leaves_it_open_whether_the_record_is_there():
    def cut(request):
        raise httpx2.ReadError("cut", request=request)

    script = Script(*[cut] * 9, profile=BusinessCentralProfile())
    [result] = create(script, CreateItem("k", {"name": "a"}))
    assert isinstance(result, Transient) and result.outcome_unknown and result.stops_the_job
    assert len(script.asked) == 1, "a POST is not sent twice"


def test_what_was_not_sent_when_the_first_answer_was_lost_is_not_unknown():
    """Else a person would have to look for records that were never made."""

    def cut(request):
        raise httpx2.ReadError("cut", request=request)

    script = Script(*[cut] * 9, profile=BusinessCentralProfile())
    results = create(script, *[CreateItem(str(n), {"name": "a"}) for n in range(250)])
    assert len(script.asked) == 1
    assert [each.outcome_unknown for each in results] == [True] * 100 + [False] * 150
    assert all(each.stops_the_job for each in results)


def test_what_may_have_been_done_in_a_first_turn_is_not_lost_to_a_second_one_that_reaches_nobody():
    def cut(request):
        raise httpx2.ReadError("cut", request=request)

    def never(request):
        raise httpx2.ConnectError("Connection refused", request=request)

    script = Script(*[cut] * 4, *[never] * 9)
    items = [UpdateItem(id(1), ETAG, {"city": city}) for city in ("x", "y")]
    first, second = update(script, *items)
    assert isinstance(first, Transient) and first.outcome_unknown
    assert isinstance(second, Transient) and not second.outcome_unknown


def test_an_outage_half_way_keeps_what_was_written():
    def cut(request):
        raise httpx2.ReadError("cut", request=request)

    script = Script((201, row(1)), *[cut] * 9)
    results = create(script, *[CreateItem(str(n), {"name": "a"}) for n in range(3)])
    assert isinstance(results[0], Record)
    assert [(each.outcome_unknown, each.stops_the_job) for each in results[1:]] == [
        (True, True),
        (False, True),
    ]


# -- values --------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_stored_is_refused_before_it_is_sent_and_harms_nobody_else():
    script = Script(row(1))
    results = update(
        script,
        UpdateItem(id(2), ETAG, {"city": "x" * 31}),
        UpdateItem(id(1), ETAG, {"city": "x"}),
        UpdateItem(id(3), ETAG, {"age": Decimal("1.5")}),
        UpdateItem(id(4), ETAG, {"id": UUID(id(9))}),
    )
    assert [getattr(result, "code", "") for result in results] == [
        "value_too_long", "", "number_too_precise", "read_only_field",
    ]  # fmt: skip
    assert results[0].params["limit"] == 30 and len(script.asked) == 1


def test_an_unknown_field_stops_the_mapping():
    script = Script()
    for call in (
        lambda: update(script, UpdateItem(id(1), ETAG, {"nothing": 1})),
        lambda: create(script, CreateItem("k", {"nothing": 1})),
        lambda: create(script, CreateItem("k", {}), fields=["nothing"]),
    ):
        with pytest.raises(Misconfigured) as caught:
            call()
        assert (caught.value.code, caught.value.params["field"]) == ("unknown_field", "nothing")


# -- delete --------------------------------------------------------------------------------------------------------------


def delete(script, *items, table=PERSON):
    return writing.delete(script.source, table, items)


def test_a_deletion_is_bound_to_its_version():
    script = Script((204, None))
    assert delete(script, DeleteItem(id(1), ETAG)) == [None]
    assert (script.asked[0].method, script.asked[0].headers["If-Match"]) == ("DELETE", ETAG)


def test_what_is_gone_already_is_deleted():
    script = Script(refused(404), refused(412), refused(412), page(row(3)))
    results = delete(script, *[DeleteItem(id(n), ETAG) for n in (1, 2, 3)], DeleteItem("no id", "1"))
    assert results[:2] == [None, None] and results[3] is None
    assert isinstance(results[2], Stale), "it is there, at another version"
    assert id(1) not in script.queries[-1] and id(2) in script.queries[-1]


# -- a service without ETags ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [{}, {"ETag": 'W/"alone"'}])
def test_where_lists_tell_no_etag_the_record_is_looked_at_before_it_is_written(header):
    told = {name: value for name, value in row(1).items() if "@" not in name}
    moved = {**told, "changed": "2026-11-25T11:00:00Z"}
    script = Script(page(told), (200, told, header), (200, told, header), (200, moved, header), refused(404))
    [record] = reading.fetch(script.source, PERSON, [id(1)], FIELDS)
    assert record.version.startswith("~")
    [stored] = update(script, UpdateItem(id(1), record.version, {"city": "x"}))
    assert isinstance(stored, Record) and stored.version == record.version
    assert script.asked[2].headers["If-Match"] == header.get("ETag", "*")
    [stale] = update(script, UpdateItem(id(1), record.version, {"city": "y"}))
    assert isinstance(stale, Stale)
    assert delete(script, DeleteItem(id(1), record.version)) == [None]
    assert [request.method for request in script.asked] == ["GET", "GET", "PATCH", "GET", "GET"]


def test_a_record_that_may_not_be_looked_at_before_it_is_written_harms_nobody_else():
    told = [{name: value for name, value in row(n).items() if "@" not in name} for n in (1, 2)]
    script = Script(page(*told), refused(500), (200, told[1]), (200, {**told[1], "city": "x"}))
    first, second = sorted(
        reading.fetch(script.source, PERSON, [id(1), id(2)], FIELDS), key=lambda each: each.id
    )
    items = [UpdateItem(each.id, each.version, {"city": "x"}) for each in (first, second)]
    no, yes = update(script, *items)
    assert isinstance(no, Failure) and not isinstance(no, Stale) and isinstance(yes, Record)
    stopped = Script(page(*told), refused(403), refused(403))
    reading.fetch(stopped.source, PERSON, [id(1), id(2)], FIELDS)
    with pytest.raises(Misconfigured):
        update(stopped, *items)


@pytest.mark.parametrize("told", ["abc", 'W/"a', '"a","b"', 'W/"é"', 'W/"a"b"', "*", 'W/"a\r\nX: y"'])
def test_an_etag_that_no_header_can_hold_is_none(told):
    """Else every change would be taken for one of a record that moved, without end."""
    odd = row(1, **{"@odata.etag": told})
    script = Script(page(odd), (200, odd), (200, {**odd, "city": "x"}))
    [record] = reading.fetch(script.source, PERSON, [id(1)], FIELDS)
    assert record.version.startswith("~")
    [stored] = update(script, UpdateItem(id(1), record.version, {"city": "x"}))
    assert isinstance(stored, Record) and stored.fields["city"] == "x"
    assert script.asked[2].headers["If-Match"] == "*"


def test_a_field_that_has_gone_from_the_metadata_is_a_set_up_fault_and_is_not_sent():
    script = Script()
    for write in (
        lambda: update(script, UpdateItem(id(1), ETAG, {"city": "x", "gone": "x"})),
        lambda: create(script, CreateItem("k", {"gone": "x"}, id(9))),
    ):
        with pytest.raises(Misconfigured) as caught:
            write()
        assert (caught.value.code, caught.value.params["field"]) == ("unknown_field", "gone")
        assert caught.value.scope is Scope.TABLE
    assert not script.asked
