"""The records of the demo on which something goes wrong, and why. Read by the seeding, the people, tests and docs.

Act one stands in the data of the first start: the first full synchronization runs into it. Act two needs pairs that are
coupled already: ``tandem.demo.people`` edits both apps when they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from tandem.demo.sample import NO_RATE_IN_CRM, NO_RATE_IN_ERP, Data, Maker, slug


@dataclass(frozen=True)
class Case:
    """One fault: what stands where, and what Tandem must say about it in the end.

    ``key``: the number people know, on ``side`` ("left" is the ERP). ``state``: the problem's state once its tries are
    used up; "" for what heals by itself. ``setup``: the problem is the mapping's, not a record's.
    """

    name: str
    mapping: str
    side: str
    key: str
    code: str
    state: str
    act: int
    why: str
    setup: bool = False


LONG_NAME: Final = "Stichting tot Behoud en Bevordering van de Ambachtelijke Kaasmakerij in het Groene Hart"
LONG_UNIT: Final = "Europallet 80 × 120 cm, chemisch behandeld"
PRAGUE: Final = "Pražské pekárny s.r.o."
TWIN: Final = "C10042"

CASES: Final = (
    Case("long", "Customers", "left", "C20001", "value_too_long", "skipped", 1,
         "The name has 87 characters; the CRM's field holds 80."),
    Case("precise", "Customers", "left", "C20002", "number_too_precise", "skipped", 1,
         "The credit limit is 12500.125; the CRM keeps two decimals."),
    Case("check", "Customers", "left", "C20003", "check_refused", "skipped", 1,
         "The phone number is 'vraag naar Anja'; a CHECK of the CRM refuses it."),
    Case("duplicate", "Customers", "left", "C20004", "duplicate_key", "skipped", 1,
         f"It has the VAT number of {TWIN}; the CRM takes each only once."),
    Case("rate_crm", "Customers", "left", "C20005", "precondition_missing", "waiting", 1,
         f"Its currency {NO_RATE_IN_CRM} has no exchange rate in the CRM."),
    Case("currency", "Customers", "left", "C20006", "reference_not_coupled", "skipped", 1,
         "Its currency DEM is discontinued, so outside the filter of Currencies: nothing will couple it."),
    Case("unit", "Units of measure", "left", "EUROPAL", "value_too_long", "skipped", 1,
         "Its description has 42 characters; the CRM's field holds 30."),
    Case("item", "Items", "left", "70001", "reference_not_coupled", "waiting", 1,
         "It waits for its unit EUROPAL."),
    Case("price", "Items", "left", "70002", "number_too_precise", "skipped", 1,
         "The price is 0.12345; the CRM keeps two decimals."),
    Case("contact", "Contacts", "left", "CT20001", "reference_not_coupled", "waiting", 1,
         "Anja Kaasmaker waits for her customer C20001."),
    Case("phone", "Customers", "left", "C20011", "update_conflict", "skipped", 2,
         "The phone number was changed in both apps."),
    Case("address", "Customers", "left", "C20012", "update_conflict", "skipped", 2,
         "The street was changed in the ERP, the city in the CRM: an address is chosen as a whole."),
    Case("name", "Customers", "left", "C20013", "update_conflict", "skipped", 2,
         "The name was changed in both apps, and holds markup."),
    Case("vendor", "Vendors", "left", "V40007", "update_conflict", "skipped", 2,
         "The e-mail address was changed in both apps."),
    Case("gone_erp", "Customers", "left", "C20014", "deleted_left", "skipped", 2,
         "It was deleted in the ERP."),
    Case("gone_crm", "Customers", "left", "C20015", "deleted_right", "skipped", 2,
         "It was deleted in the CRM."),
    Case("gone_item", "Items", "left", "70003", "deleted_right", "skipped", 2,
         "The product was deleted in the CRM."),
    Case("rate_erp", "Customers", "right", "P1001", "exchange_rate_missing", "waiting", 2,
         f"{PRAGUE}, a new account of the CRM: its currency {NO_RATE_IN_ERP} has no exchange rate in the ERP."),
    Case("right", "Salespeople", "right", "IHANSEN", "missing_privilege", "retrying", 2,
         "Tandem's user lost UPDATE on salesperson in the ERP.", setup=True),
    Case("lock", "Customers", "left", "C20016", "lock_timeout", "", 2,
         "Somebody had the account open in the CRM while it was to be written; the retry heals it."),
)  # fmt: skip


def case(name: str) -> Case:
    return next(each for each in CASES if each.name == name)


def add_to(data: Data, maker: Maker) -> None:
    """Put the records of all cases into the data of the first start (act two's as yet without anything wrong)."""
    customers: dict[str, dict[str, Any]] = {
        "C20001": {"name": LONG_NAME},
        "C20002": {"name": "Yates & Carr Ltd", "credit_limit": Decimal("12500.1250")},
        "C20003": {"name": "Kuipers Vloeren B.V.", "phone": "vraag naar Anja"},
        "C20004": {
            "name": "Green & Smith Holding",
            "vat_no": next(row["vat_no"] for row in data.customers if row["no"] == TWIN),
        },
        "C20005": {"name": "Rønning Sjømat AS", "currency_code": NO_RATE_IN_CRM},
        "C20006": {"name": "Larsen & Jacobsen Antikk", "currency_code": "DEM"},
        "C20011": {"name": "De Vries & Dochters", "phone": "+31 20 555 0111"},
        "C20012": {
            "name": "Drukkerij De Punt",
            "address": "Kerkstraat 1",
            "post_code": "1234 AB",
            "city": "Ons Dorp",
            "country_code": "NL",
        },
        "C20013": {"name": "Kaas & Zn"},
        "C20014": {"name": "Bakkerij Het Laatste Brood"},
        "C20015": {"name": "Nordlys Fisk AS"},
        "C20016": {"name": "Smith & Co. Hardware"},
    }
    # Saved last, so that every other record is there when these are read.
    saved = {"modified_at": maker.now - timedelta(minutes=30), "modified_by": "p.maas"}
    usual = {"currency_code": "EUR", "salesperson_code": "PMAAS", "credit_limit": Decimal(5000), **saved}
    by_no = {}
    for no, given in customers.items():
        row = maker.customer(len(data.customers) + 1, no, **usual) | given
        row["email"] = f"info@{slug(row['name'])}.example"
        data.customers.append(row)
        by_no[no] = row
    anja = maker.contact("CT20001", by_no["C20001"])
    data.contacts.append(anja | {"first_name": "Anja", "last_name": "Kaasmaker", **saved})
    data.units.append({"code": "EUROPAL", "description": LONG_UNIT, **saved})
    price = Decimal("0.12345")
    data.items += [
        maker.item("70001", description="Pallet exchange, chemically treated", base_unit="EUROPAL", **saved),
        maker.item("70002", description="Staple, single", base_unit="PCS", unit_price=price, **saved),
        maker.item("70003", description="Fax machine", base_unit="PCS", **saved),
    ]


def of_act(act: int) -> Iterator[Case]:
    return (each for each in CASES if each.act == act)
