"""The tables of Business Central and Dataverse that the standard set-up maps, with the lengths they have by default."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from synccore.models import Connection, Integration
from synccore.models.catalogue import store_catalogue
from synccore.shapes import FieldInfo, FieldType, KeyKind, TableInfo
from tests.factories import make_connection, make_integration, number

TEXT, GUID, INTEGER = FieldType.TEXT, FieldType.GUID, FieldType.INTEGER
DECIMAL, BOOLEAN, INSTANT = FieldType.DECIMAL, FieldType.BOOLEAN, FieldType.INSTANT


def texts(**lengths: int | None) -> tuple[FieldInfo, ...]:
    return tuple(FieldInfo(name, TEXT, length=length) for name, length in lengths.items())


def of_type(kind: FieldType, *names: str, **more: Any) -> tuple[FieldInfo, ...]:
    return tuple(FieldInfo(name, kind, **more) for name in names)


def bc(name: str, *fields: FieldInfo) -> TableInfo:
    own = (
        FieldInfo("id", GUID, read_only=True, unique=True),
        FieldInfo("lastModifiedDateTime", INSTANT, read_only=True),
    )
    infos = {field.name: field for field in (*own, *fields)}
    return TableInfo(name, infos, "id", KeyKind.OPAQUE, modified_field="lastModifiedDateTime")


def dv(name: str, key: str, *fields: FieldInfo) -> TableInfo:
    own = (
        FieldInfo(key, GUID, required=True, unique=True),
        FieldInfo("modifiedon", INSTANT, fraction=0, read_only=True),
        FieldInfo("statecode", INTEGER),
    )
    infos = {field.name: field for field in (*own, *fields)}
    return TableInfo(name, infos, key, KeyKind.UUID, modified_field="modifiedon")


BC_ADDRESS = texts(addressLine1=100, addressLine2=50, city=30, state=30, country=10, postalCode=20)
BC_REACHED = texts(phoneNumber=30, email=80, website=255)
DV_ADDRESS = texts(
    address1_line1=250, address1_line2=250, address1_city=80, address1_stateorprovince=50, address1_postalcode=20,
    address1_country=80,
)  # fmt: skip
DV_REACHED = texts(telephone1=50, emailaddress1=100, websiteurl=200)


def business_central() -> dict[str, TableInfo]:
    """API v2.0."""
    party = (
        *texts(number=20),
        FieldInfo("displayName", TEXT, length=100, required=True),
        *BC_ADDRESS,
        *BC_REACHED,
    )
    tables = (
        bc("customers", *party, *texts(salespersonCode=20, currencyCode=10, blocked=None, type=None),
           *of_type(GUID, "currencyId", "paymentTermsId"), *of_type(DECIMAL, "creditLimit")),
        bc("vendors", *party, *texts(currencyCode=10, blocked=None), *of_type(GUID, "currencyId", "paymentTermsId")),
        bc("contacts", *party, *texts(type=None, jobTitle=30, companyNumber=20, companyName=100, mobilePhoneNumber=30)),
        bc("items", *texts(number=20, displayName=100), *of_type(BOOLEAN, "blocked"),
           *of_type(DECIMAL, "unitPrice", "unitCost"), *of_type(GUID, "baseUnitOfMeasureId")),
        bc("currencies", *texts(code=10, displayName=30, symbol=10, amountDecimalPlaces=5)),
        bc("salespeoplePurchasers", *texts(code=20, displayName=50, email=80, phoneNo=30, jobTitle=30)),
        bc("unitsOfMeasure", *texts(code=10, displayName=50, internationalStandardCode=10, symbol=10)),
    )  # fmt: skip
    return {table.name: table for table in tables}


def dataverse(**lengths: int) -> dict[str, TableInfo]:
    """Web API v9.2. ``lengths``: what somebody made of the lengths of account fields."""
    account = (*texts(accountnumber=20, name=160), *DV_ADDRESS, *DV_REACHED)
    account = tuple(
        FieldInfo(each.name, TEXT, length=lengths.get(each.name, each.length)) for each in account
    )
    money = {"precision": 19, "scale": 2}
    tables = (
        dv("accounts", "accountid", *account, *of_type(INTEGER, "customertypecode", "paymenttermscode"),
           *of_type(DECIMAL, "creditlimit", **money), *of_type(GUID, "transactioncurrencyid", "primarycontactid"),
           FieldInfo("ownerid", GUID, required=True)),
        dv("contacts", "contactid", *texts(firstname=50, jobtitle=100, mobilephone=50),
           FieldInfo("lastname", TEXT, length=50, required=True), FieldInfo("fullname", TEXT, length=160, read_only=True),
           *DV_ADDRESS, *DV_REACHED, *of_type(GUID, "parentcustomerid_account", "ownerid")),
        dv("products", "productid", *texts(name=100, productnumber=100), *of_type(INTEGER, "productstructure"),
           *of_type(INTEGER, "quantitydecimal", required=True),
           *of_type(DECIMAL, "price", "standardcost", "currentcost", **money),
           *of_type(GUID, "defaultuomid", "defaultuomscheduleid", required=True)),
        dv("transactioncurrencies", "transactioncurrencyid", *texts(currencyname=100, isocurrencycode=5, currencysymbol=10),
           *of_type(INTEGER, "currencyprecision", required=True),
           FieldInfo("exchangerate", DECIMAL, precision=23, scale=12, required=True)),
        dv("systemusers", "systemuserid", *of_type(TEXT, "fullname", length=200, read_only=True),
           *texts(domainname=250, internalemailaddress=100, mobilephone=64, jobtitle=100),
           *of_type(BOOLEAN, "isdisabled", "islicensed"), *of_type(INTEGER, "accessmode"), *of_type(GUID, "applicationid")),
        dv("uoms", "uomid", *texts(name=100), FieldInfo("quantity", DECIMAL, precision=23, scale=5, required=True),
           *of_type(GUID, "baseuom"), *of_type(GUID, "uomscheduleid", required=True)),
        dv("uomschedules", "uomscheduleid", *texts(name=200, baseuomname=100)),
    )  # fmt: skip
    return {table.name: table for table in tables}


def make_pair(*, reverse: bool = False, currency: str = "EUR", **lengths: int) -> Integration:
    """Business Central and Dataverse as a pair whose tables were read; ``reverse``: Dataverse on the left."""
    told = {"base": currency, "table": "", "rates": "", "field": ""} if currency else {}
    apps: list[Connection] = []
    for name, kind, tables in (
        ("BC", "business_central", business_central()),
        ("CRM", "dataverse", dataverse(**lengths)),
    ):
        app = make_connection(f"{name} {number()}", kind=kind, told_currencies=told)
        store_catalogue(app, tables, timezone.now())
        apps.append(app)
    return make_integration(*(reversed(apps) if reverse else apps))
