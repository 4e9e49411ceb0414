"""The standard set-up between Business Central (API v2.0) and Dataverse: what is kept in step, and in which direction.

Free text (names, streets, towns) is cut where the other side is shorter; numbers, codes, e-mail and web addresses are not:
half of one is wrong. Units of measure are two mappings: Dataverse makes the base unit of a unit group itself, and a product
names both, so each unit of Business Central becomes a group of its own, and its unit the base unit of that group.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.shapes import Operator

from .shape import TO_A, TO_B, ConditionSpec, FieldSpec, MappingSpec, Standard, step

CUSTOMER, VENDOR = "3", "11"
#: Option of Dataverse: a user who reads and writes; others are administrative, technical or without a licence.
READ_WRITE = "0"

_ACTIVE: Final = ConditionSpec("statecode", Operator.EQ, "0")
_NOT_BLOCKED: Final = ConditionSpec("blocked", Operator.EMPTY)
#: One address is one thing: chosen as a whole when both apps changed it.
_ADDRESS: Final = tuple(
    FieldSpec(a, b, cuts=cuts, group="address")
    for a, b, cuts in (
        ("addressLine1", "address1_line1", True),
        ("addressLine2", "address1_line2", True),
        ("postalCode", "address1_postalcode", False),
        ("city", "address1_city", True),
        ("state", "address1_stateorprovince", True),
        ("country", "address1_country", False),
    )
)
_REACHED_AT: Final = (
    FieldSpec("phoneNumber", "telephone1"),
    FieldSpec("email", "emailaddress1"),
    FieldSpec("website", "websiteurl"),
)
_CURRENCY: Final = FieldSpec(
    "currencyId", "transactioncurrencyid", reference="currencies", local_currency="isocurrencycode"
)
#: Business Central keeps a number in capitals and without blanks around it. Written so, a customer is found again by it.
_NUMBER: Final = FieldSpec("number", "accountnumber", only_new=True, to_a=(step("trim"), step("upper")))


def _kind(code: str) -> tuple[ConditionSpec, ...]:
    return (ConditionSpec("customertypecode", Operator.EQ, code, essential=True), _ACTIVE)


def _is(code: str) -> FieldSpec:
    return FieldSpec("", "customertypecode", TO_B, constant=code)


#: How many decimals an amount has: text in Business Central ("2:2", least and most), a number in Dataverse.
_DECIMALS: Final = [
    ["0:0", 0], ["0:2", 2], ["1:1", 1], ["2:2", 2], ["2:3", 3], ["2:4", 4], ["2:5", 5], ["3:3", 3], ["4:4", 4], ["5:5", 5],
]  # fmt: skip

_PAYMENT_TERMS: Final = _(
    "Payment terms are left for you: {a} names them by ids of its own, {b} by numbers. Where you need them, add the field "
    "with the conversion “Replace values by a list”."
)

STANDARD: Final = Standard(
    "business_central",
    "dataverse",
    mappings=(
        MappingSpec(
            "salespeople", _("Salespeople"), "salespeoplePurchasers", "systemusers",
            (
                FieldSpec("code", "fullname", TO_A, only_new=True, to_a=(step("upper"), step("cut", length=20))),
                FieldSpec("displayName", "fullname", TO_A, cuts=True, personal=True),
                FieldSpec("email", "internalemailaddress", TO_A, personal=True),
                FieldSpec("phoneNo", "mobilephone", TO_A, personal=True),
                FieldSpec("jobTitle", "jobtitle", TO_A, cuts=True),
            ),
            "code", "displayName", "domainname", "fullname",
            to=TO_A,
            natural_key="email",
            b_filter=(
                ConditionSpec("isdisabled", Operator.EQ, "false"),
                ConditionSpec("islicensed", Operator.EQ, "true"),
                ConditionSpec("accessmode", Operator.EQ, READ_WRITE),
                ConditionSpec("applicationid", Operator.EMPTY),
            ),
            notes=(
                _("Users of {b} who are enabled, licensed and people. One with the e-mail address of a salesperson is "
                  "coupled to it; a new salesperson gets the name in capitals as code."),
            ),
        ),
        MappingSpec(
            "currencies", _("Currencies"), "currencies", "transactioncurrencies",
            (
                FieldSpec("code", "isocurrencycode", TO_B, only_new=True),
                FieldSpec("displayName", "currencyname", TO_B, cuts=True),
                FieldSpec("symbol", "currencysymbol", TO_B, only_new=True, to_b=(step("default", value="¤"),)),
                FieldSpec(
                    "amountDecimalPlaces", "currencyprecision", TO_B, only_new=True,
                    to_b=(step("map", pairs=_DECIMALS, unmapped="empty"), step("default", value=2)),
                ),
            ),
            "code", "displayName", "isocurrencycode", "currencyname",
            to=TO_B,
            natural_key="code",
            notes=(
                _("Currencies that both apps have are coupled by their ISO code. One that {b} does not have needs its "
                  "exchange rate there first: enter it in {b}, and it is coupled."),
            ),
        ),
        MappingSpec(
            "unit-groups", _("Unit groups"), "unitsOfMeasure", "uomschedules",
            (
                FieldSpec("code", "name", TO_B),
                FieldSpec("code", "baseuomname", TO_B, only_new=True),
            ),
            "code", "displayName", "name", "name",
            to=TO_B,
            natural_key="code",
            notes=(_("Each unit of {a} becomes a unit group of its own in {b}: {a} converts none into another."),),
        ),
        MappingSpec(
            "units", _("Units of measure"), "unitsOfMeasure", "uoms",
            (
                FieldSpec("code", "name", TO_B),
                FieldSpec("id", "uomscheduleid", TO_B, reference="unit-groups", only_new=True),
            ),
            "code", "displayName", "name", "name",
            to=TO_B,
            natural_key="code",
            templates=(("quantity", "1"),),
            notes=(_("{b} makes the base unit of a new unit group itself; it is coupled by its name and group."),),
        ),
        MappingSpec(
            "customers", _("Customers"), "customers", "accounts",
            (
                _NUMBER,
                FieldSpec("displayName", "name", cuts=True),
                *_ADDRESS,
                *_REACHED_AT,
                _CURRENCY,
                FieldSpec("creditLimit", "creditlimit", TO_B, rounds=True),
                FieldSpec(
                    "salespersonCode", "ownerid", TO_B, reference="salespeople", optional=True,
                    to_b=(step("by_number"),),
                ),
                _is(CUSTOMER),
            ),
            "number", "displayName", "accountnumber", "name",
            "salespersonCode", "ownerid",
            natural_key="number",
            a_filter=(_NOT_BLOCKED,),
            b_filter=_kind(CUSTOMER),
            notes=(
                _("Accounts of the relationship type Customer. The credit limit and the owner come from {a}."),
                _PAYMENT_TERMS,
            ),
        ),
        MappingSpec(
            "vendors", _("Vendors"), "vendors", "accounts",
            (
                _NUMBER,
                FieldSpec("displayName", "name", cuts=True),
                *_ADDRESS,
                *_REACHED_AT,
                _CURRENCY,
                _is(VENDOR),
            ),
            "number", "displayName", "accountnumber", "name",
            natural_key="number",
            a_filter=(_NOT_BLOCKED,),
            b_filter=_kind(VENDOR),
            notes=(
                _("Accounts of the relationship type Vendor. An account that is coupled as one is never taken for the "
                  "other, whatever its type says later."),
                _PAYMENT_TERMS,
            ),
        ),
        MappingSpec(
            "contacts", _("Contacts"), "contacts", "contacts",
            (
                FieldSpec("displayName", "fullname", TO_A, cuts=True, personal=True),
                FieldSpec("displayName", "lastname", TO_B, cuts=True, only_new=True, personal=True),
                FieldSpec("jobTitle", "jobtitle", cuts=True),
                *_ADDRESS,
                FieldSpec("phoneNumber", "telephone1", personal=True),
                FieldSpec("mobilePhoneNumber", "mobilephone", personal=True),
                FieldSpec("email", "emailaddress1", personal=True),
                FieldSpec("website", "websiteurl"),
                FieldSpec("type", "", TO_A, constant="Person"),
            ),
            "number", "displayName", "emailaddress1", "fullname",
            a_filter=(ConditionSpec("type", Operator.EQ, "Person"),),
            b_filter=(_ACTIVE,),
            notes=(
                _("Persons only. {a} gives their name in one piece: it becomes the last name of a new contact of {b}, and "
                  "from then on the name comes from {b}."),
                _("The company of a contact is left out: {a} names it by the number of another contact, not by the "
                  "customer."),
            ),
        ),
        MappingSpec(
            "items", _("Items"), "items", "products",
            (
                FieldSpec("number", "productnumber", TO_B),
                FieldSpec("displayName", "name", TO_B, cuts=True),
                FieldSpec("baseUnitOfMeasureId", "defaultuomscheduleid", TO_B, reference="unit-groups"),
                FieldSpec("baseUnitOfMeasureId", "defaultuomid", TO_B, reference="units"),
                FieldSpec("unitPrice", "price", TO_B, rounds=True),
                FieldSpec("unitCost", "standardcost", TO_B, rounds=True),
                FieldSpec("unitCost", "currentcost", TO_B, rounds=True),
            ),
            "number", "displayName", "productnumber", "name",
            to=TO_B,
            natural_key="number",
            a_filter=(ConditionSpec("blocked", Operator.EQ, "false"),),
            b_filter=(ConditionSpec("statecode", Operator.NE, "1"),),
            templates=(("productstructure", "1"), ("quantitydecimal", "2")),
            notes=(
                _("New products are drafts in {b}; publish them there. Retired ones are left alone."),
                _("The quantity in stock is left out: {a} does not say when it changes."),
            ),
        ),
    ),
)  # fmt: skip
