"""Users and grants: who may sign in, in which groups, and what that lets him see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import django_filters
from django.contrib import messages
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from synccore import roles
from synccore.models import Connection, MappingGrant, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.services import owners as owners_of
from synccore.shapes import SIDES
from synccore.tables import State, person_name
from tandem.people import accounts
from tandem.people.accounts import Refused
from tandem.people.user_forms import UserForm
from ui.filters import ListFilter
from ui.paging import Sort
from ui.tables import Column, ListTable
from ui.views import ListPage, Tab

FORM = ["GET", "HEAD", "POST"]


def require_set_up(request: HttpRequest) -> None:
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))


def refusal(code: str) -> str:
    """Why a change of an account or group was not made."""
    return {
        "yourself": _(
            "That would take your own access away; nothing was changed. Another administrator can do it."
        ),
        "last_administrator": _("Nobody would be left who can administer; nothing was changed."),
        "superuser": _("This account may do more than any group. Only another such account changes it."),
        "moved": _(
            "Somebody changed this while you looked at it; this is how it is now. Nothing of yours was saved."
        ),
        "name_taken": _("This name is taken. Upper and lower case do not make it another."),
        "own_group": _("This is one of Tandem’s own groups; it stays."),
        "members": _("Somebody is in this group. Take its members out first."),
        "already": _("Somebody did this before you; nothing was changed."),
    }[code]


class UserFilter(ListFilter):
    q = django_filters.CharFilter(label=gettext_lazy("Name or e-mail"), method="search")
    group = django_filters.ModelChoiceFilter(
        label=gettext_lazy("Group"),
        field_name="groups",
        queryset=Group.objects.order_by("name"),
        empty_label=gettext_lazy("All groups"),
    )

    def search(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        for word in value.replace("\x00", " ").split()[:8]:
            rows = rows.filter(
                Q(username__icontains=word)
                | Q(first_name__icontains=word)
                | Q(last_name__icontains=word)
                | Q(email__icontains=word)
            )
        return rows


class UserRow:
    def __init__(self, person: Any, set_up_groups: set[int]) -> None:
        self.person, self.pk = person, person.pk
        self.name = person_name(person)
        self.url = reverse("people:user", args=[person.pk])
        groups = sorted(person.groups.all(), key=lambda each: each.name)
        self.groups = [_(each.name) for each in groups]
        self.sees_all = person.is_superuser or any(each.pk in set_up_groups for each in groups)
        self.state = user_state(person)


def user_state(person: User) -> State:
    if not person.is_active:
        return State(_("Switched off"), "pause", "closed")
    if not person.has_usable_password():
        return State(_("Invited, has set no password yet"), "hourglass", "waits")
    return State(_("May sign in"), "check", "good")


class UserTable(ListTable):
    caption = gettext_lazy("Users")
    row_template = "people/user_row.html"
    newest_first = ("seen",)

    name = Column(gettext_lazy("Name"), sort="name")
    groups = Column(gettext_lazy("Groups"))
    sees = Column(gettext_lazy("Sees"), narrow=True)
    seen = Column(gettext_lazy("Last sign-in"), sort="seen", narrow=True)
    state = Column(gettext_lazy("State"), narrow=True)


class UsersPage(ListPage):
    title = gettext_lazy("Users and grants")
    intro = gettext_lazy("Who may sign in, in which groups, and which mappings they see.")
    permission = roles.SET_UP
    template_name = "people/users.html"
    table_class = UserTable
    filter_class = UserFilter
    sorts = (Sort("name", ("username",)), Sort("seen", ("last_login",), descending=True, nullable=True))
    tabs = (
        Tab("on", gettext_lazy("May sign in"), branches=(Q(is_active=True),)),
        Tab(
            "off",
            gettext_lazy("Switched off"),
            empty=gettext_lazy("Nobody is switched off."),
            branches=(Q(is_active=False),),
        ),
    )

    def rows(self) -> QuerySet[Any]:
        mappings = Count("groups__mapping_grants__mapping", distinct=True)
        return User.objects.annotate(mappings=mappings).prefetch_related("groups")

    def keys(self) -> QuerySet[Any]:
        return User.objects.all()

    def tab_counts(self) -> Mapping[str, int]:
        counts = User.objects.aggregate(
            on=Count("pk", filter=Q(is_active=True)), off=Count("pk", filter=Q(is_active=False))
        )
        return {"on": counts["on"], "off": counts["off"]}

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        may_set_up = set(
            Group.objects.filter(
                permissions__codename="set_up", permissions__content_type__app_label="synccore"
            ).values_list("pk", flat=True)
        )
        return [UserRow(person, may_set_up) for person in rows]

    def refusal(self, action: Any) -> str:
        return roles.refusal(self.permission)


@require_safe
def user(request: HttpRequest, pk: int) -> HttpResponse:
    """One account: what he may do, what he sees, who changed it."""
    require_set_up(request)
    person = get_object_or_404(User.objects.prefetch_related("groups"), pk=pk)
    return render(request, "people/user.html", _context(request, person))


def _context(request: HttpRequest, person: User) -> dict[str, Any]:
    rights = [each for each in accounts.permissions() if person.has_perm(f"synccore.{each.codename}")]
    me: Any = request.user
    return {
        "page_title": person_name(person),
        "person": person,
        "state": user_state(person),
        "groups": sorted(_(each.name) for each in person.groups.all()),
        "rights": [_(each.name) for each in rights] if person.is_active else [],
        "sees_all": person.has_perm(roles.SET_UP),
        "sees": _sees(person),
        "codes": _code_fields(person),
        "history": accounts.history(person),
        "is_me": person.pk == me.pk,
        "may_change": me.is_superuser or not person.is_superuser,
        "refusal": "" if me.is_superuser or not person.is_superuser else refusal("superuser"),
    }


def _sees(person: User) -> list[tuple[str, str, str]]:
    """Mapping, level and the group that gives it, the furthest of each mapping."""
    found: dict[int, MappingGrant] = {}
    rows = MappingGrant.objects.filter(group__user=person).select_related("mapping", "group")
    for grant in rows.order_by("-level", "group__name"):
        found.setdefault(grant.mapping_id, grant)
    return [
        (grant.mapping.name, str(GrantLevel(grant.level).label), _(grant.group.name))
        for grant in sorted(found.values(), key=lambda each: each.mapping.name)
    ]


@dataclass(frozen=True)
class CodeField:
    """The code by which one app names this person as an owner of records. ``used``: a mapping of the app names owners."""

    name: str
    app: str
    code: str
    used: bool


def _code_fields(person: User) -> list[CodeField]:
    """Apps whose mappings name an owner, and those for which a code is kept."""
    naming = set()
    for side in SIDES:
        owners = TableMapping.objects.exclude(**{f"{side.value}_owner_field": ""})
        naming |= set(owners.values_list(f"integration__{side.value}", flat=True))
    codes = owners_of.codes_of(person)
    return [
        CodeField(f"code-{app.pk}", app.name, codes.get(app.pk, ""), app.pk in naming)
        for app in Connection.objects.filter(pk__in=naming | set(codes)).order_by("name", "pk")
    ]


@require_POST
def codes(request: HttpRequest, pk: int) -> HttpResponse:
    """The person's codes in the apps: what *My records* shows him."""
    require_set_up(request)
    person = get_object_or_404(User, pk=pk)
    wanted = {
        int(field.name.removeprefix("code-")): request.POST.get(field.name, field.code).replace("\x00", "")[
            :200
        ]
        for field in _code_fields(person)
    }
    try:
        owners_of.set_codes(person, wanted, user=request.user)
    except owners_of.CodeTaken as taken:
        text = _("In %(app)s this code is %(who)s’s already; nothing was changed.")
        names = {"app": taken.connection.name, "who": person_name(taken.person)}
        messages.warning(request, text % names)
    else:
        messages.success(request, _("The codes of %(who)s are saved.") % {"who": person_name(person)})
    return redirect("people:user", pk=pk)


@never_cache
@require_http_methods(FORM)
def new(request: HttpRequest) -> HttpResponse:
    """A new account. Its sign-in link is shown once, as the answer."""
    require_set_up(request)
    form = UserForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = _save(request, form, None)
            where = accounts.new_link(person, by=request.user)
        except Refused as no:
            form.add_error("username" if no.code == "name_taken" else None, refusal(no.code))
        else:
            return _show_link(request, person, where, is_new=True)
    context = {"page_title": _("New user"), "form": form, "back": reverse("people:users"), "is_new": True}
    return render(request, "people/user_form.html", context, status=422 if form.errors else 200)


@require_http_methods(FORM)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    require_set_up(request)
    person = get_object_or_404(User, pk=pk)
    form = UserForm(
        request.POST or None,
        instance=User.objects.get(pk=pk),
        initial={"revision": accounts.revision_of(person)},
    )
    if request.method == "POST" and form.is_valid():
        try:
            saved = _save(request, form, person)
        except Refused as no:
            if no.code == "moved":
                messages.warning(request, refusal("moved"))
                return redirect("people:edit_user", pk=pk)
            form.add_error("username" if no.code == "name_taken" else None, refusal(no.code))
        else:
            messages.success(request, _("%(who)s is saved.") % {"who": person_name(saved)})
            return redirect("people:user", pk=pk)
    context = {
        "page_title": _("Edit %(who)s") % {"who": person_name(person)},
        "form": form,
        "back": reverse("people:user", args=[pk]),
        "person": person,
    }
    return render(request, "people/user_form.html", context, status=422 if form.errors else 200)


def _save(request: HttpRequest, form: UserForm, person: User | None) -> User:
    data = form.cleaned_data
    return accounts.save_user(
        person,
        by=request.user,
        username=data["username"],
        first_name=data["first_name"],
        last_name=data["last_name"],
        email=data["email"],
        groups=list(data["groups"]),
        revision=data["revision"],
    )


@require_POST
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    require_set_up(request)
    person = get_object_or_404(User, pk=pk)
    on = request.POST.get("to") == "on"
    try:
        accounts.switch(person, by=request.user, on=on)
    except Refused as no:
        messages.warning(request, refusal(no.code))
    else:
        text = (
            _("%(who)s may sign in again.")
            if on
            else _(
                "%(who)s is switched off and signed out everywhere; jobs that wait in the queue are not carried out."
            )
        )
        messages.success(request, text % {"who": person_name(person)})
    return redirect("people:user", pk=pk)


@never_cache
@require_POST
def link(request: HttpRequest, pk: int) -> HttpResponse:
    """A new sign-in link; the old password and all sessions of this person end."""
    require_set_up(request)
    person = get_object_or_404(User, pk=pk)
    if not person.is_active:
        messages.warning(request, _("This account is switched off. Switch it on first."))
        return redirect("people:user", pk=pk)
    try:
        where = accounts.new_link(person, by=request.user)
    except Refused as no:
        text = (
            _("You change your own password with the old one.") if no.code == "yourself" else refusal(no.code)
        )
        messages.warning(request, text)
        return redirect("people:user", pk=pk)
    return _show_link(request, person, where, is_new=False)


def _show_link(request: HttpRequest, person: User, where: tuple[str, str], *, is_new: bool) -> HttpResponse:
    """Shown once: the address is stored nowhere."""
    address = request.build_absolute_uri(reverse("people:set_password", args=where))
    context = {
        "page_title": _("Sign-in link of %(who)s") % {"who": person_name(person)},
        "person": person,
        "address": address,
        "is_new": is_new,
    }
    return render(request, "people/link.html", context)
