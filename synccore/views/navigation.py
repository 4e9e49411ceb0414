"""The frame of every page: what stands in the navigation, with live counts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from synccore import services
from synccore.models import TableMapping


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context of every template. Counts are asked only where a template shows them, once per page.

    A page's own context stands before it: no page may call anything of its own by one of these names.
    """
    return {
        "instance": settings.INSTANCE,
        "page_url_name": request.resolver_match.view_name if request.resolver_match else "",
        "menu_counts": SimpleLazyObject(lambda: counts(request)),
        "seen_integrations": SimpleLazyObject(lambda: integrations(request)),
        "shown_integration": request.GET.get("integration", ""),
    }


def counts(request: HttpRequest) -> dict[str, int]:
    """``services.counts`` of the signed-in person, once per request."""
    if not hasattr(request, "tandem_counts"):
        signed_in = getattr(request, "user", None) is not None and request.user.is_authenticated
        request.tandem_counts = (  # type: ignore[attr-defined]
            services.counts(request.user, owner_codes(request)) if signed_in else {}
        )
    return request.tandem_counts  # type: ignore[attr-defined]


def owner_codes(request: HttpRequest) -> dict[int, str]:
    """The signed-in person's codes as an owner of records (connection id → code), once per request."""
    if not hasattr(request, "tandem_codes"):
        request.tandem_codes = services.codes_of(request.user)  # type: ignore[attr-defined]
    return request.tandem_codes  # type: ignore[attr-defined]


def integrations(request: HttpRequest) -> list[tuple[str, str]]:
    """Id and name ("ERP ⇄ CRM") of each integration the person sees a mapping of; asks only where the page has not."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    mappings = getattr(request, "tandem_mappings", None)
    if mappings is None:
        apps = TableMapping.objects.visible_to(user).select_related("integration__left", "integration__right")
        mappings = apps.order_by("integration_id").distinct("integration_id")
    names = {
        str(each.integration_id): f"{each.integration.left} ⇄ {each.integration.right}" for each in mappings
    }
    return sorted(names.items(), key=lambda each: each[1])
