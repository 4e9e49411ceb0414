"""The list alone, for a page that watches it: cheap, told what left, and 304 while nothing changes."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from synccore.models import Problem
from tests.pages.test_every_page import LISTS, address

COUPLED = reverse("coupling:coupled")
LIST = {"HX-Request": "true", "HX-Target": "div#list"}


def end(problem) -> None:
    Problem.objects.filter(pk=problem.pk).update(state="ended", ending="fixed", ended_at=problem.since)


@pytest.mark.usefixtures("clean_up", "full")
@pytest.mark.parametrize("name", LISTS)
def test_the_list_comes_alone_in_as_few_questions_as_the_page(world, administrator, as_user, name):
    browser = as_user(administrator)
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(address(name, world), headers=LIST)
    text = answer.content.decode()
    assert "<html" not in text
    assert 'id="list"' in text
    assert 'id="panel"' not in text
    own = [each for each in captured if not re.search(r'FROM "(django_session|auth_)', each["sql"])]
    assert len(own) <= 5


def test_nothing_new_is_said_in_a_word(world, owner, as_user):
    Problem.objects.update(since="2020-01-01T00:00Z", last_failure="2020-01-01T00:00Z")
    browser = as_user(owner)
    tag = browser.get(f"{COUPLED}?tab=will_retry&q=nothing", headers=LIST)["ETag"]
    again = browser.get(f"{COUPLED}?tab=will_retry&q=nothing", headers=LIST | {"If-None-Match": tag})
    assert again.status_code == 304
    assert not again.content
    other = browser.get(f"{COUPLED}?tab=will_retry", headers=LIST | {"If-None-Match": tag})
    assert other.status_code == 200


def test_ticked_rows_that_left_are_named_and_no_link_holds_the_ticks(world, owner, as_user):
    end(world.conflict)
    ticked = f"{world.conflict.pk}.{world.rejected.pk}.{world.secret.pk}.nonsense"
    text = as_user(owner).get(COUPLED, headers=LIST | {"Tandem-Ticked": ticked}).content.decode()
    assert f'data-left="{world.conflict.pk}.{world.secret.pk}"' in text
    assert "ticked=" not in text
