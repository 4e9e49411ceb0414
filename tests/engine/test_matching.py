"""Normalisation, and the keys by which records of two apps meet."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synccore.engine.compiled import compile_rules
from synccore.engine.matching import CASED, Compare, Criterion, Matcher, may_compare, normalized
from synccore.engine.rules import Direction, Transform
from synccore.shapes import FieldType, Side
from tests.engine.build import constant, info, mapping, record, rule

L, R = Side.LEFT, Side.RIGHT

EQUAL = {
    Compare.EXACT: [("Van Dijk ", "van dijk"), ("Ångström", "A\u030angstro\u0308m")],
    Compare.TEXT: [
        ("Van  Dijk & Zn.", "van dijk zn"),
        ("Ångström", "angstrom"),
        ("Ørsted A/S", "orsted a s"),
        ("L'Oréal", "LOREAL"),
        ("A.B.C. Straße", "abc strasse"),
        ("Jean-Pierre", "Jean Pierre"),
        ("\ufb01rma\u00a0X", "Firma X"),
        ("Boom\u00adkwekerij \u200eX\u200b", "Boomkwekerij X"),  # pasted with what nobody sees
    ],
    Compare.PHONE: [
        ("+32 2 555 01 77", "0032/2.555.01.77"),
        ("+32 (0)2 555 01 77", "+3225550177"),
        ("(02) 555-0177", "02 5550177"),
        ("\u0660\u0662 5550177", "025550177"),
    ],
    Compare.EMAIL: [
        ("Anna <Anna@Firm.Example>", "anna@firm.example"),
        ("mailto:anna@firm.example", " ANNA@firm.example "),
        ("anna@\u200bfirm.example\ufeff", "anna@firm.example"),
    ],
    Compare.WEB: [
        ("https://www.firm.example/", "Firm.example"),
        ("http://firm.example/a/", "firm.example/a"),
        ("https://\u200bfirm.example/\u200b", "firm.example"),
    ],
    Compare.CODE: [("BE 0123.456.789", "be0123456789"), ("NO 987-654-321 MVA", "no987654321mva")],
}
DIFFERENT = {
    Compare.EXACT: [("Van Dijk", "Van  Dijk"), ("Zoe", "Zoé")],
    Compare.TEXT: [("Jansen NV", "Jansen BV"), ("C++", "C"), ("Van Dijk", "Vandijk")],
    Compare.PHONE: [("+32 2 555 01 77", "02 555 01 77"), ("555 01 77", "555 01 78")],
    Compare.EMAIL: [("anna@firm.example", "ann.a@firm.example")],
    Compare.WEB: [("firm.example/a", "firm.example/b")],
    Compare.CODE: [("BE0123456789", "0123456789")],
}


@pytest.mark.parametrize(
    ("how", "one", "other"), [(how, *pair) for how, pairs in EQUAL.items() for pair in pairs]
)
def test_spellings_of_one_thing_meet(how, one, other):
    assert normalized(one, how) == normalized(other, how) != ""


@pytest.mark.parametrize(
    ("how", "one", "other"), [(how, *pair) for how, pairs in DIFFERENT.items() for pair in pairs]
)
def test_different_things_stay_apart(how, one, other):
    assert normalized(one, how) != normalized(other, how)


@pytest.mark.parametrize("how", sorted(CASED))
def test_case_counts_where_it_is_asked_for(how):
    assert normalized("Zoë", how, case_sensitive=True) != normalized("zoë", how, case_sensitive=True)
    assert normalized("Zoë", how) == normalized("zoë", how)


def test_nothing_is_left_of_what_is_only_punctuation():
    assert {
        normalized("-- . --", how)
        for how in Compare
        if how not in (Compare.EXACT, Compare.EMAIL, Compare.WEB)
    } == {""}


@given(st.text(max_size=40), st.sampled_from(Compare), st.booleans())
def test_normalising_twice_is_normalising_once(text, how, case_sensitive):
    once = normalized(text, how, case_sensitive=case_sensitive)
    assert normalized(once, how, case_sensitive=case_sensitive) == once


@given(st.text(max_size=40))
def test_whatever_agrees_exactly_agrees_normalised(text):
    for how in Compare:
        assert normalized(f" {text}\t", how) == normalized(text, how)
        if how not in CASED:
            assert normalized(text, how, case_sensitive=True) == normalized(text, how)


#: Letters that Unicode itself takes for the same in both cases ("ı" is no "I" for it).
CASED_LETTERS = st.characters(whitelist_categories=("Lu", "Ll", "Nd")).filter(
    lambda letter: letter.upper().casefold() == letter.lower().casefold() == letter.casefold()
)


@given(st.text(alphabet=CASED_LETTERS, max_size=30))
@example("ῂ")
@example("Ǣ")
def test_case_never_parts_two_texts(text):
    for how in (Compare.EXACT, Compare.TEXT, Compare.EMAIL, Compare.CODE):
        assert normalized(text.upper(), how) == normalized(text, how) == normalized(text.lower(), how)


def keys(rules, *criteria, left, right, refs=None):
    matcher = Matcher(compile_rules(rules), criteria)
    return matcher.keys(L, left, refs or {}), matcher.keys(R, right, refs or {})


def test_a_group_needs_all_its_lines_and_groups_stand_on_their_own():
    rules = mapping(rule(1, "name"), rule(2, "city"), rule(3, "phone"))
    left, right = keys(
        rules,
        Criterion(1, group=1),
        Criterion(2, group=1),
        Criterion(3, Compare.PHONE, group=2),
        left=record(L, name="Van Dijk", city="Gent", phone="+32 9"),
        right=record(R, name="VAN DIJK", city="Brugge", phone="00329"),
    )
    assert left[0] != right[0] and left[0] and right[0]
    assert left[1] == right[1]


def test_an_empty_value_never_matches():
    rules = mapping(rule(1, "name"), rule(2, "city"))
    lines = (Criterion(1), Criterion(2))
    for empty in (None, "", "  "):
        left, right = keys(
            rules, *lines, left=record(L, name="A", city=empty), right=record(R, name="A", city=empty)
        )
        assert (left, right) == ([None], [None])


def test_values_are_compared_as_they_would_arrive():
    to_number = rule(
        1, "no", to_right=(Transform("prefix", {"text": "C"}),), to_left=(), direction=Direction.TO_RIGHT
    )
    left, right = keys(
        mapping(to_number),
        Criterion(1, Compare.EXACT),
        left=record(L, no="10023"),
        right=record(R, no="C10023"),
    )
    assert left == right != [None]


def test_numbers_meet_whatever_their_type():
    values = {"left_info": info("l_no", FieldType.INTEGER), "right_info": info("r_no", FieldType.TEXT)}
    rules = mapping(rule(1, "no", direction=Direction.TO_RIGHT, **values))
    left, right = keys(rules, Criterion(1), left=record(L, no=42), right=record(R, no="42"))
    assert left == right != [None]


def test_references_are_compared_through_couplings():
    rules = mapping(rule(1, "parent", reference=9), rule(2, "name"))
    matcher = Matcher(compile_rules(rules), [Criterion(1, Compare.EXACT), Criterion(2)])
    left, right = record(L, parent="l7", name="A"), record(R, parent="r7", name="A")
    wanted = matcher.references(L, [left])
    assert wanted == {(9, L, "l7")}
    assert matcher.references(R, [right]) == set()
    assert matcher.keys(L, left, {(9, L, "l7"): "r7"}) == matcher.keys(R, right, {})
    assert matcher.keys(L, left, {}) == [None], "what it refers to is not coupled"


def test_a_group_that_lost_a_field_is_not_tried():
    rules = mapping(rule(1, "name"), constant(2, "kind", '"x"'))
    assert Matcher(compile_rules(rules), [Criterion(1), Criterion(99), Criterion(1, group=3)]).groups == (3,)
    assert not Matcher(compile_rules(rules), [Criterion(2)])
    binary = rule(3, "logo", FieldType.BINARY)
    assert [may_compare(each) for each in compile_rules(mapping(*rules.fields, binary)).fields] == [
        True,
        False,
        False,
    ]


def test_a_few_more_fields_help_to_tell_candidates_apart():
    rules = mapping(*(rule(n, f"f{n}") for n in range(1, 8)))
    matcher = Matcher(compile_rules(rules), [Criterion(5)])
    assert matcher.fields(L) == ("l_f5", "l_f1", "l_f2", "l_f3")
    assert [each["rule"] for each in matcher.told()] == ["5", "1", "2", "3"]


def test_sensitive_values_are_not_shown():
    rules = mapping(rule(1, "name"), rule(2, "salary", sensitive=True))
    matcher = Matcher(compile_rules(rules), [Criterion(1), Criterion(2)])
    assert matcher.shown(L, record(L, name="A", salary="9"), str) == {"1": "A"}
