"""What really goes over the wire: a server of bare sockets sees the request line, the connections and the cuts."""

import socket
import time

import pytest

from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.profile import Profile
from synccore.failures import Transient
from tests.connectors.odata.wire import client

LINKS = [
    "accounts?$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%22%20/%3E",
    "accounts?$filter=name%20eq%20'O''Neil+%26%20S%C3%B8n'&$orderby=modifiedon",
    "accounts?%24skiptoken=a%2fb%2Fc%7e~!*()[]|{}^`\\x",
    "a/../b/./c//d?x=%",
    "customers(W%2F'1')?a=1&a=2&&b",
]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("form", ["relative", "absolute", "from the host on"])
def test_an_address_that_a_service_gave_is_sent_byte_for_byte(wire, link, form):
    root = f"http://127.0.0.1:{wire.port}/data/"
    path = {"relative": link, "absolute": root + link, "from the host on": "/data/" + link}[form]
    with client(wire) as sales:
        sales.send(Request("GET", path), operation="read")
    assert wire.lines == [f"GET /data/{link} HTTP/1.1".encode()]


def test_what_no_request_line_can_hold_is_encoded(wire):
    with client(wire) as sales:
        sales.send(Request("GET", "accounts?x=é b\r\nX-Evil: 1#part"), operation="read")
    assert wire.lines == [b"GET /data/accounts?x=%C3%A9%20b%0D%0AX-Evil:%201 HTTP/1.1"]


def test_a_connection_is_used_again_and_gzip_is_asked_for(wire):
    with client(wire) as sales:
        for _ in range(5):
            sales.send(Request("GET", "accounts"), operation="read")
    assert wire.connections == 1
    assert b"accept-encoding: gzip" in wire.heads[0]
    assert b"host: 127.0.0.1:" in wire.heads[0]


def test_a_connection_that_was_cut_is_made_again_for_a_reading(wire):
    wire.hang_up = 1
    with client(wire, rest=lambda seconds: None) as sales:
        sales.send(Request("GET", "accounts"), operation="read")
    assert len(wire.lines) == 2


def test_a_post_that_was_cut_is_not_made_again(wire):
    wire.hang_up = 1
    with client(wire, rest=lambda seconds: None) as sales, pytest.raises(Transient) as caught:
        sales.send(Request("POST", "accounts", body=b"{}"), operation="create")
    assert caught.value.outcome_unknown
    assert len(wire.lines) == 1


def test_an_answer_that_never_comes_is_given_up(wire):
    wire.pieces = [(b"", 60)]
    started = time.monotonic()
    with client(wire, request_timeout=0.6) as sales, pytest.raises(Transient):
        sales.send(Request("GET", "accounts"), operation="read")
    assert time.monotonic() - started < 30


def test_an_answer_that_drips_is_given_up_when_the_call_s_time_is_over(wire):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    wire.pieces = [(head, 0), *[(b"x" * 10, 0.05)] * 1200]
    started = time.monotonic()
    with client(wire, request_timeout=0.6) as sales, pytest.raises(Transient):
        sales.send(Request("GET", "accounts"), operation="read")
    assert 0.5 < time.monotonic() - started < 30


def test_a_body_that_stands_still_is_given_up(wire, monkeypatch):
    monkeypatch.setattr("synccore.connectors.odata.exchange.PAUSE", 0.3)
    wire.pieces = [(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", 60)]
    started = time.monotonic()
    with client(wire, request_timeout=1.5, rest=lambda seconds: None) as sales, pytest.raises(Transient):
        sales.send(Request("GET", "accounts"), operation="read")
    assert time.monotonic() - started < 30


def test_a_body_that_was_cut_is_no_answer(wire):
    wire.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{}"
    wire.pieces = [(wire.answer, 0)]

    def talk(connection, once=wire._talk):
        with connection:
            connection.recv(65536)
            connection.sendall(wire.answer)

    wire._talk = talk
    with client(wire, rest=lambda seconds: None) as sales, pytest.raises(Transient) as caught:
        sales.send(Request("POST", "accounts", body=b"{}"), operation="create")
    assert caught.value.outcome_unknown


def test_nobody_listening_is_a_temporary_fault():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        port = taken.getsockname()[1]
        sales = Client(Profile(), app="Sales", root=f"http://127.0.0.1:{port}/", rest=lambda seconds: None)
        with sales, pytest.raises(Transient) as caught:
            sales.send(Request("GET", "accounts"), operation="read")
    assert caught.value.code == "connection_refused"
    assert caught.value.params["port"] == str(port)


def test_neither_address_nor_headers_of_an_answer_are_logged(wire, caplog):
    caplog.set_level("DEBUG")
    wire.answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=s3cret\r\nContent-Length: 2\r\n\r\n{}"
    with client(wire) as sales:
        sales.send(Request("GET", "contacts?$filter=mail%20eq%20'anna@example.com'"), operation="read")
    assert "anna" not in caplog.text
    assert "s3cret" not in caplog.text
