"""An app in this process, as simple as the contract allows, with faults to be switched on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import uuid4

from synccore.connectors.values import fit
from synccore.failures import Failure, Misconfigured
from synccore.shapes import Choice, Currencies, KeyKind, TableInfo, Value

INTEGRATION_USER = "tandem"


@dataclass(slots=True)
class Row:
    """One stored record. The stamps stand in ``fields``; ``version`` rises with every change."""

    fields: dict[str, Value]
    version: int = 1


@dataclass(slots=True)
class MemoryTable:
    """One table: its description and rows by id. ``modified_by_field`` is filled like ``info.modified_field``."""

    info: TableInfo
    modified_by_field: str | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    sequence: int = 0
    #: The highest version a deleted row had: one that comes back under its old id is at no version it was at before.
    past: int = 0

    def next_id(self) -> str:
        """An id nobody else gets: a random GUID, or the next number."""
        if self.info.key_kind is KeyKind.UUID:
            return str(uuid4())
        self.sequence += 1
        return str(self.sequence)


@dataclass(slots=True)
class Faults:
    """Trouble an app can make; all off at first.

    Attributes:
        flaky_versions: every read finds new versions though no field changed.
        normalise: (field name, value) → value the app stores instead.
        refuse: (operation, table, item) → why this one item fails, or None.
        fail: failures that the next calls raise instead of doing anything, first one first.
        lose_answers: so many of the next write calls happen, and then break without an answer.
        skew: seconds the app's clock, and so its stamps, are ahead.
        page_limit: rows a page holds at most, whatever was asked for.
        hook: called with ("before" or "after", method) around every remote call; may raise or change the app.
    """

    flaky_versions: bool = False
    normalise: Callable[[str, Value], Value] | None = None
    refuse: Callable[[str, str, Any], Failure | None] | None = None
    fail: list[Failure] = field(default_factory=list)
    lose_answers: int = 0
    skew: float = 0.0
    page_limit: int | None = None
    hook: Callable[[Literal["before", "after"], str], None] | None = None


class MemoryApp:
    """A business app that lives in this process. Every connector with its name shares it; all methods may be called
    from any thread. ``clock`` is what tests set; each change moves it on by a millisecond."""

    _apps: ClassVar[dict[str, MemoryApp]] = {}
    _registry_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
        self.tables: dict[str, MemoryTable] = {}
        self.faults = Faults()
        #: What the app lists for people to choose from, and what it says of its currencies.
        self.choices: list[Choice] = []
        self.currencies: Currencies | None = None
        self.lock = threading.RLock()

    @classmethod
    def get(cls, name: str) -> MemoryApp:
        """The app of that name, made when first asked for."""
        with cls._registry_lock:
            return cls._apps.setdefault(name, cls(name))

    @classmethod
    def forget(cls, name: str) -> None:
        """Drop the app of that name, with its data."""
        with cls._registry_lock:
            cls._apps.pop(name, None)

    def add_table(self, info: TableInfo, *, modified_by_field: str | None = None) -> MemoryTable:
        """Declare a table; its ``modified_field`` and ``modified_by_field`` are kept by the app itself."""
        table = self.tables[info.name] = MemoryTable(info, modified_by_field)
        return table

    def table(self, name: str) -> MemoryTable:
        try:
            return self.tables[name]
        except KeyError:
            raise Misconfigured("unknown_table", {"table": name}) from None

    def now(self) -> datetime:
        """The app's clock, skew included."""
        return self.clock + timedelta(seconds=self.faults.skew)

    # -- what users of the app do ---------------------------------------------------------------------------------------

    def put(
        self,
        table: str,
        id: str,
        fields: Mapping[str, Value],
        *,
        by: str = "somebody",
        stamp: datetime | None | Literal["now"] = "now",
    ) -> Row:
        """Create or change a record as a user of the app. With ``stamp`` it appears late, back-dated or without one."""
        with self.lock:
            return self.store(self.table(table), id, fields, by, self.now() if stamp == "now" else stamp)

    def remove(self, table: str, id: str) -> None:
        """Delete a record as a user of the app."""
        with self.lock:
            found = self.table(table)
            found.past = max(found.past, found.rows.pop(id).version)
            self._tick()

    def touch(self, table: str, id: str) -> None:
        """Move a record's version on without any change of a field."""
        self.table(table).rows[id].version += 1

    def store(
        self, table: MemoryTable, id: str, fields: Mapping[str, Value], by: str, stamp: datetime | None
    ) -> Row:
        """Put values into a row as they are; the app keeps stamp and version. Both sides of the app end here."""
        info = table.info
        changed = {**fields, info.id_field or "": _id_value(info, id)}
        if info.modified_field:
            changed[info.modified_field] = stamp
        if table.modified_by_field:
            changed[table.modified_by_field] = by
        row = table.rows.get(id)
        if row is None:
            table.rows[id] = row = Row(dict.fromkeys(info.fields), version=table.past + 1)
        row.fields = {name: changed.get(name, old) for name, old in row.fields.items()}
        row.version += 1
        if id.isdecimal():
            table.sequence = max(table.sequence, int(id))
        self._tick()
        return row

    def _tick(self) -> None:
        self.clock += timedelta(milliseconds=1)


def _id_value(info: TableInfo, id: str) -> Value:
    return fit(info.name, info.fields[info.id_field], id) if info.id_field else None
