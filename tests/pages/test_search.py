"""Search: words and beginnings in keys, names and messages; pasted lists and what is not found; bad input."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from errors.services import keep_causes
from synccore.models import SynchJobError
from tests import factories as make
from ui.search import MOST_NUMBERS, Numbers, Words, read

COUPLED = reverse("coupling:coupled")
ENTRIES = reverse("errors:entries")
COUPLINGS = reverse("synccore:couplings")


def found(browser, text: str, where: str = COUPLED, tab: str = "all") -> list[str]:
    answer = browser.get(f"{where}?{urlencode({'tab': tab, 'q': text})}")
    assert answer.status_code == 200
    return sorted(re.sub(r"^C\d+ ", "", row.name) for row in answer.context["table"].row_list)


# --- what is a list and what are words -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("van dijk", Words(("van", "dijk"))),
        (" Van  DIJK & Zn. ", Words(("van", "dijk", "zn"))),
        ("C10023", Words(("c10023",))),
        ("Street 12", Words(("street", "12"))),
        ("C10023, C10024", Numbers(("c10023", "c10024"))),
        ("10023\r\n10024\r\n\r\n10023", Numbers(("10023", "10024"))),
        ("10023\t10024", Numbers(("10023", "10024"))),
        ("1896-S 1900-S", Numbers(("1896-s", "1900-s"))),
        ("BOX,PCS;SET", Numbers(("box", "pcs", "set"))),
        ("Dijk, van", Numbers(("dijk", "van"))),
        ("Van Dijk, Zonen", Words(("van", "dijk", "zonen"))),
        ("10023 10024, 10025", Numbers(("10023", "10024", "10025"))),
    ],
)
def test_lists_and_words_are_told_apart(text, meant):
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("&&& ...", "no word or number"),
        (" ".join(f"word{chr(97 + n)}" for n in range(21)), "21 words"),
        ("x" * 101, "more than 100 letters"),
        (" ".join(str(n) for n in range(MOST_NUMBERS + 1)), "1001 numbers"),
        (f"1,{'2' * 101}", "more than 100 characters"),
    ],
)
def test_what_cannot_be_searched_for_gets_a_sentence(text, said):
    with pytest.raises(ValidationError, match=said):
        read(text)


# --- words ---------------------------------------------------------------------------------------------


def test_whole_words_and_beginnings_anywhere_in_the_names_of_both_records(world, owner, as_user):
    browser = as_user(owner)
    for text in ("VAN", "dijk", "zonen", "zon", "van zonen", "Dijk & Zn.", "zn"):
        assert found(browser, text) == ["Van Dijk & Zn."], text
    for text in ("ijk", "zo", "van deerfield", "100%", "_an", "va_"):
        assert found(browser, text) == [], text


def test_a_number_is_found_by_its_beginning_in_either_case(world, owner, as_user):
    key = world.rejected.coupling.left_key
    assert found(as_user(owner), key.lower()) == ["Trey Research"]
    assert "Trey Research" in found(as_user(owner), key[:4])


def test_words_of_messages_lead_over_the_cause_to_every_row(world, owner, as_user):
    other = make.make_coupling(world.mapping, left_name="Other words")
    make.make_problem(other, fingerprint=world.rejected.fingerprint, app_message="said differently this time")
    keep_causes(SynchJobError.objects.all())
    browser = as_user(owner)
    assert found(browser, "varying") == ["Other words", "Trey Research"]
    assert found(browser, "vary character") == ["Other words", "Trey Research"]
    assert found(browser, "varying research") == ["Trey Research"]
    assert found(browser, "varying deerfield") == []
    assert found(browser, "varying", ENTRIES, "entries") == ["Trey Research"]


def test_words_of_our_own_titles_and_kinds_find_their_records(world, owner, as_user):
    assert found(as_user(owner), "changed both") == ["Van Dijk & Zn."]
    assert found(as_user(owner), "Value refused") == ["Trey Research"]


def test_the_old_wording_finds_a_conflict(world, owner, as_user):
    text = "Cannot update the Customer record because it has a later modified date than the Account record"
    assert found(as_user(owner), text) == ["Van Dijk & Zn."]


def test_search_never_shows_what_one_may_not_see(world, owner, administrator, as_user):
    assert found(as_user(owner), "salary") == []
    assert found(as_user(administrator), "salary") == ["Salary of the boss"]


def test_couplings_are_found_by_words_of_both_names(world, owner, as_user):
    key = world.in_sync.left_key
    rows = as_user(owner).get(f"{COUPLINGS}?q=contoso+company").context["table"].row_list
    assert [row.pk for row in rows] == [world.in_sync.pk]
    rows = as_user(owner).get(f"{COUPLINGS}?q={key.lower()}").context["table"].row_list
    assert [row.pk for row in rows] == [world.in_sync.pk]


@pytest.mark.parametrize(
    "text",
    [
        "'",
        "''",
        "a'b:*&|!(",
        "\\",
        "\\'",
        "<->",
        "!!!x",
        "O'Brien",
        "ab:*",
        "%",
        "😀 😀",
        "\u202e\u200f",
        "a\x01b",
        "((((",
    ],
)
def test_hostile_input_is_searched_for_or_told(world, owner, as_user, text):
    for where in (COUPLED, ENTRIES, COUPLINGS):
        assert as_user(owner).get(f"{where}?{urlencode({'q': text})}").status_code == 200


@pytest.mark.parametrize("text", ["\x00", "x" * 5000, "..."])
def test_what_is_not_searched_for_filters_to_nothing_and_says_why(world, owner, as_user, text):
    answer = as_user(owner).get(f"{COUPLED}?{urlencode({'tab': 'all', 'q': text})}")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


# --- pasted lists --------------------------------------------------------------------------------------


def numbers(*rows) -> list[str]:
    return [row.coupling.left_key for row in rows]


def test_a_pasted_list_shows_exactly_these_and_says_which_are_not_there(world, owner, as_user):
    mine = numbers(world.rejected, world.conflict)
    text = "\n".join([*mine, world.in_sync.left_key, world.secret.coupling.left_key, "X-99"])
    answer = as_user(owner).get(f"{COUPLED}?{urlencode({'tab': 'all', 'q': text})}")
    assert {row.pk for row in answer.context["table"].row_list} == {world.rejected.pk, world.conflict.pk}
    told = answer.context["pasted"]
    assert told.pasted == 5
    assert told.elsewhere == (world.in_sync.left_key,)
    assert told.unknown == (world.secret.coupling.left_key, "X-99")
    said = answer.content.decode()
    assert "3 of the 5 numbers are in no row of this list." in said
    assert "X-99" in said


def test_a_number_of_another_tab_is_known_but_not_here(world, owner, as_user):
    (key,) = numbers(world.waiting)
    answer = as_user(owner).get(f"{COUPLED}?{urlencode({'q': f'{key},{numbers(world.conflict)[0]}'})}")
    assert answer.context["pasted"].elsewhere == (key,)


def test_a_beginning_is_no_number_of_a_list(world, owner, as_user):
    key = numbers(world.rejected)[0]
    answer = as_user(owner).get(f"{COUPLED}?{urlencode({'tab': 'all', 'q': f'{key[:-1]}, {key}'})}")
    assert len(answer.context["table"].row_list) == 1
    assert answer.context["pasted"].unknown == (key[:-1],)


def test_all_found_says_so_and_the_pill_counts_them(world, owner, as_user):
    text = " ".join(numbers(world.rejected, world.conflict))
    answer = as_user(owner).get(f"{COUPLED}?{urlencode({'tab': 'all', 'q': text})}")
    assert "All 2 numbers are in this list." in answer.content.decode()
    assert answer.context["pills"][0].value == "2 numbers"


def test_a_thousand_numbers_in_five_questions(world, owner, as_user, monkeypatch):
    monkeypatch.setattr("coupling.views.CoupledPage.page_size", 2)
    text = " ".join([*numbers(world.rejected, world.conflict), *(f"Z{n:05}" for n in range(998))])
    browser = as_user(owner)
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(f"{COUPLED}?{urlencode({'tab': 'all', 'q': text})}")
    assert len(answer.context["pasted"].unknown) == 998
    own = [each for each in captured if not re.search(r'FROM "(django_session|auth_)', each["sql"])]
    assert len(own) <= 6, [each["sql"][:100] for each in own]


def test_an_action_on_all_that_match_means_the_search_too(world, owner, as_user):
    from synccore.models import Problem

    as_user(owner).post(f"{COUPLED}?tab=all&q=trey", {"retry": "selected", "all": "1"})
    assert list(Problem.objects.exclude(requested_at=None)) == [world.rejected]
