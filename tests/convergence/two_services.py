"""Business Central ⇄ Dataverse, set up by the standard, worked by jobs as workers do, with people and trouble on both sides.

Both apps are the test servers of ``tests.odata``; everything of Tandem is real. Records are addressed by the number that
people know (``number`` and ``accountnumber``).
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from redis import Redis

from synccore import jobs, services
from synccore.models import Coupling, Problem, SynchJob, TableMapping
from synccore.services import setup
from synccore.services.catalogue import start_describe
from synccore.services.standard import use_standard
from tests.factories import make_connection, make_integration, make_user
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.standard_business_central import LOCAL_CURRENCY
from tests.odata.standard_dataverse import PEOPLE

JANE: Final = next(iter(PEOPLE))
ALL: Final = (
    "salespeople",
    "currencies",
    "unit-groups",
    "units",
    "customers",
    "vendors",
    "contacts",
    "items",
)
CURRENCIES: Final = {"USD": "US Dollar", "GBP": "Pound Sterling"}
UNITS: Final = {"PCS": "Piece", "BOX": "Box"}


def guid(kind: int, n: int) -> str:
    """An id of Business Central that says what it is of."""
    return str(UUID(int=(kind << 64) + n + (4 << 76)))


class TwoServices:
    """Both apps, filled, and the standard mappings between them. ``close`` it."""

    _browser: Client | None = None

    def __init__(self, *, customers: int, vendors: int = 0, contacts: int = 0, items: int = 0) -> None:
        self.bc = BusinessCentralServer().start()
        self.dv = DataverseServer().start()
        self._fill(customers, vendors, contacts, items)
        self.user = make_user("Administrator")
        self.integration = make_integration(self._business_central(), self._dataverse())
        start_describe([self.integration.left, self.integration.right], user=self.user)
        self.work()
        made = use_standard(
            self.integration, user=self.user, chosen=ALL, currency=LOCAL_CURRENCY, switch_on=True
        )
        assert not made.off, made.off
        self.mappings: dict[str, TableMapping] = {each.name: each for each in setup.order_of(made.made)}

    def _business_central(self) -> Any:
        return make_connection(
            "Business Central",
            kind="business_central",
            options={
                "address": self.bc.address,
                "tenant": self.bc.tenant,
                "environment": self.bc.environment,
                "company": self.bc.company,
                "client_id": self.bc.client_id,
                "token_address": self.bc.token_url,
            },
            secrets={"client_secret": self.bc.client_secret},
        )

    def _dataverse(self) -> Any:
        return make_connection(
            "Dynamics 365 Sales",
            kind="dataverse",
            options={
                "address": self.dv.url,
                "tenant": self.dv.tenant,
                "client_id": self.dv.client_id,
                "token_address": self.dv.token_url,
            },
            secrets={"client_secret": self.dv.client_secret},
        )

    def close(self) -> None:
        for server in (self.bc, self.dv):
            server.close()
            assert not server.crashes, server.crashes[0]

    # -- what the apps hold before Tandem comes -----------------------------------------------------------------------

    def _fill(self, customers: int, vendors: int, contacts: int, items: int) -> None:
        bc = self.bc
        for n, (code, name) in enumerate(CURRENCIES.items()):
            bc.put("currencies", guid(1, n), {"code": code, "displayName": name, "symbol": "¤"})
        for n, (code, name) in enumerate(UNITS.items()):
            bc.put("unitsOfMeasure", guid(2, n), {"code": code, "displayName": name})
        bc.put(
            "salespeoplePurchasers",
            guid(3, 0),
            {"code": "JS", "displayName": "Jane", "email": "jane.smith@contoso.com"},
        )
        for n in range(customers):
            bc.put("customers", guid(4, n), self._customer(n))
        for n in range(vendors):
            bc.put("vendors", guid(5, n), {**_company("V", n), "currencyCode": LOCAL_CURRENCY})
        for n in range(contacts):
            named = {"number": f"CT{n:05}", "displayName": f"Anna Berg {n}", "type": "Person"}
            bc.put("contacts", guid(6, n), {**named, "jobTitle": "Buyer", "email": f"anna{n}@example.org"})
        for n in range(items):
            bc.put(
                "items",
                guid(7, n),
                {
                    "number": f"I{n:05}",
                    "displayName": f"Bolt {n}",
                    "unitPrice": Decimal(n) + Decimal("0.25"),
                    "baseUnitOfMeasureId": guid(2, n % 2),
                    "baseUnitOfMeasureCode": list(UNITS)[n % 2],
                },
            )

    def _customer(self, n: int) -> dict[str, Any]:
        dollars = n % 10 == 3
        return {
            **_company("C", n),
            "creditLimit": Decimal(n * 100) + Decimal("0.50"),
            "currencyId": guid(1, 0) if dollars else None,
            "currencyCode": "USD" if dollars else LOCAL_CURRENCY,
            "salespersonCode": "JS" if n % 7 == 0 else "",
        }

    # -- people in the apps -----------------------------------------------------------------------------------------------

    def customers(self) -> dict[str, dict[str, Any]]:
        return {row["number"]: row for row in self.bc.rows("customers").values()}

    def accounts(self) -> dict[str, dict[str, Any]]:
        rows = self.dv.rows("accounts").values()
        return {row["accountnumber"]: row for row in rows if row["customertypecode"] == 3}

    def edit_customers(self, numbers: range, **fields: Any) -> None:
        """Many at once: values may hold ``{n}``."""
        for n in numbers:
            told = {
                name: value.format(n=n) if isinstance(value, str) else value for name, value in fields.items()
            }
            self.bc.put("customers", guid(4, n), told)

    def edit_accounts(self, numbers: range, **fields: Any) -> None:
        ids = {row["accountnumber"]: id for id, row in self.dv.rows("accounts").items()}
        for n in numbers:
            told = {
                name: value.format(n=n) if isinstance(value, str) else value for name, value in fields.items()
            }
            self.dv.put("accounts", ids[_number("C", n)], told)

    def new_customer(self, n: int) -> None:
        self.bc.put("customers", guid(4, n), self._customer(n))

    def new_account(self, n: int, **fields: Any) -> None:
        """A person in Dynamics 365 enters a customer, with a number of his own."""
        told = {"accountnumber": _number("A", n), "name": f"Prospect {n}", "customertypecode": 3, **fields}
        self.dv.put("accounts", str(uuid4()), told, by=JANE)

    def currency_here(self, code: str) -> None:
        """A person in Business Central enters a currency of Dynamics 365."""
        self.bc.put("currencies", str(uuid4()), {"code": code, "displayName": code})

    def new_currency(self, code: str) -> str:
        """Dataverse alone knows it."""
        id = str(uuid4())
        rate = {"exchangerate": Decimal(2), "currencyprecision": 2, "currencysymbol": "¤"}
        self.dv.put("transactioncurrencies", id, {"isocurrencycode": code, "currencyname": code, **rate})
        return id

    def remove_customers(self, numbers: range) -> None:
        for n in numbers:
            self.bc.remove("customers", guid(4, n))

    def remove_accounts(self, numbers: range) -> None:
        ids = {row["accountnumber"]: id for id, row in self.dv.rows("accounts").items()}
        for n in numbers:
            self.dv.remove("accounts", ids[_number("C", n)])

    # -- jobs -------------------------------------------------------------------------------------------------------------

    def work(self, limit: int = 100) -> list[SynchJob]:
        """Work the queue as a worker does, until nothing is left that may start."""
        done: list[SynchJob] = []
        while (job := jobs.startable().first()) is not None:
            ended = jobs.run(job.pk)
            assert ended is not None
            done.append(ended)
            assert len(done) <= limit, "the queue never empties"
        return done

    def run(self, name: str = "Customers", scope: str = "changes") -> SynchJob:
        """One synchronisation of a mapping, and whatever it leaves in the queue."""
        mapping = TableMapping.objects.get(pk=self.mappings[name].pk)
        job = jobs.enqueue(verb="synchronise", scope=scope, mapping=mapping)
        self.work()
        return SynchJob.objects.get(pk=job.pk)

    def time_passes(self) -> None:
        """Every next attempt has come, and the next look at a service that was away."""
        redis = Redis.from_url(settings.REDIS_URL)
        for key in redis.scan_iter("tandem:odata:*:probe"):
            redis.delete(key)
        redis.close()
        past = timezone.now() - timedelta(seconds=1)
        Problem.objects.exclude(next_attempt=None).update(next_attempt=past)

    # -- what people see -----------------------------------------------------------------------------------------------

    def page(self, name: str) -> dict[str, int]:
        """A list of errors as an administrator opens it: its tabs, those that are not empty."""
        if self._browser is None:
            self._browser = Client()
            self._browser.force_login(self.user)
        answer = self._browser.get(reverse(f"coupling:{name}"))
        assert answer.status_code == 200
        return {each.tab.name: each.count.n for each in answer.context["tabs"] if each.count and each.count.n}

    def banners(self) -> list[str]:
        """What the page of errors says above its list: codes of set-up problems."""
        return [each.code for each in Problem.objects.of_setup().open()]

    def codes(self, name: str = "Customers") -> Counter[tuple[str, str]]:
        """Open problems of records: (state, code)."""
        found = Problem.objects.of_records().open().filter(mapping=self.mappings[name])
        return Counter(found.values_list("state", "code"))

    def couplings(self, name: str = "Customers") -> Any:
        return Coupling.objects.live().paired().filter(mapping=self.mappings[name])

    def decide(self, verb: str, code: str, **options: Any) -> int:
        """Press a button on every record with an open problem of this code; the job runs. Gives how many there were."""
        ids = Problem.objects.of_records().open().filter(code=code).values_list("coupling", flat=True)
        chosen = Coupling.objects.filter(pk__in=list(ids))
        n = chosen.count()
        if verb == "retry":
            services.retry(chosen, user=self.user)
        else:
            services.start_bulk(verb, chosen, user=self.user, options=options)
        self.work()
        return n

    def differences(self) -> list[tuple[str, str, Any, Any]]:
        """Where a coupled customer and its account do not say the same: (number, field, customer's, account's)."""
        customers, accounts = self.bc.rows("customers"), self.dv.rows("accounts")
        found = []
        for left, right in self.couplings().values_list("left_id", "right_id"):
            if left not in customers or right not in accounts:
                continue  # its problem says so
            customer, account = customers[left], accounts[right]
            for ours, theirs in SAME.items():
                one, other = customer[ours] or None, account[theirs] or None
                if one != other:
                    found.append((customer["number"], ours, one, other))
        return found


#: Fields that hold the same in both apps at the end, customer → account.
SAME: Final = {
    "number": "accountnumber",
    "displayName": "name",
    "addressLine1": "address1_line1",
    "postalCode": "address1_postalcode",
    "city": "address1_city",
    "country": "address1_country",
    "phoneNumber": "telephone1",
    "email": "emailaddress1",
    "website": "websiteurl",
    "creditLimit": "creditlimit",
}


def _number(prefix: str, n: int) -> str:
    return f"{prefix}{n:05}"


def _company(prefix: str, n: int) -> dict[str, Any]:
    return {
        "number": _number(prefix, n),
        "displayName": f"Firm {prefix}{n} & Zonen",
        "addressLine1": f"Kade {n}",
        "postalCode": f"{1000 + n % 9000} AB",
        "city": "Zoetermeer",
        "country": "NL",
        "phoneNumber": f"+31 {n:08}",
        "email": f"info@firm{n}.example",
        "website": f"https://firm{n}.example",
    }
