"""Reading what changed, by the stamp of modification: page by page along the service's own links, losing nothing.

Cursor of a pass: ``low`` (where it starts, or null), ``started`` (the service's clock then), ``high`` (highest stamp so
far), ``last`` = [id, stamp] of the row given last, ``link`` (where it goes on; null: the query itself), ``from`` (the stamp
that the query starts at), ``cut`` (the page behind the link was not given to its end), ``seen`` and ``post`` (links before).

The links are the service's: absolute, relative, opaque. One that it no longer takes is given up for a new query from the
stamp read last; so is one that counts rows, where a row that moves to the end would make it pass over another. Both may
repeat records, and miss none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from synccore.connectors.odata import delta, filtering
from synccore.connectors.odata.links import comes_again, goes_by_number, joined
from synccore.connectors.odata.source import AGAIN, LinkRefused, Listing, Source, low_mark
from synccore.connectors.odata.tables import Row, Table
from synccore.failures import Failure
from synccore.shapes import Filter, Page, Record, TableRef


def changes(
    source: Source,
    ref: TableRef,
    fields: Sequence[str],
    filter: Filter,
    cursor: Mapping[str, Any],
    limit: int,
) -> Page:
    """See ``Connector.changes``."""
    table = source.table(ref)
    table.matcher(filter)  # refuses a filter without sense
    if delta.reads(table, cursor):
        page = delta.changes(source, table, fields, filter, cursor, limit)
        if page is not None:
            return page
        cursor = {}
    return _Pass(source, table, fields, filter, cursor, limit).page()


def cursor_at(source: Source, ref: TableRef, moment: datetime) -> dict[str, Any] | None:
    """See ``Connector.cursor_at``."""
    table = source.table(ref)
    return {"low": moment.isoformat()} if table.stamp is not None else None


class _Pass:
    """One page of a pass."""

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
        self.condition, exact = filtering.render(table.entity, filter, source.profile)
        self.inside = None if exact else table.matcher(filter)
        self.fields = table.properties(fields)
        asked = list(fields) if exact else [*fields, *table.filter_fields(filter)]
        self.judged = table.properties(asked)
        self.select = table.select(asked)
        self.preference = table.annotations(asked)
        self.state = {
            "low": None,
            "started": None,
            "high": None,
            "last": None,
            "link": None,
            "seen": [],
            **cursor,
        }
        self.state["low"] = _stamp(self.state["low"])
        self.state.setdefault("from", self.state["low"])

    def page(self) -> Page:
        listing = self._listing()
        rows = self._rest(listing.rows)
        part, state = rows[: self.limit], self.state
        if state["started"] is None:
            state["started"] = listing.started.isoformat()
        self._remember(part)
        records = tuple(filter(None, map(self._record, part)))
        if len(part) < len(rows):
            self.source.kept = {self._place(): listing}
            return Page(records, {**state, "cut": True}, complete=False)
        self.source.kept = {}
        state.pop("cut", None)
        if listing.next is None:
            return Page(records, None, complete=True, watermark=self._watermark())
        self._go_on(listing.next)
        return Page(records, state, complete=False)

    # -- where it reads ------------------------------------------------------------------------------------------------

    def _listing(self) -> Listing:
        if self.state.get("cut") and (kept := self.source.kept.get(self._place())) is not None:
            return kept
        while True:
            try:
                listing = self.source.listing(
                    self.table,
                    self._place(),
                    self.limit,
                    self.preference,
                    is_link=self.state["link"] is not None,
                )
            except LinkRefused as refused:
                self._begin_again(refused.failure)
                continue
            if not self.source.must_be_whole(self.table, listing.rows):
                return listing
            self.state["link"] = None  # it would lead on through rows without their version

    def _place(self) -> str:
        """The address of the page: a link of the service, or the query."""
        return self.state["link"] or self.source.list_of(
            self.table,
            self.select,
            filter=joined(self.condition, self._since()),
            order=self.table.order(),
        )

    def _since(self) -> str:
        start = self.state["from"]
        return self.table.since(datetime.fromisoformat(start)) if start and self.table.stamp else ""

    def _begin_again(self, failure: Failure) -> None:
        """A new query from the stamp read last, or from the beginning where rows have none."""
        state = self.state
        start = (state["last"] or [None, None])[1] or state["low"]
        again = state.get("again", 0) + 1 if start == state["from"] else 0
        if again > AGAIN:
            raise failure
        state.update({"from": start, "link": None, "seen": [], "again": again})
        state.pop("cut", None)

    def _go_on(self, link: str) -> None:
        state = self.state
        if link == state["link"] or comes_again(state, link):
            raise self.source.repeats(self.table, link)
        stamp = (state["last"] or [None, None])[1]
        if goes_by_number(link) and stamp is not None and stamp != state["from"]:
            state.update({"from": stamp, "link": None, "seen": []})
        else:
            state["link"] = link

    # -- what it read --------------------------------------------------------------------------------------------------

    def _rest(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows of a page that were not given yet."""
        if not self.state.get("cut"):
            return rows
        id, stamp = self.state["last"]
        place = datetime.fromisoformat(stamp) if stamp else None
        moments = [self.table.modified_at(row) for row in rows]
        for number, row in enumerate(rows):
            if moments[number] == place and self.table.id(row) == id:
                return rows[number + 1 :]
        # It moved meanwhile. Rows before its old place were given; those of its very stamp may come again.
        if place is None:
            return rows
        later = (number for number, moment in enumerate(moments) if moment is not None and moment >= place)
        return rows[next(later, len(rows)) :]

    def _remember(self, rows: Sequence[Row]) -> None:
        """The place of the last row, and the highest stamp."""
        if not rows:
            return
        last = self.table.modified_at(rows[-1])
        self.state["last"] = [self.table.id(rows[-1]), last.isoformat() if last else None]
        moments = [self.table.modified_at(row) for row in rows]
        moments.append(datetime.fromisoformat(self.state["high"]) if self.state["high"] else None)
        highest = max((moment for moment in moments if moment is not None), default=None)
        self.state["high"] = highest.isoformat() if highest else None

    def _record(self, row: Row) -> Record | None:
        if self.inside is not None and not self.inside(self.table.fields(self.judged, row)):
            return None
        return self.table.record(row, self.fields)

    def _watermark(self) -> dict[str, Any]:
        if self.table.stamp is None:
            return {}
        return low_mark(self.source, self.state["started"], self.state["high"])


def _stamp(text: object) -> str | None:
    """The stamp that a pass starts at, or None for all: also where another kind of app wrote the watermark."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
