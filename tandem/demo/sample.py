"""The sample data: pure functions of a seed. The same seed gives the same companies, people and goods."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from faker import Faker

SEED: Final = 20260
CUSTOMERS, CONTACTS, ITEMS, VENDORS, BLOCKED = 2_000, 1_500, 600, 300, 25

CURRENCIES: Final = {
    "EUR": ("Euro", "€"),
    "USD": ("US dollar", "$"),
    "GBP": ("Pound sterling", "£"),
    "NOK": ("Norwegian krone", "kr"),
    "SEK": ("Swedish krona", "kr"),
    "DKK": ("Danish krone", "kr"),
    "CHF": ("Swiss franc", "CHF"),
    "PLN": ("Polish złoty", "zł"),
    "CZK": ("Czech koruna", "Kč"),
    "ISK": ("Icelandic króna", "kr"),
}
#: Only in the ERP, for old documents; outside the mapping's filter.
DISCONTINUED: Final = {"DEM": "Deutsche Mark", "NLG": "Dutch guilder"}
RATES: Final = {
    "USD": "1.081", "GBP": "0.852", "NOK": "11.64", "SEK": "11.21", "DKK": "7.459", "CHF": "0.961", "PLN": "4.312",
    "CZK": "25.27", "ISK": "149.5",
}  # fmt: skip
#: Nobody entered these: the faults of the exchange rates come from here.
NO_RATE_IN_ERP, NO_RATE_IN_CRM = "CZK", "ISK"

UNITS: Final = {
    "PCS": "Piece", "BOX": "Box", "SET": "Set", "KG": "Kilogram", "L": "Litre", "M": "Metre", "PAL": "Pallet",
    "HOUR": "Hour",
}  # fmt: skip
TERMS: Final = ("COD", "NET14", "NET30", "NET60")

LOCALES: Final = {"GB": "en_GB", "NL": "nl_NL", "NO": "no_NO"}
HOME: Final = {"GB": "GBP", "NL": "EUR", "NO": "NOK"}
LANGUAGE: Final = {"GB": "ENU", "NL": "NLD", "NO": "NOR"}
VAT: Final = {"GB": "GB{:09d}", "NL": "NL{:09d}B01", "NO": "NO{:09d}MVA"}

#: Names that a page, a filter or an export must carry unharmed.
ODD_NAMES: Final = (
    "<b>Kaas & Zn</b>",
    'O\'Brien "The Baker" & Sons Ltd.',
    "شركة النور للتجارة",
    "Ærøskøbing Bådebyggeri; Æ, Ø & Å ApS",
    '=HYPERLINK("https://example.com","Klik") B.V.',
    "100% Kaas \\ _onder_ B.V.",
    "Łódź Škoda Ġgantija",
    "Café ☕ De Eerste Kop",
)

_GOODS: Final = (
    ("Desk", "Chair", "Lamp", "Cabinet", "Shelf", "Table", "Screen", "Crate", "Trolley", "Bench"),
    ("oak", "birch", "steel", "walnut", "white", "black", "recycled", "folding", "mobile", "heavy duty"),
    ("60 cm", "80 cm", "120 cm", "160 cm", "with wheels", "with lock", "outdoor", "spare part", "kit", "XL"),
)


@dataclass
class Data:
    """Rows of the ERP's and the CRM's tables at the start, each a dict by column."""

    currencies: list[dict[str, Any]] = field(default_factory=list)
    units: list[dict[str, Any]] = field(default_factory=list)
    salespeople: list[dict[str, Any]] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    contacts: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    vendors: list[dict[str, Any]] = field(default_factory=list)


def slug(text: str) -> str:
    """A text as it may stand in an e-mail address."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("ø", "o").replace("æ", "ae"))
    return re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode()).strip("-")[:40] or "office"


class Maker:
    """Makes rows from one random source; the order of calls is part of the result."""

    def __init__(self, now: datetime, seed: int = SEED) -> None:
        self.now = now
        self.random = random.Random(seed)
        self.fakers: dict[str, Faker] = {}
        for position, (country, locale) in enumerate(LOCALES.items()):
            self.fakers[country] = Faker(locale)
            self.fakers[country].seed_instance(seed + position)

    def country(self) -> str:
        return self.random.choices(("NL", "NO", "GB"), (45, 30, 25))[0]

    def saved(self) -> dict[str, Any]:
        """When and by whom: some time in the last two years."""
        return {
            "modified_at": self.now - timedelta(seconds=self.random.randrange(3600, 700 * 86_400)),
            "modified_by": self.random.choice(ERP_PEOPLE),
        }

    def uuid(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def dutch_company(self) -> str:
        """Faker's own Dutch companies are partly real ones."""
        last = self.fakers["NL"].last_name
        match self.random.randrange(6):
            case 0:
                return f"{last()} & {last()}"
            case 1:
                return f"{last()} en Zonen"
            case 2:
                return f"Gebroeders {last()}"
            case 3:
                return f"Stichting {last()}"
            case 4:
                return f"{last()}-{last()} N.V."
            case _:
                return f"{last()} {self.random.choice(('Groep', 'Handel', 'Techniek', 'Bouw'))} B.V."

    def company(self, country: str, number: int) -> dict[str, Any]:
        """Name, address and VAT number of a company; ``number`` makes the VAT number unique."""
        faker = self.fakers[country]
        name = (self.dutch_company() if country == "NL" else faker.company())[:80]
        return {
            "name": name,
            "address": faker.street_address().replace("\n", ", ")[:100],
            "post_code": faker.postcode(),
            "city": faker.city()[:60],
            "country_code": country,
            "phone": faker.phone_number(),
            "email": f"info@{slug(name)}.example",
            "vat_no": VAT[country].format(100_000_000 + number * 97),
        }

    @cached_property
    def codes(self) -> list[str]:
        return [person["code"] for person in SALESPEOPLE]

    def customer(self, id: int, no: str, **given: Any) -> dict[str, Any]:
        country = self.country()
        row = {
            "id": id,
            "no": no,
            **self.company(country, id),
            "address_2": None,
            "currency_code": HOME[country]
            if self.random.random() < 0.8
            else self.random.choice(SAFE_CURRENCIES),
            "credit_limit": Decimal(self.random.randrange(0, 100) * 500),
            "payment_terms": self.random.choice(TERMS),
            "salesperson_code": self.random.choice(self.codes) if self.random.random() < 0.9 else None,
            "blocked": False,
            **self.saved(),
        }
        return row | given

    def contact(self, no: str, customer: dict[str, Any]) -> dict[str, Any]:
        country = customer["country_code"] or "NL"
        faker = self.fakers[country]
        first, last = faker.first_name(), faker.last_name()
        return {
            "id": self.uuid(),
            "no": no,
            "customer_id": customer["id"],
            "first_name": first,
            "last_name": last,
            "job_title": faker.job()[:80],
            "email": f"{slug(first)}.{slug(last)}@{customer['email'].partition('@')[2]}"[:80],
            "mobile": faker.phone_number()[:30],
            "language": LANGUAGE[country],
            **self.saved(),
        }

    def vendor(self, id: int) -> dict[str, Any]:
        country = self.country()
        return {
            "id": id,
            "no": f"V{40_000 + id}",
            **self.company(country, 500_000 + id),
            "iban": f"{country}{self.random.randrange(10, 99)}DEMO{self.random.randrange(10**10):010d}",
            "currency_code": HOME[country],
            **self.saved(),
        }

    def item(self, no: str, **given: Any) -> dict[str, Any]:
        row = {
            "no": no,
            "description": " ".join(self.random.choice(words) for words in _GOODS),
            "base_unit": self.random.choice(("PCS", "PCS", "PCS", "BOX", "SET", "KG", "M", "PAL")),
            "unit_price": Decimal(self.random.randrange(50, 200_000)) / 100,
            "net_weight": Decimal(self.random.randrange(100, 80_000)) / 1000,
            "discontinued": False,
            **self.saved(),
        }
        return row | given


def _person(code: str, name: str) -> dict[str, str]:
    return {
        "code": code,
        "name": name,
        "email": f"{slug(name).replace('-', '.')}@tandem.example",
        "phone": f"+31 20 555 01{len(code) * 7 + len(name):02d}",
    }


SALESPEOPLE: Final = tuple(
    _person(code, name)
    for code, name in (
        ("PMAAS", "Pieter Maas"),
        ("ABAKKER", "Anja Bakker"),
        ("IHANSEN", "Ingrid Hansen"),
        ("OLARSEN", "Ola Larsen"),
        ("JSMITH", "Jane Smith"),
        ("TOBRIEN", "Tom O'Brien"),
        ("SDEVRIES", "Sanne de Vries"),
        ("KNYGAARD", "Kåre Nygård"),
        ("MJANSEN", "Mo Jansen"),
        ("EBERG", "Eva Berg"),
        ("RPATEL", "Ravi Patel"),
        ("LVISSER", "Lotte Visser"),
    )
)
#: Who saves in which app, as "modified by" shows it.
ERP_PEOPLE: Final = ("p.maas", "a.bakker", "i.hansen", "finance.night.run")
CRM_PEOPLE: Final = ("jane.smith", "ola.larsen", "sanne.devries", "ravi.patel")
#: Currencies of ordinary customers: a rate stands in both apps.
SAFE_CURRENCIES: Final = tuple(code for code in CURRENCIES if code not in (NO_RATE_IN_ERP, NO_RATE_IN_CRM))


def make(now: datetime, seed: int = SEED) -> Data:
    """All rows of the first start, without the cases of ``tandem.demo.cases``. ``now``: what *modified at* counts
    back from."""
    maker = Maker(now, seed)
    data = Data()
    for code, (name, symbol) in CURRENCIES.items():
        data.currencies.append(
            {"code": code, "description": name, "symbol": symbol, "discontinued": False, **maker.saved()}
        )
    for code, name in DISCONTINUED.items():
        data.currencies.append(
            {"code": code, "description": name, "symbol": None, "discontinued": True, **maker.saved()}
        )
    data.units = [{"code": code, "description": name, **maker.saved()} for code, name in UNITS.items()]
    data.salespeople = [{**person, **maker.saved()} for person in SALESPEOPLE]
    for number in range(1, CUSTOMERS + 1):
        blocked = number > CUSTOMERS - BLOCKED
        data.customers.append(maker.customer(number, f"C{10_000 + number}", blocked=blocked))
    for name in ODD_NAMES:
        number = len(data.customers) + 1
        odd = maker.customer(number, f"C{10_000 + number}", name=name, email=f"info@{slug(name)}.example")
        data.customers.append(odd)
    open_customers = [row for row in data.customers if not row["blocked"]]
    data.contacts = [
        maker.contact(f"CT{10_000 + number}", maker.random.choice(open_customers))
        for number in range(1, CONTACTS + 1)
    ]
    data.vendors = [maker.vendor(number) for number in range(1, VENDORS + 1)]
    data.items = [maker.item(f"{50_000 + number}") for number in range(1, ITEMS + 1)]
    return data
