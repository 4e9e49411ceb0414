"""What the demo keeps in step: tables, fields, directions, filters. Pure data; ``setup`` turns it into rows.

Left is the ERP, right the CRM. Parents stand before the tables that refer to them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

BOTH, TO_RIGHT, TO_LEFT = "both", "to_right", "to_left"


@dataclass(frozen=True)
class FieldSpec:
    """One field mapping; ``options`` are further columns of FieldMapping, ``reference`` the name of a mapping."""

    left: str
    right: str
    direction: str = BOTH
    reference: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TableSpec:
    """One table mapping; ``natural_key`` is the left field that is looked up before a record is created."""

    name: str
    left: str
    right: str
    fields: tuple[FieldSpec, ...]
    left_key: str
    left_name: str
    right_key: str
    right_name: str
    direction: str = BOTH
    natural_key: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def _map(left: str, right: str, **options: Any) -> FieldSpec:
    direction = options.pop("direction", BOTH)
    reference = options.pop("reference", "")
    return FieldSpec(left, right, direction, reference, options)


def _constant(right: str, value: str) -> FieldSpec:
    return FieldSpec("", right, TO_RIGHT, options={"has_constant": True, "constant": json.dumps(value)})


def _choices(pairs: dict[str, int]) -> dict[str, Any]:
    """An option set: the ERP's codes are the CRM's numbers."""
    to_right = [[code, number] for code, number in pairs.items()]
    to_left = [[number, code] for code, number in pairs.items()]
    return {
        "to_right": [{"name": "map", "params": {"pairs": to_right}}],
        "to_left": [{"name": "map", "params": {"pairs": to_left}}],
    }


def _only(column: str, value: str) -> list[dict[str, Any]]:
    return [{"field": column, "operator": "eq", "value": value}]


#: One address is one thing: chosen as a whole when both apps changed it.
_ADDRESS: Final = (
    _map("address", "street", group="address"),
    _map("post_code", "postal_code", group="address"),
    _map("city", "city", group="address"),
    _map("country_code", "country", group="address"),
)
_RATE_IN_CRM: Final = {
    "what": "an exchange rate",
    "side": "right",
    "table": "exchange_rate",
    "lookup_field": "iso_code",
    "record_side": "left",
    "field": "currency_code",
    "exempt": ["EUR"],
    "filter": [],
}

MAPPINGS: Final = (
    TableSpec(
        "Currencies", "currency", "transaction_currency",
        (_map("code", "iso_code"), _map("description", "name")),
        "code", "description", "iso_code", "name",
        direction=TO_RIGHT,
        natural_key="code",
        options={"left_filter": _only("discontinued", "false")},
    ),
    TableSpec(
        "Units of measure", "unit_of_measure", "unit",
        (_map("code", "code"), _map("description", "name")),
        "code", "description", "code", "name",
        direction=TO_RIGHT,
        natural_key="code",
    ),
    TableSpec(
        "Salespeople", "salesperson", "app_user",
        (
            _map("code", "employee_code"),
            _map("name", "full_name", personal=True),
            _map("email", "email", personal=True),
            _map("phone", "phone", personal=True),
        ),
        "code", "name", "employee_code", "full_name",
        direction=TO_LEFT,
        natural_key="code",
        options={"right_filter": _only("is_disabled", "false")},
    ),
    TableSpec(
        "Customers", "customer", "account",
        (
            _map("no", "account_number", direction=TO_RIGHT),
            _map("name", "name"),
            *_ADDRESS[:1],
            _map("address_2", "street_2", group="address"),
            *_ADDRESS[1:],
            _map("phone", "phone", personal=True),
            _map("email", "email", personal=True),
            _map("vat_no", "vat_number"),
            _map("currency_code", "currency", reference="Currencies", group="credit"),
            _map("credit_limit", "credit_limit", group="credit"),
            _map("payment_terms", "payment_terms", **_choices({"COD": 1, "NET14": 2, "NET30": 3, "NET60": 4})),
            _map("salesperson_code", "owner_id", reference="Salespeople", optional=True),
            _constant("account_type", "customer"),
        ),
        "no", "name", "account_number", "name",
        options={
            "left_filter": _only("blocked", "false"),
            "right_filter": _only("account_type", "customer"),
            "left_owner_field": "salesperson_code",
            "right_owner_field": "owner_id",
            "preconditions": [_RATE_IN_CRM],
        },
    ),
    TableSpec(
        "Vendors", "vendor", "account",
        (
            _map("no", "account_number"),
            _map("name", "name"),
            *_ADDRESS,
            _map("phone", "phone"),
            _map("email", "email"),
            _map("vat_no", "vat_number"),
            _map("iban", "bank_account", sensitive=True),
            _map("currency_code", "currency", reference="Currencies"),
            _constant("account_type", "vendor"),
        ),
        "no", "name", "account_number", "name",
        options={"right_filter": _only("account_type", "vendor")},
    ),
    TableSpec(
        "Items", "item", "product",
        (
            _map("no", "product_number"),
            _map("description", "name"),
            _map("base_unit", "unit_id", reference="Units of measure"),
            _map("unit_price", "list_price"),
            _map("net_weight", "weight"),
        ),
        "no", "description", "product_number", "name",
        direction=TO_RIGHT,
        natural_key="no",
        options={"left_filter": _only("discontinued", "false")},
    ),
    TableSpec(
        "Contacts", "contact", "contact",
        (
            _map("no", "number", direction=TO_RIGHT),
            _map("customer_id", "account_id", reference="Customers"),
            _map("first_name", "first_name", personal=True),
            _map("last_name", "last_name", personal=True),
            _map("job_title", "job_title"),
            _map("email", "email", personal=True),
            _map("mobile", "mobile", personal=True),
            _map("language", "language", **_choices({"ENU": 1033, "NLD": 1043, "NOR": 1044})),
        ),
        "no", "full_name", "number", "full_name",
    ),
)  # fmt: skip
