"""Business Central, API v2.0: its headers, limits and ways, as the profile of a connection."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from synccore.connectors.odata.profile import BLANK_GUID, Profile

#: What the metadata does not tell: fields without which no record is made, and fields that are worked out, by set.
_REQUIRED: Final = {
    "customers": {"displayName"},
    "vendors": {"displayName"},
    "contacts": {"displayName"},
    **dict.fromkeys(
        (
            "countriesRegions", "currencies", "itemCategories", "paymentMethods", "paymentTerms",
            "salespeoplePurchasers", "shipmentMethods", "unitsOfMeasure",
        ),
        {"code"},
    ),
}  # fmt: skip
_WORKED_OUT: Final = {
    "customers": {"balanceDue", "taxAreaDisplayName"},
    "vendors": {"balance"},
    "contacts": {"lastInteractionDate"},
}
#: Kept by the platform in every set.
_KEPT: Final = frozenset({"id", "lastModifiedDateTime"})


class BusinessCentralProfile(Profile):
    """One company of a Business Central environment, or of an installation of one's own."""

    name: ClassVar[str] = "business_central"

    # -- requests ------------------------------------------------------------------------------------------------------
    page_max = 20_000

    # -- filters and keys ----------------------------------------------------------------------------------------------
    supports_or_on_two_fields = False
    nests_functions = False
    or_chain = 50

    # -- writing -------------------------------------------------------------------------------------------------------
    #: 409 is decided by its code: not every one is staleness.
    stale_statuses = frozenset({412, 428})
    asks_representation = False

    # -- values --------------------------------------------------------------------------------------------------------
    blank_text = ""
    blank_guid = BLANK_GUID
    blank_enums = ("_x0020_", " ", "")
    blank_date = "0001-01-01"
    empty_numbers = False
    fraction = 3
    counts_utf16 = True
    base64url = False
    plain_enums = True

    # -- metadata ------------------------------------------------------------------------------------------------------
    captions_path = "entityDefinitions"
    read_only_sets = frozenset(
        {"companies", "currencyExchangeRates", "entityDefinitions", "generalLedgerEntries"}
    )

    # -- batches -------------------------------------------------------------------------------------------------------
    batch_format = "json"
    batch_limit = 100
    batch_start = 100

    # -- limits --------------------------------------------------------------------------------------------------------
    window = (6000, 300)
    #: The service works on five at once; one stays free for people.
    at_once = 4

    def metadata_root(self, root: str) -> str:
        # The API describes itself once, not company by company.
        return re.sub(r"companies\([^/]*\)/\Z", "", root)

    def is_required(self, set_name: str, name: str, nullable: bool) -> bool:
        return name in _REQUIRED.get(set_name, ())

    def is_read_only(self, set_name: str, name: str) -> bool:
        return name in _KEPT or name in _WORKED_OUT.get(set_name, ())

    def batch_base(self, root: str) -> str:
        # Batches are of the service, each address in them names its company.
        return root.partition("companies(")[0]

    def scope(self) -> str:
        return str(self.values.get("scope") or "https://api.businesscentral.dynamics.com/.default")

    def headers(self) -> dict[str, str]:
        # The language fixes the texts and formats of errors.
        return {"Accept": "application/json", "Accept-Language": "en-US"}
