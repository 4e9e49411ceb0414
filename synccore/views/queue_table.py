"""Job queue entries as people read them: the status, why one is late or idle, what ran last and when it runs next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from synccore.models import JobQueueEntry, Problem, SynchJob
from synccore.models.job import OUTCOMES
from synccore.models.scoping import SET_UP
from synccore.tables import State
from ui.export import Export
from ui.tables import Column, ListTable

from .lists import job_result

Status = JobQueueEntry.Status

#: An entry is late after its interval, but neither before the tick had two turns nor later than after two minutes.
SOONEST_LATE, LATEST_LATE = timedelta(seconds=30), timedelta(minutes=2)

_WORDS = {
    Status.READY: ("check", "good"),
    Status.IN_PROCESS: ("play", "runs"),
    Status.ON_HOLD: ("pause", "closed"),
    Status.ERROR: ("stop", "person"),
}


def with_jobs(entries: QuerySet[Any]) -> QuerySet[Any]:
    """The entries with the job that ended last, the one that is wanted or running, and what holds the mapping."""
    same = SynchJob.objects.filter(mapping=OuterRef("mapping"), verb="synchronise", scope=OuterRef("scope"))
    ended = same.filter(state__in=(SynchJob.State.FINISHED, SynchJob.State.FAILED))
    open_ = same.filter(state__in=(SynchJob.State.QUEUED, SynchJob.State.RUNNING))
    running = SynchJob.objects.filter(mapping=OuterRef("mapping"), state=SynchJob.State.RUNNING)
    sweep = SynchJob.Scope.SWEEP
    facts = {"id": "pk", "state": "state", "kind": "kind", "queued": "queued_at", "finished": "finished_at"}
    held = Problem.objects.not_ended().of_setup()
    left, right = F("mapping__integration__left"), F("mapping__integration__right")
    mine = Q(mapping=OuterRef("mapping"))
    of_apps = Q(mapping=None) & (Q(connection=OuterRef("left_app")) | Q(connection=OuterRef("right_app")))
    return entries.annotate(
        left_app=left,
        right_app=right,
        last_job=Subquery(
            ended.order_by("-queued_at", "-pk").values(
                said=JSONObject(**facts, **{name: name for name in OUTCOMES})
            )[:1]
        ),
        open_job=Subquery(open_.order_by("state", "-pk").values(said=JSONObject(**facts))[:1]),
        busy=Exists(running.exclude(scope=sweep)),
        sweeping=Exists(running.filter(scope=sweep)),
        stopped=Exists(held.filter(mine, state=Problem.State.SKIPPED)),
        set_up_problem=Exists(held.filter(mine | of_apps, state=Problem.State.RETRYING)),
    )


def late_after(interval: timedelta) -> timedelta:
    return min(max(interval, SOONEST_LATE), LATEST_LATE)


def every(seconds: int) -> str:
    """An interval in words."""
    for unit, one, many in (
        (86400, gettext_lazy("every day"), "day"),
        (3600, gettext_lazy("every hour"), "hour"),
        (60, gettext_lazy("every minute"), "minute"),
    ):
        n, rest = divmod(seconds, unit)
        if not rest and n:
            return str(one) if n == 1 else _many(many, n)
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return _many("second", rest)
    return _("every %(m)s min %(s)s s") % {"m": minutes, "s": rest}


def _many(unit: str, n: int) -> str:
    words = {
        "day": ngettext("every %(n)s day", "every %(n)s days", n),
        "hour": ngettext("every %(n)s hour", "every %(n)s hours", n),
        "minute": ngettext("every %(n)s minute", "every %(n)s minutes", n),
        "second": ngettext("every %(n)s second", "every %(n)s seconds", n),
    }
    return words[unit] % {"n": n}


def scope_word(scope: str) -> str:
    """What a schedule runs, said as an entry's name."""
    words = {
        SynchJob.Scope.CHANGES.value: _("Synchronize Modified Records"),
        SynchJob.Scope.FULL.value: _("Run Full Synchronization"),
        SynchJob.Scope.SWEEP.value: _("Sweep: compare all records with the memory"),
    }
    return words.get(scope) or str(SynchJob.Scope(scope).label)


class QueueRow:
    """One schedule. ``entry`` is one of :func:`with_jobs`."""

    def __init__(self, entry: Any, user: Any) -> None:
        self.entry, self.pk, self.mapping = entry, entry.pk, entry.mapping
        self.scope = scope_word(entry.scope)
        self.name = f"{entry.mapping.name} · {self.scope}"
        self.every = every(entry.interval_seconds)
        self.may_change = user.has_perm(SET_UP)
        self.is_on_hold = entry.status == Status.ON_HOLD
        self.can_be_ready = entry.status in (Status.ON_HOLD, Status.ERROR)
        self.may_run = self.may_change and user.has_perm("synccore.synchronize") and not self.idle
        self.interval_url = reverse("synccore:interval", args=[entry.pk])

    @property
    def runs(self) -> bool:
        """A job of this mapping that this entry waits for, or is, runs now; sweeps run apart."""
        is_sweep = self.entry.scope == SynchJob.Scope.SWEEP
        return bool(self.entry.sweeping if is_sweep else self.entry.busy)

    @property
    def idle(self) -> str:
        """Why nothing starts though the entry is ready."""
        mapping = self.entry.mapping
        if not mapping.enabled:
            return _("the mapping is switched off")
        if mapping.integration.paused_since is not None:
            return _("the integration is paused")
        if self.entry.stopped:
            return _("the mapping is stopped for safety")
        return ""

    @property
    def late_since(self) -> datetime | None:
        """Since when it should have run: its own time, or since its job waits for a worker."""
        if self.is_on_hold or self.runs or self.idle:
            return None
        waits = self.entry.open_job
        since = [self.entry.next_run, *([datetime.fromisoformat(waits["queued"])] if waits else [])]
        first = min(since)
        is_late = timezone.now() - first > late_after(timedelta(seconds=self.entry.interval_seconds))
        return first if is_late else None

    @property
    def state(self) -> State:
        own = self.entry.open_job
        if self.is_on_hold:
            return self._word(Status.ON_HOLD)
        if own and own["state"] == SynchJob.State.RUNNING:
            return self._word(Status.IN_PROCESS)
        if self.idle:
            return State(
                str(self._ready_word()),
                "pause",
                "waits",
                None,
                _("does not run: %(why)s") % {"why": self.idle},
            )
        if since := self.late_since:
            more = _("Job %(n)s waits for a worker.") % {"n": own["id"]} if own else _("Nothing started it.")
            return State(_("Late"), "clock", "person", since, more)
        if self.entry.status == Status.ERROR:
            more = _("held by a set-up problem") if self.entry.set_up_problem else ""
            return self._word(Status.ERROR, more)
        return self._word(Status.READY)

    def _ready_word(self) -> Any:
        return Status.ERROR.label if self.entry.status == Status.ERROR else Status.READY.label

    @staticmethod
    def _word(status: JobQueueEntry.Status, more: str = "") -> State:
        icon, tone = _WORDS[status]
        return State(str(status.label), icon, tone, None, more)

    @property
    def open_url(self) -> str:
        """The job that is wanted or running, if there is one."""
        own = self.entry.open_job
        return reverse("synccore:job", args=[own["id"]]) if own else ""

    @property
    def last(self) -> State:
        return job_result(self.entry.last_job)

    @property
    def last_url(self) -> str:
        job = self.entry.last_job
        return reverse("synccore:job", args=[job["id"]]) if job else ""

    @property
    def next(self) -> datetime | None:
        return None if self.is_on_hold or self.idle else self.entry.next_run

    @property
    def is_due(self) -> bool:
        return self.next is not None and self.next <= timezone.now()


class QueueTable(ListTable):
    caption = gettext_lazy("Job queue entries")
    row_template = "synccore/queue_row.html"
    newest_first = ()

    entry = Column(gettext_lazy("Mapping and what runs"), sort="mapping")
    status = Column(gettext_lazy("Status"), narrow=True)
    interval = Column(gettext_lazy("Runs"), narrow=True)
    last = Column(gettext_lazy("Last run"), narrow=True)
    next = Column(gettext_lazy("Next run"), sort="next", narrow=True)
    do = Column(gettext_lazy("Actions"), narrow=True)
    exports = (
        Export(gettext_lazy("Mapping"), "mapping.name"),
        Export(gettext_lazy("What runs"), "scope"),
        Export(gettext_lazy("Status"), "state.word"),
        Export(gettext_lazy("More"), "state.more"),
        Export(gettext_lazy("Runs"), "every"),
        Export(gettext_lazy("Last run"), "last.at"),
        Export(gettext_lazy("Result"), "last.word"),
        Export(gettext_lazy("Next run"), "next"),
    )
