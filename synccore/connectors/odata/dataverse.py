"""Dataverse, Web API v9.2: its headers, limits and ways, as the profile of a connection."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

from synccore.connectors.odata.addresses import dataverse_root
from synccore.connectors.odata.declared import (
    CLIENT,
    READING,
    RECORD_URL,
    TENANT,
    TOKENS,
    WAITING,
    token_address_of,
)
from synccore.connectors.odata.profile import Profile
from synccore.connectors.options import Option
from synccore.connectors.options import gettext_noop as _

if TYPE_CHECKING:
    from synccore.connectors.odata.model import Entity


class DataverseProfile(Profile):
    """One Dataverse environment (Dynamics 365 Sales among others)."""

    name: ClassVar[str] = "dataverse"
    must_sign_in = True

    # -- requests ------------------------------------------------------------------------------------------------------
    updates_never_create = True
    page_max = 5000
    #: It takes 32,768 characters, and 65,536 in a batch; a proxy in between takes 8,190.
    address_max = 8000
    tracks_changes = True

    # -- filters and keys ----------------------------------------------------------------------------------------------
    ignores_case = True
    or_chain = 50

    # -- writing -------------------------------------------------------------------------------------------------------
    create = "put_id"
    selects_stored = True
    #: 412 is also how a duplicate key is said: the code comes first, the status after it.
    stale_statuses = frozenset({412, 428})

    # -- values --------------------------------------------------------------------------------------------------------
    empty_text_is_null = True
    fraction = 0
    counts_utf16 = True
    base64url = False

    # -- metadata ------------------------------------------------------------------------------------------------------
    # Else nothing says which properties are computed.
    metadata_path = "$metadata?annotations=true"
    has_definitions = True
    lookup_values = r"_\w+_value"
    # An owner may be a team too; people are who a salesperson is coupled with.
    lookup_targets = MappingProxyType({"principal": "systemusers"})
    read_only_sets = frozenset({"systemusers"})

    def is_required(self, set_name: str, name: str, nullable: bool) -> bool:
        return False  # the definitions of attributes say it

    # -- batches -------------------------------------------------------------------------------------------------------
    batch_format = "multipart"
    batch_limit = 1000
    #: A batch is worked off one after the other: the first one shows how quickly.
    batch_start = 125

    # -- limits --------------------------------------------------------------------------------------------------------
    window = (6000, 300)
    #: The service takes 52; its makers start around ten in parallel, and people use it too.
    at_once = 16

    # -- set-up --------------------------------------------------------------------------------------------------------
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "address", _("Address"), required=True, address=True, place=True, placeholder="https://contoso.crm4.dynamics.com",
            help=_("Of the environment: copy it from your browser."),
        ),
        TENANT,
        *CLIENT,
        *TOKENS,
        *READING,
        *WAITING,
        RECORD_URL,
    )  # fmt: skip

    def root(self) -> str:
        return dataverse_root(self.values)

    def sign_of_life(self) -> str:
        return "WhoAmI"

    def scope(self) -> str:
        return (
            str(self.values.get("scope") or "")
            or f"{str(self.values.get('address') or '').rstrip('/')}/.default"
        )

    def token_address(self) -> str:
        return str(self.values.get("token_address") or "") or token_address_of(self.values.get("tenant"))

    def headers(self) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "OData-Version": "4.0",
            "OData-MaxVersion": "4.0",
            # Else an expanded collection may come from a cache.
            "If-None-Match": "null",
        }

    def record_url(self, entity: Entity | None, set_name: str, id: str) -> str | None:
        if self.values.get("record_url"):
            return super().record_url(entity, set_name, id)
        name = entity.logical_name if entity is not None and entity.logical_name else _logical_name(set_name)
        about = urlencode({"etn": name, "id": id, "pagetype": "entityrecord"})
        return f"{str(self.values.get('address') or '').rstrip('/')}/main.aspx?{about}"


def _logical_name(set_name: str) -> str:
    """The name of one record's type, as the platform makes the set's name from it."""
    if set_name.endswith("ies"):
        return set_name[:-3] + "y"
    stem = set_name.removesuffix("es")
    return (
        stem
        if stem != set_name and stem.endswith(("ss", "us", "x", "z", "ch", "sh"))
        else set_name.removesuffix("s")
    )
