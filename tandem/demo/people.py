"""Act two: what people of both apps do once their records are coupled, and what Tandem then meets.

Every edit is an ordinary statement of an ordinary person in one of the two databases. What was done is remembered in the
ERP's database, in a schema that Tandem's user cannot see, so that each is done once.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from psycopg import sql

from synccore.models import Coupling, Problem
from tandem.demo.apps import App, Apps
from tandem.demo.cases import PRAGUE, Case, case, of_act
from tandem.demo.sample import NO_RATE_IN_ERP

#: How long somebody keeps the account open, at most; the job's own wait for a lock is a few seconds.
HOLD_SECONDS: Final = 75.0
Say = Callable[[str], object]
Pause = Callable[[float], object]


def _edit(app: App, person: str, statement: str, *values: Any) -> None:
    """One saved edit; that it met no record would be an error of the demo."""
    with app.person(person) as session:
        done = session.execute(statement, values)
        if done.rowcount < 1:
            raise LookupError(f"nothing to edit: {statement} {values}")


def change_phone(apps: Apps) -> None:
    no = case("phone").key
    _edit(apps.erp, "a.bakker", "UPDATE customer SET phone = '+31 20 555 0222' WHERE no = %s", no)
    _edit(
        apps.crm,
        "sanne.devries",
        "UPDATE account SET phone = '+31 6 5550 3333' WHERE account_number = %s",
        no,
    )


def move(apps: Apps) -> None:
    no = case("address").key
    _edit(apps.erp, "p.maas", "UPDATE customer SET address = 'Stationsplein 9' WHERE no = %s", no)
    _edit(apps.crm, "jane.smith", "UPDATE account SET city = 'Utrecht' WHERE account_number = %s", no)


def rename(apps: Apps) -> None:
    no = case("name").key
    _edit(apps.erp, "i.hansen", "UPDATE customer SET name = '<b>Kaas & Zonen</b>' WHERE no = %s", no)
    _edit(
        apps.crm,
        "ola.larsen",
        "UPDATE account SET name = 'Kaas & Zn \"De Kroon\"' WHERE account_number = %s",
        no,
    )


def change_vendor(apps: Apps) -> None:
    no = case("vendor").key
    _edit(apps.erp, "a.bakker", "UPDATE vendor SET email = 'orders@vendor.example' WHERE no = %s", no)
    _edit(
        apps.crm,
        "ravi.patel",
        "UPDATE account SET email = 'sales@vendor.example' WHERE account_number = %s",
        no,
    )


def delete_customer(apps: Apps) -> None:
    _edit(apps.erp, "p.maas", "DELETE FROM customer WHERE no = %s", case("gone_erp").key)


def delete_account(apps: Apps) -> None:
    no = case("gone_crm").key
    _edit(
        apps.crm,
        "jane.smith",
        "DELETE FROM account WHERE account_number = %s AND account_type = 'customer'",
        no,
    )


def delete_product(apps: Apps) -> None:
    _edit(apps.crm, "ravi.patel", "DELETE FROM product WHERE product_number = %s", case("gone_item").key)


def sell_in_prague(apps: Apps) -> None:
    _edit(
        apps.crm,
        "sanne.devries",
        "INSERT INTO account (account_type, account_number, name, street, postal_code, city, country, phone, email,"
        " vat_number, currency, credit_limit, payment_terms)"
        " VALUES ('customer', %s, %s, 'Dlouhá 12', '110 00', 'Praha', 'CZ', '+420 555 0100',"
        " 'info@prazske-pekarny.example', 'CZ55500100', %s, 250000, 3) ON CONFLICT DO NOTHING",
        case("rate_erp").key,
        PRAGUE,
        NO_RATE_IN_ERP,
    )


def tidy_up_rights(apps: Apps) -> None:
    """The administrator of the ERP takes a right too many; then a phone number changes in the CRM."""
    with apps.erp.as_admin() as admin:
        admin.execute(
            sql.SQL("REVOKE UPDATE ON salesperson FROM {}").format(sql.Identifier(apps.erp.integration))
        )
    code = case("right").key
    _edit(
        apps.crm, "jane.smith", "UPDATE app_user SET phone = '+47 22 55 01 99' WHERE employee_code = %s", code
    )


def raise_limit(apps: Apps) -> None:
    no = case("lock").key
    _edit(
        apps.erp,
        "finance.night.run",
        "UPDATE customer SET credit_limit = credit_limit + 2500 WHERE no = %s",
        no,
    )


ACTS: Final[dict[str, Callable[[Apps], None]]] = {
    "phone": change_phone,
    "address": move,
    "name": rename,
    "vendor": change_vendor,
    "gone_erp": delete_customer,
    "gone_crm": delete_account,
    "gone_item": delete_product,
    "rate_erp": sell_in_prague,
    "right": tidy_up_rights,
    "lock": raise_limit,
}


def coupled(cases: Iterable[Case]) -> bool:
    """Whether the records of these cases are coupled."""
    keys: dict[str, set[str]] = {}
    for each in cases:
        if each.name != "rate_erp":  # a record that is not there yet
            keys.setdefault(each.mapping, set()).add(each.key)
    for mapping, wanted in keys.items():
        pairs = Coupling.objects.live().paired().filter(mapping__name=mapping, agreed_at__isnull=False)
        if wanted - set(pairs.filter(left_key__in=wanted).values_list("left_key", flat=True)):
            return False
    return True


def play(
    apps: Apps,
    say: Say,
    *,
    patience: float = 600,
    hold: float = HOLD_SECONDS,
    pause: Pause = time.sleep,
    met: Callable[[], object] = lambda: None,
) -> bool:
    """Wait for the first synchronization, then do everything that was not done yet.

    Args:
        patience: longest wait in seconds; False where the records were not coupled by then.
        hold: longest time in seconds for which the CRM keeps one account open.
        pause: waits that many seconds; what goes on meanwhile is not our business.
        met: called when everything is done and only the open account is still open: now the jobs may come.
    """
    todo = [each for each in of_act(2) if each.name not in _done(apps)]
    if not todo:
        return True
    until = time.monotonic() + patience
    while not coupled(todo):
        if time.monotonic() > until:
            say("The records are not coupled yet; nothing was edited.")
            return False
        pause(0.5)
    with contextlib.ExitStack() as open_sessions:
        lock = case("lock")
        if lock in todo:
            open_sessions.enter_context(_open_in_crm(apps, lock))
        for each in todo:
            try:
                ACTS[each.name](apps)
            except LookupError:
                say(f"{each.mapping} {each.key}: done before, or not there any more.")
            else:
                say(f"{each.mapping} {each.key}: {each.why}")
            if each is not lock:
                _remember(apps, each.name)
        met()
        if lock in todo:
            say(f"{lock.key} is open in the CRM until a job has met it.")
            _wait_for_lock(lock, hold, pause)
            _remember(apps, lock.name)
    return True


@contextlib.contextmanager
def _open_in_crm(apps: Apps, lock: Case) -> Any:
    """A person has the account open: the CRM locks its row until he leaves without saving."""
    with apps.crm.as_role(apps.crm.people) as session:
        session.execute("SELECT set_config('app.user', 'ola.larsen', false)")
        session.execute(
            "SELECT FROM account WHERE account_number = %s AND account_type = 'customer' FOR UPDATE",
            [lock.key],
        )
        try:
            yield session
        finally:
            session.rollback()


def _wait_for_lock(lock: Case, hold: float, pause: Pause) -> None:
    until = time.monotonic() + hold
    while time.monotonic() < until:
        if Problem.objects.of_records().filter(code=lock.code, coupling__left_key=lock.key).exists():
            return
        pause(0.5)


def _done(apps: Apps) -> set[str]:
    with apps.erp.as_admin() as admin:
        admin.execute("CREATE SCHEMA IF NOT EXISTS demo")
        admin.execute(
            "CREATE TABLE IF NOT EXISTS demo.act (name text PRIMARY KEY, at timestamptz DEFAULT now())"
        )
        return {row[0] for row in admin.execute("SELECT name FROM demo.act")}


def _remember(apps: Apps, name: str) -> None:
    with apps.erp.as_admin() as admin:
        admin.execute("INSERT INTO demo.act (name) VALUES (%s) ON CONFLICT DO NOTHING", [name])
