"""Names that people type on the command line, in any case."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.management.base import CommandError
from django.db import models
from django.utils.translation import gettext as _

Named = TypeVar("Named", bound=models.Model)


def named(queryset: models.QuerySet[Named], name: str, *, what: str) -> list[Named]:
    """The rows of that name, whatever its case; raises CommandError with all the right names where there is none."""
    found = list(queryset.filter(name__iexact=name.strip()))
    if found:
        return found
    names: list[Any] = sorted(set(queryset.values_list("name", flat=True)), key=str.casefold)
    said = _("There is no %(what)s %(name)s.") % {"what": what, "name": name}
    if names:
        said += " " + _("These are there:") + "".join(f"\n  {each}" for each in names)
    raise CommandError(said, returncode=2)
