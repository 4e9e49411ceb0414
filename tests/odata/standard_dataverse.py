"""The tables of Dataverse that people map, with the lengths of the standard solution."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.odata.functions import ORGANIZATION
from tests.odata.schema import (
    EntitySet,
    Prop,
    day,
    decimal,
    entity,
    flag,
    guid,
    instant,
    lookup,
    money,
    number,
    picklist,
    text,
)
from tests.odata.wire import Refused

SYSTEM_USER = "1d9e2f30-8c11-4f2a-9a55-5a0c1f1e0001"
PEOPLE = {
    "1d9e2f30-8c11-4f2a-9a55-5a0c1f1e0002": ("Jane", "Smith", "jane.smith@contoso.com"),
    "1d9e2f30-8c11-4f2a-9a55-5a0c1f1e0003": ("Piet", "Maas", "piet.maas@contoso.com"),
}
EURO = "aa0c1f1e-0000-4000-8000-000000000978"
DOLLAR = "aa0c1f1e-0000-4000-8000-000000000840"

STATES = {0: "Active", 1: "Inactive"}
STATUSES = {1: "Active", 2: "Inactive"}
PRODUCT_STATES = {0: "Active", 1: "Retired", 2: "Draft", 3: "Under Revision"}
INDUSTRIES = {1: "Accounting", 6: "Business Services", 12: "Durable Manufacturing", 33: "Wholesale"}
CATEGORIES = {1: "Preferred Customer", 2: "Standard"}
RELATIONS = {
    1: "Competitor",
    2: "Consultant",
    3: "Customer",
    4: "Investor",
    10: "Supplier",
    11: "Vendor",
    12: "Other",
}
TERMS = {1: "Net 30", 2: "2% 10, Net 30", 3: "Net 45", 4: "Net 60"}
FREIGHT = {1: "FOB", 2: "No Charge"}
SHIPPING = {1: "Airborne", 2: "DHL", 3: "FedEx", 4: "UPS", 5: "Postal Mail", 6: "Full Load", 7: "Will Call"}
ACCESS = {
    0: "Read-Write",
    1: "Administrative",
    2: "Read",
    3: "Support User",
    4: "Non-interactive",
    5: "Delegated Admin",
}


def table(
    name: str,
    type_name: str,
    label: str,
    *props: Prop,
    states: Mapping[int, str] = STATES,
    state: int = 0,
    **more: Any,
) -> EntitySet:
    """A table with what every table has."""
    own = more.pop("owned", True)
    return entity(
        name,
        type_name,
        guid(f"{type_name}id", label=label),
        *props,
        *((lookup("ownerid", "systemusers", label="Owner", default=SYSTEM_USER),) if own else ()),
        picklist("statecode", states, label="Status", default=state, update_only=True),
        picklist(
            "statuscode",
            {n + 1: word for n, word in states.items()},
            label="Status Reason",
            default=state + 1,
        ),
        instant("createdon", read_only=True, label="Created On"),
        instant("modifiedon", read_only=True, label="Modified On"),
        lookup("modifiedby", "systemusers", read_only=True, label="Modified By"),
        instant("overriddencreatedon", create_only=True, label="Record Created On"),
        Prop("versionnumber", "Int64", read_only=True, label="Version Number"),
        label=label,
        created="createdon",
        modified="modifiedon",
        modified_by="modifiedby",
        **more,
    )


def address(n: int) -> tuple[Prop, ...]:
    start = f"address{n}_"
    return (
        text(f"{start}name", 200, label=f"Address {n}: Name"),
        text(f"{start}line1", 250, label=f"Address {n}: Street 1"),
        text(f"{start}line2", 250, label=f"Address {n}: Street 2"),
        text(f"{start}line3", 250, label=f"Address {n}: Street 3"),
        text(f"{start}city", 80, label=f"Address {n}: City"),
        text(f"{start}stateorprovince", 50, label=f"Address {n}: State/Province"),
        text(f"{start}county", 50, label=f"Address {n}: County"),
        text(f"{start}postalcode", 20, label=f"Address {n}: ZIP/Postal Code"),
        text(f"{start}country", 80, label=f"Address {n}: Country/Region"),
        text(f"{start}postofficebox", 20, label=f"Address {n}: Post Office Box"),
        text(f"{start}primarycontactname", 100, label=f"Address {n}: Primary Contact Name"),
        text(f"{start}telephone1", 50, label=f"Address {n}: Phone"),
        picklist(f"{start}freighttermscode", FREIGHT, label=f"Address {n}: Freight Terms"),
        picklist(f"{start}shippingmethodcode", SHIPPING, label=f"Address {n}: Shipping Method"),
    )


def phones(*names: str) -> tuple[Prop, ...]:
    labels = {"telephone1": "Main Phone", "fax": "Fax", "mobilephone": "Mobile Phone", "pager": "Pager"}
    return tuple(text(name, 50, label=labels.get(name, name)) for name in names)


MAILS = tuple(text(f"emailaddress{n}", 100, label=f"Email {n}" if n > 1 else "Email") for n in (1, 2, 3))


def full_name(_service: Any, values: dict[str, Any], _before: Any, _given: Any) -> None:
    parts = (values["firstname"], values.get("middlename"), values["lastname"])
    values["fullname"] = " ".join(part for part in parts if part) or None


def money_has_a_currency(
    service: Any, values: dict[str, Any], _before: Any, given: Mapping[str, Any]
) -> None:
    """An amount without a currency gets the base currency of the organization."""
    if values["transactioncurrencyid"] is None and any(
        isinstance(value, Decimal) for value in given.values()
    ):
        values["transactioncurrencyid"] = EURO


def product_rules(
    service: Any, values: dict[str, Any], before: Mapping[str, Any] | None, given: Mapping[str, Any]
) -> None:
    if values["defaultuomscheduleid"] is None:
        raise Refused(400, "0x80043b13", "The unit schedule id is missing.")
    if not values["productnumber"]:
        raise Refused(400, "0x80043b05", "The product number is required.")
    if before is not None and before["statecode"] not in (2, 3) and set(given) - {"statecode", "statuscode"}:
        raise Refused(400, "0x8004F995", "You can only update draft products.")


def number_is_new(
    service: Any, values: dict[str, Any], before: Mapping[str, Any] | None, given: Mapping[str, Any]
) -> None:
    for row in service.store.tables["products"].rows.values() if "productnumber" in given else ():
        if row.values["productnumber"] == values["productnumber"] and row.key != values["productid"]:
            raise Refused(400, "0x80043b06", "A product with the specified product number already exists.")


def makes_its_base_unit(service: Any, key: Any, values: Mapping[str, Any]) -> None:
    """A new unit group comes with its base unit."""
    empty = {prop.name: prop.default for prop in service.shapes["uoms"].props.values()}
    unit = {"name": values["baseuomname"] or values["name"], "uomscheduleid": key, "isschedulebaseuom": True}
    service.store.write("uoms", str(uuid4()), {**empty, **unit}, by=SYSTEM_USER)


def unit_is_new(
    service: Any, values: dict[str, Any], before: Mapping[str, Any] | None, given: Mapping[str, Any]
) -> None:
    if values["uomscheduleid"] is None:
        raise Refused(400, "0x80043b13", "The unit schedule id is missing.")
    for row in service.store.tables["uoms"].rows.values() if before is None else ():
        if (row.values["uomscheduleid"], row.values["name"]) == (values["uomscheduleid"], values["name"]):
            raise Refused(
                412, "0x80040237", "Cannot insert duplicate key. The unit group has a unit of this name."
            )


def currency_rules(
    service: Any, values: dict[str, Any], before: Mapping[str, Any] | None, given: Mapping[str, Any]
) -> None:
    if values["exchangerate"] is not None and values["exchangerate"] <= 0:
        raise Refused(400, "0x80044330", "The value of 'exchangerate' is outside the valid range.")
    for row in (
        service.store.tables["transactioncurrencies"].rows.values() if "isocurrencycode" in given else ()
    ):
        if row.values["isocurrencycode"] == values["isocurrencycode"] and (
            before is None or before is not row.values
        ):
            raise Refused(400, "0x80048cf3", "A currency with the specified ISO code already exists.")


SETS: tuple[EntitySet, ...] = (
    table(
        "accounts", "account", "Account",
        text("name", 160, label="Account Name"),
        text("accountnumber", 20, label="Account Number"),
        *phones("telephone1", "telephone2", "telephone3", "fax"),
        *MAILS,
        text("websiteurl", 200, label="Website"),
        text("ftpsiteurl", 200, label="FTP Site"),
        *address(1),
        text("tickersymbol", 10, label="Ticker Symbol"),
        text("sic", 20, label="SIC Code"),
        text("stockexchange", 20, label="Stock Exchange"),
        text("description", 2000, memo=True, label="Description"),
        money("creditlimit", label="Credit Limit"),
        money("revenue", label="Annual Revenue"),
        money("marketcap", label="Market Capitalization"),
        number("numberofemployees", label="Number of Employees"),
        flag("creditonhold", label="Credit Hold", default=False),
        picklist("customertypecode", RELATIONS, label="Relationship Type"),
        picklist("accountcategorycode", CATEGORIES, label="Category"),
        picklist("industrycode", INDUSTRIES, label="Industry"),
        picklist("paymenttermscode", TERMS, label="Payment Terms"),
        lookup("primarycontactid", "contacts", label="Primary Contact"),
        lookup("parentaccountid", "accounts", label="Parent Account"),
        lookup("transactioncurrencyid", "transactioncurrencies", label="Currency"),
        primary_name="name", alternate_keys=(), rules=(money_has_a_currency,),
    ),
    table(
        "contacts", "contact", "Contact",
        text("firstname", 50, label="First Name"),
        text("middlename", 50, label="Middle Name"),
        text("lastname", 50, label="Last Name"),
        text("fullname", 160, read_only=True, label="Full Name"),
        text("salutation", 100, label="Salutation"),
        text("suffix", 10, label="Suffix"),
        text("nickname", 50, label="Nickname"),
        text("jobtitle", 100, label="Job Title"),
        text("department", 100, label="Department"),
        *MAILS,
        *phones("telephone1", "telephone2", "telephone3", "mobilephone", "fax", "pager"),
        text("websiteurl", 200, label="Website"),
        day("birthdate", label="Birthday"),
        day("anniversary", label="Anniversary"),
        text("employeeid", 50, label="Employee"),
        text("governmentid", 50, label="Government"),
        *address(1),
        money("creditlimit", label="Credit Limit"),
        lookup("parentcustomerid", "accounts", "contacts", label="Company Name"),
        lookup("transactioncurrencyid", "transactioncurrencies", label="Currency"),
        primary_name="fullname", rules=(full_name, money_has_a_currency),
    ),
    table(
        "products", "product", "Product",
        text("name", 100, required=True, label="Name"),
        text("productnumber", 100, label="Product ID"),
        text("description", 2000, memo=True, label="Description"),
        text("producturl", 250, label="URL"),
        text("size", 200, label="Size"),
        text("suppliername", 100, label="Supplier Name"),
        text("vendorname", 100, label="Vendor"),
        text("vendorpartnumber", 100, label="Vendor Name"),
        money("price", label="List Price"),
        money("currentcost", label="Current Cost"),
        money("standardcost", label="Standard Cost"),
        decimal("quantityonhand", 17, 5, label="Quantity On Hand"),
        decimal("stockweight", 17, 5, label="Stock Weight"),
        decimal("stockvolume", 17, 5, label="Stock Volume"),
        number("quantitydecimal", label="Decimals Supported", default=0),
        picklist("productstructure", {1: "Product", 2: "Product Family", 3: "Product Bundle"}, create_only=True,
                 label="Product Structure", default=1),
        day("validfromdate", label="Valid From"),
        day("validtodate", label="Valid To"),
        lookup("defaultuomid", "uoms", label="Default Unit"),
        lookup("defaultuomscheduleid", "uomschedules", label="Unit Group"),
        lookup("transactioncurrencyid", "transactioncurrencies", label="Currency"),
        lookup("parentproductid", "products", create_only=True, label="Parent"),
        states=PRODUCT_STATES, state=2, owned=False, primary_name="name",
        rules=(product_rules, number_is_new, money_has_a_currency),
    ),
    table(
        "transactioncurrencies", "transactioncurrency", "Currency",
        text("currencyname", 100, required=True, label="Currency Name"),
        text("isocurrencycode", 5, required=True, create_only=True, label="Currency Code"),
        text("currencysymbol", 10, required=True, label="Currency Symbol"),
        number("currencyprecision", required=True, label="Currency Precision", default=2),
        decimal("exchangerate", 28, 12, required=True, label="Exchange Rate"),
        owned=False, primary_name="currencyname", rules=(currency_rules,),
    ),
    table(
        "systemusers", "systemuser", "User",
        text("fullname", 200, read_only=True, label="Full Name"),
        text("firstname", 64, label="First Name"),
        text("lastname", 64, label="Last Name"),
        text("domainname", 250, label="User Name"),
        text("internalemailaddress", 100, label="Primary Email"),
        text("mobilephone", 64, label="Mobile Phone"),
        text("homephone", 50, label="Home Phone"),
        text("jobtitle", 100, label="Job Title"),
        text("title", 128, label="Title"),
        flag("isdisabled", label="Status", default=False),
        flag("islicensed", label="User Licensed", default=True),
        picklist("accessmode", ACCESS, label="Access Mode", default=0),
        guid("applicationid", label="Application ID"),
        owned=False, primary_name="fullname", read_only=True,
    ),
    table(
        "uomschedules", "uomschedule", "Unit Group",
        text("name", 200, required=True, label="Name"),
        text("baseuomname", 100, create_only=True, label="Base Unit Name"),
        owned=False, primary_name="name", after=(makes_its_base_unit,),
    ),
    table(
        "uoms", "uom", "Unit",
        text("name", 100, required=True, label="Name"),
        decimal("quantity", 17, 5, required=True, label="Quantity", default=Decimal(1)),
        lookup("baseuom", "uoms", label="Base Unit"),
        lookup("uomscheduleid", "uomschedules", create_only=True, label="Unit Schedule"),
        flag("isschedulebaseuom", label="Is Schedule Base Unit", default=False),
        owned=False, primary_name="name", rules=(unit_is_new,),
    ),
    table(
        "organizations", "organization", "Organization",
        text("name", 160, label="Organization Name"),
        text("localeid", 10, label="Language"),
        lookup("basecurrencyid", "transactioncurrencies", label="Currency"),
        flag("isdisabled", label="Is Organization Disabled", default=False),
        owned=False, primary_name="name", read_only=True, tracks_changes=False,
    ),
)  # fmt: skip


def fill(server: Any) -> None:
    """What every environment has from its first day: users, the base currency, the organization."""
    if SYSTEM_USER in server.rows("systemusers"):
        return
    server.put(
        "systemusers",
        SYSTEM_USER,
        {
            "fullname": "# Tandem integration",
            "firstname": "#",
            "lastname": "Tandem integration",
            "domainname": "tandem@contoso.onmicrosoft.com",
            "accessmode": 4,
            "islicensed": False,
            "applicationid": server.client_id,
        },
        by=SYSTEM_USER,
    )
    for id, (first, last, mail) in PEOPLE.items():
        fields = {"firstname": first, "lastname": last, "fullname": f"{first} {last}"}
        server.put(
            "systemusers", id, {**fields, "domainname": mail, "internalemailaddress": mail}, by=SYSTEM_USER
        )
    for id, name, iso, symbol, rate in (
        (EURO, "Euro", "EUR", "€", "1"),
        (DOLLAR, "US Dollar", "USD", "$", "1.0842"),
    ):
        server.put(
            "transactioncurrencies",
            id,
            {
                "currencyname": name,
                "isocurrencycode": iso,
                "currencysymbol": symbol,
                "currencyprecision": 2,
                "exchangerate": Decimal(rate),
            },
            by=SYSTEM_USER,
        )
    server.put(
        "organizations",
        ORGANIZATION,
        {"name": "contoso", "basecurrencyid": EURO, "isdisabled": False},
        by=SYSTEM_USER,
    )
