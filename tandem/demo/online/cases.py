"""The records of the online demo on which something goes wrong, and why. Read by the people, tests and docs.

Left is Business Central, right Dataverse. Act one stands in the data of the first start, act two is what people do.
"""

from __future__ import annotations

from typing import Final

from tandem.demo.cases import PRAGUE, Case
from tandem.demo.sample import NO_RATE_IN_CRM, NO_RATE_IN_ERP

CASES: Final = (
    Case("currency", "Currencies", "left", NO_RATE_IN_CRM, "value_required", "skipped", 1,
         f"Dataverse does not have the currency {NO_RATE_IN_CRM}, and takes none without an exchange rate."),
    Case("rate", "Customers", "left", "C20005", "reference_not_coupled", "waiting", 1,
         f"It waits for its currency {NO_RATE_IN_CRM}."),
    Case("long", "Customers", "left", "C20001", "value_too_long", "skipped", 1,
         "Its web address has 228 characters; Dataverse holds 200."),
    Case("unit", "Items", "left", "70001", "value_required", "skipped", 1,
         "It has no unit of measure, which Dataverse wants of a product."),
    Case("phone", "Customers", "left", "C20011", "update_conflict", "skipped", 2,
         "The phone number was changed in both apps."),
    Case("address", "Customers", "left", "C20012", "update_conflict", "skipped", 2,
         "The street was changed in Business Central, the city in Dataverse: an address is chosen as a whole."),
    Case("name", "Customers", "left", "C20013", "update_conflict", "skipped", 2,
         "The name was changed in both apps, and holds markup."),
    Case("vendor", "Vendors", "left", "V40007", "update_conflict", "skipped", 2,
         "The e-mail address was changed in both apps."),
    Case("gone_erp", "Customers", "left", "C20014", "deleted_left", "skipped", 2,
         "It was deleted in Business Central."),
    Case("gone_crm", "Customers", "left", "C20015", "deleted_right", "skipped", 2,
         "Its account was deleted in Dataverse."),
    Case("gone_item", "Items", "left", "70003", "deleted_right", "skipped", 2,
         "The product was deleted in Dataverse."),
    Case("retyped", "Customers", "right", "V40009", "coupled_elsewhere", "skipped", 2,
         "Somebody made a customer of a vendor's account: it stays the vendor's."),
    Case("prague", "Customers", "right", "P1001", "reference_not_coupled", "skipped", 2,
         f"{PRAGUE}, a new account of Dataverse: Business Central does not have its currency {NO_RATE_IN_ERP}."),
    Case("mail", "Customers", "right", "P1002", "value_too_long", "skipped", 2,
         "A new account of Dataverse with an e-mail address of 98 characters; Business Central holds 80."),
    Case("right", "Salespeople", "right", "IHANSEN", "missing_privilege", "retrying", 2,
         "Tandem's user may not change salespeople of Business Central any more.", setup=True),
)  # fmt: skip


def case(name: str) -> Case:
    return next(each for each in CASES if each.name == name)
