"""Signing in: which request for a token is made, how long it is used, who waits for it, and that nothing of it is told."""

import base64
import threading
import time
from urllib.parse import parse_qs

import httpx2
import pytest

from synccore.connectors.odata.auth import ClientCredentials, SignIn, fixed_headers
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Misconfigured, Scope, Transient
from tandem.runtime.processes import wait_until

ROOT = "https://service.example/data/v9.2/"
TOKENS = "https://login.example/tenant/oauth2/v2.0/token"
SECRET = "s3cr+t/ä~value"


class Service:
    """A service with its token end-point: counts, and says what it is told to."""

    def __init__(self):
        self.tokens = []
        self.reads = []
        self.life = 3600
        self.refusals = 0
        self.token_answers = []
        self.slow = 0.0

    def __call__(self, request):
        if str(request.url) == TOKENS:
            request.read()
            self.tokens.append(request)
            time.sleep(self.slow)
            if self.token_answers:
                return self.token_answers.pop(0)
            token = f"token-{len(self.tokens)}"
            return httpx2.Response(
                200, json={"token_type": "Bearer", "expires_in": self.life, "access_token": token}
            )
        self.reads.append(request.headers.get("authorization"))
        if self.refusals:
            self.refusals -= 1
            return httpx2.Response(401, json={"error": {"code": "x", "message": f"no: {self.reads[-1]}"}})
        return httpx2.Response(200, json={"value": []})


class Counted:
    """A lock that tells how many have asked for it."""

    def __init__(self):
        self.asked = 0
        self.lock, self.counting = threading.Lock(), threading.Lock()

    def acquire(self, timeout):
        with self.counting:
            self.asked += 1
        return self.lock.acquire(timeout=timeout)

    def release(self):
        self.lock.release()

    def __enter__(self):
        self.lock.acquire()

    def __exit__(self, *_error):
        self.lock.release()


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def sign_in(**more):
    known = {"token_address": TOKENS, "client_id": "the-app", "client_secret": SECRET, "scope": "x/.default"}
    return ClientCredentials(**{**known, **more})


def client(service, signed=None, **more):
    return Client(
        Profile(),
        app="Sales",
        root=ROOT,
        sign_in=signed or sign_in(),
        transport=httpx2.MockTransport(service),
        rest=lambda seconds: None,
        **more,
    )


def read(client):
    return client.send(Request("GET", "accounts"), operation="read", table="accounts")


def test_the_request_for_a_token_has_the_form_and_scope_of_client_credentials():
    service = Service()
    with client(service) as sales:
        read(sales)
        assert sales.requests == 1, "a token is no round trip with the service"
    (request,) = service.tokens
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers
    assert "odata-version" not in request.headers
    assert parse_qs(request.content.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["the-app"],
        "client_secret": [SECRET],
        "scope": ["x/.default"],
    }
    assert service.reads == ["Bearer token-1"]


def test_a_token_is_used_until_shortly_before_its_end_and_by_every_connector_of_the_credentials():
    service, clock = Service(), Clock()
    for moment, fetches in ((0, 1), (1, 1), (3299, 1), (3301, 2), (3400, 2), (6602, 3)):
        clock.now = 1000.0 + moment
        with client(service, sign_in(clock=clock)) as sales:
            read(sales)
        assert len(service.tokens) == fetches, moment


def test_a_short_life_has_a_short_margin():
    service, clock = Service(), Clock()
    service.life = 10
    with client(service, sign_in(clock=clock)) as sales:
        for moment, fetches in ((0, 1), (8.9, 1), (9.1, 2)):
            clock.now = 1000.0 + moment
            read(sales)
            assert len(service.tokens) == fetches, moment


@pytest.mark.parametrize(
    ("life", "good"), [("3600", 3299), (None, 269), ("soon", 269), (-5, 269), (float("1e300"), 86_000)]
)
def test_whatever_is_said_of_its_life_a_token_is_used(life, good):
    service, clock = Service(), Clock()
    body = {"access_token": "odd"} if life is None else {"access_token": "odd", "expires_in": life}
    service.token_answers = [httpx2.Response(200, json=body)]
    with client(service, sign_in(clock=clock)) as sales:
        read(sales)
        clock.now += good
        read(sales)
        assert len(service.tokens) == 1


def test_other_credentials_have_another_token():
    service = Service()
    for each in (sign_in(), sign_in(client_secret="another"), sign_in(scope="y/.default"), sign_in()):
        with client(service, each) as sales:
            read(sales)
    assert service.reads == ["Bearer token-1", "Bearer token-2", "Bearer token-3", "Bearer token-1"]


def test_many_who_need_a_token_at_once_wait_for_one_fetch():
    service = Service()
    service.slow = 0.2

    def work():
        with client(service) as sales:
            read(sales)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(service.tokens) == 1
    assert service.reads == ["Bearer token-1"] * 8


def test_many_who_wait_for_a_token_that_is_refused_are_told_by_one_fetch():
    service, signed, failures = Service(), sign_in(), []
    lock = signed._token.lock = Counted()

    def refuse(request):
        assert wait_until(lambda: lock.asked == 6, seconds=60)  # all the others wait for what is told now
        return service(request)

    service.token_answers = [httpx2.Response(401, json={"error": "invalid_client"}) for _ in range(9)]

    def work():
        with client(refuse) as sales:
            try:
                read(sales)
            except Failure as failure:
                failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(service.tokens) == 1
    assert [failure.code for failure in failures] == ["secret_refused"] * 6
    assert len({id(failure) for failure in failures}) == 6


def test_a_401_renews_the_token_once_and_repeats_once():
    service = Service()
    service.refusals = 1
    with client(service) as sales:
        read(sales)
        assert sales.requests == 2
    assert service.reads == ["Bearer token-1", "Bearer token-2"]


def test_a_second_401_is_a_set_up_problem():
    service = Service()
    service.refusals = 2
    with client(service) as sales, pytest.raises(Misconfigured) as caught:
        read(sales)
    assert caught.value.code == "sign_in_refused"
    assert caught.value.scope is Scope.CONNECTION
    assert len(service.tokens) == 2
    assert len(service.reads) == 2
    assert caught.value.params["user"] == "the-app"


def test_a_401_for_a_token_that_another_renewed_already_does_not_renew_it_again():
    service = Service()
    first, second = sign_in(), sign_in()
    with client(service, first) as one, client(service, second) as two:
        read(one)
        old = {"Authorization": "Bearer token-1"}
        assert first.refused(old)
        read(two)
        assert second.refused(old)
        read(one)
    assert len(service.tokens) == 2


def test_a_write_is_repeated_after_a_401_too_because_nothing_was_done():
    service = Service()
    service.refusals = 1
    with client(service) as sales:
        sales.send(Request("POST", "accounts", body=b"{}"), operation="create")
    assert service.reads == ["Bearer token-1", "Bearer token-2"]


def test_a_refused_secret_is_a_set_up_problem_and_is_not_tried_again():
    service = Service()
    body = {
        "error": "invalid_client",
        "error_description": f"AADSTS7000215: Invalid client secret {SECRET} provided.",
        "error_codes": [7000215],
    }
    service.token_answers = [httpx2.Response(401, json=body)]
    with client(service) as sales, pytest.raises(Misconfigured) as caught:
        read(sales)
    assert caught.value.code == "secret_refused"
    assert caught.value.scope is Scope.CONNECTION
    assert "AADSTS7000215" in caught.value.app_message
    assert len(service.tokens) == 1
    assert not service.reads


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("status", [429, 503])
def test_a_token_end_point_that_is_busy_is_asked_again_and_then_a_temporary_fault(status):
    service = Service()
    service.token_answers = [httpx2.Response(status), httpx2.Response(status, headers={"Retry-After": "1"})]
    with client(service) as sales:
        read(sales)
    assert len(service.tokens) == 3
    service.token_answers = [httpx2.Response(status) for _ in range(9)]
    with client(service, sign_in(scope="other")) as sales, pytest.raises(Transient) as caught:
        read(sales)
    assert caught.value.scope is Scope.CONNECTION
    assert not service.reads[1:]


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"access_token": 7}', b'{"access_token": "a\\r\\nb"}', b"[" * 99_999],
)
def test_a_token_that_cannot_be_read_is_a_failure(body):
    service = Service()
    service.token_answers = [httpx2.Response(200, content=body)]
    with client(service) as sales, pytest.raises(Failure) as caught:
        read(sales)
    assert caught.value.scope is Scope.CONNECTION


def test_a_token_end_point_that_is_not_there_is_named(monkeypatch):
    def answer(request):
        raise httpx2.ConnectError("[Errno 111] Connection refused")

    with client(answer) as sales, pytest.raises(Transient) as caught:
        read(sales)
    assert caught.value.params["host"] == "login.example"


def test_a_pause_that_the_token_end_point_asks_for_is_kept_by_every_call():
    service = Service()
    service.token_answers = [httpx2.Response(429, headers={"Retry-After": "200"})]
    for _ in range(3):
        with client(service) as sales, pytest.raises(Transient) as caught:
            read(sales)
        assert caught.value.scope is Scope.CONNECTION
    assert len(service.tokens) == 1


def test_a_token_end_point_that_is_gone_costs_one_probe_a_minute_but_a_person_is_not_put_off():
    asked = []

    def answer(request):
        asked.append(request)
        raise httpx2.ConnectError("[Errno 111] Connection refused")

    for _ in range(5):
        with client(answer) as sales, pytest.raises(Transient) as caught:
            read(sales)
        assert (caught.value.code, caught.value.params["host"]) == ("connection_refused", "login.example")
    assert len(asked) == 5, "then its circuit is open"
    with client(answer) as sales, pytest.raises(Transient):
        sales.send(Request("GET", ""), operation="connect", probe=True)
    assert len(asked) == 6


def test_a_token_end_point_that_no_request_can_be_sent_to_is_a_set_up_problem():
    signed = sign_in(token_address="https://999.1.1.1/token")
    with client(Service(), signed) as sales, pytest.raises(Misconfigured) as caught:
        read(sales)
    assert caught.value.code == "token_address_wrong"


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(404, text="nothing here"),
        httpx2.Response(
            200, text="<!DOCTYPE html><html>Sign in</html>", headers={"Content-Type": "text/html"}
        ),
        httpx2.Response(200, json={"value": []}),
        httpx2.Response(302, headers={"Location": "https://login.example/common"}),
    ],
    ids=["404", "a page", "other JSON", "somewhere else"],
)
def test_what_is_wrong_with_the_token_address_is_told_of_its_own_host(answer):
    service = Service()
    service.token_answers = [answer]
    with client(service) as sales, pytest.raises(Misconfigured) as caught:
        read(sales)
    assert (caught.value.code, caught.value.params["host"]) == ("token_address_wrong", "login.example")
    assert service.reads == [], "the service itself was not asked"


def told(failure):
    return repr(failure) + failure.app_message + failure.debug + str(failure.params)


def test_secrets_and_tokens_are_never_told(caplog):
    caplog.set_level("DEBUG")
    service = Service()
    service.refusals = 99
    signed = sign_in()
    with client(service, signed) as sales:
        with pytest.raises(Failure) as caught:
            read(sales)
        everything = told(caught.value) + caplog.text + repr(signed) + repr(sales) + repr(signed._token)
        everything += repr(sales.situation("read"))
    for secret in (SECRET, "token-1", "token-2", "s3cr%2Bt"):
        assert secret not in everything
    assert "no: " in caught.value.app_message


def test_basic_and_fixed_headers_are_sent_and_not_told():
    service = Service()
    signed = fixed_headers({"X-Api-Key": "key-of-ours"}, user="anna", password="pa:ss wörd")
    with client(service, signed) as sales:
        read(sales)
        expected = base64.b64encode("anna:pa:ss wörd".encode()).decode()
        assert service.reads == [f"Basic {expected}"]
        service.refusals = 1
        with pytest.raises(Misconfigured) as caught:
            read(sales)
    assert len(service.reads) == 2, "there is nothing to renew"
    assert caught.value.params["user"] == "anna"
    assert expected not in told(caught.value)
    assert {"key-of-ours", "pa:ss wörd", expected} <= set(signed.secrets)


def test_no_sign_in_sends_nothing():
    service = Service()
    with client(service, SignIn()) as sales:
        read(sales)
    assert service.reads == [None]
