"""Match-based coupling on its pages: criteria, preview, choices, the press, and what is left."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

import re

import pytest
from django.urls import reverse

from synccore.failures import Scope, Transient
from synccore.models import Coupling, MatchCriterion, MatchRecord, MatchSetup, SynchJob, TableMapping
from synccore.services import match, match_choices
from synccore.shapes import Side
from tests import factories as make
from tests.jobs.helpers import new, work
from tests.jobs.test_match import both, criteria, look

from .test_mappings import apps, browser, person  # noqa: F401

R = Side.RIGHT


@pytest.fixture(autouse=True)
def no_bell(monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


def page(name: str, *keys: int) -> str:
    return reverse(f"synccore:{name}", args=keys)


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def line(field, group: str = "1", compare: str = "text", case: str = "") -> dict[str, str]:
    return {"field": str(field), "group": group, "compare": compare, "case_sensitive": case}


def send(browser, mapping, *lines, do: str = "save", revision: str = "0", **more):
    data = {"c-n": str(len(lines)), "do": do, "revision": revision, "after": "", **more}
    for i, each in enumerate(lines):
        data |= {f"c-{i}-{name}": value for name, value in each.items()}
    return browser.post(page("match_criteria", mapping.pk), data)


def fields(mapping) -> dict[str, int]:
    return dict(mapping.field_mappings.values_list("left_field", "pk"))


# --- criteria --------------------------------------------------------------------------------------------------------


def test_a_proposal_stands_there_until_something_is_saved(apps, browser):
    found = browser.get(page("match_criteria", apps.mapping.pk))
    shown = [each.line for each in found.context["lines"]]
    assert shown == [
        line(fields(apps.mapping)["no"], "1", "exact"),
        line(fields(apps.mapping)["name"], "2"),
    ]
    assert "nothing is saved yet" in text_of(found)
    assert not MatchCriterion.objects.exists()
    assert send(browser, apps.mapping).status_code == 302
    assert browser.get(page("match_criteria", apps.mapping.pk)).context["lines"] == []


def test_lines_are_added_taken_away_and_saved(apps, browser):
    ids = fields(apps.mapping)
    answer = send(browser, apps.mapping, line(ids["name"]), do="add:c")
    assert len(answer.context["lines"]) == 2
    assert len(send(browser, apps.mapping, line(ids["name"]), do="remove:c:0").context["lines"]) == 0
    assert not MatchSetup.objects.exists()
    saved = send(
        browser,
        apps.mapping,
        line(ids["no"], compare="exact", case="1"),
        line(ids["name"], "2"),
        line(ids["phone"], "2", "phone", case="1"),
        create=["right"],
        after="left",
    )
    assert saved.url == page("match", apps.mapping.pk)
    found = list(MatchCriterion.objects.order_by("pk").values_list("group", "compare", "case_sensitive"))
    assert found == [(1, "exact", True), (2, "text", False), (2, "phone", False)], (
        "case never counts in a number"
    )
    setup = MatchSetup.objects.get()
    assert (setup.create_left, setup.create_right, setup.after, setup.revision) == (False, True, "left", 1)
    apps.mapping.refresh_from_db()
    assert apps.mapping.revision == 1, "the rules of the mapping are as they were"
    told = text_of(browser.get(page("match", apps.mapping.pk)))
    assert "capital letters count" in told and "What is left" in told and "is created there" in told


BAD = {
    "no field": (line(""), "c-0-field", "It must be filled in."),
    "unknown field": (line("999999"), "c-0-field", "It is none of the choices."),
    "no number": (line("<b>"), "c-0-field", "It is none of the choices."),
    "group": (line("name", "0"), "c-0-group", "It is none of the choices."),
    "group in words": (line("name", "one"), "c-0-group", "It is none of the choices."),
    "way": (line("name", compare="fuzzy"), "c-0-compare", "It is none of the choices."),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_said_at_its_field(apps, browser, case):
    given, at, sentence = BAD[case]
    if given["field"] == "name":
        given = {**given, "field": str(fields(apps.mapping)["name"])}
    answer = send(browser, apps.mapping, given)
    assert answer.status_code == 422
    assert f'aria-describedby="{at}-error"' in answer.content.decode() and sentence in text_of(answer)
    assert not MatchCriterion.objects.exists() and not MatchSetup.objects.exists()


def test_a_field_stands_once_in_a_group_and_no_side_is_made_that_the_mapping_does_not_write(apps, browser):
    apps.mapping.direction = "to_right"
    apps.mapping.save()
    name = fields(apps.mapping)["name"]
    answer = send(browser, apps.mapping, line(name), line(name), create=["left"], after="nonsense")
    assert answer.status_code == 422
    assert "It stands here twice." in text_of(answer)
    assert text_of(answer).count("It is none of the choices.") == 2


def test_who_saved_first_wins(apps, browser):
    name = fields(apps.mapping)["name"]
    assert send(browser, apps.mapping, line(name)).status_code == 302
    assert send(browser, apps.mapping, line(name, "2")).status_code == 302
    assert MatchCriterion.objects.get().group == 1
    assert "Nothing of yours was saved" in text_of(browser.get(page("match_criteria", apps.mapping.pk)))


def test_record_owners_look_and_couple_but_do_not_choose_the_criteria(apps, client):
    owner = make.make_user("Record owner", grants={apps.mapping: 2})
    client.force_login(owner)
    assert client.get(page("match_criteria", apps.mapping.pk)).status_code == 403
    assert send(client, apps.mapping, line(fields(apps.mapping)["name"])).status_code == 403
    assert "An administrator chooses" in text_of(client.get(page("match", apps.mapping.pk)))
    criteria(apps, ("name",))
    assert client.post(page("match", apps.mapping.pk)).status_code == 302
    assert SynchJob.objects.filter(verb="match_preview").count() == 1


@pytest.mark.parametrize(("role", "level"), [("Viewer", 3), ("Record owner", 1), ("Record owner", 0)])
def test_others_do_not(apps, client, role, level):
    criteria(apps, ("name",))
    client.force_login(make.make_user(role, grants={apps.mapping: level} if level else {}))
    expected = 403 if level else 404
    for name in ("match", "match_records", "match_run"):
        assert client.get(page(name, apps.mapping.pk)).status_code == expected
        assert client.post(page(name, apps.mapping.pk)).status_code == expected
    assert not SynchJob.objects.filter(verb="match_preview").exists()


# --- preview ---------------------------------------------------------------------------------------------------------


def several(world) -> None:
    both(world, "1", name="Alpha & Co")
    for no in ("S1", "S2"):
        new(world, no, R, name="Jansen")
    new(world, "S", name="Jansen")
    new(world, "N", name="<b>Nobody</b>")
    criteria(world, ("name",))


def test_the_preview_shows_numbers_names_and_the_values_that_matched(apps, browser):
    several(apps)
    assert "Nobody has looked yet." in text_of(browser.get(page("match", apps.mapping.pk)))
    browser.post(page("match", apps.mapping.pk))
    waiting = browser.get(page("match", apps.mapping.pk))
    assert "hx-get" in waiting.content.decode() and "waits for its turn" in text_of(waiting)
    work()
    answer = browser.get(page("match", apps.mapping.pk))
    told = text_of(answer)
    assert "hx-get" not in answer.content.decode()
    assert "1 Alpha &amp; Co ⇄ R1 Alpha &amp; Co" in re.sub(r" +", " ", told)
    assert "name: Alpha &amp; Co" in told
    assert "&lt;b&gt;Nobody&lt;/b&gt;" in answer.content.decode()
    assert [
        (str(each.state.word), [n for _app, n, _url in each.numbers]) for each in answer.context["lines"]
    ] == [
        ("One match", [1, 1]),
        ("Several match", [1, 2]),
        ("No match", [1, 0]),
    ]
    assert "4 records of" in told or "3 records of" in told
    assert "Couple 1 pair" in told and answer.context["may_run"]
    assert not Coupling.objects.exists()


def test_a_press_without_criteria_says_so(apps, browser):
    browser.post(page("match", apps.mapping.pk))
    assert "has no criteria to match by yet" in text_of(browser.get(page("match", apps.mapping.pk)))
    assert not SynchJob.objects.filter(verb="match_preview").exists()


def test_an_app_that_does_not_answer_is_said_and_the_last_look_stays(apps, browser):
    several(apps)
    first = look(apps)
    apps.right.faults.fail.append(Transient("connection_lost", scope=Scope.CONNECTION))
    browser.post(page("match", apps.mapping.pk))
    work()
    answer = browser.get(page("match", apps.mapping.pk))
    assert "The last look could not be finished:" in text_of(answer)
    assert answer.context["look"] == first


# --- the press -------------------------------------------------------------------------------------------------------


def test_the_question_names_what_follows_and_the_press_couples(apps, browser):
    several(apps)
    criteria(apps, ("name",), create_right=True, after="left")
    found = look(apps)
    asked = text_of(browser.get(page("match_run", apps.mapping.pk)))
    assert "1 pair is coupled" in asked and "1 Alpha &amp; Co ⇄ R1 Alpha &amp; Co" in asked
    assert "1 record that matches nothing is created in" in asked
    assert "3 records are left alone" in asked and "wins where they differ" in asked
    answer = browser.post(page("match_run", apps.mapping.pk), {"look": found.pk})
    job = SynchJob.objects.get(verb="match_couple")
    assert answer.url == page("job", job.pk)
    assert not browser.get(page("match", apps.mapping.pk)).context["may_run"], "it waits for its turn"
    work()
    after = browser.get(page("match", apps.mapping.pk))
    assert "1 pair was coupled by" in text_of(after) and not after.context["may_run"]
    result = text_of(browser.get(page("job", job.pk)))
    assert "Match-Based Coupling" in result
    records = text_of(browser.get(page("job_records", job.pk)))
    assert "several records match; one must be chosen" in records
    assert "held back by a brake" in records or "created, for nothing matched" in records


@pytest.mark.parametrize("given", ["", "x", "0", "99999999999999999999"])
def test_a_press_for_a_look_that_is_gone_does_nothing(apps, browser, given):
    several(apps)
    look(apps)
    browser.post(page("match_run", apps.mapping.pk), {"look": given})
    assert "was made anew in the meantime" in text_of(browser.get(page("match", apps.mapping.pk)))
    assert not Coupling.objects.exists() and not SynchJob.objects.filter(verb="match_couple").exists()


def test_couplings_that_moved_make_the_preview_anew(apps, browser):
    several(apps)
    found = look(apps)
    left = MatchRecord.objects.get(job=found, side="left", key="1").record_id
    other = new(apps, "9", R)
    apps.run("couple", "items", options={"left": left, "right": other, "prefer": "left"})
    assert "Couplings of" in text_of(browser.get(page("match", apps.mapping.pk)))
    browser.post(page("match_run", apps.mapping.pk), {"look": found.pk})
    assert "It is being made anew; nothing was coupled." in text_of(
        browser.get(page("match", apps.mapping.pk))
    )
    assert match.looking(apps.mapping) is not None
    assert browser.get(page("match_run", apps.mapping.pk)).status_code == 302


def test_the_question_without_a_look_leads_back(apps, browser):
    criteria(apps, ("name",))
    assert browser.get(page("match_run", apps.mapping.pk)).url == page("match", apps.mapping.pk)
    assert "Look for matches first." in text_of(browser.get(page("match", apps.mapping.pk)))


def test_sensitive_values_are_not_shown(apps, browser):
    several(apps)
    apps.mapping.field_mappings.filter(left_field="name").update(sensitive=True)
    look(apps)
    for name in ("match", "match_records"):
        told = text_of(browser.get(f"{page(name, apps.mapping.pk)}?tab=all"))
        assert "name: •••" in told and "name: Jansen" not in told


# --- what a run would make a second time ----------------------------------------------------------------------------


def warned(browser, world) -> list[bool]:
    """Whether the preview warns of doubled records, and the mapping's page."""
    return [
        "may create a second one of them" in text_of(browser.get(page(name, world.mapping.pk)))
        for name in ("match", "mapping")
    ]


def test_where_a_run_may_double_what_the_look_found_it_is_said_until_all_is_decided(apps, browser):
    several(apps)
    assert warned(browser, apps) == [False, False], "nobody looked yet"
    browser.post(page("match_run", apps.mapping.pk), {"look": look(apps).pk})
    work()
    assert warned(browser, apps) == [True, True], "the pair is coupled, several are not"
    TableMapping.objects.update(enabled=False)
    assert warned(browser, apps) == [False, True], "before it is switched on, where it is switched on"
    TableMapping.objects.update(enabled=True, only_coupled=True)
    assert warned(browser, apps) == [False, False], "its runs create nothing"
    TableMapping.objects.update(only_coupled=False)
    found = match.latest_look(apps.mapping)
    rows = MatchRecord.objects.filter(job=found, outcome="several")
    match_choices.leave_out_met(
        apps.mapping, user=None, rows=rows.filter(side="right"), options={"reason": "known twice"}
    )
    work()
    assert warned(browser, apps) == [True, True], "one is left"
    left = rows.get(side="left").record_id
    apps.run("couple", "items", options={"left": left, "right": new(apps, "S3", R), "prefer": "left"})
    assert warned(browser, apps) == [False, False]


def test_records_that_match_nothing_are_no_doubles(apps, browser):
    new(apps, "N", name="Nobody")
    criteria(apps, ("name",))
    look(apps)
    assert warned(browser, apps) == [False, False]


# --- from other pages ------------------------------------------------------------------------------------------------


def test_records_of_other_lists_are_asked_about_alone(apps, browser):
    several(apps)
    both(apps, "2", name="Beta")
    row = Coupling.objects.create(mapping=apps.mapping, left_id=new(apps, "3", name="Jansen"), left_key="3")
    answer = browser.post(
        reverse("coupling:records"), {"find_matches": "selected", "row": [row.pk]}, follow=True
    )
    assert "the preview stands here" in text_of(answer)
    again = browser.post(
        reverse("coupling:records"), {"find_matches": "selected", "row": [row.pk]}, follow=True
    )
    assert "are being looked for already" in text_of(again)
    work()
    told = browser.get(page("match", apps.mapping.pk))
    assert "only the chosen records were asked about" in text_of(told)
    assert [[n for _app, n, _url in each.numbers] for each in told.context["lines"]] == [[1, 0]]


def test_the_job_lists_what_it_left_alone_and_why(apps, browser):
    several(apps)
    browser.post(page("match_run", apps.mapping.pk), {"look": look(apps).pk})
    work()
    where = page("job_records", SynchJob.objects.get(verb="match_couple").pk)
    found = browser.get(f"{where}?note=match_several")
    assert sorted(row.title for row in found.context["page"].rows) == ["S Jansen", "S1 Jansen", "S2 Jansen"]
    assert (
        "Couple by hand" in text_of(found)
        and f"mapping={apps.mapping.pk}&amp;side=right" in found.content.decode()
    )
