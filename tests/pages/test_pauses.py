"""Pausing a pair of apps with a reason that everybody reads, resuming it, and the copy of a database."""

from __future__ import annotations

import pytest
from django.urls import reverse

from synccore.models import Integration
from synccore.models.instance import MISMATCH, instance_matches, own_instance

pytestmark = pytest.mark.django_db


def where(world, name: str) -> str:
    return reverse(f"synccore:{name}", args=[world.mapping.integration_id])


def test_a_pause_says_who_why_and_since_when_until_it_is_resumed(world, administrator, owner, as_user):
    browser = as_user(administrator)
    reason = "CRM is being moved <b>tonight</b>"
    answer = browser.post(where(world, "pause"), {"reason": reason}, follow=True)
    assert "changes wait and none is lost" in answer.content.decode()
    found = Integration.objects.get(pk=world.mapping.integration_id)
    assert (found.paused_by, found.paused_reason) == (administrator, reason)
    for person in (administrator, owner):
        text = as_user(person).get("/").content.decode()
        assert "anna: CRM is being moved &lt;b&gt;tonight&lt;/b&gt;" in text
    again = browser.post(where(world, "pause"), {"reason": "other"}, follow=True)
    assert "is paused already" in again.content.decode()
    gone = browser.post(where(world, "resume"), follow=True)
    assert "goes on; what waited is taken up" in gone.content.decode()
    found.refresh_from_db()
    assert found.paused_since is None
    assert "is paused" not in browser.get("/").content.decode()
    assert "is not paused any more" in browser.post(where(world, "resume"), follow=True).content.decode()


@pytest.mark.parametrize("reason", ["", "   ", "\x00"])
def test_a_pause_needs_a_reason(world, administrator, as_user, reason):
    answer = as_user(administrator).post(where(world, "pause"), {"reason": reason}, follow=True)
    assert "Say why it is paused" in answer.content.decode()
    assert Integration.objects.get(pk=world.mapping.integration_id).paused_since is None


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_only_who_sets_up_pauses(world, owner, as_user, name):
    answer = as_user(owner).post(where(world, name), {"reason": "because"})
    assert answer.status_code == 403 and "Administrator" in answer.content.decode()


def test_a_pause_of_apps_one_does_not_see_is_not_told(world, owner, as_user):
    from tests import factories as make

    other = make.make_integration(name="Secret pair", paused_since=world.conflict.since, paused_reason="x")
    make.make_mapping("Hidden", integration=other)
    assert "Secret pair" not in as_user(owner).get("/").content.decode()


def test_a_copied_database_is_taken_over_by_button(world, administrator, as_user, settings):
    own_instance()
    settings.INSTANCE = "another place"
    Integration.objects.update(paused_since=world.conflict.since, paused_reason=MISMATCH)
    browser = as_user(administrator)
    assert "This database was copied from another installation" in browser.get("/").content.decode()
    unsure = browser.post(where(world, "resume"), follow=True)
    assert "Nothing was resumed" in unsure.content.decode()
    assert not instance_matches()
    browser.post(where(world, "resume"), {"own": "yes"})
    assert instance_matches()
    assert not Integration.objects.exclude(paused_since=None).exists()
