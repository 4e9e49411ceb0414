"""The three groups that Tandem starts with, and what a group may do with the records of a mapping (DESIGN §3).

Permissions, not group names, guard what people do: a customer may change these groups, rename them or make others.
"""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils.translation import gettext as _

from synccore.models import MappingGrant, TableMapping
from synccore.models.scoping import SET_UP, GrantLevel

ADMINISTRATOR: Final = "Administrator"
RECORD_OWNER: Final = "Record owner"
VIEWER: Final = "Viewer"

__all__ = [
    "ADMINISTRATOR",
    "PERMISSIONS",
    "RECORD_OWNER",
    "ROLES",
    "SET_UP",
    "VIEWER",
    "grant",
    "refusal",
    "set_up_roles",
]

#: Every permission of Tandem, by its codename under ``synccore``.
PERMISSIONS: Final[tuple[str, ...]] = tuple(str(code) for code, _ in TableMapping._meta.permissions)

ROLES: Final[dict[str, tuple[str, ...]]] = {
    ADMINISTRATOR: PERMISSIONS,
    RECORD_OWNER: ("view", "retry", "synchronize", "couple", "remove_coupling", "leave_out"),
    VIEWER: ("view",),
}


def set_up_roles(**_signal: Any) -> None:
    """Make the groups that are missing, and give Administrator every permission. May run any number of times.

    A group that exists keeps the permissions a customer took away or added, except Administrator, which always
    gets all. Receiver of ``post_migrate``.
    """
    # The app's own permissions may not be there yet: the receivers run in the order of INSTALLED_APPS.
    create_permissions(apps.get_app_config("synccore"), verbosity=0)
    with transaction.atomic():
        rights = {
            right.codename: right
            for right in Permission.objects.filter(
                content_type__app_label="synccore", codename__in=PERMISSIONS
            )
        }
        for name, codes in ROLES.items():
            group, made = Group.objects.get_or_create(name=name)
            if made or name == ADMINISTRATOR:
                group.permissions.add(*(rights[code] for code in codes))


def grant(group: Group, mapping: TableMapping, level: GrantLevel) -> MappingGrant:
    """Let a group do this much with the records of a mapping; replaces what it could do before."""
    row, _ = MappingGrant.objects.update_or_create(group=group, mapping=mapping, defaults={"level": level})
    return row


def refusal(permission: str, *, of_mapping: bool = False) -> str:
    """One sentence for a person who may not do something: which groups may, and who can change that.

    Args:
        permission: as ``has_perm`` takes it, ``synccore.retry``.
        of_mapping: the person has the permission, but no group of his was granted these records' mapping.
    """
    if of_mapping:
        return _(
            "Your groups may not do this with the records of this mapping. An administrator of Tandem can grant it."
        )
    app, _dot, code = permission.partition(".")
    right = Permission.objects.filter(content_type__app_label=app, codename=code).first()
    names = (
        Group.objects.filter(permissions=right).order_by("name").values_list("name", flat=True)
        if right
        else ()
    )
    values = {"right": _(right.name) if right else permission, "groups": ", ".join(names)}
    if not names:
        return _("This needs the right “%(right)s”. An administrator of Tandem can give it.") % values
    return (
        _(
            "This needs the right “%(right)s”. These groups have it: %(groups)s. An administrator of Tandem can give it."
        )
        % values
    )
