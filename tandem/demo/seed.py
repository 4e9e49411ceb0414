"""Filling the two apps: most records stand in the ERP only, and Tandem's first jobs carry them over.

Currencies, units and people stand in both, as in apps that were used side by side before: they are coupled by their codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from tandem.demo import cases, databases
from tandem.demo.apps import Apps
from tandem.demo.sample import NO_RATE_IN_CRM, NO_RATE_IN_ERP, RATES, SEED, Data, Maker, make

_SINCE: Final = date(2025, 1, 1)
_ERP: Final = {
    "currency": ("code", "description", "discontinued", "modified_at", "modified_by"),
    "unit_of_measure": ("code", "description", "modified_at", "modified_by"),
    "salesperson": ("code", "name", "email", "phone", "modified_at", "modified_by"),
    "customer": (
        "id", "no", "name", "address", "address_2", "post_code", "city", "country_code", "phone", "email", "vat_no",
        "currency_code", "credit_limit", "payment_terms", "salesperson_code", "blocked", "modified_at", "modified_by",
    ),
    "contact": (
        "id", "no", "customer_id", "first_name", "last_name", "job_title", "email", "mobile", "language", "modified_at",
        "modified_by",
    ),
    "vendor": (
        "id", "no", "name", "address", "post_code", "city", "country_code", "phone", "email", "vat_no", "iban",
        "currency_code", "modified_at", "modified_by",
    ),
    "item": (
        "no", "description", "base_unit", "unit_price", "net_weight", "discontinued", "modified_at", "modified_by",
    ),
}  # fmt: skip


def make_apps(apps: Apps, seed: int = SEED) -> bool:
    """Both apps with their data; True if they are new. Each app's data comes in one transaction with its tables."""
    new = [databases.make(app) for app in apps]
    with apps.erp.as_admin() as erp, apps.crm.as_admin() as crm:
        empty = not _one(erp, "SELECT EXISTS (SELECT FROM customer)")
        if empty:
            now = datetime.now(UTC).replace(microsecond=0)
            data = make(now, seed)
            cases.add_to(data, Maker(now, seed + 1))
            _fill_erp(erp, data)
            _fill_crm(crm, data)
    return any(new) or empty


def _fill_erp(erp: psycopg.Connection[Any], data: Data) -> None:
    rows: dict[str, list[dict[str, Any]]] = {
        "currency": data.currencies,
        "unit_of_measure": data.units,
        "salesperson": data.salespeople,
        "customer": data.customers,
        "contact": data.contacts,
        "vendor": data.vendors,
        "item": data.items,
    }
    for table, columns in _ERP.items():
        _copy(erp, table, columns, rows[table])
    _rates(erp, ("currency_code", "starting_date", "rate"), NO_RATE_IN_ERP)
    for table in ("customer", "vendor"):
        erp.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def _rates(database: psycopg.Connection[Any], columns: tuple[str, str, str], missing: str) -> None:
    rows = [
        dict(zip(columns, (code, _SINCE, rate), strict=True))
        for code, rate in RATES.items()
        if code != missing
    ]
    _copy(database, "exchange_rate", columns, rows)


def _fill_crm(crm: psycopg.Connection[Any], data: Data) -> None:
    stamped = ("modified_on", "modified_by")

    def saved(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"modified_on": row["modified_at"], "modified_by": "crm.import"}

    # Of a first start that was cut: the ERP is committed last, so while it is empty this is all there can be.
    crm.execute("TRUNCATE transaction_currency, exchange_rate, unit, app_user, account, contact, product")
    _copy(
        crm,
        "transaction_currency",
        ("iso_code", "name", "symbol", *stamped),
        [
            {"iso_code": row["code"], "name": row["description"], "symbol": row["symbol"], **saved(row)}
            for row in data.currencies
            if not row["discontinued"]
        ],
    )
    _rates(crm, ("iso_code", "valid_from", "rate"), NO_RATE_IN_CRM)
    _copy(
        crm,
        "unit",
        ("code", "name", *stamped),
        [
            {"code": row["code"], "name": row["description"], **saved(row)}
            for row in data.units
            if row["code"] != cases.case("unit").key
        ],
    )
    _copy(
        crm,
        "app_user",
        ("employee_code", "full_name", "email", "phone", *stamped),
        [
            {
                "employee_code": row["code"],
                "full_name": row["name"],
                "email": row["email"],
                "phone": row["phone"],
                **saved(row),
            }
            for row in data.salespeople
        ],
    )


def _copy(
    database: psycopg.Connection[Any], table: str, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Rows as they are: the app's triggers sleep meanwhile, so that old stamps stay old."""
    name, columns = sql.Identifier(table), tuple(columns)
    database.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(name, sql.SQL(", ").join(map(sql.Identifier, columns)))
    with database.cursor() as cursor, cursor.copy(into) as copy:
        for row in rows:
            copy.write_row([row[column] for column in columns])
    database.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(name))
    database.execute(sql.SQL("ANALYZE {}").format(name))


def _one(database: psycopg.Connection[Any], query: str) -> Any:
    row = database.execute(query).fetchone()
    return row and row[0]
