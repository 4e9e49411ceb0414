"""The row beside its list: by the server alone, as a part for scripts, stale, refused, and after the session has ended."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from synccore.models import Problem
from tests import factories as make

COUPLED = reverse("coupling:coupled")
ENTRIES = reverse("errors:entries")
PART = {"HX-Request": "true", "HX-Target": "aside#panel"}


def panel_of(text: str) -> str:
    found = re.search(r'<aside id="panel".*?</aside>', text, re.DOTALL)
    assert found
    return found[0]


def test_the_open_row_stands_beside_its_list(world, owner, as_user):
    text = as_user(owner).get(f"{COUPLED}?tab=all&open={world.conflict.pk}").content.decode()
    panel = panel_of(text)
    assert "Van Dijk &amp; Zn." in panel
    assert "History" in panel
    assert "hidden" not in panel.split(">")[0]
    assert re.search(rf'<tr id="row-{world.conflict.pk}"[^>]* aria-current="true"', text)
    assert "Trey Research" in text
    assert len(re.findall("<h1[ >]", text)) == 1


def test_a_row_links_to_the_list_with_itself_beside_it(world, owner, as_user):
    text = as_user(owner).get(f"{COUPLED}?tab=all&sort=name").content.decode()
    assert f'href="?tab=all&amp;sort=name&amp;open={world.conflict.pk}"' in text
    assert panel_of(text).split(">")[0].endswith("hidden")


def test_closing_leads_to_the_same_list(world, owner, as_user):
    text = as_user(owner).get(f"{COUPLED}?tab=all&sort=name&open={world.conflict.pk}").content.decode()
    assert 'href="?tab=all&amp;sort=name" data-panel-close' in panel_of(text)


def test_another_tab_order_or_filter_opens_nothing(world, owner, as_user):
    context = as_user(owner).get(f"{COUPLED}?tab=all&kind=bug&open={world.bug.pk}").context
    links = [each.url for each in context["tabs"]] + [each.url for each in context["pills"]]
    links += [each.url for each in context["table"].headers if each.url]
    assert links
    assert not any("open=" in link for link in links)


def test_a_script_gets_the_panel_alone(world, owner, as_user):
    answer = as_user(owner).get(f"{COUPLED}?tab=all&open={world.conflict.pk}", headers=PART)
    text = answer.content.decode()
    assert text.count("<aside") == 1
    assert "<h1" not in text
    assert "<table" not in text
    assert "HX-Target" in answer["Vary"]


@pytest.mark.parametrize("key", ["0", "-1", "nonsense", "9" * 40, "<script>", "1 OR 1=1"])
def test_a_key_that_names_nothing_is_told(world, owner, as_user, key):
    text = as_user(owner).get(f"{COUPLED}?open={quote(key)}").content.decode()
    assert "is not there any more, or your groups may not see it" in panel_of(text)
    assert "<script>" not in panel_of(text)


def test_what_one_may_not_see_is_not_beside_the_list(world, owner, as_user):
    for where, row in ((COUPLED, world.secret), (ENTRIES, make.make_entry(world.secret))):
        for headers in ({}, PART):
            text = as_user(owner).get(f"{where}?open={row.pk}", headers=headers).content.decode()
            assert "is not there any more" in panel_of(text)
            assert "Salary" not in text


def test_a_problem_that_has_ended_says_so(world, owner, as_user):
    Problem.objects.filter(pk=world.rejected.pk).update(
        state="ended", ending="fixed", ended_at=world.rejected.since
    )
    panel = panel_of(as_user(owner).get(f"{COUPLED}?open={world.rejected.pk}").content.decode())
    assert "This problem has ended." in panel
    assert 'name="retry"' not in panel


def test_an_action_in_the_panel_comes_back_to_the_same_list_and_row(world, owner, as_user):
    where = f"{COUPLED}?tab=all&open={world.rejected.pk}"
    panel = panel_of(as_user(owner).get(where).content.decode())
    assert f'action="{COUPLED}?tab=all&amp;open={world.rejected.pk}"' in panel
    answer = as_user(owner).post(where, {"retry": str(world.rejected.pk)})
    assert answer.url == where


def test_an_entry_stands_beside_the_diary(world, owner, administrator, as_user):
    where = f"{ENTRIES}?tab=entries&open={world.entry.pk}"
    panel = panel_of(as_user(owner).get(where).content.decode())
    assert "value too long for type character varying(50)" in panel
    assert "Error Call Stack" not in panel
    assert "Error Call Stack" in panel_of(as_user(administrator).get(where).content.decode())


def test_a_session_that_ended_sends_the_whole_browser_to_sign_in_and_back_to_the_list(world):
    where = f"{COUPLED}?tab=all&open={world.conflict.pk}"
    seen = {**PART, "HX-Current-URL": f"http://testserver{COUPLED}?tab=all&sort=name"}
    answer = Client().get(where, headers=seen)
    assert answer.status_code == 204
    assert (
        answer["HX-Redirect"] == f"{reverse('login')}?next={quote(f'{COUPLED}?tab=all&sort=name', safe='')}"
    )


def test_another_host_is_no_way_back(world):
    answer = Client().get(COUPLED, headers={**PART, "HX-Current-URL": "https://evil.example/steal"})
    assert answer["HX-Redirect"] == f"{reverse('login')}?next=%2Fsteal"
