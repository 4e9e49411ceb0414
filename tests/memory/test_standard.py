"""*Use Default Synchronization Setup*: the standard mappings of Business Central and Dataverse, fitted to two apps."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from synccore.models import AppTable, FieldMapping, Integration, JobQueueEntry, TableMapping
from synccore.models.catalogue import store_catalogue
from synccore.services import mappings, setup
from synccore.services.catalogue import known_to
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from synccore.services.standard import Plan, make_plan, standard_of, use_standard
from tests.catalogues import dataverse, make_pair
from tests.factories import make_integration, make_user

pytestmark = pytest.mark.django_db

ALL = ("salespeople", "currencies", "unit-groups", "units", "customers", "vendors", "contacts", "items")


@pytest.fixture
def administrator() -> Any:
    return make_user("Administrator")


def planned(integration: Integration, **options: Any) -> Plan:
    plan = make_plan(integration, **options)
    assert plan is not None
    return plan


def make(integration: Integration, user: Any, chosen: tuple[str, ...] = ALL, **options: Any) -> Any:
    return use_standard(integration, user=user, chosen=chosen, **options)


def field(name: str, left: str, right: str) -> FieldMapping:
    return FieldMapping.objects.get(mapping__name=name, left_field=left, right_field=right)


def only(name: str, **params: Any) -> list[dict[str, Any]]:
    return [{"name": name, "params": params}]


def test_everything_is_made_ready_to_run(administrator):
    result = make(make_pair(), administrator)
    names = [
        "Salespeople",
        "Currencies",
        "Unit groups",
        "Units of measure",
        "Customers",
        "Vendors",
        "Contacts",
        "Items",
    ]
    assert [each.name for each in result.made] == names and not result.left and not result.reset
    for mapping in TableMapping.objects.all():
        assert not mapping.enabled
        assert setup.validate(mapping, known_to(mapping).tables) == []
    assert JobQueueEntry.objects.count() == 2 * len(names)


def test_directions(administrator):
    make(make_pair(), administrator)
    ways = dict(TableMapping.objects.values_list("name", "direction"))
    assert ways == {
        "Salespeople": "to_left", "Currencies": "to_right", "Unit groups": "to_right", "Units of measure": "to_right",
        "Customers": "both", "Vendors": "both", "Contacts": "both", "Items": "to_right",
    }  # fmt: skip


def test_parents_come_before_what_refers_to_them(administrator):
    made = make(make_pair(), administrator).made
    assert setup.order_of(reversed(made))[-1].name in {"Customers", "Vendors", "Items"}
    assert field("Customers", "currencyId", "transactioncurrencyid").reference.name == "Currencies"
    assert field("Customers", "salespersonCode", "ownerid").reference.name == "Salespeople"
    assert field("Items", "baseUnitOfMeasureId", "defaultuomscheduleid").reference.name == "Unit groups"
    assert field("Items", "baseUnitOfMeasureId", "defaultuomid").reference.name == "Units of measure"
    assert field("Units of measure", "id", "uomscheduleid").reference.name == "Unit groups"


def test_free_text_is_cut_at_the_length_of_the_other_side_and_nothing_else_is(administrator):
    make(make_pair(), administrator)
    city = field("Customers", "city", "address1_city")
    assert (city.to_left, city.to_right, city.accepted) == (
        only("cut", length=30),
        only("cut", length=80),
        True,
    )
    name = field("Customers", "displayName", "name")
    assert (name.to_left, name.to_right) == (only("cut", length=100), only("cut", length=160))
    for left, right in (
        ("phoneNumber", "telephone1"),
        ("email", "emailaddress1"),
        ("country", "address1_country"),
    ):
        row = field("Customers", left, right)
        assert (row.to_left, row.to_right, row.accepted) == ([], [], False)
    job = field("Contacts", "jobTitle", "jobtitle")
    assert job.to_left == only("cut", length=30)


@pytest.mark.parametrize("name", ["Customers", "Vendors"])
def test_a_number_is_written_as_business_central_keeps_it(administrator, name):
    """In capitals and without blanks: a new record is found again by it where the answer to its creation was lost."""
    make(make_pair(), administrator)
    number = field(name, "number", "accountnumber")
    steps = [each["name"] for each in number.to_left]
    assert (number.only_new, number.accepted, steps) == (True, True, ["trim", "upper"])


def test_lengths_follow_the_catalogue(administrator):
    """Customers change lengths in Dataverse: what fits needs no conversion, what does not is cut where it is read."""
    make(make_pair(name=100, address1_city=25), administrator)
    name, city = field("Customers", "displayName", "name"), field("Customers", "city", "address1_city")
    assert (name.to_left, name.to_right, name.accepted) == ([], [], False)
    assert (city.to_right, city.to_left) == (only("cut", length=25), only("cut", length=30))


def test_amounts_are_rounded_to_what_the_other_side_keeps(administrator):
    make(make_pair(), administrator)
    limit = field("Customers", "creditLimit", "creditlimit")
    assert (limit.direction, limit.to_right) == ("to_right", only("round", scale=2))


def test_the_address_is_one_thing(administrator):
    make(make_pair(), administrator)
    grouped = FieldMapping.objects.filter(mapping__name="Vendors", group="address").values_list(
        "left_field", flat=True
    )
    assert list(grouped) == ["addressLine1", "addressLine2", "postalCode", "city", "state", "country"]


def test_customers_and_vendors_are_told_apart(administrator):
    make(make_pair(), administrator)
    for name, code in (("Customers", "3"), ("Vendors", "11")):
        mapping = TableMapping.objects.get(name=name)
        assert mapping.right_filter[0] == {"field": "customertypecode", "operator": "eq", "value": code}
        assert mapping.left_filter == [{"field": "blocked", "operator": "empty"}]
        constant = field(name, "", "customertypecode")
        assert (constant.has_constant, constant.constant, constant.direction) == (True, code, "to_right")
        assert mapping.natural_key == field(name, "number", "accountnumber").pk


def test_the_base_currency_is_empty_on_one_side(administrator):
    make(make_pair(), administrator)
    steps = field("Customers", "currencyId", "transactioncurrencyid").to_right
    assert steps == only("empty_means", field="isocurrencycode", value="EUR")


def test_without_a_base_currency_it_says_so(administrator):
    integration = make_pair(currency="")
    customers = next(each for each in planned(integration).mappings if each.slug == "customers")
    assert "no_currency" in [each.code for each in customers.skipped]
    make(integration, administrator, currency="NOK")
    assert field("Customers", "currencyId", "transactioncurrencyid").to_right[0]["params"]["value"] == "NOK"


def test_users_who_are_people(administrator):
    make(make_pair(), administrator)
    conditions = {each["field"]: each for each in TableMapping.objects.get(name="Salespeople").right_filter}
    assert conditions == {
        "isdisabled": {"field": "isdisabled", "operator": "eq", "value": "false"},
        "islicensed": {"field": "islicensed", "operator": "eq", "value": "true"},
        "accessmode": {"field": "accessmode", "operator": "eq", "value": "0"},
        "applicationid": {"field": "applicationid", "operator": "empty"},
    }


def test_new_products_get_what_dataverse_wants(administrator):
    make(make_pair(), administrator)
    [template] = TableMapping.objects.get(name="Items").templates
    assert template["side"] == "right" and template["values"] == {
        "productstructure": "1",
        "quantitydecimal": "2",
    }


def test_dataverse_on_the_left(administrator):
    integration = make_pair(reverse=True)
    result = make(integration, administrator)
    assert len(result.made) == len(ALL)
    customers = TableMapping.objects.get(name="Customers")
    assert (customers.left_table, customers.right_table) == ("accounts", "customers")
    assert (
        customers.left_filter[0]["field"] == "customertypecode"
        and customers.right_filter[0]["field"] == "blocked"
    )
    assert TableMapping.objects.get(name="Salespeople").direction == "to_right"
    city = field("Customers", "address1_city", "city")
    assert (city.to_right, city.to_left) == (only("cut", length=30), only("cut", length=80))
    owner = field("Customers", "ownerid", "salespersonCode")
    assert (owner.direction, owner.to_left) == ("to_left", only("by_number"))
    for mapping in TableMapping.objects.all():
        assert setup.validate(mapping, known_to(mapping).tables) == []


def test_pressed_twice_it_does_nothing_the_second_time(administrator):
    integration = make_pair()
    make(integration, administrator)
    before = [mappings.revision_of(each) for each in TableMapping.objects.order_by("pk")]
    again = make(integration, administrator)
    assert not again.made and [each.name for each in again.left][:2] == ["Salespeople", "Currencies"]
    assert [mappings.revision_of(each) for each in TableMapping.objects.order_by("pk")] == before
    assert JobQueueEntry.objects.count() == 2 * len(ALL)


def test_a_part_first_and_the_rest_later(administrator):
    integration = make_pair()
    make(integration, administrator, ("customers",))
    assert not FieldMapping.objects.filter(right_field="transactioncurrencyid").exists()
    make(integration, administrator)
    result = make(integration, administrator, (), reset=("customers",))
    assert [each.name for each in result.reset] == ["Customers"]
    assert field("Customers", "currencyId", "transactioncurrencyid").reference.name == "Currencies"


def test_reset_brings_one_mapping_back_and_leaves_the_others_alone(administrator):
    integration = make_pair()
    make(integration, administrator)
    customers, city = TableMapping.objects.get(name="Customers"), field("Customers", "city", "address1_city")
    field("Customers", "email", "emailaddress1").delete()
    FieldMapping.objects.filter(pk=city.pk).update(to_left=[], to_right=[], group="")
    TableMapping.objects.filter(pk=customers.pk).update(
        left_filter=[], conflicts="left", only_coupled=True, name="Debtors", deletions_min=7
    )
    vendors = mappings.revision_of(TableMapping.objects.get(name="Vendors"))
    result = make(integration, administrator, (), reset=("customers",))
    assert [each.pk for each in result.reset] == [customers.pk] and not result.made
    customers.refresh_from_db()
    assert customers.left_filter == [{"field": "blocked", "operator": "empty"}]
    assert (customers.conflicts, customers.only_coupled) == ("ask", False)
    # What is no rule of the standard stays: the name that people gave it, its limits.
    assert (customers.name, customers.deletions_min) == ("Debtors", 7)
    assert customers.field_mappings.filter(left_field="email").exists()
    city.refresh_from_db()
    assert city.to_left == only("cut", length=30) and city.revision == 2
    assert customers.natural_key == customers.field_mappings.get(left_field="number").pk
    assert mappings.revision_of(TableMapping.objects.get(name="Vendors")) == vendors


def test_a_mapping_of_the_same_tables_counts_as_the_standard_one_whatever_its_name(administrator):
    integration = make_pair()
    own = mappings.make_mapping(
        integration,
        user=administrator,
        values={"name": "Mine", "left_table": "customers", "right_table": "accounts"},
    )
    result = make(integration, administrator)
    assert [each.name for each in result.left] == ["Mine"]
    assert not own.field_mappings.exists()
    assert "Customers" not in {each.name for each in result.made}


def test_a_name_that_is_taken_by_other_tables_gets_a_number(administrator):
    integration = make_pair()
    values = {"name": "Customers", "left_table": "contacts", "right_table": "accounts"}
    mappings.make_mapping(integration, user=administrator, values=values)
    assert "Customers 2" in {each.name for each in make(integration, administrator).made}


def test_what_an_app_does_not_have_is_left_out_and_named(administrator):
    integration = make_pair()
    tables = dataverse()
    for name in ("uoms", "uomschedules"):
        del tables[name]
    for name in ("websiteurl", "creditlimit"):
        del tables["accounts"].fields[name]  # type: ignore[attr-defined]
    del tables["systemusers"].fields["islicensed"]  # type: ignore[attr-defined]
    store_catalogue(integration.right, tables, timezone.now())
    plan = {each.slug: each for each in planned(integration).mappings}
    assert plan["units"].blocked is not None and plan["units"].blocked.params == {
        "side": "right",
        "table": "uoms",
    }
    named = {(each.code, each.params["field"]) for each in plan["customers"].skipped}
    assert named == {("no_field", "websiteurl"), ("no_field", "creditlimit")}
    assert [(each.code, each.params["field"]) for each in plan["salespeople"].skipped] == [
        ("no_condition", "islicensed")
    ]
    assert {each.code for each in plan["items"].skipped} == {"no_reference"}
    made = {each.name for each in make(integration, administrator).made}
    assert "Units of measure" not in made and {"Customers", "Items"} <= made
    of_accounts = FieldMapping.objects.filter(mapping__right_table="accounts")
    assert not of_accounts.filter(right_field__in=("websiteurl", "creditlimit")).exists()
    assert not FieldMapping.objects.filter(right_field="defaultuomid").exists()


def test_without_the_field_that_tells_the_kinds_apart_neither_is_made(administrator):
    integration = make_pair()
    tables = dataverse()
    del tables["accounts"].fields["customertypecode"]  # type: ignore[attr-defined]
    store_catalogue(integration.right, tables, timezone.now())
    made = {each.name for each in make(integration, administrator).made}
    assert not made & {"Customers", "Vendors"} and "Contacts" in made


def test_a_field_that_may_not_be_written_flows_the_other_way_only(administrator):
    integration = make_pair()
    tables = dataverse()
    old = tables["accounts"].fields["telephone1"]
    tables["accounts"].fields["telephone1"] = type(old)("telephone1", old.type, length=50, read_only=True)  # type: ignore[index]
    store_catalogue(integration.right, tables, timezone.now())
    make(integration, administrator)
    assert field("Customers", "phoneNumber", "telephone1").direction == "to_left"


def test_it_warns_before_anything_is_made():
    plan = {each.slug: each for each in planned(make_pair()).mappings}
    codes = {slug: {each.code for each in made.warnings} for slug, made in plan.items()}
    assert "required_unmapped" in codes["currencies"]  # the exchange rate
    assert "shorter" in codes["customers"]  # a web address of 255 characters where 200 fit
    assert "uncertain_creates" in codes["contacts"]
    assert "uncertain_creates" not in codes["customers"]
    [rate] = [each for each in plan["currencies"].warnings if each.code == "required_unmapped"]
    assert rate.params["fields"] == ["exchangerate"]


def test_switched_on_by_the_same_press(administrator):
    result = make(make_pair(), administrator, switch_on=True)
    assert not result.off and TableMapping.objects.filter(enabled=True).count() == len(ALL)


def test_nothing_is_made_where_a_table_was_never_read(administrator):
    integration = make_pair()
    AppTable.objects.filter(connection=integration.right).delete()
    with pytest.raises(NotNow) as refused:
        make(integration, administrator)
    assert refused.value.code == "not_read" and not TableMapping.objects.exists()


def test_other_kinds_of_apps_have_no_standard(administrator):
    integration = make_integration()
    assert standard_of(integration) is None and make_plan(integration) is None
    with pytest.raises(NotNow) as refused:
        make(integration, administrator)
    assert refused.value.code == "no_standard"


@pytest.mark.parametrize("role", ["Record owner", "Viewer", ""])
def test_only_who_may_set_up(role):
    with pytest.raises(RightMissing):
        make(make_pair(), make_user(role))
    assert not TableMapping.objects.exists()


def test_all_or_nothing(administrator, monkeypatch):
    integration, real = make_pair(), mappings.save_filters
    calls = []

    def breaks(row: Any, **values: Any) -> Any:
        calls.append(row)
        if len(calls) == 4:
            raise RuntimeError("the database is gone")
        return real(row, **values)

    monkeypatch.setattr(mappings, "save_filters", breaks)
    with pytest.raises(RuntimeError):
        make(integration, administrator)
    assert not TableMapping.objects.exists() and not FieldMapping.objects.exists()


def test_a_plan_costs_few_questions(django_assert_max_num_queries):
    integration = make_pair()
    with django_assert_max_num_queries(5):
        planned(integration)
