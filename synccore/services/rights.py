"""Who may do what; a refusal names the right, so that the page can say who has it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied

from synccore.models import TableMapping
from synccore.models.scoping import GrantLevel


class RightMissing(PermissionDenied):
    """The person lacks a right in Tandem. ``permission`` is its name (``synccore.retry``)."""

    def __init__(self, permission: str) -> None:
        super().__init__(permission)
        self.permission = permission


def require(user: Any, permission: str) -> None:
    """Raise RightMissing unless the user has the permission; None stands for Tandem itself."""
    if user is not None and not user.has_perm(permission):
        raise RightMissing(permission)


def require_on(
    user: Any, mapping: TableMapping, permission: str, level: GrantLevel = GrantLevel.VIEW
) -> None:
    """The permission, and at least ``level`` on the mapping."""
    require(user, permission)
    if user is not None and not TableMapping.objects.visible_to(user, level).filter(pk=mapping.pk).exists():
        raise RightMissing(permission)
