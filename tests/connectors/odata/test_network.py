"""Time and addresses of connections: nothing that a service sends, or does not take, holds a call longer than it may last,
and no name leads to the addresses at which clouds tell a machine its credentials."""

import socket
import threading
import time

import pytest

from synccore.connectors.odata import certificates, exchange, network
from synccore.connectors.odata.auth import ClientCredentials
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.profile import Profile
from synccore.failures import Misconfigured, Scope, Transient
from synccore.shapes import CheckState
from tests.connectors.odata.wire import Wire, client, own_authority

GET = Request("GET", "accounts")
POST = Request("POST", "accounts", body=b"{}")
#: Far more than a call may last here, far less than what drips would take.
LONG = 30

OK = b"HTTP/1.1 200 OK\r\n"
PACKED = b"Content-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n"
DRIPS = {
    "the head": (b"", OK + b"X-Long: " + b"x" * 5000),
    "one header after the other": (OK, b"X: y\r\n" * 2000),
    "answers before the answer": (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 500),
    "the body": (OK + b"Content-Length: 100000\r\n\r\n", b"x" * 5000),
    "a packed body": (OK + PACKED + b"\x1f\x8b\x08\x08\0\0\0\0\0\0", b"n" * 5000),
    "the size of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 5000),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
    "what follows the chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 2000),
    "a body that ends with the connection": (OK + b"Connection: close\r\n\r\n", b"x" * 5000),
}  # fmt: skip


def drip(text, pause=0.05):
    return [(text[at : at + 1], pause) for at in range(len(text))]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return own_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secured(authority, monkeypatch):
    """A server that speaks TLS, trusted by us."""
    server, ours = authority
    monkeypatch.setattr(exchange, "_certificates", lambda: ours)
    wire = Wire(tls=server)
    yield wire
    wire.close()


@pytest.fixture(params=["plain", "secured"])
def either(request):
    return request.getfixturevalue({"plain": "wire", "secured": "secured"}[request.param])


def given_up(sales, asked):
    """The failure of a request, which came in good time."""
    sales._request_timeout = 0.6
    started = time.monotonic()
    with pytest.raises(Transient) as caught:
        sales.send(asked, operation="create" if asked.method == "POST" else "read")
    assert time.monotonic() - started < LONG
    return caught.value


@pytest.mark.parametrize("what", DRIPS)
def test_what_comes_byte_by_byte_is_given_up_when_the_call_s_time_is_over(wire, what):
    at_once, slowly = DRIPS[what]
    with client(wire) as sales:
        sales.send(GET, operation="read")
        wire.pieces = [(at_once, 0), *drip(slowly)]
        assert given_up(sales, GET).code == "statement_timeout"
    assert len(wire.lines) <= 2


def test_a_write_whose_answer_comes_byte_by_byte_has_an_unknown_outcome_and_is_not_repeated(either):
    with client(either) as sales:
        sales.send(GET, operation="read")
        either.pieces = drip(b"".join(DRIPS["the head"]))
        failure = given_up(sales, POST)
        assert (failure.code, failure.outcome_unknown) == ("statement_timeout", True)
        assert len(either.lines) <= 2
        used = either.connections
        # Its late bytes are nobody's answer: the next request has a connection of its own.
        either.pieces, sales._request_timeout = None, LONG
        assert sales.send(GET, operation="read").json() == {}
    assert either.connections == used + 1


def test_an_encryption_that_is_agreed_on_byte_by_byte_is_given_up_and_nothing_was_sent(talking):
    def talk(connection):
        with connection:
            try:
                connection.sendall(b"\x16\x03\x03\x40\x00")  # a record is to follow
                while not time.sleep(0.05):
                    connection.sendall(b"\x02")
            except OSError:
                return

    root = f"https://127.0.0.1:{talking(talk)}/"
    with Client(Profile(), app="Sales", root=root, connect_timeout=0.3) as sales:
        failure = given_up(sales, POST)
    assert (failure.code, failure.outcome_unknown) == ("connection_refused", False)


def test_an_encrypted_answer_that_comes_byte_by_byte_is_given_up(secured, talking):
    """Below the encryption: one record of it never comes in whole."""

    def talk(connection):
        with connection, socket.create_connection(("127.0.0.1", secured.port)) as service:
            threading.Thread(target=onward, args=(connection, service), daemon=True).start()
            try:
                while part := service.recv(65536):
                    slowly = len(secured.lines) > 1
                    for piece in [part[at : at + 1] for at in range(len(part))] if slowly else [part]:
                        connection.sendall(piece)
                        time.sleep(0.05 if slowly else 0)
            except OSError:
                return

    def onward(connection, service):
        try:
            while part := connection.recv(65536):
                service.sendall(part)
        except OSError:
            return

    root = f"https://127.0.0.1:{talking(talk)}/"
    with Client(Profile(), app="Sales", root=root) as sales:
        sales.send(GET, operation="read")
        secured.answer = OK + b"Content-Length: 16000\r\n\r\n" + b"x" * 16000
        assert given_up(sales, GET).code == "statement_timeout"
    assert len(secured.lines) <= 2


def test_a_service_that_takes_a_body_byte_by_byte_is_given_up(talking):
    def talk(connection):
        with connection:
            while not time.sleep(0.01) and connection.recv(1):
                pass

    root = f"http://127.0.0.1:{talking(talk, received=4096)}/"
    with Client(Profile(), app="Sales", root=root) as sales:
        failure = given_up(sales, Request("POST", "accounts", body=b"x" * 30_000_000))
    assert (failure.code, failure.outcome_unknown) == ("statement_timeout", True)


# -- addresses ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch):
    """What names lead to: addresses by name; under ``asked`` the names that were looked up."""
    asked = []
    known = {"asked": asked}

    def look_up(host, port, **more):
        asked.append(host)
        return [socket.getaddrinfo(each, port, **more)[0] for each in known.get(host, [host])]

    monkeypatch.setattr(network, "getaddrinfo", look_up)
    return known


MACHINE = ["169.254.169.254", "169.254.0.1", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254"]


@pytest.mark.parametrize("address", MACHINE)
@pytest.mark.parametrize("path", ["accounts", "http://erp.example/next?$skiptoken=2"])
def test_a_name_that_leads_to_the_machine_itself_is_a_set_up_problem(names, monkeypatch, address, path):
    names["erp.example"] = [address]
    connected = []
    monkeypatch.setattr(socket, "create_connection", lambda *args, **more: connected.append(args))
    sales = Client(Profile(), app="Sales", root="http://erp.example/")
    with sales, pytest.raises(Misconfigured) as caught:
        sales.send(Request("POST", path, body=b"{}"), operation="create")
    failure = caught.value
    assert (failure.code, failure.scope) == ("address_of_the_machine", Scope.CONNECTION)
    assert failure.params["host"] == "erp.example"
    assert not failure.outcome_unknown
    assert connected == []


def test_the_token_address_is_looked_at_as_well_and_no_secret_goes_there(names, wire):
    names["login.example"] = ["169.254.169.254"]
    sign_in = ClientCredentials(
        token_address="https://login.example/token", client_id="me", client_secret="s3cret", scope=""
    )
    with client(wire, sign_in=sign_in) as sales, pytest.raises(Misconfigured) as caught:
        sales.send(GET, operation="read")
    assert (caught.value.code, caught.value.params["host"]) == ("address_of_the_machine", "login.example")
    assert wire.lines == []


def test_where_a_certificate_ends_is_not_asked_of_the_machine_itself(names):
    names["erp.example"] = ["169.254.169.254"]
    [found] = certificates.certificate_ends("https://erp.example/")
    assert found.state is CheckState.UNKNOWN


def test_what_is_connected_to_is_what_was_looked_at(names, wire):
    """A name that leads elsewhere a moment later changes nothing: it is looked up once."""
    names["erp.example"] = ["169.254.169.254", "127.0.0.1"]
    with Client(Profile(), app="Sales", root=f"http://erp.example:{wire.port}/") as sales:
        assert sales.send(GET, operation="read").json() == {}
    assert names["asked"] == ["erp.example"]
    assert b"host: erp.example" in wire.heads[0]


def test_a_machine_that_is_reached_by_one_of_its_addresses_is_reached(names, wire):
    names["erp.example"] = ["127.0.0.2", "127.0.0.1"]
    with Client(Profile(), app="Sales", root=f"http://erp.example:{wire.port}/") as sales:
        assert sales.send(GET, operation="read").json() == {}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.2", "172.16.0.1", "fd12::1", "100.64.0.1"]
)
def test_this_machine_and_private_networks_are_allowed(host):
    assert network.addresses_of(host, 80) == [host]
