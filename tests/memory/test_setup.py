"""Set-up: every fault is found before a job meets it."""

from collections.abc import Callable
from typing import Any

import pytest

from synccore.codes import CODE_PARAMS
from synccore.connectors.memory import MemoryApp
from synccore.engine.filters import dump_filter
from synccore.engine.rules import Template, Transform
from synccore.engine.serial import dump_info, dump_preconditions, dump_templates, dump_transforms
from synccore.failures import Failure, Scope, Transient
from synccore.models import FieldMapping, TableMapping, rules_of
from synccore.services.setup import (
    Idempotency,
    bump_revision,
    idempotency,
    order_of,
    refresh,
    validate,
)
from synccore.shapes import Condition, FieldInfo, FieldType, KeyKind, Operator, Precondition, Side, TableInfo
from tests.factories import make_connection, make_field, make_integration, make_mapping, number

pytestmark = pytest.mark.django_db


def table(name: str, *fields: FieldInfo, **values: Any) -> TableInfo:
    values.setdefault("id_field", "id")
    values.setdefault("key_kind", KeyKind.OPAQUE)
    described = {info.name: info for info in (FieldInfo("id", FieldType.TEXT), *fields)}
    return TableInfo(name, described, **values)


TEXT, NUMBER = FieldType.TEXT, FieldType.DECIMAL
CUSTOMER = table(
    "customer",
    FieldInfo("name", TEXT, length=100),
    FieldInfo("phone", TEXT, length=30),
    FieldInfo("limit", NUMBER, precision=12, scale=2),
    FieldInfo("total", NUMBER, read_only=True),
    FieldInfo("modified", FieldType.INSTANT),
    key_kind=KeyKind.SEQUENCE,
)
ACCOUNT = table(
    "account",
    FieldInfo("name", TEXT, length=160),
    FieldInfo("telephone1", TEXT, length=50),
    FieldInfo("creditlimit", NUMBER, precision=19, scale=4),
    key_kind=KeyKind.UUID,
)
CURRENCY = table("currency", FieldInfo("code", TEXT))
CATALOGUES = {
    Side.LEFT: {"customer": CUSTOMER},
    Side.RIGHT: {"account": ACCOUNT, "currency": CURRENCY},
}


def make_good(**values: Any) -> TableMapping:
    """A mapping with nothing wrong with it."""
    mapping = make_mapping("Customers", **values)
    make_field(mapping, "name")
    make_field(mapping, "phone", "telephone1")
    return mapping


def said(failures: list[Failure]) -> list[tuple[str, dict[str, Any]]]:
    for failure in failures:
        assert failure.scope is Scope.TABLE and set(failure.params) <= CODE_PARAMS[failure.code]
    return [(failure.code, failure.params) for failure in failures]


def test_a_good_mapping_has_no_fault_and_costs_two_queries(django_assert_num_queries: Any) -> None:
    made = make_good(left_modified_field="modified", left_name_field="name")
    mapping = TableMapping.objects.get(pk=made.pk)
    with django_assert_num_queries(2):
        assert validate(mapping, CATALOGUES) == []


LEFT = {"table": "customer", "side": "left"}
RIGHT = {"table": "account", "side": "right"}

FAULTS: dict[str, tuple[Callable[[TableMapping], Any], list[tuple[str, dict[str, Any]]]]] = {
    "no fields": (
        lambda m: m.field_mappings.all().delete(),
        [("mapping_without_fields", {"mapping_name": "Customers"})],
    ),
    "unknown field": (
        lambda m: make_field(m, "mobile", "telephone1", direction="to_left", left_info=None),
        [("unknown_field", {**LEFT, "field": "mobile"})],
    ),
    "vanished field": (
        lambda m: make_field(m, "mobile", "telephone1", direction="to_left"),
        [("field_vanished", {**LEFT, "field": "mobile"})],
    ),
    "written twice": (
        lambda m: make_field(m, "limit", "telephone1", direction="to_right"),
        [("written_twice", {**RIGHT, "field": "telephone1"})],
    ),
    "constant and field": (
        lambda m: make_field(m, "", "name", has_constant=True, constant='"x"', direction="to_right"),
        [("written_twice", {**RIGHT, "field": "name"})],
    ),
    "constant of the wrong type": (
        lambda m: make_field(m, "", "creditlimit", has_constant=True, constant='"x"', direction="to_right"),
        [("bad_constant", {"field": "creditlimit", "value": '"x"'})],
    ),
    "one-way transformation": (
        lambda m: make_field(m, "limit", "creditlimit", to_left=dump_transforms([Transform("round", {"scale": 2})])),
        [("one_way_transformation", {"field": "limit", "other_field": "limit"})],
    ),
    "bad transformation": (
        lambda m: make_field(m, "limit", "creditlimit", direction="to_left", to_left=[{"name": "cut"}]),
        [("bad_transformation", {"field": "limit", "transform": "cut", "param": "length", "reason": "missing"})],
    ),
    "transformation that is none": (
        lambda m: make_field(m, "limit", "creditlimit", direction="to_left", to_left=5),
        [("bad_transformation", {"field": "limit", "transform": "", "param": "", "reason": "not_a_list"})],
    ),
    "read-only field": (
        lambda m: make_field(m, "total", "creditlimit"),
        [("field_read_only", {**LEFT, "field": "total"})],
    ),
    "natural key of another mapping": (
        lambda m: setattr(m, "natural_key", make_field(make_mapping()).pk),
        [("natural_key_not_mapped", {"mapping_name": "Customers"})],
    ),
    "filter on an unknown field": (
        lambda m: setattr(m, "left_filter", dump_filter([Condition("city", Operator.EQ, "Oslo")])),
        [("bad_filter", {**LEFT, "field": "city", "reason": "unknown_field"})],
    ),
    "filter with a value of the wrong type": (
        lambda m: setattr(m, "right_filter", dump_filter([Condition("creditlimit", Operator.GT, "much")])),
        [("bad_filter", {**RIGHT, "field": "creditlimit", "reason": "value_not_of_type"})],
    ),
    "filter that is none": (
        lambda m: setattr(m, "left_filter", {"field": "name"}),
        [("bad_filter", {**LEFT, "field": "", "reason": "not_a_list"})],
    ),
    "stamp that is not there": (
        lambda m: setattr(m, "right_modified_field", "modifiedon"),
        [("unknown_field", {**RIGHT, "field": "modifiedon"})],
    ),
    "table that is not there": (
        lambda m: setattr(m, "right_table", "accounts"),
        [("unknown_table", {"table": "accounts", "side": "right"})],
    ),
    "template": (
        lambda m: setattr(
            m,
            "templates",
            dump_templates([Template(1, Side.RIGHT, {"creditlimit": '"x"', "colour": None, "name": '"New"'})]),
        ),
        [
            ("bad_template", {"field": "creditlimit", "value": '"x"', "priority": 1, "reason": "value_not_of_type"}),
            ("bad_template", {"field": "colour", "value": None, "priority": 1, "reason": "unknown_field"}),
        ],
    ),
    "template's condition": (
        lambda m: setattr(
            m, "templates", dump_templates([Template(1, Side.RIGHT, {}, (Condition("x", Operator.EMPTY),))])
        ),
        [("bad_filter", {"field": "x", "reason": "unknown_field"})],
    ),
    "precondition's table": (
        lambda m: setattr(
            m, "preconditions",
            dump_preconditions([Precondition("rate", Side.LEFT, "currency", "code", Side.LEFT, "name")]),
        ),
        [("unknown_table", {"table": "currency", "side": "left"})],
    ),
    "precondition's fields": (
        lambda m: setattr(
            m, "preconditions",
            dump_preconditions([Precondition("rate", Side.RIGHT, "currency", "iso", Side.LEFT, "currency")]),
        ),
        [
            ("unknown_field", {"table": "currency", "side": "right", "field": "iso"}),
            ("unknown_field", {**LEFT, "field": "currency"}),
        ],
    ),
    "precondition that is none": (
        lambda m: setattr(m, "preconditions", [{"what": "rate"}]),
        [("bad_precondition", {"what": "rate", "part": "table", "reason": "missing"})],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_is_found_and_nothing_else(name: str) -> None:
    fault, expected = FAULTS[name]
    mapping = make_good()
    fault(mapping)
    assert said(validate(mapping, CATALOGUES)) == expected


def test_a_constant_both_ways_is_found_before_the_database_refuses_it() -> None:
    mapping = make_good()
    row = FieldMapping(
        mapping=mapping, right_field="creditlimit", has_constant=True, constant="1", direction="both"
    )
    from synccore.services import validation

    found = list(validation.of_mapping(mapping, [row], CATALOGUES))
    assert ("constant_both_ways", {"field": "creditlimit"}) in said(list(found))


def test_a_table_without_key_and_one_that_takes_no_changes() -> None:
    mapping = make_good()
    view = table("account", *ACCOUNT.fields.values(), id_field=None, writable=False)
    catalogues = {**CATALOGUES, Side.RIGHT: {"account": view}}
    assert [code for code, _ in said(validate(mapping, catalogues))] == ["no_key", "not_writable"]
    mapping.direction = "to_left"
    assert [code for code, _ in said(validate(mapping, catalogues))] == ["no_key"]


def test_the_mappings_direction_counts_for_its_fields() -> None:
    mapping = make_good(direction="to_right")
    make_field(mapping, "total", "creditlimit")
    make_field(mapping, "phone", "name", direction="to_left")
    assert validate(mapping, CATALOGUES) == []


def refer(child: TableMapping, parent: TableMapping, **values: Any) -> None:
    make_field(child, "limit", "creditlimit", reference=parent, **values)


def test_a_circle_is_named_from_the_mapping_on() -> None:
    integration = make_integration()
    a, b, c, outside = (make_mapping(name, integration=integration) for name in "ABCD")
    for mapping in (a, b, c, outside):
        make_field(mapping, "name")
    refer(a, b), refer(b, c), refer(c, a), refer(outside, a)
    assert said(validate(a, CATALOGUES)) == [
        ("cyclic_references", {"mapping_name": "A", "names": "A → B → C → A"})
    ]
    assert said(validate(c, CATALOGUES))[0][1]["names"] == "C → A → B → C"
    assert validate(outside, CATALOGUES) == []


def test_a_mapping_may_refer_to_itself_and_optional_references_make_nobody_wait() -> None:
    a, b = make_good(), make_mapping("B")
    b.integration = a.integration
    b.save()
    refer(a, a), refer(b, a)
    make_field(a, "phone", "telephone1", reference=b, optional=True, direction="to_left")
    assert [code for code, _ in said(validate(a, CATALOGUES))] == ["written_twice"]


def test_parents_come_first_and_everything_else_stays_in_place(django_assert_num_queries: Any) -> None:
    contacts, items, customers, currencies = (
        make_mapping(n) for n in ("Contacts", "Items", "Customers", "Currencies")
    )
    refer(contacts, customers), refer(customers, currencies), refer(items, currencies), refer(items, items)
    with django_assert_num_queries(1):
        ordered = order_of([contacts, items, customers, currencies])
    assert [mapping.name for mapping in ordered] == ["Currencies", "Items", "Customers", "Contacts"]
    assert order_of([contacts]) == [contacts] and order_of([]) == []


def test_a_circle_is_entered_where_it_costs_least() -> None:
    a, b, c = (make_mapping(n) for n in "ABC")
    refer(a, b), refer(b, a, optional=True), refer(c, a)
    assert order_of([a, b, c]) == [b, a, c]
    refer(b, a)
    assert sorted(mapping.name for mapping in order_of([a, b, c])) == ["A", "B", "C"]


# -- idempotency


def test_the_first_way_that_the_mapping_allows() -> None:
    mapping = make_good(left_key_kind="sequence", right_key_kind="uuid")
    assert idempotency(mapping, Side.LEFT) is Idempotency.SEQUENCE
    assert idempotency(mapping, Side.RIGHT) is Idempotency.UUID
    mapping.left_key_kind = mapping.right_key_kind = "opaque"
    assert idempotency(mapping, Side.LEFT) is Idempotency.NONE
    name = mapping.field_mappings.first()
    assert name
    mapping.natural_key = name.pk
    assert idempotency(mapping, Side.LEFT) is idempotency(mapping, Side.RIGHT) is Idempotency.NATURAL


def test_an_id_that_is_a_business_value_must_be_mapped() -> None:
    mapping = make_good(left_key_kind="natural", left_id_field="code")
    assert idempotency(mapping, Side.LEFT) is Idempotency.NONE
    row = make_field(mapping, "code", "isocurrencycode")
    assert idempotency(mapping, Side.LEFT) is Idempotency.NATURAL
    FieldMapping.objects.filter(pk=row.pk).update(has_constant=True, direction="to_left")
    assert idempotency(mapping, Side.LEFT) is Idempotency.NONE


# -- revisions and refresh


def test_a_revision_moves_for_the_mapping_and_the_fields_named() -> None:
    mapping = make_good()
    first, second = mapping.field_mappings.all()
    bump_revision(mapping, fields=[second])
    bump_revision(mapping)
    assert (mapping.revision, second.revision) == (3, 2)
    first.refresh_from_db(), second.refresh_from_db(), mapping.refresh_from_db()
    assert (mapping.revision, first.revision, second.revision) == (3, 1, 2)
    foreign = make_field(make_mapping())
    bump_revision(mapping, fields=[foreign])
    assert foreign.revision == 1


@pytest.fixture
def apps() -> Any:
    names = [f"refresh {number()}" for _ in range(2)]
    found = [MemoryApp.get(name) for name in names]
    found[0].add_table(CUSTOMER), found[1].add_table(ACCOUNT)
    yield found
    for name in names:
        MemoryApp.forget(name)


def connected(apps: list[MemoryApp], **values: Any) -> TableMapping:
    left, right = (make_connection(app.name, options={"name": app.name}) for app in apps)
    mapping = make_mapping("Customers", integration=make_integration(left, right), **values)
    for one, two in (("name", "name"), ("phone", "telephone1")):
        make_field(mapping, one, two, left_info=None, right_info=None)
    return mapping


def test_refresh_takes_over_what_the_apps_say(apps: list[MemoryApp]) -> None:
    mapping = connected(apps)
    assert refresh(mapping) == []
    mapping.refresh_from_db()
    assert (mapping.left_id_field, mapping.left_key_kind) == ("id", "sequence")
    assert (mapping.right_id_field, mapping.right_key_kind, mapping.revision) == ("id", "uuid", 2)
    name, phone = rules_of(mapping).fields
    assert name.left_info == CUSTOMER.fields["name"] and phone.right_info == ACCOUNT.fields["telephone1"]
    assert (name.revision, phone.revision) == (1, 1)
    assert refresh(mapping) == []
    mapping.refresh_from_db()
    assert mapping.revision == 2, "nothing changed"


def test_a_field_that_compares_differently_gets_a_new_revision(apps: list[MemoryApp]) -> None:
    mapping = connected(apps)
    refresh(mapping)
    changed = table(
        "account",
        FieldInfo("name", TEXT, length=400),
        FieldInfo("telephone1", FieldType.INTEGER),
        key_kind=KeyKind.UUID,
    )
    apps[1].add_table(changed)
    assert refresh(mapping) == []
    name, phone = mapping.field_mappings.all()
    assert (name.revision, phone.revision) == (1, 2)
    assert name.right_info == dump_info(changed.fields["name"])


def test_a_vanished_field_is_named_and_keeps_its_description(apps: list[MemoryApp]) -> None:
    mapping = connected(apps)
    refresh(mapping)
    apps[1].add_table(table("account", FieldInfo("name", TEXT, length=160), key_kind=KeyKind.UUID))
    assert said(refresh(mapping)) == [("field_vanished", {**RIGHT, "field": "telephone1"})]
    assert said(refresh(mapping)) == [("field_vanished", {**RIGHT, "field": "telephone1"})]
    assert mapping.field_mappings.last().right_info["name"] == "telephone1"  # type: ignore[union-attr]


def test_an_app_that_does_not_answer_changes_nothing(apps: list[MemoryApp]) -> None:
    mapping = connected(apps)
    apps[1].faults.fail.append(Transient("connection_refused", scope=Scope.CONNECTION))
    assert [failure.code for failure in refresh(mapping)] == ["connection_refused"]
    mapping.refresh_from_db()
    assert mapping.revision == 1 and mapping.left_id_field == ""


def test_a_connector_that_breaks_is_a_bug_and_not_a_traceback(apps: list[MemoryApp]) -> None:
    mapping = connected(apps)

    def breaks(when: str, method: str) -> None:
        raise ZeroDivisionError

    apps[0].faults.hook = breaks  # type: ignore[assignment]
    (failure,) = refresh(mapping)
    assert failure.code == "bug" and "ZeroDivisionError" in failure.debug
