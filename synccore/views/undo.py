"""*Undo* of what a job wrote: the question, which says what comes back and what does not, and the press."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from synccore import roles, services
from synccore.models import Journal, SynchJob
from synccore.services.jobs import NotNow
from synccore.services.records import MANY
from synccore.services.rights import RightMissing
from synccore.services.undo import Undoable

from .addresses import job_link
from .job_page import visible
from .sentences import not_now

_ROWS = "row"


@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks, POST starts. ``row`` (repeated): only these rows of the journal."""
    job = visible(request, pk)
    asked = request.POST if request.method == "POST" else request.GET
    rows = [int(row) for row in asked.getlist(_ROWS) if row.isdecimal() and len(row) < 19]
    chosen = rows if asked.getlist(_ROWS) else None
    if request.method == "POST":
        return _start(request, job, chosen)
    return render(request, "synccore/undo.html", _question(request, job, chosen))


def _question(request: HttpRequest, job: SynchJob, chosen: list[int] | None) -> dict[str, Any]:
    found = services.undo_preview(job, user=request.user, journal=chosen)
    too_many = found.records > MANY and not request.user.has_perm("synccore.bulk")  # type: ignore[union-attr]
    return {
        "page_title": _("Undo what job %(n)s wrote?") % {"n": job.pk},
        "job": job,
        "found": found,
        "more": found.records - len(found.names),
        "comes_back": comes_back(found),
        "does_not": does_not(found),
        "rows": chosen or [],
        "refusal": _refusal(request.user, found) or (roles.refusal("synccore.bulk") if too_many else ""),
        "can": bool(found.records) and not too_many,
        "nothing": _nothing(found),
        "back": reverse("synccore:job", args=[job.pk]),
    }


def comes_back(found: Undoable) -> list[str]:
    """What undoing does, one line per kind of write."""
    counts, Operation = found.counts, Journal.Operation
    lines = []
    if n := counts.get(Operation.UPDATE):
        text = ngettext(
            "%(n)s change is written back: only the fields that the job wrote, and only if they still hold what it wrote.",
            "%(n)s changes are written back: only the fields that the job wrote, and only if they still hold what it wrote.",
            n,
        )
        lines.append(text % {"n": n})
    if n := counts.get(Operation.CREATE):
        text = ngettext(
            "%(n)s record that the job created is deleted again, if nothing in it changed since.",
            "%(n)s records that the job created are deleted again, if nothing in them changed since.",
            n,
        )
        lines.append(text % {"n": n})
        lines.append(_("The values of what is deleted are kept in the journal."))
    if n := counts.get(Operation.DELETE):
        text = ngettext(
            "%(n)s deleted record is created again with every field that can be written.",
            "%(n)s deleted records are created again with every field that can be written.",
            n,
        )
        lines.append(text % {"n": n})
    if n := counts.get(Operation.COUPLE):
        text = ngettext(
            "%(n)s coupling that the job made is taken away; both records stay as they are, free to be coupled again.",
            "%(n)s couplings that the job made are taken away; their records stay as they are, free to be coupled again.",
            n,
        )
        lines.append(text % {"n": n})
    if n := counts.get(Operation.UNCOUPLE):
        text = ngettext(
            "%(n)s removed coupling is put back with what the two last agreed on.",
            "%(n)s removed couplings are put back with what the two last agreed on.",
            n,
        )
        lines.append(text % {"n": n})
    return lines


def does_not(found: Undoable) -> list[str]:
    """What undoing does not bring back, and what follows from it."""
    counts, Operation = found.counts, Journal.Operation
    lines = []
    if counts.get(Operation.DELETE):
        for app in found.new_ids:
            lines.append(_("The id does not come back: %(app)s gives the record a new one.") % {"app": app})
        lines.append(
            _(
                "What belonged to a deleted record and went with it (lines, notes, attachments), references to it in "
                "other records, and fields that the integration user could not read do not come back."
            )
        )
    if found.asks:
        lines.append(
            _(
                "The other app keeps its values. Where both apps then differ, the next synchronization asks which one "
                "holds; it writes nothing by itself."
            )
        )
    if counts.get(Operation.CREATE) or counts.get(Operation.DELETE):
        lines.append(
            _("Where one of a pair is missing then, nothing is created or deleted until somebody decides.")
        )
    lines.append(_("A record that changed since is left alone, and the job names the fields."))
    if set(counts) - {Operation.UNCOUPLE, Operation.COUPLE}:
        lines.append(_("The apps may run their own automations for these records."))
    return lines


def _nothing(found: Undoable) -> str:
    if found.records or found.forbidden:
        return ""
    code = "too_late" if found.late else "undone_already" if found.already else "nothing_written"
    return not_now(code, {})


def _refusal(user: Any, found: Undoable) -> str:
    if not found.forbidden:
        return ""
    return roles.refusal(found.right, of_mapping=user.has_perm(found.right))


def _start(request: HttpRequest, job: SynchJob, chosen: list[int] | None) -> HttpResponse:
    try:
        started = services.undo(job, user=request.user, journal=chosen)
    except RightMissing as missing:
        has = request.user.has_perm(missing.permission)  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(missing.permission, of_mapping=has)) from missing
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
        return redirect("synccore:job", pk=job.pk)
    text = _("What {job} wrote is undone now; this page shows the result of every record.")
    messages.success(request, format_html(text, job=job_link(job)))
    return redirect("synccore:job", pk=started.pk)
