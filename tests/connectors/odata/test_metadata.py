"""Metadata as it is read from a service: what it costs, what is known of a table, when it is read anew."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from synccore.connectors.odata import metadata
from synccore.connectors.odata.auth import ClientCredentials
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Client
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.plain import PlainProfile
from synccore.connectors.odata.profile import Profile
from synccore.failures import Failure, Misconfigured, Scope, Transient
from synccore.shapes import FieldType, KeyKind
from tests.connectors.odata.documents import DATAVERSE, PLAIN
from tests.odata.business_central import BusinessCentralServer
from tests.odata.client import Client as Bare
from tests.odata.dataverse import DataverseServer
from tests.odata.fixtures import business_central_server, dataverse_server, plain_server  # noqa: F401
from tests.odata.plain import PlainServer
from tests.odata.server import Server

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
        request_timeout=1,
        transport=httpx2.MockTransport(handler),
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
