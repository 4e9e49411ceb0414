"""Sign-in, and the page that exists only while nobody administers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from tandem.people import first, throttle
from tandem.people.forms import FirstAdministratorForm, SignInForm

CODE = "first administrator"  # the name under which wrong codes are counted


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"first_administrator": first.is_open()}


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def first_administrator(request: HttpRequest) -> HttpResponse:
    if not first.is_open():
        raise Http404
    form = FirstAdministratorForm(request.POST or None)
    minutes = throttle.minutes_to_wait(request, CODE) if request.method == "POST" else 0
    if minutes:
        form.add_error(None, _("Too many tries failed. Try again in %(n)s min.") % {"n": minutes})
    elif request.method == "POST" and form.is_valid():
        person = form.make()
        if person is not None:
            login(request, person)
            messages.success(request, _("You administer this Tandem now. The code is used up."))
            return redirect("home")
        throttle.failed(request, CODE)
    return render(request, "registration/first_administrator.html", {"form": form})
