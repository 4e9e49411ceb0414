"""One connection's HTTP: what is sent, what comes back, and what a failure says."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.errors import BadAnswer
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Misconfigured, Scope, Transient, Unrecognised

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
        assert sales.last_date[0] == datetime(2026, 11, 25, 10, tzinfo=UTC)


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

    with client(answer) as sales, pytest.raises(Transient) as caught:
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
