"""The Dataverse server refuses what the real one refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.odata.client import Client, error, multipart
from tests.odata.dataverse import DataverseServer
from tests.odata.fixtures import dataverse_server  # noqa: F401  (a fixture)
from tests.odata.standard_dataverse import DOLLAR

GET = "GET", "/api/data/v9.2/accounts?$select=name", None, {}


@pytest.fixture
def server(dataverse_server: DataverseServer) -> DataverseServer:  # noqa: F811
    return dataverse_server


@pytest.fixture
def client(server: DataverseServer) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.close()


def batch(client: Client, body: bytes, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.http.post(
        f"{client.server.service.root}$batch",
        content=body,
        headers={"Content-Type": "multipart/mixed; boundary=batch_1", **named},
    )


def error_in(text: str) -> list[str]:
    """The statuses of the answers in a batch."""
    return re.findall(r"HTTP/1.1 (\d+) ", text)


def accounts(server: DataverseServer, *names: str) -> list[str]:
    ids = [str(uuid4()) for _ in names]
    for id, name in zip(ids, names, strict=True):
        server.put("accounts", id, {"name": name})
    return ids


def test_a_request_without_a_valid_token_is_refused(server: DataverseServer, client: Client) -> None:
    assert client.get("WhoAmI").json()["UserId"] == server.user
    server.faults.expire_tokens()
    assert error(client.get("WhoAmI")) == (401, "0x8005f101")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("grant_type", "password", "unsupported_grant_type"),
        ("client_id", "somebody", "unauthorized_client"),
        ("client_secret", "guessed", "invalid_client"),
        ("scope", "https://elsewhere/.default", "invalid_scope"),
    ],
)
def test_a_token_needs_grant_client_secret_and_scope(
    client: Client, field: str, value: str, code: str
) -> None:
    refused = client.token(**{field: value})
    assert refused["error"] == code
    assert refused["error_description"].startswith("AADSTS")


def test_an_insert_is_idempotent_and_a_change_without_condition_inserts(client: Client) -> None:
    path = f"accounts({uuid4()})"
    assert client.send("PATCH", path, {"name": "A"}, If_None_Match="*").status_code == 204
    assert error(client.send("PATCH", path, {"name": "A"}, If_None_Match="*")) == (412, "0x80040237")
    other = f"accounts({uuid4()})"
    assert error(client.send("PATCH", other, {"name": "B"}, If_Match="*")) == (404, "0x80040217")
    assert client.send("PATCH", other, {"name": "B"}).status_code == 204  # it is an upsert
    assert client.get(other).json()["name"] == "B"


def test_a_stale_change_is_412(server: DataverseServer, client: Client) -> None:
    [id] = accounts(server, "A")
    etag = client.get(f"accounts({id})").json()["@odata.etag"]
    answer = client.send(
        "PATCH", f"accounts({id})?$select=name", {"name": "B"}, If_Match=etag, Prefer="return=representation"
    )
    assert (answer.status_code, answer.json()["name"]) == (200, "B")
    assert answer.json()["@odata.etag"] != etag
    assert error(client.send("PATCH", f"accounts({id})", {"name": "C"}, If_Match=etag)) == (412, "0x80060882")
    assert error(client.send("DELETE", f"accounts({id})", If_Match=etag)) == (412, "0x80060882")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("accounts?$skip=1", "0x80060888"),
        ("accounts?$select=Name", "0x0"),
        ("accounts?$select=primarycontactid", "0x0"),
        ("accounts?$filter=accountid eq '7d3c1a52-1f6f-4c1e-9d55-0c5a1f9b2c11'", "0x80060888"),
        ("accounts?$filter=name eq 7", "0x80060888"),
        ("accounts?$filter=creditlimit gt '7'", "0x80060888"),
        ("accounts?$filter=modifiedon ge 2026-01-01", "0x80060888"),
        ("accounts?$filter=year(modifiedon) eq 2026", "0x80060888"),
        ("accounts?$filter=name eq 'a' or", "0x80060888"),
        ("accounts?$filter=primarycontactid eq null", "0x0"),
        ("accounts?$orderby=nothing", "0x0"),
        ("accounts?$top=x", "0x80060888"),
    ],
)  # fmt: skip
def test_a_query_that_is_not_understood_is_refused(client: Client, path: str, code: str) -> None:
    assert error(client.get(path)) == (400, code)


def test_names_of_sets_are_case_sensitive(client: Client) -> None:
    assert error(client.get("Accounts")) == (404, "0x8006088a")


def test_text_compares_without_case_accents_and_trailing_blanks(
    server: DataverseServer, client: Client
) -> None:
    accounts(server, "Ångström ", "angstrom", "other")
    found = client.value("accounts?$select=name&$filter=name eq 'ANGSTROM'")
    assert {each["name"] for each in found} == {"Ångström ", "angstrom"}
    assert len(client.value("accounts?$filter=startswith(name,'O') and not contains(name,'X')")) == 1


def test_pages_lose_nothing_while_rows_come_and_their_links_are_opaque(
    server: DataverseServer, client: Client
) -> None:
    accounts(server, *(f"n{i}" for i in range(7)))
    path = "accounts?$select=name&$filter=contains(name,'n')&$orderby=modifiedon,name desc"
    pages = client.pages(path, Prefer="odata.maxpagesize=3")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert len({each["accountid"] for page in pages for each in page}) == 7
    link = client.get(path, Prefer="odata.maxpagesize=3").json()["@odata.nextLink"]
    assert error(client.get(link.replace("%", "%25")))[0] == 400
    assert error(client.get(link + "&$top=1")) == (400, "0x80060888")


def test_money_brings_its_currency_and_lookups_are_bound(server: DataverseServer, client: Client) -> None:
    path = f"accounts({uuid4()})"
    body = {
        "name": "A",
        "creditlimit": 12.5,
        "transactioncurrencyid@odata.bind": f"/transactioncurrencies({DOLLAR})",
    }
    assert client.send("PATCH", path, body, If_None_Match="*").status_code == 204
    found = client.get(f"{path}?$select=creditlimit").json()
    assert found["_transactioncurrencyid_value"] == DOLLAR
    for wrong in (
        {"transactioncurrencyid": DOLLAR},
        {"_transactioncurrencyid_value": DOLLAR},
        {"transactioncurrencyid@odata.bind": f"/accounts({DOLLAR})"},
        {"parentcustomerid@odata.bind": f"/accounts({DOLLAR})"},
        {"nothing": 1},
        {"name": 1},
        {"creditlimit": "1"},
    ):
        assert error(client.send("PATCH", path, wrong, If_Match="*")) == (400, "0x80048d19")
    gone = {"primarycontactid@odata.bind": f"/contacts({uuid4()})"}
    assert error(client.send("PATCH", path, gone, If_Match="*")) == (404, "0x80040217")
    assert client.send("DELETE", f"{path}/transactioncurrencyid/$ref").status_code == 204
    assert client.get(path).json()["_transactioncurrencyid_value"] is None


def test_a_lookup_with_two_targets_has_a_navigation_property_each(
    server: DataverseServer, client: Client
) -> None:
    [account] = accounts(server, "A")
    body = {
        "lastname": "Dijk",
        "firstname": "Ada",
        "parentcustomerid_account@odata.bind": f"/accounts({account})",
    }
    answer = client.send("POST", "contacts?$select=fullname", body, Prefer="return=representation")
    assert (answer.status_code, answer.json()["fullname"]) == (201, "Ada Dijk")
    [found] = client.value("contacts", Prefer='odata.include-annotations="*"')
    assert found["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert error(client.send("DELETE", f"accounts({account})")) == (405, "0x80040227")
    wrong = {"parentcustomerid@odata.bind": f"/accounts({account})"}
    assert error(client.send("POST", "contacts", wrong)) == (400, "0x80048d19")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "x" * 161}, "0x80044331"),
        ({"customertypecode": 99}, "0x80061005"),
        ({"creditlimit": 1e30}, "0x80048d19"),
        ({"modifiedon": "2026-01-01T00:00:00Z"}, "0x80040265"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(client: Client, body: dict[str, Any], code: str) -> None:
    assert error(client.send("POST", "accounts", body))[1] in (code, "0x80044330")


@pytest.mark.parametrize("day", ["2026-02-30", "30-02-2026", "2026-02-03T00:00:00Z"])
def test_a_day_that_the_calendar_lacks_is_refused(client: Client, day: str) -> None:
    assert error(client.send("POST", "contacts", {"birthdate": day})) == (400, "0x80048d19")
    assert client.get(f"contacts?$filter=birthdate gt {day}").status_code == 400


def test_a_tracked_reading_tells_changes_then_deletions(server: DataverseServer, client: Client) -> None:
    first, second, third = accounts(server, "A", "B", "C")
    prefer = "odata.track-changes,odata.maxpagesize=2"
    answer = client.get("accounts?$select=name", Prefer=prefer)
    assert "odata.track-changes" in answer.headers["preference-applied"]
    server.put("accounts", first, {"name": "A2"})  # told already: the next link has it
    rest = client.get(answer.json()["@odata.nextLink"], Prefer=prefer).json()
    assert [each["name"] for each in rest["value"]] == ["C"]
    server.remove("accounts", second)
    [short] = accounts(server, "short")
    server.remove("accounts", short)
    found = client.get(rest["@odata.deltaLink"], Prefer=prefer).json()
    assert [each.get("name") or (each["id"], each["reason"]) for each in found["value"]] == [
        "A2",
        (second, "deleted"),
    ]
    last = client.get(found["@odata.nextLink"], Prefer=prefer).json()
    assert [each["id"] for each in last["value"]] == [short]
    assert client.get(last["@odata.deltaLink"], Prefer=prefer).json()["value"] == []
    server.faults.expire_deltas()
    assert error(client.get(last["@odata.deltaLink"])) == (400, "0x80044352")
    assert third


@pytest.mark.parametrize(
    "option", ["$filter=name eq 'A'", "$orderby=name", "$top=1", "$expand=primarycontactid"]
)
def test_a_tracked_reading_takes_no_filter(client: Client, option: str) -> None:
    assert error(client.get(f"accounts?{option}", Prefer="odata.track-changes")) == (400, "0x80060888")


def test_a_table_without_tracking_says_so(client: Client) -> None:
    assert error(client.get("organizations", Prefer="odata.track-changes")) == (400, "0x80072491")


def test_a_batch_is_framed_exactly(client: Client) -> None:
    good = multipart([GET, GET])
    assert batch(client, good).status_code == 200
    for bad in (
        multipart([GET], end="\n"),
        good.removesuffix(b"\r\n"),
        good.replace(b"Content-Transfer-Encoding: binary\r\n", b""),
        good.replace(b"batch_1", b"batch_2"),
        b"",
    ):
        assert error(batch(client, bad)) == (400, "0x80048d19")


def test_a_batch_holds_at_most_a_thousand_operations(client: Client) -> None:
    assert batch(client, multipart([GET] * 1000)).status_code == 200
    assert error(batch(client, multipart([GET] * 1001))) == (400, "0x80060888")


def test_a_batch_stops_at_the_first_error_unless_it_is_told_to_go_on(
    server: DataverseServer, client: Client
) -> None:
    operations = [("POST", "/api/data/v9.2/accounts", {"name": name}, {}) for name in ("A", "x" * 200, "C")]
    stopped = batch(client, multipart(operations))
    assert stopped.status_code == 400
    assert [row["name"] for row in server.rows("accounts").values()] == ["A"]
    on = batch(client, multipart(operations), Prefer="odata.continue-on-error")
    assert on.status_code == 200
    assert on.text.count("HTTP/1.1 204 No Content\r\n") == 2 and on.text.count("HTTP/1.1 400") == 1
    assert sorted(row["name"] for row in server.rows("accounts").values()) == ["A", "A", "C"]


def test_a_change_set_is_all_or_nothing(server: DataverseServer, client: Client) -> None:
    def change_set(*names: str) -> bytes:
        inner = b""
        for n, name in enumerate(names):
            part = multipart([("POST", "/api/data/v9.2/accounts", {"name": name}, {})], "set_1")
            inner += part.replace(b"binary", f"binary\r\nContent-ID: {n}".encode()).removesuffix(
                b"--set_1--\r\n"
            )
        head = b"--batch_1\r\nContent-Type: multipart/mixed; boundary=set_1\r\n\r\n"
        return head + inner + b"--set_1--\r\n\r\n--batch_1--\r\n"

    assert error_in(batch(client, change_set("A", "x" * 200)).text) == ["400"]
    assert server.rows("accounts") == {}
    assert error_in(batch(client, change_set("A", "B")).text) == ["204", "204"]
    assert len(server.rows("accounts")) == 2


def test_rights_admin_mode_and_the_user_are_told_in_the_language_of_the_user(
    server: DataverseServer, client: Client
) -> None:
    server.faults.deny("accounts", "create")
    for language, word in (
        ("en", "is missing"),
        ("nl", "mist de bevoegdheid"),
        ("nb", "mangler rettigheten"),
    ):
        server.faults.language = language
        answer = client.send("POST", "accounts", {"name": "A"})
        assert error(answer) == (403, "0x80040220")
        text = answer.json()["error"]["message"]
        assert word in text and "prvCreateAccount" in text and server.user in text
    assert client.get("accounts").status_code == 200
    server.faults.admin_mode = True
    assert "Admin Only mode" in client.get("accounts").json()["error"]["message"]
    server.faults.clear()
    server.faults.user_missing = True
    assert error(client.get("WhoAmI")) == (403, "0x80072560")
    server.faults.clear()
    server.faults.user_disabled = True
    assert error(client.get("WhoAmI")) == (403, "0x8004a112")


def test_definitions_tell_lengths_types_and_options(client: Client) -> None:
    sets = client.value(
        "EntityDefinitions?$select=LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled"
    )
    assert ("account", "accounts", "accountid", True) in [
        (
            each["LogicalName"],
            each["EntitySetName"],
            each["PrimaryIdAttribute"],
            each["ChangeTrackingEnabled"],
        )
        for each in sets
    ]
    path = "EntityDefinitions(LogicalName='account')/Attributes"
    texts = client.value(
        f"{path}/Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=LogicalName,MaxLength"
    )
    assert {each["LogicalName"]: each["MaxLength"] for each in texts}["name"] == 160
    lists = client.value(
        f"{path}/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet"
    )
    options = {each["LogicalName"]: each["OptionSet"]["Options"] for each in lists}["customertypecode"]
    assert (3, "Customer") in [
        (each["Value"], each["Label"]["UserLocalizedLabel"]["Label"]) for each in options
    ]
    assert error(client.get("EntityDefinitions?$top=5"))[0] == 400
    assert error(client.get("EntityDefinitions?$select=Nothing"))[0] == 400
    metadata = client.get("$metadata").text
    assert "MaxLength" not in metadata and 'Name="_primarycontactid_value" Type="Edm.Guid"' in metadata


def test_products_are_picky(server: DataverseServer, client: Client) -> None:
    assert error(client.send("POST", "products", {"name": "Bolt", "productnumber": "1"}))[1] == "0x80043b13"
    schedule = str(uuid4())
    server.put("uomschedules", schedule, {"name": "Default"})
    bind = {"defaultuomscheduleid@odata.bind": f"/uomschedules({schedule})"}
    assert error(client.send("POST", "products", {"name": "Bolt", **bind}))[1] == "0x80043b05"
    assert client.send("POST", "products", {"name": "Bolt", "productnumber": "1", **bind}).status_code == 204
    assert (
        error(client.send("POST", "products", {"name": "Nut", "productnumber": "1", **bind}))[1]
        == "0x80043b06"
    )
    [product] = client.value("products?$select=statecode")
    path = f"products({product['productid']})"
    assert client.send("PATCH", path, {"statecode": 0, "statuscode": 1}, If_Match="*").status_code == 204
    assert error(client.send("PATCH", path, {"name": "Screw"}, If_Match="*"))[1] == "0x8004F995"


def test_a_unit_group_makes_its_base_unit(server: DataverseServer, client: Client) -> None:
    assert client.send("POST", "uomschedules", {"name": "PCS", "baseuomname": "PCS"}).status_code == 204
    [unit] = client.value("uoms?$select=name,_uomscheduleid_value&$expand=uomscheduleid($select=name)")
    assert (unit["name"], unit["uomscheduleid"]["name"]) == ("PCS", "PCS")
    bind = {"uomscheduleid@odata.bind": f"/uomschedules({unit['_uomscheduleid_value']})"}
    assert error(client.send("POST", "uoms", {"name": "PCS", **bind})) == (412, "0x80040237")
    assert client.send("POST", "uoms", {"name": "BOX", "quantity": 12, **bind}).status_code == 204


def test_a_record_has_the_address_that_people_open(server: DataverseServer, client: Client) -> None:
    [id] = accounts(server, "Adatum")
    page = client.http.get(f"{server.address}/main.aspx?etn=account&id={id.upper()}&pagetype=entityrecord")
    assert page.status_code == 200 and "<h1>Adatum</h1>" in page.text
