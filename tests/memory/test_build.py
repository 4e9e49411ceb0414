"""Rows as rules: what is stored comes out as the engine takes it, and bad JSON is said, not thrown."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synccore.engine.brakes import Brakes
from synccore.engine.filters import dump_filter
from synccore.engine.rules import ConflictPolicy, DeletionPolicy, Direction, Skew, Template, Transform
from synccore.engine.serial import (
    dump_info,
    dump_preconditions,
    dump_templates,
    dump_transforms,
    load_info,
    load_preconditions,
    load_templates,
    load_transforms,
)
from synccore.failures import Misconfigured, Scope
from synccore.models import TableMapping, brakes_of, rules_of
from synccore.shapes import Condition, FieldInfo, FieldType, KeyKind, Operator, Precondition, Side, storable
from tests.factories import make_connection, make_field, make_integration, make_mapping

FILTER = (Condition("country", Operator.IN, ("NL", "NO")), Condition("name", Operator.NOT_EMPTY))
TEMPLATE = Template(3, Side.RIGHT, {"status": '"new"', "owner": None}, FILTER)
PRECONDITION = Precondition(
    "currency", Side.RIGHT, "transactioncurrency", "isocurrencycode", Side.LEFT, "currency", ("EUR",), FILTER
)


@pytest.mark.django_db
def test_every_setting_of_the_rows_reaches_the_rules() -> None:
    left = make_connection(skew_seconds=1.5, skew_uncertainty=0.2)
    mapping = make_mapping(
        "Customers",
        integration=make_integration(left, make_connection(skew_seconds=-3)),
        revision=4,
        direction="to_right",
        left_id_field="no",
        left_key_kind="natural",
        right_id_field="accountid",
        right_key_kind="uuid",
        left_modified_field="modified",
        right_owner_field="ownerid",
        left_filter=dump_filter(FILTER),
        conflicts="newest",
        deletions="restore",
        only_coupled=True,
        templates=dump_templates([TEMPLATE]),
        preconditions=dump_preconditions([PRECONDITION]),
        deletions_min=1,
        deletions_share=0.5,
        creations_min=2,
        creations_share=0.25,
    )
    other = make_mapping(integration=mapping.integration)
    second = make_field(
        mapping, "country", "countryid", position=2, reference=other, optional=True, owner="left"
    )
    upper = dump_transforms([Transform("upper"), Transform("cut", {"length": 50})])
    first = make_field(
        mapping, "name", position=1, to_right=upper, to_left=upper[:1], group="g", keep_empty=True, revision=3,
        personal=True, sensitive=True,
    )  # fmt: skip
    mapping.natural_key = first.pk
    mapping.save()

    rules = rules_of(mapping)
    assert (rules.id, rules.name, rules.revision, rules.direction) == (
        mapping.pk, "Customers", 4, Direction.TO_RIGHT,
    )  # fmt: skip
    assert rules.left.modified_field == "modified" and rules.left.key_field is None
    assert rules.right.owner_field == "ownerid" and rules.right.name == "account"
    assert (rules.left_key_kind, rules.right_key_kind) == (KeyKind.NATURAL, KeyKind.UUID)
    assert (rules.left_id_field, rules.right_id_field) == ("no", "accountid")
    assert rules.left_filter == FILTER and rules.right_filter == ()
    assert rules.conflicts is ConflictPolicy.NEWEST and rules.deletions is DeletionPolicy.RESTORE
    assert rules.only_coupled and rules.templates == (TEMPLATE,) and rules.preconditions == (PRECONDITION,)
    assert rules.left_skew == Skew(1.5, 0.2) and rules.right_skew == Skew(-3)
    assert rules.natural_key == first.pk and set(rules.infos(Side.LEFT)) == {"name", "country"}

    one, two = rules.fields
    assert (one.id, one.revision, one.left, one.right, one.group, one.unit) == (
        first.pk, 3, "name", "name", "g", "group:g",
    )  # fmt: skip
    assert one.to_right == (Transform("upper"), Transform("cut", {"length": 50}))
    assert one.to_left == (Transform("upper"),) and one.keep_empty and one.personal and one.sensitive
    assert one.left_info == FieldInfo("name", FieldType.TEXT, length=100)
    assert (two.id, two.reference, two.optional, two.owner) == (second.pk, other.pk, True, Side.LEFT)
    assert brakes_of(mapping) == Brakes(1, 0.5, 2, 0.25)


@pytest.mark.django_db
@pytest.mark.parametrize(("direction", "names"), [("to_right", (None, "kind")), ("to_left", ("kind", None))])
def test_a_constant_keeps_only_its_destination(direction: str, names: tuple[str | None, str | None]) -> None:
    mapping = make_mapping()
    make_field(mapping, "kind", has_constant=True, constant='"C"', direction=direction)
    (rule,) = rules_of(mapping).fields
    assert (rule.left, rule.right) == names and rule.has_constant and rule.constant == '"C"'
    assert (rule.left_info is None) is (rule.left is None)


@pytest.mark.django_db
def test_a_mapping_is_read_in_two_queries(django_assert_num_queries: Any) -> None:
    made = make_mapping()
    for _ in range(5):
        make_field(made, reference=make_mapping())
    mapping = TableMapping.objects.get(pk=made.pk)
    with django_assert_num_queries(2):
        rules_of(mapping)
    with django_assert_num_queries(1):
        rules_of(mapping)  # the connections are cached on the row


BAD = [
    ("left_filter", {"field": "x"}, "bad_filter"),
    ("right_filter", [{"field": "x", "operator": "like", "value": "a"}], "bad_filter"),
    ("left_filter", [{"field": 3}], "bad_filter"),
    ("left_filter", "nonsense", "bad_filter"),
    ("templates", {}, "bad_template"),
    ("templates", [3], "bad_template"),
    ("templates", [{"side": "up"}], "bad_template"),
    ("templates", [{"side": "left", "priority": "1"}], "bad_template"),
    ("templates", [{"side": "left", "values": []}], "bad_template"),
    ("templates", [{"side": "left", "values": {"a": 1}}], "bad_template"),
    ("templates", [{"side": "left", "when": [{}]}], "bad_filter"),
    ("preconditions", "x", "bad_precondition"),
    ("preconditions", [None], "bad_precondition"),
    ("preconditions", [{"what": "rate"}], "bad_precondition"),
    ("preconditions", [{**dump_preconditions([PRECONDITION])[0], "side": None}], "bad_precondition"),
    ("preconditions", [{**dump_preconditions([PRECONDITION])[0], "exempt": [1]}], "bad_precondition"),
    ("preconditions", [{**dump_preconditions([PRECONDITION])[0], "filter": 1}], "bad_filter"),
    ("direction", "sideways", "bad_setting"),
    ("conflicts", "coin", "bad_setting"),
    ("deletions", "coin", "bad_setting"),
    ("left_key_kind", "?", "bad_setting"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value", "code"), BAD)
def test_what_a_row_cannot_mean_is_a_set_up_problem_of_the_table(name: str, value: Any, code: str) -> None:
    mapping = make_mapping()
    TableMapping.objects.filter(pk=mapping.pk).update(**{name: value})
    mapping.refresh_from_db()
    with pytest.raises(Misconfigured) as caught:
        rules_of(mapping)
    assert (caught.value.code, caught.value.scope) == (code, Scope.TABLE)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("to_right", {"name": "upper"}, "bad_transformation"),
        ("to_left", [{"params": {}}], "bad_transformation"),
        ("to_left", [{"name": "cut", "params": 5}], "bad_transformation"),
        ("left_info", [], "field_unknown"),
        ("left_info", {"name": "x", "type": "colour"}, "field_unknown"),
        ("right_info", {"name": "x", "type": "text", "length": "50"}, "field_unknown"),
        ("right_info", {"name": "x", "type": "text", "length": True}, "field_unknown"),
        ("right_info", {"type": "text"}, "field_unknown"),
    ],
)
def test_what_a_field_mapping_cannot_mean_names_the_field(name: str, value: Any, code: str) -> None:
    row = make_field(make_mapping(), "phone", "telephone1", **{name: value})
    with pytest.raises(Misconfigured) as caught:
        rules_of(row.mapping)
    assert caught.value.code == code
    assert caught.value.params["field"] in ("phone", "telephone1")


# -- the JSON pairs

infos = st.builds(
    FieldInfo,
    name=st.text(min_size=1),
    type=st.sampled_from(FieldType),
    length=st.none() | st.integers(0, 10**6),
    precision=st.none() | st.integers(1, 1000),
    scale=st.none() | st.integers(0, 100),
    fraction=st.integers(0, 6),
    required=st.booleans(),
    padded=st.booleans(),
    read_only=st.booleans(),
    unique=st.booleans(),
    label=st.text(),
    native=st.text(),
)


@given(infos)
def test_a_description_survives_json(info: FieldInfo) -> None:
    """Whole, as far as JSON that is stored can hold it: a caption may have characters that no database keeps."""
    assert load_info(dump_info(info)) == replace(info, label=storable(info.label))


def test_parts_of_a_later_version_are_passed_over_and_usual_values_left_out() -> None:
    info = FieldInfo("name", FieldType.TEXT)
    assert dump_info(info) == {"name": "name", "type": "text"}
    assert load_info({**dump_info(replace(info, length=5)), "colour": "red"}) == replace(info, length=5)
    assert load_info(None) is None


def test_the_other_pairs_survive_json() -> None:
    steps = (Transform("map", {"pairs": [["a", "b"]]}), Transform("trim"))
    assert load_transforms(dump_transforms(steps), field="x") == steps
    assert load_templates(dump_templates([TEMPLATE])) == (TEMPLATE,)
    assert load_preconditions(dump_preconditions([PRECONDITION])) == (PRECONDITION,)
    assert load_transforms(None, field="") == load_templates(None) == load_preconditions(None) == ()
