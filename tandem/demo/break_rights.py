"""Faults of the rights on a table: one grant is taken away, and a change comes that needs it."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tandem.demo import people
from tandem.demo.apps import App, Apps
from tandem.demo.cases import case
from tandem.demo.fault import WHOLE, Fault, Place, Seen, Text, in_app, integration, may, one_edit

#: Whose phone number changes, so that a job needs the right: a customer that no case of the demo is about.
CUSTOMER: Final = "C10100"


def _grant(app: App, table: str) -> str:
    return f'GRANT UPDATE ON TABLE "public"."{table}" TO "{app.integration}";'


def _close_accounts(apps: Apps, _person: str) -> Text:
    in_app(apps.crm, "REVOKE UPDATE ON public.account FROM {user}", user=integration(apps.crm))
    one_edit(
        apps.erp,
        "a.bakker",
        "UPDATE customer SET phone = '+31 20 555 ' || lpad((random() * 9999)::int::text, 4, '0') WHERE no "
        "= %(no)s",
        {"no": CUSTOMER},
    )
    return _(
        "Tandem’s user may not change accounts of the CRM any more, and the phone number of %(no)s changed "
        "in the ERP. The next job, within a minute, meets it."
    ) % {"no": CUSTOMER}


def _grant_accounts(apps: Apps) -> Text:
    in_app(apps.crm, "GRANT UPDATE ON public.account TO {user}", user=integration(apps.crm))
    return _("Tandem’s user may change accounts of the CRM again. The next check lets the mapping go on.")


def _no_accounts(apps: Apps, _seen: Seen) -> Text:
    return (
        WHOLE
        if may(apps.crm, "UPDATE", "account")
        else _("Tandem’s user may not change accounts of the CRM.")
    )


_PLACES: Final = (
    Place(gettext_lazy("Integration Synchronization Errors"), "errors:entries"),
    Place(gettext_lazy("Coupled Data Synchronization Errors"), "coupling:coupled"),
)

ACCOUNTS: Final = Fault(
    "accounts",
    "stop",
    gettext_lazy("CRM: a right on accounts is taken away"),
    gettext_lazy(
        "The CRM’s administrator tidies up and takes UPDATE on accounts from Tandem’s user; then a phone "
        "number changes in the ERP. Customers stop: their changes wait until the right is back."
    ),
    gettext_lazy(
        "Within a minute as a banner that names the right and the statement that gives it back, on the "
        "lists, on Home and on the tab Set-up."
    ),
    _PLACES,
    gettext_lazy(
        "The CRM’s administrator runs the GRANT that the banner shows. Tandem notices at its next check, "
        "or at once with Test Connection on Connection Setup."
    ),
    gettext_lazy("Take the right away"),
    gettext_lazy("Run the GRANT, as the CRM’s administrator"),
    _close_accounts,
    _grant_accounts,
    _no_accounts,
    lambda apps: _grant(apps.crm, "account"),
)


def _close_salespeople(apps: Apps, _person: str) -> Text:
    people.tidy_up_rights(apps)
    return _(
        "Tandem’s user may not change salespeople of the ERP any more, and the phone number of %(key)s "
        "changed in the CRM. The next job, within a minute, meets it."
    ) % {"key": case("right").key}


def _grant_salespeople(apps: Apps) -> Text:
    in_app(apps.erp, "GRANT UPDATE ON public.salesperson TO {user}", user=integration(apps.erp))
    return _("Tandem’s user may change salespeople of the ERP again. The next check lets the mapping go on.")


def _no_salespeople(apps: Apps, _seen: Seen) -> Text:
    if may(apps.erp, "UPDATE", "salesperson"):
        return WHOLE
    return _("Tandem’s user may not change salespeople of the ERP.")


SALESPEOPLE: Final = Fault(
    "salespeople",
    "stop",
    gettext_lazy("ERP: a right on salespeople is taken away"),
    gettext_lazy(
        "The same on a table of the ERP. The demo starts with this one: its administrator took UPDATE on "
        "salespeople from Tandem’s user, so the mapping Salespeople is stopped until somebody puts it "
        "right."
    ),
    gettext_lazy("As a banner on the lists and on Home, and on the tab Set-up, with the statement to copy."),
    _PLACES,
    gettext_lazy(
        "The ERP’s administrator runs the GRANT that the banner shows. Tandem notices at its next check, "
        "or at once with Test Connection on Connection Setup."
    ),
    gettext_lazy("Take the right away"),
    gettext_lazy("Run the GRANT, as the ERP’s administrator"),
    _close_salespeople,
    _grant_salespeople,
    _no_salespeople,
    lambda apps: _grant(apps.erp, "salesperson"),
)
