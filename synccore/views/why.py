"""The sentences of *Why is it not synchronizing?* and of *Times*, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore.engine.why import Why
from synccore.shapes import Side
from ui.due import is_due

_NEXT = gettext_lazy("The next synchronization is at %(next_run)s.")
_DUE = gettext_lazy("The next synchronization is due now.")
_NONE_PLANNED = gettext_lazy("No synchronization is planned: run the mapping.")

SENTENCES: dict[str, str | Promise] = {
    "in_sync": gettext_lazy("In sync since %(agreed)s."),
    "ended": gettext_lazy("Both records are gone; their coupling ended on %(at)s."),
    "removed": gettext_lazy("The coupling was removed on %(at)s; no run couples the two again by itself."),
    "on_purpose": gettext_lazy("Left out on purpose, until somebody takes it back."),
    "outside_filter": gettext_lazy(
        "The record in %(app)s is outside the filter of this mapping since %(at)s; "
        "it synchronizes again when it is back inside."
    ),
    "needs_decision": gettext_lazy("Both apps changed it since the last agreement; it waits for a decision."),
    "needs_decision_deleted": gettext_lazy(
        "It was deleted in one app; it waits for a decision: restore, delete or remove the coupling."
    ),
    "waits_in_vain": gettext_lazy("It waits for %(blocker)s, which nothing will couple by itself."),
    "needs_change": gettext_lazy(
        "It failed and is left alone until it changes in an app or somebody presses Retry."
    ),
    "with_administrator": gettext_lazy(
        "Something in the set-up must change first; the administrator’s turn."
    ),
    "disabled": gettext_lazy("The mapping is switched off."),
    "paused": gettext_lazy("The integration is paused since %(at)s; changes wait."),
    "stopped": gettext_lazy(
        "The mapping was stopped for safety on %(at)s and waits for an administrator’s decision."
    ),
    "set_up": gettext_lazy("A set-up problem holds the mapping since %(at)s; changes wait."),
    "decided": gettext_lazy("It was decided and is being carried out as job %(job)s."),
    "requested": gettext_lazy("It is in the next synchronization."),
    "waiting": gettext_lazy("It waits for %(blocker)s and follows by itself."),
    "retrying": gettext_lazy("The last try failed; it is tried again by itself at %(at)s."),
    "pending": gettext_lazy("It changed since the last agreement and is in the next synchronization."),
    "half": gettext_lazy("It has no counterpart yet: it is known in %(app)s only."),
    "half_only_coupled": gettext_lazy(
        "It is not coupled, and this mapping synchronizes coupled records only."
    ),
    "not_agreed": gettext_lazy("The two are coupled, but have not been synchronized yet."),
    "no_schedule": gettext_lazy("Nothing runs by itself: this mapping has no schedule."),
    "on_hold": gettext_lazy("Nothing runs by itself: the schedule of this mapping is on hold."),
    "one_way": gettext_lazy(
        "In sync since %(agreed)s, but %(fields)s was edited in %(app)s and does not flow from there: one way."
    ),
    "uncoupled_disabled": gettext_lazy("It is not coupled, and the mapping is switched off."),
    "uncoupled_paused": gettext_lazy("It is not coupled yet, and the integration is paused since %(at)s."),
    "uncoupled_stopped": gettext_lazy("It is not coupled yet, and the mapping is stopped for safety."),
    "uncoupled_set_up": gettext_lazy("It is not coupled yet, and a set-up problem holds the mapping."),
    "uncoupled_outside_filter": gettext_lazy(
        "It is not coupled: it is outside the filter of this mapping in %(app)s."
    ),
    "uncoupled_only_coupled": gettext_lazy(
        "It is not coupled, and this mapping synchronizes coupled records only: couple it by hand."
    ),
    "uncoupled_direction": gettext_lazy(
        "It is not coupled, and this mapping creates no records from %(app)s."
    ),
    "uncoupled_no_schedule": gettext_lazy(
        "It is not coupled yet, and nothing runs by itself: this mapping has no schedule."
    ),
    "uncoupled_on_hold": gettext_lazy(
        "It is not coupled yet, and nothing runs by itself: the schedule of this mapping is on hold."
    ),
    "uncoupled_not_read": gettext_lazy("It is not coupled yet: %(app)s has not been read that far."),
    "uncoupled_next_run": gettext_lazy("It is not coupled yet; nothing is in its way."),
}
#: After these the next run is named.
_NAMES_NEXT = (
    "requested", "pending", "half", "not_agreed", "in_sync", "uncoupled_not_read", "uncoupled_next_run",
)  # fmt: skip


def sentence(answer: Why, apps: Mapping[str, str]) -> str:
    """The answer in one sentence, and when the next run is where that is what one asks next."""
    facts: dict[str, Any] = {name: _said(value) for name, value in answer.params.items()}
    facts["app"] = apps.get(str(answer.params.get("side", "")), _("the app"))
    said = str(SENTENCES[answer.code]) % _Missing(facts)
    if answer.code == "on_purpose":
        said = _on_purpose(answer.params)
    if answer.code == "paused" and answer.params.get("why"):
        said = _("The integration is paused since %(at)s by %(why)s; changes wait.") % facts
    if answer.code in _NAMES_NEXT:
        said = f"{said} {_next(answer.params.get('next_run')) % facts}"
    return said


def _next(run: datetime | None) -> str:
    if run is None:
        return str(_NONE_PLANNED)
    return str(_DUE if is_due(run) else _NEXT)


def _on_purpose(params: Mapping[str, Any]) -> str:
    if params.get("until"):
        said = _("Left out on purpose; it comes back on %(until)s.") % {"until": _said(params["until"])}
    else:
        said = str(SENTENCES["on_purpose"])
    if params.get("reason"):
        said = _("%(said)s Reason: %(reason)s") % {"said": said, "reason": params["reason"]}
    return said


class _Missing(dict[str, Any]):
    """A fact that is not known leaves a readable sentence."""

    def __missing__(self, key: str) -> str:
        return "–"


def _said(value: Any) -> str:
    if isinstance(value, datetime):
        local = timezone.localtime(value)
        if local.date() == timezone.localdate():
            return f"{local:%H:%M}"
        return f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M}"
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return "–" if value in (None, "") else str(value)


def times_follow(
    found: Sequence[tuple[str, Side | None]], apps: Mapping[str, str], next_run: datetime | None
) -> list[str]:
    """What follows from the times, one sentence each (codes of ``engine.times.follows``)."""
    lines = []
    for code, side in found:
        app = {"app": apps[side.value] if side else ""}
        if code == "unchanged" and side is None:
            lines.append(_("Neither app changed the record since the two last agreed."))
        elif code == "unchanged":
            lines.append(_("%(app)s did not change it since the two last agreed.") % app)
        elif code == "unread" and next_run is not None and not is_due(next_run):
            text = _("%(app)s changed it after it was last read; the next synchronization at %(at)s sees it.")
            lines.append(text % {**app, "at": _said(next_run)})
        elif code == "unread":
            lines.append(
                _("%(app)s changed it after it was last read; the next synchronization sees it.") % app
            )
        elif code == "held":
            text = _(
                "%(app)s changed it since the two last agreed; Tandem has seen it, and what holds it stands above."
            )
            lines.append(text % app)
        elif code == "missed":
            text = _(
                "%(app)s changed it since the last agreement, at a time up to which it was read: saved late or back-dated. "
                "The next sweep finds it."
            )
            lines.append(text % app)
        elif code == "no_stamp":
            lines.append(
                _("%(app)s does not say when the record changed; only a sweep sees its changes.") % app
            )
        else:
            lines.append(
                _("The apps were not asked now: what changed since it was last seen is not known here.")
            )
    return lines
