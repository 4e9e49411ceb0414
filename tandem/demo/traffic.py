"""Everyday work in both apps: random edits, now and then the same record in both, now and then a deletion.

``plan`` is a pure function of the seed and of the numbers people know, so the same seed does the same work.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from tandem.demo.apps import Apps
from tandem.demo.cases import CASES
from tandem.demo.sample import CRM_PEOPLE, ERP_PEOPLE, TERMS

ERP, CRM = "erp", "crm"


@dataclass(frozen=True)
class Table:
    """A table of one app as people use it: how a record is found, and which of its fields they change."""

    app: str
    name: str
    key: str
    fields: tuple[str, ...]
    where: str = "true"


@dataclass(frozen=True)
class Edit:
    """One saved change of one record; without a field the record is deleted."""

    table: Table
    person: str
    key: str
    field: str = ""
    value: Any = None

    def __str__(self) -> str:
        what = f"{self.field} = {self.value}" if self.field else "deleted"
        return f"{self.table.app} {self.person}: {self.table.name} {self.key} {what}"


CUSTOMER: Final = Table(
    ERP,
    "customer",
    "no",
    ("name", "address", "city", "phone", "email", "credit_limit", "payment_terms"),
    "NOT blocked",
)
ACCOUNT: Final = Table(
    CRM,
    "account",
    "account_number",
    ("name", "street", "city", "phone", "email", "credit_limit", "payment_terms"),
    "account_type = 'customer'",
)
VENDOR: Final = Table(ERP, "vendor", "no", ("name", "city", "phone", "email"))
VENDOR_ACCOUNT: Final = Table(
    CRM, "account", "account_number", ("name", "city", "phone", "email"), "account_type = 'vendor'"
)
ITEM: Final = Table(ERP, "item", "no", ("description", "unit_price", "net_weight"), "NOT discontinued")
USER: Final = Table(CRM, "app_user", "employee_code", ("phone", "email"))
#: Who is edited how often; the second table is the counterpart, where people edit there too.
WORK: Final = ((CUSTOMER, ACCOUNT, 60), (VENDOR, VENDOR_ACCOUNT, 15), (ITEM, None, 20), (USER, None, 5))

_STREETS: Final = ("Kerkstraat", "Dorpsstraat", "Storgata", "Kirkeveien", "High Street", "Station Road")
_CITIES: Final = ("Utrecht", "Zwolle", "Bergen", "Trondheim", "Leeds", "York", "Breda", "Ålesund")

Pools = dict[str, Sequence[str]]


def pools(apps: Apps) -> Pools:
    """The numbers of the records that may be edited, per table of ``WORK``; the demo's own cases are left alone."""
    spared = {each.key for each in CASES}
    found: Pools = {}
    for table, _counterpart, _weight in WORK:
        app = apps.erp if table.app == ERP else apps.crm
        query = sql.SQL("SELECT {} FROM {} WHERE " + table.where + " ORDER BY 1").format(
            sql.Identifier(table.key), sql.Identifier(table.name)
        )
        with app.as_role(app.people) as session:
            found[table.name] = [key for (key,) in session.execute(query) if key not in spared]
    return found


def plan(pools: Pools, *, seed: int, conflicts: float, deletions: float) -> Iterator[list[Edit]]:
    """Work without end: each step is one edit, or the two edits of a conflict.

    Args:
        conflicts, deletions: share of the steps, 0 to 1; only records that people edit in both apps are concerned.
    """
    source = random.Random(seed)
    left = {name: list(keys) for name, keys in pools.items()}
    work = [each for each in WORK if left.get(each[0].name)]
    while work:
        table, counterpart, _weight = source.choices(work, [weight for *_, weight in work])[0]
        keys = left[table.name]
        key = source.choice(keys)
        roll = source.random()
        if counterpart is not None and roll < deletions and len(keys) > 1:
            keys.remove(key)
            gone = source.choice((table, counterpart))
            yield [Edit(gone, _person(source, gone), key)]
        elif counterpart is not None and roll < deletions + conflicts:
            place = source.randrange(len(counterpart.fields))
            names = _matching(table, counterpart)[place]
            yield [
                Edit(each, _person(source, each), key, name, _value(source, name, each.app))
                for each, name in zip((table, counterpart), names, strict=True)
            ]
        else:
            here = source.choice((table, counterpart)) if counterpart is not None else table
            name = source.choice(here.fields)
            yield [Edit(here, _person(source, here), key, name, _value(source, name, here.app))]


def _matching(table: Table, counterpart: Table) -> list[tuple[str, str]]:
    return list(zip(table.fields, counterpart.fields, strict=True))


def _person(source: random.Random, table: Table) -> str:
    return source.choice(ERP_PEOPLE if table.app == ERP else CRM_PEOPLE)


def _value(source: random.Random, field: str, app: str = ERP) -> Any:
    n = source.randrange(100, 10_000)
    match field:
        case "name" | "description":
            return f"{source.choice(('Nieuwe', 'Nye', 'New'))} {source.choice(('Handel', 'Varer', 'Trading'))} {n}"
        case "address" | "street":
            return f"{source.choice(_STREETS)} {n % 300}"
        case "city":
            return source.choice(_CITIES)
        case "phone":
            return f"+31 20 555 {n:04d}"
        case "email":
            return f"office{n}@company.example"
        case "credit_limit":
            return n * 5
        case "payment_terms":
            place = source.randrange(len(TERMS))
            return TERMS[place] if app == ERP else place + 1
        case "unit_price":
            return n / 100
        case _:
            return n / 1000


class Worker:
    """Carries edits out, one session per app for all of them."""

    def __init__(self, apps: Apps) -> None:
        self.sessions = {app.kind: app.as_role(app.people, autocommit=True) for app in apps}
        self.done: Counter[str] = Counter()

    def do(self, edits: list[Edit]) -> None:
        """The edits of one step; what the app refuses (a customer with contacts cannot be deleted) is counted."""
        for edit in edits:
            session = self.sessions[edit.table.app]
            try:
                with session.transaction():
                    session.execute("SELECT set_config('app.user', %s, true)", [edit.person])
                    met = self._run(session, edit)
            except psycopg.errors.IntegrityError:
                self.done["refused"] += 1
            else:
                self.done[("deleted" if not edit.field else "edited") if met else "absent"] += 1
        if len(edits) > 1:
            self.done["in both"] += 1

    def _run(self, session: psycopg.Connection[Any], edit: Edit) -> bool:
        names = {"table": sql.Identifier(edit.table.name), "key": sql.Identifier(edit.table.key)}
        where = "WHERE {key} = %s AND " + edit.table.where
        if edit.field:
            text = "UPDATE {table} SET {field} = %s " + where
            query = sql.SQL(text).format(field=sql.Identifier(edit.field), **names)
            return session.execute(query, [edit.value, edit.key]).rowcount > 0
        query = sql.SQL("DELETE FROM {table} " + where).format(**names)
        return session.execute(query, [edit.key]).rowcount > 0

    def report(self) -> str:
        """What was done since the last report, in words."""
        done, self.done = self.done, Counter()
        return ", ".join(f"{n} {what}" for what, n in sorted(done.items())) or "nothing"

    def close(self) -> None:
        for session in self.sessions.values():
            session.close()
