"""Says on any page which pairs of apps stand still, and why."""

from __future__ import annotations

from typing import Any

from django import template

from synccore.views.integrations import paused_rows

register = template.Library()


@register.inclusion_tag("synccore/pauses.html", takes_context=True)
def pauses(context: dict[str, Any]) -> dict[str, Any]:
    """A notice per paused pair; one query."""
    user = context["user"]
    return {"rows": paused_rows(user), "may_set_up": user.has_perm("synccore.set_up")}
