"""The clean-up: a question that is honest, its result where the person looks, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from errors.forms import CleanUpForm
from synccore import roles, services
from synccore.models import SynchJob
from synccore.services.entries import MOST_CHOSEN
from synccore.tables import Said, app_names, say
from synccore.views.back import is_ours
from synccore.views.jobs import jobs_of

OLD = timedelta(days=7)
#: The parameter by which a page knows whose result it shows above its list.
RESULT = "cleaned"
_VERBS = ("purge", "undo_purge")


@dataclass(frozen=True)
class Result:
    """What a clean-up, or bringing back, has done so far. ``kept`` and ``purge`` are those of a clean-up."""

    job: SynchJob
    deleted: int
    back: int
    kept: int
    purge: str
    refused: bool
    undoable: bool
    said: Said | None

    @property
    def done(self) -> int:
        return self.deleted + self.back


# --- the question ---------------------------------------------------------------------------------------------------


@require_safe
def ask_clean_up(request: HttpRequest) -> HttpResponse:
    """The question: how many go, how many stay, and that no problem changes."""
    everything = request.GET.get("which") == CleanUpForm.EVERYTHING
    which = CleanUpForm.EVERYTHING if everything else CleanUpForm.WEEK
    return ask(request, which, back=request.GET.get("back", ""))


def ask(
    request: HttpRequest, which: str, *, ids: Sequence[int] | None = None, back: str = ""
) -> HttpResponse:
    """The question page; ``ids`` are chosen entries. Raises PermissionDenied."""
    _must_clean_up(request)
    clicked = timezone.now()
    older_than = clicked - OLD if which == CleanUpForm.WEEK else None
    to_delete, kept = services.count_old_entries(user=request.user, older_than=older_than, ids=ids)
    told = {"which": which, "clicked": clicked.isoformat(), "back": back}
    context = {
        "page_title": _question(to_delete),
        "which": which,
        "older_than": older_than,
        "to_delete": to_delete,
        "kept": kept,
        "both": to_delete + kept,
        "form": CleanUpForm(initial={**told, "ids": ",".join(map(str, ids or ()))}),
        "back": _safe(request, back),
    }
    return render(request, "errors/clean_up.html", context)


def _question(n: int) -> str:
    if not n:
        return _("There is nothing to delete")
    return ngettext("Delete %(n)s entry?", "Delete %(n)s entries?", n) % {"n": f"{n:,}"}


@require_POST
def clean_up(request: HttpRequest) -> HttpResponse:
    """Start the job that takes the entries away; the hour is that of the click on the question."""
    _must_clean_up(request)
    form = CleanUpForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("The question was not complete; nothing was deleted. Ask again."))
        return redirect("errors:entries")
    answer = form.cleaned_data
    clicked: datetime = min(answer["clicked"] or timezone.now(), timezone.now())
    back = _safe(request, answer["back"])
    try:
        job = services.delete_old_entries(
            user=request.user,
            older_than=clicked - OLD if answer["which"] == CleanUpForm.WEEK else None,
            ids=answer["ids"] if answer["which"] == CleanUpForm.CHOSEN else None,
            include_relevant=answer["also_relevant"],
        )
    except ValueError:
        messages.warning(request, too_many())
        return HttpResponseRedirect(back)
    return HttpResponseRedirect(with_result(back, job))


def too_many() -> str:
    text = _("At most %(n)s entries can be chosen one by one. Narrow the filter; nothing was changed.")
    return text % {"n": f"{MOST_CHOSEN:,}"}


# --- the result -----------------------------------------------------------------------------------------------------


@require_safe
def clean_up_result(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a clean-up is: the line alone for the page that shows it, a page of its own without JavaScript."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    found = result_of(request, get_object_or_404(jobs_of(request.user).filter(verb__in=_VERBS), pk=pk))
    fragment = bool(request.htmx)  # type: ignore[attr-defined]
    context = {
        "page_title": _("Delete entries") if found.purge else _("Bring deleted entries back"),
        "cleaned": found,
        "back": _safe(request, request.GET.get("back", "")),
    }
    template = "errors/clean_up_line.html" if fragment else "errors/clean_up_result.html"
    answer = render(request, template, context)
    if fragment and not found.job.is_unfinished:
        answer["HX-Refresh"] = "true"  # the list beside the line is another one now
    return answer


def result_in(request: HttpRequest) -> Result | None:
    """The result that the page's own address asks for; None where it names none that this person may see."""
    pk = request.GET.get(RESULT, "")
    if not pk.isdecimal() or len(pk) > 18:
        return None
    job = jobs_of(request.user).filter(verb__in=_VERBS, pk=int(pk)).first()
    return result_of(request, job) if job else None


def result_of(request: HttpRequest, job: SynchJob) -> Result:
    is_purge = job.verb == "purge"
    purge = job.options.get("purge", "") if is_purge else ""
    over = not job.is_unfinished
    may = request.user.has_perm("synccore.clean_up")  # type: ignore[union-attr]
    return Result(
        job,
        deleted=job.deleted,
        back=job.inserted,
        kept=job.skipped,
        purge=purge,
        refused=over and not job.total and job.log.filter(code="right_missing").exists(),
        undoable=over
        and may
        and bool(job.deleted)
        and services.clean_ups(request.user).filter(pk=job.pk).exists(),
        said=say(job, app_names(None)) if job.code else None,
    )


# --- the way back ---------------------------------------------------------------------------------------------------


@require_POST
def bring_back(request: HttpRequest) -> HttpResponse:
    """Bring back what one clean-up deleted (``purge``); the page it was pressed on shows how far it is."""
    _must_clean_up(request)
    back = _safe(request, request.POST.get("back", ""))
    try:
        job = services.undo_purge(request.POST.get("purge", ""), user=request.user)
    except (LookupError, ValueError):
        messages.warning(request, _("Nothing of this clean-up is left to bring back."))
        return HttpResponseRedirect(back)
    return HttpResponseRedirect(with_result(back, job))


def with_result(address: str, job: SynchJob) -> str:
    """The page's address, asking for the result of this job (instead of another one's)."""
    path, _mark, query = address.partition("?")
    params = QueryDict(query, mutable=True)
    params[RESULT] = str(job.pk)
    return f"{path}?{params.urlencode()}"


def without_result(address: str) -> str:
    path, _mark, query = address.partition("?")
    params = QueryDict(query, mutable=True)
    params.pop(RESULT, None)
    return f"{path}?{params.urlencode()}" if params else path


def _safe(request: HttpRequest, address: str) -> str:
    """The page a button was pressed on, if it is one of ours."""
    return without_result(address) if is_ours(request, address) else reverse("errors:entries")


def _must_clean_up(request: HttpRequest) -> None:
    if not request.user.has_perm("synccore.clean_up"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.clean_up"))
