"""Reading what changed where the service keeps track of it: delta links, which tell deletions too.

Cursor of a pass: ``feed`` = the link of the page (null: the first query of all), ``last`` = id and version of the entry
given last where the page was ``cut``, ``seen``, ``started``, ``high``, ``again`` (begun so often). The watermark is
``delta`` = the link for the next pass, known only after the last page. A link that has expired leads to a reading of
everything, in which nothing is reported deleted.

The service filters nothing here, so the filter is evaluated on what comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from synccore.connectors.odata.bodies import told
from synccore.connectors.odata.client import Answer
from synccore.connectors.odata.links import comes_again, delta_link, is_foreign, key_in
from synccore.connectors.odata.source import AGAIN, LinkRefused, Listing, Source, low_mark
from synccore.connectors.odata.tables import Row, Table
from synccore.shapes import Filter, Page

TRACK: Final = "odata.track-changes"
#: Change tracking is off for this table, although its description said otherwise.
_NOT_TRACKED: Final = "0x80072491"


def reads(table: Table, cursor: Mapping[str, Any]) -> bool:
    """Whether a pass goes along delta links: one that did goes on, a new one does where the service may keep track."""
    if cursor:
        return "delta" in cursor or "feed" in cursor
    return table.entity.tracks_changes and table.profile.tracks_changes


def changes(
    source: Source,
    table: Table,
    fields: Sequence[str],
    filter: Filter,
    cursor: Mapping[str, Any],
    limit: int,
) -> Page | None:
    """One page of a pass; None where the service turns out to keep no track: then stamps tell what changed."""
    return _Pass(source, table, fields, filter, cursor, limit).page()


#: The state of a pass that begins with everything.
_BEGINNING: Final[Mapping[str, Any]] = {
    "feed": None, "last": None, "seen": [], "started": None, "high": None, "again": 0,
}  # fmt: skip


class _Pass:
    def __init__(
        self,
        source: Source,
        table: Table,
        fields: Sequence[str],
        filter: Filter,
        cursor: Mapping[str, Any],
        limit: int,
    ) -> None:
        self.source, self.table, self.limit = source, table, limit
        self.inside = table.matcher(filter) if filter else None
        self.fields = table.properties(fields)
        self.asked = list(dict.fromkeys([*fields, *table.filter_fields(filter)]))
        self.judged = table.properties(self.asked)
        self.select = table.select(self.asked)
        self.state: dict[str, Any] = {**_BEGINNING, "feed": self._known(cursor.get("delta")), **cursor}
        self.state.pop("delta", None)

    def _known(self, link: str | None) -> str | None:
        """The link, or None where it leads to another host: the connection pointed there when the link was given."""
        return None if link is None or is_foreign(link, self.source.client.root) else link

    def page(self) -> Page | None:
        listing = self._listing()
        if listing is None:
            return None
        state, entries = self.state, self._rest(listing.rows)
        part = entries[: self.limit]
        state["started"] = state["started"] or listing.started.isoformat()
        changed, deleted = self._sorted(part)
        records = []
        for row in self._completed(changed):
            record = self.table.record(row, self.fields)
            if record is None:
                continue
            self._note(record.modified_at)
            if self.inside is None or self.inside(self.table.fields(self.judged, row)):
                records.append(record)
        more: dict[str, Any] = {"records": tuple(records), "deleted_ids": tuple(deleted)}
        if len(part) < len(entries):
            self.source.kept = {self._place(): listing}
            return Page(cursor={**state, "cut": True, "last": self._mark(part[-1])}, complete=False, **more)
        self.source.kept = {}
        state.pop("cut", None)
        if listing.next is not None:
            self._go_on(listing.next)
            return Page(cursor=state, complete=False, **more)
        return Page(cursor=None, complete=True, watermark=self._watermark(listing), **more)

    # -- where it reads ------------------------------------------------------------------------------------------------

    def _listing(self) -> Listing | None:
        if self.state.get("cut") and (kept := self.source.kept.get(self._place())) is not None:
            return kept
        link = self.state["feed"]
        annotations = self.table.annotations(self.asked)
        if link is not None:
            try:
                return self.source.listing(self.table, link, self.limit, TRACK, annotations, is_link=True)
            except LinkRefused as refused:  # expired, or the table changed: everything is read again
                again = self.state["again"] + 1
                if again > AGAIN:
                    raise refused.failure from None
                self.state = {**_BEGINNING, "again": again}
        answer, seconds = self.source.page(self.table, self._place(), self.limit, TRACK, annotations)
        if _keeps_no_track(answer):
            return None
        return self.source.read(self.table, answer, seconds)

    def _place(self) -> str:
        return self.state["feed"] or self.source.list_of(self.table, self.select)

    def _go_on(self, link: str) -> None:
        if link == self.state["feed"] or comes_again(self.state, link):
            raise self.source.repeats(self.table, link)
        self.state["feed"] = link

    def _watermark(self, listing: Listing) -> dict[str, Any]:
        root = self.source.client.root
        link = delta_link(dict(listing.body), requested=listing.answer.request.path, root=root)
        if self._known(link) is not None:
            return {"delta": link}
        if self.table.stamp is None:
            return {}
        # It promised a link and gave none that can be used: stamps tell what changes from here.
        return low_mark(self.source, self.state["started"], self.state["high"])

    def _note(self, moment: datetime | None) -> None:
        high = self.state["high"]
        if moment is not None and (high is None or moment > datetime.fromisoformat(high)):
            self.state["high"] = moment.isoformat()

    # -- what it read --------------------------------------------------------------------------------------------------

    def _rest(self, entries: Sequence[Row]) -> Sequence[Row]:
        """What was not given yet of a page that was cut; all of it where its last entry is no longer there."""
        if self.state.get("cut"):
            for number, entry in enumerate(entries):
                if self._mark(entry) == self.state["last"]:
                    return entries[number + 1 :]
        return entries

    def _sorted(self, entries: Sequence[Row]) -> tuple[list[Row], list[str]]:
        """Changed rows, and ids of deleted ones. A row that only left what we may see is neither."""
        changed: list[Row] = []
        deleted: list[str] = []
        for entry in entries:
            if _context(entry).endswith(("/$link", "/$deletedLink")):
                continue
            removed = entry.get("@removed", entry.get("@odata.removed"))
            if removed is None and not _is_deleted(entry):
                changed.append(entry)
                continue
            reason = removed.get("reason") if isinstance(removed, Mapping) else entry.get("reason")
            if reason != "changed" and (id := self._id(entry)) is not None:
                deleted.append(id)
        return changed, deleted

    def _mark(self, entry: Row) -> list[str]:
        """What an entry is known by; one that changed since is another one, at another place."""
        return [self._id(entry) or "", "" if _is_deleted(entry) else self.table.version(entry)]

    def _id(self, entry: Row) -> str | None:
        named = entry.get("id") if _is_deleted(entry) else None
        if named is None and entry.get(self.table.key.read_path) is not None:
            return self.table.id(entry)
        id = key_in(named or entry.get("@odata.id") or entry.get("@id"))
        return None if id is None else self.table.identify(id)

    def _completed(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows with everything that is asked for. A service may tell only what changed of a record, and a link knows
        the fields of the day it was given: such records are read, all of a page at once."""
        short = [row for row in rows if any(name not in row for name in self.select)]
        if not short:
            return rows
        ids = [id for row in short if (id := self._id(row)) is not None]
        whole = self.source.by_id(self.table, ids, self.asked)
        found = []
        for row in rows:
            if any(name not in row for name in self.select):
                read = whole.get(self._id(row) or "")
                if read is not None:  # else it is gone again, which a later page or pass tells
                    found.append(read)
            else:
                found.append(row)
        return found


def _context(entry: Row) -> str:
    return str(entry.get("@odata.context") or entry.get("@context") or "")


def _is_deleted(entry: Row) -> bool:
    """A deleted entry as OData 4.0 writes it."""
    return _context(entry).endswith("/$deletedEntity")


def _keeps_no_track(answer: Answer) -> bool:
    if answer.status >= 400:
        return told(answer.status, answer.headers, answer.body).code == _NOT_TRACKED
    return TRACK not in answer.headers.get("preference-applied", "").lower()
