"""Copy details: what a supporter needs is in it, and no secret and no sensitive value can be."""

from __future__ import annotations

import platform

import django
import pytest
from django.conf import settings
from django.urls import reverse

from errors.bundle import support_bundle
from synccore.models import CallStack, Problem, SynchJobError
from tests import factories as make

PASSWORD = "Tr0ub4dor&3"
DSN = f"postgresql://tandem_crm:{PASSWORD}@db.example:5432/crm"


@pytest.fixture
def entry(world) -> SynchJobError:
    """An entry of a record with kept values of both sides, one of them sensitive, and a call stack."""
    name = make.make_field(world.mapping, "name")
    bank = make.make_field(world.mapping, "iban", "bank_account", sensitive=True)
    coupling = world.rejected.coupling
    for side, iban in (("left", "NL91ABNA0417164300"), ("right", "NO9386011117947")):
        setattr(coupling, f"{side}_base", {str(name.pk): [1, "Trey Research"], str(bank.pk): [1, iban]})
    coupling.save()
    stack = CallStack.objects.create(
        digest="d" * 64,
        text=f'Traceback:\n  File "/srv/write.py", line 88, in create\n    connect({DSN!r}, password="{PASSWORD}")',
    )
    SynchJobError.objects.filter(pk=world.entry.pk).update(call_stack=stack)
    return SynchJobError.objects.get(pk=world.entry.pk)


def bundle(entry: SynchJobError) -> str:
    return support_bundle(entry, make.Coupling.objects.get(pk=entry.coupling_id), with_stack=True)


def test_everything_a_supporter_asks_for_is_there(world, entry, administrator):
    text = bundle(entry)
    for wanted in (
        f"details of entry {entry.pk}",
        "code: value_too_long",
        f"fingerprint: {entry.fingerprint}",
        "-- CRM said",
        f"-- Job {world.job.pk}",
        "failed 3",
        "-- Mapping Customer, revision 1",
        "ERP (memory) customer <-> account (memory) CRM",
        "name <-> name",
        "iban <-> bank_account [sensitive]",
        "name = Trey Research",
        f"Django {django.get_version()}",
        f"Python {platform.python_version()}",
        "PostgreSQL ",
        "Tandem 0.",
        'File "/srv/write.py", line 88, in create',
        f"-- Problem {world.rejected.pk} now",
    ):
        assert wanted in text, wanted


def test_credentials_and_passwords_and_addresses_with_them_are_taken_out(world, entry):
    world.mapping.field_mappings.filter(sensitive=True).delete()  # else every value goes, not secrets alone
    right = world.mapping.integration.right
    right.set_secrets({"password": "s3cret-of-crm"})
    right.options = {"host": "db.example", "user": "tandem_crm"}
    right.save()
    leaks = [
        PASSWORD, "s3cret-of-crm", settings.SECRET_KEY, settings.DATABASES["default"].get("PASSWORD") or PASSWORD,
        "hunter2", "hunter3", "hunter4", "eyJhbGciOiJIUzI1NiJ9", "c2VjcmV0OnNlY3JldA", "MIIEvQIBADANBg", "hunter5",
    ]  # fmt: skip
    SynchJobError.objects.filter(pk=entry.pk).update(
        app_message=(
            f"FATAL: {DSN}; host=db password=hunter2 sslmode=require\n"
            'client_secret: "hunter3", PWD=hunter4; Authorization: Bearer eyJhbGciOiJIUzI1NiJ9\n'
            "then Basic c2VjcmV0OnNlY3JldA== and s3cret-of-crm\n"
            f"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n{settings.SECRET_KEY}\n"
            "{'wachtwoord': 'hunter5'}"
        )
    )
    text = bundle(SynchJobError.objects.get(pk=entry.pk))
    assert [leak for leak in leaks if leak in text] == []
    assert text.count("[taken out]") >= 7
    assert "sslmode=require" in text and "db.example" in text, "the rest stays"


def test_sensitive_values_are_blanked_wherever_they_stand(world, entry):
    SynchJobError.objects.filter(pk=entry.pk).update(
        app_message='value "NL91ABNA0417164300" too long\nDETAIL: Failing row contains (7, NO9386011117947, 1234567).\n'
        "Key (bank_account)=(BE71096123456769) already exists."
    )
    text = bundle(SynchJobError.objects.get(pk=entry.pk))
    for value in ("NL91ABNA0417164300", "NO9386011117947", "1234567", "BE71096123456769"):
        assert value not in text
    assert "iban = [sensitive]" in text and "bank_account = [sensitive]" in text
    assert "Key (bank_account)=(" in text


def test_the_right_to_see_sensitive_fields_does_not_reach_into_the_details(
    world, entry, administrator, as_user
):
    assert administrator.has_perm("synccore.see_sensitive")
    text = as_user(administrator).get(reverse("errors:entry", args=[entry.pk])).content.decode()
    assert "readonly" in text and "NL91ABNA0417164300" not in text


def test_the_call_stack_is_for_those_who_set_up(world, entry, owner, administrator, as_user):
    where = reverse("errors:entry", args=[entry.pk])
    assert "write.py" in as_user(administrator).get(where).context["details"]
    assert "write.py" not in as_user(owner).get(where).content.decode()


def test_details_of_a_mapping_and_of_an_app_can_be_copied_too(world, administrator, as_user):
    for problem in (
        world.setup,
        make.make_problem(
            connection=world.mapping.integration.left, kind="transient", code="connection_lost", side="left"
        ),
    ):
        entry = make.make_entry(problem)
        answer = as_user(administrator).get(reverse("errors:entry", args=[entry.pk]))
        assert "None: the entry is of no record" in answer.context["details"]


def test_a_message_is_text_and_nothing_else(world, administrator, as_user):
    entry = make.make_entry(
        world.rejected, app_message="</textarea><script>alert(1)</script> \u202e" + "x" * 5000
    )
    text = as_user(administrator).get(reverse("errors:entry", args=[entry.pk])).content.decode()
    assert "</textarea><script>" not in text and "x" * 5000 in text


def test_credentials_that_cannot_be_read_are_no_obstacle(world, entry):
    from synccore.models import Connection

    Connection.objects.update(credentials=b"not ours")
    assert "-- Versions" in bundle(entry)


def test_what_can_be_done_with_the_record_now_stands_on_the_entry(world, entry, owner, viewer, as_user):
    where = reverse("errors:entry", args=[entry.pk])
    text = as_user(owner).get(where).content.decode()
    for name in ("retry", "synchronize", "remove_coupling"):
        assert f'name="{name}" value="{entry.pk}"' in text
    assert 'name="retry"' not in as_user(viewer).get(where).content.decode()
    Problem.objects.filter(pk=world.rejected.pk).update(state="ended", ending="fixed", ended_at=entry.at)
    assert 'name="retry"' not in as_user(owner).get(where).content.decode()


def test_an_entry_of_a_record_without_a_counterpart_offers_to_couple_it(world, owner, as_user):
    half = make.make_problem(make.make_coupling(world.mapping, right_id=None, left_name="New"))
    entry = make.make_entry(half)
    text = as_user(owner).get(reverse("errors:entry", args=[entry.pk])).content.decode()
    assert "Set Up Coupling" in text
