"""Deleting a connection, a pair of apps, a mapping: what goes, what stays, who refuses, and what others meet afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from synccore.connectors.memory import MemoryConnector
from synccore.models import (
    AppTable,
    Bucket,
    Connection,
    Coupling,
    DeletedEntry,
    HelpRequest,
    Integration,
    OwnerCode,
    Problem,
    SetupCheck,
    Stat,
    SynchJob,
    SynchJobError,
    TableMapping,
)
from synccore.models.job import JobLog
from synccore.models.ledger import read_ledger, replace_stat
from synccore.services import connections as services
from synccore.services import deleting, mappings
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from tests import factories as make

from .test_actions import said

pytestmark = pytest.mark.usefixtures("no_app")

LIST = reverse("synccore:connections")


@pytest.fixture
def anna(db):
    return make.make_user("Administrator", username="anna")


@pytest.fixture
def browser(as_user, anna):
    return as_user(anna)


@pytest.fixture
def sales(db) -> Connection:
    return make.make_connection("Sales", options={"name": "sales"})


def at(row, name: str) -> str:
    return reverse(f"synccore:{name}", args=[row.pk])


def press(browser, app: Connection, **changed: str):
    """The answer to *Delete* on the question as it is shown now."""
    data = {"revision": services.revision_of(app), **changed}
    return browser.post(at(app, "delete_connection"), data, follow=True)


def lived_in(app: Connection) -> None:
    """All that a connection gathers: checks, tables, jobs with their log, a person's code, and what the diary tells."""
    now = timezone.now()
    SetupCheck.objects.create(connection=app, code="signs_in", state="fail", at=now, since=now)
    for name in ("customer", "item"):
        AppTable.objects.create(connection=app, name=name, info={}, read_at=now)
    job = make.make_job(connection=app, verb="check_set_up")
    JobLog.objects.create(job=job, at=now, code="tables_read", params={"n": 2})
    make.make_job(connection=app, verb="describe", state="failed")
    person = make.make_user("Record owner")
    OwnerCode.objects.create(user=person, connection=app, code="PM")
    problem = make.make_problem(connection=app, kind="misconfigured", code="unknown_host", state="retrying")
    ended = make.make_problem(connection=app, kind="transient", code="lock_timeout", state="ended")
    HelpRequest.objects.create(problem=problem, user=person, at=now)
    make.make_entry(problem)
    make.make_entry(ended)
    make.make_deleted_entry(ended)


def of(app: Connection) -> dict[str, int]:
    """How many rows there are of each kind of thing that belongs to a connection."""
    found = {
        model.__name__: model.objects.filter(connection=app).count()
        for model in (
            SetupCheck, AppTable, SynchJob, OwnerCode, Problem, SynchJobError, DeletedEntry, Bucket,
        )
    }  # fmt: skip
    found["JobLog"] = JobLog.objects.filter(job__connection=app).count()
    found["HelpRequest"] = HelpRequest.objects.filter(problem__connection=app).count()
    found["Stat"] = Stat.objects.filter(bucket__connection=app).count()
    return found


# --- what goes, what stays ---------------------------------------------------------------------------------------------


def test_a_connection_that_nothing_needs_goes_with_all_that_is_its_own(browser, anna, sales):
    other = make.make_connection("Books")
    for app in (sales, other):
        lived_in(app)
    replace_stat()
    before = of(other)
    assert before == of(sales) and all(before.values())

    assert f'href="{at(sales, "delete_connection")}"' in browser.get(at(sales, "connection")).content.decode()
    text = browser.get(at(sales, "delete_connection")).content.decode()
    for line in (
        "its address, options and credentials",
        "its 1 set-up check",
        "what was read of its 2 tables and of the fields in them",
        "its 2 jobs (tests, checks, reading its tables), with their logs",
        "1 code by which it knows one of Tandem’s users",
        "2 set-up problems, ended ones included",
        "3 entries on Integration Synchronization Errors, deleted ones included",
    ):
        assert f"<li>{line}</li>" in text
    assert of(sales) == before  # nothing goes by looking

    answer = press(browser, sales)
    assert answer.redirect_chain == [(LIST, 302)]
    assert said(answer) == "Sales is deleted. Nothing was changed in the app itself."
    assert not Connection.objects.filter(pk=sales.pk).exists()
    assert not any(of(sales).values())
    assert of(other) == before
    assert read_ledger().drift == []

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.object_id) == (anna, "Sales", str(sales.pk))
    text = answer.content.decode()
    assert at(sales, "connection") not in text and at(other, "connection") in text
    assert "<strong>Sales</strong>" in text and "by anna" in text


def test_what_there_is_none_of_is_not_named(browser, sales):
    text = browser.get(at(sales, "delete_connection")).content.decode()
    assert text.count("<li>") - text.split('class="question"')[0].count("<li>") == 1
    assert "<li>its address, options and credentials</li>" in text


def test_counts_and_first_steps_are_those_of_an_installation_without_it(browser, sales):
    for app in (sales, make.make_connection("Books")):
        lived_in(app)
    replace_stat()
    menu, entries = reverse("menu_counts"), reverse("errors:entries")
    assert browser.get(menu).json()["entries_set_up"] == "4"
    assert browser.get("/").context["steps"][0]["done"]
    press(browser, sales)
    assert browser.get(menu).json()["entries_set_up"] == "2"
    assert not browser.get("/").context["steps"][0]["done"]
    [books] = Connection.objects.all()
    assert "Connect the other app" in browser.get(at(books, "guided_next")).content.decode()
    press(browser, books)
    assert "No app is connected yet." in browser.get(LIST).content.decode()
    assert browser.get(menu).json()["entries_set_up"] == ""
    assert browser.get(entries).status_code == 200


def test_a_connection_of_the_same_name_begins_anew(browser, sales):
    lived_in(sales)
    press(browser, sales)
    again = make.make_connection("Sales", options=sales.options)
    assert again.pk > sales.pk  # whatever is kept by a number anywhere is of nobody
    assert not any(of(again).values())
    text = browser.get(at(again, "connection")).content.decode()
    assert "Not tested yet" in text
    assert browser.get(at(sales, "connection")).status_code == 404


# --- who refuses -------------------------------------------------------------------------------------------------------


def refused(browser, app: Connection) -> str:
    """The question page that says why not; a press does nothing, and shows it again."""
    text = browser.get(at(app, "delete_connection")).content.decode()
    assert 'class="btn btn-danger"' not in text
    answer = press(browser, app)
    assert answer.redirect_chain == [(at(app, "delete_connection"), 302)]
    assert said(answer) == f"Something needs {app.name} by now; nothing was deleted."
    assert Connection.objects.filter(pk=app.pk).exists() and not LogEntry.objects.exists()
    return text


@pytest.fixture
def pair(sales) -> Integration:
    return make.make_integration(make.make_connection("ERP"), sales, name="ERP ⇄ Sales")


def test_an_integration_without_mappings_stands_in_the_way_and_can_be_deleted(browser, sales, pair):
    for app in (sales, pair.left):
        text = refused(browser, app)
        assert (
            f'<a href="{at(pair, "delete_integration")}">ERP ⇄ Sales</a>: an integration that uses it' in text
        )
        assert "It has no mappings and can be deleted." in text
    assert f'href="{at(pair, "delete_integration")}"' in browser.get(LIST).content.decode()
    answer = browser.post(at(pair, "delete_integration"), follow=True)
    assert said(answer) == "ERP ⇄ Sales is deleted. Its two apps stay connected."
    assert (Integration.objects.count(), Connection.objects.count()) == (0, 2)
    assert LogEntry.objects.get().change_message == "ERP ⇄ Sales"
    press(browser, sales)
    assert [app.name for app in Connection.objects.all()] == ["ERP"]


def test_mappings_stand_in_the_way_by_name_each_with_what_keeps_it(browser, sales, pair):
    free = make.make_mapping("Items", integration=pair)
    text = refused(browser, sales)
    assert f'<a href="{at(free, "delete_mapping")}">Items</a>: nothing of it is coupled' in text
    assert "First its mappings are deleted, then its integration, then the connection." in text

    coupled = make.make_mapping("Customers", integration=pair)
    make.make_coupling(coupled, removed_at=timezone.now())
    written = make.make_mapping("Vendors", integration=pair)
    make.make_journal(make.make_job(written), coupling=None, at=timezone.now() - timedelta(days=90))
    text = refused(browser, sales)
    assert f'<a href="{at(coupled, "delete_mapping")}">Customers</a>: it has couplings</li>' in text
    assert (
        f'<a href="{at(written, "delete_mapping")}">Vendors</a>: it has writes in the journal (the last one'
        in text
    )
    assert "A connection whose records were coupled or written stays" in text

    text = browser.get(at(pair, "delete_integration")).content.decode()
    assert "It cannot be deleted, because these mappings belong to it:" in text
    assert all(f">{name}</a>:" in text for name in ("Items", "Customers", "Vendors"))
    answer = browser.post(at(pair, "delete_integration"), follow=True)
    assert said(answer) == "A mapping belongs to ERP ⇄ Sales by now; nothing was deleted."
    assert Integration.objects.exists()


@pytest.mark.parametrize(("state", "word"), [("queued", "Queued"), ("running", "Running")])
def test_a_job_that_has_not_ended_stands_in_the_way(browser, sales, state, word):
    job = make.make_job(connection=sales, verb="check_connection", state=state)
    text = refused(browser, sales)
    assert f'<a href="{at(job, "job")}">Job {job.pk}</a>: Test Connection, {word}. Wait until' in text
    assert "Cancel this job" in browser.get(at(job, "job")).content.decode()
    SynchJob.objects.filter(pk=job.pk).update(state="cancelled", finished_at=timezone.now())
    press(browser, sales)
    assert not Connection.objects.exists()


def test_who_may_not_set_up_is_refused_by_page_and_service(as_user, sales, pair):
    mapping = make.make_mapping("Items", integration=pair)
    for role in ("Record owner", "Viewer"):
        person = make.make_user(role)
        for row, name in ((sales, "connection"), (pair, "integration"), (mapping, "mapping")):
            assert as_user(person).get(at(row, f"delete_{name}")).status_code == 403
            assert as_user(person).post(at(row, f"delete_{name}")).status_code == 403
        with pytest.raises(RightMissing):
            deleting.delete_connection(sales, user=person, revision=services.revision_of(sales))
        with pytest.raises(RightMissing):
            deleting.delete_integration(pair, user=person)
        with pytest.raises(RightMissing):
            deleting.delete_mapping(mapping, user=person)
    assert (Connection.objects.count(), Integration.objects.count()) == (2, 1)


# --- two people --------------------------------------------------------------------------------------------------------


def test_a_connection_that_somebody_put_right_meanwhile_stays(browser, sales):
    seen = services.revision_of(sales)
    sales.options = {"name": "the right one"}
    sales.save()
    answer = press(browser, sales, revision=seen)
    assert said(answer) == "Somebody saved Sales while you looked at it; nothing was deleted."
    assert answer.redirect_chain == [(at(sales, "delete_connection"), 302)]
    assert Connection.objects.exists()


def test_the_second_press_says_who_was_quicker(browser, as_user, sales, pair):
    bert = as_user(make.make_user("Administrator", username="bert"))
    for row, name, data in (
        (pair, "delete_integration", {}),
        (sales, "delete_connection", {"revision": services.revision_of(sales)}),
    ):
        browser.post(at(row, name), data)
        answer = bert.post(at(row, name), data, follow=True)
        assert answer.redirect_chain == [(LIST, 302)]
        assert said(answer) == f"{row.name} was deleted already, by anna; nothing more was done."
        answer = bert.get(at(row, name))
        assert answer.status_code == 404 and f"{row.name} was deleted by anna" in answer.content.decode()
    assert LogEntry.objects.count() == 2


def test_what_was_open_in_another_window_says_who_deleted_it(browser, as_user, sales):
    form = {"name": "Sales", "option_name": "sales", "revision": services.revision_of(sales)}
    press(browser, sales)
    bert = as_user(make.make_user("Administrator", username="bert"))
    for name in (
        "edit_connection", "credentials", "choose", "currencies", "guided_address", "guided_choose",
        "guided_checks", "guided_next", "test_connection", "check_set_up", "read_app_tables", "list_choices",
    ):  # fmt: skip
        answer = bert.post(at(sales, name), form)
        assert answer.status_code == 404, name
        assert "Sales was deleted by anna" in answer.content.decode(), name
    assert not Connection.objects.exists() and not SynchJob.objects.exists()
    viewer = as_user(make.make_user("Viewer"))
    assert "Sales" not in viewer.post(at(sales, "test_connection")).content.decode()


def test_who_was_answering_a_form_while_it_was_deleted_reads_the_same(browser, as_user, sales, monkeypatch):
    """The page found it; then it went."""
    bert = as_user(make.make_user("Administrator", username="bert"))
    form = {"name": "Sales", "option_name": "sales", "revision": services.revision_of(sales)}
    for name, service in (
        ("edit_connection", "save_connection"),
        ("test_connection", "start_test"),
        ("currencies", "save_currencies"),
    ):
        real = getattr(services, service)

        def late(*given, real=real, **more):
            press(browser, sales)
            return real(*given, **more)

        monkeypatch.setattr(services, service, late)
        answer = bert.post(at(sales, name), form)
        assert answer.status_code == 404, name
        assert "Sales was deleted by anna" in answer.content.decode(), name
        sales.save(force_insert=True)
    assert not SynchJob.objects.exists()


def test_a_pair_is_not_made_with_an_app_that_just_went(anna, sales):
    other = make.make_connection("ERP")
    deleting.delete_connection(sales, user=anna, revision=services.revision_of(sales))
    sales.pk = other.pk + 1
    for left, right, side in ((other, sales, "right"), (sales, other, "left")):
        with pytest.raises(mappings.Wrong) as wrong:
            mappings.make_integration(user=anna, name="ERP ⇄ Sales", left=left, right=right)
        assert wrong.value.found == {side: [("app_gone", {"app": "Sales"})]}
    assert not Integration.objects.exists()


def test_a_mapping_is_not_made_in_a_pair_that_just_went(browser, anna, pair):
    gone = Integration(pk=pair.pk, name=pair.name, left=pair.left, right=pair.right)
    deleting.delete_integration(pair, user=anna)
    with pytest.raises(NotNow, match="integration_gone"):
        mappings.make_mapping(gone, user=anna, values={"left_table": "a", "right_table": "b"})
    assert browser.get(at(gone, "standard")).status_code == 404


# --- back to empty -----------------------------------------------------------------------------------------------------


def test_a_mapping_whose_runs_only_failed_goes_with_what_the_diary_tells(browser, pair):
    mapping = make.make_mapping("Items", integration=pair)
    problem = make.make_problem(mapping=mapping, kind="misconfigured", code="unknown_table", state="retrying")
    make.make_entry(problem)
    make.make_deleted_entry(make.make_problem(mapping=mapping, kind="stopped", code="x", state="ended"))
    replace_stat()
    text = browser.get(at(mapping, "delete_mapping")).content.decode()
    assert "<li>2 set-up problems, ended ones included</li>" in text
    assert "<li>2 entries on Integration Synchronization Errors, deleted ones included</li>" in text
    answer = browser.post(at(mapping, "delete_mapping"), follow=True)
    assert said(answer) == "Items is deleted, with its fields and schedules."
    assert not any(
        model.objects.exists() for model in (TableMapping, Problem, SynchJobError, DeletedEntry, Bucket)
    )
    assert read_ledger().drift == []
    assert LogEntry.objects.get().change_message == "customer ⇄ account"
    answer = browser.post(at(mapping, "delete_mapping"))
    assert answer.status_code == 404 and "Items was deleted by anna" in answer.content.decode()


def test_all_that_was_mistyped_can_be_taken_back_by_its_pages(browser, pair):
    make.make_queue_entry(make.make_mapping("Items", integration=pair))
    apps = [pair.left, pair.right]
    make.make_problem(connection=pair.left, kind="misconfigured", code="unknown_host", state="retrying")
    browser.post(at(TableMapping.objects.get(), "delete_mapping"))
    browser.post(at(pair, "delete_integration"))
    for app in apps:
        press(browser, app)
    assert not any(model.objects.exists() for model in (Connection, Integration, Problem, Coupling, SynchJob))
    text = browser.get(LIST).content.decode()
    assert "No app is connected yet." in text
    assert [line.object_repr for line in browser.get(LIST).context["deleted"]] == [
        "Sales", "ERP", "ERP ⇄ Sales", "Items",
    ]  # fmt: skip


def test_whoever_gives_up_in_the_guided_start_can_take_it_back(browser, monkeypatch):
    monkeypatch.setattr(MemoryConnector, "label", "Practice app")
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)
    typed = {"name": "Books", "option_name": "boks", "option_overlap": "300"}
    browser.post(reverse("synccore:new_connection") + "?kind=memory", typed)
    [app], [test] = Connection.objects.all(), SynchJob.objects.all()
    ask = f'href="{at(app, "delete_connection")}"'
    assert ask not in browser.get(at(app, "guided_test")).content.decode()  # the test is under way
    assert "Test Connection, Queued" in refused(browser, app)
    browser.post(at(test, "cancel"))
    assert ask in browser.get(at(app, "guided_test")).content.decode()
    press(browser, app)
    assert not Connection.objects.exists() and not SynchJob.objects.exists()
