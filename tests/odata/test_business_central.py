"""The Business Central server refuses what the real one refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.odata.business_central import BusinessCentralServer
from tests.odata.business_central_service import BusinessCentral
from tests.odata.client import JSON, Client, error
from tests.odata.fixtures import business_central_server  # noqa: F401  (a fixture)
from tests.odata.schema import BLANK_GUID

DOLLAR = "5d0c1f1e-0000-4000-8000-000000000840"


@pytest.fixture
def server(business_central_server: BusinessCentralServer) -> BusinessCentralServer:  # noqa: F811
    business_central_server.put("currencies", DOLLAR, {"code": "USD", "displayName": "US Dollar"})
    return business_central_server


class Company(Client):
    """Paths are inside the company."""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        inside = path if path.startswith(("http", "$", "companies")) else f"{self.company}{path}"
        return super().send(method, inside, body, **headers)

    @property
    def company(self) -> str:
        assert isinstance(self.server, BusinessCentralServer)
        return f"companies({self.server.company})/"

    def batch(self, *requests: tuple[str, str, Any], **headers: str) -> httpx2.Response:
        body = [
            {
                "id": str(n),
                "method": method,
                "url": f"{self.company}{path}",
                "headers": {**JSON, "If-Match": "*"},
            }
            | ({} if content is None else {"body": content})
            for n, (method, path, content) in enumerate(requests)
        ]
        return self.send("POST", "$batch", {"requests": body}, **headers)


@pytest.fixture
def client(server: BusinessCentralServer) -> Iterator[Company]:
    client = Company(server)
    yield client
    client.close()


def create(client: Company, **fields: Any) -> dict[str, Any]:
    answer = client.send("POST", "customers", {"displayName": "Adatum", **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_change_needs_a_fresh_etag(client: Company) -> None:
    made = create(client)
    path = f"customers({made['id']})"
    assert error(client.send("PATCH", path, {"city": "Oslo"})) == (400, "BadRequest_InvalidToken")
    assert error(client.send("PATCH", path, {"city": "Oslo"}, If_Match="7")) == (
        400,
        "BadRequest_InvalidToken",
    )
    changed = client.send("PATCH", path, {"city": "Oslo"}, If_Match=made["@odata.etag"])
    assert (changed.status_code, changed.json()["city"]) == (200, "Oslo")
    stale = client.send("PATCH", path, {"city": "Bergen"}, If_Match=made["@odata.etag"])
    assert error(stale) == (409, "Request_EntityChanged")
    assert "CorrelationId:  " in stale.json()["error"]["message"]
    assert error(client.send("DELETE", path)) == (400, "BadRequest_InvalidToken")
    assert client.send("DELETE", path, If_Match=changed.json()["@odata.etag"]).status_code == 204
    assert error(client.send("PATCH", path, {"city": "Oslo"}, If_Match="*")) == (
        404,
        "Internal_RecordNotFound",
    )


def test_nothing_is_null(client: Company) -> None:
    made = create(client)
    assert made["city"] == "" and made["paymentTermsId"] == BLANK_GUID and made["blocked"] == "_x0020_"
    assert made["lastModifiedDateTime"].endswith("Z")
    [found] = client.value("customers?$filter=blocked eq ' '")
    assert set(found) >= {"@odata.etag", "id"}


def test_a_company_is_named(client: Company, server: BusinessCentralServer) -> None:
    root = server.service.root
    assert error(client.get(f"{root}customers")) == (404, "Internal_CompanyNotFound")
    assert client.get(f"{root}customers?company={server.company}").status_code == 200
    assert error(client.get(f"{root}companies({uuid4()})/customers")) == (404, "Internal_CompanyNotFound")
    assert error(client.get("nothing")) == (404, "BadRequest_ResourceNotFound")
    [company] = client.value("companies")
    assert set(company) >= {"id", "systemVersion", "name", "displayName", "businessProfileId"}
    assert (
        client.http.get(f"{server.address}/environments/v1.2").json()["value"][0]["name"]
        == server.environment
    )
    assert client.http.get(root.replace("production", "sandbox")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "customers?$filter=number eq 'C1' or displayName eq 'a'",
        "customers?$filter=id eq '5d0c1f1e-0000-4000-8000-000000000840'",
        "customers?$filter=number in ('a','b')",
        "customers?$filter=lastModifiedDateTime ge '2026-01-01'",
        "customers?$select=nothing",
        "customers?$deltatoken=latest",
    ],
)
def test_a_query_that_is_not_understood_is_refused(client: Company, path: str) -> None:
    assert error(client.get(path)) == (400, "BadRequest")


def test_one_field_may_have_alternatives(client: Company) -> None:
    create(client, number="A")
    create(client, number="B")
    create(client, number="C")
    found = client.value("customers?$select=number&$filter=number eq 'A' or number eq 'C'")
    assert sorted(each["number"] for each in found) == ["A", "C"]
    assert "id" not in found[0]  # only what was asked for


def test_numbers_come_from_the_series_unless_given(client: Company, server: BusinessCentralServer) -> None:
    first, second = create(client), create(client)
    assert first["number"] != second["number"] and first["number"].startswith("C")
    assert create(client, number=" own ")["number"] == "OWN"  # a Code
    twice = client.send("POST", "customers", {"displayName": "x", "number": "own"})
    assert error(twice) == (400, "Internal_EntityWithSameKeyExists")
    assert "number='OWN'" in twice.json()["error"]["message"]
    assert isinstance(server.service, BusinessCentral)
    server.service.manual_numbers = False
    refused = client.send("POST", "customers", {"displayName": "x", "number": "own2"})
    assert error(refused) == (400, "Application_DialogException")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"displayName": "x" * 101}, "Application_StringExceededLength"),
        ({"displayName": ""}, "BadRequest_RequiredParamNotProvided"),
        ({"city": 7}, "BadRequest"),
        ({"creditLimit": "7"}, "BadRequest"),
        ({"nothing": 7}, "BadRequest"),
        ({"blocked": "Sometimes"}, "Unknown"),
        ({"balanceDue": 7}, "BadRequest_InvalidOperation"),
        ({"lastModifiedDateTime": "2026-01-01T00:00:00Z"}, "BadRequest_InvalidOperation"),
        ({"currencyId": "5d0c1f1e-0000-4000-8000-000000000841"}, "Application_DialogException"),
        ({"currencyCode": "QQQ"}, "Application_DialogException"),
        ({"salespersonCode": "NOBODY"}, "Internal_InvalidTableRelation"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(client: Company, body: dict[str, Any], code: str) -> None:
    made = create(client)
    assert error(client.send("PATCH", f"customers({made['id']})", body, If_Match="*")) == (400, code)


def test_a_currency_is_set_by_id_or_code_and_the_local_one_is_blank(client: Company) -> None:
    assert create(client, currencyCode="usd")["currencyId"] == DOLLAR
    made = create(client, currencyId=DOLLAR)
    assert made["currencyCode"] == "USD"
    path = f"customers({made['id']})"
    local = client.send("PATCH", path, {"currencyCode": "EUR"}, If_Match="*").json()
    assert (local["currencyId"], local["currencyCode"]) == (BLANK_GUID, "EUR")
    wrong = client.send("PATCH", path, {"currencyCode": "QQQ"}, If_Match="*").json()
    assert 'The "currencyCode" does not match to a Currency.' in wrong["error"]["message"]


def test_pages_follow_their_links_as_they_are(client: Company) -> None:
    for _ in range(5):
        create(client)
    path = "customers?$select=number&$orderby=lastModifiedDateTime&$filter=startswith(displayName,'Ad')"
    assert [len(page) for page in client.pages(path, Prefer="odata.maxpagesize=2")] == [2, 2, 1]
    assert error(client.get(path, Prefer="odata.maxpagesize=20001"))[0] == 413
    assert [len(page) for page in client.pages("customers?$top=3", Prefer="odata.maxpagesize=2")] == [2, 1]
    assert len(client.value("customers?$skip=3")) == 2


def test_a_batch_answers_each_of_at_most_a_hundred_requests(
    client: Company, server: BusinessCentralServer
) -> None:
    bodies = [("POST", "customers", {"displayName": name}) for name in ("A", "x" * 101, "C")]
    answer = client.batch(*bodies)
    assert [(each["id"], each["status"]) for each in answer.json()["responses"]] == [
        ("0", 201),
        ("1", 400),
        ("2", 201),
    ]
    server.faults.shuffle = True
    assert [each["id"] for each in client.batch(*bodies).json()["responses"]] == ["2", "1", "0"]
    get = ("GET", "customers?$top=1", None)
    assert client.batch(*[get] * 100).status_code == 200
    assert client.batch(*[get] * 101).status_code == 500
    twice = {"requests": [{"id": "1", "method": "GET", "url": "companies"}] * 2}
    assert client.send("POST", "$batch", twice).status_code == 400
    naked = {"requests": [{"id": "1", "method": "POST", "url": f"{client.company}customers", "body": {}}]}
    assert client.send("POST", "$batch", naked).json()["responses"][0]["status"] == 400


def test_a_rolled_back_batch_still_tells_what_it_had_done(
    client: Company, server: BusinessCentralServer
) -> None:
    bodies = [("POST", "customers", {"displayName": name}) for name in ("A", "x" * 101, "C")]
    answer = client.batch(*bodies, Isolation="snapshot")
    assert [each["status"] for each in answer.json()["responses"]] == [201, 400]
    assert server.rows("customers") == {}


def test_some_sets_are_read_only_and_rights_are_told(client: Company, server: BusinessCentralServer) -> None:
    assert error(client.send("POST", "currencyExchangeRates", {})) == (400, "BadRequest_MethodNotAllowed")
    server.faults.deny("customers", "write")
    made = create(client)
    refused = client.send("PATCH", f"customers({made['id']})", {"city": "x"}, If_Match="*")
    assert error(refused) == (403, "Authorization_RequestDenied")
    assert "TableData 18 Customer Modify" in refused.json()["error"]["message"]


def test_what_others_refer_to_is_not_deleted(client: Company) -> None:
    create(client, currencyId=DOLLAR)
    assert error(client.send("DELETE", f"currencies({DOLLAR})", If_Match="*")) == (
        400,
        "Application_DialogException",
    )


def test_metadata_tells_lengths_and_enumerations(client: Company) -> None:
    text = client.get("$metadata").text
    assert 'Name="displayName" Type="Edm.String" Nullable="false" MaxLength="100"' in text
    assert 'Name="_x0020_"' in text and 'Type="Microsoft.NAV.customerBlocked"' in text
    captions = {
        each["entitySetName"]: each
        for each in client.http.get(f"{client.server.service.root}entityDefinitions").json()["value"]
    }
    assert captions["customers"]["entityCaptions"][0]["caption"] == "Customer"


def test_throttling_outages_and_cuts_come_when_asked(client: Company, server: BusinessCentralServer) -> None:
    server.faults.throttle()
    server.faults.fail(status=503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    first, second = client.get("customers"), client.get("customers")
    assert (first.status_code, "retry-after" in first.headers) == (429, False)
    assert second.headers["retry-after"].startswith("Wed")
    server.faults.cut(after=True)
    with pytest.raises(httpx2.TransportError):
        create(client)
    assert len(server.rows("customers")) == 1  # it was done
    server.faults.cut()
    with pytest.raises(httpx2.TransportError):
        create(client)
    assert len(server.rows("customers")) == 1
    server.faults.expire_tokens()
    assert error(client.get("customers")) == (401, "Authentication_InvalidCredentials")
    assert server.faults.left == 0
