"""Reading records by id and by value, and the versions of all of them.

What changed is read in :mod:`changes` and :mod:`delta`, what people look for in :mod:`searching`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from synccore.connectors.odata import filtering
from synccore.connectors.odata.links import comes_again
from synccore.connectors.odata.source import AGAIN, LinkRefused, Listing, Source
from synccore.connectors.odata.tables import Table
from synccore.connectors.values import fit
from synccore.failures import Rejected
from synccore.shapes import Filter, Record, TableRef, Value, VersionPage


def fetch(
    source: Source, ref: TableRef, ids: Sequence[str], fields: Sequence[str] | Literal["*"]
) -> list[Record]:
    """See ``Connector.fetch``."""
    table = source.table(ref)
    properties = table.properties(fields)
    wanted = [id for given in ids if (id := table.identify(given)) is not None]
    rows = source.by_id(table, wanted, fields)
    return [record for row in rows.values() if (record := table.record(row, properties)) is not None]


def find(
    source: Source, ref: TableRef, field: str, values: Sequence[Value], fields: Sequence[str]
) -> list[Record]:
    """See ``Connector.find``. Services compare text in their own ways, so what they find is compared again here: exactly,
    but for a value in capitals that a service found for the same one in other letters, which it keeps so."""
    table = source.table(ref)
    property = table.entity.property(field)
    properties = table.properties(fields)
    wanted: dict[Value, str] = {}
    for value in values:
        try:
            fitted = fit(table.name, property.info, value)
            if fitted is not None:
                wanted[fitted] = table.literal(property, fitted)
        except Rejected:  # what the field cannot hold equals none of its values
            continue
    if not wanted:
        return []
    rows = source.equal(table, property, list(wanted.values()), [*fields, field])
    equal = set(wanted)
    if source.profile.keeps_capitals:
        equal |= {each.strip().upper() for each in wanted if isinstance(each, str)}
    found: dict[str, Record] = {}
    for row in rows:
        if table.value(property, row) in equal and (record := table.record(row, properties)) is not None:
            found[record.id] = record
    return list(found.values())


def versions(
    source: Source, ref: TableRef, filter: Filter, cursor: Mapping[str, Any], limit: int | None
) -> VersionPage:
    """See ``Connector.versions``. Without a limit the pages are as long as the service makes them.

    Cursor: ``link`` of the page (null: the query), ``last`` = id given last of a page that was longer than the limit,
    ``again`` = how often it was begun again because the service no longer took a link: rows may come twice, none is missed.
    """
    table = source.table(ref)
    inside = table.matcher(filter)
    condition, exact = filtering.render(table.entity, filter, source.profile)
    judged = [] if exact else table.filter_fields(filter)
    properties = table.properties(judged)
    size = min(limit or source.profile.page_max, source.profile.page_max)
    state: dict[str, Any] = {"link": None, "last": None, "seen": [], "again": 0, **cursor}
    listing = _page_of_versions(source, table, state, condition, judged, size)
    rows = listing.rows
    if state["last"] is not None:
        places = [number for number, row in enumerate(rows) if table.id(row) == state["last"]]
        rows = rows[places[0] + 1 :] if places else rows
    part = rows[:size]
    found = tuple(
        (id, table.version(row))
        for row in part
        if (id := table.id(row)) is not None and (exact or inside(table.fields(properties, row)))
    )
    if len(part) < len(rows):
        source.kept = {_place(source, table, state, condition, judged): listing}
        return VersionPage(found, {**state, "last": table.id(part[-1])}, complete=False)
    source.kept = {}
    if listing.next is None:
        return VersionPage(found, None, complete=True)
    if comes_again(state, listing.next):
        raise source.repeats(table, listing.next)
    state.update({"link": listing.next, "last": None})
    return VersionPage(found, state, complete=False)


def _page_of_versions(
    source: Source, table: Table, state: dict[str, Any], condition: str, judged: Sequence[str], size: int
) -> Listing:
    """The page that ``state`` stands at; where its link is refused, the first one, which ``state`` stands at then."""
    while True:
        path = _place(source, table, state, condition, judged)
        if state["last"] is not None and (kept := source.kept.get(path)) is not None:
            return kept
        try:
            listing = source.listing(
                table, path, size, table.annotations(judged), is_link=state["link"] is not None
            )
        except LinkRefused as refused:
            if state["again"] >= AGAIN:
                raise refused.failure from None
            state.update({"link": None, "last": None, "seen": [], "again": state["again"] + 1})
            continue
        if not source.must_be_whole(table, listing.rows):
            return listing


def _place(
    source: Source, table: Table, state: Mapping[str, Any], condition: str, judged: Sequence[str]
) -> str:
    link: str | None = state["link"]
    return link or source.list_of(
        table, table.select_versions(judged), filter=condition, order=[table.key.read_path]
    )
