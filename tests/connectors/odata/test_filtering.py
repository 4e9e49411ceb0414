"""A rendered filter never loses a record that the mapping's filter means, whatever the habits of the service."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from synccore.connectors.filtering import matcher
from synccore.connectors.odata import csdl
from synccore.connectors.odata.filtering import query, render
from synccore.connectors.odata.model import entities as make
from synccore.connectors.odata.values import field_reader
from synccore.failures import Misconfigured
from synccore.shapes import Condition, Operator
from tests.connectors.odata.documents import PLAIN, entities, profile
from tests.connectors.odata.evaluate import Habits, passes

TEXTS: Final = ("nl", "NL", "nl ", "n", "d'Or", "[ab]c", "a%", "é", "100", "  ")
GUIDS: Final = ("8f3a1c52-0d6e-4b7f-9a10-2b3c4d5e6f70", "00000000-0000-0000-0000-000000000001")
STAMPS: Final = (
    "2026-11-20T10:00:00Z",
    "2026-11-20T10:00:00.5Z",
    "2026-11-20T10:00:00.1234567Z",
    "2026-11-20T10:00:00.123456Z",
    "2026-11-20T10:00:00.999Z",
    "2026-11-20T10:00:01Z",
    "9999-12-31T23:59:59.999999Z",
)
#: What the rows of a service hold, and what people ask for, by field.
ROWS: Final[dict[str, dict[str, tuple[Any, ...]]]] = {
    "odata": {
        "Note": (None, "", *TEXTS),
        "Code": TEXTS,
        "Big": (None, 0, 1, -5, 2**63 - 1),
        "Small": (None, 0, 255),
        "Exact": (None, 0, 1, 2),
        "Weight": (None, 0, 1),
        "Ready": (None, True, False),
        "Born": (None, "2026-11-20", "0001-01-01"),
        "Opens": (None, "10:00:00", "10:00:00.123456", "23:59:59.999999"),
        "ChangedAt": (None, *STAMPS),
        "Token": (None, "00000000-0000-0000-0000-000000000000", *GUIDS),
        "Colour": (None, "Red", "Green"),
    },
    "business_central": {
        "displayName": ("", *TEXTS),
        "blocked": ("_x0020_", "Ship", "Bank_x0020_Account"),
        "creditLimit": (0, 1, 2),
        "taxLiable": (True, False),
        "lastVisit": ("0001-01-01", "2026-11-20", "2026-11-21"),
        "lastModifiedDateTime": STAMPS,
        "currencyId": ("00000000-0000-0000-0000-000000000000", *GUIDS),
    },
    "dataverse": {
        "name": (None, *TEXTS),
        "customertypecode": (None, 3, 11),
        "creditonhold": (None, True, False),
        "creditlimit": (None, 0, 1),
        "modifiedon": STAMPS,
        "primarycontactid": (None, *GUIDS),
    },
}
ASKED: Final[dict[str, tuple[str, ...]]] = {
    "TEXT": ("", "nl", "NL", "n", "d'Or", "[ab]", "a%", "é", "x" * 200),
    "ENUM": ("", "Red", "Ship", "Bank Account", "Person", "No such"),
    "INTEGER": ("", "0", "1", "255", "256", "3", "99999999999999999999"),
    "DECIMAL": ("", "0", "1", "1.5"),
    "FLOAT": ("", "0", "1", "Infinity", "NaN"),
    "BOOLEAN": ("", "true", "false"),
    "DATE": ("", "2026-11-20", "0001-01-01"),
    "TIME": ("", "10:00:00", "10:00:00.123", "23:59:59.999999"),
    "INSTANT": (
        "",
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00.123456Z",
        "2026-11-20T10:00:00.5Z",
        STAMPS[-1],
    ),
    "GUID": ("", "00000000-0000-0000-0000-000000000000", *GUIDS),
}
HABITS: Final = {
    "odata": (Habits(), Habits(ignores_case=True)),
    "business_central": tuple(
        Habits(ignores_case=case, or_on_two_fields=False, nulls=False) for case in (True, False)
    ),
    "dataverse": (Habits(ignores_case=True),),
}
SETS: Final = {"odata": "Articles", "business_central": "customers", "dataverse": "accounts"}
LISTS: Final = (Operator.IN, Operator.NOT_IN)


@st.composite
def conditions(draw: st.DrawFn, kind: str) -> Condition:
    property = entities(kind)[SETS[kind]].property(draw(st.sampled_from(sorted(ROWS[kind]))))
    operator = draw(st.sampled_from(Operator))
    asked = st.sampled_from(ASKED["ENUM" if property.members else property.info.type.name])
    if operator in (Operator.EMPTY, Operator.NOT_EMPTY):
        return Condition(property.name, operator)
    if operator in LISTS:
        return Condition(property.name, operator, tuple(draw(st.lists(asked, max_size=3))))
    return Condition(property.name, operator, draw(asked))


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, tuple[Condition, ...], dict[str, Any], Habits]:
    kind = draw(st.sampled_from(sorted(ROWS)))
    entity = entities(kind)[SETS[kind]]
    row = {entity.property(name).read_path: draw(st.sampled_from(raws)) for name, raws in ROWS[kind].items()}
    chosen = tuple(draw(st.lists(conditions(kind), min_size=1, max_size=2)))
    return kind, chosen, row, draw(st.sampled_from(HABITS[kind]))


@given(case=cases())
@example(
    case=(
        "odata",
        (Condition("ChangedAt", Operator.LE, "2026-11-20T10:00:00.123456Z"),),
        {"ChangedAt": "2026-11-20T10:00:00.1234567Z"},
        Habits(),
    )
)
@example(
    case=("dataverse", (Condition("name", Operator.NE, "nl"),), {"name": "NL"}, Habits(ignores_case=True))
)
def test_no_record_of_the_filter_is_left_out_and_exact_means_exact(
    case: tuple[str, tuple[Condition, ...], dict[str, Any], Habits],
) -> None:
    kind, filter, row, habits = case
    entity = entities(kind)[SETS[kind]]
    names = {condition.field for condition in filter}
    fields = {name: field_reader(entity.property(name), profile(kind))(row) for name in names}
    try:
        meant = matcher(entity.set_name, filter, {name: entity.property(name).info for name in names})(fields)
        text, exact = render(entity, filter, profile(kind))
    except Misconfigured as failure:
        assert failure.code == "bad_filter"
        assume(False)
        return
    given_back = passes(text, row, habits) if text else True
    assert given_back or not meant, text
    assert not exact or given_back == meant, text


@pytest.mark.parametrize(
    ("kind", "condition", "text", "exact"),
    [
        ("odata", Condition("Code", Operator.EQ, "d'Or"), "Code eq 'd''Or'", False),
        ("odata", Condition("Note", Operator.EMPTY), "(Note eq null or Note eq '')", False),
        ("odata", Condition("Big", Operator.IN, ("1", "2")), "(Big eq 1 or Big eq 2)", True),
        ("odata", Condition("Big", Operator.NE, "1"), "(Big ne 1 or Big eq null)", True),
        ("odata", Condition("Colour", Operator.EQ, "Red"), "Colour eq shop.base.Colour'Red'", True),
        ("odata", Condition("Code", Operator.STARTS_WITH, "1[2"), "startswith(Code,'1')", False),
        ("odata", Condition("Big", Operator.GT, "9" * 30), "", False),
        ("business_central", Condition("city", Operator.EMPTY), "city eq ''", False),
        ("business_central", Condition("city", Operator.NOT_EMPTY), "", False),
        ("business_central", Condition("type", Operator.EQ, "Person"), "type eq 'Person'", True),
        ("business_central", Condition("blocked", Operator.EMPTY), "", False),
        ("business_central", Condition("blocked", Operator.NE, "All"), "blocked ne 'All'", True),
        (
            "business_central",
            Condition("number", Operator.IN, ("C1", "")),
            "(number eq '' or number eq 'C1')",
            False,
        ),
        (
            "business_central",
            Condition("currencyId", Operator.EMPTY),
            "currencyId eq 00000000-0000-0000-0000-000000000000",
            True,
        ),
        ("dataverse", Condition("name", Operator.EMPTY), "name eq null", False),
        ("dataverse", Condition("name", Operator.NE, "x"), "", False),
        ("dataverse", Condition("customertypecode", Operator.EQ, "3"), "customertypecode eq 3", True),
        (
            "dataverse",
            Condition("primarycontactid", Operator.EQ, GUIDS[0]),
            f"_primarycontactid_value eq {GUIDS[0]}",
            True,
        ),
    ],
)
def test_conditions_in_the_words_of_each_service(
    kind: str, condition: Condition, text: str, exact: bool
) -> None:
    assert render(entities(kind)[SETS[kind]], (condition,), profile(kind)) == (text, exact)


def test_conditions_are_joined_and_one_that_is_ours_alone_makes_the_whole_inexact() -> None:
    accounts = entities("dataverse")["accounts"]
    filter = (
        Condition("customertypecode", Operator.EQ, "3"),
        Condition("name", Operator.NE, "x"),
        Condition("creditonhold", Operator.EQ, "false"),
    )
    text = "customertypecode eq 3 and creditonhold eq false"
    assert render(accounts, filter, profile("dataverse")) == (text, False)
    assert render(accounts, (), profile("dataverse")) == ("", True)


def test_a_shared_lookup_narrows_by_a_given_id_only() -> None:
    contacts = entities("dataverse")["contacts"]
    given_id = Condition("parentcustomerid_account", Operator.EQ, GUIDS[0])
    assert render(contacts, (given_id,), profile("dataverse")) == (
        f"_parentcustomerid_value eq {GUIDS[0]}",
        False,
    )
    empty = Condition("parentcustomerid_account", Operator.EMPTY)
    assert render(contacts, (empty,), profile("dataverse")) == ("", False)


def test_a_long_list_is_left_to_us_rather_than_sent_in_an_address_no_server_takes() -> None:
    articles = entities("odata")["Articles"]
    for operator in (Operator.IN, Operator.NOT_IN):
        for number, is_sent in ((20, True), (21, False)):
            many = Condition("Big", operator, tuple(map(str, range(number))))
            text, exact = render(articles, (many,), profile("odata"))
            assert (text != "", exact) == (is_sent, is_sent), "as many as the service joins, and no more"
    long = Condition("Note", Operator.IN, tuple(f"{n} " + "ø" * 30 for n in range(15)))
    assert render(articles, (long,), profile("odata")) == ("", False)


def test_a_property_called_like_a_value_is_left_to_us() -> None:
    document = PLAIN.replace(b'Name="Ean"', b'Name="null"')
    articles = make(csdl.parse(document), profile("odata"))["Articles"]
    assert render(articles, (Condition("null", Operator.EQ, "x"),), profile("odata")) == ("", False)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (Condition("Gone", Operator.EMPTY), "unknown_field"),
        (Condition("Big", Operator.EQ, "x"), "value_not_of_type"),
        (Condition("Image", Operator.EQ, "x"), "type_not_comparable"),
    ],
)
def test_a_filter_that_makes_no_sense_is_a_set_up_problem(condition: Condition, reason: str) -> None:
    with pytest.raises(Misconfigured) as failed:
        render(entities("odata")["Articles"], (condition,), profile("odata"))
    assert (failed.value.code, failed.value.params["reason"]) == ("bad_filter", reason)


def test_an_address_is_encoded_exactly_once() -> None:
    value = "d''Or + Zn & Søn #1 %3C 100%"
    address = query({"$select": "Code,Note", "$filter": f"Code eq '{value}'", "$orderby": ""})
    assert address == (
        "$select=Code,Note&$filter=Code%20eq%20'd''Or%20%2B%20Zn%20%26%20S%C3%B8n%20%231%20%253C%20100%25'"
    )
    assert unquote(address.partition("$filter=")[2]) == f"Code eq '{value}'"
