"""What came of coupling two records: the job, the pair as it stands, and the records that waited for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from synccore.models import Coupling, Problem, SynchJob
from synccore.models.mapping import read_with_mappings
from synccore.shapes import SIDES, Side
from synccore.tables import JobRow, ProblemRow, State

from .couple import Asked

#: The page watches the records that waited for the pair so long after the press.
WATCHED: Final = timedelta(minutes=3)
#: So many of them are shown.
SHOWN: Final = 20


@dataclass(frozen=True)
class Result:
    """``busy``: there is more to come, the page asks again."""

    coupling: Coupling | None
    state: State | None
    compare_url: str
    problem_url: str
    jobs: list[JobRow]
    waited: list[tuple[str, str, State]]
    busy: bool

    @property
    def is_coupled(self) -> bool:
        return self.coupling is not None

    @classmethod
    def of(cls, user: Any, asked: Asked, known: Mapping[Side, Coupling | None]) -> Result | None:
        """None where nothing was pressed and the two are not coupled. Asks no app."""
        pair = known[Side.LEFT]
        if pair is None or pair.removed_at is not None or pair.right_id != asked.ids[Side.RIGHT]:
            pair = None
        job = _job(asked)
        if pair is None and job is None:
            return None
        parts = (
            list(job.children.select_related("mapping", "connection", "requested_by").order_by("pk"))
            if job
            else []
        )
        jobs = [JobRow(each) for each in (parts or ([job] if job else []))]
        problem = Problem.objects.not_ended().filter(coupling=pair).first() if pair else None
        waited, watching = _waited(user, asked, job)
        unfinished = any(each.job.is_unfinished for each in jobs)
        return cls(
            pair,
            _state(pair, problem),
            reverse("coupling:compare", args=[pair.pk]) if pair else "",
            reverse("coupling:problem", args=[problem.pk]) if problem else "",
            jobs,
            waited,
            unfinished or watching,
        )


def _job(asked: Asked) -> SynchJob | None:
    """The job of this address: one that couples these two, or holds one that does."""
    if not asked.job.isdecimal() or len(asked.job) > 18:
        return None
    same: dict[str, Any] = {f"options__{side.value}": asked.ids[side] for side in SIDES}
    these = SynchJob.objects.filter(verb="couple", mapping=asked.mapping, **same)
    jobs = SynchJob.objects.select_related("mapping", "connection", "requested_by")
    return jobs.filter(Q(pk__in=these.values("pk")) | Q(children__in=these), pk=asked.job).distinct().first()


def _state(pair: Coupling | None, problem: Problem | None) -> State | None:
    if pair is None:
        return None
    if problem is not None:
        return State(
            str(problem.get_state_display()), "warning", "person" if problem.state == "skipped" else "waits"
        )
    if pair.agreed_at is not None:
        return State(_("In sync"), "check", "good", pair.agreed_at)
    return State(_("Coupled"), "link", "runs")


def _waited(user: Any, asked: Asked, job: SynchJob | None) -> tuple[list[tuple[str, str, State]], bool]:
    """Records that wait, or waited until now, for one of the two; and whether something may still come of them."""
    if job is None or asked.mapping is None:
        return [], False
    names = Q()
    for side in SIDES:
        names |= Q(blocker_side=side.value, blocker_record=asked.ids[side])
    found = (
        Problem.objects.visible_to(user)
        .filter(names, blocker_mapping=asked.mapping)
        .filter(~Q(state=Problem.State.ENDED) | Q(ended_at__gte=job.queued_at))
        .select_related("coupling", "blocker_mapping", "ended_by")
        .order_by("pk")
    )
    rows, watching = [], False
    recent = timezone.now() - job.queued_at < WATCHED
    for problem in read_with_mappings(found)[:SHOWN]:
        row = ProblemRow(problem, {})
        is_open = problem.state != Problem.State.ENDED
        state = row.next if is_open else State(_("In sync"), "check", "good", problem.ended_at)
        rows.append((f"{problem.mapping} {row.name}", row.url, state))
        watching = watching or (recent and problem.state in (Problem.State.WAITING, Problem.State.RETRYING))
    return rows, watching
