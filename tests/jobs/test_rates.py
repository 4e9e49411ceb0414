"""The set-up check of currencies: one base in both apps, a rate for every other one, and what a rate releases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from synccore import jobs
from synccore.failures import Misconfigured
from synccore.models import Connection, Problem, SetupCheck
from synccore.services import connections as services
from synccore.services.rights import RightMissing
from synccore.shapes import Currencies, FieldInfo, FieldType, Side
from synccore.views.checks import check_rows
from tests import factories as make

from .conftest import Clock
from .helpers import new, work
from .world import World, table

pytestmark = pytest.mark.django_db


def currencies(*codes: str, base: str = "EUR", other_base: str = "EUR") -> World:
    """Currencies that are coupled, and a table of rates in each app."""
    world = World(name="Currencies")
    for app in (world.left, world.right):
        app.add_table(
            table("rates", FieldInfo("code", FieldType.TEXT, length=3), FieldInfo("since", FieldType.DATE)),
            modified_by_field="modified_by",
        )
    for code in codes:
        new(world, code, name=code)
    world.run()
    for side, own in ((Side.LEFT, base), (Side.RIGHT, other_base)):
        if own:
            services.save_currencies(
                world.mapping.connection(side),
                user=None,
                mapping=world.mapping,
                base=own,
                table="rates",
                field="code",
            )
    return world


def rate(world: World, code: str, side: Side = Side.LEFT, **values: Any) -> None:
    number = f"00000000-0000-4000-8000-{len(world.app(side).tables['rates'].rows):012d}"
    world.app(side).put("rates", number, {"code": code, **values})


def look(world: World, side: Side = Side.LEFT, **values: Any) -> dict[str, SetupCheck]:
    app = Connection.objects.get(pk=world.mapping.connection(side).pk)
    jobs.run(jobs.enqueue(verb="check_set_up", connection=app, **values).pk)
    return {each.code: each for each in SetupCheck.objects.filter(connection=app)}


def said(check: SetupCheck) -> str:
    return next(row.sentence for row in check_rows(check.connection) if row.pk == check.pk)


def test_every_coupled_currency_but_the_base_needs_a_rate():
    world = currencies("EUR", "NOK", "USD")
    rate(world, "USD")
    found = look(world)["exchange_rates"]
    assert (found.state, found.params["currency"]) == ("fail", ["NOK"])
    assert said(found).startswith("No exchange rate for NOK in rates of")
    assert look(world, Side.RIGHT)["exchange_rates"].params["currency"] == ["NOK", "USD"]
    rate(world, "NOK")
    assert look(world)["exchange_rates"].state == "pass"


@pytest.mark.parametrize(
    ("base", "other", "state"), [("EUR", "EUR", "pass"), ("EUR", "USD", "fail"), ("EUR", "", "unknown")]
)
def test_both_apps_have_one_base_currency(base, other, state):
    found = look(currencies("EUR", "USD", base=base, other_base=other))["base_currency"]
    assert found.state == state
    assert "{" not in said(found)


def test_a_base_that_the_other_app_calls_otherwise_is_the_same_one():
    world = currencies("EUR", other_base="978")
    coupling = world.coupling("EUR")
    coupling.right_key = "978"
    coupling.save()
    assert look(world)["base_currency"].state == "pass"


def test_without_a_coupled_currency_it_could_not_be_checked():
    assert look(currencies())["exchange_rates"].state == "unknown"


def test_where_nobody_says_where_the_rates_are_it_could_not_be_checked():
    world = currencies("EUR", "USD")
    app = world.mapping.connection(Side.LEFT)
    services.save_currencies(app, user=None, mapping=None)
    found = look(world)
    assert found["currencies"].state == "unknown"
    assert not {"exchange_rates", "base_currency"} & set(found)


def test_an_app_that_has_no_amounts_is_not_judged():
    world = currencies("EUR", "USD")
    services.save_currencies(world.mapping.connection(Side.LEFT), user=None, mapping=None, skip=True)
    assert not {"currencies", "exchange_rates", "base_currency"} & set(look(world))


def test_what_the_apps_tell_themselves_needs_no_word_from_people():
    world = currencies("EUR", "USD")
    told = {"table": "customer", "rates": "rates", "field": "code"}
    for side in Side:
        services.save_currencies(world.mapping.connection(side), user=None, mapping=None)
    world.left.currencies = Currencies(base="EUR", **told)
    world.right.currencies = Currencies(base="USD", **{**told, "table": "account"})
    found = look(world)
    assert found["base_currency"].state == "unknown"  # the other app was not asked yet
    assert found["exchange_rates"].params["currency"] == ["USD"]
    look(world, Side.RIGHT)
    assert look(world)["base_currency"].state == "fail"
    world.right.currencies = Currencies(base="EUR", **{**told, "table": "account"})
    rate(world, "USD")
    look(world, Side.RIGHT)
    found = look(world)
    assert (found["base_currency"].state, found["exchange_rates"].state) == ("pass", "pass")


def telling(base: str = "EUR", other_base: str = "EUR") -> World:
    """Two apps that tell their currencies themselves, neither of which was asked yet."""
    world = currencies("EUR", "USD")
    for side, table_name, own in ((Side.LEFT, "customer", base), (Side.RIGHT, "account", other_base)):
        services.save_currencies(world.mapping.connection(side), user=None, mapping=None)
        world.app(side).currencies = Currencies(base=own, table=table_name, rates="rates", field="code")
    return world


def base_of(world: World, side: Side) -> SetupCheck:
    return SetupCheck.objects.get(connection=world.mapping.connection(side), code="base_currency")


def test_the_app_that_was_checked_first_hears_what_the_second_one_told(clock: Clock):
    world = telling(other_base="USD")
    first = look(world)["base_currency"]
    assert (first.state, first.params["other_base"]) == ("unknown", "")
    clock.move(hours=1)
    asked: list[str] = []
    world.left.faults.hook = lambda _when, method: asked.append(method)
    second = look(world, Side.RIGHT)["base_currency"]
    assert asked == [], "the first app is not asked for it"
    heard = base_of(world, Side.LEFT)
    assert [each.state for each in (heard, second)] == ["fail", "fail"]
    assert said(heard) == (
        f"The base currency of {world.left.name} is EUR, that of {world.right.name} is USD: "
        "amounts without a currency differ."
    )
    assert said(second) == (
        f"The base currency of {world.right.name} is USD, that of {world.left.name} is EUR: "
        "amounts without a currency differ."
    )
    assert heard.at == first.at, "when the app was looked at stays"
    assert heard.since > first.at
    world.right.currencies = Currencies(base="EUR", table="account", rates="rates", field="code")
    look(world, Side.RIGHT)
    assert [base_of(world, side).state for side in Side] == ["pass", "pass"]


def test_of_two_checks_at_once_the_later_one_compares_for_both():
    world = telling()

    def hook(when: str, method: str) -> None:
        if (when, method) == ("after", "find"):  # the base was compared, nothing of this check is stored yet
            world.left.faults.hook = None
            assert look(world, Side.RIGHT)["base_currency"].state == "unknown"

    world.left.faults.hook = hook
    assert look(world)["base_currency"].state == "pass"
    assert base_of(world, Side.RIGHT).state == "pass"


def test_what_one_pair_tells_says_nothing_of_another():
    world = telling()
    look(world)
    other = telling(other_base="USD")
    look(other)
    look(other, Side.RIGHT)
    assert base_of(world, Side.LEFT).state == "unknown"


def test_a_rate_whose_day_has_not_come_is_none_yet():
    world = currencies("EUR", "NOK", "USD", "GBP")
    services.save_currencies(world.mapping.connection(Side.LEFT), user=None, mapping=None)
    world.left.currencies = Currencies("EUR", "customer", "rates", "code", "since")
    today = timezone.now().date()
    rate(world, "NOK", since=today + timedelta(days=3))
    rate(world, "USD", since=today)
    rate(world, "GBP")
    assert look(world)["exchange_rates"].params["currency"] == ["NOK"]
    rate(world, "NOK", since=today - timedelta(days=3))
    assert look(world)["exchange_rates"].state == "pass"


def test_an_app_that_may_not_tell_its_currency_leaves_the_other_checks(monkeypatch):
    world = currencies("EUR", "USD")
    services.save_currencies(world.mapping.connection(Side.LEFT), user=None, mapping=None)
    refused = Misconfigured("missing_privilege", {"table": "organization", "user": "tandem"})

    def hook(when: str, method: str) -> None:
        if (when, method) == ("before", "currencies"):
            raise refused

    world.left.faults.hook = hook
    found = look(world)
    assert (found["currencies"].state, found["fields"].state) == ("unknown", "pass")


@pytest.mark.parametrize("given", [{"table": "nowhere"}, {"field": "nothing"}])
def test_a_table_or_field_that_is_not_there_fails_with_the_reason(given):
    world = currencies("EUR", "USD")
    app = world.mapping.connection(Side.LEFT)
    services.save_currencies(
        app, user=None, mapping=world.mapping, **{"base": "EUR", "table": "rates", "field": "code", **given}
    )
    found = look(world)["exchange_rates"]
    assert found.state == "fail"
    assert next(iter(given.values())) in said(found)


def test_a_right_that_is_missing_on_the_rates_fails_and_leaves_the_other_checks(monkeypatch):
    world = currencies("EUR", "USD")
    refused = Misconfigured("missing_privilege", {"table": "rates", "user": "tandem", "privilege": "SELECT"})

    def hook(when: str, method: str) -> None:
        if (when, method) == ("before", "find"):
            raise refused

    world.left.faults.hook = hook
    found = look(world)
    assert found["exchange_rates"].state == "fail" and "SELECT" in said(found["exchange_rates"])
    assert found["signs_in"].state == "pass"


def test_records_that_wait_for_a_rate_go_on_when_it_is_there(clock: Clock):
    world = currencies("EUR", "USD")
    later = timezone.now()
    clock.move(hours=1)
    problem = make.make_problem(
        make.make_coupling(world.mapping, left_id=new(world, "C9"), right_id=None),
        kind="blocked",
        code="exchange_rate_missing",
        params={"currency": "USD"},
        state="waiting",
        next_attempt=None,
    )
    assert look(world)["exchange_rates"].state == "fail"
    problem.refresh_from_db()
    assert problem.next_attempt is None
    rate(world, "USD")
    assert look(world)["exchange_rates"].state == "pass"
    assert "synchronise" in [job.verb for job in work()]
    problem.refresh_from_db()
    assert problem.state == Problem.State.ENDED and problem.ended_at > later


def test_who_may_not_set_up_says_nothing_about_currencies():
    world = currencies()
    app = world.mapping.connection(Side.LEFT)
    with pytest.raises(RightMissing):
        services.save_currencies(app, user=make.make_user("Record owner"), mapping=None)
    with pytest.raises(ValueError):
        services.save_currencies(app, user=None, mapping=make.make_mapping())
