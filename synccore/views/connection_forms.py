"""The forms of a connection: which kind it is, how it is reached, new secrets. Saving contacts nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from synccore import guides
from synccore.connectors import CONNECTORS
from synccore.failures import Misconfigured
from synccore.forms.connection import ConnectionForm, SecretsForm
from synccore.guides.kinds import KINDS
from synccore.models import Connection
from synccore.services import connections as services
from synccore.services.elsewhere import Coupled
from synccore.services.jobs import NotNow

from .connection_rows import declared_of, kind_name
from .gone import told_when_gone
from .guided_steps import steps_of
from .mappings import require_set_up

FORM_VERBS = ["GET", "HEAD", "POST"]


@require_http_methods(FORM_VERBS)
def new(request: HttpRequest) -> HttpResponse:
    """A new connection: first which kind, then what that kind asks for. Saving it goes on to the test."""
    require_set_up(request)
    offered = {kind: _(each.label) for kind, each in CONNECTORS.items() if each.label}
    kind = request.GET.get("kind", "")
    if kind not in offered:
        cards = [(name, label, KINDS.get(name)) for name, label in offered.items()]
        context = {"page_title": _("New connection"), "cards": cards, "steps": steps_of(None, "kind")}
        return render(request, "synccore/connection_kinds.html", context)
    form = ConnectionForm(request.POST or None, options=CONNECTORS[kind].options)
    return _form_page(request, form, None, kind, guided=True)


@require_http_methods(FORM_VERBS)
@told_when_gone(Connection)
def edit(request: HttpRequest, pk: int, guided: bool = False) -> HttpResponse:
    """How an app is reached. ``guided``: a step of the guided start, which goes on to the test."""
    require_set_up(request)
    app = Connection.objects.get(pk=pk)
    if app.kind not in CONNECTORS:
        messages.warning(
            request, _("This version of Tandem has no connector for it; nothing can be changed.")
        )
        return redirect("synccore:connection", pk=pk)
    form = ConnectionForm(
        request.POST or None,
        options=CONNECTORS[app.kind].options,
        stored=services.secrets_set(app) or (),
        initial={
            "name": app.name,
            "integration_user": app.integration_user,
            "revision": services.revision_of(app),
        },
        given=services.options_of(app),
    )
    return _form_page(request, form, app, app.kind, guided=guided)


def _form_page(
    request: HttpRequest, form: ConnectionForm, app: Connection | None, kind: str, *, guided: bool
) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        before = dict(app.options) if app else {}
        try:
            saved = _save(request, form, app, kind)
        except NotNow:
            return _moved(request, app)
        if saved is not None:
            _say_what_was_tidied(request, form, saved, before)
            if guided:
                services.start_test(saved, user=request.user)
                messages.success(request, _("%(app)s is saved and tested now.") % {"app": saved.name})
                return redirect("synccore:guided_test", pk=saved.pk)
            text = _("{app} is saved. Nobody was contacted: Test Connection tells whether it works.")
            messages.success(request, format_html(text, app=saved.name))
            return redirect("synccore:connection", pk=saved.pk)
    elif request.method == "POST":
        _judge(form, app, kind)
    label = kind_name(kind)
    title = _("Edit %(app)s") % {"app": app.name} if app else _("New connection: %(kind)s") % {"kind": label}
    context = {
        "page_title": _("Address and credentials of %(app)s") % {"app": app.name}
        if guided and app
        else title,
        "form": form,
        "kind": label,
        "about": KINDS.get(kind),
        "back": reverse("synccore:connection", args=[app.pk]) if app else reverse("synccore:new_connection"),
        "app": app,
        "steps": steps_of(app, "address", kind) if guided else [],
    }
    return render(request, "synccore/connection_form.html", context, status=422 if form.errors else 200)


def _judge(form: ConnectionForm, app: Connection | None, kind: str) -> None:
    """A form that is wrong already is told all that is wrong with it: nobody corrects one answer after the other."""
    try:
        services.judge_answers(
            app, kind=kind, options=form.answers(), secrets=form.secrets(), forget=form.forget()
        )
    except services.BadOptions as bad:
        refuse(form, bad, app="")


def _moved(request: HttpRequest, app: Connection | None) -> HttpResponse:
    text = _(
        "Somebody saved %(app)s while you looked at it; this is how it is now. Nothing of yours was saved."
    )
    messages.warning(request, text % {"app": app.name if app else ""})
    return redirect(request.path)


def _save(request: HttpRequest, form: ConnectionForm, app: Connection | None, kind: str) -> Connection | None:
    """The saved connection; None where the form now says what is wrong."""
    try:
        return services.save_connection(
            app,
            user=request.user,
            kind=kind,
            name=form.cleaned_data["name"],
            integration_user=form.cleaned_data.get("integration_user", ""),
            options=form.answers(),
            secrets=form.secrets(),
            forget=form.forget(),
            revision=form.cleaned_data["revision"],
            same_records=form.cleaned_data["same_records"],
        )
    except services.NameTaken:
        form.add_error("name", _("Another connection has this name."))
    except services.BadOptions as bad:
        refuse(form, bad, app=form.cleaned_data.get("name", ""))
    except Coupled as coupled:
        form.ask_same_records(coupled.n)
    return None


def _say_what_was_tidied(
    request: HttpRequest, form: ConnectionForm, saved: Connection, before: Mapping[str, Any]
) -> None:
    """An address that was pasted from a browser is stored as the service's; that is said, so that nobody wonders."""
    typed, parts = form.answers(), []
    for option in CONNECTORS[saved.kind].options:
        was, now = str(typed.get(option.name) or ""), str(saved.options.get(option.name) or "")
        is_new = option.name not in typed and before.get(option.name) != now
        if now and (is_new or option.name in typed and was != now):
            parts.append((_(option.label), now))
    if parts:
        said = format_html_join("; ", "{}: {}", parts)
        messages.info(request, format_html(_("What you typed was turned into {parts}."), parts=said))


def refuse(form: ConnectionForm | SecretsForm, bad: services.BadOptions, *, app: str) -> None:
    """Each answer that cannot be used, said beside its field."""
    labels = {option.name: _(option.label) for option in form.declared}
    for name, failure in bad.found.items():
        form.refuse(name, option_refused(failure, labels.get(name, name), app))


@require_http_methods(FORM_VERBS)
@told_when_gone(Connection)
def secret(request: HttpRequest, pk: int) -> HttpResponse:
    """*Replace the credentials*: new secrets in the place of those that are stored, and a test at once."""
    require_set_up(request)
    app = Connection.objects.get(pk=pk)
    declared = declared_of(app.kind)
    form = SecretsForm(
        request.POST or None,
        options=declared,
        stored=services.secrets_set(app) or (),
        revision=services.revision_of(app),
    )
    if request.method == "POST" and form.is_valid():
        try:
            services.replace_secrets(
                app, user=request.user, secrets=form.secrets(), revision=form.cleaned_data["revision"]
            )
        except services.BadOptions as bad:
            refuse(form, bad, app=app.name)
        except NotNow:
            return _moved(request, app)
        else:
            text = _(
                "The credentials of %(app)s are replaced, and tested now. What waited for them goes on if they work."
            )
            messages.success(request, text % {"app": app.name})
            return redirect("synccore:connection", pk=pk)
    context = {
        "page_title": _("Replace the credentials of %(app)s") % {"app": app.name},
        "form": form,
        "app": app,
        "back": reverse("synccore:connection", args=[pk]),
    }
    return render(request, "synccore/connection_secret.html", context, status=422 if form.errors else 200)


def option_refused(failure: Misconfigured, label: str, app: str) -> str:
    """Why an answer of a connection cannot be used, beside its field. The answer itself is not in it."""
    values = {name: failure.params.get(name, "") for name in ("limit", "name")}
    reasons: dict[str, Any] = {
        "required": _("It must be filled in."),
        "unknown": _("This kind of connection has no such option."),
        "not_a_number": _("It must be a whole number."),
        "too_small": _("It must be at least %(limit)s.") % values,
        "too_large": _("It must be at most %(limit)s.") % values,
        "not_a_choice": _("It is none of the choices."),
        "not_a_boolean": _("It must be yes or no."),
        "wrong_shape": _("It does not have the form that is asked for."),
        "no_address": _("It must be an address that begins with https://."),
        "of_the_machine": _("This address leads to the machine itself, not to a business app."),
        "not_encrypted": _("Secrets are only sent to an address that begins with https://."),
        "own_header": _("Tandem sets the header %(name)s itself.") % values,
        "not_together": _("It cannot be used beside another way to sign in."),
        "is_secret": _("It is a secret and belongs into its own field."),
        "is_not_secret": _("It is no secret and belongs into its own field."),
        "address_changed": _(
            "The address has changed. Type it again, so that it is only sent where you want it sent."
        ),
    }
    reason = reasons.get(str(failure.params.get("reason", "")), "")
    if reason and failure.code == "bad_connection_options":
        return reason  # it stands beside the field: naming that again says nothing
    sentence = guides.render(failure.code, {**failure.params, "field": label, "app": app}).sentence
    return f"{sentence} {reason}".strip()
