"""My records and No owner: whose records a list opens with, whose numbers the menu shows, and who sets the codes."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from synccore import services
from synccore.models import Coupling, OwnerCode, Problem
from synccore.services.rights import RightMissing
from tests import factories as make

COUPLED, SKIPPED = reverse("coupling:coupled"), reverse("coupling:skipped")


def names(answer) -> set[str]:
    return {row.name for row in answer.context["table"].row_list}


def tabs(answer) -> dict[str, int | None]:
    return {each.tab.name: each.count and each.count.n for each in answer.context["tabs"]}


def menu(answer) -> str:
    page = answer.content.decode()
    found = re.search(
        r"Coupled Data Synchronization Errors</span>\s*<span class=\"menu-count[^>]*>([\d,\s]+)<", page
    )
    return found[1] if found else ""


@pytest.fixture
def owned(world, owner, administrator):
    """Otto owns the conflict (as ERP names him) and the deletion (as CRM does); Nina, who is nobody here, the bug."""
    mapping = world.mapping
    type(mapping).objects.filter(pk=mapping.pk).update(left_owner_field="agent", right_owner_field="owner")
    services.set_codes(
        owner,
        {mapping.integration.left_id: "OJ", mapping.integration.right_id: "otto@crm"},
        user=administrator,
    )
    for problem, values in (
        (world.conflict, {"left_owner": "OJ"}),
        (world.deleted, {"right_owner": "otto@crm"}),
        (world.bug, {"left_owner": "NN"}),
        (world.rejected, {"right_owner": "OJ"}),  # that code means nobody in CRM
    ):
        Coupling.objects.filter(pk=problem.coupling_id).update(**values)
    return world


def test_a_list_opens_with_ones_own_records_and_the_pill_leads_to_everybodys(owned, owner, as_user):
    browser = as_user(owner)
    answer = browser.get(COUPLED)
    assert {row.problem.pk for row in answer.context["table"].row_list} == {
        owned.conflict.pk,
        owned.deleted.pk,
    }
    [pill] = answer.context["pills"]
    assert (str(pill.label), pill.value) == ("Owner", "My records")
    everybody = browser.get(f"{COUPLED}{pill.url}")
    assert len(names(everybody)) == 3 and not everybody.context["pills"]
    assert browser.get(f"{COUPLED}{answer.context['clear_url']}").context["pills"] == []


def test_the_menus_number_is_the_pages_number_as_it_opens(owned, owner, as_user):
    answer = as_user(owner).get(COUPLED)
    numbers = tabs(answer)
    assert (numbers["needs_you"], numbers["all"]) == (2, 2)
    assert menu(answer) == "2"
    four = ("needs_you", "with_the_administrator", "waiting", "will_retry")
    assert sum(numbers[name] for name in four) == numbers["all"]
    everybody = as_user(owner).get(f"{COUPLED}?owner=everybody&tab=all")
    assert (
        tabs(everybody)["all"]
        == Problem.objects.filter(mapping=owned.mapping, state__in=Problem.OPEN)
        .exclude(coupling=None)
        .count()
    )
    assert tabs(as_user(owner).get(SKIPPED))["skipped"] == 2


def test_no_owner_lists_what_belongs_to_nobody_here(owned, owner, administrator, as_user):
    answer = as_user(owner).get(f"{COUPLED}?owner=none&tab=all")
    shown = {row.problem.pk for row in answer.context["table"].row_list}
    assert owned.conflict.pk not in shown and owned.deleted.pk not in shown
    assert {owned.bug.pk, owned.rejected.pk, owned.waiting.pk} <= shown
    assert tabs(answer)["all"] == len(shown)
    assert "No owner" in as_user(administrator).get(COUPLED).content.decode()


def test_who_owns_nothing_sees_everybodys_and_is_offered_no_records_of_his_own(owned, viewer, as_user):
    answer = as_user(viewer).get(COUPLED)
    assert len(names(answer)) == 3 and not answer.context["pills"]
    page = answer.content.decode()
    assert "My records" not in page and "Everybody" in page
    mine = as_user(viewer).get(f"{COUPLED}?owner=mine")
    assert "Part of the filter in this address is not known" in mine.content.decode()


def test_where_no_mapping_names_an_owner_nothing_is_asked(world, owner, as_user):
    assert 'name="owner"' not in as_user(owner).get(COUPLED).content.decode()


def test_all_that_match_means_ones_own_records(owned, owner, as_user):
    as_user(owner).post(
        f"{COUPLED}?tab=all", {"leave_out": "selected", "all": "1", "reason": "x", "answered": "1"}
    )
    from synccore.models import JobItem

    assert set(JobItem.objects.values_list("coupling", flat=True)) == {
        owned.conflict.coupling_id,
        owned.deleted.coupling_id,
    }


def test_a_list_of_ones_own_asks_the_database_little(owned, owner, as_user):
    browser = as_user(owner)
    with CaptureQueriesContext(connection) as captured:
        browser.get(f"{COUPLED}?tab=all")
    own = [q["sql"] for q in captured if not re.search(r'FROM "(django_session|auth_\w+)"', q["sql"])]
    assert len(own) <= 5, "\n".join(own)


# --- the codes ------------------------------------------------------------------------------------------


def test_codes_are_set_changed_and_taken_away_by_who_sets_up(world, owner, administrator):
    erp, crm = world.mapping.integration.left_id, world.mapping.integration.right_id
    services.set_codes(owner, {erp: " OJ ", crm: "o"}, user=administrator)
    assert services.codes_of(owner) == {erp: "OJ", crm: "o"}
    services.set_codes(owner, {crm: ""}, user=administrator)
    assert services.codes_of(owner) == {erp: "OJ"}
    with pytest.raises(RightMissing):
        services.set_codes(owner, {erp: "X"}, user=owner)


def test_a_code_is_one_persons_in_one_app(world, owner, viewer, administrator):
    erp, crm = world.mapping.integration.left_id, world.mapping.integration.right_id
    services.set_codes(owner, {erp: "OJ"}, user=administrator)
    services.set_codes(viewer, {crm: "OJ"}, user=administrator)
    with pytest.raises(services.CodeTaken) as taken:
        services.set_codes(viewer, {erp: "OJ"}, user=administrator)
    assert taken.value.person == owner
    assert OwnerCode.objects.count() == 2


def test_somebody_who_is_not_signed_in_has_no_codes():
    from django.contrib.auth.models import AnonymousUser

    assert services.codes_of(AnonymousUser()) == {}


def test_an_owner_of_records_that_he_may_not_see_sees_none_of_them(owned, owner, administrator, as_user):
    Coupling.objects.filter(pk=owned.secret.coupling_id).update(left_owner="OJ")
    type(owned.hidden).objects.filter(pk=owned.hidden.pk).update(left_owner_field="agent")
    answer = as_user(owner).get(f"{COUPLED}?tab=all")
    assert "Salary" not in answer.content.decode() and menu(answer) == "2"
    assert make.make_user() is not None
