"""The reference connector. It says by its shortness what a connector has to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Literal, Self

from synccore.connectors.base import Connector, WriteResult
from synccore.connectors.filtering import matcher
from synccore.connectors.memory.app import INTEGRATION_USER, MemoryApp, MemoryTable
from synccore.connectors.options import Option, OptionType
from synccore.connectors.values import fit, written
from synccore.failures import Failure, Misconfigured, Rejected, Stale, Transient
from synccore.shapes import (
    ALL,
    Choice,
    CreateItem,
    Currencies,
    DeleteItem,
    Filter,
    KeyKind,
    Page,
    Record,
    TableInfo,
    TableRef,
    UpdateItem,
    Value,
    VersionPage,
)

#: Sorts behind every stamp.
_NO_STAMP: Final = "~"


def _place(moment: datetime) -> str:
    """A moment as text that sorts as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class MemoryConnector(Connector):
    """Reads and writes a :class:`MemoryApp`. Works on whole tables in memory; the lock makes every call atomic."""

    kind = "memory"
    lists_choices = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("name", "Name", required=True, address=True, place=True),
        Option("company", "Company", listed=True),
        Option("overlap", "Overlap of two readings (seconds)", OptionType.INTEGER, default=300, minimum=0),
    )

    def __init__(self, app: MemoryApp, *, overlap: int = 300) -> None:
        self.app = app
        self.overlap = timedelta(seconds=overlap)

    @classmethod
    def tidy(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """``memory://name`` is the name."""
        return {**options, "name": str(options.get("name") or "").removeprefix("memory://").rstrip("/")}

    @classmethod
    def open(cls, values: Mapping[str, Any], *, app: str) -> Self:
        return cls(MemoryApp.get(values["name"]), overlap=values["overlap"])

    @contextmanager
    def _call(self, method: str, *, write: bool = False) -> Iterator[MemoryApp]:
        """Around every remote call: hooks and faults."""
        app, faults = self.app, self.app.faults
        if faults.hook:
            faults.hook("before", method)
        if faults.fail:
            raise faults.fail.pop(0)
        with app.lock:
            if faults.flaky_versions and not write:
                for table in app.tables.values():
                    for row in table.rows.values():
                        row.version += 1
            yield app
        if faults.hook:
            faults.hook("after", method)
        if write and faults.lose_answers:
            faults.lose_answers -= 1
            params = {"app": app.name, "user": INTEGRATION_USER}
            raise Transient("connection_lost", params, outcome_unknown=True)

    # -- knowing the app -----------------------------------------------------------------------------------------------

    def check(self, table: TableRef | None = None, *, write: bool = False) -> None:
        with self._call("check") as app:
            if table is not None:
                found = app.table(table.name)
                self._require(found, [])
                if write and not found.info.writable:
                    raise Misconfigured("not_writable", {"table": table.name})

    def now(self) -> datetime:
        with self._call("now") as app:
            return app.now()

    def describe(self) -> dict[str, TableInfo]:
        with self._call("describe") as app:
            return {name: table.info for name, table in app.tables.items()}

    def choices(self) -> list[Choice]:
        with self._call("choices") as app:
            return list(app.choices)

    def currencies(self) -> Currencies | None:
        with self._call("currencies") as app:
            return app.currencies

    def record_url(self, table: TableRef, id: str) -> str | None:
        return None

    # -- reading -------------------------------------------------------------------------------------------------------

    def changes(
        self,
        table: TableRef,
        fields: Sequence[str],
        filter: Filter = (),
        cursor: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
    ) -> Page:
        with self._call("changes") as app:
            found = app.table(table.name)
            self._require(found, fields)
            state = dict(cursor or {})
            low, after = state.get("low"), state.get("after")
            started = state.setdefault("started", _place(app.now()))
            inside = matcher(table.name, filter, found.info.fields)
            places = sorted(
                (place, row)
                for place, row in self._places(found, table)
                if inside(found.rows[row].fields)
                and (after is None or place > tuple(after))
                and (low is None or low <= place[0] < _NO_STAMP)
            )
            limit = self._limit(limit)
            page = places[:limit]
            records = tuple(self._record(found, table, id, fields) for _, id in page)
            stamps = [place[0] for place, _ in page if place[0] != _NO_STAMP]
            high = max(stamps, default=state.get("high"))
            if len(places) > limit:
                return Page(records, {**state, "high": high, "after": list(page[-1][0])}, complete=False)
            if table.modified_field is None:
                return Page(records, None, complete=True, watermark={})
            newest = datetime.fromisoformat(min(high or started, started))
            return Page(records, None, complete=True, watermark={"low": _place(newest - self.overlap)})

    def cursor_at(self, table: TableRef, moment: datetime) -> dict[str, Any] | None:
        with self._call("cursor_at"):
            return None if table.modified_field is None else {"low": _place(moment)}

    def _places(self, table: MemoryTable, ref: TableRef) -> Iterator[tuple[tuple[str, str], str]]:
        """(stamp, id) of every row: what a pass is ordered by. Rows without a stamp come last, in a first pass only:
        their place lies above every stamp, but a later pass cannot tell them from those read before and leaves them to
        the sweep."""
        for id, row in table.rows.items():
            if ref.modified_field is None:
                yield ("", id), id
                continue
            stamp = row.fields[ref.modified_field]
            yield (_place(stamp) if isinstance(stamp, datetime) else _NO_STAMP, id), id

    def fetch(
        self, table: TableRef, ids: Sequence[str], fields: Sequence[str] | Literal["*"]
    ) -> list[Record]:
        with self._call("fetch") as app:
            found = app.table(table.name)
            names = list(found.info.fields) if fields == ALL else fields
            self._require(found, names)
            return [self._record(found, table, id, names) for id in dict.fromkeys(ids) if id in found.rows]

    def find(
        self, table: TableRef, field: str, values: Sequence[Value], fields: Sequence[str]
    ) -> list[Record]:
        with self._call("find") as app:
            found = app.table(table.name)
            self._require(found, [*fields, field])
            wanted = set()
            for value in values:
                try:
                    wanted.add(fit(table.name, found.info.fields[field], value))
                except Rejected:  # what the field cannot hold equals none of its values
                    continue
            wanted.discard(None)
            return [
                self._record(found, table, id, fields)
                for id, row in found.rows.items()
                if row.fields[field] in wanted
            ]

    def search(self, table: TableRef, text: str, fields: Sequence[str], *, limit: int = 20) -> list[Record]:
        with self._call("search") as app:
            found = app.table(table.name)
            self._require(found, fields)
            words, wanted = text.lower().split(), text.lower().strip()
            hits = []
            for id in found.rows:
                record = self._record(found, table, id, fields)
                said = " " + " ".join((id, record.key, record.name)).lower()
                if words and all(f" {word}" in said for word in words):
                    key = record.key.lower()
                    is_it = wanted in (key, id.lower())
                    hits.append((not is_it, not key.startswith(wanted), record.key, id, record))
            return [record for *_order, record in sorted(hits, key=lambda hit: hit[:4])[:limit]]

    def versions(
        self,
        table: TableRef,
        filter: Filter = (),
        cursor: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
    ) -> VersionPage:
        with self._call("versions") as app:
            found = app.table(table.name)
            self._require(found, [])
            inside = matcher(table.name, filter, found.info.fields)
            after = (cursor or {}).get("id", "")
            ids = sorted(id for id, row in found.rows.items() if id > after and inside(row.fields))
            limit = self._limit(limit)
            page = tuple((id, str(found.rows[id].version)) for id in ids[:limit])
            complete = len(ids) <= limit
            return VersionPage(page, None if complete else {"id": page[-1][0]}, complete)

    # -- writing -------------------------------------------------------------------------------------------------------

    def reserve_ids(self, table: TableRef, n: int) -> list[str]:
        with self._call("reserve_ids") as app:
            found = app.table(table.name)
            if found.info.key_kind is not KeyKind.SEQUENCE:
                raise Misconfigured("no_sequence", {"table": table.name})
            return [found.next_id() for _ in range(n)]

    def create(
        self, table: TableRef, items: Sequence[CreateItem], fields: Sequence[str]
    ) -> list[WriteResult]:
        def one(found: MemoryTable, item: CreateItem) -> WriteResult:
            info = found.info
            id = item.id
            if id is None:
                given = item.fields.get(info.id_field or "")
                id = found.next_id() if given is None else written(given)
            stored = self._fitted(found, {**item.fields, info.id_field or "": id})
            id = written(stored[info.id_field or ""])
            for each in info.fields.values():
                if each.required and stored.get(each.name) is None:
                    raise Rejected(
                        "value_required", {"table": info.name, "field": each.name, "value": "", "limit": ""}
                    )
            if id in found.rows:
                raise self._duplicate(info, info.id_field or "", id)
            self._check_unique(found, stored, None)
            self.app.store(found, id, stored, INTEGRATION_USER, self.app.now())
            return self._record(found, table, id, fields)

        return self._write("create", table, items, fields, one)

    def update(
        self, table: TableRef, items: Sequence[UpdateItem], fields: Sequence[str]
    ) -> list[WriteResult]:
        def one(found: MemoryTable, item: UpdateItem) -> WriteResult:
            row = found.rows.get(item.id)
            if row is None or str(row.version) != item.version:
                raise Stale("stale", {"table": table.name, "id": item.id})
            stored = self._fitted(found, item.fields)
            for name, value in stored.items():
                if value is None and found.info.fields[name].required:
                    raise Rejected(
                        "value_required", {"table": table.name, "field": name, "value": "", "limit": ""}
                    )
            self._check_unique(found, stored, item.id)
            if stored:
                self.app.store(found, item.id, stored, INTEGRATION_USER, self.app.now())
            return self._record(found, table, item.id, fields)

        return self._write("update", table, items, fields, one)

    def delete(self, table: TableRef, items: Sequence[DeleteItem]) -> list[None | Failure]:
        def one(found: MemoryTable, item: DeleteItem) -> None:
            row = found.rows.get(item.id)
            if row is not None and str(row.version) != item.version:
                raise Stale("stale", {"table": table.name, "id": item.id})
            if row is not None:
                self.app.remove(table.name, item.id)

        return self._write("delete", table, items, (), one)

    def _write(
        self,
        operation: str,
        table: TableRef,
        items: Sequence[Any],
        fields: Sequence[str],
        one: Callable[[MemoryTable, Any], Any],
    ) -> list[Any]:
        results: list[Any] = []
        with self._call(operation, write=True) as app:
            found = app.table(table.name)
            self._require(found, [*fields, *(name for item in items for name in getattr(item, "fields", ()))])
            for item in items:
                refused = app.faults.refuse(operation, table.name, item) if app.faults.refuse else None
                try:
                    results.append(refused if refused is not None else one(found, item))
                except Failure as failure:
                    results.append(failure)
        return results

    # -- helpers --------------------------------------------------------------------------------------------------------

    def _require(self, table: MemoryTable, fields: Sequence[str]) -> None:
        if table.info.id_field is None:
            raise Misconfigured("no_key", {"table": table.info.name})
        for name in fields:
            if name not in table.info.fields:
                raise Misconfigured("unknown_field", {"table": table.info.name, "field": name})

    def _limit(self, limit: int | None) -> int:
        return min(limit or self.page_size, self.app.faults.page_limit or self.page_size)

    def _fitted(self, table: MemoryTable, values: Mapping[str, Value]) -> dict[str, Value]:
        """What the app stores for these values: fitted to the fields, then normalised if it does that."""
        info, normalise = table.info, self.app.faults.normalise
        fitted = {name: fit(info.name, info.fields[name], value) for name, value in values.items()}
        if normalise:
            fitted = {
                name: value if name == info.id_field else normalise(name, value)
                for name, value in fitted.items()
            }
        return fitted

    def _check_unique(self, table: MemoryTable, values: Mapping[str, Value], id: str | None) -> None:
        for name, value in values.items():
            if not table.info.fields[name].unique or value is None or name == table.info.id_field:
                continue
            if any(other != id and row.fields[name] == value for other, row in table.rows.items()):
                raise self._duplicate(table.info, name, value)

    def _duplicate(self, info: TableInfo, name: str, value: Value) -> Rejected:
        params = {"table": info.name, "field": name, "fields": [name], "value": written(value), "limit": ""}
        return Rejected("duplicate_key", params)

    def _record(self, table: MemoryTable, ref: TableRef, id: str, fields: Sequence[str]) -> Record:
        row = table.rows[id]

        def text(name: str | None) -> str | None:
            value = row.fields.get(name) if name else None
            return None if value is None else written(value)

        stamp = row.fields.get(ref.modified_field) if ref.modified_field else None
        return Record(
            id=id,
            version=str(row.version),
            modified_at=stamp if isinstance(stamp, datetime) else None,
            modified_by=text(ref.modified_by_field),
            key=text(ref.key_field) or id,
            name=text(ref.name_field) or "",
            fields={name: row.fields[name] for name in fields},
            owner=text(ref.owner_field),
        )
