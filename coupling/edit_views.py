"""One record whole, and edited: for apps that have no pages of their own. The fragment under /live/ reads the app."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from synccore import roles, services
from synccore.models import Coupling
from synccore.models.scoping import GrantLevel
from synccore.services.editing import EDIT, Whole
from synccore.services.jobs import NotNow
from synccore.services.live import Answer
from synccore.shapes import Side
from synccore.tables import app_names, record_url
from synccore.views.sentences import why_silent

from .compare_views import LONGEST_OPEN, NO_ANSWER, _not_now
from .edit_fields import RecordForm, fields_of, from_content
from .record_history import sensitive
from .record_views import visible

SALT = "coupling.edit"


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, pk: int, side: str) -> HttpResponse:
    """The page around the record; the record itself comes by its fragment. POST is the edit."""
    coupling, of = _asked(request, pk, side)
    if request.method == "POST":
        return _save(request, coupling, of)
    context = _frame(request, coupling, of) | {"load_live": True}
    return render(request, "coupling/edit.html", context)


@require_safe
def live(request: HttpRequest, pk: int, side: str) -> HttpResponse:
    """Every field that can be read, as the app has it now; a form for who may edit."""
    coupling, of = _asked(request, pk, side)
    context = _frame(request, coupling, of)
    context |= _read(request, coupling, of, services.read_whole(coupling, of))
    part = request.htmx  # type: ignore[attr-defined]
    answer = render(request, "coupling/edit_region.html" if part else "coupling/edit.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _asked(request: HttpRequest, pk: int, side: str) -> tuple[Coupling, Side]:
    coupling = visible(request, pk)
    if side not in list(Side) or coupling.of(Side(side), "id") is None:
        raise Http404
    return coupling, Side(side)


def may_edit(user: Any, coupling: Coupling, side: Side) -> bool:
    """The right, the grant, and an app that is edited here."""
    mine = Coupling.objects.visible_to(user, GrantLevel.RESOLVE).live().filter(pk=coupling.pk)
    return (
        user.has_perm(EDIT)
        and mine.exists()
        and services.can_edit(coupling.mapping, side, str(coupling.of(side, "id")))
    )


def _frame(request: HttpRequest, coupling: Coupling, side: Side) -> dict[str, Any]:
    apps = app_names(coupling.mapping)
    title = coupling.title(side)
    may = may_edit(request.user, coupling, side)
    text = _("Edit %(record)s in %(app)s") if may else _("%(record)s in %(app)s")
    user: Any = request.user
    return {
        "page_title": text % {"record": title, "app": apps[side.value]},
        "coupling": coupling,
        "side": side.value,
        "app": apps[side.value],
        "other": apps[side.other.value],
        "may": may,
        "refusal": "" if may or user.has_perm(EDIT) else roles.refusal(EDIT),
        "back": record_url(coupling),
        "live_url": reverse("coupling:live_edit", args=[coupling.pk, side.value]),
        "post_url": reverse("coupling:edit", args=[coupling.pk, side.value]),
    }


def _read(request: HttpRequest, coupling: Coupling, side: Side, answer: Answer[Whole]) -> dict[str, Any]:
    apps = app_names(coupling.mapping)
    if answer.trouble or answer.value is None:
        return {"trouble": why_silent(answer.trouble, answer.failure, apps, side)}
    if answer.value.record is None:
        return {"trouble": _("The record is not in %(app)s any more.") % {"app": apps[side.value]}}
    mapping = coupling.mapping
    keys = {getattr(mapping, f"{side.value}_{name}_field") for name in ("id", "modified", "modified_by")} - {
        ""
    }
    fields = fields_of(
        answer.value,
        hidden=sensitive(coupling, request.user).get(side.value, frozenset()),
        keys=keys,
        editable=may_edit(request.user, coupling, side),
    )
    content = {"c": coupling.pk, "d": side.value, **fields.content()}
    return {
        "read_at": answer.at,
        "read_only": fields.read_only,
        "form": RecordForm(infos=fields.infos, initial=fields.initial) if fields.infos else None,
        "token": signing.dumps(content, salt=SALT, compress=True) if fields.infos else "",
    }


def _save(request: HttpRequest, coupling: Coupling, side: Side) -> HttpResponse:
    user: Any = request.user
    if not may_edit(user, coupling, side):
        raise PermissionDenied(roles.refusal(EDIT, of_mapping=user.has_perm(EDIT)))
    here = redirect("coupling:edit", pk=coupling.pk, side=side.value)
    try:
        content = signing.loads(request.POST.get("token", ""), salt=SALT, max_age=LONGEST_OPEN)
    except signing.BadSignature:
        content = {}
    if content.get("c") != coupling.pk or content.get("d") != side.value:
        messages.warning(request, str(NO_ANSWER))
        return here
    infos, digests = from_content(content)
    table = coupling.mapping.table(side).name
    form = RecordForm(
        request.POST,
        infos=infos,
        digests=digests,
        table=table,
        apps=app_names(coupling.mapping),
        side=side.value,
    )
    if not form.is_valid():
        context = _frame(request, coupling, side) | {"form": form, "token": request.POST["token"]}
        return render(request, "coupling/edit.html", context, status=422)
    if not form.changes:
        messages.info(request, _("Nothing was changed, so nothing was written."))
        return redirect(record_url(coupling))
    seen = {"version": content["v"], "fields": content["s"]}
    try:
        job = services.edit(coupling, side, values=form.changes, seen=seen, user=user)
    except NotNow as no:
        messages.warning(request, _not_now(no))
        return here
    return _said(request, coupling, side, job.pk)


def _said(request: HttpRequest, coupling: Coupling, side: Side, job: int) -> HttpResponse:
    link = format_html('<a href="{}">{}</a>', record_url(coupling), coupling.title(side))
    text = _(
        "{record} is changed in {app} now; this page shows the result. The next synchronization carries it on."
    )
    app = app_names(coupling.mapping)[side.value]
    messages.success(request, format_html(text, record=link, app=app))
    return redirect("synccore:job", pk=job)
