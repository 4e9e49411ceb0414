"""The sample data as rows of the two online apps: the companies, people and goods of ``tandem.demo.sample``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from tandem.demo.sample import (
    CURRENCIES,
    NO_RATE_IN_CRM,
    NO_RATE_IN_ERP,
    RATES,
    SALESPEOPLE,
    SEED,
    UNITS,
    Data,
    Maker,
    make,
)

#: Business Central's own currency: it has no row for it, and leaves the field of a customer empty.
LOCAL: Final = "EUR"
BLANK: Final = "00000000-0000-0000-0000-000000000000"
#: Set, key, fields, when it was saved, by whom.
Line = tuple[str, str, dict[str, Any], datetime, str]

#: Customers on whom something goes wrong (``cases``): number → what is special.
SPECIAL: Final[dict[str, dict[str, Any]]] = {
    "C20001": {"name": "Stichting Groene Hart", "website": "https://groene-hart.example/" + "kaas/" * 40},
    "C20005": {"name": "Rønning Sjømat AS", "currency_code": NO_RATE_IN_CRM},
    "C20011": {"name": "De Vries & Dochters", "phone": "+31 20 555 0111"},
    "C20012": {
        "name": "Drukkerij De Punt", "address": "Kerkstraat 1", "post_code": "1234 AB", "city": "Ons Dorp",
        "country_code": "NL",
    },
    "C20013": {"name": "Kaas & Zn"},
    "C20014": {"name": "Bakkerij Het Laatste Brood"},
    "C20015": {"name": "Nordlys Fisk AS"},
}  # fmt: skip


def data(now: datetime, seed: int = SEED) -> Data:
    """All records of the first start, those of the cases included."""
    found = make(now, seed)
    maker = Maker(now, seed + 1)
    usual = {"currency_code": LOCAL, "salesperson_code": "PMAAS", "credit_limit": Decimal(5000)}
    for no, given in SPECIAL.items():
        row = maker.customer(len(found.customers) + 1, no, **usual) | given
        row["email"] = f"info@{no.lower()}.example"
        found.customers.append(row)
    found.items += [
        maker.item(
            "70001", description="Pallet exchange, without a unit", base_unit="", unit_price=Decimal("9.95")
        ),
        maker.item("70003", description="Fax machine", base_unit="PCS"),
    ]
    return found


def id_of(name: str, key: str) -> str:
    """The id of a seeded record: the same at every first start."""
    return str(uuid5(NAMESPACE_URL, f"{name}/{key}"))


def rows(kind: str, seed: int = SEED, now: datetime | None = None) -> Iterator[Line]:
    """What stands in an app at the first start, in any order. ``kind``: business_central or dataverse."""
    found = data(now or datetime.now(UTC).replace(microsecond=0), seed)
    return _business_central(found) if kind == "business_central" else _dataverse(found)


def _line(name: str, key: str, fields: dict[str, Any], row: Mapping[str, Any]) -> Line:
    return name, id_of(name, key), fields, row["modified_at"], row["modified_by"]


# -- Business Central --------------------------------------------------------------------------------------------------


def _business_central(found: Data) -> Iterator[Line]:
    saved = {"modified_at": found.units[0]["modified_at"], "modified_by": "p.maas"}
    codes = [code for code in CURRENCIES if code not in (LOCAL, NO_RATE_IN_ERP)]
    for code in codes:
        name, symbol = CURRENCIES[code]
        fields = {"code": code, "displayName": name, "symbol": symbol, "amountDecimalPlaces": "2:2"}
        yield _line("currencies", code, fields, saved)
        rate = {
            "currencyCode": code, "startingDate": "2025-01-01", "exchangeRateAmount": Decimal(RATES[code]),
            "relationalExchangeRateAmount": Decimal(1),
        }  # fmt: skip
        yield _line("currencyExchangeRates", code, rate, saved)
    for code, name in UNITS.items():
        yield _line("unitsOfMeasure", code, {"code": code, "displayName": name}, saved)
    for person in SALESPEOPLE:
        fields = {
            "code": person["code"], "displayName": person["name"], "email": person["email"], "phoneNo": person["phone"],
        }  # fmt: skip
        yield _line("salespeoplePurchasers", person["code"], fields, saved)
    for row in found.customers:
        yield _line("customers", row["no"], _customer(row), row)
    for row in found.vendors:
        fields = {**_party(row), **_currency(row["currency_code"]), "blocked": " "}
        yield _line("vendors", row["no"], fields, row)
    numbers = {row["id"]: row for row in found.customers}
    for row in found.contacts:
        yield _line("contacts", row["no"], _contact(row, numbers[row["customer_id"]]), row)
    for row in found.items:
        yield _line("items", row["no"], _item(row), row)


def _party(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": row["no"],
        "displayName": row["name"][:100],
        "addressLine1": (row["address"] or "")[:100],
        "city": (row["city"] or "")[:30],
        "postalCode": (row["post_code"] or "").upper()[:20],
        "country": row["country_code"] or "",
        "phoneNumber": (row["phone"] or "")[:30],
        "email": (row["email"] or "")[:80],
        "website": row.get("website", ""),
        "taxRegistrationNumber": row["vat_no"] or "",
    }


def _currency(code: str) -> dict[str, Any]:
    return {"currencyCode": code, "currencyId": BLANK if code == LOCAL else id_of("currencies", code)}


def _customer(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_party(row),
        **_currency(row["currency_code"]),
        "type": "Company",
        "salespersonCode": row["salesperson_code"] or "",
        "creditLimit": row["credit_limit"],
        "blocked": "All" if row["blocked"] else " ",
    }


def _contact(row: Mapping[str, Any], customer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": row["no"],
        "type": "Person",
        "displayName": f"{row['first_name']} {row['last_name']}"[:50],
        "jobTitle": row["job_title"][:30],
        "companyName": customer["name"][:100],
        "email": row["email"],
        "mobilePhoneNumber": row["mobile"],
    }


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    unit = row["base_unit"]
    return {
        "number": row["no"],
        "displayName": row["description"],
        "type": "Inventory",
        "blocked": row["discontinued"],
        "unitPrice": row["unit_price"],
        "unitCost": (row["unit_price"] / 2).quantize(Decimal("0.001")),
        "baseUnitOfMeasureCode": unit,
        "baseUnitOfMeasureId": id_of("unitsOfMeasure", unit) if unit else BLANK,
    }


# -- Dataverse ---------------------------------------------------------------------------------------------------------

#: What a new environment has already (``tests.odata.standard_dataverse``).
_THERE_ALREADY: Final = ("EUR", "USD")


def _dataverse(found: Data) -> Iterator[Line]:
    saved = {"modified_at": found.units[0]["modified_at"], "modified_by": user_of("jane.smith")}
    for code, (name, symbol) in CURRENCIES.items():
        if code in (*_THERE_ALREADY, NO_RATE_IN_CRM):
            continue
        fields = {
            "isocurrencycode": code, "currencyname": name, "currencysymbol": symbol, "currencyprecision": 2,
            "exchangerate": Decimal(RATES[code]),
        }  # fmt: skip
        yield _line("transactioncurrencies", code, fields, saved)
    for person in SALESPEOPLE:
        first, _, last = person["name"].partition(" ")
        fields = {
            "firstname": first, "lastname": last, "fullname": person["name"], "domainname": person["email"],
            "internalemailaddress": person["email"], "mobilephone": person["phone"], "accessmode": 0,
        }  # fmt: skip
        yield _line("systemusers", person["code"], fields, saved)


#: Who works in Dataverse, by the name he signs in with.
USERS: Final = {
    "jane.smith": "JSMITH",
    "ola.larsen": "OLARSEN",
    "sanne.devries": "SDEVRIES",
    "ravi.patel": "RPATEL",
}


def user_of(person: str) -> str:
    """The id of that user of Dataverse."""
    return id_of("systemusers", USERS[person])
