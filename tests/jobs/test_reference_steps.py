"""References by number, an empty reference that stands for one record, and fields that are for new records only."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from synccore.failures import Rejected
from synccore.models import Coupling, FieldMapping, Problem, SynchJob, TableMapping
from synccore.services import retry, setup
from synccore.services.setup import validate
from synccore.shapes import FieldInfo, FieldType, Side

from .helpers import accept, refuse, work
from .test_references import with_parent
from .world import TEXT, World, table


class Money(World):
    """Customers with a currency and a salesperson, as Business Central and Dataverse name them: the ERP's own currency
    is empty there and a record in the CRM, and the ERP writes a salesperson's code where the CRM writes an id."""

    def __init__(self) -> None:
        super().__init__(fields=("no", "name"))
        self.left.tables["customer"].info.fields["currency"] = FieldInfo("currency", FieldType.GUID)  # type: ignore[index]
        self.left.tables["customer"].info.fields["seller"] = FieldInfo("seller", TEXT, length=20)  # type: ignore[index]
        self.right.tables["account"].info.fields["currency"] = FieldInfo("currency", FieldType.GUID)  # type: ignore[index]
        self.right.tables["account"].info.fields["owner"] = FieldInfo("owner", FieldType.GUID)  # type: ignore[index]
        for app, name in (
            (self.left, "currency"),
            (self.right, "money"),
            (self.left, "seller"),
            (self.right, "user"),
        ):
            app.add_table(
                table(name, FieldInfo("no", TEXT, length=20), FieldInfo("name", TEXT, length=100)),
                modified_by_field="modified_by",
            )
        self.currencies = self.add_mapping("currency", "money", ("no", "name"), name="Currencies")
        self.sellers = self.add_mapping("seller", "user", ("no", "name"), name="Sellers", direction="to_left")
        for mapping in (self.currencies, self.sellers):
            mapping.natural_key = mapping.field_mappings.get(left_field="no").pk
            mapping.save()
        self.base, self.dollar = self.make(Side.RIGHT, "money", "EUR"), self.make(Side.RIGHT, "money", "USD")
        self.erp_dollar = self.make(Side.LEFT, "currency", "USD")
        self.run(mapping=self.currencies)
        self.currency = self.reference(
            "currency", "currency", self.currencies,
            to_right=[{"name": "empty_means", "params": {"field": "no", "value": "EUR"}}],
        )  # fmt: skip
        self.owner = self.reference(
            "seller", "owner", self.sellers,
            direction="to_right", optional=True, to_right=[{"name": "by_number", "params": {}}],
        )  # fmt: skip
        setup.bump_revision(self.mapping)

    def reference(self, left: str, right: str, to: TableMapping, **values: Any) -> FieldMapping:
        guid = {"type": "guid"}
        left_info = {"name": left, **(guid if left == "currency" else {"type": "text", "length": 20})}
        right_info = {"name": right, **guid, **({"required": True} if right == "owner" else {})}
        return FieldMapping.objects.create(
            mapping=self.mapping, position=20, left_field=left, right_field=right, reference=to,
            left_info=left_info, right_info=right_info, **values,
        )  # fmt: skip

    def make(self, side: Side, name: str, no: str, **fields: Any) -> str:
        id = str(uuid4())
        self.app(side).put(name, id, {"no": no, "name": f"Name of {no}", **fields}, by="anna")
        return id

    def account(self, no: str) -> dict[str, Any]:
        return self.by_no(Side.RIGHT)[no]


@pytest.fixture
def money(db) -> Money:
    return Money()


def customer(money: Money, no: str, **fields: Any) -> str:
    return money.make(Side.LEFT, "customer", no, **{"currency": None, "seller": "", **fields})


def test_an_empty_currency_is_the_base_currency_of_the_other_app(money):
    customer(money, "C1")
    customer(money, "C2", currency=money.erp_dollar)
    money.run()
    assert str(money.account("C1")["currency"]) == money.base
    assert str(money.account("C2")["currency"]) == money.dollar
    assert not Problem.objects.exists()


def test_the_base_currency_comes_back_as_empty(money):
    money.make(Side.RIGHT, "account", "A1", currency=money.base, owner=None)
    money.make(Side.RIGHT, "account", "A2", currency=money.dollar, owner=None)
    money.run()
    assert money.by_no(Side.LEFT)["A1"]["currency"] is None
    assert str(money.by_no(Side.LEFT)["A2"]["currency"]) == money.erp_dollar


def test_both_directions_of_a_change(money):
    left = customer(money, "C1")
    money.run()
    account = money.coupling("C1").right_id
    row = money.right.tables["account"].rows[account].fields
    money.right.put("account", account, {**row, "currency": money.dollar}, by="carla")
    money.run()
    assert str(money.rows(Side.LEFT)[left]["currency"]) == money.erp_dollar
    money.left.put("customer", left, {**money.rows(Side.LEFT)[left], "currency": None}, by="anna")
    money.run()
    assert str(money.account("C1")["currency"]) == money.base
    job = money.run()
    assert job.modified == 0  # no ping-pong


def test_which_record_it_is_is_asked_once_and_kept(money):
    customer(money, "C1")
    money.run()
    assert FieldMapping.objects.get(pk=money.currency.pk).empty_id == money.base
    money.right.tables["money"].rows.pop(money.base)
    customer(money, "C2")
    money.run()
    assert str(money.account("C2")["currency"]) == money.base


def test_without_that_record_the_customer_waits_and_says_for_what(money):
    money.right.tables["money"].rows.pop(money.base)
    customer(money, "C1")
    money.run()
    problem = money.problem("C1")
    assert problem is not None and problem.code == "reference_not_coupled" and problem.state == "skipped"
    assert problem.params["record"] == "no = EUR" and problem.params["reason"] == "absent"


def test_a_salesperson_is_found_by_his_number(money):
    user = money.make(Side.RIGHT, "user", "PM")
    money.run(mapping=money.sellers)
    customer(money, "C1", seller="PM")
    money.run()
    assert str(money.account("C1")["owner"]) == user


def test_an_owner_that_nobody_replaces_stays(money):
    user = money.make(Side.RIGHT, "user", "PM")
    money.run(mapping=money.sellers)
    left = customer(money, "C1", seller="PM")
    money.run()
    money.left.put(
        "customer", left, {**money.rows(Side.LEFT)[left], "seller": "GONE", "name": "New"}, by="anna"
    )
    money.run()
    assert str(money.account("C1")["owner"]) == user and money.account("C1")["name"] == "New"
    assert not Problem.objects.exists()


def test_a_number_that_must_be_coupled_is_named_with_its_reason(money):
    FieldMapping.objects.filter(pk=money.owner.pk).update(optional=False)
    money.make(Side.LEFT, "seller", "PM")
    customer(money, "C1", seller="PM")
    customer(money, "C2", seller="NOBODY")
    money.run()
    known, absent = money.problem("C1"), money.problem("C2")
    assert known is not None and absent is not None
    assert (known.params["record_name"], known.params["reason"]) == ("Name of PM", "direction")
    assert (absent.params["record"], absent.params["reason"]) == ("NOBODY", "absent")


def test_steps_for_references_stand_on_references_only(money):
    name = money.mapping.field_mappings.get(left_field="name")
    name.to_right = name.to_left = [{"name": "by_number", "params": {}}]
    name.save()
    FieldMapping.objects.filter(pk=money.owner.pk).update(direction="both")
    tables = {
        side: {n: t.info for n, t in money.app(side).tables.items()} for side in (Side.LEFT, Side.RIGHT)
    }
    found = [
        failure.params.get("reason")
        for failure in validate(money.mapping, tables)
        if failure.code == "bad_transformation"
    ]
    assert found == ["only_for_references", "only_for_references", "one_way_only"]


def test_a_field_for_new_records_is_written_once(money):
    money.mapping.field_mappings.filter(left_field="name").update(only_new=True)
    setup.bump_revision(money.mapping)
    left = customer(money, "C1")
    money.run()
    assert money.account("C1")["name"] == "Name of C1"
    account = money.coupling("C1").right_id
    row = money.right.tables["account"].rows[account].fields
    money.right.put("account", account, {**row, "name": "Theirs"}, by="carla")
    money.left.put("customer", left, {**money.rows(Side.LEFT)[left], "name": "Ours"}, by="anna")
    money.run()
    assert (money.rows(Side.LEFT)[left]["name"], money.account("C1")["name"]) == ("Ours", "Theirs")
    assert not Problem.objects.exists() and Coupling.objects.get(mapping=money.mapping).agreed_at is not None


def test_a_number_that_the_app_gives_a_new_record_comes_back(money, monkeypatch):
    """Business Central numbers a customer made from an account itself; the account learns its number once."""
    money.mapping.field_mappings.filter(left_field="no").update(only_new=True)
    money.mapping.natural_key = money.mapping.field_mappings.get(left_field="no").pk
    money.mapping.save()
    setup.bump_revision(money.mapping)
    store = money.left.store

    def numbered(found: Any, id: str, stored: dict[str, Any], *who: Any) -> None:
        store(found, id, stored if id in found.rows else {**stored, "no": "C00042"}, *who)

    monkeypatch.setattr(money.left, "store", numbered)
    account = str(uuid4())
    money.right.put("account", account, {"name": "New", "currency": money.base, "owner": None}, by="carla")
    money.run()
    assert [row["no"] for row in money.rows(Side.LEFT).values()] == ["C00042"]
    money.run()
    assert money.rows(Side.RIGHT)[account]["no"] == "C00042"
    money.right.put("account", account, {**money.rows(Side.RIGHT)[account], "no": "X"}, by="carla")
    money.run()
    assert [row["no"] for row in money.rows(Side.LEFT).values()] == ["C00042"]


def test_a_unit_of_another_group_is_another_unit_whatever_its_name(money):
    """An adopted counterpart has the parent that a new record would get for good; it waits until that one is coupled."""
    money.left.add_table(table("unit", FieldInfo("no", TEXT, length=20), FieldInfo("name", TEXT, length=100)))
    group = FieldInfo("group", FieldType.GUID)
    money.right.add_table(
        table("uom", FieldInfo("no", TEXT, length=20), FieldInfo("name", TEXT, length=100), group)
    )
    money.right.add_table(
        table("schedule", FieldInfo("no", TEXT, length=20), FieldInfo("name", TEXT, length=100))
    )
    groups = money.add_mapping("unit", "schedule", ("no", "name"), name="Groups", direction="to_right")
    units = money.add_mapping("unit", "uom", ("no", "name"), name="Units", direction="to_right")
    for mapping in (groups, units):
        mapping.natural_key = mapping.field_mappings.get(left_field="no").pk
        mapping.save()
    FieldMapping.objects.create(
        mapping=units, position=9, left_field="id", right_field="group", reference=groups, direction="to_right",
        only_new=True, left_info={"name": "id", "type": "guid"}, right_info={"name": "group", "type": "guid"},
    )  # fmt: skip
    unit = money.make(Side.LEFT, "unit", "PCS")
    ours, theirs = money.make(Side.RIGHT, "schedule", "PCS"), money.make(Side.RIGHT, "schedule", "HOURS")
    money.make(Side.RIGHT, "uom", "PCS", group=theirs)
    money.run(mapping=units)
    assert not Coupling.objects.live().paired().filter(mapping=units).exists()
    assert Problem.objects.get().code == "reference_not_coupled"
    mine = money.make(Side.RIGHT, "uom", "PCS", group=ours)
    money.run(mapping=groups)
    money.run(mapping=units, scope="due")
    pair = Coupling.objects.live().paired().get(mapping=units)
    assert (pair.left_id, pair.right_id) == (unit, mine)


# -- a salesperson who is coupled later ----------------------------------------------------------------------------------


def couple_seller(money: Money, no: str) -> str:
    user = money.make(Side.RIGHT, "user", no)
    money.run(mapping=money.sellers)
    return user


def test_an_owner_is_filled_in_by_itself_when_the_salesperson_is_coupled_later(money):
    default = str(uuid4())
    store = money.right.store
    customer(money, "C1", seller="PM")
    customer(money, "C2", seller="JO")

    def owned(found: Any, id: str, stored: dict[str, Any], *who: Any) -> None:
        mine = stored if stored.get("owner") else {**stored, "owner": default}
        store(found, id, mine if "owner" in found.info.fields else stored, *who)

    money.right.store = owned
    money.run()
    assert {str(money.account(no)["owner"]) for no in ("C1", "C2")} == {default}
    SynchJob.objects.filter(state="queued").delete()
    user = couple_seller(money, "PM")
    [due] = SynchJob.objects.filter(state="queued", mapping=money.mapping)
    assert due.scope == "due"
    [done] = work()
    assert (done.modified, done.unchanged, done.failed) == (1, 0, 0), "the other one is not looked at"
    assert (str(money.account("C1")["owner"]), str(money.account("C2")["owner"])) == (user, default)
    assert money.run(scope="sweep").waiting == 0 and money.run().scanned == 0, "and that is all"


def test_an_owner_somebody_else_was_given_in_between_is_kept_in_the_journal(money):
    user = couple_seller(money, "PM")
    left = customer(money, "C1", seller="PM")
    money.run()
    money.left.put("customer", left, {**money.rows(Side.LEFT)[left], "seller": "NEW"}, by="anna")
    money.run()
    assert str(money.account("C1")["owner"]) == user
    new = couple_seller(money, "NEW")
    work()
    assert str(money.account("C1")["owner"]) == new
    last = money.journal()[-1]
    assert (last.values["owner"]["value"], last.overwrites) == (new, {"owner": f'"{user}"'})


def test_many_pairs_are_found_in_one_statement_per_field_and_page(money):
    for n in range(60):
        customer(money, f"C{n}", seller=f"S{n % 20}")
    money.run()
    queries = []
    for n in range(20):
        money.make(Side.RIGHT, "user", f"S{n}")
        if n in (0, 19):
            with CaptureQueriesContext(connection) as caught:
                money.run(mapping=money.sellers)
            queries.append(sum("parent_coupled" in each["sql"] for each in caught))
    assert queries == [2, 2], "one per side, whatever the number"
    work()
    assert all(money.account(f"C{n}")["owner"] for n in range(60))


def test_a_pair_that_failed_meanwhile_is_left_to_its_problem(money):
    left = customer(money, "C1", seller="PM")
    money.run()
    refuse(money.right, lambda: Rejected("value_too_long", {"field": "name"}))
    money.left.put("customer", left, {**money.rows(Side.LEFT)[left], "name": "Longer"}, by="anna")
    money.run()
    Problem.objects.update(state="skipped", next_attempt=None)
    couple_seller(money, "PM")
    work()
    assert money.account("C1")["owner"] is None and Problem.objects.get().state == "skipped"
    accept(money.right)
    retry(Coupling.objects.filter(left_id=left), user=None)
    money.run()
    assert money.account("C1")["owner"] is not None and money.account("C1")["name"] == "Longer"


@pytest.mark.django_db
def test_a_parent_in_the_same_page_fills_the_child_of_its_own_mapping() -> None:
    world = with_parent(optional=True)
    parent = str(uuid4())
    for no, id, fields in (("A", str(uuid4()), {"parent": parent}), ("P", parent, {})):
        world.left.put("customer", id, {"no": no, "name": no, **fields}, by="anna")
    world.run()
    work()
    rows = world.by_no(Side.RIGHT)
    assert rows["A"]["parent"] == rows["P"]["id"]
