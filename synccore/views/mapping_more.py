"""Templates for new records and preconditions, each on a page that grows by lines. Works by plain submits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from synccore.forms import lines
from synccore.models import TableMapping
from synccore.services import mappings
from synccore.services.catalogue import known_to
from synccore.services.field_mappings import constant_words
from synccore.services.jobs import NotNow
from synccore.services.mapping_parts import (
    PreconditionDraft,
    TemplateDraft,
    save_preconditions,
    save_templates,
)
from synccore.services.mappings import Wrong
from synccore.shapes import SIDES, FieldInfo, Side
from synccore.tables import app_names

from .live_catalogue import stored_picker
from .mapping_filters import CONDITION, ConditionLine, condition_lines, conditions_of, operators
from .mapping_forms import FORM_VERBS, moved
from .mapping_words import sentences
from .mappings import mapping_or_404

TEMPLATE = lines.Shape(("priority", "side"), {"values": lines.Shape(("field", "value")), "when": CONDITION})
PRECONDITION = lines.Shape(
    ("what", "side", "table", "lookup_field", "record_side", "field", "exempt"), {"filter": CONDITION}
)
Errors = Mapping[str, list[str]]
Save = Callable[[list[lines.Line], str], TableMapping]


class PartLine:
    """A template or a precondition as its page shows it."""

    def __init__(self, prefix: str, i: int, line: lines.Line, name: str, errors: Errors) -> None:
        self.i, self.at, self.line, self.name = i, f"{prefix}-{i}", line, name
        self.number = i + 1
        self.errors = {
            at.removeprefix(f"{self.at}-"): said
            for at, said in errors.items()
            if at.startswith(f"{self.at}-")
        }
        self.conditions: list[ConditionLine] = []
        self.values: list[dict[str, Any]] = []


@require_http_methods(FORM_VERBS)
def templates(request: HttpRequest, pk: int) -> HttpResponse:
    """Values that new records of one side get, besides what is mapped."""
    found = mapping_or_404(request, pk)

    def save(typed: list[lines.Line], revision: str) -> TableMapping:
        drafts = [
            TemplateDraft(
                line["priority"],
                line["side"],
                [(each["field"].strip(), each["value"]) for each in line["values"]],
                conditions_of(line["when"]),
            )
            for line in typed
        ]
        return save_templates(found, user=request.user, drafts=drafts, revision=revision)

    return _page(request, found, TEMPLATES, save)


def _template_lines(found: TableMapping) -> list[lines.Line]:
    shown = []
    for each in found.templates if isinstance(found.templates, list) else ():
        if isinstance(each, dict) and isinstance(each.get("values"), dict):
            values = [{"field": name, "value": constant_words(text)} for name, text in each["values"].items()]
            facts = {"priority": str(each.get("priority", "")), "side": str(each.get("side", ""))}
            shown.append({**facts, "values": values, "when": condition_lines(each.get("when"))})
    return shown


def _show_templates(found: TableMapping, typed: Sequence[lines.Line], errors: Errors) -> list[PartLine]:
    infos = _infos(found)
    shown = []
    for i, line in enumerate(typed):
        part = PartLine("t", i, line, _("Template %(n)s") % {"n": i + 1}, errors)
        side = Side(line["side"]) if line["side"] in list(Side) else Side.RIGHT
        for j, value in enumerate(line["values"]):
            at = f"{part.at}-values-{j}"
            part.values.append(
                {
                    "at": at,
                    "i": j,
                    "line": value,
                    "field": errors.get(f"{at}-field", []),
                    "value": errors.get(f"{at}-value", []),
                }
            )
        part.conditions = [
            ConditionLine(f"{part.at}-when", j, each, infos[side.other].get(each["field"]), errors)
            for j, each in enumerate(line["when"])
        ]
        shown.append(part)
    return shown


@require_http_methods(FORM_VERBS)
def preconditions(request: HttpRequest, pk: int) -> HttpResponse:
    """What must exist in an app before a record is written."""
    found = mapping_or_404(request, pk)

    def save(typed: list[lines.Line], revision: str) -> TableMapping:
        drafts = [
            PreconditionDraft(
                **{name: line[name].strip() for name in PRECONDITION.names if name != "exempt"},
                exempt=[text for text in line["exempt"].splitlines() if text.strip()],
                filter=conditions_of(line["filter"]),
            )
            for line in typed
        ]
        return save_preconditions(found, user=request.user, drafts=drafts, revision=revision)

    return _page(request, found, PRECONDITIONS, save)


def _precondition_lines(found: TableMapping) -> list[lines.Line]:
    shown = []
    for each in found.preconditions if isinstance(found.preconditions, list) else ():
        if isinstance(each, dict):
            facts = {name: str(each.get(name, "")) for name in PRECONDITION.names if name != "exempt"}
            exempt = each.get("exempt") if isinstance(each.get("exempt"), list) else []
            shown.append(
                {
                    **facts,
                    "exempt": "\n".join(map(str, exempt or [])),
                    "filter": condition_lines(each.get("filter")),
                }
            )
    return shown


def _show_preconditions(found: TableMapping, typed: Sequence[lines.Line], errors: Errors) -> list[PartLine]:
    shown = []
    for i, line in enumerate(typed):
        part = PartLine("p", i, line, line["what"] or _("Precondition %(n)s") % {"n": i + 1}, errors)
        part.conditions = [
            ConditionLine(f"{part.at}-filter", j, each, None, errors) for j, each in enumerate(line["filter"])
        ]
        shown.append(part)
    return shown


def _infos(found: TableMapping) -> dict[Side, Mapping[str, FieldInfo]]:
    known = known_to(found)
    tables = {side: known.table(side, getattr(found, f"{side.value}_table")) for side in SIDES}
    return {side: table.fields if table else {} for side, table in tables.items()}


@dataclass(frozen=True)
class Parts:
    """What the two pages differ in."""

    prefix: str
    shape: lines.Shape
    stored: Callable[[TableMapping], list[lines.Line]]
    show: Callable[[TableMapping, Sequence[lines.Line], Errors], list[PartLine]]
    template: str
    title: Any


TEMPLATES = Parts(
    "t",
    TEMPLATE,
    _template_lines,
    _show_templates,
    "synccore/mapping_templates.html",
    gettext_lazy("Templates of %(name)s"),
)
PRECONDITIONS = Parts(
    "p",
    PRECONDITION,
    _precondition_lines,
    _show_preconditions,
    "synccore/mapping_preconditions.html",
    gettext_lazy("Preconditions of %(name)s"),
)


def _page(request: HttpRequest, found: TableMapping, parts: Parts, save: Save) -> HttpResponse:
    revision, focus, typed = mappings.revision_of(found), "", parts.stored(found)
    errors: Errors = {}
    apps = app_names(found)
    if request.method == "POST":
        typed = lines.read(request.POST, parts.prefix, parts.shape)
        revision = request.POST.get("revision", "")
        wanted = request.POST.get("do", "save")
        if wanted != "save":
            focus = lines.press(typed, parts.prefix, parts.shape, wanted, request.POST)
        else:
            try:
                save(typed, revision)
            except Wrong as wrong:
                errors = sentences(wrong.found, apps)
            except NotNow as no:
                return moved(request, found, no)
            else:
                messages.success(request, _("%(name)s is saved.") % {"name": found.name})
                return redirect("synccore:mapping", pk=found.pk)
    context = {
        "page_title": str(parts.title) % {"name": found.name},
        "mapping": found,
        "parts": parts.show(found, typed, errors),
        "count": len(typed),
        "apps": apps,
        "sides": [(side.value, apps[side.value]) for side in SIDES],
        "operators": operators(),
        "revision": revision,
        "focus": focus,
        "wrong": bool(errors),
        "general": errors.get("", []),
        "pickers": [
            stored_picker(found.integration.connection(side), side, getattr(found, f"{side.value}_table"))
            for side in SIDES
        ],
        "back": reverse("synccore:mapping", args=[found.pk]),
    }
    return render(request, parts.template, context, status=422 if errors else 200)
