"""Business Central and Dataverse in step: all customers synchronised, then edits, conflicts, deletions and new records on
both sides, with throttling, outages, lost answers and expired tokens on the way. In the end both apps say the same, and
until then every failure stands on the page where people look for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from synccore.models import SynchJob
from tests.convergence.two_services import JANE, TwoServices
from tests.odata.faults import http_date, reads, writes

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

CUSTOMERS = 5_000
#: What happens to which customer, by the last part of its number.
HERE, THERE = range(0, 300), range(300, 600)  # edited in one app
CLASH, JOINED = range(600, 660), range(660, 700)  # edited in both: one field, two fields
GONE_HERE, GONE_THERE, GONE_BOTH = range(700, 740), range(740, 770), range(770, 780)
TOO_LONG = range(800, 820)
NEW = range(CUSTOMERS, CUSTOMERS + 50)
ACCOUNTS, IN_FRANCS = (
    30,
    5,
)  # new in Dynamics 365, and those of them in a currency that Business Central lacks

#: What waits for people, and on which tab: problems of customers, and the currency without a rate.
WAITING = Counter(
    {
        ("skipped", "update_conflict"): len(CLASH),
        ("skipped", "deleted_left"): len(GONE_HERE),
        ("skipped", "deleted_right"): len(GONE_THERE),
        ("skipped", "value_too_long"): len(TOO_LONG),
        ("skipped", "reference_not_coupled"): IN_FRANCS,
    }
)


@pytest.fixture
def both() -> Iterator[TwoServices]:
    with closing(TwoServices(customers=CUSTOMERS, vendors=200, contacts=300, items=50)) as made:
        yield made


@pytest.mark.timeout(1800)
def test_both_apps_agree_after_everything_that_happens(both: TwoServices) -> None:
    everything_is_synchronised(both)
    a_busy_day(both)
    an_outage_touches_no_record(both)
    a_missing_right_is_one_set_up_problem(both)
    people_decide(both)
    both_agree(both)


def everything_is_synchronised(both: TwoServices) -> None:
    """The first run of each mapping, parents first; the services are busy, forget tokens and lose an answer."""
    for name in both.mappings:
        if name == "Customers":
            both.dv.faults.throttle(2, retry_after=0)
            both.bc.faults.throttle(1)
            both.bc.faults.fail(1, 503, retry_after=http_date(both.bc.service.store.now()))
            both.dv.faults.cut(after=True, when=writes)  # a batch of new accounts: done, and nobody was told
            both.bc.faults.expire_tokens()
            both.dv.faults.expire_tokens()
        both.run(name, "full")
    both.run()
    assert both.bc.faults.left == both.dv.faults.left == 0
    assert {name: both.couplings(name).count() for name in both.mappings} == {
        "Salespeople": 2,
        "Currencies": 1,  # the other one has no rate in Dataverse
        "Unit groups": 2,
        "Units of measure": 2,
        "Customers": CUSTOMERS,
        "Vendors": 200,
        "Contacts": 300,
        "Items": 50,
    }
    assert len(both.accounts()) == CUSTOMERS and len(both.dv.rows("accounts")) == CUSTOMERS + 200
    assert both.differences() == []
    assert both.codes() == Counter()
    assert sum(both.codes("Currencies").values()) == 1
    again = both.run(scope="full")
    assert (again.inserted, again.modified, again.failed, again.waiting) == (0, 0, 0, 0)


def a_busy_day(both: TwoServices) -> None:
    """People work in both apps while the services have their troubles; a sweep finds what was deleted."""
    both.edit_customers(HERE, phoneNumber="+31 1 {n}", city="Delft")
    both.edit_accounts(THERE, websiteurl="https://new{n}.example", name="Renamed {n}")
    both.edit_customers(CLASH, displayName="Said here {n}")
    both.edit_accounts(CLASH, name="Said there {n}")
    both.edit_customers(JOINED, email="here{n}@example.org")
    both.edit_accounts(JOINED, telephone1="+47 {n}")
    for numbers in (GONE_HERE, GONE_BOTH):
        both.remove_customers(numbers)
    for numbers in (GONE_THERE, GONE_BOTH):
        both.remove_accounts(numbers)
    both.edit_accounts(TOO_LONG, telephone1="0031 0000000000000000000000000000 {n}")
    for n in NEW:
        both.new_customer(n)
    francs = both.new_currency("CHF")
    for n in range(ACCOUNTS):
        both.new_account(n, **({"transactioncurrencyid": francs} if n < IN_FRANCS else {}))
    both.dv.faults.throttle(2, retry_after=0)
    both.bc.faults.fail(2, 504)
    both.bc.faults.cut(after=True, when=writes)
    both.dv.faults.cut(when=writes)
    both.dv.faults.expire_tokens()
    for _ in range(3):
        both.run()
    both.run(scope="sweep")
    both.run()
    both.time_passes()
    both.run()
    assert both.bc.faults.left == both.dv.faults.left == 0
    where_failures_stand(both)
    assert both.banners() == []
    assert both.customers()["C00660"]["phoneNumber"] == "+47 660"
    assert both.accounts()["C00660"]["emailaddress1"] == "here660@example.org"


def where_failures_stand(both: TwoServices) -> None:
    """The pages and their tabs, to the last record."""
    assert both.codes() == WAITING
    currency = both.codes("Currencies")
    assert sum(currency.values()) == 1
    [(state, _code)] = currency
    needs_you = sum(WAITING.values())
    will_retry = 1 if state == "retrying" else 0
    tabs = {"needs_you": needs_you + 1 - will_retry, "will_retry": will_retry, "all": needs_you + 1}
    assert both.page("coupled") == {name: n for name, n in tabs.items() if n}
    assert both.page("skipped")["needs_you"] == tabs["needs_you"]


def an_outage_touches_no_record(both: TwoServices) -> None:
    """Dataverse is away for a while: one set-up problem, whatever number of runs; no record is parked by it."""
    both.edit_customers(HERE, city="Gouda")
    both.dv.faults.down = 503
    assert both.run().state == SynchJob.State.FAILED
    asked = len(both.dv.requests)
    for _ in range(3):
        assert both.run().state == SynchJob.State.FAILED
    assert len(both.dv.requests) - asked <= 1  # the circuit is open
    assert both.banners() == ["app_starting"]
    where_failures_stand(both)
    both.dv.faults.down = 0
    both.time_passes()
    assert both.run().modified == len(HERE)
    assert both.banners() == []
    where_failures_stand(both)


def a_missing_right_is_one_set_up_problem(both: TwoServices) -> None:
    """A role loses a right: one problem that names it and the user, and it is over when the right is back."""
    both.dv.faults.deny("accounts", "write")
    both.dv.faults.language = "nl"
    both.edit_customers(HERE, city="Breda")
    job = both.run()
    assert (job.state, job.code) == (SynchJob.State.FAILED, "missing_privilege")
    assert (job.params["privilege"], job.params["user_id"]) == ("prvWriteAccount", both.dv.user)
    assert both.banners() == ["missing_privilege"]
    where_failures_stand(both)
    both.dv.faults.allow()
    both.dv.faults.language = "en"
    both.time_passes()
    both.run()
    assert both.banners() == []
    assert {
        row["address1_city"] for number, row in both.accounts().items() if number < "C00300" and "C" in number
    } == {"Breda"}
    where_failures_stand(both)


def people_decide(both: TwoServices) -> None:
    """What only people can end, and what they put right in the apps."""
    assert both.decide("resolve", "update_conflict", side="left") == len(CLASH)
    assert both.decide("delete", "deleted_left") == len(GONE_HERE)
    assert both.decide("restore", "deleted_right") == len(GONE_THERE)
    both.edit_accounts(TOO_LONG, telephone1="+47 {n}")
    both.currency_here("CHF")
    both.new_currency("GBP")
    assert both.decide("retry", "value_required") in (0, 1)  # refused twice by now, or still tried by itself
    both.dv.faults.expire_deltas()  # everything is read again, and nothing is taken for deleted
    for name in ("Currencies", "Customers"):
        both.time_passes()
        both.run(name)
    assert both.decide("retry", "reference_not_coupled") in (0, IN_FRANCS)
    both.run()


def both_agree(both: TwoServices) -> None:
    both.run(scope="sweep")
    both.run()
    assert both.codes() == both.codes("Currencies") == Counter()
    assert both.page("coupled") == both.page("skipped") == {}
    assert both.banners() == []
    alive = CUSTOMERS + len(NEW) + ACCOUNTS - len(GONE_HERE) - len(GONE_BOTH)
    assert len(both.bc.rows("customers")) == len(both.accounts()) == both.couplings().count() == alive
    assert both.differences() == []
    assert both.customers()["C00600"]["displayName"] == both.accounts()["C00600"]["name"] == "Said here 600"
    last = both.run(scope="full")
    assert (last.inserted, last.modified, last.failed, last.waiting) == (0, 0, 0, 0)


def test_a_number_that_business_central_writes_otherwise_makes_no_second_record() -> None:
    """A code is kept in capitals and without blanks around it, and the answer that would say so is lost."""
    with closing(TwoServices(customers=3)) as both:
        for name in ("Salespeople", "Currencies", "Customers"):
            both.run(name, "full")
        known = set(both.customers())
        account = {"name": "Prospect", "accountnumber": "a-17 ", "customertypecode": 3}
        both.dv.put("accounts", str(uuid4()), account, by=JANE)
        both.bc.faults.cut(5, after=True, when=writes)
        for _ in range(3):
            both.time_passes()
            both.run()
        both.bc.faults.clear()
        both.time_passes()
        both.run()
        both.run(scope="sweep")
        both.run()
        assert set(both.customers()) == known | {"A-17"}
        assert set(both.accounts()) == known | {"a-17 "}, "nobody's spelling is taken from him"
        assert both.couplings().count() == 4 and both.codes() == Counter()


@pytest.mark.timeout(900)
def test_odd_answers_lose_and_double_nothing() -> None:
    """Sub-answers in another order, sub-answers that are missing, pages of a proxy in between, half a document."""
    with closing(TwoServices(customers=600)) as both:
        odd_answers(both)


def odd_answers(both: TwoServices) -> None:
    both.bc.faults.shuffle = True
    both.dv.faults.drop_answers = 2
    both.dv.faults.garbage(b"<html><body>Sign in to the hotel's network</body></html>", when=reads)
    both.bc.faults.garbage(b'{"value": [{"id": "0000', status=200, when=reads)
    for name in ("Salespeople", "Currencies", "Customers"):
        for _ in range(3):
            both.time_passes()
            both.run(name, "full")
    assert len(both.dv.rows("accounts")) == both.couplings().count() == 600
    both.edit_customers(range(300), city="Delft")
    both.edit_accounts(range(300, 600), telephone1="+47 {n}")
    both.bc.faults.drop_answers = both.dv.faults.drop_answers = 1
    both.bc.faults.garbage(b"", status=502, when=writes)
    both.dv.faults.garbage(b"\xff\xfe not text", status=200, when=writes)
    for _ in range(4):
        both.time_passes()
        both.run()
    both.run(scope="sweep")
    both.run()
    assert both.bc.faults.left == both.dv.faults.left == 0
    assert both.differences() == []
    assert both.codes() == Counter() and both.banners() == []
    assert len(both.bc.rows("customers")) == len(both.dv.rows("accounts")) == 600
