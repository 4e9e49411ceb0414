"""The panel of a problem: its order, what each part says, what it offers, and both records as they are now."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from synccore.failures import Transient
from synccore.models import CallStack, Connection, Problem, SynchJob
from synccore.services import live
from tests import factories as make
from tests.jobs.helpers import new, pair, refuse
from tests.pages.test_compare import duo, nobody_hears, people, said  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db

PARTS = ["Who", "What happened", "What to do", "The two records now", "History"]


def where(problem: Problem, name: str = "problem") -> str:
    return reverse(f"coupling:{name}", args=[problem.pk])


def text(answer) -> str:
    plain = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return " ".join(plain.split())


def buttons(answer) -> tuple[list[str], list[str]]:
    return (
        [each.name or each.label for each in answer.context["likely"]],
        [each.name or each.label for each in answer.context["further"]],
    )


@pytest.mark.parametrize("which", ["conflict", "deleted", "waiting", "retrying", "bug", "rejected"])
def test_the_parts_stand_in_the_same_order_for_every_problem(world, administrator, as_user, which):
    answer = as_user(administrator).get(where(getattr(world, which)))
    heads = re.findall(r'class="part-head">([^<]+)<', answer.content.decode())
    assert heads == PARTS


def test_each_side_tells_whether_it_exists_and_leads_to_its_app(world, administrator, as_user):
    mapping = world.mapping
    Connection.objects.filter(pk=mapping.integration.left_id).update(
        kind="postgresql",
        options={
            "host": "nowhere.invalid",
            "dbname": "erp",
            "user": "u",
            "record_url": "https://erp.example/{table}/{id}",
        },
    )
    coupling = world.deleted.coupling
    answer = as_user(administrator).get(where(world.deleted))
    left, right = answer.context["ends"]
    assert (left.app, left.there, left.url) == (
        "ERP",
        True,
        f"https://erp.example/customer/{coupling.left_id}",
    )
    assert (right.app, right.there, right.state) == ("CRM", False, "deleted")


def test_an_address_that_is_no_web_address_is_no_link(world, administrator, as_user):
    Connection.objects.filter(pk=world.mapping.integration.left_id).update(
        kind="postgresql",
        options={"host": "h", "dbname": "d", "user": "u", "record_url": "javascript:alert({id})"},
    )
    assert "javascript:" not in as_user(administrator).get(where(world.conflict)).content.decode()


def test_the_apps_message_is_whole_and_introduced_by_who_said_it(world, owner, as_user):
    long = "<b>refused</b> " + "very " * 1000 + "end."
    Problem.objects.filter(pk=world.rejected.pk).update(app_message=long, code="no_such_code")
    page = as_user(owner).get(where(world.rejected)).content.decode()
    assert "CRM answered:" in page
    assert "&lt;b&gt;refused&lt;/b&gt;" in page and "very end." in page
    assert "<b>refused" not in page


def test_the_guides_likely_action_comes_first_and_three_stand_beside_each_other(
    world, administrator, as_user
):
    answer = as_user(administrator).get(where(world.deleted))
    likely, further = buttons(answer)
    assert likely == ["restore", "delete", "remove_coupling"]
    assert set(further) >= {"retry", "synchronize"}
    likely, _further = buttons(as_user(administrator).get(where(world.conflict)))
    assert likely[0] == "synchronize"


def test_who_may_do_nothing_reads_who_can(world, viewer, as_user):
    answer = as_user(viewer).get(where(world.conflict))
    assert buttons(answer) == (["Synchronization Log"], [])
    assert "This needs the right “Synchronize and resolve conflicts”" in text(answer)


def test_a_press_on_the_page_comes_back_to_it(world, owner, as_user):
    browser = as_user(owner)
    answer = browser.post(where(world.rejected), {"retry": str(world.rejected.pk)}, follow=True)
    assert answer.redirect_chain == [(where(world.rejected), 302)]
    assert "1 record is in the next synchronization" in said(answer)
    world.rejected.refresh_from_db()
    assert world.rejected.requested_by == owner
    assert "Retry was pressed" in text(answer)


def test_the_call_stack_is_for_those_who_set_up(world, administrator, owner, as_user):
    stack = CallStack.objects.create(digest="d", text="Traceback of ours")
    Problem.objects.filter(pk=world.bug.pk).update(call_stack=stack)
    assert "Traceback of ours" in text(as_user(administrator).get(where(world.bug)))
    assert "Traceback of ours" not in text(as_user(owner).get(where(world.bug)))


# --- the two records now --------------------------------------------------------------------------------


def lines(answer) -> dict[str, tuple[str, str]]:
    """Field → what each app holds, as it is shown."""
    found = {}
    for line in [*answer.context["now"].differing, *answer.context["now"].equal]:
        found[line.label] = tuple(str(value.html) or value.note for value in (line.left, line.right))
    return found


def test_the_page_shows_what_was_kept_and_the_live_part_what_is_there_now(duo, people, as_user):  # noqa: F811
    called = []
    for app in (duo.left, duo.right):
        app.faults.hook = lambda when, method: called.append(method)
    left, _right = duo.ids
    duo.left.put("customer", left, {"phone": "+32 2 555 01 78"})
    browser = as_user(people["owner"])
    kept = browser.get(where(duo.problem("C1")))
    assert called == []
    assert lines(kept)["phone"] == ("+32 2 555 01 77", "+32 2 555 01 99")
    assert "Kept by Tandem, as it was when the conflict was found" in text(kept)
    now = browser.get(where(duo.problem("C1"), "live_problem"))
    assert lines(now)["phone"] == ("+32 2 555 01 78", "+32 2 555 01 99")
    assert "As it is in the apps" in text(now) and now["Cache-Control"] == "no-store"
    part = browser.get(where(duo.problem("C1"), "live_problem"), headers={"HX-Request": "true"})
    assert part.content.decode().lstrip().startswith('<div id="records-now"')


def test_an_app_that_does_not_answer_leaves_what_was_kept_and_says_so(duo, people, as_user):  # noqa: F811
    duo.right.faults.hook = lambda when, method: (_ for _ in ()).throw(
        Transient("server_down", {"host": "crm"})
    )
    answer = as_user(people["owner"]).get(where(duo.problem("C1"), "live_problem"))
    assert answer.status_code == 200
    assert "could not be read" in text(answer)
    assert "What stands below is what Tandem kept." in text(answer)
    assert lines(answer)["phone"] == ("+32 2 555 01 77", "+32 2 555 01 99")


def test_enough_people_reading_is_said_and_not_waited_for(duo, people, as_user, monkeypatch):  # noqa: F811
    monkeypatch.setattr(live, "AT_ONCE", 0)
    answer = as_user(people["owner"]).get(where(duo.problem("C1"), "live_problem"))
    assert "Four people read from" in text(answer)


def test_a_record_that_was_never_coupled_is_shown_alone(duo, people, as_user):  # noqa: F811
    new(duo, "H1", phone="5")
    refuse(duo.right, lambda: Transient("lock_timeout", {"table": "account"}))
    duo.run()
    problem = duo.problem("H1")
    kept = as_user(people["owner"]).get(where(problem))
    assert "Tandem keeps no values of a record that never synchronized" in text(kept)
    now = as_user(people["owner"]).get(where(problem, "live_problem"))
    assert lines(now)["phone"] == ("5", "not coupled")


def test_the_survivor_of_a_deletion_is_shown_beside_what_was_agreed(duo, people, as_user):  # noqa: F811
    pair(duo, "C2")
    duo.right.remove("account", duo.ids[1])
    duo.run("synchronise", "sweep")
    duo.run()
    problem = duo.problem("C1")
    assert problem.code == "deleted_right"
    now = as_user(people["owner"]).get(where(problem, "live_problem"))
    assert lines(now)["phone"] == ("+32 2 555 01 77", "deleted")
    agreed = {line.label: line.agreed for line in now.context["now"].differing}
    assert str(agreed["phone"][0][1].html) == "+32 2 555 01 00"


def test_sensitive_values_are_hidden_from_who_may_not_see_them(duo, people, as_user):  # noqa: F811
    duo.mapping.field_mappings.filter(left_field="phone").update(sensitive=True)
    answer = as_user(people["owner"]).get(where(duo.problem("C1"), "live_problem"))
    assert lines(answer)["phone"] == ("hidden", "hidden")
    assert "555 01 77" not in answer.content.decode()
    seen = as_user(people["administrator"]).get(where(duo.problem("C1"), "live_problem"))
    assert lines(seen)["phone"][0] == "+32 2 555 01 77"


@pytest.mark.parametrize(("who", "status"), [("viewer", 200), ("stranger", 404), ("nobody", 403)])
def test_who_may_read_both_records(duo, people, as_user, who, status):  # noqa: F811
    assert as_user(people[who]).get(where(duo.problem("C1"), "live_problem")).status_code == status
    assert as_user(people["administrator"]).post(where(duo.problem("C1"), "live_problem")).status_code == 405


# --- history --------------------------------------------------------------------------------------------


def test_the_last_agreement_names_who_or_which_schedule(world, owner, as_user):
    coupling = world.conflict.coupling
    entry = world.mapping.queue_entries.get()
    job = make.make_job(world.mapping, entry=entry, origin=SynchJob.Origin.SCHEDULE)
    type(coupling).objects.filter(pk=coupling.pk).update(agreed_job=job.pk, agreed_by=None)
    assert "by job queue entry Customer" in text(as_user(owner).get(where(world.conflict)))
    SynchJob.objects.filter(pk=job.pk).update(entry=None, origin="command")
    assert "from the command line" in text(as_user(owner).get(where(world.conflict)))
    type(coupling).objects.filter(pk=coupling.pk).update(agreed_by=owner)
    assert "by otto, manually" in text(as_user(owner).get(where(world.conflict)))


def test_history_tells_tries_decisions_and_endings_newest_first(world, owner, as_user):
    job = make.make_job(
        world.mapping, verb="uncouple", requested_by=owner, options={"reason": "Twice in CRM"}
    )
    make.make_item(job, world.rejected.coupling, state="not_applicable", note="not_coupled")
    make.make_problem(world.rejected.coupling, state="ended", ending="fixed", ended_by=owner)
    answer = as_user(owner).get(where(world.rejected))
    events = [event.text for event in answer.context["events"]]
    assert any(event.startswith("Value refused:") for event in events)
    assert "Remove Coupling: No longer applies: it is not coupled. Reason: Twice in CRM" in events
    assert "An earlier problem ended: Fixed" in events
    times = [event.at for event in answer.context["events"]]
    assert times == sorted(times, reverse=True)


def test_side_of_the_record_that_exists_stands_first(world, owner, as_user):
    problem = make.make_problem(make.make_coupling(world.mapping, left_id=None))
    first, second = as_user(owner).get(where(problem)).context["ends"]
    assert (first.app, second.app, second.state) == ("CRM", "ERP", "not coupled")


def test_where_one_of_the_two_is_gone_there_is_nothing_to_compare(world, owner, as_user):
    browser = as_user(owner)
    assert "Compare the two records" in text(browser.get(where(world.conflict)))
    assert "Compare the two records" not in text(browser.get(where(world.deleted)))
    assert "Compare the two records" not in text(browser.get(where(world.waiting)))
