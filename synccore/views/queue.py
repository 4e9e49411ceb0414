"""Job Queue Entries: what runs by itself, how often and when next; on hold, ready, now, another interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from synccore import roles
from synccore.filters import QueueFilter
from synccore.forms import IntervalForm, ScheduleForm
from synccore.models import JobQueueEntry
from synccore.models.scoping import GrantLevel
from synccore.services import queue
from synccore.services.jobs import NotNow
from ui.actions import Action, Outcome
from ui.paging import Sort

from .addresses import job_link
from .lists import RecordListPage
from .queue_table import QueueRow, QueueTable, every, scope_word, with_jobs
from .sentences import not_now

Status = JobQueueEntry.Status

ON_ENTRIES = (
    Action(
        "set_on_hold",
        gettext_lazy("Set On Hold"),
        roles.SET_UP,
        icon="pause",
        applies_to=~Q(status=Status.ON_HOLD),
        not_for=gettext_lazy("On hold already; somebody may have pressed before you."),
    ),
    Action(
        "set_ready",
        gettext_lazy("Set Status to Ready"),
        roles.SET_UP,
        icon="check",
        applies_to=Q(status__in=(Status.ON_HOLD, Status.ERROR)),
        not_for=gettext_lazy("Ready already; somebody may have pressed before you."),
    ),
    Action("run_now", gettext_lazy("Run now"), roles.SET_UP, icon="play", level=GrantLevel.RESOLVE),
)


def entries_of(user: Any) -> QuerySet[Any]:
    return JobQueueEntry.objects.visible_to(user).select_related(
        "mapping__integration__left", "mapping__integration__right"
    )


class QueuePage(RecordListPage):
    title = gettext_lazy("Job Queue Entries")
    intro = gettext_lazy("What runs by itself: how often, with what result, and when next.")
    permission = "synccore.view"
    table_class = QueueTable
    filter_class = QueueFilter
    template_name = "synccore/queue.html"
    actions = ON_ENTRIES
    sorts = (Sort("mapping", ("mapping__name", "scope")), Sort("next", ("next_run",)))

    def rows(self) -> QuerySet[Any]:
        return with_jobs(entries_of(self.request.user))

    def keys(self) -> QuerySet[Any]:
        return self.scoped(JobQueueEntry.objects.all())

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [QueueRow(entry, self.request.user) for entry in rows]

    # Actions are on schedules here, not on couplings.

    def allowed(self, action: Action, targets: QuerySet[Any]) -> QuerySet[Any]:
        return targets

    def names(self, rows: QuerySet[Any]) -> list[str]:
        return [entry_name(entry) for entry in rows]

    def check_size(self, action: Action, count: int) -> None:
        """Schedules are few; the right to set up is enough."""

    def refusal(self, action: Action | None) -> str:
        return roles.refusal(action.permission if action else self.permission)

    def perform(self, action: Action, targets: QuerySet[Any], options: dict[str, Any]) -> Outcome:
        work: dict[str, Callable[[JobQueueEntry], str]] = {
            "set_on_hold": self._hold, "set_ready": self._ready, "run_now": self._run,
        }  # fmt: skip
        done, not_done = [], []
        for entry in targets:
            try:
                done.append(work[action.name](entry))
            except NotNow as no:
                not_done.append(not_now(no.code, no.params))
        text = format_html("{}" + " {}" * (len(done) + len(not_done) - 1), *done, *not_done)
        return Outcome(text, ok=not not_done)

    def _hold(self, entry: JobQueueEntry) -> str:
        queue.set_on_hold(entry, user=self.request.user)
        text = _("%(name)s is on hold: nothing starts by itself until it is set to ready; changes wait.")
        return text % {"name": entry_name(entry)}

    def _ready(self, entry: JobQueueEntry) -> str:
        found = queue.set_ready(entry, user=self.request.user)
        if idle := queue.why_idle(found):
            text = _("%(name)s is ready, but does not run yet: %(why)s")
            why = not_now("held", {"reason": idle, "mapping": found.mapping.name})
            return text % {"name": entry_name(entry), "why": why}
        return _("%(name)s is ready and runs within half a minute.") % {"name": entry_name(entry)}

    def _run(self, entry: JobQueueEntry) -> str:
        job = queue.run_entry_now(entry, user=self.request.user)
        return format_html(_("{name} runs now as {job}."), name=entry_name(entry), job=job_link(job))


def entry_name(entry: JobQueueEntry) -> str:
    return f"{entry.mapping.name} · {scope_word(entry.scope)}"


@require_http_methods(["GET", "HEAD", "POST"])
def interval(request: HttpRequest, pk: int) -> HttpResponse:
    """How often a schedule runs: asked in minutes."""
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    entry = get_object_or_404(entries_of(request.user), pk=pk)
    form = IntervalForm(request.POST or None, seconds=entry.interval_seconds)
    if request.method == "POST" and form.is_valid():
        seconds, was = form.cleaned_data["minutes"], form.cleaned_data["was"]
        try:
            found = queue.change_interval(
                entry, user=request.user, interval=timedelta(seconds=seconds), was=timedelta(seconds=was)
            )
        except NotNow as no:
            messages.warning(request, not_now(no.code, no.params))
            return redirect("synccore:interval", pk=pk)
        text = _("%(name)s now runs %(every)s.") % {
            "name": entry_name(found),
            "every": every(found.interval_seconds),
        }
        messages.success(request, text)
        return redirect("synccore:queue")
    context = {
        "page_title": _("Change how often it runs"),
        "name": entry_name(entry),
        "every": every(entry.interval_seconds),
        "form": form,
        "back": reverse("synccore:queue"),
    }
    return render(request, "synccore/interval.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A schedule that a mapping lacks."""
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    missing = {
        f"{mapping.pk}-{scope.value}": (mapping, scope)
        for mapping, scope in queue.missing_schedules(request.user)
    }
    choices = [(key, f"{mapping.name} · {scope_word(scope)}") for key, (mapping, scope) in missing.items()]
    form = ScheduleForm(request.POST or None, choices=choices, chosen=request.GET.get("which", ""))
    if request.method == "POST" and form.is_valid():
        mapping, scope = missing[form.cleaned_data["which"]]
        seconds = timedelta(seconds=form.cleaned_data["minutes"])
        try:
            entry = queue.create_entry(mapping, scope=scope, interval=seconds, user=request.user)
        except NotNow as no:
            messages.warning(request, not_now(no.code, no.params))
        else:
            text = _("%(name)s runs %(every)s from now on.")
            words = {"name": entry_name(entry), "every": every(entry.interval_seconds)}
            messages.success(request, text % words)
        return redirect("synccore:queue")
    context = {
        "page_title": _("New schedule"),
        "form": form if choices else None,
        "back": reverse("synccore:queue"),
    }
    return render(request, "synccore/new_schedule.html", context, status=422 if form.errors else 200)
