"""The tables of a connection's service, read once and kept: ``$metadata``, and what a profile knows beside it.

A copy is good for :data:`FRESH` seconds; after that the service is asked whether it still holds (an ETag, Dataverse's
version of its definitions), and read anew where it cannot say. ``describe`` always reads anew and lets the other
processes know. Details of a table's attributes are read when it is used.

A process that has no copy takes the one that another process made (:mod:`.copies`), and believes it like its own.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any, Final

from synccore.connectors.odata import copies, csdl, definitions, model
from synccore.connectors.odata.client import Answer, Client, Request
from synccore.connectors.odata.json_answers import rows_of
from synccore.connectors.odata.model import Entity
from synccore.connectors.odata.shared import Away, shared
from synccore.failures import Failure, Misconfigured, Scope
from synccore.shapes import TableInfo

log = logging.getLogger(__name__)

#: Seconds for which a copy is believed without asking.
FRESH: Final = 300.0
#: A table or field that is not in a copy older than this is looked for in a new one.
YOUNG: Final = 20.0
#: Seconds between two looks at whether another process has read a service anew.
GLANCES: Final = 2.0
#: Services whose description one process keeps.
_MOST: Final = 16


@dataclass(slots=True)
class _Known:
    """One service's tables as last read."""

    entities: dict[str, Entity]
    read_at: float
    #: When the service last said that it still holds.
    held_at: float
    etag: str = ""
    version: str = ""
    #: Tables that people can map, where the service tells.
    offered: set[str] | None = None
    #: The service tells more of a table when asked for it.
    tells_more: bool = False
    #: How often any process had read the service anew (``_generation``), and when that was last looked at.
    generation: str = ""
    looked_at: float = 0.0
    #: Tables whose details were read.
    detailed: set[str] = field(default_factory=set)
    #: The copy that all processes share, and its tables that this one has not needed yet.
    copy: str = ""
    elsewhere: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)


_kept: OrderedDict[tuple[str, ...], _Known] = OrderedDict()
_lock = Lock()


def entities(client: Client) -> dict[str, Entity]:
    """Every table of the service by name, without the details of :func:`entity`. Raises Failure."""
    return _known(client, None).entities


def entity(client: Client, table: str, fields: tuple[str, ...] = ()) -> Entity:
    """One table with everything known of it.

    ``fields``: where one of them is not in the copy, a new one is read before anybody concludes that it is gone.

    Raises:
        Misconfigured: ``unknown_table {table}``, scope table.
        Failure: the service does not answer, or not with its metadata.
    """
    known = _known(client, [table])
    found = known.entities.get(table)
    if (found is None or any(name not in found.properties for name in fields)) and _is_old(known):
        known = _read(client)
        found = known.entities.get(table)
    if found is None:
        raise Misconfigured("unknown_table", {"table": table})
    _add_details(client, known, [found])
    return known.entities[table]


def describe(client: Client) -> dict[str, TableInfo]:
    """Every table that people can map, read anew and with all details. Raises Failure."""
    known = _fetched(client)
    if known.tells_more:
        wanted = [
            each for name, each in known.entities.items() if known.offered is None or name in known.offered
        ]
        for refused in _keep(known, definitions.detailed(client, wanted)):
            log.warning("no details of a table: %r", refused)  # it fails where it is used
    known.generation = _tell(client)
    _share(client, known)
    return _tables(known)


def glance(client: Client, tables: Collection[str] = (), *, anew: bool = False) -> dict[str, TableInfo]:
    """The same with the details of ``tables`` only; from the copy that is kept, unless ``anew``. Raises Failure."""
    known = _read(client) if anew else _known(client, None)
    wanted = [known.entities[name] for name in tables if name in known.entities]
    _add_details(client, known, wanted)
    return _tables(known, tables)


def forget() -> None:
    """Every service is read anew when next asked, by whoever shares what this process knows."""
    with _lock:
        for place in _kept:
            copies.forget(_name(place))
        _kept.clear()


def _add_details(client: Client, known: _Known, wanted: Sequence[Entity]) -> None:
    """What is told of these tables' attributes, where it is not known yet. Raises Failure where one's is not to be had."""
    if not known.tells_more or all(each.set_name in known.detailed for each in wanted):
        return
    with known.lock:
        missing = [each for each in wanted if each.set_name not in known.detailed]
        refused = _keep(known, definitions.detailed(client, missing))
        copies.add(
            _name(_place(client)),
            known.copy,
            [known.entities[each.set_name] for each in missing if each.set_name in known.detailed],
        )
    for each in refused:
        raise each


def _keep(known: _Known, found: Iterable[Entity | Failure]) -> list[Failure]:
    """Keep the tables that are known with their details; gives the failures of the others."""
    refused = []
    for each in found:
        if isinstance(each, Failure):
            refused.append(each)
        else:
            known.entities[each.set_name] = each
            known.detailed.add(each.set_name)
    return refused


def _tables(known: _Known, named: Collection[str] = ()) -> dict[str, TableInfo]:
    """Tables that are offered to people, and those somebody has chosen all the same."""
    return {
        name: each.table
        for name, each in known.entities.items()
        if known.offered is None or name in known.offered or name in named
    }


def _place(client: Client) -> tuple[str, ...]:
    # Two connections to one service may see different tables, and two users read labels in different languages.
    return client.profile.name, client.root, client.app, client.situation("read").user


def _name(place: tuple[str, ...]) -> str:
    return sha256("\0".join(place).encode()).hexdigest()[:24]


def _key(client: Client) -> str:
    return f"tandem:odata:described:{_name(_place(client))}"


def _generation(client: Client) -> str:
    """How often ``describe`` was asked for in any process; "" where none was, or nobody knows."""
    try:
        found = shared().run(lambda redis: redis.get(_key(client)))
    except Away:
        return ""
    return found.decode() if isinstance(found, bytes) else str(found or "")


def _tell(client: Client) -> str:
    """Let the other processes know that the service was read anew; gives the new generation."""
    try:
        return str(shared().run(lambda redis: redis.incr(_key(client))))
    except Away:
        return ""


def _is_old(known: _Known) -> bool:
    return monotonic() - known.read_at > YOUNG


def _known(client: Client, wanted: Collection[str] | None) -> _Known:
    """The copy, if it holds; else a new one. The ``wanted`` tables are in it (None: all), if there are such."""
    known = _held(client)
    if _loaded(client, known, wanted):
        return known
    return _read(client)


def _held(client: Client) -> _Known:
    with _lock:
        known = _kept.get(_place(client))
    known = known or _taken(client)
    if known is None:
        return _read(client)
    now = monotonic()
    if now - known.looked_at > GLANCES:
        known.looked_at = now
        if (told := _generation(client)) != known.generation and told:
            known = _taken(client)
            if known is None or known.generation != told:
                return _read(client)
    if now - known.held_at > FRESH:
        other = _taken(client, known)  # perhaps another process has asked
        if other is not None and now - other.held_at <= FRESH:
            return other
        return _confirmed(client, known)
    return known


def _confirmed(client: Client, known: _Known) -> _Known:
    """The copy, if the service says that it holds; else a new one."""
    if not known.version or definitions.version_of(client) != known.version:
        return _read(client, known)
    known.held_at = monotonic()
    copies.confirm(_name(_place(client)), known.copy)
    return known


def _taken(client: Client, old: _Known | None = None) -> _Known | None:
    """The copy that is shared, without its tables; the ``old`` one, where that is it. None where there is none."""
    found = copies.take(_name(_place(client)))
    if found is None:
        return None
    head, age = found
    now = monotonic()
    if old is not None and old.copy == head.id:
        old.held_at = max(old.held_at, now - age)
        return old
    known = _Known(
        {},
        now - age,
        now - age,
        etag=head.etag,
        version=head.version,
        offered=None if head.offered is None else set(head.offered),
        tells_more=head.tells_more,
        generation=head.generation,
        copy=head.id,
        elsewhere=set(head.names),
    )
    _store(client, known)
    return known


def _loaded(client: Client, known: _Known, wanted: Collection[str] | None) -> bool:
    """Fetch what is not here yet of the shared copy; False where it is not there any more."""
    if not known.elsewhere:
        return True
    with known.lock:
        names = known.elsewhere if wanted is None else known.elsewhere.intersection(wanted)
        found = copies.tables(_name(_place(client)), known.copy, names)
        if found is None:
            return False
        known.entities = {**known.entities, **{name: each for name, (each, _) in found.items()}}
        known.detailed |= {name for name, (_, detailed) in found.items() if detailed}
        known.elsewhere = known.elsewhere - set(found)
    return True


def _store(client: Client, known: _Known) -> None:
    with _lock:
        _kept[_place(client)] = known
        _kept.move_to_end(_place(client))
        while len(_kept) > _MOST:
            _kept.popitem(last=False)


def _share(client: Client, known: _Known) -> None:
    head = copies.Head(
        tuple(known.entities),
        generation=known.generation,
        etag=known.etag,
        version=known.version,
        tells_more=known.tells_more,
        offered=None if known.offered is None else tuple(sorted(known.offered)),
    )
    known.copy = head.id
    age = monotonic() - known.held_at
    copies.store(_name(_place(client)), head, known.entities, known.detailed, age)


def _read(client: Client, old: _Known | None = None) -> _Known:
    """The service's description, read, kept and shared; the ``old`` copy, where its document has not changed."""
    known = _fetched(client, old)
    if known is old:
        copies.confirm(_name(_place(client)), known.copy)
    else:
        _share(client, known)
    return known


def _fetched(client: Client, old: _Known | None = None) -> _Known:
    """The service's description, read and kept. With an ``old`` copy, an unchanged document is not sent again."""
    profile = client.profile
    root = profile.metadata_root(client.root)
    headers = {"Accept": "application/xml"}
    if old is not None and old.etag:
        headers["If-None-Match"] = old.etag
    generation = _generation(client)
    answer = client.send(
        Request("GET", f"{root if root != client.root else ''}{profile.metadata_path}", headers),
        operation="read",
    )
    now = monotonic()
    if answer.status == 304 and old is not None:
        old.held_at = now
        return old
    found = model.entities(csdl.parse(answer.body), profile)
    known = _Known(found, now, now, etag=_etag(client, answer), generation=generation, looked_at=now)
    if profile.has_definitions:
        _add_definitions(client, known)
    if profile.captions_path:
        _add_captions(client, known, root)
    _store(client, known)
    return known


def _etag(client: Client, answer: Answer) -> str:
    # Where definitions stand beside the document, its ETag does not tell of them.
    return "" if client.profile.has_definitions else answer.headers.get("etag", "")


def _add_definitions(client: Client, known: _Known) -> None:
    """Labels and habits of the tables. Without the right to read them the tables are there all the same."""
    try:
        known.entities, known.offered, known.version = definitions.list_of(client, known.entities)
        known.tells_more = True
    except Misconfigured as failure:
        if failure.scope is Scope.CONNECTION:
            raise


def _add_captions(client: Client, known: _Known, root: str) -> None:
    """Captions of tables and fields, in English; a service that has none is passed over."""
    path = f"{root if root != client.root else ''}{client.profile.captions_path}"
    try:
        rows, _said = rows_of(client, client.send(Request("GET", path), operation="read"))
    except Failure:
        return
    for row in rows:
        found = known.entities.get(str(row.get("entitySetName")))
        if found is None:
            continue
        own = row.get("properties")
        captions = {
            each["name"]: _caption(each.get("captions"))
            for each in (own if isinstance(own, list) else ())
            if isinstance(each, dict) and isinstance(each.get("name"), str)
        }
        properties = {
            name: replace(each, info=replace(each.info, label=captions[name])) if captions.get(name) else each
            for name, each in found.properties.items()
        }
        label = _caption(row.get("entitySetCaptions")) or _caption(row.get("entityCaptions")) or found.label
        fields = {name: each.info for name, each in properties.items()}
        known.entities[found.set_name] = replace(
            found, properties=properties, label=label, table=replace(found.table, label=label, fields=fields)
        )


def _caption(captions: Any) -> str:
    """The English one, else the first."""
    found = [each for each in captions if isinstance(each, dict)] if isinstance(captions, list) else []
    found.sort(key=lambda each: each.get("languageCode") != 1033)
    text = found[0].get("caption") if found else ""
    return text[:200] if isinstance(text, str) else ""
