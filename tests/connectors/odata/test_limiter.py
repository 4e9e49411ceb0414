"""Requests per window and at once, and pauses: kept by all workers of a connection together."""

import multiprocessing
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from synccore.connectors.odata import limiter, shared
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.limiter import Limiter, TooLong, name_of
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.waiting import CAP, backoff, retry_after
from synccore.failures import Scope, Transient


@pytest.fixture(params=["in this process", "in Redis"])
def where(request):
    if request.param == "in Redis":
        request.getfixturevalue("with_redis")
    return request.param


@pytest.fixture
def name(request):
    return name_of(request.node.nodeid, str(time.time()))


def soon(seconds=60):
    """Time enough for whoever comes in; who is to be refused says how little he waits."""
    return time.monotonic() + seconds


def test_no_more_at_once_than_the_service_takes(where, name):
    one, other = (Limiter(name, window=None, at_once=2) for _ in range(2))
    with one.turn(soon()), other.turn(soon()), pytest.raises(TooLong), one.turn(soon(0.15)):
        pytest.fail("a third")
    with one.turn(soon()), other.turn(soon()):
        pass


def test_who_waits_comes_in_when_a_place_is_free(where, name):
    limit = Limiter(name, window=None, at_once=1)
    most = under_way = 0
    lock = threading.Lock()

    def work():
        nonlocal most, under_way
        with Limiter(name, window=None, at_once=1).turn(soon()):
            with lock:
                under_way += 1
                most = max(most, under_way)
            time.sleep(0.03)
            with lock:
                under_way -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    with limit.turn(soon()):
        pass


def test_a_place_is_given_back_when_the_request_fails(where, name):
    limit = Limiter(name, window=None, at_once=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limit.turn(soon()):
            raise ZeroDivisionError


@pytest.mark.parametrize("lease", [60, 0.5], ids=["not before its time", "after it"])
def test_a_place_of_a_worker_that_died_is_free_again(where, name, monkeypatch, lease):
    monkeypatch.setattr(limiter, "LEASE", lease)
    limit = Limiter(name, window=None, at_once=1)
    monkeypatch.setattr(limit, "_give_back", lambda place: None)
    with limit.turn(soon()):
        pass
    if lease < 1:
        with limit.turn(soon()):
            return
    with pytest.raises(TooLong), limit.turn(soon(0.05)):
        pytest.fail("it may be at work still")


def test_no_more_in_a_window_than_the_service_takes(where, name):
    one, other = (Limiter(name, window=(5, 60), at_once=9) for _ in range(2))
    for _ in range(5):
        with one.turn(soon()):
            pass
    with pytest.raises(TooLong) as caught, other.turn(soon(0.15)):
        pass
    assert 0.15 < caught.value.seconds <= 60


def test_who_finds_the_window_full_comes_in_when_it_has_room(where, name):
    limit = Limiter(name, window=(5, 1), at_once=9)
    started = time.monotonic()
    for _ in range(6):
        with limit.turn(soon()):
            pass
    assert time.monotonic() - started > 0.9


def test_a_request_that_found_the_window_full_leaves_its_place(where, name):
    limit = Limiter(name, window=(1, 60), at_once=1)
    with limit.turn(soon()):
        pass
    for _ in range(3):
        with pytest.raises(TooLong) as caught, limit.turn(soon(0.15)):
            pass
        assert caught.value.seconds > 1, "of the window, not of the places"


def test_a_pause_is_for_all_workers(where, name):
    one, other = (Limiter(name, window=None, at_once=4) for _ in range(2))
    one.pause(60)
    one.pause(0.1)  # a shorter one ends no longer one
    one.pause(0)
    for each in (one, other):
        with pytest.raises(TooLong) as caught, each.turn(soon(0.1)):
            pass
        assert 0.1 < caught.value.seconds <= 60


def test_a_pause_ends_by_itself(where, name):
    started = time.monotonic()
    Limiter(name, window=None, at_once=4).pause(0.5)
    with Limiter(name, window=None, at_once=4).turn(soon()):
        assert time.monotonic() - started >= 0.45


def test_what_was_kept_before_a_clock_was_put_back_holds_nobody_up(with_redis, name, monkeypatch):
    limits = Limiter(name, window=(1, 5), at_once=1, rest=lambda seconds: None)
    far = time.time() + 7200
    redis = shared.shared()._connection()
    redis.zadd(limits._keys[0], {"of a worker that died": far * 1000})
    redis.set(limits._keys[1], "1", px=7_200_000)
    with monkeypatch.context() as ahead:
        ahead.setattr("limits.storage.redis.time.time", lambda: far)
        with limits.turn(soon()):
            pass
    redis.zadd(limits._keys[0], {"of a worker that died": far * 1000})
    with limits.turn(soon()):
        assert redis.zcard(limits._keys[0]) == 1


def test_a_pause_of_another_connection_is_not_ours(where, name):
    Limiter(name, window=None, at_once=4).pause(60)
    with Limiter(name + "x", window=None, at_once=4).turn(soon()):
        pass


def _worker(url, name, gate, most, under_way):
    limiter.use(url)
    limit = Limiter(name, window=None, at_once=2)
    gate.wait()
    for _ in range(5):
        with limit.turn(soon()):
            with under_way.get_lock():
                under_way.value += 1
                most.value = max(most.value, under_way.value)
            time.sleep(0.01)
            with under_way.get_lock():
                under_way.value -= 1


def test_processes_share_the_places(redis_url, name):
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(4)
    most, under_way = context.Value("i", 0), context.Value("i", 0)
    workers = [
        context.Process(target=_worker, args=(redis_url, name, gate, most, under_way)) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert most.value == 2


def test_without_redis_the_limits_are_kept_by_the_process_and_nothing_is_an_error(name):
    limiter.use("unix:///nowhere/at/all.sock")
    limit = Limiter(name, window=(3, 60), at_once=1)
    for _ in range(3):
        with limit.turn(soon()), pytest.raises(TooLong), limit.turn(soon(0.05)):
            pass
    with pytest.raises(TooLong), limit.turn(soon(0.15)):
        pass


def test_a_redis_that_went_away_is_left_alone_for_a_while(name, monkeypatch):
    tried = []
    broken = shared.Shared("redis://nowhere.invalid:1/0")

    class Client:
        def eval(self, *args):
            tried.append(args)
            raise ConnectionError("gone")

    broken._client = Client()
    monkeypatch.setattr(shared, "_shared", broken)
    limit = Limiter(name, window=None, at_once=1)
    for _ in range(5):
        with limit.turn(soon()):
            pass
    assert len(tried) == 1


# -- Retry-After -------------------------------------------------------------------------------------------------------


def dated(seconds, at=None):
    return format_datetime((at or datetime.now(UTC)) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7), ("0", 0), ("2.5", 2.5), (" 3 ", 3), ("-5", 0), ("31536000", CAP), ("1e300", CAP),
        ("", None), ("soon", None), ("nan", None), ("inf", None), ("Wed, 99 Foo 2026", None), ("120, 60", None),
    ],
)  # fmt: skip
def test_retry_after_in_seconds(said, seconds):
    assert retry_after({"retry-after": said}) == seconds
    assert retry_after({}) is None


def test_retry_after_as_a_date_is_measured_from_the_service_s_own_clock():
    now = datetime.now(UTC)
    assert 10 < retry_after({"retry-after": dated(30)}) <= 30
    assert retry_after({"retry-after": dated(-30)}) == 0
    assert retry_after({"retry-after": dated(86_400)}) == CAP
    old_ways = ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]  # both still allowed
    assert [
        retry_after({"retry-after": each, "date": "Sun, 06 Nov 1994 08:49:00 GMT"}) for each in old_ways
    ] == [37, 37]
    yesterday = now - timedelta(days=1)
    headers = {"retry-after": dated(20, yesterday), "date": dated(0, yesterday)}
    assert retry_after(headers) == 20, "its clock is a day behind ours, which does not matter"


def test_waits_grow_and_differ():
    waits = [[backoff(tries) for _ in range(40)] for tries in range(1, 9)]
    assert all(len(set(each)) > 30 for each in waits)
    assert max(waits[0]) <= 0.75
    assert min(waits[3]) > max(waits[0])
    assert max(map(max, waits)) <= 30


# -- as a client meets them --------------------------------------------------------------------------------------------


def client(handler, root, **more):
    return Client(Profile(), app="Sales", root=root, transport=httpx2.MockTransport(handler), **more)


def test_a_429_pauses_every_client_of_the_connection(where):
    root = f"https://busy-{time.time_ns()}.example/"
    answers = [httpx2.Response(429, headers={"Retry-After": "300"})]
    rests = []
    with (
        client(lambda request: answers.pop(0), root, rest=rests.append) as one,
        client(lambda request: answers.pop(0), root, rest=rests.append) as other,
    ):
        for each in (one, other):
            with pytest.raises(Transient) as caught:
                each.send(Request("GET", "accounts"), operation="read", table="accounts")
            assert not rests, "longer than the call may wait: the job ends, and is tried again"
            assert caught.value.scope is Scope.CONNECTION
            assert caught.value.code == "throttled"
        assert one.requests + other.requests == 1


def test_a_short_pause_is_waited_for_inside_of_the_call(where):
    root = f"https://busy-{time.time_ns()}.example/"
    answers = [httpx2.Response(429, headers={"Retry-After": "0.2"}), httpx2.Response(200, json={"a": 1})]
    with client(lambda request: answers.pop(0), root) as one:
        started = time.monotonic()
        assert one.send(Request("POST", "accounts", body=b"{}"), operation="create").json() == {"a": 1}
        assert time.monotonic() - started >= 0.19


def test_a_request_waits_for_its_turn_only_while_there_is_time_left_to_be_answered(monkeypatch):
    waited_until = []

    def turn(self, until):
        waited_until.append(until)
        raise TooLong(1)

    monkeypatch.setattr(Limiter, "turn", turn)
    transport = httpx2.MockTransport(lambda request: httpx2.Response(204))
    with (
        Client(Profile(), app="Sales", root="https://busy.example/", transport=transport) as sales,
        pytest.raises(Transient) as caught,
    ):
        sales.send(Request("POST", "accounts", body=b"{}"), operation="create")
    assert (caught.value.code, caught.value.outcome_unknown) == ("throttled", False)
    assert waited_until[0] - time.monotonic() < 50, "of 55 seconds"
