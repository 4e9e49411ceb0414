"""What differs between OData services: one class of hooks, its defaults those of a plain OData V4 service.

Everything else in this package is written once, against this class. A profile is made from the answers of a connection
and holds no secret: those are in :mod:`synccore.connectors.odata.auth`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal
from urllib.parse import quote

from synccore.connectors.options import Option

if TYPE_CHECKING:
    from synccore.connectors.odata.model import Entity

#: How a service takes many operations in one request; "" where it does not.
BatchFormat = Literal["", "multipart", "json"]
#: How a record is created: a POST to its set, or a PATCH on an id that we choose.
CreateStyle = Literal["post", "put_id"]

BLANK_GUID: Final = "00000000-0000-0000-0000-000000000000"


class Profile:
    """One kind of OData service, as a connection is set up for it.

    ``values`` are the answers to ``options`` as ``read_options`` gives them; a profile made without any has the defaults.
    """

    # -- what it is ----------------------------------------------------------------------------------------------------
    #: Name of the connector's kind, and of the table of errors (``odata``, ``business_central``, ``dataverse``).
    name: ClassVar[str] = "odata"

    #: True: nobody is let in without a client, or a user and password.
    must_sign_in: ClassVar[bool] = False

    # -- requests ------------------------------------------------------------------------------------------------------
    #: Largest page the service gives; asked for by ``Prefer: odata.maxpagesize``.
    page_max: int = 1000
    #: Longest address that is sent as it is. IIS and ASP.NET, unless told otherwise, take 2,048 characters behind the
    #: question mark (404.15, 400); Apache, nginx and Kestrel take lines of about 8,190 (414).
    address_max: int = 2000
    #: True: ``Prefer: odata.track-changes`` may give delta links (the entity decides, ``Entity.tracks_changes``).
    tracks_changes: bool = False

    # -- filters and keys ----------------------------------------------------------------------------------------------
    #: False: ``or`` joins conditions on one and the same property only.
    supports_or_on_two_fields: bool = True
    #: True: text in a filter is compared without regard to case, so a filter's answer is a superset.
    ignores_case: bool = False
    #: True: some text is kept in capitals, without blanks around it, and asked for likewise (the type Code). Nothing says of
    #: which fields that is so.
    keeps_capitals: bool = False
    #: False: no function stands inside another one, so ``contains(tolower(…))`` cannot be asked.
    nests_functions: bool = True
    #: Most conditions that one filter joins by ``or``.
    or_chain: int = 20

    # -- writing -------------------------------------------------------------------------------------------------------
    create: CreateStyle = "post"
    #: Statuses which say by themselves that the record is not at the version the write was based on.
    stale_statuses: frozenset[int] = frozenset({409, 412, 428})
    #: True: a stored record comes back only for ``Prefer: return=representation``.
    asks_representation: bool = True
    #: True: ``$select`` on a write says which of the stored values come back.
    selects_stored: bool = False
    #: True: an update or deletion without ``If-Match`` is refused, or would be an upsert; ``*`` where no version is known.
    needs_if_match: bool = True
    #: True: an update under a condition is known never to create a record, so the right to update can be tried on one
    #: that is not there. A stranger's service may take such an update for a new record.
    updates_never_create: bool = False

    # -- values --------------------------------------------------------------------------------------------------------
    #: What is sent for a text without a value: None (null) or "".
    blank_text: str | None = None
    #: What is sent for a GUID without a value: None (null) or the blank GUID.
    blank_guid: str | None = None
    #: Names under which an enumeration says "no value". The first is what we send.
    blank_enums: tuple[str, ...] = ()
    #: What is sent for a date without a value (a moment: its midnight, UTC): None (null) or the date that means it.
    blank_date: str | None = None
    #: False: numbers, and yes or no, are never without a value; what is empty elsewhere is 0 or false here.
    empty_numbers: bool = True
    #: True: a text without a character is kept as no value at all, so it is sent and read as such.
    empty_text_is_null: bool = False
    #: Most digits of a second that a moment or time keeps.
    fraction: int = 6
    #: True: a text's length counts UTF-16 units, so that a character outside the basic plane counts twice.
    counts_utf16: bool = False
    #: True: binary values in JSON are base64url as the standard says; False: base64 with ``+`` and ``/``.
    base64url: bool = True
    #: True: a member of an enumeration stands quoted in a filter, without the name of its type.
    plain_enums: bool = False

    # -- metadata ------------------------------------------------------------------------------------------------------
    #: Where the service describes itself.
    metadata_path: str = "$metadata"
    #: Names of the computed GUIDs that lookups are read as; "" where there are none.
    lookup_values: str = ""
    #: Type of a lookup's target → set that it is written to, where the metadata leaves it open.
    lookup_targets: Mapping[str, str] = MappingProxyType({})
    #: True: lengths, labels, options and keys stand in ``EntityDefinitions``, table by table.
    has_definitions: bool = False
    #: Where captions of tables and fields stand, in one answer; "" where nowhere.
    captions_path: str = ""
    #: Sets that are only read.
    read_only_sets: frozenset[str] = frozenset()

    # -- batches -------------------------------------------------------------------------------------------------------
    batch_format: BatchFormat = ""
    #: Most operations in one batch, and how many the first one holds.
    batch_limit: int = 1
    batch_start: int = 1
    #: True: the size follows how long a batch takes.
    batch_adapts: bool = True

    # -- limits --------------------------------------------------------------------------------------------------------
    #: Requests per window of seconds that the service takes from one user; None: it publishes none.
    window: tuple[int, int] | None = None
    #: Requests at once that we send, over all workers.
    at_once: int = 4

    # -- set-up --------------------------------------------------------------------------------------------------------
    #: What Connection Setup asks for.
    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = dict(values or {})
        if page_size := self.values.get("page_size"):
            self.page_max = min(int(page_size), type(self).page_max)

    def root(self) -> str:
        """Address of the service root, ending in ``/``. Raises Misconfigured ``bad_connection_options``."""
        return str(self.values.get("address") or "").rstrip("/") + "/"

    def lacks(self) -> str:
        """The option that has to be chosen before a table can be read; "" where none is missing."""
        return ""

    def sign_of_life(self) -> str:
        """Path of the cheapest reading that proves an answer and a sign-in."""
        return ""

    def batch_base(self, root: str) -> str:
        """The service root that batches are sent to, and that the addresses in them are relative to."""
        return root

    def scope(self) -> str:
        """What a token is asked for; "" where the service needs none."""
        return str(self.values.get("scope") or "")

    def token_address(self) -> str:
        """Where tokens come from; "" where the service needs none."""
        return str(self.values.get("token_address") or "")

    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {"Accept": "application/json", "OData-Version": "4.0", "OData-MaxVersion": "4.01"}

    def key(self, literal: str) -> str:
        """A record's key as it stands behind the name of its set, percent-encoded: ``(…)``. ``literal`` as of
        ``values.literal``."""
        return f"({quote(literal, safe=_IN_KEY)})"

    def is_lookup_value(self, name: str) -> bool:
        """Whether a property is the computed GUID of a lookup."""
        return bool(self.lookup_values) and re.fullmatch(self.lookup_values, name) is not None

    def metadata_root(self, root: str) -> str:
        """Address below which ``metadata_path`` and ``captions_path`` stand; ``root`` is the connection's own."""
        return root

    def is_required(self, set_name: str, name: str, nullable: bool) -> bool:
        """Whether a new record needs a value of this field; ``nullable`` is what the metadata says."""
        return not nullable

    def is_read_only(self, set_name: str, name: str) -> bool:
        """Whether the service keeps this field itself although the metadata does not say so."""
        return False

    def record_url(self, entity: Entity | None, set_name: str, id: str) -> str | None:
        """Address of the record in the app's own pages; None where it has none. ``entity`` where it is known."""
        pattern = self.values.get("record_url")
        if not pattern:
            return None
        return str(pattern).replace("{table}", quote(set_name, safe="")).replace("{id}", quote(id, safe=""))


#: What may stand unencoded in a path segment (RFC 3986 pchar), less what some servers take for themselves.
_IN_KEY: Final = "'(),:@!*=-._~"
