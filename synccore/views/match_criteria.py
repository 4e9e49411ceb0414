"""The criteria of match-based coupling, one line each, on a page that grows by lines. Works by plain submits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from synccore.engine.matching import CASED, Compare
from synccore.forms import lines
from synccore.models import FieldMapping, MatchCriterion, MatchSetup, TableMapping
from synccore.services import match
from synccore.services.jobs import NotNow
from synccore.services.mappings import Wrong
from synccore.shapes import Side
from synccore.tables import app_names

from .mapping_forms import FORM_VERBS, moved
from .mapping_words import sentences
from .mappings import mapping_or_404

CRITERION = lines.Shape(("field", "group", "compare", "case_sensitive"))
#: How a field is compared that is called like this, where nothing is set up yet.
_BY_NAME = (
    (Compare.EMAIL, ("mail",)),
    (Compare.PHONE, ("phone", "telephone", "mobile", "fax")),
    (Compare.WEB, ("website", "homepage", "home_page", "url")),
    (Compare.CODE, ("vat", "iban", "registration")),
)


class CriterionLine:
    """One criterion as the page shows it."""

    def __init__(
        self, i: int, line: lines.Line, errors: Mapping[str, list[str]], names: Mapping[str, str]
    ) -> None:
        self.i, self.at, self.line = i, f"c-{i}", line
        self.name = names.get(line["field"], _("new criterion"))
        self.field_errors = errors.get(f"{self.at}-field", [])
        self.group_errors = errors.get(f"{self.at}-group", [])
        self.compare_errors = errors.get(f"{self.at}-compare", [])
        self.cased = bool(line["case_sensitive"])
        self.can_be_cased = line["compare"] in {each.value for each in CASED} | {""}


def suggested(rows: Sequence[FieldMapping], found: TableMapping) -> list[lines.Line]:
    """Lines to begin with: the natural key alone, then the fields that carry the records' number, then their name."""
    key = [row for row in rows if row.pk == found.natural_key]
    number = [
        row
        for row in rows
        if found.left_key_field == row.left_field and found.right_key_field == row.right_field
    ]
    name = [
        row
        for row in rows
        if found.left_name_field == row.left_field or found.right_name_field == row.right_field
    ]
    tries: list[FieldMapping] = []
    for each in (*key[:1], *number[:1], *name[:1]):
        if each not in tries:
            tries.append(each)
    return [
        {
            "field": str(row.pk),
            "group": str(i),
            "compare": _compare_of(row, found).value,
            "case_sensitive": "",
        }
        for i, row in enumerate(tries, start=1)
    ]


def _compare_of(row: FieldMapping, found: TableMapping) -> Compare:
    names = f"{row.left_field} {row.right_field}".lower()
    for compare, words in _BY_NAME:
        if any(word in names for word in words):
            return compare
    of_name = row.left_field == found.left_name_field or row.right_field == found.right_name_field
    return Compare.TEXT if of_name else Compare.EXACT


@require_http_methods(FORM_VERBS)
def match_criteria(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose by which fields records are matched, and what happens besides."""
    found = mapping_or_404(request, pk)
    setup, apps = match.setup_of(found), app_names(found)
    rows = match.comparable(found)
    revision, focus, errors, proposed = str(setup.revision), "", dict[str, list[str]](), False
    create = {side.value for side in match.creatable(found) if setup.creates(side)}
    after = setup.after
    if request.method == "POST":
        typed = lines.read(request.POST, "c", CRITERION)
        revision, after = request.POST.get("revision", ""), request.POST.get("after", "")
        create = set(request.POST.getlist("create"))
        wanted = request.POST.get("do", "save")
        if wanted != "save":
            focus = lines.press(typed, "c", CRITERION, wanted, request.POST)
        else:
            try:
                _save(request, found, typed, create, after, revision)
            except Wrong as wrong:
                errors = sentences(wrong.found, apps)
            except NotNow as no:
                return moved(request, found, no)
            else:
                messages.success(request, _("The criteria of %(name)s are saved.") % {"name": found.name})
                return redirect("synccore:match", pk=pk)
    else:
        typed = _stored(found)
        if not typed and not setup.revision:
            typed = suggested(rows, found)
            proposed = bool(typed)
    names = {str(row.pk): _name(row) for row in rows}
    context: dict[str, Any] = {
        "page_title": _("Match criteria of %(name)s") % {"name": found.name},
        "mapping": found,
        "lines": [CriterionLine(i, line, errors, names) for i, line in enumerate(typed)],
        "count": len(typed),
        "fields": list(names.items()),
        "ways": MatchCriterion.How.choices,
        "groups": [str(n) for n in range(1, match.MOST_GROUPS + 1)],
        "creatable": [
            (side.value, apps[side.value], apps[side.other.value]) for side in match.creatable(found)
        ],
        "create": create,
        "after": after,
        "afters": _afters(apps),
        "general": [
            *errors.get("after", []),
            *errors.get("create_left", []),
            *errors.get("create_right", []),
        ],
        "revision": revision,
        "focus": focus,
        "wrong": bool(errors),
        "proposed": proposed,
        "back": reverse("synccore:match", args=[pk]),
    }
    return render(request, "synccore/match_criteria.html", context, status=422 if errors else 200)


def _name(row: FieldMapping) -> str:
    return " = ".join(dict.fromkeys((row.left_field, row.right_field)))


def _afters(apps: Mapping[str, str]) -> list[tuple[str, str]]:
    wins = _("Synchronize; %(app)s wins where they differ")
    named = {side.value: wins % {"app": apps[side.value]} for side in Side}
    return [(value, named.get(value, str(label))) for value, label in MatchSetup.After.choices]


def _stored(found: TableMapping) -> list[lines.Line]:
    return [
        {
            "field": str(each.field_id),
            "group": str(each.group),
            "compare": each.compare,
            "case_sensitive": "1" if each.case_sensitive else "",
        }
        for each in found.match_criteria.order_by("group", "pk")
    ]


def _save(
    request: HttpRequest,
    found: TableMapping,
    typed: list[lines.Line],
    create: set[str],
    after: str,
    revision: str,
) -> None:
    drafts = [
        match.CriterionDraft(line["field"], line["group"], line["compare"], bool(line["case_sensitive"]))
        for line in typed
    ]
    match.save_criteria(
        found,
        user=request.user,
        drafts=drafts,
        create=[Side(each) for each in create if each in list(Side)],
        after=after,
        revision=int(revision) if revision.isdecimal() and len(revision) < 10 else -1,
    )
