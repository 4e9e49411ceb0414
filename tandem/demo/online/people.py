"""Act two: what people of both online apps do once their records are coupled, each through the app's own API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from tandem.demo.cases import PRAGUE
from tandem.demo.online.apps import OnlineApp, OnlineApps
from tandem.demo.online.cases import CASES, case
from tandem.demo.online.sample import NO_RATE_IN_ERP, id_of
from tandem.demo.people import Pause, Say, coupled

LONG_MAIL: Final = f"{'de.langste.afdeling.van.de.hele.kaasmakerij.' * 2}@p.example"
#: A new account that nobody coupled yet, or what no record's pair is about.
_NEW: Final = ("prague", "mail", "right", "retyped")


def _number(name: str) -> str:
    return f"number eq '{case(name).key}'"


def _account(name: str) -> str:
    return f"accountnumber eq '{case(name).key}'"


def both(
    name: str, erp: dict[str, Any], crm: dict[str, Any], table: str = "customers"
) -> Callable[[OnlineApps], None]:
    """The same record changed in both apps."""

    def act(apps: OnlineApps) -> None:
        with apps.erp.person("a.bakker") as desk:
            desk.change(table, _number(name), erp)
        with apps.crm.person("sanne.devries") as desk:
            desk.change("accounts", _account(name), crm)

    return act


def delete_customer(apps: OnlineApps) -> None:
    with apps.erp.person("p.maas") as desk:
        desk.delete("customers", _number("gone_erp"))


def delete_account(apps: OnlineApps) -> None:
    with apps.crm.person("jane.smith") as desk:
        desk.delete("accounts", _account("gone_crm"))


def delete_product(apps: OnlineApps) -> None:
    with apps.crm.person("ravi.patel") as desk:
        desk.delete("products", f"productnumber eq '{case('gone_item').key}'")


def make_a_customer_of_a_vendor(apps: OnlineApps) -> None:
    with apps.crm.person("ola.larsen") as desk:
        desk.change("accounts", _account("retyped"), {"customertypecode": 3})


def sell_in_prague(apps: OnlineApps) -> None:
    with apps.crm.person("sanne.devries") as desk:
        currency = id_of("transactioncurrencies", NO_RATE_IN_ERP)
        fields = {
            "name": PRAGUE,
            "address1_city": "Praha",
            "address1_country": "CZ",
            "telephone1": "+420 555 0100",
        }
        _new_account(
            desk,
            "prague",
            {**fields, "transactioncurrencyid@odata.bind": f"/transactioncurrencies({currency})"},
        )


def write_a_long_address(apps: OnlineApps) -> None:
    with apps.crm.person("ravi.patel") as desk:
        _new_account(desk, "mail", {"name": "Kaasmakerij De Lange Lijn", "emailaddress1": LONG_MAIL})


def _new_account(desk: Any, name: str, fields: dict[str, Any]) -> None:
    if desk.find("accounts", _account(name)):
        raise LookupError(f"there already: {case(name).key}")
    desk.create("accounts", {"accountnumber": case(name).key, "customertypecode": 3, **fields})


def tidy_up_rights(apps: OnlineApps) -> None:
    """The administrator of Business Central takes a right too many; then a phone number changes in Dataverse."""
    deny(apps.erp, "salespeoplePurchasers")
    apps.crm.tell(users={case("right").key: {"mobilephone": "+47 22 55 01 99"}})


def deny(app: OnlineApp, table: str) -> None:
    """Tandem's user may not change the records of a table any more."""
    allow(app, table)
    app.tell(denied=[*app.state()["denied"], [table, "write"]])


def allow(app: OnlineApp, table: str) -> None:
    app.tell(denied=[each for each in app.state()["denied"] if each[0] != table])


ACTS: Final[dict[str, Callable[[OnlineApps], None]]] = {
    "phone": both("phone", {"phoneNumber": "+31 20 555 0222"}, {"telephone1": "+31 6 5550 3333"}),
    "address": both("address", {"addressLine1": "Stationsplein 9"}, {"address1_city": "Utrecht"}),
    "name": both("name", {"displayName": "<b>Kaas & Zonen</b>"}, {"name": 'Kaas & Zn "De Kroon"'}),
    "vendor": both(
        "vendor", {"email": "orders@vendor.example"}, {"emailaddress1": "sales@vendor.example"}, "vendors"
    ),
    "gone_erp": delete_customer,
    "gone_crm": delete_account,
    "gone_item": delete_product,
    "retyped": make_a_customer_of_a_vendor,
    "prague": sell_in_prague,
    "mail": write_a_long_address,
    "right": tidy_up_rights,
}


def play(
    apps: OnlineApps,
    say: Say,
    *,
    patience: float = 600,
    pause: Pause = time.sleep,
    met: Callable[[], object] = lambda: None,
) -> bool:
    """Wait for the first synchronization, then do everything that was not done yet. False where the records were not
    coupled in ``patience`` seconds; ``met`` is called when everything is done."""
    done = set(apps.erp.state()["acts"])
    todo = [each for each in CASES if each.act == 2 and each.name not in done]
    if not todo:
        return True
    until = time.monotonic() + patience
    while not coupled([each for each in todo if each.name not in _NEW]):
        if time.monotonic() > until:
            say("The records are not coupled yet; nothing was edited.")
            return False
        pause(0.5)
    for each in todo:
        try:
            ACTS[each.name](apps)
        except LookupError:
            say(f"{each.mapping} {each.key}: done before, or not there any more.")
        else:
            say(f"{each.mapping} {each.key}: {each.why}")
        done.add(each.name)
        apps.erp.tell(acts=sorted(done))
    met()
    return True
