"""The record page: which record an address means, what it says, and what can be pressed on it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from synccore import jobs, services
from synccore.models import Coupling, FieldMapping, Journal, Problem, SynchJob
from synccore.shapes import Side
from synccore.tables import record_url
from tests.factories import RECORD_OWNER, VIEWER, make_coupling, make_user
from tests.jobs.helpers import new, pair
from tests.jobs.world import World


@pytest.fixture
def duo(db, monkeypatch) -> World:
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)
    return World()


@pytest.fixture
def otto(duo, as_user):
    return as_user(make_user(RECORD_OWNER, username="otto", grants={duo.mapping: 2}))


@pytest.fixture
def as_user():
    from django.test import Client

    def sign_in(person):
        client = Client()
        client.force_login(person)
        return client

    return sign_in


def words(answer) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def live(browser, coupling: Coupling):
    return browser.get(f"/live/record/{coupling.pk}/")


def token(answer) -> str:
    return re.search(r'name="token" value="([^"]+)"', answer.content.decode())[1]


# -- which record ------------------------------------------------------------------------------------------------------


def test_number_and_id_of_either_side_lead_to_the_record_by_name_or_id_of_the_mapping(duo, otto):
    left, right = pair(duo, "C1")
    for mapping in (duo.mapping.pk, duo.mapping.name, duo.mapping.name.upper()):
        for key in ("C1", "c1", left, right):
            assert "C1 Firm C1" in words(otto.get(f"/go/{mapping}/{key}"))


def test_several_hits_are_listed_and_one_that_synchronizes_is_preferred(duo, otto):
    pair(duo, "C1")
    for name in ("North", "South"):
        make_coupling(duo.mapping, left_key="7", right_key="7", left_name=name)
    text = words(otto.get(f"/go/{duo.mapping.pk}/7"))
    assert "Which one is meant?" in text and "7 North" in text and "7 South" in text
    old = make_coupling(duo.mapping, left_key="C1", left_name="Old", removed_at=timezone.now())
    text = words(otto.get(f"/go/{duo.mapping.pk}/C1"))
    assert "C1 Firm C1" in text and "Also with this number" in text and "removed" in text
    assert "The coupling was removed on" in words(otto.get(record_url(old)))


def test_an_unknown_number_offers_to_look_in_the_apps(duo, otto):
    id = new(duo, "C9")
    text = otto.get(f"/go/{duo.mapping.pk}/C9").content.decode()
    assert "No record with this number or id is known here." in text
    assert f"/records/?mapping={duo.mapping.pk}&amp;q=C9&amp;look=1" in text
    found = otto.get(f"/live/records/?mapping={duo.mapping.pk}&q=C9")
    assert "C9 Firm C9" in words(found) and "It is not coupled yet" in words(found)
    assert f"side=left&amp;id={id}" in found.content.decode()
    assert otto.get("/go/no-such-mapping/C9").status_code == 404
    nonsense = otto.get(f"/go/{duo.mapping.pk}/%3Cscript%3E%22'/x?pair=x")
    assert nonsense.status_code == 200 and '<script>"' not in nonsense.content.decode()


def test_a_strange_number_in_the_address_finds_its_record(duo, otto):
    odd = make_coupling(duo.mapping, left_key="A/7?#ü %", left_name="Odd")
    assert "Odd" in words(otto.get(record_url(odd)))


# -- what it says ------------------------------------------------------------------------------------------------------


def test_values_times_and_the_sentence_from_memory_and_from_the_apps(duo, otto):
    left, _right = pair(duo, "C1", phone="1")
    duo.run()
    coupling = duo.coupling("C1")
    text = words(otto.get(record_url(coupling)))
    assert "Kept by Tandem, as last agreed" in text and "Nothing runs by itself" in text
    assert "The apps were not asked now" in text
    duo.left.clock += timedelta(minutes=30)
    duo.left.put("customer", left, {"phone": "2"}, by="p.maas")
    text = words(live(otto, coupling))
    assert "As it is in the apps" in text and "was last read" in text
    assert "All times in" in text


def test_one_way_fields_are_marked_and_an_edit_there_is_the_answer(duo, otto):
    from tests.factories import make_queue_entry

    make_queue_entry(duo.mapping, next_run=timezone.now() + timedelta(minutes=5))
    FieldMapping.objects.filter(mapping=duo.mapping, left_field="phone").update(direction="to_right")
    _left, right = pair(duo, "C1", phone="1")
    duo.right.put("account", right, {"phone": "9"})
    text = words(live(otto, duo.coupling("C1")))
    assert f"one way, {duo.left.name} → {duo.right.name}" in text
    assert f"phone was edited in {duo.right.name} and does not flow from there" in text


def test_overwritten_edits_log_and_journal_say_who_and_offer_undo(duo, otto):
    left, right = pair(duo, "C1", phone="1")
    duo.left.put("customer", left, {"phone": "2"})
    duo.right.put("account", right, {"phone": "3"})
    duo.run()
    services.start_bulk("resolve", Coupling.objects.all(), user=None, options={"side": "left"})
    jobs.run(SynchJob.objects.latest("pk").pk)
    coupling = duo.coupling("C1")
    page = otto.get(record_url(coupling))
    text = words(page)
    assert "Edits that were written over in the last 30 days" in text
    assert re.search(r"phone: 3 · job \d+ · Undo", text)
    assert "Synchronize, version chosen, job" in text and "Changed in both apps" in text
    assert f"Update in {duo.right.name}" in text and f"Create in {duo.right.name}" in text
    row = Journal.objects.get(operation="update")
    assert f"/jobs/{row.job_id}/undo-writes/?row={row.pk}" in page.content.decode()
    create = Journal.objects.get(operation="create")
    assert f"?row={create.pk}" not in page.content.decode(), "a record owner may not delete records"


def test_sensitive_values_are_hidden_in_journal_and_overwritten_edits(duo, otto):
    FieldMapping.objects.filter(mapping=duo.mapping, left_field="phone").update(sensitive=True)
    left, right = pair(duo, "C1", phone="secret-1")
    duo.left.put("customer", left, {"phone": "secret-2"})
    duo.right.put("account", right, {"phone": "secret-3"})
    duo.run()
    services.start_bulk("resolve", Coupling.objects.all(), user=None, options={"side": "left"})
    jobs.run(SynchJob.objects.latest("pk").pk)
    coupling = duo.coupling("C1")
    for answer in (otto.get(record_url(coupling)), live(otto, coupling)):
        assert "secret" not in answer.content.decode() and "hidden" in answer.content.decode()


def test_names_with_html_and_long_values_are_data(duo, otto):
    pair(duo, "C1", name="<b>Firm</b>\u202eمرحبا", city="x" * 60)
    page = otto.get(record_url(Coupling.objects.get())).content.decode()
    assert "<b>Firm" not in page and "&lt;b&gt;Firm" in page


# -- what is pressed ---------------------------------------------------------------------------------------------------


def test_synchronize_in_a_chosen_direction_on_what_was_seen(duo, otto):
    left, right = pair(duo, "C1", phone="1", city="Gent")
    duo.right.put("account", right, {"phone": "9"})
    coupling = duo.coupling("C1")
    where = f"/record/{coupling.pk}/synchronize/"
    seen = token(live(otto, coupling))
    answer = otto.post(where, {"from": "left", "token": seen})
    job = SynchJob.objects.latest("pk")
    assert answer.url == f"/jobs/{job.pk}/"
    jobs.run(job.pk)
    assert duo.rows(Side.RIGHT)[right]["phone"] == "1", "the edit of the other side is written over"
    assert "phone: 9" in words(otto.get(record_url(coupling)))

    duo.right.put("account", right, {"phone": "8"})
    seen = token(live(otto, coupling))
    duo.right.put("account", right, {"phone": "7"})
    otto.post(where, {"from": "left", "token": seen})
    jobs.run(SynchJob.objects.latest("pk").pk)
    assert duo.rows(Side.RIGHT)[right]["phone"] == "7", "nothing over what was not seen"
    for bad in ({"from": "up", "token": seen}, {"from": "left", "token": "x"}, {}):
        assert "too old or was changed" in words(otto.post(where, bad, follow=True))


def test_a_viewer_may_look_and_not_press(duo, as_user):
    pair(duo, "C1")
    coupling = duo.coupling("C1")
    vera = as_user(make_user(VIEWER, grants={duo.mapping: 1}))
    assert "Synchronize now:" not in words(live(vera, coupling))
    assert vera.post(f"/record/{coupling.pk}/synchronize/").status_code == 403
    assert vera.post(record_url(coupling), {"remove_coupling": coupling.pk}).status_code == 403


def test_leave_out_with_reason_and_date_is_the_answer_and_is_taken_back_here(duo, otto):
    pair(duo, "C1", phone="1")
    coupling = duo.coupling("C1")
    here = record_url(coupling)
    assert "Leave these records out on purpose?" in words(otto.post(here, {"leave_out": coupling.pk}))
    until = timezone.localdate() + timedelta(days=3)
    data = {"leave_out": "selected", "row": [coupling.pk], "answered": "1", "reason": "Being merged"}
    assert otto.post(here, data | {"until": until.isoformat()}).url == here
    jobs.run(SynchJob.objects.latest("pk").pk)
    problem = Problem.objects.get()
    assert (problem.state, timezone.localdate(problem.until)) == ("on_purpose", until)
    page = otto.get(here)
    assert "Left out on purpose; it comes back on" in words(page) and "Being merged" in words(page)
    assert 'name="take_back"' in page.content.decode()


def test_remove_coupling_is_asked_and_comes_back_here(duo, otto):
    pair(duo, "C1")
    coupling = duo.coupling("C1")
    here = record_url(coupling)
    asked = otto.post(here, {"remove_coupling": coupling.pk})
    assert "Remove the coupling?" in words(asked)
    answer = otto.post(here, {"remove_coupling": "selected", "row": [coupling.pk], "answered": "1"})
    assert answer.url == here
    jobs.run(SynchJob.objects.latest("pk").pk)
    assert "The coupling was removed on" in words(otto.get(here))


def test_the_list_of_records_finds_each_state(duo, otto):
    pair(duo, "C1")
    make_coupling(duo.mapping, left_key="H1", left_name="Half", right_id=None)
    make_coupling(duo.mapping, left_key="R1", left_name="Apart", removed_at=timezone.now())
    assert all(each in words(otto.get("/records/")) for each in ("C1 Firm", "H1 Half", "R1 Apart"))
    for tab, shown in (("coupled", "C1 Firm"), ("alone", "H1 Half"), ("removed", "R1 Apart")):
        text = words(otto.get(f"/records/?tab={tab}"))
        assert [each for each in ("C1 Firm", "H1 Half", "R1 Apart") if each in text] == [shown]
    text = words(otto.get(f"/records/?mapping={duo.mapping.pk}&q=C1"))
    assert "“C1” in both apps" in text and "Look for it in both apps" in text
    assert otto.get("/live/records/?mapping=999999&q=x").status_code == 404
