"""What a service, a proxy or the surroundings of this machine may do to a connection: nothing of it is an error of ours."""

import gzip
import socket
from contextlib import closing

import pytest

from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.errors import BadAnswer
from synccore.connectors.odata.messages import address_of, origin_of
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Misconfigured, Transient
from tests.connectors.odata.wire import Wire, client

GET = Request("GET", "accounts")
POST = Request("POST", "accounts", body=b"{}")
CHANGE = Request("PATCH", "accounts(1)", {"If-Match": 'W/"1"'}, b"{}")
OK = b"HTTP/1.1 200 OK\r\n"


def no_rest(_seconds):
    pass


def whole(body, *headers):
    lines = [b"Content-Length: %d" % len(body), *headers]
    return OK + b"\r\n".join(lines) + b"\r\n\r\n" + body


# -- bodies -------------------------------------------------------------------------------------------------------------


def test_a_body_where_there_should_be_none_is_not_taken_for_the_next_answer(wire):
    wire.answer = b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}"
    with client(wire, rest=no_rest) as sales:
        answer = sales.send(CHANGE, operation="update")
        assert (answer.status, answer.body) == (204, b"")
        wire.answer = whole(b'{"a": 1}')
        assert sales.send(GET, operation="read").json() == {"a": 1}


@pytest.mark.parametrize("body", [b"", b" ", b"null", b"OK", b"<html>", b'{"value": [', b"[]"])
def test_an_answer_without_the_object_that_is_due_is_a_bad_answer(wire, body):
    wire.answer = whole(body)
    with client(wire) as sales, pytest.raises(BadAnswer):
        sales.send(GET, operation="read").json()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_body_that_ends_with_the_connection_is_whole(wire, version):
    wire.answer = b'HTTP/%b 200 OK\r\n\r\n{"a": 1}' % version
    wire.closes = True
    with client(wire) as sales:
        for _ in range(2):
            assert sales.send(GET, operation="read").json() == {"a": 1}
    assert wire.connections == 2


@pytest.mark.parametrize("cut", [b"Content-Length: 99", b"Transfer-Encoding: chunked"])
def test_a_reading_whose_body_was_cut_is_made_again_and_a_post_is_not(wire, cut):
    wire.answer, wire.closes = OK + cut + b'\r\n\r\n9\r\n{"a"', True
    with client(wire, rest=no_rest) as sales:
        with pytest.raises(Transient) as caught:
            sales.send(POST, operation="create")
        assert (caught.value.code, caught.value.outcome_unknown) == ("connection_lost", True)
        assert len(wire.lines) == 1
        with pytest.raises(Transient) as caught:
            sales.send(GET, operation="read")
        assert (caught.value.code, caught.value.outcome_unknown) == ("connection_lost", False)
    assert len(wire.lines) > 2


def packed(body):
    return whole(body, b"Content-Encoding: gzip")


@pytest.mark.parametrize(
    "broken",
    [gzip.compress(b'{"a": 1}')[:14], b"\x1f\x8b", b"no gzip", b""],
    ids=["cut", "its beginning", "something else", "nothing"],  # a packed body holds the time it was packed
)
def test_a_packed_body_that_is_broken_is_no_answer(wire, broken):
    wire.answer = packed(broken)
    with client(wire, rest=no_rest) as sales, pytest.raises((Transient, BadAnswer)):
        sales.send(GET, operation="read").json()


def test_a_small_body_that_unpacks_to_much_is_given_up_early(wire, monkeypatch):
    monkeypatch.setattr("synccore.connectors.odata.exchange.LARGEST", 1_000_000)
    bomb = gzip.compress(gzip.compress(b"\0" * 20_000_000))
    wire.answer = whole(bomb, b"Content-Encoding: gzip, gzip")
    with client(wire) as sales:
        assert sales.send_raw(GET, operation="read").status == 413


def test_an_answer_before_the_request_was_sent_is_heard_or_the_outcome_is_unknown(talking):
    """A service that refuses a large body by its head alone, and closes."""

    def talk(connection):
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    root = f"http://127.0.0.1:{talking(talk)}/"
    large = Request("POST", "accounts", body=b"x" * 20_000_000)
    with Client(Profile(), app="Sales", root=root, request_timeout=5) as sales:
        try:
            assert sales.send_raw(large, operation="create").status == 413
        except Transient as lost:
            assert lost.outcome_unknown


# -- what is kept between requests ---------------------------------------------------------------------------------------


def test_a_cookie_stays_in_the_connection_it_was_given_to(wire):
    wire.answer = whole(b"{}", b"Set-Cookie: session=s3cret; Path=/")
    for _ in range(2):
        with client(wire) as sales:
            sales.send(GET, operation="read")
    assert all(b"s3cret" not in head for head in wire.heads)


# -- addresses ----------------------------------------------------------------------------------------------------------


def test_a_name_in_its_own_letters_is_the_one_that_is_connected_to():
    assert origin_of("https://straße.example/") == ("https", "xn--strae-oqa.example", 443)
    with pytest.raises(ValueError, match="host"):
        address_of("https://strasse.example/next", "https://straße.example/data/")


def test_an_address_in_numbers_of_the_newer_kind():
    try:
        wire = Wire(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    root = f"http://[::1]:{wire.port}/data/"
    with closing(wire), Client(Profile(), app="Sales", root=root) as sales:
        assert sales.send(Request("GET", root + "accounts"), operation="read").json() == {}
    assert b"host: [::1]:" in wire.heads[0]


# -- proxies ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(wire, monkeypatch):
    """The surroundings name a proxy for everything."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("ALL_PROXY", f"http://me:s3cret@127.0.0.1:{wire.port}")
    return wire


def test_a_proxy_of_the_surroundings_is_used_for_the_world_outside(proxy):
    with Client(Profile(), app="Sales", root="http://erp.example/data/") as sales:
        assert sales.send(GET, operation="read").json() == {}
    assert proxy.lines == [b"GET http://erp.example/data/accounts HTTP/1.1"]
    assert b"proxy-authorization: basic " in proxy.heads[0]


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (b"407", Misconfigured, "wrong_address"),
        (b"403", Transient, "connection_refused"),
        (b"502", Transient, "connection_refused"),
    ],
)
def test_an_encrypted_connection_goes_through_a_proxy_that_may_refuse_it(proxy, status, kind, code):
    proxy.answer = b"HTTP/1.1 %b Sorry\r\nContent-Length: 0\r\n\r\n" % status
    with (
        Client(Profile(), app="Sales", root="https://erp.example/data/", rest=no_rest) as sales,
        pytest.raises(Failure) as caught,
    ):
        sales.send(POST, operation="create")
    assert set(proxy.lines) == {b"CONNECT erp.example:443 HTTP/1.1"}
    assert (type(caught.value), caught.value.code, caught.value.outcome_unknown) == (kind, code, False)
    assert "s3cret" not in f"{caught.value.app_message}{caught.value.debug}{caught.value.params}"


@pytest.mark.parametrize("left_out", ["erp.example", ".example", "10.0.0.0/8", "*"])
def test_what_the_surroundings_leave_out_of_it_is_connected_to_directly(proxy, monkeypatch, left_out):
    monkeypatch.setenv("NO_PROXY", left_out)
    host = "10.255.255.1" if left_out[0] == "1" else "erp.example"
    monkeypatch.setattr("synccore.connectors.odata.network.getaddrinfo", nobody)
    with (
        Client(Profile(), app="Sales", root=f"http://{host}/data/", rest=no_rest) as sales,
        pytest.raises(Transient),
    ):
        sales.send(GET, operation="read")
    assert proxy.lines == []


def nobody(host, port, **more):
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def test_a_proxy_that_answers_byte_by_byte_is_given_up(proxy):
    proxy.pieces = [(b"x", 0.05)] * 600
    with (
        Client(Profile(), app="Sales", root="https://erp.example/data/", request_timeout=0.7) as sales,
        pytest.raises(Transient),
    ):
        sales.send(GET, operation="read")
