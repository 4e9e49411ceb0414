"""The sets of Business Central's API v2.0 that people map, with the lengths of the application's own tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.odata.messages import say
from tests.odata.schema import (
    BLANK_GUID,
    EntitySet,
    Prop,
    Rule,
    code,
    day,
    decimal,
    entity,
    enum,
    flag,
    guid,
    instant,
    lookup,
    number,
    text,
)
from tests.odata.wire import Refused

COMPANY_ID = "2f6c9a5e-7b1d-ee11-8170-6045bd8e5d1a"
COMPANY: dict[str, Any] = {
    "systemVersion": "26.3.36158.0",
    "timestamp": 12_345,
    "name": "CRONUS NL",
    "displayName": "CRONUS Nederland BV",
    "businessProfileId": "",
    "systemCreatedAt": "2024-01-08T09:12:44.817Z",
    "systemModifiedAt": "2026-11-20T07:01:02.33Z",
}
LOCAL_CURRENCY = "EUR"
#: Numbers of tables, as permission messages name them.
RIGHTS = {
    "customers": 18,
    "vendors": 23,
    "contacts": 5050,
    "items": 27,
    "currencies": 4,
    "unitsOfMeasure": 204,
}


def page(name: str, type_name: str, label: str, *props: Prop, **more: Any) -> EntitySet:
    """A page of the API: a GUID that the service chooses, and when it was modified."""
    stamp = instant("lastModifiedDateTime", read_only=True, label="Last Modified Date")
    key = guid("id", read_only=True, label="Id")
    return entity(name, type_name, key, *props, stamp, label=label, modified="lastModifiedDateTime", **more)


def reference(id_field: str, code_field: str, target: str, *, local: str = "") -> Rule:
    """Two properties for one reference, by id or by code. ``local``: the code that is stored as blank."""

    def rule(
        service: Any, values: dict[str, Any], before: Mapping[str, Any] | None, given: Mapping[str, Any]
    ) -> None:
        rows = service.store.tables[target].rows
        label = service.shapes[target].label

        def no_match(field: str) -> Refused:
            text = say("bc_no_match", service.faults.language, field=field, table=label)
            return Refused(400, "Application_DialogException", text)

        by_code = {row.values["code"]: row for row in rows.values()} if code_field in given else {}
        if code_field in given and given[code_field] not in ("", local):
            row = by_code.get(given[code_field])
            if row is None:
                raise no_match(code_field)
            if id_field in given and given[id_field] not in (BLANK_GUID, row.key):
                raise no_match(id_field)
            values[id_field] = row.key
        elif code_field in given:
            values[id_field] = given.get(id_field, BLANK_GUID)
        if values[id_field] != BLANK_GUID:
            row = rows.get(values[id_field])
            if row is None:
                raise no_match(id_field)
            if row.values["code"] == local:
                values[id_field] = BLANK_GUID
            values[code_field] = row.values["code"]
        else:
            values[code_field] = local

    return rule


def known(field: str, target: str) -> Rule:
    """A code that must exist in another table."""

    def rule(
        service: Any, values: dict[str, Any], before: Mapping[str, Any] | None, given: Mapping[str, Any]
    ) -> None:
        value = given.get(field, "")
        if value and not any(
            row.values["code"] == value for row in service.store.tables[target].rows.values()
        ):
            label = service.shapes[target].label
            raise Refused(
                400,
                "Internal_InvalidTableRelation",
                f"The field {field} contains a value ({value}) that cannot be found in the related table ({label}).",
            )

    return rule


ADDRESS = (
    text("addressLine1", 100, label="Address"),
    text("addressLine2", 50, label="Address 2"),
    text("city", 30, label="City"),
    text("state", 30, label="State"),
    code("country", 10, label="Country/Region Code"),
    code("postalCode", 20, label="Post Code"),
)
CURRENCY = (
    lookup("currencyId", "currencies", label="Currency Id"),
    code("currencyCode", 10, label="Currency Code", default=LOCAL_CURRENCY),
)
CURRENCY_RULE = reference("currencyId", "currencyCode", "currencies", local=LOCAL_CURRENCY)

SETS: tuple[EntitySet, ...] = (
    page(
        "customers", "customer", "Customer",
        code("number", 20, label="No.", unique=True),
        text("displayName", 100, label="Display Name", required=True),
        enum("type", "Company", "Person", label="Type"),
        *ADDRESS,
        text("phoneNumber", 30, label="Phone No."),
        text("email", 80, label="Email"),
        text("website", 255, label="Website"),
        code("salespersonCode", 20, label="Salesperson Code"),
        decimal("balanceDue", read_only=True, label="Balance Due"),
        decimal("creditLimit", label="Credit Limit"),
        flag("taxLiable", label="Tax Liable"),
        guid("taxAreaId", label="Tax Area Id"),
        text("taxAreaDisplayName", 100, read_only=True, label="Tax Area Display Name"),
        text("taxRegistrationNumber", 50, label="Tax Registration No."),
        *CURRENCY,
        lookup("paymentTermsId", "paymentTerms", label="Payment Terms Id"),
        lookup("shipmentMethodId", "shipmentMethods", label="Shipment Method Id"),
        lookup("paymentMethodId", "paymentMethods", label="Payment Method Id"),
        enum("blocked", " ", "Ship", "Invoice", "All", label="Blocked"),
        series="C", identity=("number",), rules=(CURRENCY_RULE, known("salespersonCode", "salespeoplePurchasers")),
    ),
    page(
        "vendors", "vendor", "Vendor",
        code("number", 20, label="No.", unique=True),
        text("displayName", 100, label="Display Name", required=True),
        *ADDRESS,
        text("phoneNumber", 30, label="Phone No."),
        text("email", 80, label="Email"),
        text("website", 255, label="Website"),
        text("taxRegistrationNumber", 50, label="Tax Registration No."),
        *CURRENCY,
        code("irs1099Code", 10, label="IRS 1099 Code"),
        lookup("paymentTermsId", "paymentTerms", label="Payment Terms Id"),
        lookup("paymentMethodId", "paymentMethods", label="Payment Method Id"),
        flag("taxLiable", label="Tax Liable"),
        enum("blocked", " ", "Payment", "All", label="Blocked"),
        decimal("balance", read_only=True, label="Balance"),
        series="V", identity=("number",), rules=(CURRENCY_RULE,),
    ),
    page(
        "contacts", "contact", "Contact",
        code("number", 20, label="No.", unique=True),
        enum("type", "Company", "Person", label="Type"),
        text("displayName", 100, label="Display Name", required=True),
        text("jobTitle", 30, label="Job Title"),
        code("companyNumber", 20, label="Company No."),
        text("companyName", 100, label="Company Name"),
        enum("contactBusinessRelation", " ", "Customer", "Vendor", "Bank Account", "Employee", "None", "Other", "Multiple",
             label="Contact Business Relation", read_only=True),
        *ADDRESS,
        text("phoneNumber", 30, label="Phone No."),
        text("mobilePhoneNumber", 30, label="Mobile Phone No."),
        text("email", 80, label="Email"),
        text("website", 255, label="Website"),
        code("searchName", 100, label="Search Name"),
        flag("privacyBlocked", label="Privacy Blocked"),
        text("taxRegistrationNumber", 50, label="Tax Registration No."),
        day("lastInteractionDate", read_only=True, label="Last Interaction Date"),
        series="CT", identity=("number",),
    ),
    page(
        "items", "item", "Item",
        code("number", 20, label="No.", unique=True),
        text("displayName", 100, label="Display Name"),
        text("displayName2", 50, label="Display Name 2"),
        enum("type", "Inventory", "Service", "Non-Inventory", label="Type"),
        lookup("itemCategoryId", "itemCategories", label="Item Category Id"),
        code("itemCategoryCode", 20, label="Item Category Code"),
        flag("blocked", label="Blocked"),
        code("gtin", 14, label="GTIN"),
        decimal("inventory", read_only=True, label="Inventory"),
        decimal("unitPrice", label="Unit Price"),
        flag("priceIncludesTax", label="Price Includes Tax"),
        decimal("unitCost", label="Unit Cost"),
        guid("taxGroupId", label="Tax Group Id"),
        code("taxGroupCode", 20, label="Tax Group Code"),
        lookup("baseUnitOfMeasureId", "unitsOfMeasure", label="Base Unit Of Measure Id"),
        code("baseUnitOfMeasureCode", 10, label="Base Unit Of Measure"),
        guid("generalProductPostingGroupId", label="General Product Posting Group Id"),
        code("generalProductPostingGroupCode", 20, label="General Product Posting Group"),
        guid("inventoryPostingGroupId", label="Inventory Posting Group Id"),
        code("inventoryPostingGroupCode", 20, label="Inventory Posting Group"),
        series="", identity=("number",),
        rules=(
            reference("itemCategoryId", "itemCategoryCode", "itemCategories"),
            reference("baseUnitOfMeasureId", "baseUnitOfMeasureCode", "unitsOfMeasure"),
        ),
    ),
    page(
        "currencies", "currency", "Currency",
        code("code", 10, label="Code", unique=True, required=True),
        text("displayName", 30, label="Display Name"),
        text("symbol", 10, label="Symbol"),
        text("amountDecimalPlaces", 5, label="Amount Decimal Places", default="2:2"),
        decimal("amountRoundingPrecision", label="Amount Rounding Precision"),
        identity=("code",),
    ),
    page(
        "currencyExchangeRates", "currencyExchangeRate", "Currency Exchange Rate",
        code("currencyCode", 10, label="Currency Code"),
        day("startingDate", label="Starting Date"),
        decimal("exchangeRateAmount", label="Exchange Rate Amount"),
        code("relationalCurrencyCode", 10, label="Relational Currency Code"),
        decimal("relationalExchangeRateAmount", label="Relational Exch. Rate Amount"),
        read_only=True, identity=("currencyCode", "startingDate"),
    ),
    page(
        "salespeoplePurchasers", "salespersonPurchaser", "Salesperson/Purchaser",
        code("code", 20, label="Code", unique=True, required=True),
        text("displayName", 50, label="Display Name"),
        text("email", 80, label="Email"),
        text("email2", 80, label="Email 2"),
        text("phoneNo", 30, label="Phone No."),
        text("jobTitle", 30, label="Job Title"),
        decimal("commisionPercent", label="Commission %"),
        flag("privacyBlocked", label="Privacy Blocked"),
        flag("blocked", label="Blocked"),
        identity=("code",),
    ),
    page(
        "unitsOfMeasure", "unitOfMeasure", "Unit of Measure",
        code("code", 10, label="Code", unique=True, required=True),
        text("displayName", 50, label="Description"),
        code("internationalStandardCode", 10, label="International Standard Code"),
        text("symbol", 10, label="Symbol"),
        identity=("code",),
    ),
    page(
        "paymentTerms", "paymentTerm", "Payment Term",
        code("code", 10, label="Code", unique=True, required=True),
        text("displayName", 100, label="Description"),
        text("dueDateCalculation", 32, label="Due Date Calculation"),
        text("discountDateCalculation", 32, label="Discount Date Calculation"),
        decimal("discountPercent", label="Discount %"),
        flag("calculateDiscountOnCreditMemos", label="Calc. Pmt. Disc. on Cr. Memos"),
        identity=("code",),
    ),
    *(
        page(
            name, type_name, label,
            code("code", length, label="Code", unique=True, required=True),
            text("displayName", 100, label="Description"),
            identity=("code",),
        )
        for name, type_name, label, length in (
            ("paymentMethods", "paymentMethod", "Payment Method", 10),
            ("shipmentMethods", "shipmentMethod", "Shipment Method", 10),
            ("itemCategories", "itemCategory", "Item Category", 20),
        )
    ),
    page(
        "countriesRegions", "countryRegion", "Country/Region",
        code("code", 10, label="Code", unique=True, required=True),
        text("displayName", 50, label="Name"),
        enum("addressFormat", "Post_x0020_Code_x002B_City", "City_x002B_Post_x0020_Code", label="Address Format"),
        identity=("code",),
    ),
    page(
        "generalLedgerSetup", "generalLedgerSetup", "General Ledger Setup",
        day("allowPostingFrom", label="Allow Posting From"),
        day("allowPostingTo", label="Allow Posting To"),
        code("localCurrencyCode", 10, label="LCY Code"),
        text("localCurrencySymbol", 10, label="Local Currency Symbol"),
        read_only=True,
    ),
    page(
        "companyInformation", "companyInformation", "Company Information",
        text("displayName", 100, label="Display Name"),
        code("currencyCode", 10, read_only=True, label="Currency Code"),
        number("taxAreaNumber", label="Tax Area"),
        read_only=True,
    ),
)  # fmt: skip
