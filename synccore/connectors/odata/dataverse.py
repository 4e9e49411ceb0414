"""Dataverse, Web API v9.2: its headers, limits and ways, as the profile of a connection."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from synccore.connectors.odata.profile import Profile


class DataverseProfile(Profile):
    """One Dataverse environment (Dynamics 365 Sales among others)."""

    name: ClassVar[str] = "dataverse"

    # -- requests ------------------------------------------------------------------------------------------------------
    page_max = 5000
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

    def headers(self) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "OData-Version": "4.0",
            "OData-MaxVersion": "4.0",
            # Else an expanded collection may come from a cache.
            "If-None-Match": "null",
        }
