"""*Ask the administrator*: whose set-up problem holds a record, and who wants it ended."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from synccore.models import Coupling, HelpRequest, Problem, TableMapping
from synccore.models.problem import ADMINISTRATORS_KINDS
from synccore.models.scoping import SET_UP

from .jobs import NotNow
from .rights import require


def for_administrators(user: Any) -> QuerySet[Problem]:
    """What only an administrator can end, of mappings and apps whose records the user sees: set-up problems of these, and
    single records that wait for him."""
    problems = Problem.objects.open()
    seen = TableMapping.objects.visible_to(user)
    of_apps = Q(connection__in=seen.values("integration__left")) | Q(
        connection__in=seen.values("integration__right")
    )
    scope = Q() if user.has_perm(SET_UP) else Q(mapping__in=seen.values("pk")) | Q(mapping=None) & of_apps
    return problems.filter(scope).filter(Q(coupling=None) | Q(kind__in=ADMINISTRATORS_KINDS))


@transaction.atomic
def ask(problem: Problem, *, user: Any, coupling: Coupling | None = None) -> HelpRequest:
    """Note on a problem that this person asks to have it ended, and from which record.

    Raises RightMissing; NotNow ``asked_already`` with ``at``, where he did; ``over`` where it ended meanwhile, or is nothing
    that an administrator alone can end.
    """
    require(user, "synccore.view")
    if not for_administrators(user).filter(pk=problem.pk).exists():
        raise NotNow("over")
    if coupling is not None and not Coupling.objects.visible_to(user).filter(pk=coupling.pk).exists():
        coupling = None
    try:
        with transaction.atomic():
            return HelpRequest.objects.create(
                problem=problem, user=user, coupling=coupling, at=timezone.now()
            )
    except IntegrityError:
        before = HelpRequest.objects.get(problem=problem, user=user)
        raise NotNow("asked_already", at=before.at) from None
