"""Two mappings that write one table never mix: a record belongs to the pair it is coupled in, else to the kind it is of."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from synccore.models import Coupling, FieldMapping, MatchCriterion, MatchRecord, Problem, TableMapping
from synccore.services import coupling as couplings
from synccore.services import match, setup
from synccore.services.jobs import NotNow
from synccore.shapes import FieldInfo, FieldType, Side
from synccore.verbs.elsewhere import sharing
from tests.factories import make_user

from .helpers import work
from .world import TEXT, World, table

CUSTOMER, VENDOR = 3, 11


def accounts() -> Any:
    return table(
        "account",
        FieldInfo("no", TEXT, length=20),
        FieldInfo("name", TEXT, length=100),
        FieldInfo("type", FieldType.INTEGER),
        FieldInfo("active", FieldType.BOOLEAN),
    )


def parties(name: str) -> Any:
    return table(name, FieldInfo("no", TEXT, length=20), FieldInfo("name", TEXT, length=100))


class Shared(World):
    """Customers and vendors of the ERP, both accounts of the CRM, told apart by ``type``."""

    def __init__(self) -> None:
        super().__init__(fields=("no", "name"))
        self.right.tables.pop("account")
        self.right.add_table(accounts(), modified_by_field="modified_by")
        self.left.add_table(parties("vendor"), modified_by_field="modified_by")
        self.vendors = self.add_mapping("vendor", "account", ("no", "name"), name="Vendors")
        self.customers = self.mapping
        for mapping, kind in ((self.customers, CUSTOMER), (self.vendors, VENDOR)):
            FieldMapping.objects.create(
                mapping=mapping,
                position=9,
                right_field="type",
                right_info={"name": "type", "type": "integer"},
                direction="to_right",
                has_constant=True,
                constant=str(kind),
            )
            mapping.right_filter = [
                {"field": "type", "operator": "eq", "value": str(kind)},
                {"field": "active", "operator": "ne", "value": "false"},
            ]
            mapping.natural_key = mapping.field_mappings.get(left_field="no").pk
            mapping.save()
            setup.bump_revision(mapping)

    def both(self, scope: str = "changes") -> None:
        for mapping in (self.customers, self.vendors):
            self.run(scope=scope, mapping=mapping)
        work()

    def account(self, no: str, kind: int, **fields: Any) -> str:
        id = str(uuid4())
        self.right.put("account", id, {"no": no, "name": f"Firm {no}", "type": kind, **fields}, by="carla")
        return id

    def party(self, name: str, no: str) -> str:
        id = str(uuid4())
        self.left.put(name, id, {"no": no, "name": f"Firm {no}"}, by="anna")
        return id

    def retype(self, id: str, kind: int) -> None:
        row = self.right.tables["account"].rows[id].fields
        self.right.put("account", id, {**row, "type": kind}, by="carla")

    def left_rows(self, name: str) -> list[str]:
        return sorted(str(row.fields["no"]) for row in self.left.tables[name].rows.values())

    def coupled(self, mapping: TableMapping) -> set[tuple[str, str]]:
        pairs = Coupling.objects.live().paired().filter(mapping=mapping)
        return set(pairs.values_list("left_id", "right_id"))


@pytest.fixture
def shared(db) -> Shared:
    return Shared()


def test_each_account_goes_to_the_table_of_its_kind(shared):
    customer, vendor = shared.account("A1", CUSTOMER), shared.account("A2", VENDOR)
    shared.both()
    assert shared.left_rows("customer") == ["A1"] and shared.left_rows("vendor") == ["A2"]
    assert {right for _left, right in shared.coupled(shared.customers)} == {customer}
    assert {right for _left, right in shared.coupled(shared.vendors)} == {vendor}


def test_a_customer_and_a_vendor_of_one_number_are_two_accounts(shared):
    """Business Central numbers both from 10000: the natural key alone would couple a customer with a vendor's account."""
    vendors_account = shared.account("10000", VENDOR)
    customer = shared.party("customer", "10000")
    shared.run(mapping=shared.customers)
    [(left, right)] = shared.coupled(shared.customers)
    assert left == customer and right != vendors_account
    assert shared.right.tables["account"].rows[right].fields["type"] == CUSTOMER
    assert shared.right.tables["account"].rows[vendors_account].fields["type"] == VENDOR


def test_an_inactive_account_of_its_own_kind_is_still_recognised(shared):
    """To create a second one beside it would be wrong: only the condition that tells the kinds apart counts."""
    asleep = shared.account("10000", CUSTOMER, active=False)
    customer = shared.party("customer", "10000")
    shared.run(mapping=shared.customers)
    assert shared.coupled(shared.customers) == {(customer, asleep)}
    assert len(shared.right.tables["account"].rows) == 1


def test_a_vendors_account_that_somebody_calls_a_customer_stays_the_vendors(shared):
    account, _other = shared.account("V1", VENDOR), shared.account("V2", VENDOR)
    shared.both()
    before = shared.coupled(shared.vendors)
    shared.retype(account, CUSTOMER)
    for _round in range(2):
        shared.both("sweep")
        shared.both()
    assert shared.left_rows("customer") == [] and shared.coupled(shared.customers) == set()
    assert shared.coupled(shared.vendors) == before
    assert (
        Coupling.objects.get(right_id=account, mapping=shared.vendors).right_out_of_filter_since is not None
    )
    problem = Problem.objects.get()
    assert (problem.code, problem.state, problem.mapping) == (
        "coupled_elsewhere",
        "skipped",
        shared.customers,
    )
    assert problem.params["mapping_name"] == "Vendors"
    # The constant was not written back: the pair is left as it is.
    assert shared.right.tables["account"].rows[account].fields["type"] == CUSTOMER


def test_a_vendors_account_called_a_customer_is_not_adopted_by_a_customer_of_its_number(shared):
    account = shared.account("V1", VENDOR)
    shared.both()
    shared.retype(account, CUSTOMER)
    customer = shared.party("customer", "V1")
    shared.run(mapping=shared.customers)
    assert all(right != account for _left, right in shared.coupled(shared.customers))
    assert {left for left, _right in shared.coupled(shared.customers)} <= {customer}


def test_changed_back_it_goes_on_as_before(shared):
    account, _other = shared.account("V1", VENDOR), shared.account("V2", VENDOR)
    shared.both()
    shared.retype(account, CUSTOMER)
    shared.both("sweep")
    shared.both()
    shared.retype(account, VENDOR)
    shared.right.put(
        "account", account, {**shared.right.tables["account"].rows[account].fields, "name": "New"}
    )
    shared.both("sweep")
    shared.both()
    assert {row.fields["name"] for row in shared.left.tables["vendor"].rows.values()} == {"New", "Firm V2"}
    assert shared.left_rows("customer") == []


def test_it_changes_sides_once_a_person_removes_the_coupling(shared):
    account = shared.account("V1", VENDOR)
    shared.both()
    shared.retype(account, CUSTOMER)
    shared.both()
    Coupling.objects.filter(mapping=shared.vendors).update(removed_at=Problem.objects.get().since)
    Problem.objects.update(requested_at=Problem.objects.get().since)
    shared.run(mapping=shared.customers, scope="due")
    assert {right for _left, right in shared.coupled(shared.customers)} == {account}
    assert not Problem.objects.not_ended().exists()


def test_nobody_couples_it_by_hand_a_second_time(shared):
    account, customer = shared.account("V1", VENDOR), shared.party("customer", "C9")
    shared.run(mapping=shared.vendors)
    administrator = make_user("Administrator")
    with pytest.raises(NotNow) as refused:
        couplings.couple(shared.customers, left=customer, right=account, user=administrator)
    assert refused.value.code == "coupled_elsewhere" and refused.value.params["mapping"] == "Vendors"
    job = shared.run(
        "couple", "items", mapping=shared.customers, options={"left": customer, "right": account}
    )
    assert job.state == "failed" and shared.coupled(shared.customers) == set()


def test_a_table_that_is_only_read_may_be_read_by_many(shared):
    """One unit of measure becomes a unit and a unit group: a mapping that does not write a table shares nothing."""
    shared.customers.direction = shared.vendors.direction = "to_left"
    for mapping in (shared.customers, shared.vendors):
        mapping.right_filter = []
        mapping.field_mappings.filter(has_constant=True).delete()
        mapping.save()
        setup.bump_revision(mapping)
    shared.account("A1", CUSTOMER)
    shared.both()
    assert shared.left_rows("customer") == shared.left_rows("vendor") == ["A1"]


def test_the_two_share_the_table_of_one_side_only(shared):
    assert sharing(shared.customers, Side.RIGHT) == [shared.vendors.pk]
    assert sharing(shared.customers, Side.LEFT) == []


def test_match_based_coupling_leaves_a_vendors_account_alone(shared):
    account, customer = shared.account("V1", VENDOR), shared.party("customer", "V1")
    shared.run(mapping=shared.vendors)
    shared.retype(account, CUSTOMER)
    MatchCriterion.objects.filter(mapping=shared.customers).delete()
    number = FieldMapping.objects.get(mapping=shared.customers, left_field="no")
    MatchCriterion.objects.create(mapping=shared.customers, field=number, group=1, compare="text")
    look = match.start_look(shared.customers, user=None)
    work()
    rows = MatchRecord.objects.filter(job=look)
    assert {row.record_id: row.outcome or row.state for row in rows} == {
        customer: "taken",
        account: "coupled",
    }
    with pytest.raises(NotNow) as nothing:
        match.start_match(shared.customers, user=None, look=look.pk)
    assert nothing.value.code == "match_nothing"
