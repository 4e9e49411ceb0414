"""A record viewed whole and edited on its page: both sides, a conflict in two saves, and everything that stops it."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from coupling.edit_fields import RecordForm, as_text, typed
from synccore import jobs, services
from synccore.failures import Rejected, Transient
from synccore.models import FieldMapping, JobItem, Journal, SynchJob
from synccore.models.ledger import read_ledger
from synccore.models.seals import verify_journal
from synccore.services.rights import RightMissing
from synccore.shapes import FieldInfo, FieldType, Side
from synccore.tables import record_url
from tests.factories import ADMINISTRATOR, RECORD_OWNER, make_user
from tests.jobs.helpers import pair, refuse
from tests.jobs.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def duo(monkeypatch) -> World:
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)
    return World()


def sign_in(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def anna(duo) -> Client:
    return sign_in(make_user(ADMINISTRATOR, username="anna"))


def form_of(browser: Client, coupling, side: str) -> dict[str, str]:
    """The form of the live fragment as a browser would send it back."""
    page = browser.get(f"/live/edit/{coupling.pk}/{side}/").content.decode()
    data = {"token": re.search(r'name="token" value="([^"]+)"', page)[1]}
    for name, value in re.findall(r'<input type="text" name="(field:[^"]+)"(?: value="([^"]*)")?', page):
        data[name] = unescape(value)
    for name, value in re.findall(r'<textarea name="(field:[^"]+)"[^>]*>\n?([^<]*)</textarea>', page):
        data[name] = unescape(value)
    return data


def save(browser: Client, coupling, side: str, **changes: str):
    data = form_of(browser, coupling, side) | {f"field:{name}": value for name, value in changes.items()}
    return browser.post(f"/record/{coupling.pk}/edit/{side}/", data)


def carry_out() -> SynchJob:
    done = jobs.run(SynchJob.objects.latest("pk").pk)
    assert done is not None
    return done


def test_an_edit_is_written_kept_in_the_journal_and_carried_on_by_the_next_run(duo, anna):
    left, right = pair(duo, "C1", phone="1", city="Gent")
    coupling = duo.coupling("C1")
    answer = save(anna, coupling, "left", phone="2", city="Gent")
    job = SynchJob.objects.latest("pk")
    assert (answer.url, job.verb) == (f"/jobs/{job.pk}/", "edit")
    done = carry_out()
    assert (done.state, done.modified, done.scanned) == ("finished", 1, 1)
    row = Journal.objects.get(job=done)
    assert (row.before, row.values, row.state, row.side) == ({"phone": "1"}, {"phone": "2"}, "done", "left")
    assert duo.run().modified == 1 and duo.rows(Side.RIGHT)[right]["phone"] == "2"
    assert read_ledger().drift == [] and verify_journal().broken is None
    undone = services.undo(done, user=None)
    jobs.run(undone.pk)
    assert duo.rows(Side.LEFT)[left]["phone"] == "1"
    duo.run()
    assert duo.rows(Side.RIGHT)[right]["phone"] == "1", "an edit that is undone is an edit"


def test_a_conflict_in_two_saves(duo, anna):
    pair(duo, "C1", phone="1")
    coupling = duo.coupling("C1")
    for side in ("left", "right"):
        save(anna, coupling, side, phone=f"edited {side}")
        assert carry_out().state == "finished"
    duo.run()
    problem = duo.problem("C1")
    assert problem is not None and problem.code == "update_conflict"
    assert "Both apps changed it" in anna.get(record_url(coupling)).content.decode()


def test_what_changed_meanwhile_is_named_and_nothing_is_written(duo, anna):
    left, _right = pair(duo, "C1", phone="1", city="Gent")
    coupling = duo.coupling("C1")
    data = form_of(anna, coupling, "left") | {"field:phone": "2"}
    duo.left.put("customer", left, {"city": "Aalst"})
    anna.post(f"/record/{coupling.pk}/edit/left/", data)
    carry_out()
    item = JobItem.objects.get(job__verb="edit")
    assert (item.state, item.note) == ("not_applicable", 'changed_meanwhile:{"left": ["city"]}')
    assert duo.rows(Side.LEFT)[left]["phone"] == "1"
    page = anna.get(f"/jobs/{item.job_id}/").content.decode()
    assert "changed meanwhile: city in" in page


def test_a_record_that_was_only_touched_is_still_as_it_was_seen(duo, anna):
    left, _right = pair(duo, "C1", phone="1")
    coupling = duo.coupling("C1")
    data = form_of(anna, coupling, "left") | {"field:phone": "2"}
    duo.left.touch("customer", left)
    anna.post(f"/record/{coupling.pk}/edit/left/", data)
    assert carry_out().modified == 1 and duo.rows(Side.LEFT)[left]["phone"] == "2"


def test_what_the_field_cannot_hold_is_said_at_the_field_and_what_was_typed_stays(duo, anna):
    pair(duo, "C1", phone="1")
    coupling = duo.coupling("C1")
    answer = save(anna, coupling, "left", phone="x" * 41, city="Aalst")
    page = answer.content.decode()
    assert answer.status_code == 422 and "x" * 41 in page and "Aalst" in page
    assert "40" in page and not SynchJob.objects.filter(verb="edit").exists()
    again = form_of(anna, coupling, "left") | {"field:phone": "2", "token": "nonsense"}
    assert (
        "too old or was changed"
        in anna.post(f"/record/{coupling.pk}/edit/left/", again, follow=True).content.decode()
    )
    other = form_of(anna, coupling, "right")
    assert (
        "too old or was changed"
        in anna.post(f"/record/{coupling.pk}/edit/left/", other, follow=True).content.decode()
    )
    assert save(anna, coupling, "left").url == record_url(coupling), "nothing changed, nothing started"


def test_a_refusal_of_the_app_is_the_jobs_and_holds_nothing(duo, anna):
    pair(duo, "C1", phone="1")
    coupling = duo.coupling("C1")
    refuse(
        duo.left,
        lambda: Rejected(
            "check_refused", {"table": "customer", "field": "phone"}, app_message="violates check phone_ok"
        ),
    )
    save(anna, coupling, "left", phone="2")
    done = carry_out()
    assert (done.state, done.code, done.failed) == ("failed", "check_refused", 1)
    assert "violates check phone_ok" in anna.get(f"/jobs/{done.pk}/").content.decode()
    assert duo.problem() is None and Journal.objects.get(job=done).state == "failed"
    duo.left.faults.refuse = None
    assert duo.run().state == "finished"


def test_an_edit_without_an_answer_is_looked_up_and_still_flows(duo, anna):
    left, right = pair(duo, "C1", phone="1")
    save(anna, duo.coupling("C1"), "left", phone="2")
    duo.left.faults.lose_answers = 1
    carry_out()
    duo.run()
    duo.run()
    assert Journal.objects.get(job__verb="edit").state == "done"
    assert duo.rows(Side.RIGHT)[right]["phone"] == "2" == duo.rows(Side.LEFT)[left]["phone"]


def die_at(point: str) -> SynchJob:
    """The newest job, whose worker died there; it waits for another one."""
    job = SynchJob.objects.latest("pk")

    def observe(here: str) -> None:
        if here == point:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, observe=observe)
    SynchJob.objects.filter(pk=job.pk).update(state="queued", lease_no=5)
    return job


@pytest.mark.parametrize("point", ["intended", "sent", "before page", "page stored", "page committed"])
def test_an_edit_whose_worker_died_is_made_once_and_says_so(duo, anna, point):
    left, right = pair(duo, "C1", phone="1")
    save(anna, duo.coupling("C1"), "left", phone="2")
    job = die_at(point)
    assert carry_out().modified == 1
    item = JobItem.objects.get(job=job, purpose=JobItem.Purpose.CHOSEN)
    assert (item.state, item.note) == ("done", "")
    assert list(Journal.objects.filter(job=job, state="done").values_list("values", flat=True)) == [
        {"phone": "2"}
    ]
    duo.run()
    assert duo.rows(Side.LEFT)[left]["phone"] == "2" == duo.rows(Side.RIGHT)[right]["phone"]


@pytest.mark.parametrize(
    ("point", "said", "phone"),
    [
        ("intended", ("not_applicable", "right_missing"), "1"),
        ("sent", ("done", ""), "2"),
        ("page stored", ("done", ""), "2"),
        ("page committed", ("done", ""), "2"),
    ],
)
def test_an_edit_that_was_written_says_so_though_its_person_lost_the_right_since(duo, point, said, phone):
    left, _right = pair(duo, "C1", phone="1")
    person = make_user(ADMINISTRATOR)
    save(sign_in(person), duo.coupling("C1"), "left", phone="2")
    job = die_at(point)
    person.groups.clear()
    assert carry_out().modified == (phone == "2")
    item = JobItem.objects.get(job=job, purpose=JobItem.Purpose.CHOSEN)
    assert (item.state, item.note) == said
    assert duo.rows(Side.LEFT)[left]["phone"] == phone
    written = Journal.objects.filter(job=job, state="done").values_list("values", flat=True)
    assert list(written) == [{"phone": "2"}] * (phone == "2")


def test_an_edit_that_was_written_says_so_though_the_two_were_taken_apart_since(duo, anna):
    left, _right = pair(duo, "C1", phone="1")
    coupling = duo.coupling("C1")
    save(anna, coupling, "left", phone="2")
    job = die_at("sent")
    coupling.left_id = None
    coupling.save(update_fields=["left_id"])
    carry_out()
    item = JobItem.objects.get(job=job, purpose=JobItem.Purpose.CHOSEN)
    assert (item.state, item.note, duo.rows(Side.LEFT)[left]["phone"]) == ("done", "", "2")


def test_who_may_not_edit_reads_all_fields_and_who_can(duo, anna):
    pair(duo, "C1", phone="1", parent="5f1c0a52-0e2f-4f0e-9d7f-3c1c0c1c0c1c")
    coupling = duo.coupling("C1")
    otto = make_user(RECORD_OWNER, username="otto", grants={duo.mapping: 2})
    browser = sign_in(otto)
    page = browser.get(f"/live/edit/{coupling.pk}/left/").content.decode()
    assert "5f1c0a52" in page and "edit-form" not in page and "Edit records" in page
    assert browser.post(f"/record/{coupling.pk}/edit/left/", {}).status_code == 403
    with pytest.raises(RightMissing):
        services.edit(coupling, Side.LEFT, values={}, seen={}, user=otto)
    assert sign_in(make_user(RECORD_OWNER)).get(f"/record/{coupling.pk}/edit/left/").status_code == 404
    assert anna.get(f"/record/{coupling.pk}/edit/up/").status_code == 404


def test_the_right_is_asked_again_when_the_edit_is_carried_out(duo):
    left, _right = pair(duo, "C1", phone="1")
    person = make_user(ADMINISTRATOR)
    save(sign_in(person), duo.coupling("C1"), "left", phone="2")
    person.groups.clear()
    carry_out()
    assert JobItem.objects.get().note == "right_missing" and duo.rows(Side.LEFT)[left]["phone"] == "1"


def test_sensitive_fields_need_their_right_and_an_app_that_is_away_says_so(duo, anna):
    FieldMapping.objects.filter(mapping=duo.mapping, left_field="phone").update(sensitive=True)
    pair(duo, "C1", phone="secret")
    coupling = duo.coupling("C1")
    where = f"/live/edit/{coupling.pk}/left/"
    otto = sign_in(make_user(RECORD_OWNER, grants={duo.mapping: 2}))
    assert "secret" not in otto.get(where).content.decode()
    assert "secret" in anna.get(where).content.decode()
    duo.left.faults.fail = [Transient("connection_lost", {"app": duo.left.name})]
    page = anna.get(where).content.decode()
    assert "could not be read" in page and "Read again" in page


@pytest.mark.parametrize(
    ("kind", "options", "text", "value"),
    [
        (FieldType.TEXT, {}, "", None),
        (FieldType.TEXT, {"required": True}, "", ""),
        (FieldType.TEXT, {}, " two  spaces ", " two  spaces "),
        (FieldType.INTEGER, {}, " 12 ", 12),
        (FieldType.DECIMAL, {"precision": 10, "scale": 2}, "1234.50", Decimal("1234.50")),
        (FieldType.BOOLEAN, {}, "true", True),
        (FieldType.BOOLEAN, {}, "", None),
        (FieldType.DATE, {}, "2026-03-02", date(2026, 3, 2)),
        (FieldType.TIME, {}, "14:02:11", time(14, 2, 11)),
    ],
)
def test_what_is_typed_becomes_a_value_of_the_field(kind, options, text, value):
    info = FieldInfo("f", kind, **options)
    assert typed("t", info, text) == value
    if value is not None and text.strip() == text:
        assert typed("t", info, as_text(value, info)) == value


@pytest.mark.parametrize(
    ("kind", "options", "text", "code"),
    [
        (FieldType.INTEGER, {"required": True}, "", "value_required"),
        (FieldType.INTEGER, {}, "twelve", "invalid_value"),
        (FieldType.DECIMAL, {"precision": 5, "scale": 1}, "1.25", "number_too_precise"),
        (FieldType.DATE, {}, "2026-02-30", "invalid_value"),
        (FieldType.TEXT, {"length": 3}, "four", "value_too_long"),
        (FieldType.TEXT, {}, "nul\x00", "unstorable_character"),
    ],
)
def test_nonsense_is_refused_by_name(kind, options, text, code):
    with pytest.raises(Rejected) as refused:
        typed("t", FieldInfo("f", kind, **options), text)
    assert refused.value.code == code


def test_a_field_of_a_list_is_chosen_from_it_and_a_value_outside_it_is_not_lost():
    kinds = FieldInfo("kind", FieldType.INTEGER, options=(("3", "Customer"), ("11", "Vendor")))
    first = RecordForm(infos={"kind": kinds}, initial={"kind": "7"})
    page = str(first)
    assert '<option value="3">3 Customer</option>' in page and '<option value="7" selected>7</option>' in page
    assert '<option value="">empty</option>' in page
    again = RecordForm({"field:kind": "7"}, infos={"kind": kinds}, digests=first.digests)
    assert again.is_valid() and not again.changes and '<option value="7" selected>7</option>' in str(again)
    posted = RecordForm({"field:kind": "11"}, infos={"kind": kinds}, digests=first.digests)
    assert posted.is_valid() and posted.changes == {"kind": 11}


def test_line_ends_of_a_browser_are_no_change():
    infos = {"note": FieldInfo("note", FieldType.TEXT)}
    first = RecordForm(infos=infos, initial={"note": "one\ntwo"})
    posted = RecordForm({"field:note": "one\r\ntwo"}, infos=infos, digests=first.digests)
    assert posted.is_valid() and not posted.changes
