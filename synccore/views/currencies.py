"""Which currency is an app's own, and where its exchange rates stand: what the set-up check compares."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from synccore import roles
from synccore.models import Connection, TableMapping
from synccore.models.mapping import with_app
from synccore.services import connections as services

from .gone import told_when_gone


class CurrenciesForm(forms.Form):
    """All of it, or no mapping: then it is as the app itself tells; or nothing is to be checked."""

    mapping = forms.ModelChoiceField(
        label=gettext_lazy("Mapping of the currencies"),
        queryset=TableMapping.objects.none(),
        required=False,
        empty_label=gettext_lazy("as the app itself tells"),
        help_text=gettext_lazy("Its coupled records are the currencies that need a rate."),
    )
    base = forms.CharField(
        label=gettext_lazy("Base currency"),
        max_length=20,
        required=False,
        help_text=gettext_lazy("Its number in this app, for example EUR. It needs no rate."),
    )
    table = forms.CharField(label=gettext_lazy("Table of the exchange rates"), max_length=200, required=False)
    field = forms.CharField(
        label=gettext_lazy("Field with the currency"), max_length=200, required=False,
        help_text=gettext_lazy("The integration user needs SELECT on this table."),
    )  # fmt: skip

    skip = forms.BooleanField(
        label=gettext_lazy("No amounts are kept in step: check nothing"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("mapping") and not data.get("skip"):
            for name in ("base", "table", "field"):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, _("It must be filled in."))
        return data


@require_http_methods(["GET", "HEAD", "POST"])
@told_when_gone(Connection)
def currencies(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    app = Connection.objects.get(pk=pk)
    form = CurrenciesForm(request.POST or None, initial=app.currencies)
    of_app = with_app(app)
    field: Any = form.fields["mapping"]
    field.queryset = TableMapping.objects.filter(of_app).select_related("integration").order_by("name", "pk")
    if request.method == "POST" and form.is_valid():
        services.save_currencies(app, user=request.user, **form.cleaned_data)
        text = (
            _("Saved. The currencies of %(app)s are not checked.")
            if form.cleaned_data["skip"]
            else _("Saved. Check the set-up to see whether every currency of %(app)s has a rate.")
        )
        messages.success(request, text % {"app": app.name})
        return redirect("synccore:connection", pk=pk)
    context = {
        "page_title": _("Currencies of %(app)s") % {"app": app.name},
        "form": form,
        "app": app,
        "back": reverse("synccore:connection", args=[pk]),
    }
    return render(request, "synccore/currencies.html", context, status=422 if form.errors else 200)
