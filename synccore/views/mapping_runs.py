"""*Records to be synchronized* and *Synchronize Changes Since…* of one mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from synccore import guides, roles
from synccore.engine.rules import Direction, StepKind
from synccore.forms.mapping import SinceForm
from synccore.models import PlannedRecord, SynchJob, TableMapping
from synccore.services import runs
from synccore.services.jobs import NotNow
from synccore.shapes import SIDES, Side
from synccore.tables import JobRow, State, app_names

from .addresses import job_link
from .mapping_forms import FORM_VERBS
from .mapping_rows import moment_of
from .mappings import granted_mapping
from .sentences import not_now

PAGE = 100

_LOOKS = {
    StepKind.CREATE: ("check", "runs"),
    StepKind.WRITE: ("sync", "runs"),
    StepKind.DELETE: ("trash", "person"),
    StepKind.UNCOUPLE: ("unlink", "waits"),
    StepKind.END: ("unlink", "closed"),
    StepKind.FAIL: ("warning", "person"),
    StepKind.UNCHANGED: ("check", "good"),
    StepKind.IGNORED: ("pause", "closed"),
    StepKind.LEFT_FILTER: ("pause", "closed"),
}


class PlannedRow:
    """What would happen to one record."""

    def __init__(self, record: PlannedRecord, apps: Mapping[str, str]) -> None:
        self.pk, self.title = record.pk, record.title or _("a record")
        step = StepKind(record.step)
        self.state = State(_word(step, record.side, apps), *_LOOKS[step])
        self.writes = [
            (apps[side.value], list(record.writes[side.value].items()))
            for side in SIDES
            if record.writes.get(side.value)
        ]
        self.sentence = ""
        if record.code:
            told = guides.render(record.code, record.params, apps=apps, side=record.side, kind=record.kind)
            self.sentence = told.sentence
        elif record.why in _WHY:
            self.sentence = _(_WHY[record.why]) % {"app": apps.get(record.side, "")}


def gettext_noop(text: str) -> str:
    return text


_WHY = {
    "restore": gettext_noop("It was deleted in %(app)s and comes back."),
    "direction": gettext_noop("The mapping does not go this way."),
    "outside_filter": gettext_noop("It is outside the filter."),
    "only_coupled": gettext_noop("It is not coupled, and only coupled records are synchronized."),
}


def _word(step: StepKind, side: str, apps: Mapping[str, str]) -> str:
    words = {
        StepKind.CREATE: _("New in %(app)s"),
        StepKind.WRITE: _("Changed in %(app)s"),
        StepKind.DELETE: _("Deleted in %(app)s"),
    }
    return (
        words[step] % {"app": apps[side]}
        if step in words and side in apps
        else str(PlannedRecord.Step(step).label)
    )


@dataclass(frozen=True)
class StepLink:
    label: str
    n: int
    url: str
    current: bool


@require_http_methods(FORM_VERBS)
def planned(request: HttpRequest, pk: int) -> HttpResponse:
    """What the next run would take, as the last look found it. POST looks anew: a job that writes nothing."""
    found = granted_mapping(request, pk, runs.SYNCHRONIZE)
    if request.method == "POST":
        full = request.POST.get("full") == "1"
        job = runs.start_dry_run(found, user=request.user, full=full)
        messages.success(
            request, format_html(_("{job} looks at the records. It writes nothing."), job=job_link(job))
        )
        return redirect("synccore:planned", pk=pk)
    template = "synccore/planned_region.html" if request.htmx else "synccore/planned.html"  # type: ignore[attr-defined]
    return render(request, template, _planned_context(request, found))


def _planned_context(request: HttpRequest, found: TableMapping) -> dict[str, Any]:
    jobs = SynchJob.objects.filter(mapping=found, verb="dry_run").select_related("mapping", "requested_by")
    job = jobs.order_by("-pk").first()
    apps = app_names(found)
    here = reverse("synccore:planned", args=[found.pk])
    records = (
        PlannedRecord.objects.visible_to(request.user).filter(job=job)
        if job
        else PlannedRecord.objects.none()
    )
    counts = dict(records.order_by().values_list("step").annotate(n=Count("pk")))
    step = request.GET.get("step", "")
    chosen = records.filter(step=step) if step in counts else records
    rows, older = _page(chosen, request.GET.get("after", ""))
    stop = job.options.get("stop") if job else None
    query = {"step": step} if step in counts else {}
    return {
        "page_title": _("Records to be synchronized: %(name)s") % {"name": found.name},
        "mapping": found,
        "apps": apps,
        "job": job,
        "row": JobRow(job) if job else None,
        "state": _state(job) if job else None,
        "looked_at": sum(job.options.get("counts", {}).values()) if job else 0,
        "rows": [PlannedRow(each, apps) for each in rows],
        "steps": [
            StepLink(_("All"), sum(counts.values()), here, step not in counts),
            *(
                StepLink(str(label), counts[value], f"{here}?{urlencode({'step': value})}", value == step)
                for value, label in PlannedRecord.Step.choices
                if value in counts
            ),
        ],
        "older": f"{here}?{urlencode({**query, 'after': str(older)})}" if older else "",
        "first": f"{here}?{urlencode(query)}" if request.GET.get("after") else "",
        "stop": guides.render(stop["code"], stop["params"], apps=apps, kind=stop["kind"]) if stop else None,
        "since": _since_words(job, apps) if job else [],
        "kept": sum(counts.values()),
        "may_set_up": request.user.has_perm(roles.SET_UP),  # type: ignore[union-attr]
        "region_url": request.get_full_path(),
    }


def _state(job: SynchJob) -> State:
    """How the look goes; nothing can fail in it but the look itself."""
    if job.state == SynchJob.State.FINISHED:
        return State(_("Looked at"), "check", "good")
    return JobRow(job).state


def _page(records: QuerySet[Any], after: str) -> tuple[list[PlannedRecord], int | None]:
    """A page by key, and the key after which the next one begins."""
    start = int(after) if after.isdecimal() and len(after) < 16 else 0
    rows = list(records.filter(pk__gt=start).order_by("pk")[: PAGE + 1])
    return rows[:PAGE], rows[PAGE - 1].pk if len(rows) > PAGE else None


def _since_words(job: SynchJob, apps: Mapping[str, str]) -> list[str]:
    return [
        _("%(app)s since %(at)s")
        % {
            "app": apps[side],
            "at": date_format(timezone.localtime(datetime.fromisoformat(at)), "SHORT_DATETIME_FORMAT"),
        }
        for side, at in job.options.get("since", {}).items()
        if side in apps
    ]


@require_http_methods(FORM_VERBS)
def since(request: HttpRequest, pk: int) -> HttpResponse:
    """*Synchronize Changes Since…*: from when on each app is read; looked at first, or run at once."""
    found = granted_mapping(request, pk, runs.SYNCHRONIZE)
    apps = app_names(found)
    read = [side for side in SIDES if Direction(found.direction).allows(side.other)]
    form = SinceForm(request.POST or None, apps={side: apps[side.value] for side in read})
    if request.method == "POST" and form.is_valid():
        moments = form.moments()
        if request.POST.get("do") == "look":
            runs.start_dry_run(found, user=request.user, since=moments)
            messages.success(request, _("The records are looked at. Nothing is written."))
            return redirect("synccore:planned", pk=pk)
        try:
            job = runs.synchronise_since(found, user=request.user, since=moments)
        except NotNow as no:
            messages.warning(request, not_now(no.code, no.params))
            return redirect("synccore:synchronize_since", pk=pk)
        messages.success(
            request,
            _("%(name)s is read from there on. What a run has read before stays read.")
            % {"name": found.name},
        )
        return redirect("synccore:job", pk=job.pk)
    context = {
        "page_title": _("Synchronize Changes Since…"),
        "mapping": found,
        "form": form,
        "marks": [(apps[side.value], _low(found, side)) for side in read],
        "may_set_up": request.user.has_perm(roles.SET_UP),  # type: ignore[union-attr]
    }
    return render(request, "synccore/since.html", context, status=422 if form.errors else 200)


def _low(found: TableMapping, side: Side) -> Any:
    return moment_of((found.watermark(side) or {}).get("low"))
