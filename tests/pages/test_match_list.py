"""The records of a look as a list: tabs, search, pages, file, the row beside it, choices, and what came of each."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from synccore.models import Coupling, MatchChoice, MatchRecord, Problem, SynchJob
from synccore.services.match_found import records_of
from synccore.shapes import Side
from synccore.views.match_records import MatchRecordsPage, of_tab
from tests import factories as make
from tests.jobs.helpers import new, work
from tests.jobs.test_match import both, couple, criteria, look

from .test_export import rows as csv_rows
from .test_list_panel import PART, panel_of
from .test_mappings import apps, browser, person  # noqa: F401
from .test_match import no_bell, page, several, text_of  # noqa: F401

L, R = Side.LEFT, Side.RIGHT


def here(apps, query: str = "") -> str:
    return page("match_records", apps.mapping.pk) + query


def names(answer) -> list[str]:
    return [row.title for row in answer.context["table"].row_list]


def tabs(answer) -> dict[str, int]:
    return {each.tab.name: each.count.n for each in answer.context["tabs"]}


def row_of(job: SynchJob, key: str, side: Side = L) -> MatchRecord:
    return MatchRecord.objects.get(job=job, side=side.value, key=key)


def beside(browser, where: str) -> str:
    """What the row beside the list says."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", panel_of(browser.get(where).content.decode())))


# --- tabs, search, pages ---------------------------------------------------------------------------------------------


def test_what_needs_a_person_comes_first_and_a_pair_stands_there_once(apps, browser):
    several(apps)
    look(apps)
    found = browser.get(here(apps))
    assert found.context["tab"].name == "several"
    assert names(found) == ["S Jansen", "S1 Jansen", "S2 Jansen"]
    assert tabs(found) == {"several": 3, "one": 1, "none": 1, "all": 5}
    one = browser.get(here(apps, "?tab=one"))
    assert names(one) == ["1 Alpha & Co"]
    (row,) = one.context["table"].row_list
    assert (row.other, row.state.word, row.compared) == ("R1 Alpha & Co", "One match", "name: Alpha & Co")
    assert names(browser.get(here(apps, "?tab=one&side=right"))) == ["R1 Alpha & Co"]
    assert names(browser.get(here(apps, "?tab=all"))) == [
        "1 Alpha & Co", "S Jansen", "N <b>Nobody</b>", "S1 Jansen", "S2 Jansen",
    ]  # fmt: skip
    assert "&lt;b&gt;Nobody&lt;/b&gt;" in browser.get(here(apps, "?tab=none")).content.decode()


def test_the_tabs_of_the_list_have_the_numbers_of_the_preview(apps, browser):
    several(apps)
    removed, _right = both(apps, "9", name="Apart")
    Coupling.objects.create(
        mapping=apps.mapping,
        left_id=removed,
        right_id=_right,
        removed_at=timezone.now(),
    )
    left, right = both(apps, "8", name="Together")
    Coupling.objects.create(
        mapping=apps.mapping,
        left_id=left,
        left_key="8",
        right_id=right,
        right_key="R8",
        right_name="Together",
    )
    look(apps)
    preview = browser.get(page("match", apps.mapping.pk))
    for each in preview.context["lines"]:
        for _app, n, url in each.numbers:
            assert len(names(browser.get(url))) == n, url
    for _word, numbers in preview.context["not_asked"]:
        for said, url in numbers:
            assert said.startswith("1 in ") and len(names(browser.get(url))) == 1
    assert {"already", "set_aside"} <= set(tabs(browser.get(here(apps))))
    (row, _other) = browser.get(here(apps, "?tab=already")).context["table"].row_list
    assert (row.other, row.state.word, row.pair_url != "") == ("R8 Together", "Coupled already", True)


def test_words_and_pasted_numbers_are_found(apps, browser):
    for n in range(5):
        new(apps, f"N{n}", name=f"Firm {n}")
    criteria(apps, ("name",))
    look(apps)
    assert names(browser.get(here(apps, "?tab=none&q=n4"))) == ["N4 Firm 4"]
    assert names(browser.get(here(apps, "?tab=none&q=firm+3"))) == ["N3 Firm 3"]
    assert names(browser.get(here(apps, "?tab=none&q=irm"))) == [], "words are found by their beginning"
    pasted = browser.get(here(apps, "?tab=none&q=N1,n3,zz9"))
    assert names(pasted) == ["N1 Firm 1", "N3 Firm 3"]
    assert "1 of the 3 numbers is in no row of this list." in text_of(pasted) and "zz9" in text_of(pasted)
    elsewhere = browser.get(here(apps, "?tab=one&q=N1,n3"))
    assert "Known, but not in this tab with these filters:" in text_of(elsewhere)
    assert "Nothing here matches the filters." in text_of(browser.get(here(apps, "?tab=none&side=right")))
    assert "filters nothing" in text_of(browser.get(here(apps, "?tab=none&side=x")))
    assert names(browser.get(here(apps, "?tab=none&q=%25_%5C(*"))) == []


def test_pages_go_on_where_the_last_one_ended(apps, browser, monkeypatch):
    for n in range(5):
        new(apps, f"N{n}", name=f"Firm {n}")
    criteria(apps, ("name",))
    look(apps)
    monkeypatch.setattr("synccore.views.match_records.MatchRecordsPage.page_size", 2)
    first = browser.get(here(apps, "?tab=none"))
    assert names(first) == ["N0 Firm 0", "N1 Firm 1"]
    second = browser.get(here(apps, first.context["pager"]["older"]))
    assert names(second) == ["N2 Firm 2", "N3 Firm 3"]
    assert names(browser.get(here(apps, second.context["pager"]["last"]))) == ["N3 Firm 3", "N4 Firm 4"]
    assert names(browser.get(here(apps, second.context["pager"]["newer"]))) == ["N0 Firm 0", "N1 Firm 1"]


def test_nobody_has_looked_yet(apps, browser):
    other = make.make_mapping(integration=apps.integration)
    answer = browser.get(page("match_records", other.pk) + "?tab=all&open=1&format=html")
    assert "Nobody has looked yet." in text_of(answer)
    assert len(csv_rows(browser.get(page("match_records", other.pk) + "?format=csv"))) == 0


@pytest.mark.parametrize("many", [0, 1, 60])
def test_it_asks_five_times_whatever_it_holds(apps, browser, many):
    for n in range(many):
        both(apps, f"P{n}", name=f"Pair {n}")
        new(apps, f"S{n}", name=f"Twice {n}")
        for twin in "AB":
            new(apps, f"S{n}{twin}", R, name=f"Twice {n}")
    criteria(apps, ("name",), create_left=True)
    job = look(apps)
    queries = ["", "?tab=all", "?tab=one&side=left", "?tab=several&q=twice"]
    for query in queries if not many else [*queries, f"?tab=several&open={row_of(job, 'S0').pk}"]:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(here(apps, query)).status_code == 200
        own = [
            each["sql"]
            for each in captured
            if not re.search(r'FROM "(django_session|auth_user|auth_permission|auth_group)"', each["sql"])
        ]
        assert len(own) <= (8 if "open=" in query else 5), "\n".join(own)


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_file_says_what_the_list_says(apps, browser):
    several(apps)
    new(apps, "F", name="=1+1")
    look(apps)
    found = csv_rows(browser.get(here(apps, "?tab=all&format=csv")))
    assert [row["Number"] for row in found] == ["1", "S", "N", "F", "S1", "S2"]
    pair = found[0]
    assert (pair["App"], pair["Goes with, app"]) == (apps.integration.left.name, apps.integration.right.name)
    assert (pair["Outcome"], pair["Goes with"]) == ("One match", "R1 Alpha & Co")
    assert found[1]["Outcome"] == "Several match" and found[1]["Goes with"] == ""
    assert found[3]["Name"] == "'=1+1"
    assert [
        row["Number"] for row in csv_rows(browser.get(here(apps, "?tab=several&side=right&format=csv")))
    ] == ["S1", "S2"]


def test_sensitive_values_stand_nowhere(apps, browser):
    several(apps)
    apps.mapping.field_mappings.filter(left_field="name").update(sensitive=True)
    job = look(apps)
    panel = beside(browser, here(apps, f"?open={row_of(job, 'S').pk}"))
    assert "•••" in panel
    for row in csv_rows(browser.get(here(apps, "?tab=all&format=csv"))):
        assert row["Compared"] == "name: •••"


# --- the row beside the list -----------------------------------------------------------------------------------------


def test_a_pair_stands_side_by_side_with_what_made_the_match(apps, browser):
    new(apps, "1", name="Van Dijk & Zn.", city="Gent")
    new(apps, "R1", R, name="VAN DIJK - ZN", city="Brugge")
    criteria(apps, ("phone", 1, "phone"), ("name", 2))
    job = look(apps)
    where = here(apps, f"?tab=one&open={row_of(job, '1').pk}")
    panel = beside(browser, where)
    context = browser.get(where).context["panel"].context
    said = [(each.name, each.left, each.right, each.mark and each.mark.word) for each in context["fields"]]
    assert said[:2] == [("phone", "", "", None), ("name", "Van Dijk & Zn.", "VAN DIJK - ZN", "matches")]
    assert ("city", "Gent", "Brugge", "differs") in said
    groups = [(each.words, each.result and each.result.word) for each in context["groups"]]
    assert groups == [
        ("phone", "a value is missing here, which matches nothing"),
        ("name", "made the match"),
    ]
    assert "A run couples the two." in panel and "None of these" in panel
    right = browser.get(here(apps, f"?tab=one&open={row_of(job, 'R1', R).pk}")).context["panel"].context
    assert right["fields"] == context["fields"], "the left app stands at the left, whose record it is"


def test_a_script_gets_the_panel_alone(apps, browser):
    several(apps)
    job = look(apps)
    text = browser.get(here(apps, f"?open={row_of(job, 'S').pk}"), headers=PART).content.decode()
    assert text.count("<aside") == 1 and "<h1" not in text and "S2 Jansen" in text


def test_what_a_look_of_another_mapping_met_is_not_there(apps, browser, client):
    several(apps)
    job = look(apps)
    other = make.make_mapping(integration=apps.integration)
    answer = browser.get(page("match_records", other.pk) + f"?open={row_of(job, 'S').pk}")
    assert "is not there any more" in panel_of(answer.content.decode())
    client.force_login(make.make_user("Record owner", grants={other: 2}))
    assert client.get(here(apps, f"?open={row_of(job, 'S').pk}")).status_code == 404
    assert client.get(here(apps, "?format=csv")).status_code == 404


# --- choosing --------------------------------------------------------------------------------------------------------


def test_one_of_several_is_chosen_beside_the_list(apps, browser):
    several(apps)
    job = look(apps)
    row = row_of(job, "S")
    where = here(apps, f"?tab=several&open={row.pk}")
    options = browser.get(where).context["panel"].context["options"]
    assert [(each.title, each.chosen) for each in options] == [
        ("S1 Jansen", False),
        ("S2 Jansen", False),
        ("None of these", False),
        ("Decide later", True),
    ]
    given: dict[str, Any] = {"look": job.pk, "choose": row.pk, "choice": options[1].value}
    assert browser.post(where, given).url == where
    told = browser.get(where)
    assert "The choice is kept; the run takes it over." in text_of(told)
    panel = beside(browser, where)
    assert "It stands under “Chosen by hand” now." in panel and "Chosen just now by anna" in panel
    assert "A run couples the two." in panel
    assert names(browser.get(here(apps, "?tab=chosen"))) == ["S Jansen"]
    assert MatchChoice.objects.count() == 1
    browser.post(where, {**given, "choice": "nonsense"})
    assert "the choice was not kept" in text_of(browser.get(where))
    browser.post(where, given)
    assert "Nothing was chosen differently." in text_of(browser.get(where))
    assert MatchChoice.objects.count() == 1
    browser.post(where, {**given, "choice": "undecided"})
    assert not MatchChoice.objects.exists()
    browser.post(where, {**given, "choice": "none"})
    assert "None of these, chosen just now by anna" in beside(browser, where)


def test_a_candidate_that_goes_with_another_record_cannot_be_chosen(apps, browser):
    several(apps)
    new(apps, "T", name="Jansen")
    job = look(apps)
    first, second = row_of(job, "S"), row_of(job, "T")
    taken = row_of(job, "S2", R)
    browser.post(here(apps), {"look": job.pk, "choose": first.pk, "choice": taken.record_id})
    options = browser.get(here(apps, f"?open={second.pk}")).context["panel"].context["options"]
    assert [(each.title, each.free, each.more) for each in options[:2]] == [
        ("S1 Jansen", True, ""),
        ("S2 Jansen", False, "goes with another record"),
    ]


def test_the_match_of_a_later_group_is_told_from_the_others(apps, browser):
    """Its name stands twice, its number once: who has the name as well is a candidate, but not the match."""
    for no in ("3", "4"):
        both(apps, no, name="Gamma", phone=f"+32 9 {no}")
    new(apps, "5", name="Gamma", phone="+32 9 5")
    new(apps, "R5", R, name="Delta", phone="+32 9 5")
    criteria(apps, ("name",), ("phone", 2, "phone"))
    job = look(apps)

    def options(key: str) -> list[tuple[Any, ...]]:
        panel = browser.get(here(apps, f"?tab=one&open={row_of(job, key).pk}")).context["panel"]
        return [(each.title, each.value, each.chosen, each.free) for each in panel.context["options"]]

    three, four = (row_of(job, f"R{no}", R).record_id for no in "34")
    assert options("4") == [
        ("R3 Gamma", three, False, False),
        ("R4 Gamma", "undecided", True, True),
        ("None of these", "none", False, True),
    ]
    assert options("5") == [
        ("R5 Delta", "undecided", True, True),
        ("R3 Gamma", three, False, False),
        ("R4 Gamma", four, False, False),
        ("None of these", "none", False, True),
    ]
    browser.post(here(apps), {"look": job.pk, "choose": row_of(job, "4").pk, "choice": three})
    assert "the choice was not kept" in text_of(browser.get(here(apps)))
    assert row_of(job, "3").outcome == row_of(job, "4").outcome == "one"


@pytest.mark.parametrize("given", [{}, {"look": "x"}, {"look": "9" * 40}, {"choose": "x"}, {"choose": "0"}])
def test_a_press_that_names_nothing_changes_nothing(apps, browser, given):
    several(apps)
    job = look(apps)
    row = row_of(job, "S")
    browser.post(here(apps), {"look": job.pk, "choose": row.pk, **given})
    assert not MatchChoice.objects.exists()


def test_a_stale_page_keeps_nothing(apps, browser):
    several(apps)
    old = look(apps)
    row = row_of(old, "S")
    look(apps)
    browser.post(here(apps), {"look": old.pk, "choose": row.pk, "choice": "none"})
    assert "was made anew in the meantime" in text_of(browser.get(here(apps)))
    assert not MatchChoice.objects.exists()
    assert "is not there any more" in beside(browser, here(apps, f"?open={row.pk}"))


def test_while_it_is_coupled_nothing_is_chosen(apps, browser):
    several(apps)
    job = look(apps)
    browser.post(page("match_run", apps.mapping.pk), {"look": job.pk})
    row = row_of(job, "S")
    answer = browser.get(here(apps, f"?open={row.pk}"))
    assert "They are being coupled at this moment" in text_of(answer)
    assert answer.context["panel"].context["options"] == [] and answer.context["actions"] == []
    browser.post(here(apps), {"look": job.pk, "choose": row.pk, "choice": "none"})
    assert not MatchChoice.objects.exists()


# --- leaving out -----------------------------------------------------------------------------------------------------


def test_records_are_left_out_from_the_list(apps, browser):
    several(apps)
    job = look(apps)
    row, where = row_of(job, "N"), here(apps, "?tab=none")
    browser.post(where, {"leave_out": "selected"})
    assert "Nothing is ticked." in text_of(browser.get(where))
    asked = browser.post(where, {"leave_out": "selected", "row": [row.pk]})
    assert asked.status_code == 200 and "&lt;b&gt;Nobody" in asked.content.decode()
    assert "neither matched nor created" in text_of(asked)
    wrong = {"leave_out": "selected", "row": [row.pk], "answered": "1", "reason": ""}
    assert "Leave these records out on purpose?" in text_of(browser.post(where, wrong))
    assert browser.post(where, {**wrong, "row": [row.pk, "x"], "reason": "a test"}).url == where
    work()
    problem = Problem.objects.get()
    assert (problem.state, problem.reason) == ("on_purpose", "a test")
    (left_out,) = browser.get(where).context["table"].row_list
    assert left_out.result == "left out on purpose since" and not left_out.is_open
    assert browser.get(f"{where}&open={row.pk}").context["panel"].context["actions"] == ()


def test_all_that_match_are_left_out_by_who_may_act_on_many(apps, browser, client):
    for n in range(3):
        new(apps, f"N{n}", name=f"Firm {n}")
    both(apps, "1", name="Alpha")
    criteria(apps, ("name",))
    look(apps)
    given = {"leave_out": "selected", "all": "1", "answered": "1", "reason": "a test"}
    client.force_login(make.make_user("Viewer", grants={apps.mapping: 2}))
    assert client.post(here(apps, "?tab=none"), given).status_code == 403
    browser.post(here(apps, "?tab=none&q=firm"), given)
    work()
    assert Problem.objects.filter(state="on_purpose").count() == 3


def test_coupled_ones_are_left_alone_by_it(apps, browser):
    several(apps)
    job = couple(apps)
    row = MatchRecord.objects.get(side="left", key="1")
    where = here(apps, "?tab=all")
    browser.post(where, {"leave_out": "selected", "row": [row.pk], "answered": "1", "reason": "x"})
    assert "They are coupled, or set aside already." in text_of(browser.get(where))
    assert not Problem.objects.exists() and job.coupled == 1


# --- what came of them -----------------------------------------------------------------------------------------------


def test_after_the_run_each_row_says_what_came_of_it(apps, browser):
    several(apps)
    moved, _right = both(apps, "2", name="Beta")
    criteria(apps, ("name",), create_right=True)
    apps.mapping.creations_min = 100
    apps.mapping.save()
    preview = look(apps)
    (alone,) = browser.get(here(apps, "?tab=none")).context["table"].row_list
    assert "a run creates it" in alone.instead
    panel = beside(browser, here(apps, f"?tab=none&open={alone.pk}"))
    assert "a run creates it in" in panel and "name found nothing" in panel
    apps.left.put("customer", moved, {"name": "Another name"})
    done = couple(apps, preview)
    answer = browser.get(here(apps, "?tab=all"))
    assert f"Records of job {done.pk}" in text_of(answer)
    found = {row.row.key: row for row in answer.context["table"].row_list}
    assert found["1"].state.word == "Coupled" and found["1"].pair_url and found["1"].other == "R1 Alpha & Co"
    assert found["N"].state.word == "Created" and found["N"].pair_url
    assert found["S"].state.word == "Several match" and found["S"].result == ""
    assert found["2"].state.word == "One match"
    assert found["2"].result == "one of the two has changed since the preview; they no longer match"
    said = {row["Number"]: row["Result"] for row in csv_rows(browser.get(here(apps, "?tab=all&format=csv")))}
    assert said["2"] == found["2"].result and said["1"] == ""
    Coupling.objects.filter(left_key="1").update(ended_at=done.finished_at)
    (again,) = browser.get(here(apps, "?tab=coupled")).context["table"].row_list
    assert again.result == "taken apart since" and again.other == "R1 Alpha & Co"


def test_a_pair_that_could_not_be_synchronized_leads_to_its_problem(apps, browser):
    both(apps, "1", name="Alpha")
    criteria(apps, ("name",))
    couple(apps)
    problem = make.make_problem(coupling=Coupling.objects.get(), mapping=apps.mapping, state="skipped")
    (row,) = browser.get(here(apps, "?tab=coupled")).context["table"].row_list
    assert (row.result, row.problem_url) == ("Skipped", f"/problems/{problem.pk}/")


# --- how it is read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", [tab.name for tab in MatchRecordsPage.tabs])
def test_each_tab_is_read_in_the_order_of_its_index(apps, tab):
    """Asked of the planner with sorting made dear: the index gives the order, nothing is sorted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
        )
    job = make.make_job(apps.mapping, verb="match_preview")
    for branch in of_tab(tab, ""):
        plan = records_of(job).filter(branch).order_by("pk")[:101].explain()
        assert re.search("matched_by_(outcome|state)", plan) and "Sort" not in plan, plan
