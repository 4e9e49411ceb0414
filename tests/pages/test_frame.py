"""The frame: the menu's numbers, languages that stay, and what it is without JavaScript."""

from __future__ import annotations

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from synccore.models import SynchJob
from tests import factories as make

pytestmark = pytest.mark.django_db
#: Page → the tab whose number the menu shows beside it.
NUMBERS = {"coupling:coupled": "all", "coupling:skipped": "skipped", "errors:entries": "set_up"}


def menu_number(text: str, name: str) -> int:
    link = re.search(rf'<a href="{re.escape(reverse(name))}".*?</a>', text, re.DOTALL)
    found = re.search(r"data-menu-count=\"\w+\">([\d,]*)<", link[0]) if link else None
    assert found, name
    return int(found[1].replace(",", "") or 0)


@pytest.mark.parametrize("who", ["administrator", "owner", "viewer"])
@pytest.mark.parametrize(("name", "tab"), NUMBERS.items())
def test_the_menus_number_is_the_pages_number(request, world, as_user, who, name, tab):
    answer = as_user(request.getfixturevalue(who)).get(reverse(name))
    counts = {each.tab.name: each.count for each in answer.context["tabs"]}
    assert menu_number(answer.content.decode(), name) == counts[tab].n


def test_the_numbers_asked_again_are_those_of_the_menu_for_two_queries(world, owner, as_user):
    browser = as_user(owner)
    text = browser.get(reverse("home")).content.decode()
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(reverse("menu_counts"))
    told = json.loads(answer.content)
    for name in re.findall(r'data-menu-count="(\w+)"', text):
        shown = re.search(rf'data-menu-count="{name}">([^<]*)<', text)
        assert shown and told[name] == shown[1]
    own = [each for each in captured if "synccore_" in each["sql"]]
    assert len(own) <= 2  # whose records are his, and the sums
    assert "no-cache" in answer.headers["Cache-Control"]


def test_a_language_is_chosen_in_the_account_menu_and_stays(world, owner, as_user):
    browser = as_user(owner)
    answer = browser.post(reverse("set_language"), {"language": "nb", "next": "/jobs/?tab=trouble"})
    assert answer.url == "/jobs/?tab=trouble"
    assert browser.cookies["django_language"]["max-age"] >= 30 * 24 * 3600
    text = browser.get("/jobs/").content.decode()
    assert '<html lang="nb">' in text and "Synkroniseringsjobber for integrering" in text
    assert re.search(r'name="language" value="nb"[^>]*aria-pressed="true"', text)


def test_a_language_form_never_leads_to_another_host(world, owner, as_user):
    answer = as_user(owner).post(reverse("set_language"), {"language": "nl", "next": "https://evil.example/"})
    assert answer.url == "/"


@pytest.mark.parametrize(("language", "number"), [("en", "4,311"), ("nl", "4.311"), ("nb", "4\xa0311")])
def test_numbers_and_times_are_those_of_the_language(world, owner, as_user, language, number):
    SynchJob.objects.filter(pk=world.job.pk).update(unchanged=4311)
    browser = as_user(owner)
    browser.cookies["django_language"] = language
    text = browser.get(reverse("synccore:job", args=[world.job.pk])).content.decode()
    assert number in text
    assert re.search(r'<time datetime="[^"]+" title="[^"]*\d{4} \d\d:\d\d:\d\d UTC"', text)


def test_every_page_works_without_the_script_that_folds_the_menu(world, viewer, as_user):
    text = as_user(viewer).get(reverse("home")).content.decode()
    assert "data-nav-fold hidden" in text and 'class="skip-link" href="#main"' in text
    assert text.index("skip-link") < text.index('id="navigation"')


def test_one_integration_is_a_plain_name_and_several_are_a_filter(world, administrator, owner, as_user):
    make.make_problem(make.make_coupling(world.mapping, left_name="First one"), since=timezone.now())
    name = "ERP ⇄ CRM"
    text = as_user(administrator).get(reverse("home")).content.decode()
    assert f'<span class="integration">{name}</span>' in text and 'id="integration-menu"' not in text
    other = make.make_mapping("Vendors", integration=make.make_integration())
    make.make_problem(make.make_coupling(other, left_name="Other one"), since=timezone.now())
    where = f"{reverse('coupling:coupled')}?tab=all"
    browser = as_user(administrator)
    both = browser.get(where).content.decode()
    assert "First one" in both and "Other one" in both
    chosen = browser.get(f"{where}&integration={other.integration_id}")
    text = chosen.content.decode()
    assert "Other one" in text and "First one" not in text
    assert [each.name for each in chosen.context["mapping_lines"]] == ["Vendors"]
    assert [pill.label for pill in chosen.context["pills"]] == ["Integration"]
    assert f'?integration={other.integration_id}" aria-current="true"' in text
    assert str(other.integration) not in as_user(owner).get(where).content.decode()
    for name in ("synccore:jobs", "synccore:queue", "synccore:couplings", "errors:entries"):
        assert browser.get(f"{reverse(name)}?integration={other.integration_id}").status_code == 200
    assert browser.get(f"{where}&integration=999999").status_code == 200


@pytest.mark.parametrize("name", ["synccore:connections", "synccore:standard", "synccore:new_mapping"])
def test_a_page_about_integrations_leaves_the_choice_among_them_as_it_is(world, administrator, as_user, name):
    """Its own context stands before that of the frame."""
    other = make.make_mapping("Vendors", integration=make.make_integration()).integration
    address = reverse(name, args=[other.pk] if name == "synccore:standard" else [])
    if name == "synccore:new_mapping":
        address += f"?integration={other.pk}"
    text = as_user(administrator).get(address).content.decode()
    menu = text.split('<nav id="integration-menu"')[1].split("</nav>")[0]
    name_of_other = f"{other.left} ⇄ {other.right}"
    assert "ERP ⇄ CRM" in menu and name_of_other in menu
    button = text.split('popovertarget="integration-menu">')[1].split("</button>")[0]
    assert ("All integrations" if name != "synccore:new_mapping" else name_of_other) in button
