"""Which fields of two tables are suggested for each other, and why."""

from __future__ import annotations

import pytest
from django.utils import timezone

from synccore.models import FieldMapping, TableMapping
from synccore.models.catalogue import store_catalogue
from synccore.services import standard, suggesting
from synccore.services.catalogue import known_to
from synccore.services.field_mappings import Draft, draft_of
from synccore.services.jobs import NotNow
from synccore.services.pairing import Why
from synccore.services.rights import RightMissing
from synccore.shapes import FieldInfo, FieldType, KeyKind, TableInfo
from tests import factories as make
from tests.catalogues import make_pair

pytestmark = pytest.mark.django_db

TEXT, INTEGER, DECIMAL, GUID = FieldType.TEXT, FieldType.INTEGER, FieldType.DECIMAL, FieldType.GUID


def field(name: str, type: FieldType = TEXT, **more) -> FieldInfo:
    return FieldInfo(name, type, **more)


def table(name: str, *fields: FieldInfo) -> TableInfo:
    own = (field("id", GUID), field("modified_at", FieldType.INSTANT, read_only=True))
    infos = {each.name: each for each in (*own, *fields)}
    return TableInfo(name, infos, "id", KeyKind.UUID, modified_field="modified_at")


def mapping_of(left: list[FieldInfo], right: list[FieldInfo], *, direction: str = "both") -> TableMapping:
    """A mapping of ``customers`` of one app to ``accounts`` of the other, whose tables were read."""
    pair = make.make_integration()
    for app, name, fields in ((pair.left, "customers", left), (pair.right, "accounts", right)):
        store_catalogue(app, {name: table(name, *fields)}, timezone.now())
    return make.make_mapping(
        integration=pair, left_table="customers", right_table="accounts", direction=direction, enabled=False,
        left_modified_field="modified_at", right_modified_field="modified_at",
    )  # fmt: skip


def suggested(mapping: TableMapping, ways: dict[str, str] | None = None) -> list[suggesting.Suggestion]:
    drafts = [draft_of(row) for row in mapping.field_mappings.all()]
    return suggesting.suggest(mapping, known_to(mapping), drafts, ways)


def pairs(mapping: TableMapping) -> list[tuple[str, str, str]]:
    return [(each.draft.left, each.draft.right, each.why.value) for each in suggested(mapping)]


def one(left: FieldInfo, right: FieldInfo, **more: str) -> suggesting.Suggestion | None:
    found = suggested(mapping_of([left], [right], **more))
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("left", "right", "why"),
    [
        (field("city"), field("city"), Why.NAME),
        (field("credit_limit"), field("CreditLimit"), Why.NAME),
        (field("Größe"), field("GRÖSSE"), Why.NAME),
        (field("city"), field("new_city"), Why.BEGINNING),
        (field("number"), field("accountnumber"), Why.BEGINNING),
        (field("customer_name"), field("name"), Why.BEGINNING),
        (field("field_7", label="Loyalty points"), field("new_x", label="Loyalty Points"), Why.LABEL),
        (field("town", label="City"), field("address1_x", label="Address 1: City"), Why.ALIKE),
        (field("loyalty"), field("new_x", label="Loyalty"), Why.LABEL),
        (field("no"), field("accountnumber"), Why.ALIKE),
        (field("phoneNumber"), field("telephone1"), Why.ALIKE),
        (field("email"), field("emailaddress1"), Why.ALIKE),
        (field("addressLine1"), field("address1_line1"), Why.ALIKE),
        (field("postcode"), field("zip"), Why.ALIKE),
    ],
)
def test_fields_that_look_alike_are_suggested(left, right, why):
    found = one(left, right)
    assert found is not None and found.why is why
    assert found.is_sure is (why is not Why.ALIKE)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (field("city"), field("country")),
        (field("x"), field("new_y")),
        (field("vat_number"), field("accountnumber")),
        (field("bill_city"), field("ship_city")),
        (field("amount"), field("new_amount", DECIMAL)),  # only one name is reason enough for another type
        (field("_"), field("__")),
        (field("11"), field("1")),
        (field("city", read_only=True), field("city", read_only=True)),
        (field("created_by"), field("createdby")),
        (field("systemModifiedAt", read_only=True), field("system_modified_at")),
    ],
)
def test_others_are_not(left, right):
    assert one(left, right) is None


def test_a_field_is_suggested_once_and_the_surest_way():
    mapping = mapping_of(
        [field("city"), field("name"), field("no")],
        [field("new_city"), field("city"), field("new_name"), field("accountnumber")],
    )
    assert pairs(mapping) == [
        ("city", "city", "name"),
        ("name", "new_name", "beginning"),
        ("no", "accountnumber", "alike"),
    ]


def test_of_numbered_fields_it_is_the_first_and_of_others_none():
    numbered = [field(f"address{n}_city") for n in (3, 2, 1)]
    assert pairs(mapping_of([field("city")], numbered)) == [("city", "address1_city", "beginning")]
    assert pairs(mapping_of([field("city")], [field("new_city"), field("old_city")])) == []
    assert pairs(mapping_of([field("ship_city"), field("bill_city")], [field("city")])) == []


def test_who_has_the_whole_name_comes_before_who_only_ends_in_it():
    mapping = mapping_of(
        [field("no"), field("vat_number"), field("phone")],
        [
            field("address1_telephone1", label="Address 1: Phone"),
            field("telephone1", label="Main Phone"),
            field("accountnumber", label="Account Number"),
        ],
    )
    assert pairs(mapping) == [("phone", "telephone1", "alike"), ("no", "accountnumber", "alike")]


def test_what_the_app_keeps_itself_and_what_is_mapped_is_left_out():
    mapping = mapping_of([field("city"), field("name")], [field("city"), field("name")])
    FieldMapping.objects.create(mapping=mapping, position=0, left_field="name", right_field="name")
    assert pairs(mapping) == [("city", "city", "name")], "no id, no stamp, and not the name again"


def test_tables_that_were_never_read_suggest_nothing():
    assert pairs(make.make_mapping(enabled=False)) == []


@pytest.mark.parametrize(
    ("read_only", "direction", "ways"),
    [
        ((False, False), "both", ("both", "to_right", "to_left")),
        ((True, False), "both", ("to_right",)),
        ((False, True), "both", ("to_left",)),
        ((False, False), "to_right", ("both",)),
        ((True, False), "to_right", ("to_right",)),
        ((False, True), "to_right", ()),
    ],
)
def test_it_flows_where_it_may_be_written(read_only, direction, ways):
    left, right = (field("city", read_only=each) for each in read_only)
    found = one(left, right, direction=direction)
    assert (found.ways if found else ()) == ways
    assert found is None or found.draft.direction == ways[0]


@pytest.mark.parametrize(
    ("left", "right", "codes", "sure"),
    [
        (field("city", length=50), field("city", length=30), ["shorter"], True),
        (field("city"), field("city", DECIMAL), ["other_type"], False),
        (field("owner", GUID), field("owner", GUID, native="Lookup"), ["foreign_id"], False),
        (field("kind"), field("kind", INTEGER, options=(("3", "Customer"),)), ["only_of_list"], False),
        (field("n", INTEGER), field("n", INTEGER, required=True), ["required_here"], True),
        (field("n", INTEGER, read_only=True), field("n"), [], False),
    ],
)
def test_what_does_not_fit_is_told_and_not_ticked(left, right, codes, sure):
    found = one(left, right)
    assert found is not None
    assert ({each.code for each in found.warnings} >= set(codes), found.is_sure) == (True, sure)


def test_warnings_follow_the_direction_that_is_wanted():
    mapping = mapping_of([field("city", length=50)], [field("city", length=30)])
    [found] = suggested(mapping, {"city = city": "to_left"})
    assert (found.draft.direction, found.warnings) == ("to_left", ())
    [found] = suggested(mapping, {"city = city": "sideways"})
    assert found.draft.direction == "both"


def test_longer_values_are_cut_where_somebody_says_so():
    mapping = mapping_of(
        [field("city", length=50), field("fax", length=20), field("name", length=80)],
        [field("city", length=30), field("fax", length=20), field("name", length=100)],
    )
    assert [each.is_longer for each in suggested(mapping)] == [True, False, True]
    keys = [each.key for each in suggested(mapping)]
    drafts = [draft_of(row) for row in mapping.field_mappings.all()]
    city, fax, name = suggesting.suggest(
        mapping, known_to(mapping), drafts, {"name = name": "to_right"}, keys
    )
    lengths = [
        [each["params"]["length"] for each in way] for way in (city.draft.to_right, city.draft.to_left)
    ]
    assert (lengths, city.draft.accepted, city.warnings) == ([[30], [50]], True, ())
    assert (fax.draft.to_right, fax.draft.to_left, fax.is_longer) == ([], [], False)
    assert (name.draft.to_right, name.is_longer) == ([], False), "nothing is too long on this way"
    admin = make.make_user("Administrator")
    assert suggesting.take(mapping, user=admin, chosen=keys, cut=["city = city"]).added == 3
    row = mapping.field_mappings.get(left_field="city")
    assert (row.accepted, row.to_right[0]["name"], row.to_left[0]["name"]) == (True, "cut", "cut")
    assert not mapping.field_mappings.get(left_field="name").to_left


def test_what_new_records_lack_with_these_fields():
    mapping = mapping_of([field("city")], [field("city"), field("name", required=True)])
    [lacks] = suggesting.lacking(mapping, known_to(mapping), [Draft(left="city", right="city")])
    assert (lacks.code, lacks.params["fields"]) == ("required_unmapped", ["name"])
    named = [Draft(left="city", right="city"), Draft(left="city", right="name")]
    assert suggesting.lacking(mapping, known_to(mapping), named) == []


# -- the standard ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_two_tables_of_the_standard_get_what_it_has(reverse):
    pair = make_pair(reverse=reverse)
    tables = ("accounts", "customers") if reverse else ("customers", "accounts")
    mapping = make.make_mapping(
        integration=pair, left_table=tables[0], right_table=tables[1], enabled=False,
        left_modified_field="", right_modified_field="",
    )  # fmt: skip
    found = [each for each in suggested(mapping) if each.why is Why.STANDARD]
    theirs = {each.draft.right if not reverse else each.draft.left: each for each in found}
    assert {"accountnumber", "name", "address1_city", "telephone1", "emailaddress1"} <= set(theirs)
    assert theirs["customertypecode"].draft.constant == "3"
    city = theirs["address1_city"].draft
    assert [each["name"] for each in (city.to_left if not reverse else city.to_right)] == ["cut"]
    assert "transactioncurrencyid" not in theirs, "there is no mapping of currencies to refer to"
    assert all(each.is_sure for each in found)


def test_a_field_that_refers_to_a_mapping_is_suggested_where_there_is_one():
    admin = make.make_user("Administrator")
    pair = make_pair()
    standard.use_standard(pair, user=admin, chosen=["currencies"])
    mapping = make.make_mapping(
        integration=pair, left_table="customers", right_table="accounts", enabled=False,
        left_modified_field="", right_modified_field="",
    )  # fmt: skip
    taken = suggesting.take(
        mapping, user=admin, chosen=[each.key for each in suggested(mapping) if each.is_sure]
    )
    currency = mapping.field_mappings.get(right_field="transactioncurrencyid")
    assert currency.reference == TableMapping.objects.get(left_table="currencies")
    assert taken.added == mapping.field_mappings.count() and not taken.gone
    assert not [each for each in suggested(mapping) if each.why is Why.STANDARD]


# -- taking ------------------------------------------------------------------------------------------------------------


def test_what_is_chosen_is_mapped_behind_what_is_there_and_once():
    admin = make.make_user("Administrator")
    names = [field("city"), field("name"), field("fax")]
    mapping = mapping_of(names, names)
    there = FieldMapping.objects.create(mapping=mapping, position=0, left_field="name", right_field="name")
    chosen = ["city = city", "fax = fax", "name = name", "nothing = nothing"]
    taken = suggesting.take(mapping, user=admin, chosen=chosen, ways={"fax = fax": "to_right"})
    assert (taken.added, taken.gone) == (2, 2)
    rows = list(mapping.field_mappings.order_by("position").values_list("pk", "left_field", "direction"))
    assert rows[0] == (there.pk, "name", "both")
    assert [row[1:] for row in rows[1:]] == [("city", "both"), ("fax", "to_right")]
    mapping.refresh_from_db()
    revision = mapping.revision
    again = suggesting.take(mapping, user=admin, chosen=chosen)
    assert (again.added, again.gone) == (0, 4)
    mapping.refresh_from_db()
    assert mapping.revision == revision and mapping.field_mappings.count() == 3


@pytest.mark.parametrize("role", ["Record owner", "Viewer", ""])
def test_who_may_not_set_up_maps_nothing(role):
    mapping = mapping_of([field("city")], [field("city")])
    with pytest.raises(RightMissing):
        suggesting.take(mapping, user=make.make_user(role), chosen=["city = city"])
    assert not mapping.field_mappings.exists()


def test_a_mapping_that_was_deleted_meanwhile():
    mapping = mapping_of([field("city")], [field("city")])
    TableMapping.objects.filter(pk=mapping.pk).delete()
    with pytest.raises(NotNow) as caught:
        suggesting.take(mapping, user=make.make_user("Administrator"), chosen=["city = city"])
    assert caught.value.code == "mapping_gone"


def test_no_more_are_suggested_than_a_mapping_holds():
    many = [field(f"field_{n:03}") for n in range(400)]
    mapping = mapping_of(many, many)
    assert len(suggested(mapping)) == 300
