"""The page for what a person may not do: it says which right is missing, who has it, and who can give it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from synccore import roles
from synccore.services.rights import RightMissing


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler403``."""
    sentence = roles.refusal(exception.permission) if isinstance(exception, RightMissing) else str(exception)
    return render(request, "403.html", {"exception": sentence}, status=403)
