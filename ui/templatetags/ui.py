"""Small words of the templates: icons, times, numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ui.due import is_due, is_late
from ui.filters import OPEN, with_
from ui.panels import Panel

register = template.Library()
MESSAGE_FOLDS_AT = 240


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A symbol of the sprite. Without a label it is decoration beside a word."""
    href = f"{static('icons.svg')}#{name}"
    if label:
        return format_html(
            '<svg class="icon icon-{}" role="img" aria-label="{}"><use href="{}"></use></svg>',
            name,
            label,
            href,
        )
    return format_html('<svg class="icon icon-{}" aria-hidden="true"><use href="{}"></use></svg>', name, href)


@register.simple_tag(takes_context=True)
def panel_url(context: template.Context, key: Any) -> str:
    """The address of this list with the row of this key beside it."""
    return with_(context["table"].params, **{OPEN: str(key)})


@register.simple_tag(takes_context=True)
def opened(context: template.Context, key: Any) -> SafeString:
    """Marks the row that stands beside the list: an attribute of its ``<tr>``."""
    return mark_safe('aria-current="true"' if str(key) == context.get("opened_key") else "")


@register.simple_tag(takes_context=True)
def beside(context: template.Context, panel: Panel) -> SafeString:
    """The panel's own template with its own context."""
    return render_to_string(panel.template, {**panel.context, "here": context["here"]}, context["request"])


@register.simple_tag
def when(moment: datetime | None, empty: str = "–") -> SafeString | str:
    """A time as people say it ("2 h ago", "in 12 min"), with the absolute one and its zone in the title."""
    return empty if moment is None else _time(moment, _relative(moment))


@register.simple_tag
def when_next(moment: datetime | None, empty: str = "–") -> SafeString | str:
    """A time at which something begins by itself: "in 12 min"; "due now" as long as the tick may still bring it; then
    "late, was due 2 h ago"."""
    if moment is None:
        return empty
    if is_late(moment):
        state = '<span class="state tone-person">{}<span>{}</span></span> {}'
        return format_html(state, icon("clock"), _("late, was due"), when(moment))
    return _time(moment, _("due now")) if is_due(moment) else when(moment)


@register.simple_tag
def clock(moment: datetime | None, empty: str = "–") -> SafeString | str:
    """An absolute time, for logs: date, time with seconds, zone in the title."""
    if moment is None:
        return empty
    local = timezone.localtime(moment)
    shown = f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), _absolute(local), shown
    )


@register.filter
def duration(value: timedelta | None) -> str:
    """ "0.4 s", "2 min 5 s", "3 h 10 min"."""
    if value is None:
        return "–"
    seconds = max(0.0, value.total_seconds())
    if seconds < 10:
        return _("%(n)s s") % {"n": formats.number_format(round(seconds, 1))}
    if seconds < 60:
        return _("%(n)s s") % {"n": int(seconds)}
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return _("%(m)s min %(s)s s") % {"m": minutes, "s": rest}
    return _("%(h)s h %(m)s min") % {"h": minutes // 60, "m": minutes % 60}


@register.filter
def folds(message: str) -> bool:
    """Whether a message is so long that the list folds it (it is whole inside)."""
    return len(message) > MESSAGE_FOLDS_AT or message.count("\n") > 3


@register.filter
def beginning(message: str) -> str:
    """The first words of a long message, never cut inside a word."""
    if not folds(message):
        return message
    head = message[: MESSAGE_FOLDS_AT - 80]
    return head.rsplit(" ", 1)[0] if " " in head else head


def _time(moment: datetime, said: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}" data-when>{}</time>',
        moment.isoformat(),
        _absolute(timezone.localtime(moment)),
        said,
    )


def _absolute(local: datetime) -> str:
    return f"{formats.date_format(local, 'DATE_FORMAT')} {local:%H:%M:%S} {local.tzname()}"


def _relative(moment: datetime) -> str:
    distance = moment - timezone.now()
    past = distance < timedelta(0)
    seconds = abs(distance.total_seconds())
    if seconds < 45:
        return _("just now") if past else _("in a moment")
    amount = _amount(seconds)
    return _("%(amount)s ago") % {"amount": amount} if past else _("in %(amount)s") % {"amount": amount}


def _amount(seconds: float) -> str:
    if seconds < 90 * 60:
        return _("%(n)s min") % {"n": max(1, round(seconds / 60))}
    if seconds < 36 * 3600:
        return _("%(n)s h") % {"n": round(seconds / 3600)}
    days = round(seconds / 86400)
    if days < 60:
        return ngettext("%(n)s day", "%(n)s days", days) % {"n": days}
    if days < 700:
        months = round(days / 30.44)
        return ngettext("%(n)s month", "%(n)s months", months) % {"n": months}
    years = round(days / 365.25)
    return ngettext("%(n)s year", "%(n)s years", years) % {"n": years}
