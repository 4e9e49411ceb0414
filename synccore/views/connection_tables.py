"""The tables of an app and their fields as last read: with a search, and what a field takes."""

from __future__ import annotations

from json import dumps
from typing import Any, Final

from django.db.models import BooleanField, F, Func, Q, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from synccore.engine.serial import load_table
from synccore.failures import Misconfigured
from synccore.models import AppTable, Connection, SynchJob
from synccore.services import catalogue
from synccore.shapes import FieldInfo
from synccore.tables import JobRow

from .gone import told_when_gone
from .mapping_words import KEY_KINDS, type_words
from .mappings import require_set_up

#: So many rows are shown; the search finds the others.
MOST: Final = 200


@require_safe
@told_when_gone(Connection)
def tables(request: HttpRequest, pk: int) -> HttpResponse:
    """The tables; with ``table``, the fields of one; with ``q``, those whose name, caption or field has the text in it."""
    require_set_up(request)
    app = Connection.objects.get(pk=pk)
    text = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    name = request.GET.get("table", "").replace("\x00", "")[:200]
    job = SynchJob.objects.select_related("mapping", "connection", "requested_by")
    read = job.filter(connection=app, verb="describe").order_by("-pk").first()
    context: dict[str, Any] = {
        "page_title": _("Tables of %(app)s") % {"app": app.name},
        "app": app,
        "text": text,
        "read": catalogue.summary_of(app),
        "read_job": JobRow(read) if read else None,
        "busy": bool(read and read.is_unfinished),
        "here": request.get_full_path(),
        "all_url": reverse("synccore:app_tables", args=[pk]),
    }
    table = AppTable.objects.filter(connection=app, name=name).first() if name else None
    if table is not None:
        context |= _of_table(table, text)
    else:
        context |= _of_app(app, text) | {"gone": name}
    return render(request, "synccore/tables.html", context)


def _of_app(app: Connection, text: str) -> dict[str, Any]:
    rows = AppTable.objects.filter(connection=app)
    if text:
        rows = rows.annotate(has_field=_has_field(text))
        rows = rows.filter(Q(name__icontains=text) | Q(info__label__icontains=text) | Q(has_field=True))
    found = list(rows.order_by("name").values("name", "info")[: MOST + 1])
    here = reverse("synccore:app_tables", args=[app.pk])
    shown = [
        {
            "name": row["name"],
            "label": row["info"].get("label", ""),
            "fields": len(row["info"].get("fields", ())),
            "writable": row["info"].get("writable", True),
            "url": f"{here}?{urlencode({'table': row['name'], 'q': _in_fields(row, text)})}",
        }
        for row in found[:MOST]
    ]
    return {"rows": shown, "more": len(found) > MOST}


def _in_fields(row: Any, text: str) -> str:
    """The text as a search among the fields, where it is not the table itself that has it."""
    is_table = text.lower() in f"{row['name']} {row['info'].get('label', '')}".lower()
    return "" if is_table else text


def _has_field(text: str) -> Func:
    """Whether a field of the table has the text in its name or caption. The text is data: quoted, and no expression."""
    quoted = dumps(text, ensure_ascii=False)
    like = " || ".join(f'@.{name} like_regex {quoted} flag "iq"' for name in ("name", "label"))
    path = Func(Value(f"$.fields[*] ? ({like})"), template="%(expressions)s::jsonpath")
    return Func(F("info"), path, function="jsonb_path_exists", output_field=BooleanField())


def _of_table(table: AppTable, text: str) -> dict[str, Any]:
    try:
        info = load_table(table.info)
    except Misconfigured:
        return {"table": table, "fields": [], "unreadable": True}
    found = [field for field in info.fields.values() if _matches(field, text)]
    return {
        "page_title": _("%(table)s in %(app)s") % {"table": table.name, "app": table.connection.name},
        "table": table,
        "label": info.label,
        "facts": [
            (_("Key"), info.id_field or _("none: records cannot be coupled")),
            (_("Id of a new record"), str(KEY_KINDS[info.key_kind])),
            (_("Modified-on field"), info.modified_field or _("none")),
            (_("Takes changes"), _("yes") if info.writable else _("no")),
        ],
        "fields": [(field, type_words(field), _notes(field)) for field in found],
        "of": len(info.fields),
    }


def _matches(field: FieldInfo, text: str) -> bool:
    return text.lower() in f"{field.name} {field.label} {field.native}".lower()


def _notes(field: FieldInfo) -> list[str]:
    notes = []
    if field.required:
        notes.append(_("required"))
    if field.unique:
        notes.append(_("unique"))
    if field.read_only:
        notes.append(_("read only"))
    return notes
