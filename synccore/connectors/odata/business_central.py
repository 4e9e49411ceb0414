"""Business Central, API v2.0: its headers, limits and ways, as the profile of a connection."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote, urlencode

from synccore.connectors.odata.addresses import (
    BUSINESS_CENTRAL,
    business_central_api,
    business_central_environments,
    business_central_root,
)
from synccore.connectors.odata.declared import (
    CLIENT,
    READING,
    RECORD_URL,
    TENANT,
    TOKENS,
    WAITING,
    token_address_of,
)
from synccore.connectors.odata.profile import BLANK_GUID, Profile
from synccore.connectors.options import Option
from synccore.connectors.options import gettext_noop as _

if TYPE_CHECKING:
    from synccore.connectors.odata.model import Entity

#: Where the pages of Business Central online are, and which page shows a record of a set: its card, or its list.
WEB_CLIENT: Final = "https://businesscentral.dynamics.com"
PAGES: Final = {
    "contacts": 5050,
    "countriesRegions": 10,
    "currencies": 5,
    "customers": 21,
    "employees": 5200,
    "itemCategories": 5733,
    "items": 30,
    "paymentMethods": 427,
    "paymentTerms": 4,
    "salespeoplePurchasers": 5116,
    "shipmentMethods": 11,
    "unitsOfMeasure": 209,
    "vendors": 26,
}

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
    must_sign_in = True

    # -- requests ------------------------------------------------------------------------------------------------------
    updates_never_create = True
    page_max = 20_000
    #: None is published; people measured 15.7 KB, and a proxy in between takes 8.
    address_max = 8000

    # -- filters and keys ----------------------------------------------------------------------------------------------
    supports_or_on_two_fields = False
    keeps_capitals = True
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

    # -- set-up --------------------------------------------------------------------------------------------------------
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "address", _("Address"), required=True, address=True, place=True,
            placeholder="https://businesscentral.dynamics.com/contoso.com/Production",
            help=_("Of the app's pages or of its API: copy it from your browser."),
        ),
        replace(TENANT, required=False),
        *CLIENT,
        Option("environment", _("Environment"), listed=True),
        Option(
            "company", _("Company"), listed=True, help=_("Its id: what stands in the brackets of …/companies(…) in the API.")
        ),
        Option(
            "company_name", _("Name of the company"), listed=True,
            help=_("As in the address of its pages, behind company=. Records are opened there by it."),
        ),
        Option(
            "user", _("User"), address=True, advanced=True, group=_("An installation of your own"),
            help=_("With a web service access key, where there is no client."),
        ),
        Option("password", _("Web service access key"), secret=True, advanced=True),
        Option(
            "api", _("API"), default="v2.0", advanced=True, placeholder="v2.0",
            help=_("Of pages of your own: publisher/group/version."),
        ),
        *TOKENS,
        *READING,
        *WAITING,
        RECORD_URL,
    )  # fmt: skip

    def root(self) -> str:
        return business_central_root(self.values)

    def lacks(self) -> str:
        return "" if self.values.get("company") else "company"

    def scope(self) -> str:
        return str(self.values.get("scope") or "") or f"{BUSINESS_CENTRAL}/.default"

    def token_address(self) -> str:
        if self.values.get("user"):
            return ""
        return str(self.values.get("token_address") or "") or token_address_of(self.values.get("tenant"))

    def headers(self) -> dict[str, str]:
        # The language fixes the texts and formats of errors.
        return {"Accept": "application/json", "Accept-Language": "en-US"}

    def sign_of_life(self) -> str:
        if not self.values.get("environment") and self.values.get("address") in (None, "", BUSINESS_CENTRAL):
            # Online, before anybody chose: what there is to choose from.
            return business_central_environments(self.values)
        if self.lacks():
            return f"{business_central_api(self.values)}companies?$select=id&$top=1"
        return f"{self.root().rstrip('/')}?$select=id"

    def record_url(self, entity: Entity | None, set_name: str, id: str) -> str | None:
        if self.values.get("record_url"):
            return super().record_url(entity, set_name, id)
        page, name = PAGES.get(set_name), str(self.values.get("company_name") or "")
        if page is None or str(self.values.get("address") or "").rstrip("/") != BUSINESS_CENTRAL:
            return None
        path = "".join(
            f"/{quote(str(self.values[each]), safe='')}"
            for each in ("tenant", "environment")
            if self.values.get(each)
        )
        about = {**({"company": name} if name else {}), "page": page, "filter": f"'SystemId' IS '{id}'"}
        return f"{WEB_CLIENT}{path}/?{urlencode(about, quote_via=quote)}"
