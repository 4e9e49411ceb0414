"""Groups, their rights, and what each may do with the records of each mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.models import Group
from django.core import signing
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from synccore.models import TableMapping
from synccore.models.scoping import GrantLevel
from synccore.tables import person_name
from tandem.people import accounts
from tandem.people.accounts import Cell, Refused
from tandem.people.user_forms import GroupForm
from tandem.people.user_views import FORM, refusal, require_set_up

SALT: Final = "people.grants"
#: A form holds so many cells; where there are more, one group is shown at a time.
MOST_CELLS: Final = 800


@dataclass(frozen=True)
class GroupHead:
    pk: int
    name: str
    people: int
    sets_up: bool


@dataclass(frozen=True)
class MatrixCell:
    group: GroupHead
    field: str
    level: int


@require_http_methods(FORM)
def groups(request: HttpRequest) -> HttpResponse:
    """The matrix: groups, and per mapping how far each may go."""
    require_set_up(request)
    if request.method == "POST":
        return _save_grants(request)
    heads = _heads()
    mappings = list(
        TableMapping.objects.select_related("integration").order_by("integration__name", "name", "pk")
    )
    shown = _shown(request, heads, len(mappings))
    levels = accounts.grants()
    rows = [
        (
            mapping,
            [
                MatrixCell(head, f"g{head.pk}m{mapping.pk}", levels.get((head.pk, mapping.pk), 0))
                for head in shown
            ],
        )
        for mapping in mappings
    ]
    seen = [
        [head.pk, mapping.pk, levels.get((head.pk, mapping.pk), 0)] for head in shown for mapping in mappings
    ]
    context = {
        "page_title": _("Groups and grants"),
        "heads": heads,
        "shown": shown,
        "one_at_a_time": len(shown) < sum(not head.sets_up for head in heads),
        "rows": rows,
        "levels": [(0, _("nothing")), *((level.value, str(level.label)) for level in GrantLevel)],
        "seen": signing.dumps(seen, salt=SALT, compress=True),
    }
    return render(request, "people/groups.html", context)


def _heads() -> list[GroupHead]:
    set_up = Q(permissions__codename="set_up", permissions__content_type__app_label="synccore")
    found = Group.objects.annotate(
        people=Count("user", distinct=True), sets_up=Count("permissions", filter=set_up, distinct=True)
    )
    return [
        GroupHead(each.pk, _(each.name), each.people, bool(each.sets_up))
        for each in found.order_by("name", "pk")
    ]


def _shown(request: HttpRequest, heads: list[GroupHead], mappings: int) -> list[GroupHead]:
    """All groups whose grants mean something, or the chosen one where the form would grow too large."""
    granted = [head for head in heads if not head.sets_up]
    chosen = [head for head in granted if str(head.pk) == request.GET.get("group")]
    if chosen:
        return chosen
    return granted if len(granted) * mappings <= MOST_CELLS else granted[:1]


def _save_grants(request: HttpRequest) -> HttpResponse:
    try:
        seen: dict[Cell, int] = {
            (group, mapping): level
            for group, mapping, level in signing.loads(
                request.POST.get("seen", ""), salt=SALT, max_age=12 * 3600
            )
        }
    except signing.BadSignature:
        messages.warning(
            request, _("What this page showed is too old or was changed; nothing was saved. Look again.")
        )
        return redirect("people:groups")
    wanted = {cell: _level(request.POST.get(f"g{cell[0]}m{cell[1]}", ""), seen[cell]) for cell in seen}
    try:
        changed, moved = accounts.save_grants(wanted, seen=seen, by=request.user)
    except Refused as no:
        messages.warning(request, refusal(no.code))
        return redirect("people:groups")
    if moved:
        text = ngettext(
            "%(n)s grant was changed by somebody else meanwhile and left alone; this is how it is now.",
            "%(n)s grants were changed by somebody else meanwhile and left alone; this is how they are now.",
            len(moved),
        )
        messages.warning(request, text % {"n": len(moved)})
    if changed or not moved:
        text = ngettext("%(n)s grant is changed.", "%(n)s grants are changed.", changed)
        messages.success(request, text % {"n": changed} if changed else _("Nothing had to be changed."))
    return redirect(request.get_full_path())


def _level(text: str, otherwise: int) -> int:
    return int(text) if text in ("0", *map(str, GrantLevel.values)) else otherwise


@require_http_methods(FORM)
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """A group's name and rights, and who is in it."""
    require_set_up(request)
    group = get_object_or_404(Group, pk=pk) if pk is not None else None
    initial: dict[str, Any] = {}
    if group is not None:
        ours = [each.pk for each in accounts.permissions()]
        initial = {
            "name": _(group.name) if group.name in accounts.OWN_GROUPS else group.name,
            "rights": group.permissions.filter(pk__in=ours),
            "revision": accounts.group_revision(group),
        }
    form = GroupForm(request.POST or None, initial=initial, group=group)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            saved = accounts.save_group(
                group,
                by=request.user,
                name=data["name"],
                rights=list(data["rights"]),
                revision=data["revision"],
            )
        except Refused as no:
            if no.code == "moved":
                messages.warning(request, refusal("moved"))
                return redirect(request.path)
            form.add_error("name" if no.code == "name_taken" else None, refusal(no.code))
        else:
            messages.success(request, _("The group %(group)s is saved.") % {"group": _(saved.name)})
            return redirect("people:groups")
    members = list(group.user_set.order_by("username")[:200]) if group is not None else []  # type: ignore[attr-defined]
    context = {
        "page_title": _("Group %(group)s") % {"group": _(group.name)} if group else _("New group"),
        "group": group,
        "form": form,
        "members": [(person_name(each), reverse("people:user", args=[each.pk])) for each in members],
        "history": accounts.history(group) if group else [],
        "may_delete": group is not None and group.name not in accounts.OWN_GROUPS and not members,
        "back": reverse("people:groups"),
    }
    return render(request, "people/group.html", context, status=422 if form.errors else 200)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    require_set_up(request)
    group = get_object_or_404(Group, pk=pk)
    try:
        accounts.delete_group(group, by=request.user)
    except Refused as no:
        messages.warning(request, refusal(no.code))
        return redirect("people:group", pk=pk)
    messages.success(
        request, _("The group %(group)s is deleted, with its grants.") % {"group": _(group.name)}
    )
    return redirect("people:groups")
