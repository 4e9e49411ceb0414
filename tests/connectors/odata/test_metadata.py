"""Metadata as it is read from a service: what it costs, what is known of a table, when it is read anew."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from synccore.connectors.odata import definitions, metadata
from synccore.connectors.odata.auth import ClientCredentials
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Client
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.plain import PlainProfile
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Misconfigured, Scope, Transient
from synccore.shapes import FieldType, KeyKind
from tests.connectors.odata.documents import DATAVERSE, PLAIN
from tests.odata.batch_multipart import answer_batch
from tests.odata.business_central import BusinessCentralServer
from tests.odata.client import Client as Bare
from tests.odata.dataverse import DataverseServer
from tests.odata.dataverse_service import Dataverse
from tests.odata.fixtures import business_central_server, dataverse_server, plain_server  # noqa: F401
from tests.odata.plain import PlainServer
from tests.odata.server import Server
from tests.odata.wire import Answer, Call, Refused

ROOT = "https://service.example/odata/"


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    metadata.forget()
    yield
    metadata.forget()


def connect(server: Server, profile: Profile, root: str = "") -> Client:
    sign_in = server.tokens and ClientCredentials(
        token_address=server.token_url,
        client_id=server.client_id,
        client_secret=server.client_secret,
        scope=server.tokens.scope,
    )
    return Client(profile, app=profile.name, root=root or server.service.root, sign_in=sign_in)


# -- Dataverse ----------------------------------------------------------------------------------------------------------


def test_a_table_of_dataverse_with_lengths_options_and_rights_of_fields(
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    with connect(dataverse_server, DataverseProfile()) as client:
        account = metadata.entity(client, "accounts")
        fields = account.table.fields
        assert (fields["name"].length, fields["address1_city"].length) == (160, 80)
        assert (fields["name"].label != "", fields["name"].native) == (True, "String")
        assert ("3", "Customer") in fields["customertypecode"].options
        assert fields["statecode"].options[0] == ("0", "Active")
        assert fields["creditlimit"].type is FieldType.DECIMAL and fields["creditlimit"].scale == 2
        assert fields["primarycontactid"].native == "Lookup"
        assert fields["modifiedon"].read_only and account.modified_field == "modifiedon"
        assert (account.table.key_kind, account.versioned) == (KeyKind.UUID, True)
        key = account.key_property()
        assert (key.creatable, key.updatable) == (True, False)


def test_only_the_table_in_use_costs_more_than_the_list(dataverse_server: DataverseServer) -> None:  # noqa: F811
    with connect(dataverse_server, DataverseProfile()) as client:
        assert len(metadata.entities(client)) > 5
        assert client.requests == 2
        before = len(dataverse_server.requests)
        metadata.entity(client, "accounts")
        asked = [path for _method, path in dataverse_server.requests[before:]]
        assert not any("contact" in path for path in asked)
        spent = client.requests
        metadata.entity(client, "accounts")
        metadata.glance(client, ["accounts"])
        assert client.requests == spent
        tables = metadata.glance(client, ["contacts", "nothing"], anew=True)
        assert (tables["contacts"].fields["jobtitle"].length, client.requests) == (100, spent + 3)


def batches_of(server: DataverseServer) -> int:
    return sum(path.endswith("$batch") for _method, path in server.requests)


def test_all_that_is_asked_about_tables_goes_into_one_request(dataverse_server: DataverseServer) -> None:  # noqa: F811
    with connect(dataverse_server, DataverseProfile()) as client:
        metadata.entity(client, "accounts")
        assert client.requests == len(dataverse_server.requests) == 3, "document, list of tables, attributes"
        metadata.glance(client, ["accounts", "contacts", "products", "transactioncurrencies", "systemusers"])
        assert (client.requests, batches_of(dataverse_server)) == (4, 2)


def test_answers_about_tables_are_matched_whatever_their_order(
    dataverse_server: DataverseServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connect(dataverse_server, DataverseProfile()) as client:
        expected = metadata.glance(client, ["accounts", "contacts"])

    def reversed_batch(service: Dataverse, call: Call) -> Answer:
        answer = answer_batch(service, call)
        boundary = b"--" + answer.headers["Content-Type"].partition("boundary=")[2].encode()
        parts = answer.body.split(boundary + b"\r\n")[1:]
        parts[-1] = parts[-1].removesuffix(boundary + b"--\r\n")
        body = b"".join(boundary + b"\r\n" + part for part in reversed(parts)) + boundary + b"--\r\n"
        return Answer(answer.status, body, answer.headers)

    monkeypatch.setattr("tests.odata.dataverse_service.answer_batch", reversed_batch)
    metadata.forget()
    with connect(dataverse_server, DataverseProfile()) as client:
        assert metadata.glance(client, ["accounts", "contacts"]) == expected


def refuse(server: DataverseServer, monkeypatch: pytest.MonkeyPatch, part: str, refused: Refused) -> None:
    """Requests with this in their address are refused, in a batch as well."""
    real = server.service.call

    def call(asked: Call) -> Answer:
        return server.service.error(refused) if part in asked.path else real(asked)

    monkeypatch.setattr(server.service, "call", call)


@pytest.mark.parametrize(
    ("refused", "code", "kind"),
    [
        (Refused(500, "0x80040216", "An unexpected error occurred."), "app_fault", Transient),
        (Refused(404, "0x80060888", "Could not find the entity."), "unknown_table", Misconfigured),
        (Refused(429, "0x80072322", "Number of requests exceeded the limit."), "throttled", Transient),
    ],
)
def test_a_table_is_known_whole_or_not_at_all(
    dataverse_server: DataverseServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
    code: str,
    kind: type[Failure],
) -> None:
    refuse(
        dataverse_server,
        monkeypatch,
        "LogicalName='account')/Attributes/Microsoft.Dynamics.CRM.String",
        refused,
    )
    with connect(dataverse_server, DataverseProfile()) as client:
        for _ in range(2):  # it is asked again each time, and is in nobody's copy
            with pytest.raises(kind) as caught:
                metadata.entity(client, "accounts")
            assert caught.value.code == code
            if caught.value.scope is not Scope.CONNECTION:
                assert (caught.value.scope, caught.value.params["table"]) == (Scope.TABLE, "accounts")
            with pytest.raises(kind):
                metadata.glance(client, ["contacts", "accounts"])
        if caught.value.scope is not Scope.CONNECTION:
            assert metadata.describe(client)["contacts"].fields["jobtitle"].length == 100
            assert metadata.describe(client)["accounts"].fields["name"].length is None
            with pytest.raises(kind):
                metadata.entity(client, "accounts")


def test_a_right_that_is_lacking_for_attributes_costs_one_table_its_details(
    dataverse_server: DataverseServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = "Principal user is missing prvReadAttribute privilege"
    refuse(dataverse_server, monkeypatch, "'account')/Attributes/", Refused(403, "0x80040220", words))
    with connect(dataverse_server, DataverseProfile()) as client:
        fields = metadata.entity(client, "accounts").table.fields
        assert (fields["name"].length, fields["name"].label) == (None, ""), "nothing of it, not a part of it"
        assert metadata.entity(client, "contacts").table.fields["jobtitle"].length == 100


def test_alternate_keys_may_be_refused(
    dataverse_server: DataverseServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse(dataverse_server, monkeypatch, "/Keys", Refused(501, "0x80040216", "Not implemented."))
    with connect(dataverse_server, DataverseProfile()) as client:
        assert metadata.entity(client, "accounts").table.fields["name"].length == 160


@pytest.mark.parametrize("status", [404, 405, 501])
def test_where_batches_are_refused_the_questions_are_asked_one_by_one(
    dataverse_server: DataverseServer,  # noqa: F811
    status: int,
) -> None:
    with connect(dataverse_server, DataverseProfile()) as client:
        expected = metadata.entity(client, "accounts")
        metadata.forget()
        dataverse_server.faults.fail(1, status, when=lambda _method, path: path.endswith("$batch"))
        before = client.requests
        assert metadata.entity(client, "accounts") == expected
        assert client.requests == before + 3 + 10


def test_no_batch_holds_more_questions_than_the_service_takes(
    dataverse_server: DataverseServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[int] = []

    def counting(service: Dataverse, call: Call) -> Answer:
        held.append(call.body.count(b"GET "))
        return answer_batch(service, call)

    monkeypatch.setattr("tests.odata.dataverse_service.answer_batch", counting)
    monkeypatch.setattr(definitions, "TABLES_AT_ONCE", 1_000)
    monkeypatch.setattr(DataverseProfile, "batch_limit", 100)
    with connect(dataverse_server, DataverseProfile()) as client:
        known = metadata.entities(client)
        found = definitions.detailed(client, [known["accounts"]] * 15)
    assert len(found) == 15 and max(held) <= 100 < sum(held)


def test_all_tables_are_described_in_tens_of_requests(dataverse_server: DataverseServer) -> None:  # noqa: F811
    with connect(dataverse_server, DataverseProfile()) as client:
        tables = metadata.describe(client)
        assert tables["contacts"].fields["jobtitle"].length == 100
        assert tables["accounts"].label
        assert client.requests <= 2 + 1 + len(tables) // 25


def test_without_the_right_to_definitions_the_tables_are_there_all_the_same() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if "EntityDefinitions" in request.url.path:
            error = {
                "error": {
                    "code": "0x80040220",
                    "message": "Principal user is missing prvReadEntity privilege",
                }
            }
            return httpx2.Response(403, json=error)
        assert "annotations=true" in str(request.url)
        return httpx2.Response(200, content=DATAVERSE)

    with mocked(answer, DataverseProfile()) as client:
        account = metadata.entity(client, "accounts")
        assert account.table.fields["name"].length is None
        assert account.tracks_changes  # as the annotation says


# -- Business Central ---------------------------------------------------------------------------------------------------


def test_a_table_of_business_central_with_captions_and_members(
    business_central_server: BusinessCentralServer,  # noqa: F811
) -> None:
    server = business_central_server
    company = Bare(server)
    id = company.value("companies")[0]["id"]
    company.close()
    with connect(server, BusinessCentralProfile(), f"{server.service.root}companies({id})/") as client:
        customers = metadata.entity(client, "customers")
        assert client.requests == 2
        fields = customers.table.fields
        assert (fields["displayName"].length, fields["city"].length) == (100, 30)
        assert fields["displayName"].required and fields["displayName"].label
        assert dict(fields["blocked"].options) == {"": "", "Ship": "Ship", "Invoice": "Invoice", "All": "All"}
        assert fields["id"].read_only and fields["lastModifiedDateTime"].read_only
        assert (customers.key, customers.table.key_kind) == ("id", KeyKind.OPAQUE)
        assert set(metadata.describe(client)) == set(metadata.entities(client))


# -- any service --------------------------------------------------------------------------------------------------------


def test_a_plain_service_costs_one_request(plain_server: PlainServer) -> None:  # noqa: F811
    with connect(plain_server, PlainProfile()) as client:
        tables = metadata.describe(client)
        assert client.requests == 1 and tables
        assert all(each.fields for each in tables.values())


def mocked(handler, profile: Profile | None = None, app: str = "Shop") -> Client:
    return Client(
        profile or PlainProfile(),
        app=app,
        root=ROOT,
        transport=httpx2.MockTransport(handler),
        rest=lambda _seconds: None,
    )


class Service:
    """A service whose description can be changed."""

    def __init__(self, document: bytes = PLAIN) -> None:
        self.document = document
        self.etag = ""
        self.asked: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.headers.get("If-None-Match", ""))
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return httpx2.Response(304)
        return httpx2.Response(200, content=self.document, headers={"ETag": self.etag} if self.etag else {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(metadata, "monotonic", lambda: now[0])
    return now


def test_a_copy_is_shared_by_the_connectors_of_a_process_and_not_by_two_apps() -> None:
    service = Service()
    for _ in range(3):
        with mocked(service) as client:
            metadata.entity(client, "Articles")
    assert len(service.asked) == 1
    with mocked(service, app="Another") as client:
        metadata.entity(client, "Articles")
    assert len(service.asked) == 2


def test_an_old_copy_is_confirmed_by_its_etag_and_read_anew_where_it_changed(clock: list[float]) -> None:
    service = Service()
    service.etag = '"one"'
    with mocked(service) as client:
        first = metadata.entity(client, "Articles")
        clock[0] += metadata.FRESH + 1
        assert metadata.entity(client, "Articles") is first
        assert service.asked == ["", '"one"']
        metadata.entity(client, "Articles")
        assert len(service.asked) == 2
        clock[0] += metadata.FRESH + 1
        service.etag, service.document = '"two"', PLAIN.replace(b'MaxLength="40"', b'MaxLength="60"')
        assert metadata.entity(client, "Articles").table.fields["Name"].length == 60


def test_describe_reads_anew_at_once() -> None:
    service = Service()
    with mocked(service) as client:
        metadata.entity(client, "Articles")
        service.document = PLAIN.replace(b'Name="Ean"', b'Name="Gtin"')
        assert "Gtin" in metadata.describe(client)["Articles"].fields
        assert "Gtin" in metadata.entity(client, "Articles").properties


def test_what_one_process_reads_anew_the_others_read_too(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"n": 0}

    class Redis:
        def get(self, key: str) -> bytes | None:
            return str(told["n"]).encode() if told["n"] else None

        def incr(self, key: str) -> int:
            told["n"] += 1
            return told["n"]

    class Everywhere:
        def run(self, work):
            return work(Redis())

    monkeypatch.setattr(metadata, "shared", Everywhere)
    service = Service()
    with mocked(service) as client:
        metadata.entity(client, "Articles")
        told["n"] += 1  # somebody else pressed Refresh
        metadata.entity(client, "Articles")
        assert len(service.asked) == 1
        clock[0] += metadata.GLANCES + 1
        metadata.entity(client, "Articles")
        metadata.describe(client)
        assert (len(service.asked), told["n"]) == (3, 2)
        clock[0] += metadata.GLANCES + 1
        metadata.entity(client, "Articles")  # our own word is no news
        assert len(service.asked) == 3


def test_a_field_that_vanished_is_a_set_up_problem_and_a_new_one_is_found(clock: list[float]) -> None:
    service = Service()
    with mocked(service) as client:
        metadata.entity(client, "Articles", ("Ean",))
        service.document = PLAIN.replace(b'Name="Ean"', b'Name="Gtin"')
        clock[0] += metadata.YOUNG + 1
        article = metadata.entity(client, "Articles", ("Gtin",))
        assert "Gtin" in article.properties
        with pytest.raises(Misconfigured) as failed:
            article.property("Ean")
        assert (failed.value.code, failed.value.scope) == ("unknown_field", Scope.TABLE)
        asked = len(service.asked)
        for _ in range(3):
            metadata.entity(client, "Articles", ("Ean",))
        assert len(service.asked) == asked  # the copy is new: nobody asks again for what is not there


def test_a_table_that_is_not_there(clock: list[float]) -> None:
    service = Service()
    with mocked(service) as client:
        for _ in range(2):
            with pytest.raises(Misconfigured) as failed:
                metadata.entity(client, "Nothing")
            assert (failed.value.code, failed.value.params) == ("unknown_table", {"table": "Nothing"})
        assert len(service.asked) == 1
        clock[0] += metadata.YOUNG + 1
        with pytest.raises(Misconfigured):
            metadata.entity(client, "Nothing")
        assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>Sign in</html>", Misconfigured),
        (200, b"", Misconfigured),
        (200, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', Misconfigured),
        (404, b"", Failure),
        (503, b"", Transient),
        (500, b"<html>", Failure),
    ],
)
def test_an_answer_that_is_no_metadata_is_a_failure_and_leaves_the_old_copy(
    status: int, body: bytes, kind: type[Failure]
) -> None:
    service = Service()
    with mocked(service) as client:
        metadata.entity(client, "Articles")
    broken = httpx2.Response(status, content=body)
    with mocked(lambda request: broken) as client:
        with pytest.raises(kind):
            metadata.describe(client)
        assert metadata.entity(client, "Articles").key == "Code"
