"""What happened to a record: tries, decisions, endings, and what the two sides last agreed on through whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore.models import Coupling, JobItem, Problem, SynchJob, SynchJobError
from synccore.tables import VERBS, Said, person_name, say
from synccore.views.sentences import item_note

#: Of each kind, the newest so many.
SHOWN = 20

_ORIGINS = {
    SynchJob.Origin.COMMAND.value: gettext_lazy("from the command line"),
    SynchJob.Origin.ENGINE.value: gettext_lazy("by Tandem itself"),
    SynchJob.Origin.PERSON.value: gettext_lazy("manually"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history. ``said``: of a try, what went wrong."""

    at: datetime
    icon: str
    text: str
    who: str = ""
    url: str = ""
    job: int | None = None
    said: Said | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """When both sides last held the same, and through whom."""

    at: datetime
    through: str
    job: int | None


def agreement(coupling: Coupling) -> Agreement | None:
    """ "by Anna, manually", "job queue entry CUSTOMER", or "the command line"; None where they never agreed."""
    if coupling.agreed_at is None:
        return None
    known = coupling.agreed_job
    job = (
        SynchJob.objects.filter(pk=known).select_related("entry__mapping", "mapping").first()
        if known
        else None
    )
    if coupling.agreed_by is not None:
        through = _("by %(who)s, manually") % {"who": person_name(coupling.agreed_by)}
    elif job is not None and job.entry is not None:
        through = _("by job queue entry %(name)s") % {"name": job.entry.mapping.name}
    elif job is not None:
        through = str(_ORIGINS.get(job.origin, _("by schedule")))
    else:
        through = ""
    return Agreement(coupling.agreed_at, through, job.pk if job is not None else None)


def of(coupling: Coupling, problem: Problem, apps: Mapping[str, str], user: Any) -> list[Event]:
    """The history of the problem's record, newest first."""
    events = [
        *_tries(coupling, apps, user),
        *_decisions(coupling, apps),
        *_endings(coupling, problem),
        *_pressed(problem),
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)


def _tries(coupling: Coupling, apps: Mapping[str, str], user: Any) -> list[Event]:
    entries = SynchJobError.objects.visible_to(user).filter(coupling_id=coupling.pk).order_by("-pk")[:SHOWN]
    return [
        Event(
            entry.at,
            said.icon,
            f"{said.kind}: {said.sentence}",
            url=reverse("errors:entry", args=[entry.pk]),
            job=entry.job_id,
            said=said,
        )
        for entry in entries
        if (said := say(entry, apps))
    ]


def _decisions(coupling: Coupling, apps: Mapping[str, str]) -> list[Event]:
    """What people had done with this record, and what came of it."""
    items = (
        JobItem.objects.filter(coupling=coupling, purpose=JobItem.Purpose.CHOSEN)
        .select_related("job__requested_by")
        .order_by("-pk")[:SHOWN]
    )
    return [_decision(item, apps) for item in items]


def _decision(item: JobItem, apps: Mapping[str, str]) -> Event:
    job = item.job
    what = str(VERBS.get(job.verb, job.verb))
    result = str(item.get_state_display())
    if item.state == JobItem.State.OPEN:
        result = str(job.get_state_display())
    if note := item_note(item.note, apps) if item.note else "":
        result = f"{result}: {note}"
    reason = str(job.options.get("reason") or "")
    text = _("%(what)s: %(result)s") % {"what": what, "result": result}
    if reason:
        text = _("%(text)s. Reason: %(reason)s") % {"text": text, "reason": reason}
    who = person_name(job.requested_by) or str(job.get_origin_display())
    return Event(job.pressed_at or job.queued_at, "person", text, who=who, job=job.pk)


def _endings(coupling: Coupling, problem: Problem) -> list[Event]:
    """How this problem and earlier ones of the record ended."""
    ended = Problem.objects.filter(coupling=coupling, state=Problem.State.ENDED).select_related("ended_by")
    events = []
    for each in ended.order_by("-ended_at")[:SHOWN]:
        if each.ended_at is None:
            continue
        who = person_name(each.ended_by) or _("by itself")
        text = _("Ended: %(how)s") if each.pk == problem.pk else _("An earlier problem ended: %(how)s")
        url = "" if each.pk == problem.pk else reverse("coupling:problem", args=[each.pk])
        text = text % {"how": each.get_ending_display()}
        events.append(Event(each.ended_at, "check", text, who=who, url=url, job=each.ended_job))
    return events


def _pressed(problem: Problem) -> list[Event]:
    if problem.requested_at is None:
        return []
    return [
        Event(problem.requested_at, "retry", _("Retry was pressed"), who=person_name(problem.requested_by))
    ]
