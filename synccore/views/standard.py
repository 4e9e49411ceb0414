"""*Use Default Synchronization Setup*: what would be made, then a press. Judged by the tables as last read."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from synccore.models import Integration
from synccore.services import catalogue, standard
from synccore.services.jobs import NotNow
from synccore.services.standard import Plan, Result
from synccore.shapes import SIDES

from .gone import told_when_gone
from .mapping_forms import FORM_VERBS, names_of
from .mappings import require_set_up
from .sentences import not_now
from .standard_words import rows_of

_CURRENCY = re.compile(r"[A-Z0-9]{1,10}\Z", re.ASCII)


@require_http_methods(FORM_VERBS)
@told_when_gone(Integration)
def use_standard(request: HttpRequest, pk: int) -> HttpResponse:
    """The standard mappings of a pair of apps: shown, asked about where something is reset, made."""
    require_set_up(request)
    integration = Integration.objects.select_related("left", "right").get(pk=pk)
    if request.method == "POST" and request.POST.get("do") == "read":
        catalogue.start_describe([integration.left, integration.right], user=request.user)
        messages.success(
            request, _("The tables of both apps are being read; what has changed appears below.")
        )
        return redirect("synccore:standard", pk=pk)
    plan = standard.make_plan(integration)
    if request.method == "POST" and plan is not None:
        return _press(request, integration, plan)
    return _page(request, integration, plan)


def _page(request: HttpRequest, integration: Integration, plan: Plan | None, error: str = "") -> HttpResponse:
    apps = names_of(integration)
    rows = rows_of(plan, apps) if plan is not None and plan.is_read else []
    both = [integration.left, integration.right]
    reset = request.POST.getlist("reset") or request.GET.getlist("reset")
    makeable = {each.slug for each in rows if each.is_makeable}
    context: dict[str, Any] = {
        "page_title": _("Use Default Synchronization Setup"),
        "integration": integration,
        "has_standard": plan is not None,
        "is_read": plan is not None and plan.is_read,
        "rows": rows,
        "chosen": set(request.POST.getlist("make")) if request.method == "POST" else makeable,
        "reset": set(reset),
        "n_new": len(makeable),
        "currency": request.POST.get("currency", plan.currency if plan else ""),
        "switch_on": request.POST.get("switch_on", ""),
        "error": error,
        "reading": catalogue.being_read(both) if plan is not None else [],
        "unread": [apps[side.value] for side in SIDES if plan and plan.known.read_at[side] is None],
        "read_at": min((at for at in plan.known.read_at.values() if at), default=None) if plan else None,
    }
    template = "synccore/standard_region.html" if request.htmx else "synccore/standard.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=422 if error else 200)


def _press(request: HttpRequest, integration: Integration, plan: Plan) -> HttpResponse:
    known = {each.slug: each for each in plan.mappings}
    chosen = [slug for slug in known if slug in request.POST.getlist("make")]
    reset = [slug for slug in known if slug in request.POST.getlist("reset") and known[slug].existing]
    currency = request.POST.get("currency", "").strip().upper()
    if currency and not _CURRENCY.match(currency):
        return _page(
            request, integration, plan, _("A currency’s code has letters and digits only, EUR for example.")
        )
    if not chosen and not reset:
        return _page(request, integration, plan, _("Tick what is to be made or reset."))
    switch_on = request.POST.get("switch_on") == "on"
    if reset and request.POST.get("answered") != "1":
        context = {
            "page_title": _("Reset to default"),
            "integration": integration,
            "resets": [known[slug] for slug in reset],
            "new": [known[slug] for slug in chosen if known[slug].existing is None],
            "chosen": chosen,
            "reset": reset,
            "currency": currency,
            "switch_on": switch_on,
        }
        return render(request, "synccore/standard_question.html", context)
    try:
        done = standard.use_standard(
            integration, user=request.user, chosen=chosen, reset=reset, currency=currency, switch_on=switch_on
        )
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
        return redirect("synccore:standard", pk=integration.pk)
    _say(request, done, switch_on=switch_on)
    if not done.made and len(done.reset) == 1:
        return redirect("synccore:mapping", pk=done.reset[0].pk)
    # What is new is reviewed and started there.
    return redirect("synccore:full" if done.made else "synccore:mappings")


def _say(request: HttpRequest, done: Result, *, switch_on: bool) -> None:
    n = len(done.made)
    if n and switch_on:
        on = n - len(done.off)
        text = ngettext("%(n)s mapping is made", "%(n)s mappings are made", n) % {"n": n}
        text += ", " + ngettext("%(n)s of them switched on.", "%(n)s of them switched on.", on) % {"n": on}
        messages.success(request, text)
    elif n:
        text = ngettext(
            "%(n)s mapping is made, switched off. Nothing runs before you switch it on.",
            "%(n)s mappings are made, switched off. Nothing runs before you switch them on.",
            n,
        )
        messages.success(request, text % {"n": n})
    if done.reset:
        names = ", ".join(each.name for each in done.reset)
        text = _("%(names)s: as the standard has it again. Couplings, schedules and grants are as they were.")
        messages.success(request, text % {"names": names})
    if not n and not done.reset:
        messages.info(request, _("Everything of the standard was there already; nothing was changed."))
    for mapping, no in done.off:
        address = reverse("synccore:mapping", args=[mapping.pk])
        text = _("{mapping} stays switched off: its page says what is to be corrected.")
        if no.code == "mapping_wrong":
            link = format_html('<a href="{}">{}</a>', address, mapping.name)
            messages.warning(request, format_html(text, mapping=link))
        else:
            messages.warning(request, not_now(no.code, no.params))
