"""What can be broken in the online apps, by whoever runs them: Tandem is not told and finds it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tandem.demo import break_outage
from tandem.demo.break_outage import at_work
from tandem.demo.fault import WHOLE, Fault, Place, Text
from tandem.demo.faults import Standing
from tandem.demo.online.apps import OnlineApps
from tandem.demo.online.people import allow, deny

#: So long an app that was taken down, or is busy, stays so.
SECONDS: Final = 120
#: Whose phone number changes, so that a job needs the right: a customer that no case of the demo is about.
CUSTOMER: Final = "C10100"

Seen = dict[str, dict[str, Any]]

_ERRORS: Final = Place(gettext_lazy("Integration Synchronization Errors"), "errors:entries")
_COUPLED: Final = Place(gettext_lazy("Coupled Data Synchronization Errors"), "coupling:coupled")
_JOBS: Final = Place(gettext_lazy("Integration Synchronization Jobs"), "synccore:jobs")


def _crm_page() -> Place:
    return Place(gettext_lazy("Connection Setup"), "synccore:connection", app="crm")


def _edit_a_customer(apps: OnlineApps) -> None:
    with apps.erp.person("a.bakker") as desk:
        desk.change(
            "customers",
            f"number eq '{CUSTOMER}'",
            {"phoneNumber": f"+31 20 555 {int(time.time()) % 10_000:04}"},
        )


# -- people at work ----------------------------------------------------------------------------------------------------


def _begin(apps: OnlineApps, person: str) -> Text:
    if not apps.erp.state()["work"]:
        apps.erp.tell(work={"since": time.time(), "by": person, "done": {}, "told": time.time()})
    return _("People work in both apps now: a change every two seconds, some of them on the same record.")


def _end(apps: OnlineApps) -> Text:
    apps.erp.tell(work=None)
    return _("People stop working. What they did goes through the next jobs.")


def _at_work(_apps: OnlineApps, seen: Seen) -> Text:
    work = seen["erp"]["work"]
    if not work:
        return WHOLE
    if time.time() - work["told"] > 30:
        return _("People should be at work, but the process that plays them (demo_stage) does not run.")
    return at_work(work["done"])


TRAFFIC: Final = replace(break_outage.TRAFFIC, cause=_begin, put_right=_end, now=_at_work)

# -- rights ------------------------------------------------------------------------------------------------------------


def _close_accounts(apps: OnlineApps, _person: str) -> Text:
    deny(apps.crm, "accounts")
    _edit_a_customer(apps)
    return _(
        "Tandem’s user may not change accounts of Dataverse any more, and the phone number of %(no)s changed in Business "
        "Central. The next job, within a minute, meets it."
    ) % {"no": CUSTOMER}


def _open_accounts(apps: OnlineApps) -> Text:
    allow(apps.crm, "accounts")
    return _("Tandem’s user may change accounts of Dataverse again. The next check lets the mapping go on.")


def _no_accounts(_apps: OnlineApps, seen: Seen) -> Text:
    return (
        _("Tandem’s user may not change accounts of Dataverse.")
        if _denied(seen["crm"], "accounts")
        else WHOLE
    )


def _denied(state: dict[str, Any], table: str) -> bool:
    return any(name == table for name, _operation in state["denied"])


ACCOUNTS: Final = Fault(
    "accounts",
    "stop",
    gettext_lazy("Dataverse: the privilege to change accounts is taken away"),
    gettext_lazy(
        "An administrator tidies up the security role of Tandem’s user; then a phone number changes in Business "
        "Central. Customers stop: their changes wait until the privilege is back."
    ),
    gettext_lazy(
        "Within a minute as a banner that names the privilege and the user, on the lists, on Home and on the tab Set-up."
    ),
    (_ERRORS, _COUPLED),
    gettext_lazy(
        "An administrator of Dataverse gives the role the privilege that the banner names. Tandem notices at its next "
        "check, or at once with Test Connection on Connection Setup."
    ),
    gettext_lazy("Take the privilege away"),
    gettext_lazy("Give it back, as an administrator"),
    _close_accounts,
    _open_accounts,
    _no_accounts,
)


def _close_salespeople(apps: OnlineApps, _person: str) -> Text:
    deny(apps.erp, "salespeoplePurchasers")
    apps.crm.tell(users={"IHANSEN": {"mobilephone": f"+47 22 55 {int(time.time()) % 10_000:04}"}})
    return _(
        "Tandem’s user may not change salespeople of Business Central any more, and the phone number of IHANSEN changed in "
        "Dataverse. The next job, within a minute, meets it."
    )


def _open_salespeople(apps: OnlineApps) -> Text:
    allow(apps.erp, "salespeoplePurchasers")
    return _(
        "Tandem’s user may change salespeople of Business Central again. The next check lets the mapping go on."
    )


def _no_salespeople(_apps: OnlineApps, seen: Seen) -> Text:
    if not _denied(seen["erp"], "salespeoplePurchasers"):
        return WHOLE
    return _("Tandem’s user may not change salespeople of Business Central.")


SALESPEOPLE: Final = Fault(
    "salespeople",
    "stop",
    gettext_lazy("Business Central: the permission to change salespeople is taken away"),
    gettext_lazy(
        "Tandem’s user may not write salespeople. The demo starts with this one: the mapping Salespeople is stopped until "
        "somebody puts it right."
    ),
    gettext_lazy(
        "As a banner on the lists and on Home, and on the tab Set-up, with the permission that is missing."
    ),
    (_ERRORS, _COUPLED),
    gettext_lazy(
        "An administrator of Business Central adds the permission to a permission set of the application. Tandem notices "
        "at its next check, or at once with Test Connection on Connection Setup."
    ),
    gettext_lazy("Take the permission away"),
    gettext_lazy("Give it back, as an administrator"),
    _close_salespeople,
    _open_salespeople,
    _no_salespeople,
)

# -- sign-in and environment -------------------------------------------------------------------------------------------


def _expire(apps: OnlineApps, _person: str) -> Text:
    apps.crm.tell(secret_expired=True)
    return _("The client secret for Dataverse has expired. The next job, within a minute, meets it.")


def _renew(apps: OnlineApps) -> Text:
    apps.crm.tell(secret_expired=False)
    return _("The client secret for Dataverse is valid again. The next check ends the problem.")


EXPIRED: Final = Fault(
    "expired",
    "stop",
    gettext_lazy("Dataverse: the client secret has expired"),
    gettext_lazy(
        "Secrets of an application live for a year or two, and nobody thinks of it. From now on the sign-in gets no token; "
        "both apps’ records stay as they are, changes wait."
    ),
    gettext_lazy("Within a minute as a banner on the lists and on Home, and on Connection Setup."),
    (_ERRORS, _crm_page()),
    gettext_lazy(
        "An administrator makes a new secret, and it is typed on Connection Setup. Here the old one is made valid again; "
        "Test Connection then ends the problem."
    ),
    gettext_lazy("Let the secret expire"),
    gettext_lazy("Make it valid again"),
    _expire,
    _renew,
    lambda _apps, seen: (
        _("The client secret for Dataverse has expired.") if seen["crm"]["secret_expired"] else WHOLE
    ),
)


def _close(apps: OnlineApps, _person: str) -> Text:
    apps.crm.tell(admin_mode=True)
    return _("Dataverse is in administration mode: nobody but administrators gets in. The next job meets it.")


def _reopen(apps: OnlineApps) -> Text:
    apps.crm.tell(admin_mode=False)
    return _("Dataverse is open to everybody again. The next check ends the problem; what waited follows.")


ADMIN_MODE: Final = Fault(
    "admin-mode",
    "pause",
    gettext_lazy("Dataverse: the environment is in administration mode"),
    gettext_lazy(
        "Somebody copies or restores the environment: only administrators get in, and Tandem’s user is none. No record is "
        "touched, changes wait."
    ),
    gettext_lazy(
        "Within a minute as a banner that names the mode and who can end it, and on Connection Setup."
    ),
    (_ERRORS, _crm_page()),
    gettext_lazy(
        "An administrator of the Power Platform ends the mode. Tandem notices at its next check, or at once with Test "
        "Connection."
    ),
    gettext_lazy("Close the environment"),
    gettext_lazy("Open it again"),
    _close,
    _reopen,
    lambda _apps, seen: _("Dataverse is in administration mode.") if seen["crm"]["admin_mode"] else WHOLE,
)

# -- what passes by itself ---------------------------------------------------------------------------------------------


def _left(until: float) -> int:
    return max(0, round(until - time.time()))


def _shut(apps: OnlineApps, _person: str) -> Text:
    apps.crm.tell(down_until=time.time() + SECONDS)
    return _("Dataverse is down. It comes back by itself in two minutes.")


def _start(apps: OnlineApps) -> Text:
    apps.crm.tell(down_until=0)
    return _("Dataverse is up again. The next check ends the problem; what waited follows.")


def _down(_apps: OnlineApps, seen: Seen) -> Text:
    n = _left(seen["crm"]["down_until"])
    if not n:
        return WHOLE
    return ngettext(
        "Dataverse is down and comes back by itself in %(n)s second.",
        "Dataverse is down and comes back by itself in %(n)s seconds.",
        n,
    ) % {"n": n}


DOWN: Final = Fault(
    "down",
    "pause",
    gettext_lazy("Dataverse: down for two minutes"),
    gettext_lazy(
        "Every request is answered with 503. Jobs end in the middle of their work, records in both apps stay as they are, "
        "changes of Business Central wait; a dead service costs one probe a minute."
    ),
    gettext_lazy(
        "Within a minute as a banner that says so and when Tandem tries again. A record’s page or a comparison opened "
        "meanwhile shows the values Tandem kept."
    ),
    (_COUPLED, _JOBS),
    gettext_lazy(
        "Nobody has to do anything: it comes back, the next check finds it, and what waited follows."
    ),
    gettext_lazy("Take Dataverse down"),
    gettext_lazy("Start it now"),
    _shut,
    _start,
    _down,
)


def _throttle(apps: OnlineApps, _person: str) -> Text:
    apps.erp.tell(throttled_until=time.time() + SECONDS)
    return _("Business Central answers every request with “too many requests” for two minutes.")


def _calm(apps: OnlineApps) -> Text:
    apps.erp.tell(throttled_until=0)
    return _("Business Central takes requests again.")


def _busy(_apps: OnlineApps, seen: Seen) -> Text:
    n = _left(seen["erp"]["throttled_until"])
    if not n:
        return WHOLE
    return ngettext(
        "Business Central refuses requests for another %(n)s second.",
        "Business Central refuses requests for another %(n)s seconds.",
        n,
    ) % {"n": n}


THROTTLED: Final = Fault(
    "throttled",
    "clock",
    gettext_lazy("Business Central: too many requests"),
    gettext_lazy(
        "Something else uses up what the environment allows: every request is answered with 429 and how long to wait. "
        "Tandem waits for all its workers at once; no record is parked."
    ),
    gettext_lazy("Running jobs take longer, or end and are tried again; no record gets a problem."),
    (_JOBS,),
    gettext_lazy("Nobody has to do anything: it passes."),
    gettext_lazy("Use up the requests"),
    gettext_lazy("End it now"),
    _throttle,
    _calm,
    _busy,
)

FAULTS: Final[dict[str, Fault]] = {
    each.name: each for each in (TRAFFIC, SALESPEOPLE, ACCOUNTS, EXPIRED, ADMIN_MODE, THROTTLED, DOWN)
}


def standings(apps: OnlineApps) -> Iterator[Standing]:
    """Every fault as it is in the apps now. Raises DemoProblem where one does not answer."""
    seen = {"erp": apps.erp.state(), "crm": apps.crm.state()}
    for fault in FAULTS.values():
        yield Standing(fault, fault.now(apps, seen))


def put_right(apps: OnlineApps) -> None:
    """End every fault. Raises DemoProblem where an app does not answer."""
    for fault in FAULTS.values():
        fault.put_right(apps)
