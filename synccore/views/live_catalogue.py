"""What pickers choose from: the tables of an app and the fields of one, as last read and, under /live/, as they are now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from synccore.models import Connection
from synccore.models.catalogue import read_at, stored_tables
from synccore.services import catalogue
from synccore.services.live import Answer, ask
from synccore.shapes import SIDES, Side, TableInfo

from .gone import told_when_gone
from .mapping_words import field_hint, option_words, type_words
from .mappings import require_set_up
from .sentences import why_silent

#: A list of choices is no catalogue: an app with more tables than this is asked for by typing.
MOST = 3_000


@dataclass(frozen=True)
class Picker:
    """The choices of one side. ``trouble``: why they are not the app's present ones."""

    side: str
    app: str
    tables: list[tuple[str, str]]
    table: str
    fields: list[tuple[str, str]]
    live_url: str
    at: datetime | None = None
    live: bool = False
    trouble: str = ""


def stored_picker(app: Connection, side: Side, table: str) -> Picker:
    """The choices as last read; three queries."""
    info = stored_tables({app.pk: {table}})[app.pk].get(table) if table else None
    names = catalogue.table_names(app)
    return Picker(
        side.value,
        app.name,
        names[:MOST],
        table,
        _fields(info),
        live_url(app, side, table),
        at=read_at([app.pk])[app.pk],
    )


def live_url(app: Connection, side: Side, table: str) -> str:
    query = urlencode({"side": side.value, "table": table})
    return f"{reverse('synccore:live_catalogue', args=[app.pk])}?{query}"


def _fields(info: TableInfo | None) -> list[tuple[str, str]]:
    return [(name, field_hint(field)) for name, field in info.fields.items()] if info else []


@require_safe
@told_when_gone(Connection)
def live_catalogue(request: HttpRequest, pk: int) -> HttpResponse:
    """The tables of an app now, and the fields of the one that is chosen: the choices for a form, a page without
    JavaScript. Typed text works without it."""
    require_set_up(request)
    app = Connection.objects.get(pk=pk)
    side = Side(request.GET["side"]) if request.GET.get("side") in list(Side) else Side.LEFT
    # A form sends its own input, named after the side, in the place of what the address said.
    typed = request.GET.get(f"{side.value}_table") or request.GET.get("table", "")
    table = typed.replace("\x00", "").strip()[:200]
    asked: Answer[dict[str, TableInfo]] = ask({app.pk: (app, lambda connector: connector.glance([table]))})[
        app.pk
    ]
    picker = _live_picker(app, side, table, asked)
    if request.htmx:  # type: ignore[attr-defined]
        answer = render(request, "synccore/picker.html", {"picker": picker})
    else:
        found = stored_tables({app.pk: {table}})[app.pk] if asked.value is None else asked.value
        answer = render(request, "synccore/live_catalogue.html", _page(picker, app, table, found))
    answer["Cache-Control"] = "no-store"
    return answer


def _live_picker(app: Connection, side: Side, table: str, asked: Answer[dict[str, TableInfo]]) -> Picker:
    if asked.value is None:
        kept = stored_picker(app, side, table)
        apps = {each.value: app.name for each in SIDES}
        trouble = why_silent(asked.trouble, asked.failure, apps, side)
        return Picker(**{**_dict(kept), "trouble": trouble})
    tables = [(name, info.label) for name, info in sorted(asked.value.items())][:MOST]
    fields = _fields(asked.value.get(table))
    return Picker(
        side.value, app.name, tables, table, fields, live_url(app, side, table), asked.at, live=True
    )


def _dict(picker: Picker) -> dict[str, Any]:
    return {name: getattr(picker, name) for name in Picker.__dataclass_fields__}


def _page(picker: Picker, app: Connection, table: str, found: dict[str, TableInfo]) -> dict[str, Any]:
    """The same as a page of its own."""
    info = found.get(table)
    title = _("%(table)s in %(app)s") if info else _("Tables of %(app)s")
    return {
        "page_title": title % {"table": table, "app": app.name},
        "picker": picker,
        "tables": [(name, label, live_url(app, Side(picker.side), name)) for name, label in picker.tables],
        "fields": [(field, type_words(field), option_words(field)) for field in info.fields.values()]
        if info
        else [],
        "all_url": live_url(app, Side(picker.side), ""),
    }
