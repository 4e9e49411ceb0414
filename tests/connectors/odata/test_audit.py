"""Set-up checks of OData services: what each service can be asked, and that nothing is left behind by asking."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from synccore.connectors.odata import certificates, metadata
from synccore.connectors.odata.audit import audit, currencies
from synccore.connectors.odata.auth import ClientCredentials
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Client
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.plain import PlainProfile
from synccore.connectors.odata.profile import Profile
from synccore.failures import Misconfigured, Transient
from synccore.guides.checks import CHECKS, render_check
from synccore.shapes import CheckState, Currencies, Finding, TableRef, TableUse
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.fixtures import business_central_server, dataverse_server, plain_server  # noqa: F401
from tests.odata.plain import PlainServer
from tests.odata.server import Server
from tests.odata.standard_business_central import COMPANY_ID

PASS, WARN, FAIL, UNKNOWN = CheckState.PASS, CheckState.WARN, CheckState.FAIL, CheckState.UNKNOWN
ACCOUNTS = TableUse(TableRef("accounts"), ("name",), ("name", "primarycontactid"), True)
CONTACTS = TableUse(TableRef("contacts"), ("firstname",), (), False)
CUSTOMERS = TableUse(TableRef("customers"), ("displayName",), ("displayName",), True)
ITEMS = TableUse(TableRef("items"), ("displayName",), (), False)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    metadata.forget()
    yield
    metadata.forget()


def connect(server: Server, profile: Profile) -> Client:
    sign_in = None
    if server.tokens:
        sign_in = ClientCredentials(
            token_address=server.token_url,
            client_id=server.client_id,
            client_secret=server.client_secret,
            scope=server.tokens.scope,
        )
    company = f"companies({COMPANY_ID})/" if isinstance(server, BusinessCentralServer) else ""
    return Client(profile, app=profile.name, root=server.service.root + company, sign_in=sign_in)


def rows(server: Server) -> dict[str, dict[Any, Any]]:
    return {name: dict(table.rows) for name, table in server.service.store.tables.items()}


def look(server: Server, profile: Profile, *uses: TableUse) -> dict[tuple[str, str], Finding]:
    before = rows(server)
    with connect(server, profile) as client:
        found = audit(client, uses)
    assert {name: dict(table.rows) for name, table in server.service.store.tables.items()} == before, (
        "nothing is left behind"
    )
    by_key = {(each.code, each.table): each for each in found}
    assert len(by_key) == len(found), "once per code and table"
    for each in found:
        guide = CHECKS[each.code]
        told = render_check(each.code, each.state.value, {**each.params, "table": each.table}, app="CRM")
        assert told.title and told.sentence.endswith(".") and "{" not in told.sentence
        assert each.state is not WARN or guide.warned
    return by_key


def state(found: dict[tuple[str, str], Finding], code: str, table: str = "") -> CheckState:
    return found[code, table].state


# -- Dataverse ----------------------------------------------------------------------------------------------------------


def test_dataverse_tells_almost_everything(dataverse_server: DataverseServer) -> None:  # noqa: F811
    found = look(dataverse_server, DataverseProfile(), ACCOUNTS, CONTACTS)
    for code in (
        "user_exists",
        "user_enabled",
        "user_access_mode",
        "not_superuser",
        "admin_mode_off",
        "quota_left",
    ):
        assert state(found, code) is PASS, code
    assert found["quota_left", ""].params["requests"] == 5999
    assert state(found, "secret_valid") is UNKNOWN
    for table in ("accounts", "contacts"):
        assert state(found, "privileges", table) is PASS
        assert state(found, "tracks_changes", table) is PASS
    assert state(found, "safe_writes", "accounts") is PASS
    assert ("safe_writes", "contacts") not in found, "it is only read"


def test_every_privilege_that_is_missing_is_named(dataverse_server: DataverseServer) -> None:  # noqa: F811
    dataverse_server.faults.deny("accounts", "create", "write", "append")
    dataverse_server.faults.deny("contacts", "delete", "appendto")
    found = look(dataverse_server, DataverseProfile(), ACCOUNTS, CONTACTS)
    missing = found["privileges", "accounts"]
    assert missing.state is FAIL
    assert missing.params["privilege"] == [
        "prvCreateAccount", "prvWriteAccount", "prvAppendAccount", "prvAppendToContact",
    ]  # fmt: skip
    assert state(found, "privileges", "contacts") is PASS, "contacts are only read"
    told = render_check("privileges", "fail", dict(missing.params), app="CRM")
    assert (
        told.steps[0].startswith("In CRM, add prvCreateAccount, prvWriteAccount")
        and "security role" in told.steps[0]
    )


def test_an_owner_is_assigned(dataverse_server: DataverseServer) -> None:  # noqa: F811
    fields = ("name", "ownerid")
    use = TableUse(TableRef("accounts", modified_field="modifiedon"), fields, fields, write=True)
    assert state(look(dataverse_server, DataverseProfile(), use), "privileges", "accounts") is PASS
    dataverse_server.faults.deny("accounts", "assign")
    missing = look(dataverse_server, DataverseProfile(), use)["privileges", "accounts"]
    assert missing.params["privilege"] == ["prvAssignAccount"]


def test_an_administrator_is_told_and_hides_administration_mode(dataverse_server: DataverseServer) -> None:  # noqa: F811
    dataverse_server.faults.administrator = True
    found = look(dataverse_server, DataverseProfile(), ACCOUNTS)
    assert state(found, "not_superuser") is FAIL
    assert ("admin_mode_off", "") not in found, "it lets administrators in, so nothing is known"


def test_what_dataverse_refuses_to_tell_is_left_out(dataverse_server: DataverseServer) -> None:  # noqa: F811
    dataverse_server.faults.fail(20, 403, when=lambda _method, path: "systemusers(" in path)
    found = look(dataverse_server, DataverseProfile(), ACCOUNTS)
    assert state(found, "user_exists") is PASS
    assert ("not_superuser", "") not in found and ("privileges", "accounts") not in found
    assert state(found, "tracks_changes", "accounts") is PASS


@pytest.mark.parametrize(
    ("name", "code"),
    [("admin_mode", "admin_mode"), ("user_missing", "user_unknown"), ("user_disabled", "user_disabled")],
)
def test_an_app_that_lets_nobody_in_says_why(
    dataverse_server: DataverseServer,  # noqa: F811
    name: str,
    code: str,
) -> None:
    setattr(dataverse_server.faults, name, True)
    for language in ("en", "nl", "nb"):
        dataverse_server.faults.language = language
        with connect(dataverse_server, DataverseProfile()) as client, pytest.raises(Misconfigured) as caught:
            audit(client, [ACCOUNTS])
        assert caught.value.code == code


def test_a_table_that_is_not_there_is_left_out(dataverse_server: DataverseServer) -> None:  # noqa: F811
    found = look(dataverse_server, DataverseProfile(), TableUse(TableRef("nosuch"), (), (), True))
    assert not [table for _code, table in found if table]


def test_garbage_in_the_place_of_an_answer_is_no_pass(dataverse_server: DataverseServer) -> None:  # noqa: F811
    dataverse_server.faults.garbage(b'{"value": 7}', 20, when=lambda _method, path: "systemusers" in path)
    found = look(dataverse_server, DataverseProfile(), ACCOUNTS)
    assert ("not_superuser", "") not in found and ("privileges", "accounts") not in found


@pytest.mark.usefixtures("no_pauses")
def test_an_app_that_does_not_answer_is_a_failure(dataverse_server: DataverseServer) -> None:  # noqa: F811
    dataverse_server.faults.down = 503
    with connect(dataverse_server, DataverseProfile()) as client, pytest.raises(Transient):
        audit(client, [ACCOUNTS])


# -- Business Central ---------------------------------------------------------------------------------------------------


def test_business_central_tells_little_and_no_more_is_claimed(
    business_central_server: BusinessCentralServer,  # noqa: F811
) -> None:
    found = look(business_central_server, BusinessCentralProfile(), CUSTOMERS, ITEMS)
    assert state(found, "user_exists") is PASS and state(found, "user_enabled") is PASS
    assert ("not_superuser", "") not in found and ("quota_left", "") not in found
    assert state(found, "privileges", "items") is PASS, "reading was tried"
    assert state(found, "privileges", "customers") is UNKNOWN, (
        "whether a record may be created shows with the first one"
    )


def test_a_right_that_business_central_refuses_is_named(
    business_central_server: BusinessCentralServer,  # noqa: F811
) -> None:
    for language in ("en", "nl", "nb"):
        business_central_server.faults.language = language
        business_central_server.faults.deny("customers", "write", "delete")
        business_central_server.faults.deny("items", "read")
        found = look(business_central_server, BusinessCentralProfile(), CUSTOMERS, ITEMS)
        assert state(found, "privileges", "customers") is FAIL
        assert found["privileges", "customers"].params["privilege"] == ["Modify", "Delete"]
        assert found["privileges", "items"].params["privilege"] == ["Read"]
        assert found["privileges", "items"].params["holder"] == "permission_set"


# -- plain --------------------------------------------------------------------------------------------------------------


def test_a_plain_service_is_only_read(plain_server: PlainServer) -> None:  # noqa: F811
    names = list(plain_server.service.shapes)
    uses = [TableUse(TableRef(name), (), (), name == names[0]) for name in names[:2]]
    found = look(plain_server, PlainProfile(), *uses)
    assert state(found, "privileges", names[0]) is UNKNOWN and state(found, "privileges", names[1]) is PASS
    assert not [method for method, _path in plain_server.requests if method in ("POST", "PATCH", "PUT")]
    plain_server.faults.deny(names[1], "read")
    assert state(look(plain_server, PlainProfile(), *uses), "privileges", names[1]) is FAIL


# -- currencies ---------------------------------------------------------------------------------------------------------


def test_both_apps_tell_their_own_currency(
    dataverse_server: DataverseServer,  # noqa: F811
    business_central_server: BusinessCentralServer,  # noqa: F811
    plain_server: PlainServer,  # noqa: F811
) -> None:
    with connect(dataverse_server, DataverseProfile()) as client:
        told = currencies(client)
        assert told == Currencies("EUR", "transactioncurrencies", "transactioncurrencies", "isocurrencycode")
        assert told.field in metadata.describe(client)[told.rates].fields
    business_central_server.put("companyInformation", str(uuid4()), {"currencyCode": "NOK"})
    business_central_server.put("generalLedgerSetup", str(uuid4()), {"localCurrencyCode": "DKK"})
    with connect(business_central_server, BusinessCentralProfile()) as client:
        told = currencies(client)
        assert told is not None and (told.table, told.rates, told.field) == (
            "currencies", "currencyExchangeRates", "currencyCode",
        )  # fmt: skip
        fields = metadata.describe(client)[told.rates].fields
        assert told.base == "DKK" and {told.field, told.since} <= set(fields)
    with connect(plain_server, PlainProfile()) as client:
        assert currencies(client) is None


# -- certificates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "wanted"), [(90, PASS), (20, WARN), (0, WARN), (-1, FAIL)])
def test_when_a_certificate_ends(monkeypatch: pytest.MonkeyPatch, days: int, wanted: CheckState) -> None:
    end = datetime.now(UTC) + timedelta(days=days, minutes=5)
    monkeypatch.setattr(certificates, "_end", lambda host, port: end)
    [found] = certificates.certificate_ends("https://crm.example.com/api/data/v9.2/")
    assert found.state is wanted and found.params["days"] == max(0, days)
    assert found.params["until"].startswith(f"{end:%Y-%m-%d}")


@pytest.mark.parametrize(
    "error", [OSError("…"), ssl.SSLError("…"), socket.gaierror(-2, "…"), KeyError("notAfter")]
)
def test_a_certificate_that_cannot_be_looked_at_is_no_pass(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(host: str, port: int) -> Any:
        raise error

    monkeypatch.setattr(certificates, "_end", fails)
    [found] = certificates.certificate_ends("https://crm.example.com/")
    assert found.state is UNKNOWN
    assert not list(certificates.certificate_ends("http://127.0.0.1:8000/"))
