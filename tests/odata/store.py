"""The rows of a test service: versions, stamps by the service's own clock, what was deleted, and a file to keep them.

Values are stored as they are compared: text, int, bool, Decimal, GUIDs in lower case, dates as ISO text, instants as ISO
text in UTC without ``Z`` and without trailing zeros (so that text order is time order).
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from tests.odata.schema import EntitySet, Prop

Key = str | int
Stamp = datetime | None | Literal["now"]


class Row:
    __slots__ = ("change", "key", "made", "values", "version")

    def __init__(self, key: Key, values: dict[str, Any], version: int, made: int) -> None:
        self.key = key
        self.values = values
        self.version = version
        self.change = version  # when it was last written, on the counter of all changes
        self.made = made  # when it was created, on the same counter


class Table:
    """The rows of one entity set."""

    def __init__(self, shape: EntitySet) -> None:
        self.shape = shape
        self.rows: dict[Key, Row] = {}
        self.deleted: list[tuple[int, Key, int]] = []  # (when, key, when it had been created)
        self.unique: dict[str, dict[Any, Key]] = {
            prop.name: {} for prop in shape.props.values() if prop.unique and prop.name != shape.key
        }
        self._orders: dict[Any, tuple[Callable[[Row], Any], list[tuple[Any, Row]]]] = {}

    def ordered(self, name: Any, order: Callable[[Row], Any]) -> list[tuple[Any, Row]]:
        """The rows in an order that ends with the key, with what each is ordered by; kept while rows come and go."""
        if name not in self._orders:
            found = sorted(((order(row), row) for row in self.rows.values()), key=lambda pair: pair[0])
            self._orders[name] = (order, found)
        return self._orders[name][1]

    def taken(self, prop: str, value: Any, key: Key) -> bool:
        """Whether another row holds this value of a unique property."""
        owner = self.unique[prop].get(value)
        return owner is not None and owner != key

    def enter(self, row: Row) -> None:
        self.rows[row.key] = row
        for prop, owners in self.unique.items():
            value = row.values.get(prop)
            if value not in (None, ""):
                owners[value] = row.key
        for order, found in self._orders.values():
            insort(found, (order(row), row), key=lambda pair: pair[0])

    def leave(self, key: Key) -> Row | None:
        row = self.rows.pop(key, None)
        if row is not None:
            for prop, owners in self.unique.items():
                if owners.get(row.values.get(prop)) == key:
                    del owners[row.values[prop]]
            for order, found in self._orders.values():
                del found[bisect_left(found, order(row), key=lambda pair: pair[0])]
        return row


class Store:
    """All rows of one service. Every change happens under ``lock``."""

    def __init__(self, shapes: Iterable[EntitySet], *, fraction: int = 6, file: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.tables = {shape.name: Table(shape) for shape in shapes}
        self.fraction = fraction
        self.skew = 0.0
        self.counter = 1000
        self._last = 0
        self._undo: list[tuple[Table, Key, Row | None]] | None = None
        self._log: Any = None
        if file is not None:
            self._load(file)

    # -- the service's clock -------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.skew)

    def instant(self, moment: datetime) -> str:
        """A moment as it is stored, to as many digits as the service keeps."""
        return canonical_instant(moment, self.fraction)

    # -- rows ----------------------------------------------------------------------------------------------------------

    def write(
        self, name: str, key: Key, values: Mapping[str, Any], *, stamp: Stamp = "now", by: str | None = None
    ) -> Row:
        """Store a row whole: ``values`` are canonical. A new version, and the stamps of the set."""
        with self.lock:
            table = self.tables[name]
            shape = table.shape
            before = table.leave(key)
            self.counter += 1
            row = Row(key, dict(values), self.counter, before.made if before else self.counter)
            row.values[shape.key] = key
            now = self.instant(self.now())
            if shape.modified:
                row.values[shape.modified] = now if stamp == "now" else self.instant(stamp) if stamp else None
            if shape.created:
                row.values[shape.created] = before.values[shape.created] if before else now
            if shape.modified_by:
                row.values[shape.modified_by] = by
            if "versionnumber" in shape.props:
                row.values["versionnumber"] = row.version
            table.enter(row)
            self._remember(table, key, before)
            self._note(name, row)
            return row

    def remove(self, name: str, key: Key) -> bool:
        with self.lock:
            table = self.tables[name]
            before = table.leave(key)
            if before is None:
                return False
            self.counter += 1
            table.deleted.append((self.counter, key, before.made))
            self._remember(table, key, before)
            self._note(name, None, key)
            return True

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is written inside is undone where an exception leaves it."""
        with self.lock:
            self._undo = []
            try:
                yield
            except BaseException:
                for table, key, before in reversed(self._undo):
                    table.leave(key)
                    if before is not None:
                        table.enter(before)
                    table.deleted = [each for each in table.deleted if each[1] != key]
                    self._note(table.shape.name, before, key)
                raise
            finally:
                self._undo = None

    def _remember(self, table: Table, key: Key, before: Row | None) -> None:
        if self._undo is not None:
            self._undo.append((table, key, before))

    # -- the file ------------------------------------------------------------------------------------------------------

    def _load(self, file: Path) -> None:
        """Read what was kept, write it anew without what is gone, and go on at its end."""
        if file.exists():
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    self._again(line)
        fresh = file.with_suffix(".new")
        self._log = fresh.open("w", encoding="utf-8")
        for name, table in self.tables.items():
            for row in table.rows.values():
                self._note(name, row)
        fresh.replace(file)

    def _again(self, line: str) -> None:
        try:
            told = json.loads(line)
        except ValueError:  # the last line of a process that was killed
            return
        table = self.tables.get(told["set"])
        if table is None:
            return
        table.leave(told["key"])
        self.counter = max(self.counter, told["n"])
        if told["values"] is not None:
            props = table.shape.props
            values = {
                name: Decimal(value)
                if isinstance(value, str) and name in props and props[name].type == "Decimal"
                else value
                for name, value in told["values"].items()
            }
            row = Row(told["key"], values, told["n"], told["made"])
            table.enter(row)

    def _note(self, name: str, row: Row | None, key: Key = "") -> None:
        if self._log is None:
            return
        told = {
            "set": name,
            "key": row.key if row else key,
            "n": row.version if row else self.counter,
            "made": row.made if row else 0,
            "values": row.values if row else None,
        }
        self._log.write(json.dumps(told, default=str) + "\n")
        self._log.flush()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def canonical_instant(moment: datetime, fraction: int) -> str:
    moment = moment.astimezone(UTC)
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    digits = f"{moment.microsecond:06}"[:fraction].rstrip("0")
    return f"{whole}.{digits}" if digits else whole


def canonical(prop: Prop, value: Any, fraction: int) -> Any:
    """A Python value of a test (a date, a Decimal, a UUID …) as it is stored."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return canonical_instant(value, fraction)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID) or prop.type == "Guid":
        return str(value).lower()
    if prop.type == "Decimal":
        return Decimal(str(value))
    return value
