"""The two online apps of the demo: filled at the first start, worked in through their own API, broken through their door."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tandem.demo.online import faults, people, sample
from tandem.demo.online.apps import OnlineApp, OnlineApps, Refused
from tandem.demo.online.cases import CASES, case
from tandem.demo.online.host import Host, open_app
from tandem.demo.online.stagehand import OnlineStagehand

KEY = "the-key"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("online")


@pytest.fixture(scope="module")
def hosts(folder) -> Iterator[dict[str, Host]]:
    found = {
        kind: open_app(kind, port=0, file=folder / f"{kind}.records", key=KEY)
        for kind in ("business_central", "dataverse")
    }
    for host in found.values():
        host.server.start()
    yield found
    for host in found.values():
        host.server.close()
        assert host.server.crashes == []


@pytest.fixture
def apps(hosts) -> OnlineApps:
    erp, crm = (OnlineApp(kind, host.server.port, KEY) for kind, host in hosts.items())
    return OnlineApps(erp, crm)


def test_the_first_start_fills_them(hosts):
    erp, crm = hosts["business_central"].server, hosts["dataverse"].server
    assert len(erp.rows("customers")) == 2015 and len(erp.rows("vendors")) == 300
    assert len(erp.rows("contacts")) == 1500 and len(erp.rows("items")) == 602
    assert not crm.rows("accounts") and not crm.rows("products")
    codes = {row["code"] for row in erp.rows("currencies").values()}
    assert sample.LOCAL not in codes and sample.NO_RATE_IN_ERP not in codes and sample.NO_RATE_IN_CRM in codes
    there = {row["isocurrencycode"] for row in crm.rows("transactioncurrencies").values()}
    assert codes - there == {sample.NO_RATE_IN_CRM} and sample.NO_RATE_IN_ERP in there
    mails = {row["email"] for row in erp.rows("salespeoplePurchasers").values()}
    users = [row for row in crm.rows("systemusers").values() if row["applicationid"] is None]
    assert {row["internalemailaddress"] for row in users} == mails


def test_what_is_seeded_fits_the_fields(hosts):
    for host in hosts.values():
        for name, shape in host.server.service.shapes.items():
            lengths = {prop.name: prop.length for prop in shape.props.values() if prop.length}
            for row in host.server.rows(name).values():
                for field, length in lengths.items():
                    assert len(row[field] or "") <= length, (name, field, row[field])


def test_the_records_of_the_cases_are_there(hosts):
    rows = hosts["business_central"].server.rows
    numbers = {row["number"] for name in ("customers", "vendors", "items") for row in rows(name).values()}
    codes = {row["code"] for name in ("currencies", "salespeoplePurchasers") for row in rows(name).values()}
    for each in CASES:
        assert each.key in numbers | codes or each.name in ("prague", "mail"), each
    assert len(people.LONG_MAIL) > 80 and {each.name for each in CASES if each.act == 2} == set(people.ACTS)


def test_people_work_through_the_apps_own_api_under_their_names(apps, hosts):
    with apps.crm.person("jane.smith") as desk:
        desk.create("accounts", {"accountnumber": "A1", "name": "New", "customertypecode": 3})
        id = desk.change("accounts", "accountnumber eq 'A1'", {"telephone1": "1"})
    row = hosts["dataverse"].server.rows("accounts")[id]
    assert row["telephone1"] == "1" and row["modifiedby"] == sample.user_of("jane.smith")
    with apps.erp.person("p.maas") as desk:
        desk.change("customers", "number eq 'C10100'", {"phoneNumber": "2"})
        with pytest.raises(LookupError):
            desk.change("customers", "number eq 'none'", {"phoneNumber": "2"})
        with pytest.raises(Refused, match="answered 4"):
            desk.change("customers", "number eq 'C10100'", {"nonsense": "2"})
    with apps.crm.person("ola.larsen") as desk:
        assert desk.delete("accounts", "accountnumber eq 'A1'") == id
    assert id not in hosts["dataverse"].server.rows("accounts")


def test_nobody_else_gets_in(apps):
    form = {
        "grant_type": "client_credentials",
        "client_id": "jane.smith",
        "client_secret": "wrong",
        "scope": apps.crm.scope,
    }
    assert httpx2.post(apps.crm.token_address, data=form).status_code == 401
    assert httpx2.get(apps.erp.address + "/-/demo/state").status_code == 403
    assert httpx2.get(apps.erp.address + "/-/demo/state", headers={"X-Demo-Key": "wrong"}).status_code == 403


@pytest.mark.parametrize("name", [name for name in faults.FAULTS if name != "traffic"])
def test_each_fault_can_be_caused_seen_and_put_right(apps, name):
    fault = faults.FAULTS[name]

    def now() -> str:
        return str({each.fault.name: each.now for each in faults.standings(apps)}[name])

    assert now() == ""
    assert str(fault.cause(apps, "admin"))
    assert now()
    assert str(fault.put_right(apps))
    fault.put_right(apps)
    assert now() == ""


def test_what_is_denied_is_denied_to_tandem_alone(apps, hosts):
    people.deny(apps.erp, "customers")
    try:
        with apps.erp.person("p.maas") as desk:
            desk.change("customers", "number eq 'C10101'", {"phoneNumber": "3"})
        assert _as_tandem(apps.erp, "PATCH", "customers") == 403
        people.allow(apps.erp, "customers")
        assert _as_tandem(apps.erp, "PATCH", "customers") == 200
    finally:
        people.allow(apps.erp, "customers")


def test_an_expired_secret_gets_no_token_and_says_why(apps):
    apps.crm.tell(secret_expired=True)
    try:
        form = _form(apps.crm)
        answer = httpx2.post(apps.crm.token_address, data=form)
        assert answer.status_code == 401 and answer.json()["error_codes"] == [7000222]
        with apps.crm.person("jane.smith"):
            pass  # people sign in with secrets of their own
    finally:
        apps.crm.tell(secret_expired=False)
    assert httpx2.post(apps.crm.token_address, data=form).status_code == 200


def test_what_was_broken_stays_broken_over_a_restart(folder):
    file = folder / "again.records"
    first = open_app("business_central", port=0, file=file, key=KEY)
    first.server.start()
    app = OnlineApp("business_central", first.server.port, KEY)
    app.tell(denied=[["customers", "write"]], acts=["phone"])
    with app.person("p.maas") as desk:
        desk.delete("customers", f"number eq '{case('gone_erp').key}'")
    first.server.close()
    second = open_app("business_central", port=0, file=file, key=KEY)
    try:
        assert second.state["denied"] == [["customers", "write"]] and second.state["acts"] == ["phone"]
        assert second.server.faults.denied == {("customers", "write")}
        numbers = {row["number"] for row in second.server.rows("customers").values()}
        assert case("gone_erp").key not in numbers and len(numbers) == 2014  # not filled again
    finally:
        second.server._http.server_close()
        second.server.service.store.close()


def test_people_at_work(apps, hosts):
    for row in list(hosts["business_central"].server.rows("customers").values())[:400]:
        fields = {"accountnumber": row["number"], "name": row["displayName"], "customertypecode": 3}
        hosts["dataverse"].server.put("accounts", sample.id_of("accounts", row["number"]), fields)
    clock = [1000.0]
    stagehand = OnlineStagehand(apps, lambda _text: None, lambda: clock[0])
    faults.TRAFFIC.cause(apps, "admin")
    assert str({each.fault.name: each.now for each in faults.standings(apps)}["traffic"])
    stagehand.step()
    clock[0] += 60
    stagehand.step()
    done = apps.erp.state()["work"]["done"]
    assert done["edited"] >= 25
    faults.TRAFFIC.put_right(apps)
    stagehand.step()
    assert stagehand.since is None


def _form(app: OnlineApp) -> dict[str, str]:
    client, secret = app.client
    return {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_secret": secret,
        "scope": app.scope,
    }


def _as_tandem(app: OnlineApp, method: str, table: str) -> int:
    token = httpx2.post(app.token_address, data=_form(app)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
    found = httpx2.get(f"{app.root}{table}", params={"$filter": "number eq 'C10101'"}, headers=headers).json()
    key = found["value"][0]["id"]
    address = f"{app.root}{table}({key})"
    return httpx2.request(
        method, address, json={"phoneNumber": str(time.time())}, headers=headers
    ).status_code
