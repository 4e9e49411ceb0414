"""What is asked before an action: the very records, what refers to them, what follows, and what does not come back."""

from __future__ import annotations

import json
import re

import pytest
from django.urls import reverse

from synccore.models import SynchJob
from tests import factories as make
from tests.pages.test_actions import ALL, press


def text(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def button(answer) -> str:
    found = re.search(
        r'<button class="btn btn-(?:danger|primary)"[^>]*>([^<]+)</button>', answer.content.decode()
    )
    assert found
    return found[1]


@pytest.fixture
def contacts(world):
    """Seven coupled contacts that refer to the deleted customer, and one that refers to another."""
    mapping = make.make_mapping("Contact", integration=world.mapping.integration, left_table="contact")
    rule = make.make_field(mapping, "customer", reference=world.mapping)

    def contact(parent, n):
        base = {str(rule.pk): [1, json.dumps(parent.left_id)]}
        return make.make_coupling(mapping, left_name=f"Contact {n}", left_base=base)

    for n in range(7):
        contact(world.deleted.coupling, n)
    contact(world.in_sync, 8)
    contact(world.deleted.coupling, 9).__class__.objects.filter(left_name="Contact 9").update(right_id=None)
    return mapping


def test_delete_says_where_how_many_refer_and_what_does_not_come_back(
    world, contacts, administrator, as_user
):
    asked = press(as_user(administrator), "delete", world.deleted)
    said = text(asked)
    assert "Customer: 1 record is deleted in ERP; it is gone from CRM already." in said
    assert "7 coupled records refer to these." in said
    assert "Contact, 7: " in said and "and 2 more" in said and "Contact 8" not in said
    assert "Undo creates it again for 30 days. What does not come back:" in said
    assert "they would get new ids in ERP" in said
    assert "The app may run its own automations" in said
    assert button(asked) == "Delete 1 record in ERP"
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


def test_restore_says_where_from_and_whether_the_ids_come_back(world, administrator, as_user):
    asked = press(as_user(administrator), "restore", world.deleted)
    said = text(asked)
    assert "Customer: 1 record is created again in CRM, from ERP." in said
    assert "Only mapped fields come back." in said
    assert "In CRM they get new ids" in said
    assert button(asked) == "Restore 1 record in CRM"
    type(world.mapping).objects.filter(pk=world.mapping.pk).update(right_key_kind="uuid")
    assert "In CRM they get the ids back that they had." in text(
        press(as_user(administrator), "restore", world.deleted)
    )


def test_records_gone_in_different_apps_are_told_apart(world, administrator, as_user):
    other = make.make_problem(
        make.make_coupling(world.mapping, left_exists=False), kind="missing", code="deleted_left"
    )
    asked = press(as_user(administrator), "delete", world.deleted, other)
    said = text(asked)
    assert "1 record is deleted in ERP" in said and "1 record is deleted in CRM" in said
    assert button(asked) == "Delete 2 records"


def test_remove_coupling_says_what_refers_to_the_pair(world, contacts, administrator, as_user):
    asked = press(as_user(administrator), "remove_coupling", world.deleted, world.rejected)
    assert "7 coupled records refer to these. They stay coupled, and wait" in text(asked)
    assert button(asked) == "Remove 2 couplings"


def test_dependents_of_mappings_one_may_not_see_are_not_named(world, contacts, owner, as_user):
    asked = press(as_user(owner), "remove_coupling", world.deleted)
    assert "Contact 1" not in text(asked) and "refer to these" not in text(asked)


def test_names_from_an_app_are_text_and_nothing_else(world, administrator, as_user):
    coupling = world.deleted.coupling
    type(coupling).objects.filter(pk=coupling.pk).update(left_name='<img src=x onerror="x">')
    page = press(as_user(administrator), "delete", world.deleted).content.decode()
    assert "&lt;img src=x" in page and "<img" not in page


def test_a_record_that_is_there_again_is_not_asked_about(world, administrator, as_user):
    coupling = world.deleted.coupling
    type(coupling).objects.filter(pk=coupling.pk).update(right_exists=True)
    answer = press(as_user(administrator), "delete", world.deleted)
    messages = " ".join(str(each) for each in answer.context["messages"])
    assert "Delete is for coupled records whose counterpart was deleted." in messages


def test_the_question_stands_at_the_address_of_the_list_and_goes_back_there(world, administrator, as_user):
    asked = press(as_user(administrator), "delete", world.deleted)
    assert asked.request["PATH_INFO"] == reverse("coupling:coupled")
    assert f'href="{ALL}"' in asked.content.decode()
