"""The questions before a mapping, a pair of apps or a connection is deleted: what goes, what stays, or what forbids it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from synccore.models import Connection, Integration, TableMapping
from synccore.services import connections as services
from synccore.services import deleted, deleting
from synccore.services.jobs import NotNow
from synccore.tables import JobRow

from .gone import deleted_already, gone
from .mappings import mapping_or_404, require_set_up
from .sentences import not_now

VERBS = ["GET", "HEAD", "POST"]
#: Where the connections and the pairs of apps stand.
_LIST: Final = "synccore:connections"
#: Somebody was quicker.
_GONE: Final = ("mapping_gone", "integration_gone", "connection_gone")


# -- a mapping ---------------------------------------------------------------------------------------------------------


@require_http_methods(VERBS)
def delete_mapping(request: HttpRequest, pk: int) -> HttpResponse:
    """The question before a mapping is deleted; what hangs on it instead, if anything does."""
    found = mapping_or_404(request, pk)
    if request.method == "POST":
        done = _("%(name)s is deleted, with its fields and schedules.")
        return _press(
            request,
            found,
            lambda: deleting.delete_mapping(found, user=request.user),
            done,
            "synccore:mappings",
        )
    hangs = deleting.hangs_on(found)
    context = {
        "page_title": _("Delete %(name)s") % {"name": found.name},
        "mapping": found,
        "hangs": [hang_words(name, n) for name, n in hangs.items()],
        "fields": found.field_mappings.count(),
        "told": [] if hangs else _of_diary(deleted.diary_of(mapping=found)),
    }
    return render(request, "synccore/mapping_delete.html", context)


def hang_words(name: str, n: int) -> str:
    """Why a mapping cannot be deleted, one kind of thing."""
    words = {
        "couplings": ngettext("%(n)s coupling, also removed ones", "%(n)s couplings, also removed ones", n),
        "problems": ngettext("%(n)s problem that has not ended", "%(n)s problems that have not ended", n),
        "journal": ngettext(
            "%(n)s write in the journal, which proves what Tandem did",
            "%(n)s writes in the journal, which prove what Tandem did",
            n,
        ),
        "references": ngettext(
            "%(n)s field of another mapping that refers to it",
            "%(n)s fields of other mappings that refer to it",
            n,
        ),
        "jobs": ngettext("%(n)s job that has not ended", "%(n)s jobs that have not ended", n),
    }
    return words[name] % {"n": number_format(n)}


# -- a pair of apps ----------------------------------------------------------------------------------------------------


@require_http_methods(VERBS)
def delete_integration(request: HttpRequest, pk: int) -> HttpResponse:
    """The question before a pair of apps is deleted; the mappings that belong to it instead, if there are any."""
    require_set_up(request)
    found = Integration.objects.select_related("left", "right").filter(pk=pk).first()
    if found is None:
        return _twice(request, Integration, pk)
    if request.method == "POST":
        done = _("%(name)s is deleted. Its two apps stay connected.")
        return _press(request, found, lambda: deleting.delete_integration(found, user=request.user), done)
    context = {
        "page_title": _("Delete %(name)s") % {"name": found.name},
        "integration": found,
        "mappings": deleting.mappings_of(found),
    }
    return render(request, "synccore/integration_delete.html", context)


# -- a connection ------------------------------------------------------------------------------------------------------


@require_http_methods(VERBS)
def delete_connection(request: HttpRequest, pk: int) -> HttpResponse:
    """The question before a connection is deleted; what needs it instead, if anything does."""
    require_set_up(request)
    app = Connection.objects.filter(pk=pk).first()
    if app is None:
        return _twice(request, Connection, pk)
    if request.method == "POST":
        seen = request.POST.get("revision", "")
        done = _("%(name)s is deleted. Nothing was changed in the app itself.")
        return _press(
            request,
            app,
            lambda: deleting.delete_connection(app, user=request.user, revision=seen),
            done,
        )
    needs = deleting.needs_of(app)
    context = {
        "page_title": _("Delete %(name)s") % {"name": app.name},
        "app": app,
        "needs": needs,
        "stays": any(each.coupled or each.written for _pair, rows in needs.integrations for each in rows),
        "jobs": [JobRow(job) for job in needs.jobs],
        "goes": [] if needs else _goes(app),
        "revision": services.revision_of(app),
    }
    return render(request, "synccore/connection_delete.html", context)


def _goes(app: Connection) -> list[str]:
    """What is deleted with it, one sentence per kind of thing."""
    found = deleting.goes_with(app)
    sentences = [_("its address, options and credentials")]
    words = {
        "checks": ngettext("its %(n)s set-up check", "its %(n)s set-up checks", found.get("checks", 0)),
        "tables": ngettext(
            "what was read of its %(n)s table and of the fields in it",
            "what was read of its %(n)s tables and of the fields in them",
            found.get("tables", 0),
        ),
        "jobs": ngettext(
            "its %(n)s job (tests, checks, reading its tables), with the log",
            "its %(n)s jobs (tests, checks, reading its tables), with their logs",
            found.get("jobs", 0),
        ),
        "codes": ngettext(
            "%(n)s code by which it knows one of Tandem’s users",
            "%(n)s codes by which it knows Tandem’s users",
            found.get("codes", 0),
        ),
    }
    sentences += [words[name] % {"n": number_format(found[name])} for name in words if name in found]
    return sentences + _of_diary(found)


# -- of all ------------------------------------------------------------------------------------------------------------


def _press(
    request: HttpRequest,
    row: Connection | Integration | TableMapping,
    delete: Callable[[], None],
    done: str,
    after: str = _LIST,
) -> HttpResponse:
    """Delete the row and go to the page ``after`` it; back to the question where something forbids it by now."""
    pk = row.pk
    try:
        delete()
    except NotNow as no:
        if no.code in _GONE:
            return _twice(request, type(row), pk, after)
        messages.warning(request, not_now(no.code, no.params))
        return HttpResponseRedirect(request.path)
    messages.success(request, done % {"name": row.name})
    return redirect(after)


def _of_diary(found: dict[str, int]) -> list[str]:
    """What goes of Integration Synchronization Errors."""
    problems, entries = found.get("problems", 0), found.get("entries", 0)
    sentences = []
    if problems:
        text = ngettext(
            "%(n)s set-up problem, ended ones included",
            "%(n)s set-up problems, ended ones included",
            problems,
        )
        sentences.append(text % {"n": number_format(problems)})
    if entries:
        text = ngettext(
            "%(n)s entry on Integration Synchronization Errors, deleted ones included",
            "%(n)s entries on Integration Synchronization Errors, deleted ones included",
            entries,
        )
        sentences.append(text % {"n": number_format(entries)})
    return sentences


def _twice(request: HttpRequest, model: type[Model], pk: int, after: str = _LIST) -> HttpResponse:
    """Somebody was quicker: who presses reads that on the list, who looks on the page of what is gone."""
    if request.method != "POST":
        raise gone(request, model, pk)
    messages.info(request, deleted_already(deleted.noted(model, pk)))
    return redirect(after)
