"""Faults of the account with which Tandem signs in: too much power, and a password that ends."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg import sql

from tandem.demo.apps import Apps
from tandem.demo.fault import WHOLE, Fault, Place, Seen, Text, integration, of_role, on_server

#: In so many days the password ends that is "about to expire".
DAYS_LEFT: Final = 3


def _empower(apps: Apps, _person: str) -> Text:
    on_server(apps.erp, "ALTER ROLE {user} SUPERUSER", user=integration(apps.erp))
    return _("Tandem’s user is a superuser of the ERP now. Nothing fails; only a set-up check can tell.")


def _take_power(apps: Apps) -> Text:
    on_server(apps.erp, "ALTER ROLE {user} NOSUPERUSER", user=integration(apps.erp))
    return _("Tandem’s user is an ordinary account of the ERP again. The next set-up check passes.")


def _powerful(apps: Apps, _seen: Seen) -> Text:
    return _("Tandem’s user is a superuser of the ERP.") if of_role(apps.erp, "rolsuper") else WHOLE


SUPERUSER: Final = Fault(
    "superuser",
    "person",
    gettext_lazy("ERP: Tandem’s user becomes a superuser"),
    gettext_lazy(
        "The ERP’s administrator gives Tandem’s user all power, as happens when a right is missing and "
        "time is short. Nothing fails from then on, and that is the trouble: no rule of the ERP holds "
        "Tandem back any more."
    ),
    gettext_lazy(
        "On the ERP’s page of Connection Setup: press Check the set-up; the check of the integration user "
        "fails and says what to do. Tandem checks by itself once a day."
    ),
    (Place(gettext_lazy("Connection Setup of the ERP"), "synccore:connection", app="erp"),),
    gettext_lazy("The ERP’s administrator takes the power away. Check the set-up again: the check passes."),
    gettext_lazy("Make it a superuser"),
    gettext_lazy("Take the power away, as the ERP’s administrator"),
    _empower,
    _take_power,
    _powerful,
    lambda apps: f'ALTER ROLE "{apps.erp.integration}" NOSUPERUSER;',
)


def _expire_soon(apps: Apps, _person: str) -> Text:
    until = of_role(apps.erp, f"(now() + interval '{DAYS_LEFT} days')::text")
    on_server(
        apps.erp,
        "ALTER ROLE {user} VALID UNTIL {until}",
        user=integration(apps.erp),
        until=sql.Literal(until),
    )
    return _("The password of Tandem’s user in the ERP ends in %(n)s days. Only a set-up check can tell.") % {
        "n": DAYS_LEFT
    }


def _prolong_erp(apps: Apps) -> Text:
    on_server(apps.erp, "ALTER ROLE {user} VALID UNTIL 'infinity'", user=integration(apps.erp))
    return _("The password holds on. The next set-up check passes.")


def _ends_soon(apps: Apps, _seen: Seen) -> Text:
    if of_role(apps.erp, "isfinite(rolvaliduntil)"):
        return _("The password of Tandem’s user in the ERP has an end.")
    return WHOLE


EXPIRING: Final = Fault(
    "expiring",
    "clock",
    gettext_lazy("ERP: the password is about to expire"),
    gettext_lazy(
        "The ERP’s administrator lets the password of Tandem’s user end in three days. Everything still "
        "works."
    ),
    gettext_lazy(
        "On the ERP’s page of Connection Setup: press Check the set-up; the check of the password warns "
        "and names the day."
    ),
    (Place(gettext_lazy("Connection Setup of the ERP"), "synccore:connection", app="erp"),),
    gettext_lazy(
        "The ERP’s administrator lets the password hold on (with a new password, it is entered on "
        "Connection Setup too). Check the set-up again: the check passes."
    ),
    gettext_lazy("Let it end in three days"),
    gettext_lazy("Let it hold on, as the ERP’s administrator"),
    _expire_soon,
    _prolong_erp,
    _ends_soon,
    lambda apps: f"ALTER ROLE \"{apps.erp.integration}\" VALID UNTIL 'infinity';",
)


def _expire(apps: Apps, _person: str) -> Text:
    on_server(apps.crm, "ALTER ROLE {user} VALID UNTIL '2000-01-01'", user=integration(apps.crm))
    return _("The password of Tandem’s user in the CRM has ended. The next job, within a minute, meets it.")


def _prolong_crm(apps: Apps) -> Text:
    on_server(apps.crm, "ALTER ROLE {user} VALID UNTIL 'infinity'", user=integration(apps.crm))
    return _(
        "The CRM lets Tandem’s user in again. The next check ends the problem; Test Connection on "
        "Connection Setup checks now."
    )


def _ended(apps: Apps, _seen: Seen) -> Text:
    if of_role(apps.crm, "rolvaliduntil < clock_timestamp()"):
        return _("The password of Tandem’s user in the CRM has ended.")
    return WHOLE


EXPIRED: Final = Fault(
    "expired",
    "clock",
    gettext_lazy("CRM: the password expires"),
    gettext_lazy(
        "The password of Tandem’s user in the CRM ends, so the CRM refuses the sign-in. All mappings wait; "
        "no record is touched, no change is lost."
    ),
    gettext_lazy(
        "Within a minute as a banner above the lists and on Home, and on the tab Set-up of Integration "
        "Synchronization Errors."
    ),
    (
        Place(gettext_lazy("Integration Synchronization Errors"), "errors:entries"),
        Place(gettext_lazy("Connection Setup of the CRM"), "synccore:connection", app="crm"),
    ),
    gettext_lazy(
        "The CRM’s administrator lets the password hold on (with a new password, it is entered on "
        "Connection Setup too). Then press Test Connection, or wait for the next check: what waited "
        "follows."
    ),
    gettext_lazy("Let it end now"),
    gettext_lazy("Let it hold on, as the CRM’s administrator"),
    _expire,
    _prolong_crm,
    _ended,
    lambda apps: f"ALTER ROLE \"{apps.crm.integration}\" VALID UNTIL 'infinity';",
)
