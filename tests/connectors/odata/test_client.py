"""One connection's HTTP: what is sent, what comes back, and what a failure says."""

import gzip
import sys
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from synccore.connectors.odata.auth import fixed_headers
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.errors import BadAnswer
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Misconfigured, Scope, Stale, Transient, Unrecognised

ROOT = "https://service.example/data/v9.2/"


def client(handler, profile=None, **more):
    return Client(
        profile or Profile(), app="Sales", root=ROOT, transport=httpx2.MockTransport(handler), **more
    )


def read(client, path="accounts", **more):
    return client.send(Request("GET", path, **more), operation="read", table="accounts")


def test_a_request_goes_to_the_root_with_the_profile_s_headers():
    seen = []

    def answer(request):
        seen.append(request)
        return httpx2.Response(200, json={"value": []})

    with client(answer, DataverseProfile()) as sales:
        assert read(sales, "accounts?$select=name").json() == {"value": []}
        sales.send(Request("PATCH", "accounts(1)", {"if-none-match": "*"}, b"{}"), operation="create")
        assert sales.requests == 2
    assert str(seen[0].url) == ROOT + "accounts?$select=name"
    assert seen[0].headers["OData-MaxVersion"] == "4.0"
    assert seen[0].headers["If-None-Match"] == "null"
    assert "content-type" not in seen[0].headers
    assert seen[1].headers["If-None-Match"] == "*", "a request's own header stands before the profile's"
    assert seen[1].headers["Content-Type"] == "application/json"


def test_no_typed_header_takes_the_place_of_what_a_request_says_of_itself():
    seen = []

    def answer(request):
        seen.append(request.headers)
        return httpx2.Response(204)

    typed = fixed_headers({"If-Match": "*", "Prefer": "x", "Accept": "text/plain", "X-Key": "key"})
    own = {"If-Match": 'W/"1"', "Prefer": "return=representation"}
    with client(answer, sign_in=typed) as sales:
        sales.send(Request("PATCH", "accounts(1)", own, b"{}"), operation="update")
    assert (seen[0]["If-Match"], seen[0]["Prefer"]) == ('W/"1"', "return=representation")
    assert (seen[0]["Accept"], seen[0]["X-Key"]) == ("text/plain", "key")


def test_only_dataverse_sends_a_blank_if_none_match():
    assert "If-None-Match" not in Profile().headers()
    assert "If-None-Match" not in BusinessCentralProfile().headers()
    assert BusinessCentralProfile().headers()["Accept-Language"] == "en-US"


@pytest.mark.parametrize(
    "link",
    [
        ROOT + "accounts?$skiptoken=%3Ccookie%20a=%22x%22%3E+b%2Fc&%24x='o''k'|{}",
        "accounts?$skiptoken=%3Ccookie%3E",
        "/data/v9.2/accounts?$skiptoken=%253Ccookie%253E",
    ],
)
def test_a_next_link_is_sent_byte_for_byte(link):
    seen = []

    def answer(request):
        seen.append(request.extensions["target"].decode())
        return httpx2.Response(200, json={})

    with client(answer) as sales:
        read(sales, link)
    assert seen[0].endswith(link.removeprefix("https://service.example"))


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/accounts",
        "http://service.example/data/v9.2/accounts",
        "https://service.example:8443/data/v9.2/accounts",
        "//elsewhere.example/accounts",
        "https://service.example@elsewhere.example/accounts",
        "https://service.example:x/accounts",
    ],
)
def test_another_host_is_refused_because_a_token_would_leak(link):
    with client(lambda request: pytest.fail("sent")) as sales, pytest.raises(Unrecognised) as caught:
        read(sales, link)
    assert caught.value.code == "app_answer"
    assert caught.value.app_message == link


def test_a_host_may_be_written_in_its_own_letters_or_as_the_name_service_knows_it():
    seen = []

    def answer(request):
        seen.append(request.url.host)
        return httpx2.Response(200, json={})

    own, known = "https://bücher.example/odata/", "https://xn--bcher-kva.example:443/odata/"
    for root, link in ((own, known), (known, own)):
        transport = httpx2.MockTransport(answer)
        with Client(Profile(), app="Shop", root=root, transport=transport) as shop:
            read(shop, link + "books?$skiptoken=1")
            with pytest.raises(Unrecognised):
                read(shop, "https://bucher.example/odata/books")
    assert len(seen) == 2


def test_numbers_keep_their_digits():
    body = b'{"price": 10.10, "count": 3, "id": 9007199254740993}'
    with client(lambda request: httpx2.Response(200, content=body)) as sales:
        assert read(sales).json() == {"price": Decimal("10.10"), "count": 3, "id": 9007199254740993}
        assert str(read(sales).json()["price"]) == "10.10"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"a":', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_a_bad_answer(body):
    with client(lambda request: httpx2.Response(200, content=body)) as sales, pytest.raises(BadAnswer):
        read(sales).json()


def test_a_zipped_body_is_unpacked():
    def answer(request):
        assert "gzip" in request.headers["accept-encoding"]
        zipped = gzip.compress(b'{"a": 1}')
        return httpx2.Response(200, content=zipped, headers={"Content-Encoding": "gzip"})

    with client(answer) as sales:
        assert read(sales).json() == {"a": 1}


def test_the_service_s_clock_is_noted():
    date = "Wed, 25 Nov 2026 10:00:00 GMT"
    with client(lambda request: httpx2.Response(200, json={}, headers={"Date": date})) as sales:
        assert sales.last_date is None
        read(sales)
        assert sales.last_date is not None
        assert sales.last_date == datetime(2026, 11, 25, 10, tzinfo=UTC)


def test_an_error_is_raised_as_a_failure_and_send_raw_returns_it():
    with client(
        lambda request: httpx2.Response(404, json={"error": {"code": "x", "message": "gone"}})
    ) as sales:
        assert sales.send_raw(Request("GET", "accounts(1)"), operation="read").status == 404
        with pytest.raises(Failure):
            read(sales)


def test_a_refused_connection_is_a_temporary_fault_of_the_connection():
    def answer(request):
        raise httpx2.ConnectError("[Errno 111] Connection refused")

    with client(answer, rest=lambda seconds: None) as sales, pytest.raises(Transient) as caught:
        read(sales)
    assert caught.value.code == "connection_refused"
    assert caught.value.scope is Scope.CONNECTION
    assert not caught.value.outcome_unknown


def test_an_unknown_host_is_a_set_up_problem():
    def answer(request):
        raise httpx2.ConnectError("[Errno -2] Name or service not known")

    with client(answer) as sales, pytest.raises(Misconfigured) as caught:
        read(sales)
    assert caught.value.code == "unknown_host"
    assert caught.value.params["host"] == "service.example"


@pytest.mark.parametrize("proxy", ["ftp://proxy.example", "::::", "socks5://proxy.example:1080"])
def test_a_proxy_of_the_surroundings_that_cannot_be_used_is_said_and_no_error_of_ours(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(Transient) as caught:
        Client(Profile(), app="Sales", root=ROOT)
    assert (caught.value.code, caught.value.params["app"]) == ("connection_refused", "Sales")
    assert caught.value.app_message
    Client(Profile(), app="Sales", root="http://127.0.0.1:9/").close()


# -- repeats -----------------------------------------------------------------------------------------------------------


class Moody:
    """Gives what it is told to, one after the other, and counts."""

    def __init__(self, *moods):
        self.moods = list(moods)
        self.seen = []

    def __call__(self, request):
        self.seen.append(request)
        mood = self.moods.pop(0) if self.moods else 200
        if isinstance(mood, Exception):
            raise mood
        if not isinstance(mood, int):
            return mood
        return httpx2.Response(mood, json={"a": 1}, headers={"Retry-After": "0"} if mood == 429 else {})


LOST = httpx2.RemoteProtocolError("Server disconnected without sending a response.")
CUT = httpx2.ReadError("connection reset")
NEVER = httpx2.ConnectError("Connection refused")

GET = Request("GET", "accounts")
POST = Request("POST", "accounts", body=b"{}")
UPDATE = Request("PATCH", "accounts(1)", {"If-Match": 'W/"1"'}, b"{}")
CREATE = Request("PATCH", "accounts(1)", {"If-None-Match": "*"}, b"{}")
BARE = Request("PATCH", "accounts(1)", body=b"{}")
DELETE = Request("DELETE", "accounts(1)", {"if-match": "*"})


@pytest.mark.parametrize("mood", [502, 503, 504, 429, LOST, CUT, NEVER, httpx2.ReadTimeout("slow")])
@pytest.mark.parametrize("request_", [GET, UPDATE, CREATE, DELETE], ids=lambda each: each.method)
def test_what_does_no_harm_twice_is_repeated(request_, mood):
    service, rests = Moody(mood, mood), []
    with client(service, rest=rests.append) as sales:
        operation = "read" if request_.method == "GET" else "update"
        assert sales.send(request_, operation=operation).json() == {"a": 1}
    assert len(service.seen) == 3
    assert mood == 429 or all(0 < each < 5 for each in rests)


@pytest.mark.parametrize("status", [404, 409, 412])
@pytest.mark.parametrize("mood", [502, LOST])
def test_a_repetition_that_is_refused_may_only_say_that_the_first_one_arrived(status, mood):
    """Its own condition no longer holds: neither a conflict nor a duplicate, but something to be looked up."""
    for request, operation in ((UPDATE, "update"), (CREATE, "create")):
        service = Moody(mood, status)
        with client(service, rest=lambda seconds: None) as sales, pytest.raises(Transient) as caught:
            sales.send(request, operation=operation, table="accounts")
        assert caught.value.outcome_unknown and caught.value.scope is Scope.RECORD
        assert len(service.seen) == 2
    turned_away = Moody(429, 412)
    with client(turned_away, rest=lambda seconds: None) as sales, pytest.raises(Stale):
        sales.send(UPDATE, operation="update", table="accounts")


WAITS = httpx2.Response(503, headers={"Retry-After": "200"})


@pytest.mark.parametrize("later", [NEVER, 429, WAITS, 503, 401, 403, httpx2.ConnectError("no name")], ids=str)
@pytest.mark.parametrize("mood", [504, LOST])
@pytest.mark.parametrize(
    ("request_", "operation"), [(CREATE, "create"), (UPDATE, "update"), (DELETE, "delete")], ids=str
)
def test_what_an_earlier_try_may_have_done_stays_unknown_whatever_came_of_the_later_ones(
    request_, operation, mood, later
):
    """Else a record that was created is taken for one that was not, and is created again under another id."""
    service = Moody(mood, *[later] * 9)
    with client(service, rest=lambda seconds: None) as sales, pytest.raises(Failure) as caught:
        sales.send(request_, operation=operation, table="accounts")
    assert caught.value.outcome_unknown
    assert len(service.seen) > 1


def test_a_pause_after_a_lost_answer_does_not_make_it_certain():
    service = Moody(LOST)
    sales = client(service, rest=lambda seconds: sales.pause(300))
    with sales, pytest.raises(Transient) as caught:
        sales.send(CREATE, operation="create", table="accounts")
    assert caught.value.code == "throttled" and caught.value.outcome_unknown


def test_a_repetition_that_is_refused_for_what_it_writes_was_refused_before():
    service = Moody(LOST, httpx2.Response(400, json={"error": {"code": "x", "message": "too long"}}))
    with client(service, rest=lambda seconds: None) as sales, pytest.raises(Unrecognised) as caught:
        sales.send(UPDATE, operation="update", table="accounts")
    assert not caught.value.outcome_unknown and caught.value.app_message == "too long"


@pytest.mark.parametrize(
    ("answer", "unknown"),
    [
        (httpx2.Response(503, text="<html>upstream reset</html>"), True),
        (httpx2.Response(503), True),
        (httpx2.Response(503, headers={"Retry-After": "200"}), False),
        (httpx2.Response(503, json={"error": {"code": "Busy", "message": "Later."}}), False),
    ],
)
def test_only_the_service_itself_can_say_that_it_did_nothing(answer, unknown):
    """A gateway says 503 as well when it loses the service half-way."""
    service = Moody(*[answer] * 9)
    with client(service, rest=lambda seconds: None) as sales, pytest.raises(Transient) as caught:
        sales.send(POST, operation="create", table="accounts")
    assert caught.value.outcome_unknown is unknown
    assert not unknown or len(service.seen) == 1


@pytest.mark.parametrize("mood", [502, 504, LOST, CUT, httpx2.ReadTimeout("slow")])
@pytest.mark.parametrize("request_", [POST, BARE], ids=lambda each: each.method)
def test_a_post_whose_answer_was_lost_is_never_repeated_and_its_outcome_is_unknown(request_, mood):
    service = Moody(mood)
    with client(service, rest=lambda seconds: None) as sales, pytest.raises(Transient) as caught:
        sales.send(request_, operation="create", table="accounts")
    assert caught.value.outcome_unknown
    assert len(service.seen) == 1


@pytest.mark.parametrize(
    "mood", [429, NEVER, httpx2.Response(503, headers={"Retry-After": "0"}), httpx2.ConnectTimeout("no")]
)
def test_a_post_that_did_not_arrive_or_was_turned_away_is_repeated(mood):
    service = Moody(mood)
    with client(service, rest=lambda seconds: None) as sales:
        assert sales.send(POST, operation="create").json() == {"a": 1}
    assert len(service.seen) == 2


def test_the_caller_may_say_that_a_post_does_no_harm_twice():
    service = Moody(LOST)
    with client(service, rest=lambda seconds: None) as sales:
        sales.send(POST, operation="read", idempotent=True)
    service = Moody(LOST)
    with client(service, rest=lambda seconds: None) as sales, pytest.raises(Transient):
        sales.send(UPDATE, operation="update", idempotent=False)


@pytest.mark.parametrize(
    ("mood", "code"), [(503, "app_starting"), (429, "throttled"), (NEVER, "connection_refused")]
)
def test_repeats_end_and_say_what_was_met_last(mood, code):
    service = Moody(*[mood] * 50)
    with client(service, rest=lambda seconds: None) as sales, pytest.raises(Transient) as caught:
        read(sales)
    assert caught.value.code == code
    assert caught.value.scope is Scope.CONNECTION
    assert len(service.seen) <= 6


def test_no_wait_is_longer_than_the_call_may_last():
    service = Moody(httpx2.Response(503, headers={"Retry-After": "200"}))
    with client(service, rest=lambda seconds: pytest.fail("waited")) as sales, pytest.raises(Transient):
        read(sales)


def test_an_ordinary_refusal_is_not_repeated():
    for status in (400, 403, 404, 409, 412, 500):
        service = Moody(status)
        with client(service, rest=lambda seconds: pytest.fail("waited")) as sales:
            assert sales.send_raw(GET, operation="read").status == status
        assert len(service.seen) == 1


def test_each_call_asks_first_whether_it_may_go_on():
    calls = []
    with client(Moody()) as sales:
        sales.before_call = lambda: calls.append(1)
        read(sales)
        read(sales)
    assert len(calls) == 2


# -- redirects, sizes, time --------------------------------------------------------------------------------------------


def moved(location, status=302):
    return httpx2.Response(status, headers={"Location": location})


def test_a_reading_follows_to_the_same_host_only():
    service = Moody(moved("/data/v9.2/accounts?x=%3C"), moved("../v9.2/more"))
    with client(service) as sales:
        assert read(sales).json() == {"a": 1}
    assert [str(each.url) for each in service.seen] == [
        ROOT + "accounts",
        ROOT + "accounts?x=%3C",
        "https://service.example/data/v9.2/more",
    ]


@pytest.mark.parametrize(
    "to", ["https://login.example/signin", "http://service.example/", "//elsewhere.example/", ""]
)
def test_a_redirect_to_another_host_is_not_followed(to):
    service = Moody(moved(to))
    with client(service) as sales, pytest.raises(Misconfigured):
        read(sales)
    assert len(service.seen) == 1


def test_a_write_is_never_redirected():
    service = Moody(moved("/data/v9.2/other", 307))
    with client(service) as sales, pytest.raises(Failure):
        sales.send(POST, operation="create")
    assert len(service.seen) == 1


def test_redirects_in_a_circle_end():
    service = Moody(*[moved("/data/v9.2/accounts")] * 50)
    with client(service) as sales, pytest.raises(Misconfigured):
        read(sales)
    assert len(service.seen) == 4


def test_a_body_that_is_too_large_is_a_failure_and_not_held_in_memory(monkeypatch):
    monkeypatch.setattr("synccore.connectors.odata.exchange.LARGEST", 1000)
    body = gzip.compress(b"x" * 100_000)
    huge = {"content": body, "headers": {"Content-Encoding": "gzip"}}
    with client(lambda request: httpx2.Response(200, **huge)) as sales:
        assert sales.send_raw(GET, operation="read").status == 413
        with pytest.raises(Failure):
            read(sales)
        with pytest.raises(Transient) as caught:
            sales.send(POST, operation="create")
        assert caught.value.outcome_unknown


def test_a_body_that_is_not_packed_as_it_says_is_a_failure():
    answer = {"content": b"no gzip", "headers": {"Content-Encoding": "gzip"}}
    with (
        client(lambda request: httpx2.Response(200, **answer), rest=lambda s: None) as sales,
        pytest.raises(Failure),
    ):
        read(sales)


@pytest.mark.parametrize("said", ["0", "-5", "Sun, 06 Nov 1994 08:49:37 GMT", "soon"])
def test_who_may_be_asked_again_at_once_is_not_asked_in_a_row(said):
    rests = []
    service = Moody(*[httpx2.Response(503, headers={"Retry-After": said})] * 9)
    with client(service, rest=rests.append) as sales, pytest.raises(Transient):
        read(sales)
    assert len(service.seen) == 6
    assert len(rests) == 5
    assert min(rests) >= 0.25
