"""The set-up checks as a page shows them: by subject, what needs somebody first, since when, and where to change it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore.guides.check_subjects import SUBJECTS, subject_of
from synccore.guides.checks import CHECKS
from synccore.models import Connection, SetupCheck
from synccore.views.checks import checks_of
from tests import factories as make


@pytest.fixture
def app(db) -> Connection:
    return make.make_connection("Books")


def store(app: Connection, code: str, state: str, mapping=None, *, days: float = 0, **params) -> SetupCheck:
    now = timezone.now()
    return SetupCheck.objects.create(
        connection=app, mapping=mapping, code=code, state=state, params=params, at=now,
        since=now - timedelta(days=days),
    )  # fmt: skip


def page(app: Connection, browser) -> str:
    return browser.get(reverse("synccore:connection", args=[app.pk])).content.decode()


@pytest.fixture
def browser(db, as_user):
    return as_user(make.make_user("Administrator", username="anna"))


def test_every_check_has_a_subject_with_a_heading():
    for code in CHECKS:
        assert str(SUBJECTS[subject_of(code)])
    assert subject_of("something new") == "service"


def test_the_worst_subject_comes_first_and_what_passed_is_counted(app):
    mapping = make.make_mapping("Items", integration=make.make_integration(left=app))
    for code, state in (
        ("signs_in", "pass"),
        ("address", "pass"),
        ("clock", "warn"),
        ("not_owner", "unknown"),
    ):
        store(app, code, state)
    store(app, "fields", "pass", mapping, table="item")
    store(app, "compatible", "fail", mapping, table="item", field=["name"])
    found = checks_of(app)
    assert [(group.subject, len(group.rows), len(group.passed)) for group in found.groups] == [
        ("tables", 1, 1), ("service", 1, 0), ("account", 1, 0), ("connection", 0, 2),
    ]  # fmt: skip
    assert [each.word for each in found.summary] == [
        "1 failed", "1 warning", "1 could not be checked", "3 passed",
    ]  # fmt: skip
    assert found.failed == 1


def test_a_check_that_could_not_be_made_is_no_pass(app, browser):
    store(app, "signs_in", "pass")
    store(app, "not_superuser", "unknown")
    assert "1 could not be checked" in page(app, browser)


def test_since_when_it_stands_so_is_said_of_what_needs_somebody(app, browser):
    store(app, "signs_in", "pass", days=9)
    store(app, "clock", "warn", days=3, skew="+14.00", uncertainty="0.10")
    text = page(app, browser)
    stood, passed = (SetupCheck.objects.get(code=code).since.isoformat() for code in ("clock", "signs_in"))
    assert f'since <time datetime="{stood}"' in text
    assert passed not in text


def test_what_was_found_the_first_time_has_no_since(app):
    row = store(app, "clock", "warn")
    SetupCheck.objects.filter(pk=row.pk).update(since=row.at)
    assert checks_of(app).groups[0].rows[0].since is None


@pytest.mark.parametrize(
    ("code", "name", "of_mapping"),
    [("compatible", "mapping_fields", True), ("table", "edit_mapping", True), ("currencies", "currencies", False),
     ("address", "edit_connection", False), ("signs_in", "credentials", False)],
)  # fmt: skip
def test_what_an_administrator_can_change_is_one_click_away(app, browser, code, name, of_mapping):
    mapping = make.make_mapping("Items", integration=make.make_integration(left=app))
    store(app, code, "fail", mapping if of_mapping else None, table="item")
    where = reverse(f"synccore:{name}", args=[mapping.pk if of_mapping else app.pk])
    assert f'href="{where}"' in page(app, browser)
    SetupCheck.objects.update(state="pass")
    assert f'<a href="{where}">' not in page(app, browser).split("Options</h2>")[0]


def test_what_could_not_be_made_for_a_reason_that_is_said_already_is_named_there(app, browser):
    reason = {
        "failure": "host_unknown",
        "kind": "misconfigured",
        "facts": {"host": "erp.example"},
        "said": "no such host",
    }
    mapping = make.make_mapping("Items", integration=make.make_integration(left=app))
    store(app, "address", "fail", **reason)
    for code in ("signs_in", "clock"):
        store(app, code, "unknown", **reason)
    store(app, "privileges", "unknown", mapping, table="item", **reason)
    store(app, "not_superuser", "unknown")
    found = checks_of(app)
    assert [[row.code for row in group.rows] for group in found.groups] == [["address"], ["not_superuser"]]
    assert found.groups[0].rows[0].also == ["Sign-in", "Clock", "Rights on item (Items)"]
    text = page(app, browser)
    assert "3 more checks could not be made because of it: Sign-in, Clock, Rights on item (Items)." in text
    assert text.count("no such host") == 1
    assert "4 could not be checked" in text, "they are counted all the same"


def test_what_an_app_never_tells_says_how_a_person_finds_it_out(app, browser):
    store(app, "not_superuser", "unknown", user="TANDEM")
    text = page(app, browser)
    assert "Books does not tell which rights TANDEM has." in text
    assert "Look in Books at the roles or permission sets of TANDEM" in text
    assert "Who can do it: Whoever runs Books" in text
    SetupCheck.objects.all().delete()
    store(app, "quota_left", "unknown")
    assert "Who can do it" not in page(app, browser), "there is nothing to do"


def test_every_guide_says_each_outcome_without_a_gap(app):
    facts = {"table": "item", "field": ["name"], "user": "tandem", "other": "CRM", "base": "EUR", "other_base": "USD",
             "currency": ["NOK"], "skew": "+1", "uncertainty": "0.1", "until": "2027", "days": 3, "tables": "item",
             "privilege": "UPDATE", "was": "text", "now": "number", "address": "https://x.example"}  # fmt: skip
    for code in CHECKS:
        for state in SetupCheck.State.values:
            SetupCheck.objects.all().delete()
            store(app, code, state, **facts)
            [group] = checks_of(app).groups
            [row] = [*group.rows, *group.passed]
            assert row.title and row.sentence, (code, state)


def test_the_list_of_connections_costs_the_same_for_many_as_for_one(browser, django_assert_max_num_queries):
    for n in range(12):
        store(make.make_connection(f"App {n}"), "clock", "fail")
    with django_assert_max_num_queries(12):
        assert browser.get(reverse("synccore:connections")).status_code == 200
