"""Couple by hand: search, proposals, what would be written, parents first, and who was quicker."""

from __future__ import annotations

import json
import re

import pytest
from django.db import connection, transaction
from django.urls import reverse

from synccore import jobs, services
from synccore.failures import Transient
from synccore.models import Connection, Coupling, FieldMapping, Problem, SynchJob
from synccore.models.scoping import GrantLevel
from synccore.services.jobs import NotNow
from synccore.shapes import Side
from tests import factories as make
from tests.jobs.helpers import contact, contacts_of, letter, new, opaque, pair, work
from tests.jobs.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_hears(monkeypatch):
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)


@pytest.fixture
def duo() -> World:
    """Customers and contacts of two apps, nothing coupled yet."""
    world = World(name="Customers")
    Connection.objects.filter(pk=world.integration.left_id).update(name="ERP")
    Connection.objects.filter(pk=world.integration.right_id).update(name="CRM <b>")
    world.contacts = contacts_of(world)
    return world


@pytest.fixture
def owner(duo):
    grants = {duo.mapping: GrantLevel.RESOLVE, duo.contacts: GrantLevel.RESOLVE}
    return make.make_user("Record owner", username="otto", grants=grants)


@pytest.fixture
def browser(owner, as_user):
    return as_user(owner)


def live(browser, duo, **params):
    return browser.get(reverse("coupling:live_couple"), {"mapping": duo.mapping.pk, **params})


def hits(answer, side: str = "right") -> list[tuple[str, str]]:
    """(title, state) of what was found on a side."""
    return [(hit.title, hit.state.word) for hit in answer.context["sides"][side].hits or ()]


def press(browser, duo, left: str, right: str, prefer: str = "left", mapping=None, **more):
    data = {"mapping": (mapping or duo.mapping).pk, "left": left, "right": right, "prefer": prefer, **more}
    return browser.post(reverse("coupling:couple"), data, follow=True)


# -- choosing ----------------------------------------------------------------------------------------------------------


def test_without_a_mapping_the_page_asks_which(duo, owner, browser):
    hidden = make.make_mapping("Payroll", integration=duo.integration)
    text = browser.get(reverse("coupling:couple")).content.decode()
    assert f'href="?mapping={duo.mapping.pk}"' in text and "Payroll" not in text
    assert browser.get(reverse("coupling:couple"), {"mapping": hidden.pk}).status_code == 404


@pytest.mark.parametrize("mapping", ["0", "x", "-1", "9" * 30, "1e3"])
def test_a_mapping_that_is_none_is_not_there(duo, browser, mapping):
    assert browser.get(reverse("coupling:couple"), {"mapping": mapping}).status_code == 404


def test_new_records_without_a_counterpart_are_offered_from_memory(duo, browser):
    half = make.make_coupling(duo.mapping, right_id=None, left_key="C7", left_name="Waiting Ltd")
    answer = browser.get(reverse("coupling:couple"), {"mapping": duo.mapping.pk})
    assert hits(answer, "left") == [("C7 Waiting Ltd", "New, without a counterpart")]
    assert f"left={half.left_id}" in answer.content.decode()


def test_search_finds_by_number_and_name_and_tells_what_is_coupled(duo, browser):
    left, right = pair(duo, "C1")
    new(duo, "C10")
    half = new(duo, "C11")
    make.make_coupling(duo.mapping, left_id=half, right_id=None, left_key="C11")
    answer = live(browser, duo, left_q="c1")
    assert hits(answer, "left") == [
        ("C1 Firm C1", "Coupled to C1 Firm C1"),
        ("C10 Firm C10", "Free"),
        ("C11 Firm C11", "New, without a counterpart"),
    ]
    assert answer["Cache-Control"] == "no-store"
    services.start_bulk("uncouple", Coupling.objects.filter(left_id=left), user=None)
    work()
    assert hits(live(browser, duo, right_q="firm c1"))[0] == (
        "C1 Firm C1",
        "Its coupling to C1 Firm C1 was removed",
    )
    nothing = live(browser, duo, left_q="<b>no")
    assert "has no record whose number or name" in nothing.content.decode()
    assert "<b>no" not in nothing.content.decode()


def test_counterparts_are_proposed_with_why(duo, browser):
    id = new(duo, "C1", name="Deerfield Mills")
    new(duo, "C1", Side.RIGHT, name="Else")
    new(duo, "X9", Side.RIGHT, name="Deerfield Mills")
    new(duo, "X8", Side.RIGHT, name="Nothing like it")
    answer = live(browser, duo, side="left", id=id)
    assert [(hit.title, hit.why) for hit in answer.context["sides"]["right"].hits] == [
        ("C1 Else", ["same number"]),
        ("X9 Deerfield Mills", ["same name"]),
    ]
    duo.change_mapping(natural_key=FieldMapping.objects.get(mapping=duo.mapping, left_field="no").pk)
    first = live(browser, duo, side="left", id=id).context["sides"]["right"].hits[0]
    assert first.why == ["same natural key", "same number"]
    other = new(duo, "C2", name="Deerfield Holding")
    similar = live(browser, duo, side="left", id=other).context["sides"]["right"].hits
    assert [(hit.title, hit.why) for hit in similar] == [("X9 Deerfield Mills", ["similar name"])]


def test_a_create_without_an_answer_lists_what_holds_its_values(as_user):
    world, mapping = opaque()
    letter(world)
    world.right.faults.lose_answers = 1
    world.run(mapping=mapping)
    world.run(mapping=mapping)
    world.right.put("mail", "999", {"no": "L2", "name": "Dear"})
    problem = world.problem("L1") or Problem.objects.of_records().get()
    assert problem.code == "uncertain_create"
    browser = as_user(make.make_user("Administrator"))
    left = problem.coupling.left_id
    where = {"mapping": mapping.pk, "side": "left", "id": left}
    shown = browser.get(reverse("coupling:live_couple"), where).context["sides"]["right"].hits
    right = next(id for id, row in world.right.tables["mail"].rows.items() if row.fields["no"] == "L1")
    assert [hit.key for hit in shown] == [right, "999"]
    assert shown[0].why == ["holds what Tandem was about to write", "same number", "same name"]
    press(browser, world, left, right, "ask", mapping)
    work()
    problem.refresh_from_db()
    assert (problem.state, problem.ending) == ("ended", "fixed")
    assert len(world.right.tables["mail"].rows) == 2


def test_an_app_that_does_not_answer_is_said(duo, browser):
    duo.right.faults.fail = [Transient("connection_lost", {"app": "CRM"})]
    text = live(browser, duo, right_q="c").content.decode()
    assert "CRM &lt;b&gt; could not be read" in text


def test_the_page_calls_no_app_and_nothing_is_written_by_looking(duo, browser):
    left, right = new(duo, "C1"), new(duo, "C1", Side.RIGHT, phone="2")
    asked = []
    for app in (duo.left, duo.right):
        app.faults.hook = lambda when, method: asked.append(method)
    where = {"mapping": duo.mapping.pk, "left": left, "right": right}
    assert browser.get(reverse("coupling:couple"), where).status_code == 200
    assert asked == []
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        assert live(browser, duo, left=left, right=right).status_code == 200
    assert sorted(set(asked)) == ["fetch"]


@pytest.mark.parametrize("part", ["left", "right", "pair"])
def test_a_part_is_sent_alone_to_the_page_that_asks(duo, browser, part):
    left = new(duo, "C1")
    params = {"mapping": duo.mapping.pk, "part": part, "left_q" if part == "left" else "right_q": "c"}
    if part == "pair":
        params |= {"left": left, "right": new(duo, "C1", Side.RIGHT)}
    answer = browser.get(reverse("coupling:live_couple"), params, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert "<h1" not in text and "<html" not in text
    assert f'id="{"couple-pair" if part == "pair" else f"hits-{part}"}"' in text


# -- what would be written ---------------------------------------------------------------------------------------------


def answers(answer) -> dict[str, str]:
    return {each.prefer: each.sentence for each in answer.context["preview"].answers}


def test_each_answer_says_what_it_writes(duo, browser):
    left = new(duo, "C1", name="Van Dijk", phone="1", city="Gent")
    right = new(duo, "C1", Side.RIGHT, name="van Dijk", phone="2", city=None)
    shown = live(browser, duo, left=left, right=right)
    assert answers(shown) == {
        "left": "3 fields are written to CRM <b>",
        "right": "2 fields are written to ERP, 1 field is written to CRM <b>",
        "ask": "nothing is written: the pair waits under Needs you until somebody chooses 2 fields",
    }
    text = shown.content.decode()
    assert "only formatting" in text and "CRM <b>" not in text
    assert not re.search(r'name="prefer"[^>]*checked', text), "nothing is chosen at first"


def test_equal_records_need_no_answer(duo, browser):
    left, right = new(duo, "C1"), new(duo, "C1", Side.RIGHT)
    shown = live(browser, duo, left=left, right=right)
    assert answers(shown) == {"ask": "nothing is written"}
    assert 'type="hidden" name="prefer" value="ask"' in shown.content.decode()


def test_sensitive_values_stay_hidden(duo, browser):
    FieldMapping.objects.filter(mapping=duo.mapping, left_field="phone").update(sensitive=True)
    left, right = new(duo, "C1", phone="0900-secret"), new(duo, "C1", Side.RIGHT, phone="0901-secret")
    assert "secret" not in live(browser, duo, left=left, right=right).content.decode()


def test_a_record_that_is_not_there_is_said(duo, browser):
    right = new(duo, "C1", Side.RIGHT)
    text = live(browser, duo, left="no such id", right=right).content.decode()
    assert "ERP has no such record (any more)." in text
    assert "Couple the two" not in text


def test_a_record_outside_the_filter_is_said(duo, browser):
    duo.change_mapping(left_filter=[{"field": "city", "operator": "eq", "value": "Gent"}])
    left, right = new(duo, "C1", city="Brussel"), new(duo, "C1", Side.RIGHT, city="Brussel")
    assert "outside the filter of this mapping" in live(browser, duo, left=left, right=right).content.decode()


# -- coupling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefer", "phone"), [("left", "1"), ("right", "2")])
def test_the_chosen_side_wins(duo, browser, prefer, phone):
    left, right = new(duo, "C1", phone="1"), new(duo, "C1", Side.RIGHT, phone="2")
    answer = press(browser, duo, left, right, prefer)
    assert "Queued" in answer.content.decode()
    [done] = work()
    assert (done.state, done.coupled, done.verb) == ("finished", 1, "couple")
    assert duo.rows(Side.LEFT)[left]["phone"] == duo.rows(Side.RIGHT)[right]["phone"] == phone
    page = browser.get(answer.redirect_chain[-1][0])
    assert page.context["result"].state.word == "In sync" and not page.context["result"].busy
    assert "These two are coupled" in page.content.decode()


def test_asking_leaves_a_conflict_to_be_decided(duo, browser):
    left, right = new(duo, "C1", phone="1"), new(duo, "C1", Side.RIGHT, phone="2")
    answer = press(browser, duo, left, right, "ask")
    work()
    problem = Problem.objects.get()
    assert (problem.code, problem.state) == ("update_conflict", "skipped")
    assert (duo.rows(Side.LEFT)[left]["phone"], duo.rows(Side.RIGHT)[right]["phone"]) == ("1", "2")
    page = browser.get(answer.redirect_chain[-1][0])
    assert page.context["result"].problem_url == reverse("coupling:problem", args=[problem.pk])


def test_parents_are_coupled_first_with_the_same_press(duo, browser):
    customer, account = new(duo, "C1"), new(duo, "C1", Side.RIGHT)
    child = contact(duo, "P1", customer)
    duo.right.put(
        "person", "7e57ed00-0000-4000-8000-000000000001", {"no": "P1", "name": "Person P1", "parent": account}
    )
    right = "7e57ed00-0000-4000-8000-000000000001"
    shown = browser.get(
        reverse("coupling:live_couple"), {"mapping": duo.contacts.pk, "left": child, "right": right}
    )
    [parent] = shown.context["parents"]
    assert (str(parent.mapping), parent.title) == ("Customers", "C1 Firm C1")
    [(value, title, why, chosen)] = parent.options
    assert (title, why, chosen) == (
        "C1 Firm C1",
        "the counterpart refers to it, same number, same name",
        True,
    )
    assert json.loads(value) == [duo.mapping.pk, customer, account]

    answer = press(browser, duo, child, right, "ask", duo.contacts, parent=value)
    first, second = SynchJob.objects.filter(parent__isnull=False).order_by("pk")
    assert (first.mapping, second.mapping) == (duo.mapping, duo.contacts)
    assert list(jobs.startable()) == [first], "the second waits for the first"
    assert [job.mapping for job in work()][:2] == [duo.mapping, duo.contacts]
    assert SynchJob.objects.get(parent=None, verb="couple").state == "finished"
    assert Coupling.objects.live().paired().count() == 2
    assert not Problem.objects.not_ended().exists()
    page = browser.get(answer.redirect_chain[-1][0])
    assert [row.state.word for row in page.context["result"].jobs] == ["Finished", "Finished"]


@pytest.mark.parametrize(
    ("level", "title"), [(None, "id"), (GrantLevel.VIEW, "C1 Firm C1")], ids=["no grant", "may view"]
)
def test_parents_of_a_mapping_without_a_grant_are_told_by_id_alone_and_offered_to_nobody(
    duo, as_user, level, title
):
    customer, _account = new(duo, "C1"), new(duo, "C1", Side.RIGHT)
    child = contact(duo, "P1", customer)
    right = "7e57ed00-0000-4000-8000-000000000001"
    duo.right.put("person", right, {"no": "P1", "name": "Person P1"})
    grants = {duo.contacts: GrantLevel.RESOLVE, **({duo.mapping: level} if level else {})}
    browser = as_user(make.make_user("Record owner", username="piet", grants=grants))
    shown = browser.get(
        reverse("coupling:live_couple"), {"mapping": duo.contacts.pk, "left": child, "right": right}
    )
    [parent] = shown.context["parents"]
    assert (parent.title, parent.options) == (customer if title == "id" else title, [])
    page = shown.content.decode()
    assert "Your groups may not do this with the records of this mapping." in page
    assert ("Firm C1" in page) == (title != "id")
    assert parent.url not in page and "has nothing with the same number" not in page


def test_what_waited_for_the_record_follows(duo, browser):
    duo.change_mapping(only_coupled=True)
    customer, account = new(duo, "C1"), new(duo, "C1", Side.RIGHT)
    contact(duo, "P1", customer)
    duo.run(mapping=duo.contacts)
    problem = Problem.objects.get()
    assert problem.blocker_record == customer
    answer = press(browser, duo, customer, account, "ask")
    [(name, _url, state)] = browser.get(answer.redirect_chain[-1][0]).context["result"].waited
    assert (name, state.word) == ("Contacts P1 Person P1", "Your turn")
    work()
    problem.refresh_from_db()
    assert (problem.state, problem.ending) == ("ended", "fixed")
    [(_name, _url, state)] = browser.get(answer.redirect_chain[-1][0]).context["result"].waited
    assert state.word == "In sync"


def test_the_second_of_two_people_reads_what_the_first_did(duo, browser, owner):
    left, right = new(duo, "C1"), new(duo, "C1", Side.RIGHT)
    press(browser, duo, left, right, "ask")
    answer = press(browser, duo, left, right, "ask")
    job = SynchJob.objects.get(verb="couple")
    assert f"otto couples one of these records at this moment, as job {job.pk}" in answer.content.decode()
    work()
    again = press(browser, duo, left, right, "ask")
    assert "are coupled already; somebody may have pressed before you" in again.content.decode()
    other = new(duo, "C2", Side.RIGHT)
    held = browser.get(reverse("coupling:couple"), {"mapping": duo.mapping.pk, "left": left, "right": other})
    assert "is already coupled to C1 Firm C1" in held.content.decode()
    refused = press(browser, duo, left, other, "ask")
    assert "is coupled to C1 Firm C1 already; nothing was coupled" in refused.content.decode()
    assert SynchJob.objects.filter(verb="couple").count() == 1


@pytest.mark.parametrize(
    "data",
    [
        {"prefer": ""},
        {"prefer": "both"},
        {"parent": "nonsense"},
        {"parent": "[1]"},
        {"parent": '["1","a","b"]'},
        {"parent": '[999999,"a","b"]'},
        {"left": ""},
    ],
)
def test_a_form_with_nonsense_couples_nothing(duo, browser, data):
    left, right = new(duo, "C1"), new(duo, "C1", Side.RIGHT)
    where = {"mapping": duo.mapping.pk, "left": left, "right": right, "prefer": "ask", **data}
    answer = browser.post(reverse("coupling:couple"), where, follow=True)
    assert answer.status_code == 200 and "nothing was coupled" in answer.content.decode()
    assert not SynchJob.objects.filter(verb="couple").exists()


def test_who_may_not_couple_reads_who_can_help(duo, as_user):
    left, right = new(duo, "C1"), new(duo, "C1", Side.RIGHT)
    viewer = make.make_user("Viewer", username="vera", grants={duo.mapping: GrantLevel.VIEW})
    page = live(as_user(viewer), duo, left=left, right=right)
    assert "This needs the right “Couple records”" in page.content.decode()
    assert "Couple the two" not in page.content.decode()
    assert press(as_user(viewer), duo, left, right).status_code == 403
    reader = make.make_user("Record owner", username="rita", grants={duo.mapping: GrantLevel.VIEW})
    refused = press(as_user(reader), duo, left, right)
    assert refused.status_code == 403
    assert "Your groups may not do this with the records of this mapping" in refused.content.decode()
    with pytest.raises(services.rights.RightMissing):
        services.couple(duo.mapping, left=left, right=right, user=reader)
    assert not SynchJob.objects.filter(verb="couple").exists()


def test_a_parent_of_a_mapping_one_may_only_view_is_refused(duo, as_user):
    grants = {duo.mapping: GrantLevel.VIEW, duo.contacts: GrantLevel.RESOLVE}
    person = make.make_user("Record owner", username="olga", grants=grants)
    customer, account = new(duo, "C1"), new(duo, "C1", Side.RIGHT)
    parent = json.dumps([duo.mapping.pk, customer, account])
    assert press(as_user(person), duo, "a", "b", "ask", duo.contacts, parent=parent).status_code == 403


def test_jobs_of_one_press_run_one_after_the_other_even_if_one_fails(duo):
    two = services.Two(duo.mapping, "no such", "nor such")
    child = contact(duo, "P1", None)
    duo.right.put("person", "7e57ed00-0000-4000-8000-000000000001", {"no": "P1", "name": "Person P1"})
    services.couple(
        duo.contacts, left=child, right="7e57ed00-0000-4000-8000-000000000001", user=None, parents=[two]
    )
    assert [(job.state, job.code) for job in work()][:2] == [("failed", "record_not_found"), ("finished", "")]
    with pytest.raises(NotNow):
        services.couple(duo.contacts, left=child, right="other", user=None)


def test_set_up_coupling_of_one_record_opens_its_page_and_of_several_lists_them(duo, browser):
    first = make.make_coupling(duo.mapping, right_id=None, left_name="One <b>")
    second = make.make_coupling(duo.mapping, left_id=None, right_name="Two")
    whole = make.make_coupling(duo.mapping)
    problems = [make.make_problem(each) for each in (first, second, whole)]
    listed = reverse("coupling:coupled")
    answer = browser.post(listed, {"set_up_coupling": problems[0].pk})
    assert answer.url == f"/couple/?mapping={duo.mapping.pk}&side=left&id={first.left_id}"
    refused = browser.post(listed, {"set_up_coupling": problems[2].pk}, follow=True)
    assert "Set Up Coupling is for records without a counterpart." in refused.content.decode()
    several = {"set_up_coupling": "selected", "row": [each.pk for each in problems], "answered": "1"}
    text = browser.post(listed, several, follow=True).content.decode()
    assert f"side=right&amp;id={second.right_id}" in text and "One &lt;b&gt;</a>" in text
    assert "1 of the chosen records were left alone" in text
