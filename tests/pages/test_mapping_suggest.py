"""The page *Suggest field mappings*: what it shows, one press, and who may press."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from synccore.models import AppTable, SynchJob, TableMapping
from synccore.models.catalogue import store_catalogue
from synccore.services import mappings
from synccore.shapes import FieldInfo, FieldType
from tests import factories as make
from tests.memory.test_suggesting import field, mapping_of, table

from .test_actions import said

pytestmark = pytest.mark.django_db

HOSTILE = "<b>x</b>&'\""


@pytest.fixture(autouse=True)
def no_bell(monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


@pytest.fixture
def person():
    return make.make_user("Administrator", username="anna")


@pytest.fixture
def browser(as_user, person):
    return as_user(person)


@pytest.fixture
def mapping() -> TableMapping:
    """Five pairs: one fits, one is too long, one of another type, one that flows one way, one of similar words."""
    return mapping_of(
        [
            field("city", label="City"),
            field("name", length=50),
            field("limit", label="Limit"),
            field("code", read_only=True),
            field("phone"),
        ],
        [
            field("new_city", label="Town"),
            field("name", length=30, required=True),
            field("Limit", FieldType.DECIMAL),
            field("code"),
            field("telephone1"),
        ],
    )


def where(mapping: TableMapping) -> str:
    return reverse("synccore:suggest_fields", args=[mapping.pk])


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def ticked(answer) -> list[str]:
    return [row.key for row in answer.context["rows"] if row.ticked]


def test_it_shows_what_looks_like_one_and_why(browser, mapping):
    answer = browser.get(where(mapping))
    assert [(row.key, row.why, row.ticked) for row in answer.context["rows"]] == [
        ("name = name", "same name", True),
        ("limit = Limit", "same name", False),
        ("code = code", "same name", True),
        ("city = new_city", "same name but for its beginning", True),
        ("phone = telephone1", "similar name: look closely", False),
    ]
    text = text_of(answer)
    assert "5 suggestions, 3 ticked" in text and "Town" in text
    assert "name in" in text and "takes 30 characters; name may hold 50. Longer values are refused." in text
    assert "Limit is of another type" in text
    assert "lack a value" not in text, "the field that new records need is ticked"
    assert not SynchJob.objects.exists() and not mapping.field_mappings.exists()


def test_what_new_records_would_lack_follows_the_ticks(browser, mapping):
    answer = browser.post(where(mapping), {"do": "none", "key": ["name = name"]})
    assert ticked(answer) == [] and not mapping.field_mappings.exists()
    # Nothing is mapped, so nothing is created either; with one other field, the name is missing.
    answer = browser.post(where(mapping), {"do": "all", "key": ["city = new_city"], "way-0": "both"})
    assert ticked(answer) == ["city = new_city"]
    assert "New records of accounts lack a value" in text_of(answer)


def test_one_press_maps_the_ticked_and_a_second_changes_nothing(browser, mapping):
    sent = {
        "key": ["name = name", "limit = Limit", "code = code", "city = new_city"],
        "map": ["name = name", "code = code", "city = new_city"],
        "way-0": "to_right",
        "way-3": "sideways",
    }
    answer = browser.post(where(mapping), sent, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("synccore:mapping", args=[mapping.pk])
    assert said(answer) == "3 fields are mapped."
    rows = mapping.field_mappings.order_by("position").values_list("left_field", "right_field", "direction")
    assert list(rows) == [
        ("name", "name", "to_right"), ("code", "code", "to_right"), ("city", "new_city", "both"),
    ]  # fmt: skip
    before = mappings.revision_of(mapping)
    again = browser.post(where(mapping), sent, follow=True)
    assert "3 of them were mapped already, or are no suggestions any more; they were left out." in said(again)
    assert mappings.revision_of(mapping) == before
    left = browser.get(where(mapping))
    assert [row.key for row in left.context["rows"]] == ["limit = Limit", "phone = telephone1"]


def test_all_and_none_and_the_direction_that_was_chosen_stay(browser, mapping):
    keys = [row.key for row in browser.get(where(mapping)).context["rows"]]
    answer = browser.post(where(mapping), {"do": "all", "key": keys, "way-0": "to_left"})
    assert ticked(answer) == keys
    assert answer.context["rows"][0].way == "to_left"
    assert "takes 30 characters" not in text_of(answer), "nothing flows there"
    assert ticked(browser.post(where(mapping), {"do": "none", "key": keys})) == []


def test_what_is_too_long_is_cut_where_it_is_ticked(browser, mapping):
    keys = [row.key for row in browser.get(where(mapping)).context["rows"]]
    assert text_of(browser.get(where(mapping))).count('name="cut"') == 1
    shown = browser.post(where(mapping), {"do": "all", "key": keys, "cut": ["name = name", "limit = Limit"]})
    text = text_of(shown)
    assert "cut to 30 on the way to" in text and "takes 30 characters" not in text
    assert 'name="cut" value="name = name" checked' in text
    browser.post(where(mapping), {"map": ["name = name"], "cut": ["name = name"]})
    row = mapping.field_mappings.get()
    assert row.to_right == [{"name": "cut", "params": {"length": 30}}] and row.accepted


def test_a_press_without_a_tick_is_told(browser, mapping):
    answer = browser.post(where(mapping), {"key": ["city = new_city"]})
    assert answer.status_code == 422 and "Tick what is to be mapped." in text_of(answer)
    assert ticked(answer) == [] and not mapping.field_mappings.exists()


@pytest.mark.parametrize(
    "sent",
    [
        {"map": ["nothing = nothing"]},
        {"map": [HOSTILE], "key": [HOSTILE], "way-0": HOSTILE},
        {"map": ["id = id", "modified_at = modified_at"]},
        {"map": ["city = name"]},
        {"map": ["\x00"]},
    ],
)
def test_what_was_never_suggested_is_not_mapped(browser, mapping, sent):
    answer = browser.post(where(mapping), sent, follow=True)
    assert "is no suggestion any more" in said(answer) or "are no suggestions any more" in said(answer)
    assert not mapping.field_mappings.exists()


def test_nothing_to_suggest_says_so(browser):
    nothing = mapping_of([field("city")], [field("weight", FieldType.DECIMAL)])
    assert "No fields of these two tables look like one." in text_of(browser.get(where(nothing)))
    one = mapping_of([field("city")], [field("city")])
    browser.post(where(one), {"map": ["city = city"]})
    assert "There is nothing more to suggest." in text_of(browser.get(where(one)))


def test_tables_that_were_not_read_are_read_from_here(browser, mapping):
    AppTable.objects.filter(connection=mapping.integration.right).delete()
    text = text_of(browser.get(where(mapping)))
    assert f"The table accounts of {mapping.integration.right} was not read yet." in text
    browser.post(where(mapping), {"do": "read"}, follow=True)
    assert SynchJob.objects.filter(verb="describe").count() == 2
    assert "Being read:" in text_of(browser.get(where(mapping)))


def test_a_table_that_is_gone_is_named(browser, mapping):
    store_catalogue(mapping.integration.right, {"other": table("other")}, timezone.now())
    text = text_of(browser.get(where(mapping)))
    assert "had no table accounts when its tables were last read." in text


def test_names_and_labels_are_data(browser):
    hostile = mapping_of([field(HOSTILE, label=HOSTILE)], [field(HOSTILE, label="%s {x}")])
    answer = browser.get(where(hostile))
    text = answer.content.decode()
    assert HOSTILE not in text and "&lt;b&gt;x&lt;/b&gt;" in text and "%s {x}" in text
    browser.post(where(hostile), {"map": [answer.context["rows"][0].key]})
    assert hostile.field_mappings.get().left_field == HOSTILE


@pytest.mark.parametrize("role", ["Record owner", "Viewer", ""])
def test_only_who_sets_up_sees_and_presses_it(as_user, mapping, role):
    other = as_user(make.make_user(role))
    assert other.get(where(mapping)).status_code == 403
    assert other.post(where(mapping), {"map": ["city = new_city"]}).status_code == 403
    assert not mapping.field_mappings.exists()


def test_two_hundred_are_one_page_of_no_more_questions(browser):
    def shown(n: int):
        many = [FieldInfo(f"field_{i}", FieldType.TEXT, length=20, label=f"Field {i}") for i in range(n)]
        wide = mapping_of(many, many)
        with CaptureQueriesContext(connection) as asked:
            answer = browser.get(where(wide))
        return wide, answer, len(asked)

    _two, _answer, few = shown(2)
    wide, answer, asked = shown(200)
    assert asked == few
    assert len(answer.context["rows"]) == 200 and len(answer.content) < 600_000
    browser.post(where(wide), {"map": [row.key for row in answer.context["rows"]]})
    assert wide.field_mappings.count() == 200


def test_the_pages_of_a_mapping_lead_there(browser, mapping):
    for page in ("mapping", "mapping_fields"):
        answer = browser.get(reverse(f"synccore:{page}", args=[mapping.pk]))
        assert f'href="{where(mapping)}"' in answer.content.decode()
