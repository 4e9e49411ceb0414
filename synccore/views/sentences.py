"""Sentences for the codes that jobs, items and services leave behind. Those of failures stand in ``synccore.guides``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from synccore import guides
from synccore.codes import CODES
from synccore.failures import Failure
from synccore.guides import job_log
from synccore.shapes import Side
from synccore.verbs.chosen import CHANGED_MEANWHILE
from synccore.verbs.undo_plan import CHANGED_SINCE


def log_line(code: str, params: Mapping[str, Any], apps: Mapping[str, str]) -> str:
    """One line of a job's log."""
    if code in job_log.LINES or code in CODES:
        return guides.render(code, params, apps=apps).sentence
    return ", ".join([code.replace("_", " "), *(f"{name}: {value}" for name, value in params.items())])


def item_note(note: str, apps: Mapping[str, str] | None = None) -> str:
    """Why a chosen record ended as it did. ``apps``: the two apps as the user named them, by side."""
    name, _colon, value = note.partition(":")
    if name in (CHANGED_MEANWHILE, CHANGED_SINCE):
        what = _named_fields(value, apps or {"left": _("the left app"), "right": _("the right app")})
        if name == CHANGED_MEANWHILE:
            return _("changed meanwhile: %(what)s. Nothing was written over it.") % {"what": what}
        return _("changed since: %(what)s. Nothing was written over it.") % {"what": what}
    if name == "in_job":
        return _("already in job %(n)s") % {"n": value}
    known = {
        "right_missing": _("the right to do this is gone"),
        "no_problem": _("it has no open problem"),
        "coupling ended": _("its coupling has ended"),
        "same record": _("the same record was chosen twice"),
        "gone": _("the record is gone"),
        "on_purpose": _("it is left out on purpose"),
        "removed": _("its coupling was removed"),
        "not_deleted": _("it is not deleted in either app"),
        "not_coupled": _("it is not coupled"),
        "undone_already": _("undone already"),
        "as_before": _("it is as it was before already"),
        "exists_again": _("a record with its id is there again"),
        "coupled_elsewhere": _("it is coupled in another mapping of the same table"),
        "coupled_since": _("one of the two was coupled with another record since"),
        "not_left_out": _("it is not left out on purpose"),
        "not_removed": _("its coupling is not removed any more"),
        "match_coupled": _("coupled"),
        "match_created": _("created, for nothing matched"),
        "match_adopted": _("coupled with the record that its natural key names"),
        "match_none": _("nothing matches"),
        "match_several": _("several records match; one must be chosen"),
        "match_taken": _("the record that matches is coupled already"),
        "match_moved": _("one of the two has changed since the preview; they no longer match"),
        "not_in_filter": _("it is not in the filter of the mapping"),
        "held_back": _("held back by a brake"),
        "for_decision": _("it was deleted in one app and waits for a decision"),
    }
    if note in known:
        return known[note]
    # The facts stand on the record's problem; a title needs none.
    return guides.render(note, {}).title if note in CODES else note.replace("_", " ")


def _named_fields(told: str, apps: Mapping[str, str]) -> str:
    """``told``: JSON, side → names of fields, and a number for how many more there are (``verbs.items.named_note``)."""
    parts = []
    for side, fields in json.loads(told).items():
        names = ", ".join(field_word(each, side, apps) for each in fields if isinstance(each, str))
        more = sum(each for each in fields if isinstance(each, int))
        if more:
            names = _("%(names)s and %(n)s more") % {"names": names, "n": more}
        names = names or _("the record")
        parts.append(_("%(fields)s in %(app)s") % {"fields": names, "app": apps[side]})
    return "; ".join(parts)


def field_word(name: str, side: str, apps: Mapping[str, str]) -> str:
    """What people call a field. ``apps``: as ``tables.app_names`` gives them."""
    return apps.field(name, side) if isinstance(apps, guides.Names) else name


def not_retried(reason: str) -> str:
    """Why *Retry* leaves a record alone."""
    known = {
        "needs_decision": _("Only Synchronize, Restore Records or Delete Records decides it."),
        "on_purpose": _("It is left out on purpose."),
        "no_problem": _("It has no open problem any more."),
    }
    return known.get(reason, reason.replace("_", " "))


def not_now(code: str, params: Mapping[str, Any]) -> str:
    """Why a job cannot start as things stand (``services.jobs.NotNow``)."""
    mapping = params.get("mapping", _("The mapping"))
    reasons = {
        "disabled": _("%(mapping)s is switched off; an administrator can switch it on."),
        "paused": _("%(mapping)s does not run: its integration is paused by an administrator."),
        "stopped": _("%(mapping)s is stopped by a set-up problem; the banner says what must change first."),
        "reason_missing": _("A reason is needed."),
        "on_hold_already": _("%(mapping)s was on hold already; somebody may have pressed before you."),
        "ready_already": _("%(mapping)s was ready already; somebody may have pressed before you."),
        "interval_moved": _(
            "Somebody changed how often %(mapping)s runs while you looked at it; this is how it is now. Nothing was changed."
        ),
        "entry_exists": _("%(mapping)s has this schedule already; somebody may have pressed before you."),
        "entry_gone": _("The schedule of %(mapping)s was deleted in the meantime; nothing was changed."),
        "allowed_already": _(
            "%(mapping)s was allowed once already; what was held back is being carried out."
        ),
        "undone_already": _("This was undone already; nothing more was written."),
        "too_late": _("This was written more than 30 days ago and can no longer be undone."),
        "nothing_written": _("There is nothing to undo: this job wrote to no record."),
        "not_held": _("%(mapping)s is not held by this any more; nothing had to be checked."),
        "not_stopped": _("%(mapping)s is not stopped any more; somebody decided before you."),
        "mapping_gone": _("%(mapping)s was deleted in the meantime; nothing was changed."),
        "mapping_in_use": _("Something belongs to %(mapping)s by now; nothing was deleted."),
        "integration_gone": _("%(mapping)s was deleted in the meantime; nothing was changed."),
        "integration_needed": _("A mapping belongs to %(mapping)s by now; nothing was deleted."),
        "connection_needed": _("Something needs %(mapping)s by now; nothing was deleted."),
        "connection_moved": _("Somebody saved %(mapping)s while you looked at it; nothing was deleted."),
        "still_running": _("%(mapping)s is still being synchronized; nothing more was started."),
        "full_running": _(
            "%(mapping)s is in a full synchronization that has not ended; nothing more was started."
        ),
        "match_no_criteria": _("%(mapping)s has no criteria to match by yet; an administrator chooses them."),
        "match_looking": _("Matches of %(mapping)s are being looked for already; nothing more was started."),
        "match_no_look": _("The preview of %(mapping)s was made anew in the meantime; nothing was done."),
        "match_running": _("%(mapping)s is being coupled at this moment; nothing more was started."),
        "match_nothing": _("%(mapping)s has nothing to do here any more; nothing was started."),
        "match_done": _("This preview of %(mapping)s was carried out already. Look for matches again."),
        "match_rules_moved": _(
            "The criteria or the rules of %(mapping)s have changed since the preview. Look for matches again."
        ),
        "match_old": _("The preview of %(mapping)s is more than a day old. Look for matches again."),
        "match_couplings_moved": _(
            "Couplings of %(mapping)s have changed since the preview. Look for matches again."
        ),
        "not_undecided": _("%(mapping)s does not wait for a decision about matches any more."),
        "not_waiting": _("%(mapping)s does not wait for another line any more."),
        "not_read": _(
            "%(mapping)s stays switched off: the tables of its apps were not read yet. Read them, then switch it on."
        ),
    }
    found = reasons.get(str(params.get("reason", "")) if code == "held" else code)
    return found % {"mapping": mapping} if found else code.replace("_", " ")


def why_silent(trouble: str, failure: Failure | None, apps: Mapping[str, str], side: Side) -> str:
    """Why an app told nothing to a person who waited; "" where it did.

    Args:
        trouble, failure: as of ``services.live.Answer``.
        apps: what people call the two apps, by side.
    """
    name = {"app": apps[side.value]}
    if trouble == "late":
        return _("%(app)s did not answer within 5 seconds.") % name
    if trouble == "busy":
        return _("Four people read from %(app)s at this moment; try again in a few seconds.") % name
    if failure is None:
        return ""
    told = guides.render(failure.code, failure.params, apps=apps, side=side.value, kind=failure.kind.value)
    return _("%(app)s could not be read: %(why)s") % {**name, "why": told.sentence}
