"""The plain server, and what all three have from the same source: the file, the clock, signing in, gzip."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from tests.odata.client import Client, error
from tests.odata.dataverse import DataverseServer
from tests.odata.fixtures import plain_server  # noqa: F401  (a fixture)
from tests.odata.plain import Plain, PlainServer


@pytest.fixture
def server(plain_server: PlainServer) -> PlainServer:  # noqa: F811
    return plain_server


@pytest.fixture
def client(server: PlainServer) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.close()


def test_keys_are_texts_or_numbers(client: Client) -> None:
    made = client.send("POST", "Categories", {"Code": "it's/a b", "Name": "odd"})
    assert (made.status_code, made.headers["location"]) == (201, "Categories('it''s%2Fa%20b')")
    assert client.get(made.headers["location"]).json()["Name"] == "odd"
    assert error(client.send("POST", "Categories", {"Code": "it's/a b"})) == (409, "DuplicateKey")
    assert error(client.send("POST", "Categories", {"Name": "none"})) == (400, "ValueRequired")
    first, second = (client.send("POST", "Products", {"Code": code, "Name": code}).json() for code in "AB")
    assert (first["ID"], second["ID"]) == (1, 2)
    assert error(client.get("Products('1')")) == (400, "BadRequest")
    assert client.get("Products(1)").json()["Price"] is None


def test_a_change_is_conditional(client: Client, server: PlainServer) -> None:
    made = client.send("POST", "Products", {"Code": "A", "Name": "a"})
    assert client.send("PATCH", "Products(1)", {"Name": "b"}).status_code == 428
    assert client.send("PATCH", "Products(1)", {"Name": "b"}, If_Match='W/"1"').status_code == 412
    assert (
        client.send("PATCH", "Products(1)", {"Name": "b"}, If_Match=made.headers["etag"]).status_code == 200
    )
    assert isinstance(server.service, Plain)
    server.service.etags = False
    assert client.send("PATCH", "Products(1)", {"Name": "c"}).status_code == 200
    assert client.send("DELETE", "Products(1)").status_code == 204
    assert client.send("DELETE", "Products(1)").status_code == 404


def test_links_are_relative_to_the_service_and_decimals_keep_their_digits(
    client: Client, server: PlainServer
) -> None:
    for n in range(5):
        server.put("Products", n, {"Code": str(n), "Name": "n", "Price": Decimal("5000000.1234")})
    answer = client.get("Products?$filter=Price ge 5000000.1234&$count=true", Prefer="odata.maxpagesize=2")
    assert answer.json()["@odata.count"] == 5
    assert answer.json()["@odata.nextLink"].startswith("Products?")
    assert "5000000.1234" in answer.text
    assert [len(page) for page in client.pages("Products", Prefer="odata.maxpagesize=2")] == [2, 2, 1]
    server.put("Products", 9, {"Code": "9", "Name": "no stamp"}, stamp=None)
    assert client.get("Products(9)").json()["ChangedAt"] is None


def test_a_filter_decodes_its_text_once(client: Client, server: PlainServer) -> None:
    server.put("Categories", "A", {"Name": "50%+ & more #1 it's"})
    assert len(client.value("Categories?$filter=Name eq '50%25%2B %26 more %231 it''s'")) == 1
    assert client.value("Categories?$filter=Name eq '50%25+ %26 more %231 it''s'") == []  # a plus is a blank
    assert [each["Code"] for each in client.value("Categories?$filter=Code in ('A','B')")] == ["A"]


@pytest.mark.parametrize("auth", ["basic", "header", "oauth2"])
def test_signing_in(auth: str) -> None:
    with PlainServer(auth=auth) as server:
        client = Client(server)
        assert client.http.get(server.url).status_code == (200 if auth == "oauth2" else 401)
        if auth == "basic":
            client.http.auth = (server.user_name, server.client_secret)
        client.http.headers["X-Api-Key"] = server.client_secret
        assert client.get("Products").status_code == 200
        client.close()


def test_gzip_the_clock_and_the_log_of_requests(client: Client, server: PlainServer) -> None:
    for n in range(50):
        server.put("Products", n, {"Code": str(n), "Name": "n" * 40})
    server.service.store.skew = 3600
    answer = client.get("Products")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["date"] == server.date()
    assert server.requests == [("GET", "/odata/Products")]


def test_a_record_has_a_page_for_people(client: Client, server: PlainServer) -> None:
    server.put("Categories", "A/b", {"Name": "<Nuts> & bolts"})
    page = client.http.get(f"{server.address}/record/Categories/A%2Fb")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<h1>&lt;Nuts&gt; &amp; bolts</h1>" in page.text
    assert client.http.get(f"{server.address}/record/Categories/none").status_code == 404
    assert client.http.get(f"{server.address}/record/nothing/1").status_code == 404
    server.put("Products", 7, {"Code": "S", "Name": "Seven"})
    assert "Seven" in client.http.get(f"{server.address}/record/Products/7").text
    assert server.requests == []  # nobody's API request


def test_rows_are_kept_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    kept, gone = str(uuid4()), str(uuid4())
    with DataverseServer(file=file) as server:
        for id in (kept, gone):
            server.put("accounts", id, {"name": id, "creditlimit": Decimal("12.50")})
        server.remove("accounts", gone)
        before = server.rows("accounts")
    with file.open("a") as half:
        half.write('{"set": "acc')  # the process was killed in the middle of a line
    with DataverseServer(file=file) as server:
        assert server.rows("accounts") == before
        server.put("accounts", gone, {"name": "again"})
        versions = [row["versionnumber"] for row in server.rows("accounts").values()]
        assert len(set(versions)) == 2
    with DataverseServer(file=file) as server:
        assert len(server.rows("accounts")) == 2
