"""*Suggest field mappings*: pairs of fields that look like one, a tick for each, and a press that maps them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from synccore.forms.mapping import direction_choices
from synccore.models import TableMapping
from synccore.services import catalogue, suggesting
from synccore.services.catalogue import Known
from synccore.services.field_mappings import draft_of
from synccore.services.jobs import NotNow
from synccore.services.mappings import Wrong
from synccore.services.pairing import Why
from synccore.services.suggesting import Suggestion
from synccore.shapes import SIDES
from synccore.tables import app_names

from .fitting_words import warning_words
from .mapping_forms import FORM_VERBS, moved
from .mapping_rows import Trouble
from .mapping_words import SIGNS, sentences, type_words
from .mappings import mapping_or_404
from .standard_words import draft_notes

WHYS = {
    Why.STANDARD: gettext_lazy("in the standard set-up of these apps"),
    Why.NAME: gettext_lazy("same name"),
    Why.BEGINNING: gettext_lazy("same name but for its beginning"),
    Why.LABEL: gettext_lazy("same label"),
    Why.ALIKE: gettext_lazy("similar name: look closely"),
}


@dataclass(frozen=True)
class Typed:
    """What a person said of suggestions, by key: their directions, and which of them cut what is too long."""

    ways: Mapping[str, str] = field(default_factory=dict)
    cut: Collection[str] = ()


class SuggestedRow:
    """One suggestion as the page shows it."""

    def __init__(self, i: int, found: Suggestion, page: Page, ticked: bool) -> None:
        self.i, self.key, self.ticked = i, found.key, ticked
        self.why = WHYS[found.why]
        draft, mapping = found.draft, page.mapping
        constant = _("constant %(value)s") % {"value": draft.constant} if draft.has_constant else ""
        self.sides = []
        for side in SIDES:
            name = getattr(draft, side.value)
            table = page.known.table(side, getattr(mapping, f"{side.value}_table"))
            info = table.fields.get(name) if table is not None else None
            label = info.label if info is not None and info.label.casefold() != name.casefold() else ""
            self.sides.append(
                (page.apps[side.value], name or constant, label, type_words(info) if info else "")
            )
        self.notes = draft_notes(draft, mapping.direction, page.apps)
        self.way = draft.direction
        self.ways = [each for each in direction_choices(page.apps) if each[0] in found.ways]
        self.sign = SIGNS.get(draft.direction if mapping.direction == "both" else mapping.direction, "")
        self.name = " / ".join(name for _app, name, _label, _type in self.sides)
        self.is_longer, self.cuts = found.is_longer, self.key in page.cut
        self.warnings = [Trouble(*warning_words(each, page.apps), forbids=False) for each in found.warnings]


class Page:
    """The suggestions for a mapping, and what a person made of them so far."""

    def __init__(
        self, mapping: TableMapping, known: Known, chosen: Collection[str] | None, typed: Typed
    ) -> None:
        self.mapping, self.known, self.cut = mapping, known, typed.cut
        self.apps = app_names(mapping)
        drafts = [draft_of(each) for each in mapping.field_mappings.order_by("position", "pk")]
        found = suggesting.suggest(mapping, known, drafts, typed.ways, typed.cut)
        ticked = {each.key for each in found if (each.is_sure if chosen is None else each.key in chosen)}
        self.rows = [SuggestedRow(i, each, self, each.key in ticked) for i, each in enumerate(found)]
        self.mapped, self.ticked = len(drafts), len(ticked)
        wanted = [each.draft for each in found if each.key in ticked]
        self.lacking = [
            Trouble(*warning_words(each, self.apps), forbids=False)
            for each in suggesting.lacking(mapping, known, [*drafts, *wanted])
        ]


@require_http_methods(FORM_VERBS)
def suggest(request: HttpRequest, pk: int) -> HttpResponse:
    """What could be mapped, by the tables as last read; the ticked is mapped by one press."""
    found = mapping_or_404(request, pk)
    if request.method != "POST":
        return _page(request, found)
    wanted = request.POST.get("do", "save")
    if wanted == "read":
        catalogue.start_describe([found.integration.left, found.integration.right], user=request.user)
        messages.info(request, _("The tables of both apps are being read; what is new appears below."))
        return redirect("synccore:suggest_fields", pk=pk)
    chosen, keys = request.POST.getlist("map"), request.POST.getlist("key")
    ways = {key: request.POST[f"way-{i}"] for i, key in enumerate(keys) if f"way-{i}" in request.POST}
    typed = Typed(ways, request.POST.getlist("cut"))
    if wanted in ("all", "none"):
        return _page(request, found, keys if wanted == "all" else [], typed)
    if not chosen:
        return _page(request, found, chosen, typed, [_("Tick what is to be mapped.")])
    try:
        taken = suggesting.take(found, user=request.user, chosen=chosen, ways=ways, cut=typed.cut)
    except Wrong as wrong:
        said = sentences(wrong.found, app_names(found)).values()
        return _page(
            request, found, chosen, typed, list(dict.fromkeys(line for each in said for line in each))
        )
    except NotNow as no:
        return moved(request, found, no)
    _say(request, found, taken)
    return redirect("synccore:mapping", pk=pk)


def _page(
    request: HttpRequest,
    found: TableMapping,
    chosen: Collection[str] | None = None,
    typed: Typed = Typed(),
    errors: Collection[str] = (),
) -> HttpResponse:
    known = catalogue.known_to(found)
    page = Page(found, known, chosen, typed)
    both = [found.integration.left, found.integration.right]
    missing = [
        (page.apps[side.value], getattr(found, f"{side.value}_table"))
        for side in SIDES
        if known.table(side, getattr(found, f"{side.value}_table")) is None
    ]
    context: dict[str, Any] = {
        "page_title": _("Suggest field mappings"),
        "mapping": found,
        "apps": page.apps,
        "rows": page.rows,
        "ticked": page.ticked,
        "mapped": page.mapped,
        "lacking": page.lacking,
        "errors": errors,
        "missing": missing,
        "reading": catalogue.being_read(both),
        "read_at": min((at for at in known.read_at.values() if at), default=None) if known.complete else None,
        "back": reverse("synccore:mapping", args=[found.pk]),
    }
    return render(request, "synccore/mapping_suggest.html", context, status=422 if errors else 200)


def _say(request: HttpRequest, found: TableMapping, taken: suggesting.Taken) -> None:
    if taken.added:
        text = ngettext("%(n)s field is mapped.", "%(n)s fields are mapped.", taken.added) % {
            "n": taken.added
        }
        if taken.anew and found.enabled:
            text += " " + _(
                "Records in which nothing changes meet the new fields at the next full synchronization."
            )
        messages.success(request, text)
    if taken.gone:
        text = ngettext(
            "%(n)s of them was mapped already, or is no suggestion any more; it was left out.",
            "%(n)s of them were mapped already, or are no suggestions any more; they were left out.",
            taken.gone,
        )
        messages.info(request, text % {"n": taken.gone})
