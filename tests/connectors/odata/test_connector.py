"""The connector as Connection Setup makes it: from what people type to a service that answers."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from synccore.connectors import read_options
from synccore.connectors.odata import metadata
from synccore.connectors.odata.connector import (
    BusinessCentralConnector,
    DataverseConnector,
    ODataConnector,
    PlainODataConnector,
)
from synccore.failures import Failure, Misconfigured, Scope, Transient
from synccore.shapes import TableRef
from tests.odata.fixtures import business_central_server, dataverse_server, plain_server  # noqa: F401
from tests.odata.plain import PlainServer
from tests.odata.server import Server

KINDS: dict[str, type[ODataConnector]] = {
    "dataverse": DataverseConnector,
    "business_central": BusinessCentralConnector,
    "odata": PlainODataConnector,
}
TABLES = {
    "dataverse": TableRef("accounts", "modifiedon", key_field="accountnumber", name_field="name"),
    "business_central": TableRef(
        "customers", "lastModifiedDateTime", key_field="number", name_field="displayName"
    ),
    "odata": TableRef("Products", "ChangedAt", key_field="Code", name_field="Name"),
}
SECRETS = {"client_secret", "password", "headers"}


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    metadata.forget()
    yield
    metadata.forget()


def open_with(kind: str, **typed: Any) -> ODataConnector:
    """As the form does: tidied, sorted into options and secrets, read, opened."""
    cls = KINDS[kind]
    secrets = {name: typed.pop(name) for name in SECRETS & set(typed)}
    return cls.open(read_options(cls.options, cls.tidy(typed), secrets), app="Sales")


def answers(server: Server, kind: str) -> dict[str, Any]:
    """What people type for a test server."""
    if kind == "odata":
        return {"address": server.url, "user": "tandem", "password": server.client_secret}
    return {
        "address": server.url,
        "client_id": server.client_id,
        "client_secret": server.client_secret,
        "token_address": server.token_url,
        "scope": server.tokens.scope if server.tokens else "",
    }


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str, request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue({"odata": "plain"}.get(kind, kind) + "_server")
    return found


@pytest.fixture
def connector(server: Server, kind: str) -> Iterator[ODataConnector]:
    with ready(server, kind) as found:
        yield found


def ready(server: Server, kind: str, **more: Any) -> ODataConnector:
    """Connected, with what the service lists chosen."""
    typed = answers(server, kind) | more
    with open_with(kind, **typed) as first:
        choices = first.choices()
    chosen = dict(choices[0].answers) if choices else {}
    return open_with(kind, **{**typed, **chosen})


# -- what people type --------------------------------------------------------------------------------------------------

ONLINE: Mapping[str, Any] = {"tenant": "contoso.com", "client_id": "the-app", "client_secret": "s3cret-value"}


@pytest.mark.parametrize(
    ("kind", "typed", "root", "scope"),
    [
        (
            "business_central",
            {
                "address": "https://businesscentral.dynamics.com/contoso.com/Production?company=CRONUS",
                **ONLINE,
            },
            "https://api.businesscentral.dynamics.com/v2.0/contoso.com/Production/api/v2.0/",
            "https://api.businesscentral.dynamics.com/.default",
        ),
        (
            "business_central",
            {
                "address": "https://api.businesscentral.dynamics.com/v2.0/contoso.com/Sandbox/api/v2.0/"
                "companies(11111111-2222-3333-4444-555555555555)/customers",
                **ONLINE,
            },
            "https://api.businesscentral.dynamics.com/v2.0/contoso.com/Sandbox/api/v2.0/"
            "companies(11111111-2222-3333-4444-555555555555)/",
            "https://api.businesscentral.dynamics.com/.default",
        ),
        (
            "dataverse",
            {"address": "https://contoso.crm4.dynamics.com/main.aspx?appid=1", **ONLINE},
            "https://contoso.crm4.dynamics.com/api/data/v9.2/",
            "https://contoso.crm4.dynamics.com/.default",
        ),
    ],
)
def test_an_address_from_the_browser_is_enough(kind, typed, root, scope):
    with open_with(kind, **typed) as connector:
        assert connector.client.root == root
        assert connector.client.profile.scope() == scope
        token_address = connector.client.profile.token_address()
        assert token_address == "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"
        assert "s3cret-value" not in repr(connector.client.situation("read"))


@pytest.mark.parametrize(
    ("kind", "typed", "field", "reason"),
    [
        ("odata", {"address": "erp.example.com:x/odata"}, "address", "no_address"),
        ("odata", {"address": "ftp://erp.example.com/odata"}, "address", "no_address"),
        (
            "odata",
            {"address": "http://erp.example.com/", "user": "a", "password": "b"},
            "address",
            "not_encrypted",
        ),
        (
            "odata",
            {"address": "http://erp.example.com/", "headers": {"X-Key": "abcdef"}},
            "address",
            "not_encrypted",
        ),
        ("odata", {"address": "https://erp.example.com/", "user": "a"}, "password", "required"),
        ("odata", {"address": "https://erp.example.com/", "headers": "nonsense"}, "headers", "wrong_shape"),
        ("odata", {"address": "https://erp.example.com/", "headers": {"A b": "c"}}, "headers", "wrong_shape"),
        (
            "odata",
            {"address": "https://erp.example.com/", "headers": {"A": "c\r\nB: d"}},
            "headers",
            "wrong_shape",
        ),
        ("odata", {"address": "https://erp.example.com/", "headers": {"A": 7}}, "headers", "wrong_shape"),
        (
            "odata",
            {"address": "https://erp.example.com/", "headers": {"if-match": "*"}},
            "headers",
            "own_header",
        ),
        ("odata", {"address": "https://erp.example.com/", "headers": {"Host": "b"}}, "headers", "own_header"),
        ("odata", {"address": "https://erp..example.com/"}, "address", "no_address"),
        ("odata", {"address": f"https://{'a' * 64}.example.com/"}, "address", "no_address"),
        ("odata", {"address": "https://999.1.1.1/"}, "address", "no_address"),
        ("odata", {"address": "http://169.254.169.254/latest/meta-data"}, "address", "of_the_machine"),
        ("odata", {"address": "https://[fe80::1]/odata"}, "address", "of_the_machine"),
        ("odata", {"address": "https://[::ffff:169.254.169.254]/odata"}, "address", "of_the_machine"),
        ("odata", {"address": "http://metadata.google.internal/"}, "address", "of_the_machine"),
        (
            "odata",
            {"address": "https://erp.example.com/", "request_timeout": 56},
            "request_timeout",
            "too_large",
        ),
        (
            "odata",
            {"address": "https://erp.example.com/", "client_id": "a", "client_secret": "b"},
            "token_address",
            "required",
        ),
        (
            "odata",
            {
                "address": "https://erp.example.com/",
                "client_id": "a",
                "client_secret": "b",
                "token_address": "http://login.example/token",
            },
            "token_address",
            "not_encrypted",
        ),
        (
            "odata",
            {"address": "https://erp.example.com/", "client_id": "a", "user": "b", "password": "c"},
            "user",
            "not_together",
        ),
        ("dataverse", {"address": "https://contoso.crm4.dynamics.com"}, "client_id", "required"),
        (
            "dataverse",
            {"address": "https://c.crm4.dynamics.com", "client_id": "a"},
            "client_secret",
            "required",
        ),
        (
            "dataverse",
            {"address": "https://c.crm4.dynamics.com", "client_id": "a", "client_secret": "b"},
            "tenant",
            "required",
        ),
        ("business_central", {"address": "https://erp.example.com/BC"}, "client_id", "required"),
    ],
)
def test_answers_that_do_not_go_together_are_refused_beside_their_field(kind, typed, field, reason):
    with pytest.raises(Misconfigured) as caught:
        open_with(kind, **typed)
    assert caught.value.code == "bad_connection_options"
    assert (caught.value.params["field"], caught.value.params["reason"]) == (field, reason)
    assert caught.value.scope is Scope.CONNECTION


def test_http_without_secrets_and_http_to_this_machine_are_taken():
    open_with("odata", address="http://erp.example.com/odata").close()
    for host in ("127.0.0.1:8080", "localhost", "[::1]:8080"):
        open_with("odata", address=f"http://{host}/odata", user="a", password="b").close()


def test_an_api_of_ones_own_stays_part_of_the_path():
    typed = {"address": "https://erp.example.com/BC", "user": "ANNA", "password": "a key", "api": "v2.0#?x"}
    with open_with("business_central", **typed) as connector:
        assert connector.client.root == "https://erp.example.com/BC/api/v2.0%23%3Fx/"


def test_an_installation_of_ones_own_signs_in_with_a_key():
    typed = {"address": "https://erp.example.com:7048/BC/api/v2.0", "user": "ANNA", "password": "a key"}
    with open_with("business_central", **typed) as connector:
        assert connector.client.root == "https://erp.example.com:7048/BC/api/v2.0/"
        assert connector.client.profile.token_address() == ""


def test_every_option_has_its_words_and_secrets_are_secrets():
    for cls in KINDS.values():
        names = [option.name for option in cls.options]
        assert len(names) == len(set(names))
        assert {option.name for option in cls.options if option.secret} == SECRETS & set(names)
        assert all(option.label for option in cls.options)
        assert {"address", "overlap", "connect_timeout", "request_timeout", "record_url"} <= set(names)
        assert not any(option.required for option in cls.options if option.listed)


# -- a service that answers --------------------------------------------------------------------------------------------


def test_it_answers_signs_in_and_tells_its_time(connector, server):
    connector.check()
    before = datetime.now(UTC)
    assert before - timedelta(seconds=2) < connector.now() < datetime.now(UTC) + timedelta(seconds=2)
    assert TABLES[connector.kind].name in connector.describe()


def test_a_glance_tells_the_same_of_a_table_and_costs_nothing_the_second_time(
    connector: ODataConnector,
) -> None:
    name = TABLES[connector.kind].name
    whole = connector.describe()
    spent = connector.client.requests
    assert connector.glance([name])[name] == whole[name] and set(connector.glance()) == set(whole)
    assert connector.client.requests == spent
    assert connector.glance([name], anew=True)[name] == whole[name]
    assert spent < connector.client.requests <= spent + 3


def test_a_table_can_be_read_and_written_and_nothing_is_left_behind(connector, server):
    table = TABLES[connector.kind]
    before = {name: dict(server.rows(name)) for name in (table.name,)}
    connector.check(table)
    connector.check(table, write=True)
    assert {name: dict(server.rows(name)) for name in (table.name,)} == before


def test_the_right_to_update_is_tried_only_where_that_cannot_create_a_record(connector, server):
    connector.check(TABLES[connector.kind], write=True)
    tried = {method for method, _ in server.requests if method not in ("GET", "POST")}
    assert tried == ({"DELETE"} if connector.kind == "odata" else {"PATCH", "DELETE"})


def test_a_table_that_is_not_there_is_a_set_up_problem(connector):
    with pytest.raises(Misconfigured) as caught:
        connector.check(TableRef("nothings"))
    assert caught.value.code == "unknown_table"


def test_without_a_company_the_app_answers_and_its_tables_wait(business_central_server):  # noqa: F811
    with open_with("business_central", **answers(business_central_server, "business_central")) as connector:
        connector.check()
        with pytest.raises(Misconfigured) as caught:
            connector.check(TABLES["business_central"])
    assert caught.value.params == {"field": "company", "reason": "required"}


def test_wrong_credentials_are_a_set_up_problem_that_tells_no_secret(server, kind):
    typed = answers(server, kind)
    typed |= {"password": "wr0ng-secret"} if kind == "odata" else {"client_secret": "wr0ng-secret"}
    if isinstance(server, PlainServer):
        server.auth = "basic"
    with open_with(kind, **typed) as connector, pytest.raises(Misconfigured) as caught:
        connector.check()
    assert caught.value.scope is Scope.CONNECTION
    assert "wr0ng-secret" not in caught.value.app_message + str(caught.value.params) + caught.value.debug


def test_each_request_of_a_call_holds_the_job_s_lease(connector):
    calls = []
    connector.before_requests(lambda: calls.append(1))
    connector.check(TABLES[connector.kind], write=True)
    assert len(calls) >= 2

    class LeaseLost(Exception):
        pass

    def lost():
        raise LeaseLost

    connector.before_requests(lost)
    with pytest.raises(LeaseLost):
        connector.versions(TABLES[connector.kind])


def test_a_service_that_is_gone_is_a_temporary_fault(connector, server):
    server.close()
    connector.client._rest = lambda seconds: None
    for call in (connector.check, connector.now, connector.describe):
        with pytest.raises(Transient) as caught:
            call()
        assert caught.value.scope is Scope.CONNECTION


# -- addresses of records ----------------------------------------------------------------------------------------------

ID = "11111111-2222-3333-4444-555555555555"


def url(kind: str, table: str, id: str = ID, **typed: Any) -> str | None:
    with open_with(kind, **typed) as connector:
        return connector.record_url(TableRef(table), id)


def test_a_record_of_business_central_is_shown_by_its_web_client():
    typed = {
        "address": "https://businesscentral.dynamics.com/contoso.com/Production",
        **ONLINE,
        "company": ID,
        "company_name": "CRONUS International Ltd.",
    }
    assert url("business_central", "customers", **typed) == (
        "https://businesscentral.dynamics.com/contoso.com/Production/?company=CRONUS%20International%20Ltd."
        f"&page=21&filter=%27SystemId%27%20IS%20%27{ID}%27"
    )
    assert url("business_central", "generalLedgerEntries", **typed) is None
    own = {"address": "https://erp.example.com/BC", "user": "a", "password": "b"}
    assert url("business_central", "customers", **own) is None
    pattern = {"record_url": "https://erp.example.com/{table}/{id}"}
    assert url("business_central", "customers", **own, **pattern) == f"https://erp.example.com/customers/{ID}"


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("accounts", "account"), ("transactioncurrencies", "transactioncurrency"), ("systemusers", "systemuser"),
        ("new_boxes", "new_box"), ("processes", "process"), ("new_machines", "new_machine"), ("uoms", "uom"),
    ],
)  # fmt: skip
def test_a_record_of_dataverse_is_shown_by_its_form(table, name):
    typed = {"address": "https://contoso.crm4.dynamics.com", **ONLINE}
    expected = f"https://contoso.crm4.dynamics.com/main.aspx?etn={name}&id={ID}&pagetype=entityrecord"
    assert url("dataverse", table, **typed) == expected


def test_a_record_of_a_plain_service_has_the_address_that_people_gave():
    assert url("odata", "Products", "a/b", address="https://x.example/") is None
    pattern = "https://shop.example/{table}?key={id}"
    assert url("odata", "Products", "a/b", address="https://x.example/", record_url=pattern) == (
        "https://shop.example/Products?key=a%2Fb"
    )


def test_what_the_service_cannot_tell_is_a_failure(connector, server):
    with pytest.raises(Failure):
        connector.fetch(TABLES[connector.kind], [ID], ["no_such_field"])


# -- what answers there, but is no service --------------------------------------------------------------


@pytest.fixture
def answering() -> Iterator[Callable[[int, str, bytes], str]]:
    """The address of something that answers every request alike."""
    started: list[HTTPServer] = []

    def start(status: int, form: str, body: bytes) -> str:
        class Alike(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", form)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_said: Any) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Alike)
        started.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("typed", [
    ("odata", {}), ("business_central", {"user": "ANN", "password": "key"}),
], ids=["odata", "business_central"])  # fmt: skip
@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("text/html", b"<html><body><h1>Welcome to nginx</h1></body></html>"),
        ("application/json", b'{"hello": [1, 2]}'),
        ("application/json", b'{"d": {"EntitySets": ["Customers"]}}'),
    ],
)
def test_a_web_page_or_another_program_is_no_service(answering, typed, form, body):
    kind, given = typed
    with open_with(kind, address=answering(200, form, body), **given) as connector:
        for ask in (connector.check, connector.now):
            with pytest.raises(Misconfigured) as caught:
                ask()
            assert (caught.value.code, caught.value.scope) == ("wrong_address", Scope.CONNECTION)
            assert caught.value.params["host"] == "127.0.0.1"


@pytest.mark.parametrize("body", [b"Oops", b"[1]", b""])
def test_an_answer_that_is_no_object_may_have_been_cut_short(answering, body):
    with (
        open_with("odata", address=answering(200, "application/json", body)) as connector,
        pytest.raises(Transient) as caught,
    ):
        connector.check()
    assert caught.value.code == "answer_unreadable"


@pytest.mark.parametrize("typed", [
    ("odata", {}), ("business_central", {"user": "ANN", "password": "key"}),
], ids=["odata", "business_central"])  # fmt: skip
def test_a_front_door_that_stays_shut_lacks_no_right_on_a_table(answering, typed):
    kind, given = typed
    shut = answering(
        403, "application/json", b'{"error": {"code": "Forbidden", "message": "You shall not pass"}}'
    )
    with open_with(kind, address=shut, **given) as connector, pytest.raises(Misconfigured) as caught:
        connector.check()
    assert (caught.value.code, caught.value.app_message) == ("sign_in_refused", "You shall not pass")
