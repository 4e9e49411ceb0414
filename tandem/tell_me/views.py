"""*Tell Me* as a page, and its answer alone for the dialog."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from synccore import roles

from .find import LONGEST, find


@require_safe
def tell_me(request: HttpRequest) -> HttpResponse:
    """``?q=``: what to look for. The dialog gets the answer alone, as it types."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    text = request.GET.get("q", "")[:LONGEST].replace("\0", "")
    context = {
        "page_title": _("Tell me what you want to do"),
        "q": text,
        "answer": find(text, request.user),
    }
    template = "tandem/tell_me_answer.html" if request.htmx else "tandem/tell_me.html"  # type: ignore[attr-defined]
    return render(request, template, context)
