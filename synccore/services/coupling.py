"""Couple two records by hand, and what they refer to before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from synccore.models import Coupling, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.shapes import SIDES, Side
from synccore.tasks import kick_on_commit
from synccore.verbs.elsewhere import coupled_elsewhere

from .jobs import NotNow
from .rights import require_on
from .setup import order_of


@dataclass(frozen=True, slots=True)
class Two:
    """One left and one right record that are to be coupled."""

    mapping: TableMapping
    left: str
    right: str

    def id(self, side: Side) -> str:
        return self.left if side is Side.LEFT else self.right


@transaction.atomic
def couple(
    mapping: TableMapping,
    *,
    left: str,
    right: str,
    user: Any,
    prefer: str = "",
    parents: Sequence[Two] = (),
) -> SynchJob:
    """Couple two records by their ids; ``prefer`` is the side whose values win where they differ ("": a person decides).

    ``parents`` are coupled first, in the order of their mappings; then a parent job holds one job each, and none of them
    starts before the one in front of it has ended. Gives that job, or the only one.

    Raises RightMissing; NotNow ``coupled_already`` (``record``, ``to``, ``together``: with each other),
    ``coupled_elsewhere`` (and ``mapping``: another one on the same table) or ``in_job`` (``job``, ``who``) where somebody
    was quicker.
    """
    wanted = _in_order([*parents, Two(mapping, left, right)])
    for each in wanted:
        require_on(user, each.mapping, "synccore.couple", GrantLevel.RESOLVE)
        _check_free(each)
    pressed = timezone.now()
    common: dict[str, Any] = {
        "verb": "couple",
        "scope": SynchJob.Scope.ITEMS,
        "requested_by": user,
        "origin": SynchJob.Origin.PERSON if user else SynchJob.Origin.COMMAND,
        "pressed_at": pressed,
    }
    parent = None
    if len(wanted) > 1:
        parent = SynchJob.objects.create(
            **common,
            state=SynchJob.State.RUNNING,
            started_at=pressed,
            total=len(wanted),
            options={"manual": True},
        )
    jobs = [
        SynchJob.objects.create(
            **common,
            mapping=each.mapping,
            parent=parent,
            total=1,
            options={"left": each.left, "right": each.right, "prefer": prefer, "manual": True},
        )
        for each in wanted
    ]
    kick_on_commit()
    return parent or jobs[0]


def _in_order(wanted: Sequence[Two]) -> list[Two]:
    """Each pair once, parents before what refers to them."""
    once = {(each.mapping.pk, each.left, each.right): each for each in wanted}
    places = {
        mapping.pk: place for place, mapping in enumerate(order_of([each.mapping for each in once.values()]))
    }
    return sorted(once.values(), key=lambda each: places[each.mapping.pk])


def _check_free(two: Two) -> None:
    """The job asks the same again when it runs; here the person hears it at once."""
    for side in SIDES:
        held = (
            Coupling.objects.live()
            .paired()
            .filter(mapping=two.mapping, **{f"{side.value}_id": two.id(side)})
            .first()
        )
        if held is not None:
            together = held.of(side.other, "id") == two.id(side.other)
            raise NotNow(
                "coupled_already", record=held.title(side), to=held.title(side.other), together=together
            )
        elsewhere = coupled_elsewhere(two.mapping, side, [two.id(side)]).get(two.id(side))
        if elsewhere is not None:
            raise NotNow(
                "coupled_elsewhere",
                record=elsewhere.title(side),
                to=elsewhere.title(side.other),
                mapping=elsewhere.mapping.name,
            )
    same = Q(options__left=two.left) | Q(options__right=two.right)
    busy = SynchJob.objects.unfinished().filter(same, verb="couple", mapping=two.mapping)
    job = busy.select_related("requested_by").first()
    if job is not None:
        raise NotNow("in_job", job=job.pk, who=str(job.requested_by or ""))
