"""New mappings and their settings, and pairs of apps. Nothing here contacts an app: pickers are live fragments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from synccore.forms.mapping import IntegrationForm, MappingForm, NewMappingForm
from synccore.models import Connection, Integration, TableMapping
from synccore.services import mappings, standard
from synccore.services.jobs import NotNow
from synccore.services.mappings import NAMED, Wrong
from synccore.shapes import SIDES

from .live_catalogue import Picker, stored_picker
from .mapping_words import sentences
from .mappings import mapping_or_404, require_set_up

FORM_VERBS = ["GET", "HEAD", "POST"]


def names_of(integration: Integration) -> dict[str, str]:
    return {side.value: integration.connection(side).name for side in SIDES}


@require_http_methods(FORM_VERBS)
def new_integration(request: HttpRequest) -> HttpResponse:
    """A pair of apps that is to be kept in step."""
    require_set_up(request)
    apps = list(Connection.objects.order_by("name", "pk")[:3])
    initial = (
        {"left": apps[0], "right": apps[1], "name": f"{apps[0]} ⇄ {apps[1]}"[:100]} if len(apps) == 2 else {}
    )
    form = IntegrationForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = mappings.make_integration(user=request.user, **form.cleaned_data)
        except Wrong as wrong:
            for name, each in sentences(wrong.found, {}).items():
                for sentence in each:
                    form.add_error(name, sentence)
        else:
            if standard.standard_of(made) is not None:
                text = _("%(name)s is a pair now. Next: look what the standard would make of it.")
                messages.success(request, text % {"name": made.name})
                return redirect("synccore:standard", pk=made.pk)
            text = _("%(name)s is a pair now. Next: map a table of one app to a table of the other.")
            messages.success(request, text % {"name": made.name})
            return redirect(reverse("synccore:new_mapping") + f"?integration={made.pk}")
    context = {"page_title": _("New pair of apps"), "form": form, "apps": len(apps)}
    return render(request, "synccore/integration_form.html", context, status=422 if form.errors else 200)


@require_http_methods(FORM_VERBS)
def new(request: HttpRequest) -> HttpResponse:
    """A new mapping: of which pair of apps, where there are several; then its tables and direction."""
    require_set_up(request)
    pairs = Integration.objects.select_related("left", "right").order_by("name", "pk")
    chosen = request.GET.get("integration", "")
    found = pairs.filter(pk=chosen).first() if chosen.isdecimal() and len(chosen) < 10 else None
    if found is None:
        offered = list(pairs)
        if len(offered) != 1:
            context: dict[str, Any] = {"page_title": _("New mapping"), "pairs": offered}
            return render(request, "synccore/mapping_pairs.html", context)
        [found] = offered
    apps = names_of(found)
    form = NewMappingForm(request.POST or None, apps=apps)
    if request.method == "POST" and form.is_valid():
        try:
            made = mappings.make_mapping(found, user=request.user, values=form.values())
        except Wrong as wrong:
            form.refuse(sentences(wrong.found, apps))
        else:
            text = _(
                "{name} is made. It is switched off: map its fields, look what would happen, then switch it on."
            )
            messages.success(request, format_html(text, name=made.name))
            return redirect("synccore:mapping", pk=made.pk)
    context = {
        "page_title": _("New mapping"),
        "form": form,
        "integration": found,
        "pickers": _pickers(found, form),
        "back": reverse("synccore:mappings"),
    }
    return render(request, "synccore/mapping_new.html", context, status=422 if form.errors else 200)


@require_http_methods(FORM_VERBS)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The settings of a mapping that are one answer each."""
    found = mapping_or_404(request, pk)
    apps = names_of(found.integration)
    revision = mappings.revision_of(found)
    form = MappingForm(request.POST or None, mapping=found, apps=apps, revision=revision)
    if request.method == "POST" and form.is_valid():
        try:
            saved = mappings.change_mapping(
                found, user=request.user, values=form.values(), revision=form.cleaned_data["revision"]
            )
        except Wrong as wrong:
            form.refuse(sentences(wrong.found, apps))
        except NotNow as no:
            return moved(request, found, no)
        else:
            messages.success(request, _("%(name)s is saved.") % {"name": saved.name})
            return redirect("synccore:mapping", pk=pk)
    context = {
        "page_title": _("Edit %(name)s") % {"name": found.name},
        "mapping": found,
        "form": form,
        "pickers": _pickers(found.integration, form),
        "sides": [
            (
                apps[side.value],
                [form[f"{side.value}_table"], *(form[f"{side.value}_{name}_field"] for name in NAMED)],
            )
            for side in SIDES
        ],
        "back": reverse("synccore:mapping", args=[pk]),
    }
    return render(request, "synccore/mapping_edit.html", context, status=422 if form.errors else 200)


def moved(request: HttpRequest, found: TableMapping, no: NotNow) -> HttpResponse:
    """Somebody saved the mapping in the meantime, or deleted it: nothing of this person's was saved."""
    if no.code == "mapping_gone":
        messages.warning(
            request, _("%(name)s was deleted in the meantime; nothing was saved.") % {"name": found.name}
        )
        return redirect("synccore:mappings")
    text = _(
        "Somebody saved %(name)s while you looked at it; this is how it is now. Nothing of yours was saved."
    )
    messages.warning(request, text % {"name": found.name})
    return redirect(request.path)


def _pickers(integration: Integration, form: NewMappingForm) -> list[Picker]:
    """What both sides' inputs choose from, as last read; the pages ask for what it is now."""
    chosen: Mapping[str, Any] = form.data if form.is_bound else form.initial
    return [
        stored_picker(integration.connection(side), side, str(chosen.get(f"{side.value}_table") or ""))
        for side in SIDES
    ]
