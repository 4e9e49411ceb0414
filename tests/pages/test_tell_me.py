"""*Tell Me*: everything is found by what people call it, in three languages; rights and scope hold."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from synccore.models import Coupling
from synccore.models.scoping import GrantLevel
from tandem.tell_me.find import ENTRIES, find
from tandem.tell_me.match import Phrase, Typed
from tests import factories as make
from tests.glossary import FOUND, OLD_NAMES, WORDINGS

pytestmark = pytest.mark.django_db
WHERE = reverse("tell_me")


def labels(answer, group: str = "") -> list[str]:
    return [hit.label for found in answer.groups if group in ("", found.name) for hit in found.hits]


@pytest.fixture
def anna(administrator):
    return administrator


@pytest.mark.parametrize("language", ["en", "nl", "nb"])
def test_every_caption_is_found_in_every_language(anna, language):
    """Whatever the reader's own language: first of all is an entry that is called exactly so."""
    wrong = []
    with translation.override(language):
        for caption in sorted({each for row in FOUND for each in row}):
            called = {entry.label for entry in ENTRIES if _is_called(entry, caption)}
            answer = find(caption, anna)
            groups = [group for group in answer.groups if group.name in ("pages", "actions")]
            if not groups or answer.read_as or groups[0].hits[0].label not in called:
                wrong.append(caption)
    assert not wrong


def _is_called(entry, caption: str) -> bool:
    return any(phrase.joined == Phrase(caption).joined for phrase in entry.phrases)


@pytest.mark.parametrize(("typed", "caption"), OLD_NAMES)
def test_old_names_lead_to_what_it_is_called_now(anna, typed, caption):
    answer = find(typed, anna)
    hit = next(each for group in answer.groups for each in group.hits)
    assert hit.label == caption
    assert hit.known_as == typed


@pytest.mark.parametrize(("message", "caption"), WORDINGS)
def test_a_pasted_message_leads_to_what_it_is_about(anna, message, caption):
    assert labels(find(message, anna))[0] == caption


@pytest.mark.parametrize(
    ("typed", "caption"),
    [
        ("synchronise", "Synchronize"),
        ("coupled data synchronisation errors", "Coupled Data Synchronization Errors"),
        ("SYNCHRONISATION LOG", "Synchronization Log"),
        ("sok etter slettede", "Find for Deleted"),
        ("in een app verwijderd", "Deleted in one app"),
        ("how do I delete all entries", "Delete All Entries"),
        ("errors coupled", "Coupled Data Synchronization Errors"),
        ("queu", "Job Queue Entries"),
    ],
)
def test_spelling_case_accents_and_order_do_not_matter(anna, typed, caption):
    assert caption in labels(find(typed, anna))[:2]


def test_a_mistyped_word_is_read_as_the_one_most_like_it_and_says_so(anna):
    answer = find("conection setpu", anna)
    assert labels(answer)[0] == "Connection Setup"
    assert answer.read_as == "connection setup"
    assert find("xyzzy plugh", anna).n == 0


def test_captions_are_shown_in_the_readers_language_with_the_name_that_was_typed(anna):
    with translation.override("nl"):
        [hit, *_rest] = [each for group in find("Slett kobling", anna).groups for each in group.hits]
    assert (hit.label, hit.known_as) == ("Koppeling verwijderen", "Slett kobling")


# --- what one may and may not ------------------------------------------------------------------------------------


def test_what_one_may_not_do_is_shown_without_a_link_and_with_who_may(viewer, administrator):
    [hit, *_others] = [each for group in find("Remove Coupling", viewer).groups for each in group.hits]
    assert hit.url == ""
    assert "You may not do this. These groups may: Administrator, Record owner." in hit.more
    [hit, *_others] = [each for group in find("Remove Coupling", administrator).groups for each in group.hits]
    assert hit.url == reverse("synccore:couplings")


def test_every_entry_leads_to_a_page_that_opens(world, administrator, as_user):
    browser = as_user(administrator)
    for entry in ENTRIES:
        assert browser.get(entry.url).status_code == 200, entry.url


def test_somebody_without_a_role_is_told_who_can_help(world, as_user):
    answer = as_user(make.make_user()).get(WHERE)
    assert answer.status_code == 403 and "This needs the right" in answer.content.decode()


# --- records, mappings, jobs -------------------------------------------------------------------------------------


def test_a_record_is_found_by_the_beginning_of_number_or_name_on_either_side(world, owner):
    pair = make.make_coupling(
        world.mapping, left_key="10023", left_name="Van Dam", right_key="A-77", right_name="Østby AS"
    )
    for typed in ("10023", "1002", "van da", "a-77", "Østby", "Customer 10023"):
        assert labels(find(typed, owner), "records") == [str(pair)], typed
    assert labels(find("am", owner), "records") == []


def test_a_number_in_full_stands_before_longer_ones(world, owner):
    for key in ("100234", "10023", "100235"):
        make.make_coupling(world.mapping, left_key=key, left_name="")
    found = find("10023", owner)
    assert found.groups[0].name == "records"
    assert labels(found)[0].startswith("10023 ")


def test_records_say_how_they_are(world, owner):
    hits = {hit.label: hit.more for hit in find("van dijk", owner).groups[0].hits}
    assert list(hits.values()) == ["Customer · Skipped"]
    assert next(iter(find("contoso", owner).groups[0].hits)).more == "Customer · In sync"


def test_nobody_finds_what_he_may_not_see(world, owner, administrator):
    assert "records" in [group.name for group in find("salary", administrator).groups]
    assert find("salary", owner).n == 0
    assert labels(find("payroll", owner), "mappings") == []
    assert labels(find("payroll", administrator), "mappings") == ["Payroll"]
    hidden = make.make_job(world.hidden)
    assert labels(find(f"job {hidden.pk}", owner), "jobs") == []


def test_a_job_is_found_by_its_number_in_each_language(world, owner):
    for typed in (f"job {world.job.pk}", f"taak {world.job.pk}", f"jobb #{world.job.pk}", str(world.job.pk)):
        assert labels(find(typed, owner), "jobs") == [f"Job {world.job.pk}"]


def test_at_most_eight_records_and_few_questions_however_many_there_are(world, viewer):
    make_many = [
        Coupling(
            mapping=world.mapping,
            left_id=f"n{n}",
            right_id=f"m{n}",
            left_key=f"K{n:05}",
            left_name=f"Firm {n}",
        )
        for n in range(500)
    ]
    Coupling.objects.bulk_create(make_many)
    viewer = type(viewer).objects.get(pk=viewer.pk)
    with CaptureQueriesContext(connection) as captured:
        answer = find("firm", viewer)
    assert len(labels(answer, "records")) == 8
    own = [each["sql"] for each in captured if not re.search(r'FROM "auth_permission"', each["sql"])]
    assert len(own) <= 5, "\n".join(own)


def test_rights_on_an_ended_or_removed_pair(world, owner):
    make.make_coupling(world.mapping, left_name="Gone Ltd", ended_at=make.NOON)
    make.make_coupling(world.mapping, left_name="Gone Too", removed_at=make.NOON)
    hits = [hit for group in find("gone", owner).groups for hit in group.hits]
    assert [hit.more for hit in hits] == ["Customer · Removed"]


# --- the page ----------------------------------------------------------------------------------------------------


def test_it_is_a_page_without_javascript(world, owner, as_user):
    answer = as_user(owner).get(WHERE, {"q": "van dijk"})
    text = answer.content.decode()
    assert 'value="van dijk"' in text and "Van Dijk &amp; Zn." in text and text.count("<h1") == 1


def test_the_dialog_gets_the_answer_alone(world, owner, as_user):
    answer = as_user(owner).get(WHERE, {"q": "retry"}, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert "<html" not in text and "data-hit" in text


@pytest.mark.parametrize(
    "typed",
    ["<script>alert(1)</script>", "%", "\\", "'; DROP TABLE--", "\x00", "_" * 600, "שלום", "🙂", " , ; "],
)
def test_nonsense_finds_nothing_and_breaks_nothing(world, owner, as_user, typed):
    answer = as_user(owner).get(WHERE, {"q": typed})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


def test_words_of_a_question_that_name_nothing_are_left_out():
    assert Typed("how do I retry").words == ("retry",)
    assert Typed("de").words == ("de",)


def test_a_grant_taken_away_hides_the_records_at_once(world, owner):
    assert find("contoso", owner).n == 1
    owner.groups.get(name="Grants of otto").mapping_grants.filter(level=GrantLevel.RESOLVE).delete()
    assert find("contoso", type(owner).objects.get(pk=owner.pk)).n == 0
