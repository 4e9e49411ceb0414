"""The filter builder: which records of each side a mapping is about. Works by plain submits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from synccore.engine.filters import parse_filter
from synccore.failures import Misconfigured
from synccore.forms import lines
from synccore.models import TableMapping
from synccore.services import mappings
from synccore.services.catalogue import Known, known_to
from synccore.services.jobs import NotNow
from synccore.services.mappings import Wrong
from synccore.shapes import SIDES, FieldInfo, Operator, Side
from synccore.tables import app_names

from .live_catalogue import stored_picker
from .mapping_forms import FORM_VERBS, moved
from .mapping_words import OPERATORS, example, option_words, sentences, type_words
from .mappings import mapping_or_404

CONDITION = lines.Shape(("field", "operator", "value"))
_LISTS = (Operator.IN.value, Operator.NOT_IN.value)
_NO_VALUE = (Operator.EMPTY.value, Operator.NOT_EMPTY.value)


class ConditionLine:
    """One condition as the page shows it."""

    def __init__(
        self, prefix: str, i: int, line: lines.Line, info: FieldInfo | None, errors: Mapping[str, list[str]]
    ) -> None:
        self.prefix, self.i, self.at, self.line = prefix, i, f"{prefix}-{i}", line
        self.name = line["field"] or _("new condition")
        self.rows = max(1, min(8, line["value"].count("\n") + 1))
        self.type, self.example = type_words(info), example(info)
        self.options = option_words(info)
        self.errors = errors.get(self.at, [])


def condition_lines(data: Any) -> list[lines.Line]:
    """A stored filter as lines; one that cannot be read is shown as none."""
    try:
        conditions = parse_filter(data)
    except Misconfigured:
        return []
    return [
        {
            "field": each.field,
            "operator": each.operator.value,
            "value": "\n".join(each.value) if isinstance(each.value, tuple) else each.value or "",
        }
        for each in conditions
    ]


def conditions_of(typed: list[lines.Line]) -> list[dict[str, Any]]:
    """Lines as a filter is stored. Values of a list stand one per line; an operator without a value has none."""
    found = []
    for line in typed:
        value: Any = line["value"]
        if line["operator"] in _LISTS:
            value = [each for each in value.splitlines() if each.strip()]
        elif line["operator"] in _NO_VALUE:
            value = None
        found.append({"field": line["field"].strip(), "operator": line["operator"], "value": value})
    return found


def operators() -> list[tuple[str, str]]:
    return [(operator.value, str(label)) for operator, label in OPERATORS.items()]


@require_http_methods(FORM_VERBS)
def filters(request: HttpRequest, pk: int) -> HttpResponse:
    """Both filters of a mapping, one condition per line; all of a side must hold."""
    found = mapping_or_404(request, pk)
    known = known_to(found)
    revision, focus = mappings.revision_of(found), ""
    errors: Mapping[str, list[str]] = {}
    if request.method == "POST":
        typed = {side: lines.read(request.POST, side.value, CONDITION) for side in SIDES}
        revision = request.POST.get("revision", "")
        wanted = request.POST.get("do", "save")
        if wanted == "save":
            answer, errors = _save(request, found, typed)
            if answer is not None:
                return answer
        for side in SIDES:
            focus = focus or lines.press(typed[side], side.value, CONDITION, wanted, request.POST)
    else:
        typed = {side: condition_lines(getattr(found, f"{side.value}_filter")) for side in SIDES}
    context = {
        "page_title": _("Filters of %(name)s") % {"name": found.name},
        "mapping": found,
        "sides": [_side(found, side, typed[side], known, errors) for side in SIDES],
        "operators": operators(),
        "revision": revision,
        "focus": focus,
        "wrong": bool(errors),
        "pickers": [
            stored_picker(found.integration.connection(side), side, getattr(found, f"{side.value}_table"))
            for side in SIDES
        ],
        "back": reverse("synccore:mapping", args=[pk]),
    }
    return render(request, "synccore/mapping_filters.html", context, status=422 if errors else 200)


def _side(
    found: TableMapping, side: Side, typed: list[lines.Line], known: Known, errors: Mapping[str, list[str]]
) -> dict[str, Any]:
    table = known.table(side, getattr(found, f"{side.value}_table"))
    infos = table.fields if table else {}
    return {
        "side": side.value,
        "app": app_names(found)[side.value],
        "table": getattr(found, f"{side.value}_table"),
        "caption": _("Table Filter") if side is Side.LEFT else _("Integration Table Filter"),
        "lines": [
            ConditionLine(side.value, i, line, infos.get(line["field"]), errors)
            for i, line in enumerate(typed)
        ],
        "count": len(typed),
    }


def _save(
    request: HttpRequest, found: TableMapping, typed: Mapping[Side, list[lines.Line]]
) -> tuple[HttpResponse | None, Mapping[str, list[str]]]:
    try:
        saved = mappings.save_filters(
            found,
            user=request.user,
            filters={side: conditions_of(typed[side]) for side in SIDES},
            revision=request.POST.get("revision", ""),
        )
    except Wrong as wrong:
        return None, sentences(wrong.found, app_names(found))
    except NotNow as no:
        return moved(request, found, no), {}
    text = _("The filters of %(name)s are saved.") % {"name": saved.name}
    if saved.enabled:
        text += " " + _("All records are compared next, so that those inside the filter now are found.")
    messages.success(request, text)
    return redirect("synccore:mapping", pk=found.pk), {}
