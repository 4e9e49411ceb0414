"""The numbers of Home. Every function asks a fixed, small number of questions, whatever the memory holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, OuterRef, Q, Subquery, Sum
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.failures import Kind
from synccore.models import Connection, Problem, SetupCheck, Stat, SynchJob, TableMapping
from synccore.models.connection import Instance
from synccore.models.mapping import with_read_mappings
from synccore.roles import SET_UP
from synccore.tables import Said, State, app_names, say
from synccore.views.banners import Banner
from synccore.views.lists import MappingLine, mapping_lines

#: Home looks back so many days, today included.
DAYS = 14
TOP_CAUSES = 5
#: Ticks come every 15 seconds; so many may be missed before the clockwork is said to stand still.
TICKS_MISSED = 4
#: A job that may start is waited for so long before the workers are said to be missing.
WAITS_TOO_LONG = timedelta(minutes=2)


# --- is it healthy? ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One answer of *Is it healthy?*: what, how it is, and where to look closer."""

    name: str
    state: State
    url: str
    detail: str = ""


def clockwork(user: Any) -> list[Line]:
    """Does the tick come, do workers take jobs? Two queries: a row of the instance, and the unfinished jobs."""
    now = timezone.now()
    ticked = Instance.objects.filter(pk=1).values_list("ticked_at", flat=True).first()
    unfinished = SynchJob.objects.unfinished()
    if not user.has_perm(SET_UP):
        unfinished = unfinished.visible_to(user)
    startable = Q(state=SynchJob.State.QUEUED, sent_at__isnull=False)
    jobs = unfinished.aggregate(
        queued=Count("pk", filter=Q(state=SynchJob.State.QUEUED)),
        running=Count("pk", filter=Q(state=SynchJob.State.RUNNING)),
        lost=Count("pk", filter=Q(state=SynchJob.State.RUNNING, lease_until__lt=now)),
        waits=Min("queued_at", filter=startable),
    )
    where = f"{reverse('synccore:jobs')}?tab=unfinished"
    return [
        Line(_("Schedules"), _tick_state(ticked, now), reverse("synccore:queue")),
        Line(_("Workers"), _worker_state(jobs, now), where, _in_numbers(jobs)),
    ]


def _tick_state(ticked: datetime | None, now: datetime) -> State:
    if ticked is None:
        return State(_("have not started yet"), "hourglass", "waits")
    if now - ticked > timedelta(seconds=TICKS_MISSED * settings.TICK_SECONDS):
        return State(_("stand still"), "stop", "person", ticked, _("Nothing starts by itself."))
    return State(_("are looked at"), "check", "good", ticked)


def _worker_state(jobs: dict[str, Any], now: datetime) -> State:
    if jobs["waits"] and now - jobs["waits"] > WAITS_TOO_LONG and not jobs["running"]:
        return State(_("take no jobs"), "stop", "person", jobs["waits"])
    if jobs["lost"]:
        return State(_("one no longer answers"), "warning", "waits")
    if jobs["running"]:
        return State(_("work"), "play", "runs")
    return State(_("are free"), "check", "good")


def _in_numbers(jobs: dict[str, Any]) -> str:
    return _("%(running)s running, %(queued)s queued") % jobs


def app_lines(mappings: list[TableMapping], held: list[Banner], user: Any) -> list[Line]:
    """Each app of the mappings with what its last answer, its set-up checks and its problem say; one query."""
    apps = {app.pk: app for each in mappings for app in (each.integration.left, each.integration.right)}
    if not apps:
        return []
    failed = dict(
        SetupCheck.objects.filter(connection__in=apps, state=SetupCheck.State.FAIL)
        .order_by()
        .values_list("connection")
        .annotate(n=Count("pk"))
    )
    trouble = {
        each.problem.connection_id: each.problem.kind for each in held if each.problem.mapping_id is None
    }
    may = user.has_perm(SET_UP)
    return [
        Line(
            app.name,
            _app_state(app, failed.get(app.pk, 0), trouble.get(app.pk, "")),
            reverse("synccore:connection", args=[app.pk]) if may else "",
        )
        for app in sorted(apps.values(), key=lambda each: each.name)
    ]


def _app_state(app: Connection, failed: int, trouble: str) -> State:
    if trouble == Kind.TRANSIENT.value:
        return State(_("does not answer, is tried again"), "clock", "waits", app.checked_at)
    if trouble:
        return State(_("Set-up problem"), "wrench", "person")
    if failed:
        text = ngettext("%(n)s set-up check failed", "%(n)s set-up checks failed", failed)
        return State(text % {"n": failed}, "wrench", "waits")
    if app.checked_at is None:
        return State(_("not asked yet"), "hourglass", "waits")
    return State(_("answered"), "check", "good", app.checked_at)


@dataclass(frozen=True)
class MappingHealth:
    """A mapping's last run, and since when nothing was read for good (its lag)."""

    line: MappingLine
    read_until: datetime | None
    behind: bool


def mapping_health(mappings: list[TableMapping]) -> list[MappingHealth]:
    """Worst first: what is late or did not end well, then by name; one query where something is."""
    lines = mapping_lines(mappings)
    behind = {line.pk for line in lines if line.late or line.state.tone == "person"}
    ended_well = SynchJob.objects.filter(
        mapping=OuterRef("pk"),
        state=SynchJob.State.FINISHED,
        verb="synchronise",
        scope__in=(SynchJob.Scope.CHANGES, SynchJob.Scope.FULL),
    ).order_by("-queued_at", "-pk")
    late = TableMapping.objects.filter(pk__in=behind).order_by()
    read = dict(late.values_list("pk", Subquery(ended_well.values("finished_at")[:1]))) if behind else {}
    health = [MappingHealth(line, read.get(line.pk), line.pk in behind) for line in lines]
    return sorted(health, key=lambda each: not each.behind)


# --- what needs me? ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TopCause:
    """Open problems that share a cause: how many records, said once."""

    records: int
    said: Said
    since: datetime
    url: str


def top_causes(user: Any, mappings: Sequence[TableMapping]) -> list[TopCause]:
    """The causes that hit most records now; two queries, the count from the statistics. ``mappings``: those that the user
    may see."""
    stats = Stat.objects.filter(of_record=True, state__in=Problem.OPEN).exclude(fingerprint="")
    if not user.has_perm(SET_UP):
        stats = stats.filter(bucket__mapping__in=TableMapping.objects.visible_to(user))
    hit = list(
        stats.order_by()
        .values("fingerprint")
        .annotate(records=Sum("n"))
        .filter(records__gt=0)
        .order_by("-records", "fingerprint")[:TOP_CAUSES]
        .values_list("fingerprint", "records")
    )
    if not hit:
        return []
    samples = {
        problem.fingerprint: problem
        for problem in with_read_mappings(
            list(
                Problem.objects.visible_to(user)
                .of_records()
                .open()
                .filter(fingerprint__in=[fingerprint for fingerprint, _n in hit])
                .order_by("fingerprint", "since", "pk")
                .distinct("fingerprint")
            ),
            mappings,
        )
    }
    coupled = reverse("coupling:coupled")
    return [
        TopCause(
            records,
            say(samples[fingerprint], app_names(samples[fingerprint].mapping)),
            samples[fingerprint].since,
            f"{coupled}?tab=all&cause={fingerprint}",
        )
        for fingerprint, records in hit
        if fingerprint in samples
    ]


# --- is it getting better? ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Day:
    """One day: tries that failed, problems that began, problems that ended, and how many were open when it ended."""

    day: date
    failed: int
    began: int
    ended: int
    open: int


def days(user: Any, open_now: int) -> list[Day]:
    """The last days, newest first; three queries, each over the rows of these days alone."""
    today = timezone.localdate()
    first = today - timedelta(days=DAYS - 1)
    start = timezone.make_aware(datetime.combine(first, datetime.min.time()))
    problems = Problem.objects.visible_to(user).of_records().exclude(state=Problem.State.ON_PURPOSE)
    ended_then = Q(state=Problem.State.ENDED, ended_at__gte=start)
    began = _by_day(problems.filter(since__gte=start).filter(Q(state__in=Problem.OPEN) | ended_then), "since")
    ended = _by_day(problems.filter(ended_then), "ended_at")
    jobs = SynchJob.objects.visible_to(user).filter(queued_at__gte=start, mapping__isnull=False, failed__gt=0)
    failed = dict(
        jobs.order_by().annotate(day=TruncDate("queued_at")).values_list("day").annotate(n=Sum("failed"))
    )
    rows, still = [], open_now
    for back in range(DAYS):
        day = today - timedelta(days=back)
        rows.append(Day(day, failed.get(day, 0), began.get(day, 0), ended.get(day, 0), max(still, 0)))
        still += ended.get(day, 0) - began.get(day, 0)
    return rows


def _by_day(problems: Any, column: str) -> dict[date, int]:
    found = problems.order_by().annotate(day=TruncDate(column)).values_list("day").annotate(n=Count("pk"))
    return dict(found)
