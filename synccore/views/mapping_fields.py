"""The editor of field mappings. Every press but *Save* gives the form back, changed; nothing is stored before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from synccore.forms import conversions, lines
from synccore.forms.fields import LINE, PREFIX, Infos, drafts_of, line_of
from synccore.forms.mapping import direction_choices
from synccore.models import TableMapping
from synccore.services import field_mappings, fitting, mappings
from synccore.services.catalogue import Known, known_to, start_describe
from synccore.services.jobs import NotNow
from synccore.services.mappings import Wrong
from synccore.shapes import SIDES, FieldInfo, Side
from synccore.tables import app_names

from .fitting_words import warning_words
from .live_catalogue import stored_picker
from .mapping_forms import FORM_VERBS, moved
from .mapping_rows import Trouble
from .mapping_words import option_words, sentences, type_words
from .mappings import mapping_or_404


class FieldLine:
    """One line as the page shows it: what was typed, both types, what is wrong, what is worth a word."""

    def __init__(self, i: int, line: lines.Line, page: Editor) -> None:
        self.i, self.at, self.line = i, f"{PREFIX}-{i}", line
        self.number = i + 1
        self.name = " / ".join(line[side.value] for side in SIDES if line[side.value]) or _("new line")
        infos = {side: page.infos[side].get(line[side.value]) for side in SIDES}
        self.types = [(page.apps[side.value], type_words(infos[side])) for side in SIDES if infos[side]]
        self.options = [
            (page.apps[side.value], options) for side in SIDES if (options := option_words(infos[side]))
        ]
        self.errors = {
            at.removeprefix(f"{self.at}-"): said
            for at, said in page.errors.items()
            if at.startswith(f"{self.at}-")
        }
        self.ways = [
            (
                way,
                page.ways[way],
                [
                    Step(self.at, way, j, step, self.errors, infos[to.other], infos[to])
                    for j, step in enumerate(line[way])
                ],
            )
            for way, to in (("to_right", Side.RIGHT), ("to_left", Side.LEFT))
        ]
        self.troubles = page.troubles.get(i, [])

    @property
    def is_open(self) -> bool:
        """Whether the rest of the line is shown: something in it is set, or wrong."""
        line = self.line
        asked = (
            "has_constant",
            "group",
            "owner",
            "reference",
            "optional",
            "only_new",
            "keep_empty",
            "personal",
            "sensitive",
        )
        return any(line[name] for name in (*asked, "to_right", "to_left")) or bool(
            set(self.errors) - {"left", "right", "direction"}
        )


class Step:
    """One conversion of a line."""

    def __init__(
        self,
        at: str,
        way: str,
        j: int,
        step: lines.Line,
        errors: Mapping[str, list[str]],
        source: FieldInfo | None,
        destination: FieldInfo | None,
    ) -> None:
        self.j, self.at, self.name = j, f"{at}-{way}-{j}", step["name"]
        self.list, self.caption = f"{at}-{way}", conversions.caption(step["name"])
        mine = f"{way}-{j}-"
        self.errors = {
            place.removeprefix(mine): said for place, said in errors.items() if place.startswith(mine)
        }
        self.asked = [
            (each, self.errors.get(each.name, [])) for each in conversions.asked(step, source, destination)
        ]
        self.general = [said for place, each in self.errors.items() if place in ("", "name") for said in each]


class Editor:
    """The page: its lines, and everything they are judged and shown by."""

    def __init__(
        self, mapping: TableMapping, typed: list[lines.Line], known: Known, errors: Mapping[str, list[str]]
    ) -> None:
        self.mapping, self.known, self.errors = mapping, known, errors
        self.apps = app_names(mapping)
        self.infos = infos_of(mapping, known)
        self.ways = {
            "to_right": _("on the way to %(app)s") % {"app": self.apps["right"]},
            "to_left": _("on the way to %(app)s") % {"app": self.apps["left"]},
        }
        self.troubles = self._troubles(typed)
        self.lines = [FieldLine(i, line, self) for i, line in enumerate(typed)]

    def _troubles(self, typed: Sequence[lines.Line]) -> dict[int, list[Trouble]]:
        """Warnings about what stands here now, saved or not."""
        drafts, _unread = drafts_of(typed, self.infos)
        found: dict[int, list[Trouble]] = {}
        for i, draft in enumerate(drafts):
            row = field_mappings.row_of(self.mapping, draft)
            found[i] = [
                Trouble(*warning_words(each, self.apps), forbids=False)
                for each in fitting.of_field(self.mapping, row, self.known)
            ]
        return found


def infos_of(mapping: TableMapping, known: Known) -> Infos:
    tables = {side: known.table(side, getattr(mapping, f"{side.value}_table")) for side in SIDES}
    return {side: table.fields if table else {} for side, table in tables.items()}


@require_http_methods(FORM_VERBS)
def fields(request: HttpRequest, pk: int) -> HttpResponse:
    """The field mappings of a mapping, all on one page."""
    found = mapping_or_404(request, pk)
    known = known_to(found)
    revision = mappings.revision_of(found)
    errors: Mapping[str, list[str]] = {}
    focus = ""
    if request.method == "POST":
        typed = lines.read(request.POST, PREFIX, LINE)
        revision = request.POST.get("revision", "")
        wanted = request.POST.get("do", "save")
        if wanted == "save":
            answer, errors = _save(request, found, typed, known)
            if answer is not None:
                return answer
        elif wanted == "read":
            apps = [found.integration.left, found.integration.right]
            start_describe(apps, user=request.user)
            messages.info(
                request, _("The tables of both apps are being read. Save again in a moment; your lines stay.")
            )
        else:
            focus = lines.press(typed, PREFIX, LINE, wanted, request.POST)
    else:
        rows = found.field_mappings.order_by("position", "pk")
        typed = [line_of(row) for row in rows]
    editor = Editor(found, typed, known, errors)
    context = {
        "page_title": _("Fields of %(name)s") % {"name": found.name},
        "mapping": found,
        "apps": editor.apps,
        "lines": editor.lines,
        "count": len(editor.lines),
        "general": errors.get("", []),
        "wrong": sum(len(each) for each in errors.values()),
        "revision": revision,
        "focus": focus,
        "directions": direction_choices(editor.apps),
        "owners": [("", _("the mapping’s rule")), *((side.value, editor.apps[side.value]) for side in SIDES)],
        "references": _references(found),
        "conversions": conversions.names(),
        "pickers": [
            stored_picker(found.integration.connection(side), side, getattr(found, f"{side.value}_table"))
            for side in SIDES
        ],
        "back": reverse("synccore:mapping", args=[pk]),
    }
    return render(request, "synccore/mapping_fields.html", context, status=422 if errors else 200)


def _references(found: TableMapping) -> list[tuple[str, str]]:
    others = TableMapping.objects.filter(integration=found.integration_id).order_by("name", "pk")
    return [("", _("no other record")), *((str(pk), name) for pk, name in others.values_list("pk", "name"))]


def _save(
    request: HttpRequest, found: TableMapping, typed: list[lines.Line], known: Known
) -> tuple[HttpResponse | None, Mapping[str, list[str]]]:
    """The page that follows, or what is wrong by place."""
    drafts, unread = drafts_of(typed, infos_of(found, known))
    apps = app_names(found)
    if unread:
        return None, sentences({at: [("bad_pair", {"line": number})] for at, number in unread}, apps)
    try:
        saved, anew = field_mappings.save_fields(
            found, user=request.user, drafts=drafts, revision=request.POST.get("revision", "")
        )
    except Wrong as wrong:
        return None, sentences(wrong.found, apps)
    except NotNow as no:
        return moved(request, found, no), {}
    text = _("The fields of %(name)s are saved.") % {"name": saved.name}
    if anew and saved.enabled:
        text += " " + _(
            "Records in which nothing changes meet the new fields at the next full synchronization."
        )
    messages.success(request, text)
    return redirect("synccore:mapping", pk=found.pk), {}
