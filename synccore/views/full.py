"""*Full synchronization*: the review with a recommendation per mapping, the question, and how it goes line by line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from synccore import roles, services
from synccore.models import Problem, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.services import runs
from synccore.services.jobs import NotNow
from synccore.services.review import What, start_count
from synccore.tables import JobRow

from .full_rows import LineShown, ReviewRow, line_refused, lines_shown, review_rows
from .jobs import jobs_of
from .mapping_forms import FORM_VERBS
from .sentences import not_now


@require_http_methods(FORM_VERBS)
def full(request: HttpRequest) -> HttpResponse:
    """The review: what is recommended for each mapping, the choice, the question, the start."""
    user: Any = request.user
    if not user.has_perm(runs.SYNCHRONIZE):
        raise PermissionDenied(roles.refusal(runs.SYNCHRONIZE))
    sets_up = user.has_perm(roles.SET_UP)
    if request.method == "POST" and request.POST.get("do") == "count":
        return _count(request)
    rows = review_rows(user)
    chosen = _chosen(request, rows)
    if request.method == "POST" and request.POST.get("answered"):
        return _start(request, {row.mapping: what for row, what in chosen.items()})
    usable = {row: what for row, what in chosen.items() if not row.refused(what)}
    if len(usable) > 1 and not sets_up:
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    if request.method == "POST" and usable:
        context: dict[str, Any] = {
            "page_title": _("Run Full Synchronization"),
            "rows": [(row, what.value, row.does(what)) for row, what in usable.items()],
            "count": len(usable),
            "fulls": sum(what is What.FULL for what in usable.values()),
            "couples": sum(what is What.COUPLE for what in usable.values()),
            "both": any(row.goes_on(what) for row, what in usable.items()),
            "several": _are_of_several(rows),
            "left": [row.refused(what) for row, what in chosen.items() if row not in usable],
        }
        return render(request, "synccore/full_question.html", context)
    if request.method == "POST":
        messages.warning(request, _("Choose at least one mapping that can run."))
    open_ = jobs_of(user).filter(
        verb="synchronise", scope=SynchJob.Scope.FULL, mapping=None, state=SynchJob.State.RUNNING
    )
    named = {row.pk for row in chosen} if request.GET.getlist("mapping") else None
    for row in rows:
        row.choose(only=named, alone=not sets_up)
    context = {
        "page_title": _("Run Full Synchronization"),
        "rows": rows,
        "several": _are_of_several(rows),
        "new": [row.row for row in rows if row.row.is_new],
        "sets_up": sets_up,
        "counting": any(row.counting for row in rows),
        "running": list(open_.order_by("-pk")[:5]),
    }
    template = "synccore/full_rows.html" if request.htmx else "synccore/full.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _are_of_several(rows: Sequence[ReviewRow]) -> bool:
    """Whether the rows are of more than one pair of apps, so that a name alone does not say which is meant."""
    return len({row.mapping.integration_id for row in rows}) > 1


def _chosen(request: HttpRequest, rows: Sequence[ReviewRow]) -> dict[ReviewRow, What]:
    """What is wanted of which mapping: ``what-<pk>``, or ``mapping`` for a full synchronization."""
    named = request.POST.getlist("mapping") or request.GET.getlist("mapping")
    found: dict[ReviewRow, What] = {}
    for row in rows:
        wanted = request.POST.get(f"what-{row.pk}", "")
        if wanted in list(What):
            found[row] = What(wanted)
        elif str(row.pk) in named and not wanted:
            found[row] = What.FULL
    return found


def _count(request: HttpRequest) -> HttpResponse:
    rows = TableMapping.objects.visible_to(request.user, GrantLevel.RESOLVE)
    started = start_count(rows.select_related("integration"), user=request.user)
    text = ngettext(
        "The records of %(n)s mapping are counted in both apps. Nothing is written.",
        "The records of %(n)s mappings are counted in both apps. Nothing is written.",
        len(started),
    )
    messages.success(request, text % {"n": len(started)})
    return redirect("synccore:full")


def _start(request: HttpRequest, wanted: dict[TableMapping, What]) -> HttpResponse:
    try:
        parent, left = runs.start_review(wanted, user=request.user)
    except NotNow as no:
        messages.warning(request, _refused(no))
        return redirect("synccore:full")
    lines = runs.lines_of(parent)
    couples = [line for line in lines if line.job.verb == "match_couple"]
    said = []
    if n := len(lines) - len(couples):
        text = ngettext(
            "%(n)s mapping is being synchronized whole.", "%(n)s mappings are being synchronized whole.", n
        )
        said.append(text % {"n": n})
    if n := sum(line.then_full for line in couples):
        text = ngettext(
            "%(n)s mapping is being coupled by its criteria, then synchronized whole.",
            "%(n)s mappings are being coupled by their criteria, then synchronized whole.",
            n,
        )
        said.append(text % {"n": n})
    if n := sum(not line.then_full for line in couples):
        text = ngettext(
            "%(n)s mapping is being coupled by its criteria.",
            "%(n)s mappings are being coupled by their criteria.",
            n,
        )
        said.append(text % {"n": n})
    messages.success(request, " ".join([*said, *(_reason(each) for each in left)]))
    return redirect("synccore:full_status", pk=parent.pk)


def _reason(left: runs.LeftOut) -> str:
    return line_refused(left.mapping, left.reason)


def _refused(no: NotNow) -> str:
    if no.code == "nothing_to_run":
        reasons = " ".join(_reason(each) for each in no.params["left"])
        return reasons or _("Choose at least one mapping that can run.")
    return not_now(no.code, no.params)


def _parent(request: HttpRequest, pk: int) -> SynchJob:
    found = get_object_or_404(SynchJob, pk=pk, verb="synchronise", scope=SynchJob.Scope.FULL, mapping=None)
    own = found.requested_by_id is not None and found.requested_by_id == request.user.pk
    if not own and not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    return found


@require_safe
def status(request: HttpRequest, pk: int) -> HttpResponse:
    """How it goes, line by line. While one runs, the page asks for its region alone and swaps that."""
    parent = _parent(request, pk)
    lines = lines_shown(runs.lines_of(parent))
    context = {
        "page_title": _("Full synchronization, job %(n)s") % {"n": pk},
        "job": parent,
        "row": JobRow(parent),
        "lines": lines,
        "done": sum(not line.job.is_unfinished for line in lines),
        "count": len(lines),
        "stuck": any(line.stuck for line in lines),
        "left": [] if parent.is_unfinished else _left(request, lines),
    }
    template = "synccore/full_region.html" if request.htmx else "synccore/full_status.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _left(request: HttpRequest, lines: Sequence[LineShown]) -> list[tuple[TableMapping, int]]:
    """How many records of each of these mappings do not synchronize now; without those of which all do."""
    problems = Problem.objects.visible_to(request.user).of_records().open().order_by()
    by_mapping = problems.filter(mapping__in=[line.job.mapping_id for line in lines]).values_list("mapping")
    counted = dict(by_mapping.annotate(n=Count("pk")))
    found = [line.job.mapping for line in lines if line.job.mapping]
    return [(mapping, counted[mapping.pk]) for mapping in found if mapping.pk in counted]


def _mapping_of(request: HttpRequest, parent: SynchJob, pk: int) -> TableMapping:
    found: TableMapping = get_object_or_404(
        TableMapping.objects.visible_to(request.user)
        .select_related("integration")
        .filter(jobs__parent=parent)
        .distinct(),
        pk=pk,
    )
    return found


@require_POST
def again(request: HttpRequest, pk: int, mapping: int) -> HttpResponse:
    """Run one line again, let one that waits for others start without them, or one that waits for a choice go on."""
    parent = _parent(request, pk)
    found = _mapping_of(request, parent, mapping)
    try:
        if request.POST.get("do") == "start":
            runs.start_anyway(parent, found, user=request.user)
            text = _("%(name)s does not wait for the others any more.")
        elif request.POST.get("do") == "go_on":
            runs.go_on_undecided(parent, found, user=request.user)
            text = _("%(name)s is being synchronized whole.")
        else:
            job = runs.run_line_again(parent, found, user=request.user)
            text = _("%(name)s is being synchronized whole again.")
            if job.verb == "match_couple":
                text = _("%(name)s is being coupled by its criteria again.")
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
    else:
        messages.success(request, text % {"name": found.name})
    return redirect("synccore:full_status", pk=pk)


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Lines that wait are cancelled at once, the one that runs after its page."""
    parent = _parent(request, pk)
    if services.cancel(parent, user=request.user):
        messages.success(
            request,
            _("What waits is cancelled; the line that runs ends after its page. What is done stays done."),
        )
    else:
        messages.info(request, _("It had ended already; nothing was cancelled."))
    return redirect("synccore:full_status", pk=pk)
