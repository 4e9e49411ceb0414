"""What is made of a service's description of itself."""

from __future__ import annotations

from time import monotonic

import pytest

from synccore.connectors.odata import csdl
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.model import Entity
from synccore.connectors.odata.model import entities as make
from synccore.connectors.odata.profile import Profile
from synccore.failures import Misconfigured, Scope
from synccore.shapes import FieldInfo, FieldType, KeyKind
from tests.connectors.odata.documents import BUSINESS_CENTRAL, PLAIN, entities


def infos(entity: Entity) -> dict[str, FieldInfo]:
    return dict(entity.table.fields)


def test_sets_whose_type_is_known_are_tables() -> None:
    assert set(entities("odata")) == {"Articles", "Groups", "Lines", "Views"}
    assert set(entities("dataverse")) == {"accounts", "contacts", "systemusers"}
    assert entities("dataverse")["accounts"].logical_name == "account"


def test_types_and_limits_of_a_plain_service() -> None:
    fields = infos(entities("odata")["Articles"])
    assert {name: info.type for name, info in fields.items()} == {
        "ChangedAt": FieldType.INSTANT,
        "Code": FieldType.TEXT,
        "Name": FieldType.TEXT,
        "Note": FieldType.TEXT,
        "Price": FieldType.DECIMAL,
        "Weight": FieldType.FLOAT,
        "Ratio": FieldType.FLOAT,
        "Exact": FieldType.DECIMAL,
        "Count": FieldType.INTEGER,
        "Big": FieldType.INTEGER,
        "Small": FieldType.INTEGER,
        "Signed": FieldType.INTEGER,
        "Short": FieldType.INTEGER,
        "Ready": FieldType.BOOLEAN,
        "Born": FieldType.DATE,
        "Opens": FieldType.TIME,
        "Lasts": FieldType.TEXT,
        "Token": FieldType.GUID,
        "Image": FieldType.BINARY,
        "Colour": FieldType.TEXT,
        "Open": FieldType.TEXT,
        "Ean": FieldType.TEXT,
    }
    assert (fields["Name"].length, fields["Note"].length, fields["Image"].length) == (40, None, 200)
    assert (fields["Price"].precision, fields["Price"].scale) == (12, 2)
    assert (fields["Exact"].precision, fields["Exact"].scale) == (20, None)
    assert [fields[name].precision for name in ("Big", "Count", "Short", "Ratio")] == [64, 32, 16, 24]
    assert (fields["Opens"].fraction, fields["ChangedAt"].fraction) == (3, 6)
    assert fields["Name"].label == "Name of the article"
    assert (fields["Price"].native, fields["Colour"].native) == ("shop.base.Money", "Colour")


def test_what_is_inherited_computed_and_required() -> None:
    fields = infos(entities("odata")["Articles"])
    assert fields["ChangedAt"].read_only and fields["Lasts"].read_only
    assert {name for name, info in fields.items() if info.required} == {"Code", "Name"}
    assert {name for name, info in fields.items() if info.unique} == {"Code", "Ean"}
    assert entities("odata")["Articles"].modified_field == "ChangedAt"


def test_annotations_that_stand_apart_reach_their_target_by_alias_and_by_name() -> None:
    found = entities("odata")
    fields = infos(found["Groups"])
    assert (fields["Total"].read_only, fields["Fixed"].read_only, fields["Title"].read_only) == (
        True,
        True,
        False,
    )
    assert [found[name].table.writable for name in ("Groups", "Views")] == [True, False]


def test_kinds_of_keys() -> None:
    plain, central, dataverse = entities("odata"), entities("business_central"), entities("dataverse")
    kinds = [plain["Articles"], plain["Groups"], plain["Lines"], central["customers"], dataverse["accounts"]]
    assert [(each.key, each.table.key_kind) for each in kinds] == [
        ("Code", KeyKind.NATURAL),
        ("Id", KeyKind.OPAQUE),
        (None, KeyKind.OPAQUE),
        ("id", KeyKind.OPAQUE),
        ("accountid", KeyKind.UUID),
    ]
    with pytest.raises(Misconfigured) as failed:
        plain["Lines"].key_property()
    assert failed.value.code == "no_key"


def test_an_inherited_key_gives_way_to_the_type_s_own() -> None:
    assert entities("dataverse")["systemusers"].key == "systemuserid"


def test_business_central_says_more_than_its_metadata() -> None:
    customers = entities("business_central")["customers"]
    fields = infos(customers)
    assert customers.modified_field == "lastModifiedDateTime"
    assert fields["lastModifiedDateTime"].fraction == 3
    assert {name for name, info in fields.items() if info.read_only} == {
        "id",
        "balanceDue",
        "lastModifiedDateTime",
    }
    assert {name for name, info in fields.items() if info.required} == {"displayName"}
    assert (customers.properties["serial"].creatable, customers.properties["serial"].updatable) == (
        True,
        False,
    )
    assert not entities("business_central")["currencyExchangeRates"].table.writable
    assert fields["currencyId"].type is FieldType.GUID
    assert fields["blocked"].options == (
        ("", ""),
        ("Ship", "Ship"),
        ("Bank Account", "Bank Account"),
        ("All", "All"),
    )


def test_a_lookup_is_one_field_and_one_per_table_where_it_may_point_to_several() -> None:
    accounts, contacts = entities("dataverse")["accounts"], entities("dataverse")["contacts"]
    contact = accounts.properties["primarycontactid"]
    assert contact.read_path == "_primarycontactid_value" and contact.info.type is FieldType.GUID
    assert contact.bind is not None
    assert (contact.bind.navigation, contact.bind.target_set) == ("primarycontactid", "contacts")
    assert not contact.bind.shared and not contact.kind_path
    owner = accounts.properties["ownerid"]
    assert owner.bind is not None and owner.bind.target_set == "systemusers"
    account = contacts.properties["parentcustomerid_account"]
    assert account.bind is not None and account.bind.shared and account.bind.target == "account"
    assert account.read_path == "_parentcustomerid_value"
    assert account.kind_path == "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"
    assert contacts.properties["parentcustomerid_contact"].read_path == account.read_path
    assert "_parentcustomerid_value" not in contacts.properties
    # Nothing says what it points to, so it can be read only.
    assert accounts.properties["_orphanid_value"].info.read_only


def test_stamps_and_change_tracking_of_dataverse() -> None:
    accounts, contacts = entities("dataverse")["accounts"], entities("dataverse")["contacts"]
    assert accounts.modified_field == "modifiedon" and infos(accounts)["modifiedon"].fraction == 0
    assert (accounts.tracks_changes, contacts.tracks_changes) == (True, False)


def test_a_field_that_is_gone_is_a_set_up_problem_of_its_table() -> None:
    with pytest.raises(Misconfigured) as failed:
        entities("business_central")["customers"].property("searchName")
    assert (failed.value.code, failed.value.scope) == ("unknown_field", Scope.TABLE)
    assert failed.value.params == {"table": "customers", "field": "searchName"}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "not_xml"),
        (b"<html><body>Sign in", "not_xml"),
        (b"\xff\xfe\x00garbage", "not_xml"),
        (b'{"value": []}', "not_xml"),
        (b"<html></html>", "not_csdl"),
        (
            b'<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" Version="1.0"/>',
            "not_csdl",
        ),
        (b'<!DOCTYPE Edmx SYSTEM "http://example.org/x.dtd"><Edmx/>', "forbidden"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Edmx>&a;</Edmx>', "forbidden"),
        (b'<?xml version="1.0" encoding="nonsense"?><Edmx/>', "not_xml"),
        (PLAIN[: len(PLAIN) // 2], "not_xml"),
    ],
)
def test_what_is_no_metadata_is_refused_in_words(document: bytes, reason: str) -> None:
    with pytest.raises(Misconfigured) as failed:
        csdl.parse(document)
    assert (failed.value.code, failed.value.params["reason"]) == ("metadata_unreadable", reason)
    assert failed.value.scope is Scope.CONNECTION


def test_types_that_inherit_in_a_circle_end_somewhere() -> None:
    document = BUSINESS_CENTRAL.replace(
        b'Name="customer">', b'Name="customer" BaseType="Microsoft.NAV.customer">'
    )
    assert set(make(csdl.parse(document), DataverseProfile())) >= {"customers"}


def test_numbers_in_facets_that_are_none_are_passed_over() -> None:
    document = BUSINESS_CENTRAL.replace(b'MaxLength="100"', b'MaxLength="9999999999999"').replace(
        b'MaxLength="30"', 'MaxLength="\u00b2"'.encode()
    )
    fields = infos(make(csdl.parse(document), DataverseProfile())["customers"])
    assert fields["displayName"].length is None and fields["city"].length is None


def test_a_document_of_several_megabytes_is_read() -> None:
    many = "".join(f'<Property Name="f{i}" Type="Edm.String" MaxLength="50"/>' for i in range(100))
    types = "".join(
        f'<EntityType Name="t{i}"><Key><PropertyRef Name="f1"/></Key>{many}</EntityType>' for i in range(800)
    )
    sets = "".join(f'<EntitySet Name="s{i}" EntityType="m.t{i}"/>' for i in range(800))
    document = (
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema Namespace="m" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{types}<EntityContainer Name="c">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    )
    found = make(csdl.parse(document.encode()), DataverseProfile())
    assert len(found) == 800 and len(found["s7"].properties) == 100


# -- what a service writes that nobody should ---------------------------------------------------------------------------


def one_table(more: str = "", *, inside: str = "", on_the_set: str = "") -> bytes:
    """A plain service's description of the table ``things`` of type ``m.thing``, whose key is a GUID."""
    document = (
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema Namespace="m" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        '<EntityType Name="thing"><Key><PropertyRef Name="id"/></Key>'
        f'<Property Name="id" Type="Edm.Guid" Nullable="false"/>{inside}</EntityType>{more}'
        f'<EntityContainer Name="c"><EntitySet Name="things" EntityType="m.thing">{on_the_set}</EntitySet>'
        "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    )
    return document.encode()


def made(document: bytes) -> Entity:
    return make(csdl.parse(document), Profile())["things"]


@pytest.mark.parametrize("value", ["", 'Bool="true"', 'String="id"'])
def test_an_annotation_of_another_shape_than_its_term_has_says_nothing(value: str) -> None:
    noted = "".join(
        f'<Annotation Term="{term}" {value}/>'
        for term in (csdl.ALTERNATE_KEYS, csdl.CHANGE_TRACKING, csdl.INSERTABLE, csdl.UPDATABLE)
    )
    entity = made(one_table(inside=noted, on_the_set=noted))
    assert (entity.key, set(entity.properties)) == ("id", {"id"})


def test_records_in_records_without_end_are_not_followed() -> None:
    deep = 5_000
    inside = '<Record><PropertyValue Property="a">' * deep + "</PropertyValue></Record>" * deep
    assert made(one_table(inside=f'<Annotation Term="x.y">{inside}</Annotation>')).key == "id"


def test_ten_thousand_types_that_inherit_from_each_other_are_no_burden() -> None:
    chain = "".join(f'<EntityType Name="t{i}" BaseType="m.t{i + 1}"/>' for i in range(10_000))
    began = monotonic()
    assert len(csdl.parse(one_table(chain)).lineage("m.t0")) == 10_000
    assert monotonic() - began < 10, "the time grows with their number, not with its square"


def test_properties_that_the_service_says_it_does_not_take_are_not_sent() -> None:
    def restricts(kind: str, part: str, name: str) -> str:
        return (
            f'<Annotation Term="{kind}"><Record><PropertyValue Property="{part}"><Collection>'
            f"<PropertyPath>{name}</PropertyPath></Collection></PropertyValue></Record></Annotation>"
        )

    document = one_table(
        inside="".join(f'<Property Name="{name}" Type="Edm.String"/>' for name in ("born", "later", "free")),
        on_the_set=restricts(csdl.INSERTABLE, "NonInsertableProperties", "later")
        + restricts(csdl.UPDATABLE, "NonUpdatableProperties", "born"),
    )
    entity = made(document)
    said = {name: (each.creatable, each.updatable) for name, each in entity.properties.items()}
    assert said["born"] == (True, False)
    assert said["later"] == (False, True)
    assert said["free"] == (True, True)
    assert entity.table.writable and not entity.table.fields["born"].read_only
