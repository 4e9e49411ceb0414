"""What is written is what is read, in both directions, for each kind of service; what does not fit is refused by name."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synccore.connectors.odata.messages import dumps
from synccore.connectors.odata.model import Property
from synccore.connectors.odata.values import (
    field_reader,
    literal,
    read_value,
    write_fields,
    write_value,
)
from synccore.engine.canonical import canon
from synccore.failures import Misconfigured, Rejected
from synccore.shapes import FieldType, Value
from tests.connectors.odata.documents import entities, profile

GUID = UUID("8f3a1c52-0d6e-4b7f-9a10-2b3c4d5e6f70")
SETS = {"odata": "Articles", "business_central": "customers", "dataverse": "accounts"}


def prop(kind: str, name: str, set_name: str = "") -> Property:
    return entities(kind)[set_name or SETS[kind]].property(name)


def read(kind: str, name: str, raw: Any) -> Value:
    return read_value(prop(kind, name), raw, profile(kind))


def write(kind: str, name: str, value: Value, set_name: str = "") -> dict[str, Any]:
    set_name = set_name or SETS[kind]
    return write_value(entities(kind)[set_name], prop(kind, name, set_name), value, profile(kind))


def sent(kind: str, name: str, value: Value) -> Any:
    """What stands in the JSON text, as another program reads it."""
    return json.loads(dumps(write(kind, name, value)), parse_float=Decimal)[name]


def refused(kind: str, name: str, value: Value) -> Rejected:
    with pytest.raises(Rejected) as failed:
        write(kind, name, value)
    return failed.value


# -- round trips --------------------------------------------------------------------------------------------------------

ZONES = st.sampled_from((UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=12))))
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES: dict[FieldType, st.SearchStrategy[Value]] = {
    FieldType.TEXT: st.text(max_size=12),
    FieldType.INTEGER: st.integers(-(2**70), 2**70) | st.integers(-300, 300),
    FieldType.DECIMAL: st.decimals(allow_nan=False)
    | st.decimals(places=2, min_value=-(10**9), max_value=10**9),
    FieldType.FLOAT: _FLOATS | st.floats(width=32, allow_nan=False, allow_infinity=False),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: st.dates(),
    FieldType.TIME: st.times(),
    FieldType.INSTANT: st.datetimes(timezones=ZONES),
    FieldType.GUID: st.uuids(),
    FieldType.BINARY: st.binary(max_size=30),
}


@given(data=st.data(), kind=st.sampled_from(sorted(SETS)))
def test_what_is_written_is_read_back_or_was_refused(data: st.DataObject, kind: str) -> None:
    entity = entities(kind)[SETS[kind]]
    names = sorted(
        name
        for name, each in entity.properties.items()
        if each.updatable and each.bind is None and not each.members
    )
    property = entity.property(data.draw(st.sampled_from(names)))
    value = data.draw(VALUES[property.info.type])
    try:
        members = write_value(entity, property, value, profile(kind))
    except Rejected as failure:
        assert failure.params["field"] == property.name and failure.params["table"] == entity.set_name
        return
    back = json.loads(dumps(members), parse_float=Decimal)[property.name]
    assert canon(read_value(property, back, profile(kind)), property.info) == canon(
        read_value(property, members[property.name], profile(kind)), property.info
    )
    blank = value == date(1, 1, 1) or (isinstance(value, datetime) and value.astimezone(UTC).year == 1)
    if not (kind == "business_central" and blank):
        expected = None if isinstance(value, str) and not value else canon(value, property.info)
        assert canon(read_value(property, back, profile(kind)), property.info) == expected


@given(value=st.decimals(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_decimal_passes_through_a_float(value: Decimal) -> None:
    text = dumps({"x": value}).decode()
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal)["x"] == value
    assert "e" not in text.lower()


def test_a_decimal_keeps_its_scale_in_json() -> None:
    assert (
        dumps(write("dataverse", "creditlimit", Decimal("5000000.0000"))) == b'{"creditlimit":5000000.0000}'
    )


# -- reading ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00.5+02:00", datetime(2026, 11, 20, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T10:00:00.1234567Z", datetime(2026, 11, 20, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-20T10:00:00.9999999999Z", datetime(2026, 11, 20, 10, 0, 0, 999_999, tzinfo=UTC)),
        ("2026-11-20t10:00:00z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("0001-01-01T00:00:00+05:00", datetime.min.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:59-05:00", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_moments_of_any_zone_and_any_number_of_digits(raw: str, expected: datetime) -> None:
    assert read("odata", "ChangedAt", raw) == expected


@pytest.mark.parametrize("bad", ["2026-11-20", "2026-13-20T10:00:00Z", "yesterday", "", 5, True, [], {}])
def test_what_is_no_moment_is_refused(bad: Any) -> None:
    with pytest.raises(Rejected) as failed:
        read("odata", "ChangedAt", bad)
    assert failed.value.code == "invalid_value" and failed.value.params["field"] == "ChangedAt"


def test_numbers_come_as_numbers_and_as_text() -> None:
    assert read("odata", "Big", "9223372036854775807") == 2**63 - 1
    assert read("odata", "Big", Decimal("12.0")) == 12
    price = read("odata", "Price", "12.50")
    assert price == Decimal("12.50") and str(price) == "12.50"
    assert isinstance(read("odata", "Price", 12), Decimal)
    assert read("odata", "Exact", Decimal("12345678901234567.890")) == Decimal("12345678901234567.890")
    assert read("odata", "Weight", "INF") == float("inf")
    assert read("odata", "Weight", Decimal("1.5")) == 1.5


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("Big", "12.5"),
        ("Big", True),
        ("Price", "NaN"),
        ("Price", "1_000"),
        ("Price", "١٢"),
        ("Price", "9" * 5000),
        ("Ready", 1),
        ("Born", "2026-11-20T23:00:00Z"),
        ("Born", 20261120),
        ("Opens", "25:00:00"),
        ("Token", "not-a-guid"),
        ("Image", "***"),
        ("Code", {"a": 1}),
        ("Code", ["a"]),
    ],
)
def test_values_of_another_type_are_refused_and_never_a_traceback(name: str, raw: Any) -> None:
    with pytest.raises(Rejected) as failed:
        read("odata", name, raw)
    assert failed.value.params["field"] == name


@given(
    raw=st.recursive(
        st.none() | st.booleans() | st.integers() | st.decimals() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=4,
    ),
    data=st.data(),
    kind=st.sampled_from(sorted(SETS)),
)
def test_anything_in_an_answer_is_a_value_or_refused(raw: Any, data: st.DataObject, kind: str) -> None:
    properties = list(entities(kind)[SETS[kind]].properties.values())
    property = data.draw(st.sampled_from(properties))
    try:
        value = read_value(property, raw, profile(kind))
        canon(value, property.info)
    except Rejected:
        return


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["Price", "Count", "Weight", "Name"])
@pytest.mark.parametrize("raw", ["1E999999999", "1E-999999999", "0E-999999999", "-1E+999999"])
def test_a_number_whose_digits_would_fill_memory_is_none(name: str, raw: str) -> None:
    with pytest.raises(Rejected) as failed:
        read("odata", name, Decimal(raw))
    assert failed.value.code == "invalid_value" and len(str(failed.value.params["value"])) < 100


def test_a_day_does_not_move() -> None:
    assert read("odata", "Born", "2026-11-20") == date(2026, 11, 20)
    assert read("odata", "Born", "2026-11-20T00:00:00Z") == date(2026, 11, 20)
    assert sent("odata", "Born", date(2026, 11, 20)) == "2026-11-20"


def test_times_and_bytes() -> None:
    assert read("odata", "Opens", "08:30:00.1230000") == time(8, 30, 0, 123_000)
    assert sent("odata", "Opens", time(8, 30, 0, 120_000)) == "08:30:00.12"
    data = bytes(range(248, 256))
    assert sent("odata", "Image", data) == "-Pn6-_z9_v8="
    assert [read("odata", "Image", text) for text in ("-Pn6-_z9_v8", "+Pn6+/z9/v8=", "-Pn6-_z9_v8=")] == [
        data
    ] * 3


# -- no value -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "raw"),
    [
        ("business_central", "city", ""),
        ("business_central", "currencyId", "00000000-0000-0000-0000-000000000000"),
        ("business_central", "blocked", "_x0020_"),
        ("business_central", "blocked", " "),
        ("business_central", "blocked", ""),
        ("business_central", "lastVisit", "0001-01-01"),
        ("business_central", "lastModifiedDateTime", "0001-01-01T00:00:00Z"),
        ("dataverse", "name", None),
        ("dataverse", "name", ""),
        ("dataverse", "primarycontactid", None),
        ("dataverse", "creditlimit", None),
        ("odata", "Note", None),
        ("odata", "Token", None),
    ],
)
def test_every_way_of_saying_nothing_is_empty(kind: str, name: str, raw: Any) -> None:
    property = prop(kind, name)
    value = read_value(property, raw, profile(kind))
    assert canon(value, property.info) is None
    if property.updatable:
        # What is written for it is read as empty again: nothing goes to and fro.
        back = list(write(kind, name, value).values())[0]
        assert canon(read_value(property, back, profile(kind)), property.info) is None


def test_what_is_sent_for_no_value() -> None:
    assert {
        name: sent("business_central", name, None)
        for name in ("city", "currencyId", "blocked", "lastVisit", "creditLimit", "taxLiable")
    } == {
        "city": "",
        "currencyId": "00000000-0000-0000-0000-000000000000",
        "blocked": "_x0020_",
        "lastVisit": "0001-01-01",
        "creditLimit": 0,
        "taxLiable": False,
    }
    assert [sent("dataverse", "name", value) for value in (None, "")] == [None, None]
    assert [sent("odata", "Note", value) for value in (None, "")] == [None, ""]
    assert sent("odata", "Name", None) == ""  # takes no null


# -- members and options ------------------------------------------------------------------------------------------------


def test_members_are_read_as_people_say_them_and_sent_as_the_service_does() -> None:
    assert read("business_central", "blocked", "Bank_x0020_Account") == "Bank Account"
    assert sent("business_central", "blocked", "Bank Account") == "Bank_x0020_Account"
    assert sent("business_central", "blocked", "Bank_x0020_Account") == "Bank_x0020_Account"
    assert read("odata", "Colour", "Red") == "Red"
    assert (read("odata", "Open", "Mon, Tue"), sent("odata", "Open", "Mon,Tue")) == ("Mon,Tue", "Mon,Tue")


def test_a_value_that_is_no_member_is_refused_with_the_members() -> None:
    failure = refused("business_central", "blocked", "Everything")
    assert (failure.code, failure.params["value"]) == ("option_unmapped", "Everything")
    assert failure.params["options"] == ["", "Ship", "Bank Account", "All"]


# -- limits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "value", "code", "limit"),
    [
        ("business_central", "displayName", "x" * 101, "value_too_long", 100),
        ("business_central", "city", "💧" * 16, "value_too_long", 30),
        ("odata", "Price", Decimal("1.234"), "number_too_precise", 2),
        ("odata", "Price", Decimal("12345678901"), "number_out_of_range", "9999999999.99"),
        ("odata", "Small", 256, "number_out_of_range", "255"),
        ("odata", "Small", -1, "number_out_of_range", "0"),
        ("odata", "Signed", 128, "number_out_of_range", "127"),
        ("odata", "Short", 40_000, "number_out_of_range", "32767"),
        ("odata", "Image", b"x" * 201, "value_too_long", 200),
        ("odata", "Opens", time(8, 0, 0, 1), "time_too_precise", 3),
        ("dataverse", "openedon", datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), "time_too_precise", 0),
    ],
)
def test_what_a_field_cannot_hold_is_refused_before_it_is_sent(
    kind: str, name: str, value: Value, code: str, limit: object
) -> None:
    failure = refused(kind, name, value)
    assert (failure.code, failure.params["field"], failure.params["limit"]) == (code, name, limit)


@pytest.mark.parametrize(("kind", "name"), [("odata", "Lasts"), ("dataverse", "modifiedon")])
def test_a_field_that_the_app_keeps_itself_is_never_sent(kind: str, name: str) -> None:
    assert refused(kind, name, "x").code == "read_only_field"


def test_a_field_of_new_records_only_is_not_sent_to_others() -> None:
    customers, central = entities("business_central")["customers"], profile("business_central")
    assert write_fields(customers, {"serial": "A1"}, central, creating=True) == {"serial": "A1"}
    with pytest.raises(Rejected) as failed:
        write_fields(customers, {"serial": "A1"}, central, creating=False)
    assert failed.value.code == "read_only_field"
    with pytest.raises(Misconfigured):
        write_fields(customers, {"gone": "x"}, central, creating=False)


# -- lookups ------------------------------------------------------------------------------------------------------------


def test_a_lookup_is_read_as_a_guid_and_written_as_an_address() -> None:
    assert read("dataverse", "primarycontactid", str(GUID).upper()) == GUID
    assert write("dataverse", "primarycontactid", GUID) == {
        "primarycontactid@odata.bind": f"/contacts({GUID})"
    }
    assert write("dataverse", "primarycontactid", None) == {"primarycontactid@odata.bind": None}
    assert write("dataverse", "ownerid", GUID) == {"ownerid@odata.bind": f"/systemusers({GUID})"}


def test_a_shared_lookup_has_a_value_for_the_table_it_points_to() -> None:
    contacts, dataverse = entities("dataverse")["contacts"], profile("dataverse")
    row = {
        "_parentcustomerid_value": str(GUID),
        "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account",
    }
    account, contact = (contacts.property(f"parentcustomerid_{each}") for each in ("account", "contact"))
    assert (field_reader(account, dataverse)(row), field_reader(contact, dataverse)(row)) == (GUID, None)
    both = {"parentcustomerid_account": GUID, "parentcustomerid_contact": None}
    bound = {"parentcustomerid_account@odata.bind": f"/accounts({GUID})"}
    assert write_fields(contacts, both, dataverse, creating=False) == bound
    assert write_fields(contacts, both, dataverse, creating=True) == bound
    empty = {"parentcustomerid_account": None}
    assert write_fields(contacts, empty, dataverse, creating=True) == {}
    assert write_fields(contacts, empty, dataverse, creating=False) == {
        "parentcustomerid_account@odata.bind": None
    }


def test_a_new_record_of_business_central_is_not_told_what_is_blank() -> None:
    customers, central = entities("business_central")["customers"], profile("business_central")
    fields: dict[str, Value] = {
        "number": "",
        "displayName": "A",
        "creditLimit": None,
        "currencyId": None,
        "city": None,
    }
    assert write_fields(customers, fields, central, creating=True) == {"displayName": "A"}
    assert write_fields(customers, {"number": ""}, central, creating=False) == {"number": ""}


# -- in an address ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "value", "expected"),
    [
        ("odata", "Code", "d'Or & co #1 + 5% é", "'d''Or & co #1 + 5% é'"),
        ("odata", "Code", "12", "'12'"),
        ("odata", "Token", GUID, str(GUID)),
        ("odata", "Big", 12, "12"),
        ("odata", "Exact", Decimal("1E+3"), "1000"),
        ("odata", "Ready", True, "true"),
        ("odata", "Born", date(2026, 11, 20), "2026-11-20"),
        ("odata", "Opens", time(8, 30), "08:30:00"),
        (
            "odata",
            "ChangedAt",
            datetime(2026, 11, 20, 10, 0, 0, 120_000, tzinfo=UTC),
            "2026-11-20T10:00:00.12Z",
        ),
        ("odata", "Colour", "Red", "shop.base.Colour'Red'"),
        ("odata", "Note", None, "null"),
        ("business_central", "type", "Person", "'Person'"),
        ("business_central", "city", None, "''"),
        ("business_central", "currencyId", None, "00000000-0000-0000-0000-000000000000"),
        ("business_central", "lastVisit", None, "0001-01-01"),
        ("dataverse", "primarycontactid", GUID, str(GUID)),
        ("dataverse", "customertypecode", 3, "3"),
    ],
)
def test_literals(kind: str, name: str, value: Value, expected: str) -> None:
    assert literal(prop(kind, name), value, profile(kind)) == expected
