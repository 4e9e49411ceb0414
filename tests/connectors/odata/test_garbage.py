"""Whatever a service answers to a reading or a write, a Failure or a result comes out: never an error of ours."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from synccore.connectors.odata import changes, reading, searching, writing
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure
from synccore.shapes import ALL, Condition, CreateItem, DeleteItem, Operator, Record, UpdateItem
from tests.connectors.odata.scripted import FIELDS, PERSON, Script, id, page, row

ETAG = 'W/"1"'
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 10**400, 1.5, "", "x", "\x00", "\ud800", "2026-13-45", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9999999Z", id(1), [], [1], {}, {"a": 1}, "W/\"", "null",
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Date": "yesterday"},
    {"Date": "Wed, 25 Nov 0000 12:00:00 GMT"},
    {"ETag": "x"},
    {"Location": "people("},
    {"OData-EntityId": "people(1)(2)"},
    {"Preference-Applied": "odata.track-changes"},
    {"Content-Type": "text/html"},
)


class Alone:
    """Without batches, so that every answer is one of ours."""

    batch_format = ""


class Central(Alone, BusinessCentralProfile):
    pass


class Sales(Alone, DataverseProfile):
    pass


def garbage(dice: random.Random) -> Any:
    """An answer: (status, body, headers)."""
    found = row(dice.randrange(3))
    for name in dice.sample([*found, "@removed", "@odata.context", "@odata.id"], dice.randrange(4)):
        found[name] = dice.choice(VALUES)
    for name in dice.sample(list(found), dice.randrange(3)):
        del found[name]
    whole = page(found, row(1), **{"@odata.context": dice.choice(VALUES)})
    for name in ("@odata.nextLink", "@odata.deltaLink", "value"):
        if dice.random() < 0.25:
            whole[name] = dice.choice(VALUES)
    text = json.dumps(dice.choice((whole, found, dice.choice(VALUES))))
    if dice.random() < 0.2:
        text = text[: dice.randrange(len(text) + 1)]
    status = dice.choice((200, 200, 200, 200, 201, 204, 206, 299, 304, 400, 404, 409, 410, 412, 500, 501))
    return status, text, dice.choice(HEADERS)


@pytest.mark.parametrize("profile", [Profile, Central, Sales])
@pytest.mark.parametrize("seed", range(12))
def test_no_answer_is_an_error_of_ours(profile: type[Profile], seed: int) -> None:
    dice = random.Random(seed)
    script = Script(profile=profile())
    source = script.source
    by_city = (Condition("city", Operator.EQ, "Gent"),)
    cursors = (
        {},
        {"low": "2026-01-01T00:00:00+00:00"},
        {"delta": "people?$deltatoken=1"},
        {"link": "people?$skiptoken=1", "low": None},
        {"feed": None, "cut": True, "last": ["x", "y"]},
        {"cut": True, "last": [id(1), None]},
    )
    items = [UpdateItem(id(n), ETAG, {"city": "x"}) for n in range(3)]
    calls = (
        lambda: changes.changes(source, PERSON, FIELDS, by_city, dice.choice(cursors), dice.choice((1, 100))),
        lambda: reading.fetch(source, PERSON, [id(1), id(2)], dice.choice((FIELDS, ALL))),
        lambda: reading.find(source, PERSON, "city", ["Gent"], FIELDS),
        lambda: searching.search(source, PERSON, "gent 1", FIELDS, 5),
        lambda: reading.versions(source, PERSON, by_city, {}, dice.choice((None, 1))),
        lambda: writing.create(
            source, PERSON, [CreateItem("k", {"name": "x"}, dice.choice((None, id(1))))], FIELDS
        ),
        lambda: writing.update(source, PERSON, items, FIELDS),
        lambda: writing.delete(source, PERSON, [DeleteItem(item.id, item.version) for item in items]),
    )
    for _ in range(25):
        script.told = [garbage(dice) for _ in range(60)]
        call = dice.choice(calls)
        try:
            results = call()
        except Failure:
            continue
        if isinstance(results, list):
            assert all(each is None or isinstance(each, Record | Failure) for each in results)
