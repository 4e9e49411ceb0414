"""The groups Tandem starts with."""

import pytest
from django.contrib.auth.models import Group, Permission

from synccore import roles
from synccore.models import MappingGrant
from synccore.models.scoping import GrantLevel
from tests.factories import make_mapping, make_user

pytestmark = pytest.mark.django_db


def codes(name: str) -> set[str]:
    return set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))


def test_a_fresh_database_has_the_three_groups() -> None:
    assert len(roles.PERMISSIONS) == 14
    assert codes("Administrator") == set(roles.PERMISSIONS)
    assert codes("Record owner") == {"view", "retry", "synchronize", "couple", "remove_coupling", "leave_out"}
    assert codes("Viewer") == {"view"}


def test_permissions_are_named_as_the_app_asks_for_them() -> None:
    administrator, owner = make_user("Administrator"), make_user("Record owner")
    assert all(administrator.has_perm(f"synccore.{code}") for code in roles.PERMISSIONS)
    assert owner.has_perm("synccore.retry") and not owner.has_perm("synccore.delete_records")


def test_setting_up_again_keeps_what_a_customer_changed() -> None:
    owner = Group.objects.get(name="Record owner")
    owner.permissions.remove(Permission.objects.get(codename="couple"))
    owner.permissions.add(Permission.objects.get(codename="restore_records"))
    Group.objects.get(name="Viewer").delete()
    Group.objects.get(name="Administrator").permissions.clear()
    for _ in range(2):
        roles.set_up_roles()
    assert codes("Record owner") == {
        "view", "retry", "synchronize", "restore_records", "remove_coupling", "leave_out",
    }  # fmt: skip
    assert codes("Viewer") == {"view"}
    assert codes("Administrator") == set(roles.PERMISSIONS)
    assert Group.objects.count() == 3


def test_a_group_without_permissions_on_purpose_stays_so() -> None:
    Group.objects.get(name="Viewer").permissions.clear()
    roles.set_up_roles()
    assert codes("Viewer") == set()


def test_granting_again_replaces_the_level() -> None:
    mapping, group = make_mapping(), Group.objects.get(name="Viewer")
    roles.grant(group, mapping, GrantLevel.DELETE)
    roles.grant(group, mapping, GrantLevel.VIEW)
    assert [(row.group, row.level) for row in MappingGrant.objects.filter(mapping=mapping)] == [
        (group, GrantLevel.VIEW)
    ]
