"""The page of something that was deleted: whoever looks for it, or presses on what he saw of it, reads who did it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from synccore import roles
from synccore.services import deleted
from synccore.tables import person_name


def gone(request: HttpRequest, model: type[Model], pk: int) -> Http404:
    """What is raised where a row is not there; its page says who deleted it, to those who may know (``404.html``)."""
    user: Any = request.user
    if user.has_perm(roles.SET_UP):
        request.tandem_gone = deleted.noted(model, pk)  # type: ignore[attr-defined]
    return Http404()


def told_when_gone(
    model: type[Model],
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Of a page whose address names a row of ``model``: it may be gone when the page is asked for, or while it is answered
    (``DoesNotExist``)."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, pk: int, **more: Any) -> HttpResponse:
            try:
                return view(request, pk, **more)
            except model.DoesNotExist:  # type: ignore[attr-defined]
                raise gone(request, model, pk) from None

        return answer

    return decorate


def deleted_already(entry: LogEntry | None) -> str:
    """What the second of two people reads who press *Delete*."""
    if entry is None:
        return _("It is deleted already; nothing more was done.")
    names = {"name": entry.object_repr, "who": person_name(entry.user)}
    return _("%(name)s was deleted already, by %(who)s; nothing more was done.") % names
