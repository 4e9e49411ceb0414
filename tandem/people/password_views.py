"""Everybody's own password: changed with the old one, or set once by an administrator's link."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlsafe_base64_decode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from tandem.people.user_forms import NewPasswordForm


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest) -> HttpResponse:
    form: Any = PasswordChangeForm(request.user, request.POST or None)  # type: ignore[arg-type]
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, form.user)
        messages.success(request, _("Your password is changed. You are signed out everywhere else."))
        return redirect("/")
    context = {"page_title": _("Change your password"), "form": form}
    return render(request, "people/password.html", context, status=422 if form.errors else 200)


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def set_first(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """The address an administrator hands out. It holds for three days and until a password is set."""
    person = _person(uid)
    if person is None or not person.is_active or not default_token_generator.check_token(person, token):
        return render(request, "people/link_over.html", {"page_title": _("This link is over")}, status=410)
    form: Any = NewPasswordForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your password is set. Sign in with it."))
        return redirect("login")
    context = {"page_title": _("Set your password"), "form": form, "person": person}
    return render(request, "people/set_password.html", context, status=422 if form.errors else 200)


def _person(uid: str) -> User | None:
    try:
        pk = int(urlsafe_base64_decode(uid).decode())
    except (ValueError, OverflowError):
        return None
    return User.objects.filter(pk=pk).first() if 0 < pk < 1 << 31 else None
