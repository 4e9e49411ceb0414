"""The page *Use Default Synchronization Setup*: it shows what would be made, asks before it resets, and presses once."""

from __future__ import annotations

import pytest
from django.urls import reverse

from synccore.models import AppTable, Integration, SynchJob, TableMapping
from tests import factories as make
from tests.catalogues import dataverse, make_pair
from tests.memory.test_standard import ALL

from .test_actions import said


@pytest.fixture
def person(db):
    return make.make_user("Administrator", username="anna")


@pytest.fixture
def browser(as_user, person):
    return as_user(person)


@pytest.fixture
def pair(db) -> Integration:
    return make_pair()


def page(pair: Integration) -> str:
    return reverse("synccore:standard", args=[pair.pk])


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def test_it_shows_what_would_be_made_and_contacts_nobody(browser, pair):
    answer = browser.get(page(pair))
    text = text_of(answer)
    assert [row.slug for row in answer.context["rows"]] == list(ALL)
    assert answer.context["chosen"] == set(ALL)
    assert text.count('name="make"') == len(ALL) and "8 mappings can be made" in text
    assert f"cut to 30 on the way to {pair.left}" in text
    assert "customertypecode is “11”" in text and "blocked is empty" in text
    assert 'name="currency" value="EUR"' in text
    assert "Accounts of the relationship type Vendor" in text and "{a}" not in text and "{b}" not in text
    assert not TableMapping.objects.exists() and not SynchJob.objects.exists()


def test_one_press_makes_them_and_a_second_changes_nothing(browser, pair):
    answer = browser.post(page(pair), {"make": ALL, "currency": "eur"}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("synccore:full"), "where what is new is started"
    assert "8 mappings are made, switched off." in said(answer)
    assert TableMapping.objects.filter(enabled=False).count() == len(ALL)
    text = text_of(answer)
    assert "8 new mappings are switched off:" in text and "Switch on 8 mappings" in text
    again = browser.post(page(pair), {"make": ALL, "currency": "EUR"}, follow=True)
    assert "Everything of the standard was there already" in said(again)
    assert TableMapping.objects.count() == len(ALL)


def test_switched_on_where_people_say_so(browser, pair):
    answer = browser.post(
        page(pair), {"make": ["currencies"], "currency": "", "switch_on": "on"}, follow=True
    )
    assert "1 mapping is made, 1 of them switched on." in said(answer)
    assert TableMapping.objects.get().enabled


def test_what_is_there_is_offered_to_be_reset_after_a_question(browser, pair):
    browser.post(page(pair), {"make": ALL, "currency": "EUR"})
    customers = TableMapping.objects.get(name="Customers")
    TableMapping.objects.filter(pk=customers.pk).update(conflicts="left", name="Debtors")
    shown = browser.get(page(pair) + "?reset=customers")
    assert text_of(shown).count('name="reset"') == len(ALL) and shown.context["reset"] == {"customers"}
    asked = browser.post(page(pair), {"reset": ["customers"], "currency": "EUR"})
    assert "What people made of this mapping is replaced" in text_of(asked) and "Debtors" in text_of(asked)
    customers.refresh_from_db()
    assert customers.conflicts == "left"
    done = browser.post(page(pair), {"reset": ["customers"], "currency": "EUR", "answered": "1"}, follow=True)
    assert "Debtors: as the standard has it again." in said(done)
    assert done.redirect_chain[-1][0] == reverse("synccore:mapping", args=[customers.pk])
    customers.refresh_from_db()
    assert customers.conflicts == "ask"


def test_the_page_of_a_standard_mapping_leads_to_its_reset(browser, pair):
    browser.post(page(pair), {"make": ALL, "currency": "EUR"})
    customers = TableMapping.objects.get(name="Customers")
    assert f'{page(pair)}?reset=customers"' in text_of(
        browser.get(reverse("synccore:mapping", args=[customers.pk]))
    )
    own = make.make_mapping("Own", integration=pair, left_table="items", right_table="accounts")
    assert "?reset=" not in text_of(browser.get(reverse("synccore:mapping", args=[own.pk])))


def test_the_mappings_page_leads_there(browser, pair):
    text = text_of(browser.get(reverse("synccore:mappings")))
    assert f'href="{page(pair)}"' in text and "Use Default Synchronization Setup" in text


def test_a_new_pair_of_these_kinds_leads_there(browser):
    apps = [make.make_connection(kind, kind=kind) for kind in ("business_central", "dataverse")]
    answer = browser.post(
        reverse("synccore:new_integration"), {"name": "Pair", "left": apps[0].pk, "right": apps[1].pk}
    )
    assert answer.url == page(Integration.objects.get(name="Pair"))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"make": ["customers"], "currency": "E U R"}, "A currency’s code has letters and digits only"),
        ({"make": ["customers"], "currency": "<b>€</b>"}, "A currency’s code has letters and digits only"),
        ({"currency": "EUR"}, "Tick what is to be made or reset."),
        ({"make": ["nonsense", "../x"], "currency": ""}, "Tick what is to be made or reset."),
        ({"reset": ["customers"], "currency": "", "answered": "1"}, "Tick what is to be made or reset."),
    ],
)
def test_answers_that_cannot_be_used(browser, pair, typed, sentence):
    answer = browser.post(page(pair), typed)
    assert answer.status_code == 422 and sentence in text_of(answer)
    assert not TableMapping.objects.exists()


def test_tables_that_were_never_read_are_read_first(browser, pair):
    AppTable.objects.filter(connection=pair.right).delete()
    assert f"The tables of {pair.right} were not read yet" in text_of(browser.get(page(pair)))
    refused = browser.post(page(pair), {"make": ALL, "currency": "EUR"}, follow=True)
    assert not TableMapping.objects.exists() and "tables of its apps were not read yet" in said(refused)
    browser.post(page(pair), {"do": "read"})
    assert SynchJob.objects.filter(verb="describe").count() == 2
    reading = text_of(browser.get(page(pair)))
    assert "This page follows by itself." in reading and 'hx-trigger="every 2s"' in reading
    part = browser.get(page(pair), headers={"hx-request": "true"})
    assert "<h1" not in text_of(part) and 'id="standard-region"' in text_of(part)


def test_names_of_apps_are_data(browser, pair):
    pair.left.name, pair.right.name = "<b>BC</b>", "{b} & %s"
    pair.left.save()
    pair.right.save()
    text = text_of(browser.get(page(pair)))
    assert "<b>BC</b>" not in text and "&lt;b&gt;BC&lt;/b&gt;" in text and "{b} &amp; %s" in text


def test_kinds_without_a_standard_say_so(browser, db):
    pair = make.make_integration()
    assert "There is no standard for apps of these two kinds" in text_of(browser.get(page(pair)))
    answer = browser.post(page(pair), {"make": ALL})
    assert answer.status_code == 200 and not TableMapping.objects.exists()


def test_what_is_missing_is_named_on_the_page(browser, pair):
    from django.utils import timezone

    from synccore.models.catalogue import store_catalogue

    tables = dataverse()
    del tables["systemusers"]
    del tables["accounts"].fields["websiteurl"]
    store_catalogue(pair.right, tables, timezone.now())
    text = text_of(browser.get(page(pair)))
    assert f"{pair.right} had no table systemusers when its tables were last read." in text
    assert f"websiteurl is not in accounts of {pair.right}; website of {pair.left} is not mapped." in text
    assert "salespersonCode names a record of Salespeople, which is not made." in text
    assert text.count('name="make"') == len(ALL) - 1


@pytest.mark.parametrize("who", ["Record owner", "Viewer"])
def test_only_who_may_set_up(as_user, pair, who):
    refused = as_user(make.make_user(who))
    for answer in (refused.get(page(pair)), refused.post(page(pair), {"make": ALL})):
        assert answer.status_code == 403
    assert not TableMapping.objects.exists()


def test_what_is_new_is_switched_on_by_one_press_and_what_cannot_be_says_why(browser, pair):
    browser.post(page(pair), {"make": ALL, "currency": "EUR"})
    made = list(TableMapping.objects.order_by("pk"))
    wrong = made[0]
    TableMapping.objects.filter(pk=wrong.pk).update(left_table="gone")
    answer = browser.post(
        reverse("synccore:switch_on_new"),
        {"mapping": [*(row.pk for row in made), "x", "99999"], "back": "full"},
        follow=True,
    )
    assert answer.redirect_chain[-1][0] == reverse("synccore:full")
    assert "7 mappings are switched on. Their schedules run them" in said(answer)
    assert f"{wrong.name} stays switched off until" in said(answer)
    assert set(TableMapping.objects.filter(enabled=False)) == {wrong}
    assert "1 new mapping is switched off:" in text_of(answer)
    listed = text_of(browser.get(reverse("synccore:mappings")))
    assert "Switch on 1 mapping" in listed


def test_only_who_may_set_up_switches_on_several(world, owner, as_user):
    TableMapping.objects.update(enabled=False)
    answer = as_user(owner).post(reverse("synccore:switch_on_new"), {"mapping": [world.mapping.pk]})
    assert answer.status_code == 403
    assert not TableMapping.objects.filter(enabled=True).exists()
    assert "switch_on_new" not in as_user(owner).get(reverse("synccore:full")).content.decode()
