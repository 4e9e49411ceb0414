"""The CSV file of a list: all that match, as the list is scoped, sent in pieces, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from synccore.models import Coupling, Problem
from tests import factories as make
from ui.export import cell

COUPLED = reverse("coupling:coupled")
LISTS = [
    "coupling:coupled",
    "coupling:skipped",
    "errors:entries",
    "synccore:jobs",
    "synccore:queue",
    "synccore:couplings",
]


def rows(answer) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_file_holds_all_that_match_in_the_order_of_the_list(world, owner, as_user, monkeypatch):
    monkeypatch.setattr("coupling.views.CoupledPage.page_size", 2)
    monkeypatch.setattr("ui.views.CHUNK", 2)
    found = rows(as_user(owner).get(f"{COUPLED}?tab=all&sort=name&format=csv"))
    names = [row["Record"].split(" ", 1)[1] for row in found]
    assert names == ["Adatum", "Deerfield", "Desk", "Relecloud", "Trey Research", "Van Dijk & Zn."]
    assert found[0]["Kind"] == "Error in Tandem"
    assert "long " * 120 in found[4]["Message"]
    assert found[4]["Said by"] == "CRM answered:"


def test_filter_and_tab_hold(world, owner, as_user):
    assert len(rows(as_user(owner).get(f"{COUPLED}?format=csv"))) == 3
    assert [row["Kind"] for row in rows(as_user(owner).get(f"{COUPLED}?tab=all&kind=bug&format=csv"))] == [
        "Error in Tandem"
    ]
    assert len(rows(as_user(owner).get(f"{COUPLED}?tab=all&q=trey&format=csv"))) == 1


def test_nobody_takes_away_what_he_may_not_see(world, owner, as_user, client):
    assert b"Salary" not in b"".join(as_user(owner).get(f"{COUPLED}?tab=all&format=csv").streaming_content)
    assert as_user(make.make_user()).get(f"{COUPLED}?format=csv").status_code == 403
    assert client.get(f"{COUPLED}?format=csv").status_code == 302


def test_it_is_sent_while_it_is_read(world, owner, as_user, monkeypatch):
    monkeypatch.setattr("ui.views.CHUNK", 2)
    answer = as_user(owner).get(f"{COUPLED}?tab=all&sort=name&format=csv")
    assert answer.streaming
    pieces = iter(answer.streaming_content)
    assert next(pieces).decode().startswith("\ufeffMapping,")
    with CaptureQueriesContext(connection) as captured:
        first = next(pieces).decode()
    assert first.count("\r\n") == 2
    assert len([each for each in captured if "synccore_problem" in each["sql"]]) == 1
    # A row that moves to the end meanwhile is not missed, one that leaves does no harm.
    Problem.objects.filter(pk=world.rejected.pk).update(name="zz")
    Problem.objects.filter(pk=world.waiting.pk).update(
        state="ended", ending="fixed", ended_at=world.waiting.since
    )
    rest = b"".join(pieces).decode()
    assert "Trey Research" in rest
    assert "Desk" not in rest


def test_the_name_of_the_file_is_safe_and_says_what_it_is(world, owner, as_user):
    answer = as_user(owner).get(f"{COUPLED}?tab=with_the_administrator&format=csv")
    assert answer["Content-Disposition"].startswith(
        'attachment; filename="tandem-coupled-with-the-administrator-2'
    )
    assert answer["Content-Type"] == "text/csv; charset=utf-8"


def test_words_are_in_the_readers_language(world, owner, as_user):
    browser = as_user(owner)
    answer = browser.get(f"{COUPLED}?tab=all&kind=bug&format=csv", headers={"accept-language": "nl"})
    browser.get(COUPLED, headers={"accept-language": "en"})  # another request on the same thread
    assert rows(answer)[0].get("Soort") == "Fout in Tandem"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1", "  =cmd|' /C calc'!A0"]
)
def test_text_is_never_a_formula(text):
    assert cell(text) == f"'{text}"


def test_other_values_stay_what_they_are():
    assert [cell(value) for value in (-5, 2.5, "a=b", None, "")] == [-5, 2.5, "a=b", "", ""]


def test_a_name_of_an_app_is_no_formula_in_the_file(world, owner, as_user):
    Coupling.objects.filter(pk=world.rejected.coupling_id).update(left_key="", left_name="=HYPERLINK(1)")
    found = rows(as_user(owner).get(f"{COUPLED}?tab=all&kind=rejected&format=csv"))
    assert found[0]["Record"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("name", LISTS)
def test_every_list_has_its_file(world, administrator, as_user, name):
    where = reverse(name)
    browser = as_user(administrator)
    assert "format=csv" in browser.get(where + "?tab=all").content.decode()
    assert rows(browser.get(f"{where}?format=csv"))
