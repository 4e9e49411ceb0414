"""Who may see which rows: every queryset of people's data starts with ``.visible_to(user)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

SET_UP = "synccore.set_up"


class GrantLevel(models.IntegerChoices):
    """What a group may do with the records of a mapping; each level includes those before it."""

    VIEW = 1, _("View")
    RESOLVE = 2, _("Resolve")
    DELETE = 3, _("Delete")


class ScopedQuerySet(models.QuerySet[Any]):
    """A queryset that can be narrowed to the mappings a user was granted.

    ``mapping_path`` is the lookup from the model to its mapping ("" for the mapping itself).
    """

    mapping_path = "mapping"

    def visible_to(self, user: User | AnonymousUser, level: GrantLevel = GrantLevel.VIEW) -> Self:
        """Rows of mappings on which one of the user's groups has at least ``level``.

        Administrators (permission *set up*) see every row, also those of no mapping; an inactive or anonymous user none.
        """
        if not user.is_active:
            return self.none()
        if user.has_perm(SET_UP):
            return self.all()
        from .mapping import MappingGrant

        granted = MappingGrant.objects.filter(group__user=user, level__gte=level).values("mapping_id")
        path = f"{self.mapping_path}_id" if self.mapping_path else "pk"
        return self.filter(**{f"{path}__in": granted})
