"""The shapes that cross between connectors, engine and jobs. Frozen, Django-free; nothing else crosses those lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

#: A value of a field as a connector gives and takes it. Instants are aware (UTC); DATETIME is naive (the app's wall clock).
Value = None | str | int | bool | float | Decimal | date | datetime | time | UUID | bytes


#: Characters that PostgreSQL keeps in no text: NUL, and halves of characters. An app may send them all the same.
UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with a sign in the place of each character that our own database cannot keep."""
    return UNSTORABLE.sub("\ufffd", text)


class Side(StrEnum):
    """The two apps of an integration. People read the app's name, never these words."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


SIDES: Final = (Side.LEFT, Side.RIGHT)


class FieldType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    INSTANT = "instant"  # a moment, with zone
    DATETIME = "datetime"  # a wall-clock reading, without zone
    GUID = "guid"
    BINARY = "binary"


class KeyKind(StrEnum):
    """How new records of a table get their id; decides how a create is made idempotent (ENGINE §6)."""

    UUID = "uuid"  # a random UUID that we choose
    SEQUENCE = "sequence"  # ids reserved from the app's sequence before the insert
    NATURAL = "natural"  # the id is a mapped business value (currency code)
    OPAQUE = "opaque"  # the app alone decides


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field as the app describes it.

    ``length`` counts characters (bytes for BINARY); ``precision``/``scale`` are total and fractional digits of a DECIMAL;
    ``fraction`` is the number of fractional second digits an INSTANT, DATETIME or TIME keeps.
    """

    name: str
    type: FieldType
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    fraction: int = 6
    required: bool = False
    padded: bool = False
    read_only: bool = False
    unique: bool = False
    label: str = ""
    native: str = ""  # the app's own name of the type, for pages
    #: The only values the field takes, as canonical text, each with what people call it; () where any value will do.
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table or view as the app describes it. ``id_field`` is the key's field (None: no usable key)."""

    name: str
    fields: Mapping[str, FieldInfo]
    id_field: str | None
    key_kind: KeyKind
    writable: bool = True
    label: str = ""
    modified_field: str | None = None  # a guess, offered at set-up


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table as one side of a mapping uses it: the fields that carry key, name, owner and modification stamp.

    ``key_field`` is the number people know (falls back to the id); ``name_field`` what they call it.
    """

    name: str
    modified_field: str | None = None
    modified_by_field: str | None = None
    key_field: str | None = None
    name_field: str | None = None
    owner_field: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read from, or stored in, a business app. ``fields`` are typed as ``describe()`` says.

    ``key``, ``name``, ``owner`` and ``modified_by`` are for people and our memory: always storable text.
    """

    id: str
    version: str
    modified_at: datetime | None
    modified_by: str | None
    key: str
    name: str
    fields: Mapping[str, Value]
    owner: str | None = None

    def __post_init__(self) -> None:
        for name in ("key", "name", "owner", "modified_by"):
            text = getattr(self, name)
            if text and UNSTORABLE.search(text):
                object.__setattr__(self, name, storable(text))


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    NOT_IN = "not_in"
    EMPTY = "empty"
    NOT_EMPTY = "not_empty"
    STARTS_WITH = "starts_with"


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of a filter; lines are joined by AND. ``value`` is canonical text (a list of it for IN and NOT_IN).

    Same meaning everywhere: text compares exactly by code point, numbers by value, empty is null or "".
    A comparison with an empty field is false, except EQ/IN with an empty value, NE and NOT_IN (an empty field differs).
    """

    field: str
    operator: Operator
    value: str | tuple[str, ...] | None = None


Filter = tuple[Condition, ...]

#: ``fetch(..., ALL)`` asks for every readable field.
ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a scan by modification time, oldest first.

    ``cursor``: JSON-able state to hand in again for the next page. ``complete``: this was the last page of the pass.
    ``watermark``: set on the last page, the cursor from which the next pass starts.
    ``deleted_ids``: ids the app itself reports as deleted (none where it keeps no such list). A record may stand on a page
    twice (the later place counts), and among the deleted as well (it is looked at again).
    """

    records: tuple[Record, ...]
    cursor: dict[str, Any] | None
    complete: bool
    deleted_ids: tuple[str, ...] = ()
    watermark: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class VersionPage:
    """One page of a sweep: ``(id, version)`` of every row in the filter, in the app's own order."""

    versions: tuple[tuple[str, str], ...]
    cursor: dict[str, Any] | None
    complete: bool


@dataclass(frozen=True, slots=True)
class CreateItem:
    """A record to be created. ``key`` is the idempotency key; ``id`` the id chosen beforehand, where the table allows it."""

    key: str
    fields: Mapping[str, Value]
    id: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateItem:
    """Fields to be written to a record that must still be at ``version``."""

    id: str
    version: str
    fields: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """A record to be deleted that must still be at ``version``."""

    id: str
    version: str


def by_id(records: Iterable[Record]) -> dict[str, Record]:
    return {record.id: record for record in records}


@dataclass(frozen=True, slots=True)
class Precondition:
    """Something that must exist in an app before a record is written ("the currency has a rate in both apps").

    ``field`` is read from the record on ``record_side``; if it holds a value not in ``exempt``, a row with
    ``lookup_field`` = that value must exist in ``table`` of the app on ``side``, within ``filter``.
    """

    what: str
    side: Side
    table: str
    lookup_field: str
    record_side: Side
    field: str
    exempt: tuple[str, ...] = ()
    filter: Filter = ()


class CheckState(StrEnum):
    """What a set-up check found. UNKNOWN: it could not be made, which is not a pass."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TableUse:
    """A table as a mapping uses it: ``fields`` are read, ``written`` are written too; ``write`` is False where no record
    of it is created, updated or deleted."""

    table: TableRef
    fields: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    write: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One set-up check of an app. ``code`` has a guide in ``synccore.guides.checks``; ``params`` (JSON) are its facts, and
    ``table`` names the table it is about, if it is about one."""

    code: str
    state: CheckState
    params: Mapping[str, Any]
    table: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the things of which a service has several, and a connection needs one: a company, an environment.

    ``answers``: the options of the connection that choosing it fills; empty where there is nothing to choose, and people
    only confirm that it is the service they mean. ``detail`` tells it from others with the same label.
    """

    label: str
    answers: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Currencies:
    """What an app says of its currencies: ``base`` is the code of its own one, which needs no rate; ``table`` holds the
    currencies; a row of ``rates`` whose ``field`` is a currency's code is its exchange rate, from the day that its field
    ``since`` says on ("": always)."""

    base: str
    table: str
    rates: str
    field: str
    since: str = ""
