"""Integration Table Mappings: what is kept in step with what, by which rules, and whether anything is wrong with them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from synccore import roles
from synccore.forms.mapping import NameForm
from synccore.models import Connection, FieldMapping, Integration, JobQueueEntry, MappingGrant, TableMapping
from synccore.models.catalogue import stored_tables
from synccore.models.scoping import GrantLevel
from synccore.services import catalogue, mappings, match_found, standard
from synccore.services.jobs import NotNow
from synccore.services.mappings import Wrong
from synccore.shapes import SIDES
from synccore.tables import app_names, say

from .gone import gone
from .lists import banners, may_run
from .mapping_rows import FieldRow, MappingRow, known_by_tables, mappings_of, side_facts, troubles_of
from .mapping_words import (
    conflict_words,
    deletion_words,
    direction_words,
    failure_words,
    percent,
    precondition_words,
    sentences,
    template_words,
)
from .queue_table import every, scope_word
from .sentences import not_now


def require_set_up(request: HttpRequest) -> None:
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))


def mapping_or_404(request: HttpRequest, pk: int) -> TableMapping:
    """A mapping somebody who may set up wants to change. Raises PermissionDenied, Http404."""
    require_set_up(request)
    rows = TableMapping.objects.visible_to(request.user).select_related(
        "integration__left", "integration__right"
    )
    found: TableMapping | None = rows.filter(pk=pk).first()
    if found is None:
        raise gone(request, TableMapping, pk)
    return found


def granted_mapping(request: HttpRequest, pk: int, permission: str) -> TableMapping:
    """A mapping with whose records this person may do what ``permission`` says. Raises PermissionDenied, Http404."""
    user: Any = request.user
    answering = TableMapping.objects.visible_to(user, GrantLevel.RESOLVE).filter(pk=OuterRef("pk"))
    seen = TableMapping.objects.visible_to(user).with_captions()
    rows = list(
        seen.select_related("integration__left", "integration__right").annotate(may=Exists(answering))
    )
    request.tandem_mappings = rows  # type: ignore[attr-defined]  # the frame asks no second time
    found = next((each for each in rows if each.pk == pk), None)
    if found is None:
        raise Http404
    has_right = user.has_perm(permission)
    if not (has_right and found.may):
        raise PermissionDenied(roles.refusal(permission, of_mapping=has_right))
    return found


# -- the list ----------------------------------------------------------------------------------------------------------


@require_safe
def mapping_list(request: HttpRequest) -> HttpResponse:
    """Every mapping; where there is none, the three steps to the first synchronization."""
    require_set_up(request)
    rows = list(mappings_of(request.user).prefetch_related("field_mappings"))
    wanted: dict[int, set[str]] = {}
    for row in rows:
        for side in SIDES:
            wanted.setdefault(row.integration.connection(side).pk, set()).add(
                getattr(row, f"{side.value}_table")
            )
            for name in (each.get("table") for each in row.preconditions if isinstance(each, dict)):
                wanted[row.integration.connection(side).pk].add(str(name))
    found = stored_tables(wanted) if rows else {}
    shown = [
        MappingRow(row, troubles_of(row, list(row.field_mappings.all()), known_by_tables(found, row)))
        for row in rows
    ]
    context: dict[str, Any] = {
        "page_title": _("Integration Table Mappings"),
        "rows": shown,
        "several": len({row.integration_id for row in rows}) > 1,
    }
    pairs = list({row.integration_id: row.integration for row in rows}.values())
    pairs = pairs or list(Integration.objects.select_related("left", "right"))
    context["standards"] = [pair for pair in pairs if standard.standard_of(pair)]
    context["new"] = [row for row in shown if row.is_new]
    if not any(row.enabled for row in rows):
        context["steps"] = _first_steps(shown, pairs, context["standards"])
    return render(request, "synccore/mappings.html", context)


def _first_steps(
    rows: list[MappingRow], pairs: list[Integration], standards: list[Integration]
) -> list[dict[str, Any]]:
    """What is left to do until something synchronizes for the first time."""
    apps = Connection.objects.count()
    usable = [row for row in rows if row.is_read and not row.wrong]
    first = rows[0] if rows else None
    mapped = bool(usable)
    running = any(row.mapping.enabled for row in rows)
    return [
        {
            "title": _("Connect two apps"),
            "done": apps >= 2 and bool(pairs),
            "text": _("Say how both are reached, and that they are a pair."),
            "url": reverse("synccore:connections") if apps < 2 else reverse("synccore:new_integration"),
            "action": _("Connection Setup") if apps < 2 else _("Make them a pair"),
        },
        {
            "title": _("Map a table of one app to a table of the other"),
            "done": mapped,
            "text": _("Choose the two tables, then which field is which."),
            "url": first.url if first else _to_map(standards),
            "action": _("Open %(name)s") % {"name": first.name}
            if first
            else (_("Use Default Synchronization Setup") if standards else _("New mapping")),
        },
        {
            "title": _("Look what would happen, and switch it on"),
            "done": running,
            "text": _(
                "The mapping shows each record that the first run would take. Nothing is written before you say so."
            ),
            "url": usable[0].url if len(usable) == 1 else reverse("synccore:full") if usable else "",
            "action": (
                _("Open %(name)s") % {"name": usable[0].name}
                if len(usable) == 1
                else _("Run Full Synchronization")
            )
            if usable
            else "",
        },
    ]


def _to_map(standards: list[Integration]) -> str:
    """Where a pair of apps gets its first mappings."""
    if standards:
        return reverse("synccore:standard", args=[standards[0].pk])
    return reverse("synccore:new_mapping")


# -- one mapping -------------------------------------------------------------------------------------------------------


@require_safe
def mapping(request: HttpRequest, pk: int) -> HttpResponse:
    """One mapping. While the tables of an app are read, the page asks for its region alone and swaps that."""
    require_set_up(request)
    found = get_object_or_404(mappings_of(request.user), pk=pk)
    template = "synccore/mapping_region.html" if request.htmx else "synccore/mapping.html"  # type: ignore[attr-defined]
    return render(request, template, _context(request, found))


def _context(request: HttpRequest, found: Any) -> dict[str, Any]:
    rows = list(found.field_mappings.select_related("reference").order_by("position", "pk"))
    known = catalogue.known_to(found)
    troubles = troubles_of(found, rows, known)
    for row in rows:
        row.mapping = found
    apps = app_names(found)
    row = MappingRow(found, troubles)
    natural = next((each for each in rows if each.pk == found.natural_key), None)
    reading = catalogue.being_read([found.integration.left, found.integration.right])
    entries = JobQueueEntry.objects.filter(mapping=found).order_by("scope")
    return {
        "page_title": found.name,
        "mapping": found,
        "row": row,
        "apps": apps,
        "sides": side_facts(found, known),
        "fields": [FieldRow(found, each, known, troubles) for each in rows],
        "rules": _rules(found, apps, natural),
        "brakes": _brakes(found),
        "general": [each for each in troubles if each.row is None and not each.forbids],
        "may_double": match_found.may_double(found),
        "read_at": min((at for at in known.read_at.values() if at), default=None) if known.complete else None,
        "unread": [apps[side.value] for side in SIDES if known.read_at[side] is None],
        "reading": reading,
        "unreadable": [
            (job.connection.name, say(job, {side.value: job.connection.name for side in SIDES}))
            for job in catalogue.unreadable([found.integration.left, found.integration.right])
            if job.connection is not None
        ],
        "templates": template_words(found.templates, apps),
        "preconditions": precondition_words(found.preconditions, apps),
        "schedules": [(entry, scope_word(entry.scope), every(entry.interval_seconds)) for entry in entries],
        "grants": MappingGrant.objects.filter(mapping=found).select_related("group").order_by("group__name"),
        "banners": banners([found]),
        "may_run": may_run(request.user) and found.enabled,
        "may_synchronize": may_run(request.user),
        "standard": standard.slug_of(found),
        "copy_form": NameForm(initial={"name": _("%(name)s (copy)") % {"name": found.name[:90]}}),
    }


def _rules(found: TableMapping, apps: dict[str, str], natural: FieldMapping | None) -> list[tuple[str, str]]:
    key = f"{natural.left_field} = {natural.right_field}" if natural else _("nothing")
    return [
        (_("Direction"), direction_words(found.direction, apps)),
        (_("Synch. Only Coupled Records"), _("yes") if found.only_coupled else _("no")),
        (_("New records are looked up by"), key),
        (_("Resolve Update Conflicts"), conflict_words(found.conflicts, apps)),
        (_("Resolve Deletion Conflicts"), deletion_words(found.deletions)),
    ]


def _brakes(found: TableMapping) -> list[str]:
    """What one run may do before a person is asked."""
    deletions = {"n": number_format(found.deletions_min), "share": percent(found.deletions_share)}
    creations = {"n": number_format(found.creations_min), "share": percent(found.creations_share)}
    return [
        _("A run that finds more than %(n)s deletions, and more than %(share)s %% of the couplings, stops and asks.")
        % deletions,
        _(
            "Into an app that holds records already, more than %(n)s new ones, and more than %(share)s %% of the "
            "couplings, are asked about likewise; the first new records always are."
        )
        % creations,
        _("Nothing is deleted while a table that had records reads as empty."),
    ]  # fmt: skip


# -- what can be done with one -----------------------------------------------------------------------------------------


@require_POST
def read_tables(request: HttpRequest, pk: int) -> HttpResponse:
    """Read the tables of both apps anew: jobs; what they find appears on the page."""
    found = mapping_or_404(request, pk)
    catalogue.start_describe([found.integration.left, found.integration.right], user=request.user)
    messages.success(request, _("The tables of both apps are being read; what has changed appears below."))
    return redirect(_back_to(request, pk))


def _back_to(request: HttpRequest, pk: int) -> str:
    """The page of the mapping that a button was pressed on."""
    pages = {"fields": "synccore:mapping_fields", "edit": "synccore:edit_mapping"}
    return reverse(pages.get(request.POST.get("back", ""), "synccore:mapping"), args=[pk])


@require_POST
def switch_on(request: HttpRequest, pk: int) -> HttpResponse:
    found = mapping_or_404(request, pk)
    try:
        mappings.switch_on(found, user=request.user)
    except NotNow as no:
        messages.warning(request, _stays_off(found, no))
        return redirect("synccore:mapping", pk=pk)
    messages.success(request, _("%(name)s is switched on. Its schedules run it.") % {"name": found.name})
    return redirect("synccore:mapping", pk=pk)


def _stays_off(found: TableMapping, no: NotNow) -> str:
    if no.code != "mapping_wrong":
        return not_now(no.code, no.params)
    wrong = no.params["failures"]
    first = failure_words(wrong[0], app_names(found))[1]
    text = ngettext(
        "%(name)s stays switched off until this is corrected: %(first)s",
        "%(name)s stays switched off until %(n)s things are corrected, the first of them: %(first)s",
        len(wrong),
    )
    return text % {"name": found.name, "n": len(wrong), "first": first}


@require_POST
def switch_on_new(request: HttpRequest) -> HttpResponse:
    """Switch on several at once: those that a page named as new (``mapping``). Back to the page it was pressed on."""
    require_set_up(request)
    named = [int(pk) for pk in request.POST.getlist("mapping") if pk.isdecimal() and len(pk) < 10]
    rows = TableMapping.objects.visible_to(request.user).select_related(
        "integration__left", "integration__right"
    )
    on, off = mappings.switch_on_all(rows.filter(pk__in=named).order_by("pk"), user=request.user)
    if on:
        text = ngettext(
            "%(n)s mapping is switched on. Its schedules run it; Run Full Synchronization starts it now.",
            "%(n)s mappings are switched on. Their schedules run them; Run Full Synchronization starts them now.",
            len(on),
        )
        messages.success(request, text % {"n": len(on)})
    for found, no in off:
        messages.warning(request, _stays_off(found, no))
    return redirect("synccore:full" if request.POST.get("back") == "full" else "synccore:mappings")


@require_POST
def switch_off(request: HttpRequest, pk: int) -> HttpResponse:
    found = mapping_or_404(request, pk)
    mappings.switch_off(found, user=request.user)
    text = _("%(name)s is switched off: nothing runs, changes wait. A run under way ends after its page.")
    messages.success(request, text % {"name": found.name})
    return redirect("synccore:mapping", pk=pk)


@require_POST
def copy(request: HttpRequest, pk: int) -> HttpResponse:
    """The same rules under another name."""
    found = mapping_or_404(request, pk)
    form = NameForm(request.POST)
    if form.is_valid():
        try:
            made = mappings.copy_mapping(found, user=request.user, name=form.cleaned_data["name"])
        except Wrong as wrong:
            for each in sentences(wrong.found, app_names(found)).get("name", []):
                form.add_error("name", each)
        else:
            text = _("%(name)s has the rules of %(old)s. It is switched off and nothing of it is coupled.")
            messages.success(request, text % {"name": made.name, "old": found.name})
            return redirect("synccore:mapping", pk=made.pk)
    again = get_object_or_404(mappings_of(request.user), pk=pk)
    return render(
        request, "synccore/mapping.html", _context(request, again) | {"copy_form": form}, status=422
    )
