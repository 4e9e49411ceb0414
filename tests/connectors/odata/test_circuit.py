"""A service that is gone costs one probe a minute, over all workers."""

import httpx2
import pytest

from synccore.connectors.odata import circuit, shared
from synccore.connectors.odata.circuit import OUTAGES, Circuit
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Scope, Transient


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["in this process", "in Redis"])
def where(request):
    if request.param == "in Redis":
        request.getfixturevalue("with_redis")
    return request.param


def name(request):
    return f"test-{request.node.nodeid}"


def fail(each, times=OUTAGES):
    for _ in range(times):
        assert each.enter()
        each.outage()


def test_it_opens_after_outages_in_a_row_and_closes_at_the_first_answer(where, request):
    one, other = Circuit(name(request)), Circuit(name(request))
    fail(one, OUTAGES - 1)
    assert other.enter()
    other.answered()
    fail(one, OUTAGES - 1)
    assert one.enter()
    one.outage()
    assert not one.enter()
    assert not other.enter(), "open for every worker"
    assert other.enter(probe=True), "a person who asks is not put off"
    other.answered()
    assert one.enter()
    assert one.enter()


def test_an_open_circuit_lets_one_through_each_minute(request):
    clock = Clock()
    one, other = Circuit(name(request), clock=clock), Circuit(name(request), clock=clock)
    fail(one)
    for _minute in range(3):
        clock.now += 59
        assert not one.enter()
        clock.now += 2
        assert [other.enter(), one.enter(), other.enter()] == [True, False, False]
        other.outage()
        assert not other.enter()
    clock.now += 61
    assert one.enter()
    one.answered()
    assert all(other.enter() for _ in range(3))


def test_in_redis_one_through_each_minute_is_over_all_workers(with_redis, request):
    one, other = (Circuit(name(request)) for _ in range(2))
    fail(one)
    assert not one.enter()
    shared.shared().run(lambda client: client.delete(one._keys[1]))  # the minute is over
    assert [other.enter(), one.enter(), other.enter()] == [True, False, False]
    other.answered()
    assert one.enter()


def test_a_redis_that_is_away_is_no_error(request):
    shared.use("unix:///nowhere/at/all.sock")
    one = Circuit(name(request))
    fail(one)
    assert not one.enter()


def test_a_dead_service_is_not_asked_again_and_again(monkeypatch):
    asked = []

    def dead(request):
        asked.append(request)
        raise httpx2.ConnectError("Connection refused")

    def call(**more):
        with (
            Client(
                Profile(),
                app="Sales",
                root="https://dead.example/",
                transport=httpx2.MockTransport(dead),
                rest=lambda seconds: None,
            ) as sales,
            pytest.raises(Failure) as caught,
        ):
            sales.send(Request("GET", "accounts"), operation="read", **more)
        return caught.value

    for _ in range(20):
        failure = call()
        assert isinstance(failure, Transient)
        assert failure.code == "connection_refused"
        assert failure.scope is Scope.CONNECTION
        assert failure.params["host"] == "dead.example"
        assert not failure.outcome_unknown
    assert len(asked) == OUTAGES
    call(probe=True)
    assert len(asked) == OUTAGES + 1


def test_throttling_is_no_outage():
    asked = []

    def busy(request):
        asked.append(request)
        return httpx2.Response(429, headers={"Retry-After": "0"})

    with Client(
        Profile(),
        app="Sales",
        root="https://busy.example/",
        transport=httpx2.MockTransport(busy),
        rest=lambda s: None,
    ) as sales:
        for _ in range(3):
            with pytest.raises(Transient):
                sales.send(Request("GET", "accounts"), operation="read")
        assert sales._service.circuit.enter()
    assert len(asked) > circuit.OUTAGES


def test_an_outage_has_one_name_for_all_workers(where, request):
    one, other = Circuit(name(request)), Circuit(name(request))
    assert other.last() == "connection_refused"
    one.outage("app_starting")
    assert other.last() == "app_starting"


def test_who_meets_an_open_circuit_is_told_what_the_outage_was(monkeypatch):
    transport = httpx2.MockTransport(lambda request: httpx2.Response(503, text="Service Unavailable"))
    codes = []
    for _ in range(4):
        with (
            Client(
                Profile(), app="Sales", root="https://down.example/", transport=transport, rest=lambda s: None
            ) as sales,
            pytest.raises(Transient) as caught,
        ):
            sales.send(Request("GET", "accounts"), operation="read")
        codes.append((caught.value.code, caught.value.scope))
    assert set(codes) == {("app_starting", Scope.CONNECTION)}
