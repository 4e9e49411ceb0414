"""The counts of the menu, asked again while a page is looked at."""

from __future__ import annotations

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from synccore.views.navigation import counts


@never_cache
@require_safe
def menu_counts(request: HttpRequest) -> JsonResponse:
    """Each count as the menu writes it; "" for none."""
    return JsonResponse({name: intcomma(n) if n else "" for name, n in counts(request).items()})
