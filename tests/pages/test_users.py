"""Users and grants: accounts, their one-time links, groups, the matrix of grants, and who can lock whom out."""

from __future__ import annotations

import re
import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse

from synccore.models import MappingGrant, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.services import owners
from synccore.services.rights import RightMissing
from tandem.people import accounts
from tandem.people.accounts import Refused
from tests import factories as make

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


@pytest.fixture
def administrator(db):
    return make.make_user("Administrator", username="anna")


@pytest.fixture
def browser(administrator, as_user):
    return as_user(administrator)


def page(person: User, name: str = "user") -> str:
    return reverse(f"people:{name}", args=[person.pk])


def role(name: str) -> Group:
    return Group.objects.get(name=name)


def link_in(answer) -> str:
    found = re.search(r"http://testserver(/set-password/[^<\s]+)", answer.content.decode())
    assert found
    return found[1]


# -- accounts ----------------------------------------------------------------------------------------------------------


def test_a_new_user_gets_a_link_that_is_shown_once_and_works_once(browser):
    data = {"username": "otto", "first_name": "Otto", "email": "o@example.org", "groups": [role("Viewer").pk]}
    answer = browser.post(reverse("people:new_user"), data)
    assert "no-store" in answer["Cache-Control"]
    where = link_in(answer)
    person = User.objects.get(username="otto")
    assert not person.has_usable_password()
    assert [each.name for each in person.groups.all()] == ["Viewer"]
    assert where not in browser.get(page(person)).content.decode()
    assert "Invited, has set no password yet" in browser.get(reverse("people:users")).content.decode()

    stranger = Client()
    assert "You sign in as otto" in stranger.get(where).content.decode()
    weak = stranger.post(where, {"new_password1": "123", "new_password2": "123"})
    assert weak.status_code == 422
    assert stranger.post(where, {"new_password1": PASSWORD, "new_password2": PASSWORD}).url == reverse(
        "login"
    )
    assert stranger.post(reverse("login"), {"username": "otto", "password": PASSWORD}).url == "/"
    assert stranger.get(where).status_code == 410
    assert (
        Client().post(where, {"new_password1": "another one 1", "new_password2": "another one 1"}).status_code
        == 410
    )


@pytest.mark.parametrize("where", ["MQ/x-y", "x/y", "OTk5OTk5OTk5OTk5OTk5OTk/a-b", "LTE/a-b", "w6k/a-b"])
def test_a_link_of_nobody_is_over(db, where):
    answer = Client().get(f"/set-password/{where}/")
    assert answer.status_code == 410 and "This link is over" in answer.content.decode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"username": "ANNA"}, "This name is taken"),
        ({"username": ""}, "This field is required"),
        ({"username": "a b<c>"}, "Enter a valid username"),
        ({"username": "x" * 151}, "at most 150 characters"),
        ({"username": "ok", "email": "nonsense"}, "Enter a valid email address"),
        ({"username": "ok", "groups": ["999999"]}, "Select a valid choice"),
    ],
)
def test_nonsense_makes_nobody(browser, data, said):
    answer = browser.post(reverse("people:new_user"), data)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert User.objects.count() == 1


def test_names_with_html_are_text(browser):
    person = make.make_user("Viewer", username="eve", first_name="<b>Eve</b>")
    for where in (reverse("people:users"), page(person), page(person, "edit_user")):
        text = browser.get(where).content.decode()
        assert "<b>Eve" not in text and "&lt;b&gt;Eve" in text


def test_an_edit_is_kept_with_who_and_what(browser, administrator):
    person = make.make_user("Viewer", username="otto")
    form = browser.get(page(person, "edit_user")).context["form"]
    data = {
        "username": "otto",
        "first_name": "Otto",
        "groups": [role("Record owner").pk],
        "revision": form.initial["revision"],
    }
    browser.post(page(person, "edit_user"), data)
    person.refresh_from_db()
    assert person.get_full_name() == "Otto"
    [line] = LogEntry.objects.filter(user=administrator)
    assert line.change_message == "full name:  → Otto; groups: Viewer → Record owner"
    again = browser.post(page(person, "edit_user"), {**data, "first_name": "Other"}, follow=True)
    assert "Somebody changed this while you looked at it" in again.content.decode()
    person.refresh_from_db()
    assert person.first_name == "Otto"


def test_switching_off_ends_every_session_for_good(browser, as_user):
    person = make.make_user("Viewer", username="otto")
    theirs = as_user(person)
    assert theirs.get("/").status_code == 200
    answer = browser.post(page(person, "switch_user"), {"to": "off"}, follow=True)
    assert "switched off and signed out everywhere" in answer.content.decode()
    assert theirs.get("/").status_code == 302
    browser.post(page(person, "switch_user"), {"to": "on"})
    assert theirs.get("/").status_code == 302, "the old session does not wake up"
    assert browser.get("/").status_code == 200
    twice = browser.post(page(person, "switch_user"), {"to": "on"}, follow=True)
    assert "Somebody did this before you" in twice.content.decode()


def test_a_new_link_ends_the_old_password_and_its_sessions(browser, as_user):
    person = make.make_user("Viewer", username="otto", password=PASSWORD)
    theirs = as_user(person)
    first = link_in(browser.post(page(person, "sign_in_link")))
    assert theirs.get("/").status_code == 302
    assert Client().post(reverse("login"), {"username": "otto", "password": PASSWORD}).status_code == 200
    second = link_in(browser.post(page(person, "sign_in_link")))
    assert Client().get(first).status_code == 410, "a newer link replaces it"
    accounts.switch(person, by=None, on=False)
    assert Client().get(second).status_code == 410, "a link of an account that is off opens nothing"
    off = browser.post(page(person, "sign_in_link"), follow=True)
    assert "Switch it on first" in off.content.decode()


# -- nobody locks himself out ------------------------------------------------------------------------------------------


def test_nobody_takes_his_own_access_away(browser, administrator):
    make.make_user("Administrator", username="second")
    own = browser.get(page(administrator, "edit_user")).context["form"].initial["revision"]
    data = {"username": "anna", "groups": [role("Viewer").pk], "revision": own}
    assert (
        "take your own access away" in browser.post(page(administrator, "edit_user"), data).content.decode()
    )
    off = browser.post(page(administrator, "switch_user"), {"to": "off"}, follow=True)
    assert "take your own access away" in off.content.decode()
    link = browser.post(page(administrator, "sign_in_link"), follow=True)
    assert "You change your own password with the old one" in link.content.decode()
    administrator.refresh_from_db()
    assert administrator.is_active and administrator.has_perm("synccore.set_up")
    assert not LogEntry.objects.exists()


def test_an_administrator_through_another_group_does_not_lose_it_with_the_groups_right(as_user):
    helpers = Group.objects.create(name="Helpers")
    helpers.permissions.add(*accounts.permissions())
    person = make.make_user(username="hans")
    person.groups.add(helpers)
    browser = as_user(person)
    where = reverse("people:group", args=[helpers.pk])
    revision = browser.get(where).context["form"].initial["revision"]
    answer = browser.post(where, {"name": "Helpers", "rights": [], "revision": revision})
    assert "take your own access away" in answer.content.decode()
    assert helpers.permissions.count() == len(accounts.permissions())


def test_one_administrator_always_stays(administrator):
    with pytest.raises(Refused) as no:
        accounts.switch(administrator, by=None, on=False)
    assert no.value.code == "last_administrator"
    administrator.refresh_from_db()
    assert administrator.is_active


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_switch_each_other_off_at_once_leave_one():
    first, second = (make.make_user("Administrator", username=name) for name in ("first", "second"))
    start, refused = threading.Barrier(2), []

    def off(by: User, whom: User) -> None:
        start.wait()
        try:
            accounts.switch(whom, by=by, on=False)
        except (Refused, RightMissing) as no:
            refused.append(type(no).__name__)
        finally:
            connection.close()

    both = [threading.Thread(target=off, args=pair) for pair in ((first, second), (second, first))]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert User.objects.filter(is_active=True).count() == 1
    assert refused == ["Refused"]


def test_only_a_superuser_changes_a_superuser(browser, administrator):
    root = User.objects.create_superuser("root", password=PASSWORD)
    text = browser.get(page(root)).content.decode()
    assert "Only another such account changes it" in text and "Switch off" not in text
    for name in ("sign_in_link", "switch_user"):
        answer = browser.post(page(root, name), {"to": "off"}, follow=True)
        assert "Only another such account changes it" in answer.content.decode()
    root.refresh_from_db()
    assert root.is_active and root.check_password(PASSWORD)


def test_the_services_ask_for_the_right():
    owner = make.make_user("Record owner")
    for work in (
        lambda: accounts.save_user(None, by=owner, username="x"),
        lambda: accounts.switch(owner, by=owner, on=False),
        lambda: accounts.save_group(None, by=owner, name="x", rights=[]),
        lambda: accounts.save_grants({}, seen={}, by=owner),
    ):
        with pytest.raises(RightMissing):
            work()


# -- groups and grants -------------------------------------------------------------------------------------------------


def test_a_group_with_its_rights(browser):
    rights = [each.pk for each in accounts.permissions() if each.codename in ("view", "retry")]
    browser.post(reverse("people:new_group"), {"name": "Purchasing", "rights": rights})
    group = role("Purchasing")
    person = make.make_user(username="per")
    person.groups.add(group)
    assert person.has_perm("synccore.retry") and not person.has_perm("synccore.couple")
    taken = browser.post(reverse("people:new_group"), {"name": "purchasing"})
    assert taken.status_code == 422 and "This name is taken" in taken.content.decode()
    full = browser.post(reverse("people:delete_group", args=[group.pk]), follow=True)
    assert "Take its members out first" in full.content.decode()
    person.groups.clear()
    browser.post(reverse("people:delete_group", args=[group.pk]))
    assert not Group.objects.filter(name="Purchasing").exists()


def test_tandems_own_groups_keep_name_and_administrators_their_rights(browser):
    where = reverse("people:group", args=[role("Administrator").pk])
    revision = browser.get(where).context["form"].initial["revision"]
    browser.post(where, {"name": "Bosses", "rights": [], "revision": revision})
    assert role("Administrator").permissions.count() >= len(accounts.permissions())
    stays = browser.post(reverse("people:delete_group", args=[role("Viewer").pk]), follow=True)
    assert "one of Tandem’s own groups" in stays.content.decode()


@pytest.fixture
def mappings(db) -> tuple[TableMapping, TableMapping]:
    integration = make.make_integration()
    return make.make_mapping("Customer", integration=integration), make.make_mapping(
        "Item", integration=integration
    )


def cell(group: str, mapping: TableMapping) -> str:
    return f"g{role(group).pk}m{mapping.pk}"


def test_the_matrix_grants_and_takes_away(browser, mappings, as_user):
    customer, item = mappings
    where = reverse("people:groups")
    seen = browser.get(where).context["seen"]
    wanted = {"seen": seen, cell("Viewer", customer): "1", cell("Record owner", item): "2"}
    answer = browser.post(where, wanted, follow=True)
    assert "2 grants are changed" in answer.content.decode()
    viewer = make.make_user("Viewer")
    assert list(TableMapping.objects.visible_to(viewer)) == [customer]
    seen = browser.get(where).context["seen"]
    browser.post(where, {"seen": seen, cell("Viewer", customer): "0", cell("Record owner", item): "3"})
    assert [(each.group.name, each.level) for each in MappingGrant.objects.all()] == [
        ("Record owner", GrantLevel.DELETE)
    ]
    owner = make.make_user("Record owner", username="olga")
    text = browser.get(page(owner)).content.decode()
    assert re.search(r"Item</th><td>Delete</td><td>Record owner", text)
    none = browser.post(where, {"seen": browser.get(where).context["seen"]}, follow=True)
    assert "Nothing had to be changed" in none.content.decode()


def test_two_administrators_on_the_matrix_do_not_undo_each_other(browser, mappings):
    customer, item = mappings
    where = reverse("people:groups")
    seen = browser.get(where).context["seen"]
    make.make_grant(role("Viewer"), customer, GrantLevel.RESOLVE)
    answer = browser.post(
        where, {"seen": seen, cell("Viewer", customer): "1", cell("Viewer", item): "1"}, follow=True
    )
    text = answer.content.decode()
    assert "1 grant was changed by somebody else meanwhile" in text and "1 grant is changed" in text
    assert MappingGrant.objects.get(mapping=customer).level == GrantLevel.RESOLVE


@pytest.mark.parametrize("data", [{"seen": ""}, {"seen": "nonsense"}])
def test_a_matrix_that_was_tampered_with_saves_nothing(browser, mappings, data):
    answer = browser.post(reverse("people:groups"), data | {cell("Viewer", mappings[0]): "3"}, follow=True)
    assert "nothing was saved" in answer.content.decode()
    assert not MappingGrant.objects.exists()


def test_a_level_that_is_none_changes_nothing(browser, mappings):
    where = reverse("people:groups")
    seen = browser.get(where).context["seen"]
    browser.post(where, {"seen": seen, cell("Viewer", mappings[0]): "9"})
    assert not MappingGrant.objects.exists()
    with pytest.raises(ValueError):
        accounts.save_grants({(role("Viewer").pk, mappings[0].pk): 9}, seen={}, by=None)


def test_many_mappings_show_one_group_at_a_time(browser, mappings, monkeypatch):
    from tandem.people import group_views

    monkeypatch.setattr(group_views, "MOST_CELLS", 3)
    shown = browser.get(reverse("people:groups")).context
    assert shown["one_at_a_time"] and len(shown["shown"]) == 1
    viewer = browser.get(reverse("people:groups"), {"group": role("Viewer").pk}).context["shown"]
    assert [each.name for each in viewer] == ["Viewer"]


# -- one's own password ------------------------------------------------------------------------------------------------


def test_everybody_changes_his_own_password_and_stays_signed_in(db):
    person = make.make_user("Viewer", username="vera", password=PASSWORD)
    here, elsewhere = Client(), Client()
    for each in (here, elsewhere):
        each.post(reverse("login"), {"username": "vera", "password": PASSWORD})
    where = reverse("people:password")
    wrong = here.post(
        where, {"old_password": "no", "new_password1": "another 12", "new_password2": "another 12"}
    )
    assert wrong.status_code == 422
    new = "even more horses 7"
    assert (
        here.post(where, {"old_password": PASSWORD, "new_password1": new, "new_password2": new}).status_code
        == 302
    )
    assert here.get("/").status_code == 200 and elsewhere.get("/").status_code == 302
    person.refresh_from_db()
    assert person.check_password(new)
    assert Session.objects.exists()


def test_search_group_and_order_of_the_list(browser):
    make.make_user("Viewer", username="vera", first_name="Vera", last_name="Berg", email="v@x.example")
    make.make_user("Record owner", username="otto")
    listed = reverse("people:users")

    def names(query: str) -> list[str]:
        return [row.person.username for row in browser.get(listed + query).context["table"].row_list]

    assert names("") == ["anna", "otto", "vera"]
    assert names("?q=berg+vera") == ["vera"]
    assert names("?q=x.example") == ["vera"]
    assert names(f"?group={role('Record owner').pk}") == ["otto"]
    assert names("?q=%00") == [], "what cannot be searched for is found nowhere"
    assert names("?tab=off") == []


# -- codes in the apps -------------------------------------------------------------------------------------------------


def test_codes_are_asked_for_apps_that_name_owners(browser, mappings):
    person, other = make.make_user("Viewer", username="otto"), make.make_user("Viewer", username="vera")
    assert "no codes to keep" in browser.get(page(person)).content.decode()
    TableMapping.objects.filter(pk=mappings[0].pk).update(left_owner_field="salesperson")
    app = mappings[0].integration.left
    where = page(person, "owner_codes")
    answer = browser.post(where, {f"code-{app.pk}": " OJ "}, follow=True)
    assert "The codes of otto are saved" in answer.content.decode()
    assert owners.codes_of(person) == {app.pk: "OJ"}
    taken = browser.post(page(other, "owner_codes"), {f"code-{app.pk}": "OJ"}, follow=True)
    assert f"In {app.name} this code is otto’s already" in taken.content.decode()
    assert owners.codes_of(other) == {}
    browser.post(where, {f"code-{app.pk}": ""})
    assert owners.codes_of(person) == {}
    assert browser.post(where, {"code-999999": "X"}).status_code == 302
    assert owners.codes_of(person) == {}
