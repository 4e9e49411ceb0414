"""An app that is down for two minutes, and people at work in both apps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tandem.demo import stage
from tandem.demo.apps import Apps
from tandem.demo.fault import WHOLE, Fault, Place, Seen, Text


def _shut(apps: Apps, _person: str) -> Text:
    stage.close(apps.crm)
    return _("The CRM is down. It comes back by itself in two minutes.")


def _open(apps: Apps) -> Text:
    stage.open_again(apps.crm)
    return _("The CRM is up again. The next check ends the problem; what waited follows.")


def _down(_apps: Apps, seen: Seen) -> Text:
    crm = seen.get("crm")
    if crm is None or crm.is_open:
        return WHOLE
    left = (crm.closed_until - timezone.now()).total_seconds() if crm.closed_until else 0
    if left <= 0:
        return _("The CRM is down and about to come back.")
    return ngettext(
        "The CRM is down and comes back by itself in %(n)s second.",
        "The CRM is down and comes back by itself in %(n)s seconds.",
        round(left),
    ) % {"n": max(1, round(left))}


DOWN: Final = Fault(
    "down",
    "pause",
    gettext_lazy("CRM: down for two minutes"),
    gettext_lazy(
        "The CRM ends all its connections and takes no new ones. Jobs end in the middle of their work, "
        "records in both apps stay as they are, changes of the ERP wait."
    ),
    gettext_lazy(
        "Within a minute as a banner that says so and when Tandem tries again. A record’s page or a "
        "comparison opened meanwhile shows the values Tandem kept, and says that the CRM did not answer."
    ),
    (
        Place(gettext_lazy("Coupled Data Synchronization Errors"), "coupling:coupled"),
        Place(gettext_lazy("Integration Synchronization Jobs"), "synccore:jobs", "?tab=trouble"),
    ),
    gettext_lazy(
        "Nobody has to do anything: the CRM comes back after two minutes, the next check finds it, and "
        "what waited follows. Test Connection on Connection Setup checks at once."
    ),
    gettext_lazy("Take the CRM down"),
    gettext_lazy("Start the CRM now"),
    _shut,
    _open,
    _down,
)

#: A process that told nothing for so long is not running.
_SILENT_SECONDS: Final = 30


def _begin(apps: Apps, person: str) -> Text:
    stage.start_work(apps.erp, person)
    return _("People work in both apps now: a change every two seconds, some of them on the same record.")


def _end(apps: Apps) -> Text:
    stage.stop_work(apps.erp)
    return _("People stop working. What they did goes through the next jobs.")


def _at_work(_apps: Apps, seen: Seen) -> Text:
    work = seen["erp"].work if "erp" in seen else None
    if work is None:
        return WHOLE
    told = (timezone.now() - (work.told or work.since)).total_seconds()
    if told > _SILENT_SECONDS:
        return _("People should be at work, but the process that plays them (demo_stage) does not run.")
    return at_work(work.done)


def at_work(done: Mapping[str, Any]) -> Text:
    """What the people have done so far, as a sentence."""
    return _(
        "People are at work: %(edited)s changes, %(both)s of them pairs in both apps, %(deleted)s deletions."
    ) % {
        "edited": done.get("edited", 0),
        "both": done.get("in both", 0),
        "deleted": done.get("deleted", 0),
    }


TRAFFIC: Final = Fault(
    "traffic",
    "person",
    gettext_lazy("People at work in both apps"),
    gettext_lazy(
        "People of both apps save changes, thirty a minute: most meet nothing, one in ten changes the same "
        "record in both apps, a few delete. It goes on until you end it."
    ),
    gettext_lazy(
        "On Integration Synchronization Jobs each minute; conflicts and deletions arrive on Coupled Data "
        "Synchronization Errors."
    ),
    (
        Place(gettext_lazy("Integration Synchronization Jobs"), "synccore:jobs"),
        Place(gettext_lazy("Coupled Data Synchronization Errors"), "coupling:coupled"),
    ),
    gettext_lazy(
        "Nothing is broken: end it when you have seen enough, and decide what people changed in both apps."
    ),
    gettext_lazy("Let people work"),
    gettext_lazy("Send them home"),
    _begin,
    _end,
    _at_work,
)
