"""Three hundred accounts are deleted at once. Somebody's mistake: the CRM's recycle bin still holds them."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tandem.demo.apps import App, Apps, DemoProblem
from tandem.demo.cases import CASES
from tandem.demo.fault import WHOLE, Fault, Place, Seen, Text

MANY: Final = 300
PERSON: Final = "jane.smith"

_BIN: Final = (
    "CREATE SCHEMA IF NOT EXISTS demo",
    "CREATE TABLE IF NOT EXISTS demo.recycle_bin (LIKE public.account)",
)
#: Customers that nothing in the CRM refers to, and that no case of the demo is about.
_DELETE: Final = """
    WITH chosen AS (
        SELECT id FROM account a
         WHERE account_type = 'customer' AND account_number <> ALL(%s)
           AND NOT EXISTS (SELECT FROM contact c WHERE c.account_id = a.id)
         ORDER BY account_number LIMIT %s),
    gone AS (DELETE FROM account WHERE id IN (SELECT id FROM chosen) RETURNING *)
    INSERT INTO demo.recycle_bin SELECT * FROM gone"""
_MISSING: Final = """
    SELECT count(*) FROM demo.recycle_bin b WHERE NOT EXISTS (SELECT FROM account a WHERE a.id = b.id)"""


def missing(crm: App) -> int:
    """How many of the deleted accounts are still gone."""
    with crm.as_admin(connect_timeout=10) as session:
        made = session.execute("SELECT to_regclass('demo.recycle_bin')").fetchone()
        if made is None or made[0] is None:
            return 0
        row = session.execute(_MISSING).fetchone()
    return int(row[0]) if row else 0


def _delete(apps: Apps, _person: str) -> Text:
    if missing(apps.crm):
        raise DemoProblem(_("They are deleted already; bring them back first."))
    with apps.crm.as_admin(connect_timeout=10) as session:
        for statement in _BIN:
            session.execute(statement)
        session.execute("TRUNCATE demo.recycle_bin")
        session.execute("SELECT set_config('app.user', %s, true)", [PERSON])
        done = session.execute(_DELETE, [[each.key for each in CASES], MANY]).rowcount
        if done < MANY:
            raise DemoProblem(
                _("The CRM has only %(n)s customers without contacts; the records are not coupled yet.")
                % {"n": done}
            )
    return _(
        "%(n)s accounts were deleted in the CRM. The next sweep, within a minute, finds them; the brake "
        "then holds."
    ) % {"n": done}


def _bring_back(apps: Apps) -> Text:
    n = 0
    if missing(apps.crm):
        with apps.crm.as_admin(connect_timeout=10) as session:
            session.execute("SELECT set_config('app.user', %s, true)", [PERSON])
            n = session.execute(
                "INSERT INTO account SELECT * FROM demo.recycle_bin ON CONFLICT DO NOTHING"
            ).rowcount
            session.execute("TRUNCATE demo.recycle_bin")
    return ngettext(
        "%(n)s account is back from the CRM’s recycle bin. If a brake holds Customers: allow once on the "
        "job’s page; what exists again is left alone.",
        "%(n)s accounts are back from the CRM’s recycle bin. If a brake holds Customers: allow once on the "
        "job’s page; what exists again is left alone.",
        n,
    ) % {"n": n}


def _gone(apps: Apps, _seen: Seen) -> Text:
    n = missing(apps.crm)
    if not n:
        return WHOLE
    return ngettext(
        "%(n)s account is deleted in the CRM and lies in its recycle bin.",
        "%(n)s accounts are deleted in the CRM and lie in its recycle bin.",
        n,
    ) % {"n": n}


DELETIONS: Final = Fault(
    "deletions",
    "trash",
    gettext_lazy("CRM: 300 accounts are deleted at once"),
    gettext_lazy(
        "Somebody deletes with a wrong filter: 300 accounts of customers are gone from the CRM. Whatever "
        "the policy for deletions, nobody wants 300 of them carried over to the ERP unseen."
    ),
    gettext_lazy(
        "Within two minutes the brake holds Customers: a banner with the count, ten names on the job’s "
        "page, and a decision for an administrator."
    ),
    (
        Place(gettext_lazy("Coupled Data Synchronization Errors"), "coupling:coupled"),
        Place(gettext_lazy("Integration Synchronization Jobs"), "synccore:jobs", "?tab=trouble"),
    ),
    gettext_lazy(
        "It was a mistake: bring the accounts back from the CRM’s recycle bin, then allow the run once on "
        "the job’s page. Records that exist again are left alone. Without a recycle bin: allow once, and "
        "restore the records from the ERP on Coupled Data Synchronization Errors, all matching at once."
    ),
    gettext_lazy("Delete 300 accounts"),
    gettext_lazy("Bring them back from the recycle bin"),
    _delete,
    _bring_back,
    _gone,
)
