"""The journal's page: who sees it, what it finds, and what it hides."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from synccore.models import Journal
from tests import factories as make


def words(answer) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


@pytest.fixture
def written(world) -> Journal:
    return make.make_journal(
        world.job, coupling=world.in_sync, before={"name": "Old <b>"}, values={"name": "New"}
    )


def test_a_write_says_record_before_after_state_seal_and_offers_undo(world, administrator, as_user, written):
    page = as_user(administrator).get("/journal/")
    text = words(page)
    assert "Contoso" in text and "Update CRM" in text and "Old <b>" in text and "New" in text
    assert "not sealed" in text and "Done" in text
    assert f"/jobs/{world.job.pk}/undo-writes/?row={written.pk}" in page.content.decode()
    assert "Old <b>" not in page.content.decode()
    Journal.objects.update(at=timezone.now() - timedelta(days=31))
    assert "undo-writes" not in as_user(administrator).get("/journal/").content.decode()


def test_filters_by_operation_app_state_job_record_and_name(world, administrator, as_user, written):
    other = make.make_journal(
        make.make_job(world.mapping),
        coupling=world.conflict.coupling,
        operation="create",
        side="left",
        state="failed",
        record_id="X-77",
    )
    browser = as_user(administrator)
    for query in (
        "operation=create",
        "side=left",
        "state=failed",
        "tab=failed",
        f"job={other.job_id}",
        "record=X-77",
        "q=Van",
    ):
        text = words(browser.get(f"/journal/?{query}"))
        assert "Van Dijk" in text and "Contoso" not in text, query
    assert "Every write has its answer." in words(browser.get("/journal/?tab=open"))
    Journal.objects.filter(pk=written.pk).update(state="unknown")
    assert "Contoso" in words(browser.get("/journal/?tab=open"))
    nonsense = browser.get("/journal/?job=x&operation=nonsense&at=broken")
    assert nonsense.status_code == 200


def test_what_was_undone_says_by_which_job(world, administrator, as_user, written):
    undoing = make.make_job(world.mapping, verb="undo")
    written.undone_by = make.make_journal(undoing, coupling=world.in_sync)
    written.save()
    assert f"undone by job {undoing.pk}" in words(as_user(administrator).get("/journal/?tab=undone"))


def test_only_administrators_and_values_that_are_sensitive_need_their_right(world, owner, as_user, written):
    assert as_user(owner).get("/journal/").status_code == 403
    make.make_field(world.mapping, "name", sensitive=True)
    person = make.make_user(username="ida")
    for code in ("set_up", "view"):
        person.user_permissions.add(Permission.objects.get(content_type__app_label="synccore", codename=code))
    text = words(as_user(person).get("/journal/"))
    assert "hidden" in text and "New" not in text


def test_the_journal_as_csv_says_before_and_after(world, administrator, as_user, written):
    answer = as_user(administrator).get("/journal/?format=csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert "Before" in text.splitlines()[0] and "name: Old <b>" in text and "name: New" in text


def test_many_pages_go_on_where_the_last_ended(world, administrator, as_user):
    for n in range(205):
        make.make_journal(world.job, coupling=world.in_sync, values={"name": f"value {n:03}"})
    browser = as_user(administrator)
    first = browser.get("/journal/").content.decode()
    assert "value 204" in first and "value 104" not in first
    older = re.search(r'rel="next"[^>]* href="([^"]+)"', first)[1]
    second = browser.get("/journal/" + unescape(older)).content.decode()
    assert "value 104" in second and "value 005" in second and "value 204" not in second
