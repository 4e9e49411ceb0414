"""Reading along delta links: what changed and what was deleted, and what to do when a link has expired."""

from __future__ import annotations

import json

import pytest

from synccore.connectors.odata import changes
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.failures import Failure, Misconfigured, Transient, Unrecognised
from synccore.shapes import Condition, Operator
from tests.connectors.odata.scripted import FIELDS, PERSON, ROOT, Script, id, page, row

TRACKED = {"Preference-Applied": "odata.track-changes"}
LINK = ROOT + "people?$select=id&$deltatoken=919042%2108"


def script(*told, **more):
    return Script(*told, profile=DataverseProfile(), **more)


def read(source, cursor=None, *, filter=(), limit=100, fields=FIELDS):
    return changes.changes(source, PERSON, fields, filter, json.loads(json.dumps(cursor or {})), limit)


def numbers(page):
    return [int(record.id[-4:]) for record in page.records]


def gone(n, reason="deleted"):
    return {"@odata.context": f"{ROOT}$metadata#people/$deletedEntity", "id": id(n), "reason": reason}


def test_a_first_pass_keeps_the_link_only_after_its_last_page():
    one = (200, page(row(1), next="people?$skiptoken=a"), TRACKED)
    two = (200, page(row(2), delta=LINK), TRACKED)
    app = script(one, two)
    first = read(app.source, limit=250)
    assert (numbers(first), first.complete, first.watermark) == ([1], False, None)
    last = read(app.source, first.cursor, limit=250)
    assert (numbers(last), last.complete, last.watermark) == ([2], True, {"delta": LINK})
    assert app.queries[0] == "people?$select=id,changed,number,name,city", "no filter, no order, no top"
    assert app.preferences[0] == app.preferences[1] == "odata.track-changes,odata.maxpagesize=250"


def test_the_next_pass_tells_what_changed_and_what_was_deleted():
    fresh = ROOT + "people?$deltatoken=2"
    told = [
        row(1),
        gone(2),
        gone(3, "changed"),
        {"@removed": {"reason": "deleted"}, "@id": f"people({id(4)})"},
        {"@removed": {"reason": "deleted"}, "id": id(5)},
        {"@removed": {"reason": "changed"}, "id": id(6)},
        {**gone(7), "id": f"{ROOT}people({id(7)})"},
        {"@odata.context": f"{ROOT}$metadata#people/$deletedLink", "source": "x"},
    ]
    app = script(page(*told, delta=fresh))
    found = read(app.source, {"delta": LINK})
    assert app.paths == [LINK.removeprefix(ROOT)], "the service's own text"
    assert numbers(found) == [1]
    assert found.deleted_ids == (id(2), id(4), id(5), id(7))
    assert found.watermark == {"delta": fresh}


def test_the_filter_is_evaluated_here():
    app = script((200, page(row(1, city="Gent"), row(2, city="gent"), delta=LINK), TRACKED))
    found = read(app.source, filter=(Condition("city", Operator.EQ, "Gent"),), fields=["name"])
    assert numbers(found) == [1] and "$filter" not in app.queries[0]
    assert app.queries[0].endswith("city") and set(found.records[0].fields) == {"name"}


@pytest.mark.parametrize(
    "refused",
    [
        (
            400,
            {
                "error": {
                    "code": "0x80044352",
                    "message": "Version stamp associated with the client has expired.",
                }
            },
        ),
        (410, {"error": {"code": "", "message": "Gone"}}),
        (400, {"error": {"code": "-2147204270", "message": "Please perform a full sync."}}),
    ],
)
def test_an_expired_link_leads_to_a_reading_of_everything_that_deletes_nothing(refused):
    app = script(refused, (200, page(row(1), delta=LINK), TRACKED))
    found = read(app.source, {"delta": LINK + "old"})
    assert numbers(found) == [1] and found.deleted_ids == () and found.watermark == {"delta": LINK}
    assert app.queries[1] == "people?$select=id,changed,number,name,city"


def test_a_token_that_expires_in_the_middle_of_a_pass_leads_to_a_reading_of_everything():
    refused = (410, {"error": {"code": "", "message": "Gone"}})
    app = script(
        page(row(1), next="people?$skiptoken=a"), refused, (200, page(row(1), row(2), delta=LINK), TRACKED)
    )
    first = read(app.source, {"delta": LINK + "old"})
    found = read(app.source, first.cursor)
    assert (numbers(found), found.deleted_ids, found.watermark) == ([1, 2], (), {"delta": LINK})


def test_a_service_that_never_takes_its_own_links_is_not_read_for_ever():
    broken = (400, {"error": {"code": "0x80040216", "message": "An unexpected error occurred."}})
    app = script(*[(200, page(row(1), next="people?$skiptoken=a"), TRACKED), broken] * 9)
    cursor = {}
    with pytest.raises(Failure) as caught:
        for _ in range(9):
            cursor = read(app.source, cursor).cursor
    assert "unexpected error" in caught.value.app_message
    assert len(app.asked) == 8, "read from its beginning three times more, not for ever"


def test_a_link_that_fails_otherwise_is_kept():
    app = script((403, {"error": {"code": "0x80040220", "message": "missing prvReadPerson privilege"}}))
    with pytest.raises(Misconfigured):
        read(app.source, {"delta": LINK})
    broken = script((200, '{"value":['))
    with pytest.raises(Transient):
        read(broken.source, {"delta": LINK})


def test_without_the_service_s_word_stamps_tell_what_changed():
    app = script(page(row(1)), page(row(1)))
    found = read(app.source)
    assert numbers(found) == [1] and found.watermark == {"low": "2026-11-25T09:55:00+00:00"}
    assert app.queries[1].endswith("&$orderby=changed,id")
    # And so does the next pass, without asking again.
    app.told.append(page())
    read(app.source, found.watermark)
    assert "changed ge 2026-11-25T09:55:00Z" in app.queries[2]


def test_a_table_that_is_not_tracked_is_read_by_stamps():
    refused = (400, {"error": {"code": "0x80072491", "message": "not enabled for change tracking"}})
    app = script(refused, page(row(1)))
    assert numbers(read(app.source)) == [1] and len(app.asked) == 2


def test_tracking_that_was_switched_off_leads_back_to_stamps():
    gone_link = (410, {"error": {"code": "", "message": "Gone"}})
    app = script(gone_link, page(), page(row(1), next="people?$skiptoken=1"), page(row(2)))
    first = read(app.source, {"delta": LINK})
    assert numbers(first) == [1] and "delta" not in first.cursor
    assert numbers(read(app.source, first.cursor)) == [2]
    assert app.paths[3] == "people?$skiptoken=1" and "track" not in app.preferences[3]


def test_a_promise_of_links_without_a_link_falls_back_to_stamps():
    app = script((200, page(row(1)), TRACKED))
    assert read(app.source).watermark == {"low": "2026-11-25T09:55:00+00:00"}


def test_records_of_which_only_the_change_is_told_are_read_whole():
    short = {"@odata.etag": 'W/"1"', "id": id(1), "city": "Brugge"}
    dropped = {"@odata.etag": 'W/"3"', "id": id(3), "city": "x"}
    app = script(page(short, row(2), dropped, delta=LINK), page(row(1, city="Brugge")))
    found = read(app.source, {"delta": LINK})
    assert numbers(found) == [1, 2]
    assert dict(found.records[0].fields) == {"name": "Name 1", "city": "Brugge"}
    assert id(1) in app.queries[1] and id(3) in app.queries[1] and id(2) not in app.queries[1]


def test_a_page_longer_than_asked_for_is_given_in_parts():
    told = [row(1), row(2), gone(3), gone(4)]
    later = [row(1), gone(3), gone(4), row(2, **{"@odata.etag": 'W/"9"'})]
    app = script(*[page(*told, delta=LINK)] * 2, page(*later, delta=LINK))
    first = read(app.source, {"delta": LINK}, limit=2)
    assert (numbers(first), first.deleted_ids, first.complete) == ([1, 2], (), False)
    second = read(app.source, first.cursor, limit=2)
    assert (second.deleted_ids, second.watermark) == ((id(3), id(4)), {"delta": LINK})
    assert len(app.asked) == 1
    other = read(app.another(), first.cursor, limit=9)
    assert other.deleted_ids == (id(3), id(4)) and numbers(other) == []
    moved = read(app.another(), first.cursor, limit=9)
    assert set(moved.deleted_ids) == {id(3), id(4)} and 2 in numbers(moved), "nothing is left out"


def test_a_link_of_the_service_before_is_not_followed():
    """The connection leads to another environment since: everything of it is new."""
    app = script((200, page(row(1), delta=LINK), TRACKED))
    found = read(app.source, {"delta": LINK.replace("service.example", "other.example")})
    assert numbers(found) == [1] and found.watermark == {"delta": LINK}
    inner = script((200, page(row(1), delta="https://inner/people?$deltatoken=1"), TRACKED))
    assert read(inner.source).watermark == {"low": "2026-11-25T09:55:00+00:00"}


@pytest.mark.parametrize("status", [413, 504])
def test_a_first_page_that_is_too_long_for_the_service_is_asked_for_shorter(status):
    refused = (status, {"error": {"code": "", "message": "too long"}})
    app = script(refused, (200, page(row(1), delta=LINK), TRACKED))
    assert read(app.source, limit=1000).watermark == {"delta": LINK}
    assert app.preferences[-1] == "odata.track-changes,odata.maxpagesize=250"


def test_a_link_that_names_the_usual_port_is_not_another_host_s():
    link = LINK.replace("service.example", "SERVICE.example:443")
    app = script((200, page(row(1), delta=link), TRACKED))
    assert read(app.source).watermark == {"delta": link}


def test_links_that_lead_in_a_circle_end_with_a_failure():
    told = [(200, page(row(1), next=f"people?$skiptoken={n}"), TRACKED) for n in (1, 2, 1)]
    app = script(*told)
    second = read(app.source, read(app.source).cursor)
    with pytest.raises(Unrecognised) as caught:
        read(app.source, second.cursor)
    assert caught.value.code == "pages_repeat"
