"""What one process has read of a service's tables, for the others: kept in Redis, by connection.

Nothing that is kept here is needed to be right. What is gone, spoilt, too large or written by other code than this is as
good as not there, and the service is read. It holds descriptions of tables alone: no rows, no address, no secret.

Two keys: the head names a copy and says of which generation and version it is; the copy, under its own name, holds one
entry per table, so that nobody reads more than he needs. The head is written last: it never names half a copy.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from time import time
from typing import Any, Final
from uuid import uuid4

import redis

from synccore.connectors.odata.entity_json import from_json, to_json
from synccore.connectors.odata.model import Entity
from synccore.connectors.odata.shared import Away, shared

#: Seconds after which a copy that nobody has confirmed or written is gone.
KEPT: Final = 86_400
#: Bytes of one entry as it is read, and of a copy as it is stored; a larger one is not shared.
LARGEST_ENTRY: Final = 8 * 1024 * 1024
LARGEST: Final = 32 * 1024 * 1024
#: Entries written at once: Redis has to answer within a second.
_AT_ONCE: Final = 100
#: Seconds that a copy which was replaced stays.
_LEFT: Final = 60
_HELD: Final = "held"
_TABLE: Final = "table:"


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a service as a whole. ``names`` are all its tables, ``offered`` those that people can map where the
    service tells."""

    names: tuple[str, ...]
    generation: str = ""
    etag: str = ""
    version: str = ""
    tells_more: bool = False
    offered: tuple[str, ...] | None = None
    id: str = field(default_factory=lambda: uuid4().hex)


def store(place: str, head: Head, tables: Mapping[str, Entity], detailed: Iterable[str], age: float) -> None:
    """Keep a copy for everybody. ``age``: seconds since the service last said that it holds."""
    known = set(detailed)
    entries = {_TABLE + name: _packed([name in known, to_json(each)]) for name, each in tables.items()}
    if sum(map(len, entries.values())) > LARGEST or any(not each for each in entries.values()):
        return
    names = list(entries)
    key = _copy_key(place, head.id)
    _run("hset", key, _HELD, _moment(age))
    for start in range(0, len(names), _AT_ONCE):
        part = {name: entries[name] for name in names[start : start + _AT_ONCE]}
        if _run("hset", key, mapping=part) is None:
            return
    _run("expire", key, KEPT)
    before = _head(_unpacked(_run("get", _head_key(place))))
    said = {name: getattr(head, name) for name in Head.__slots__}
    _run("set", _head_key(place), _packed(said), ex=KEPT)
    if before is not None:  # somebody may be reading it
        _run("expire", _copy_key(place, before.id), _LEFT)


def take(place: str) -> tuple[Head, float] | None:
    """The head of the copy that is kept, and the seconds since it was known to hold; None where there is none."""
    head = _head(_unpacked(_run("get", _head_key(place))))
    held = _run("hget", _copy_key(place, head.id), _HELD) if head is not None else None
    try:
        age = time() - float(held or "")
    except ValueError:
        return None
    # A clock that was put back: nobody can say how long ago that was.
    return (head, age if age >= 0 else float("inf")) if head is not None else None


def tables(place: str, id: str, names: Iterable[str]) -> dict[str, tuple[Entity, bool]] | None:
    """These tables of a copy, each with whether its details are in it; None where one is not there."""
    wanted = list(names)
    found: dict[str, tuple[Entity, bool]] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        entries = _run("hmget", _copy_key(place, id), [_TABLE + name for name in part])
        if entries is None:
            return None
        for name, entry in zip(part, entries, strict=True):
            try:
                detailed, said = _unpacked(entry)
                entity = from_json(said)
            except (TypeError, ValueError):
                return None
            if entity.set_name != name or type(detailed) is not bool:
                return None
            found[name] = entity, detailed
    return found


def add(place: str, id: str, entities: Iterable[Entity]) -> None:
    """Tables of a copy whose details are known now."""
    entries = {_TABLE + each.set_name: _packed([True, to_json(each)]) for each in entities}
    if entries and all(entries.values()):
        _run("hset", _copy_key(place, id), mapping=entries)
        _run("expire", _copy_key(place, id), KEPT)


def confirm(place: str, id: str) -> None:
    """The service has just said that the copy holds."""
    _run("hset", _copy_key(place, id), _HELD, _moment(0))
    for key in (_copy_key(place, id), _head_key(place)):
        _run("expire", key, KEPT)


def forget(place: str) -> None:
    """There is no copy from now on."""
    _run("delete", _head_key(place))


def _run(command: str, *args: Any, **more: Any) -> Any:
    """The answer of Redis; None where it is away, or refuses this (no room, a key that is something else)."""

    def ask(client: Any) -> Any:
        try:
            return getattr(client, command)(*args, **more)
        except redis.ResponseError:
            return None

    try:
        return shared().run(ask)
    except Away:
        return None


def _head_key(place: str) -> str:
    return f"tandem:odata:tables:{_code()}:{place}"


def _copy_key(place: str, id: str) -> str:
    return f"{_head_key(place)}:{id}"


@cache
def _code() -> str:
    """Which code reads and writes the copies: that of another release may understand a service in another way."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]


def _moment(age: float) -> str:
    return repr(time() - age)


def _packed(said: Any) -> bytes:
    """As it is stored; b"" where it is too large."""
    text = json.dumps(said, separators=(",", ":")).encode()
    return zlib.compress(text, 1) if len(text) <= LARGEST_ENTRY else b""


def _unpacked(stored: Any) -> Any:
    """What was packed; None for anything else."""
    if not isinstance(stored, bytes):
        return None
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(stored, LARGEST_ENTRY)
        return json.loads(text) if unpacking.eof else None
    except (ValueError, RecursionError, zlib.error):
        return None


def _head(said: Any) -> Head | None:
    if not isinstance(said, dict) or set(said) != set(Head.__slots__):
        return None
    texts = (said["generation"], said["etag"], said["version"], said["id"])
    lists = (said["names"], [] if said["offered"] is None else said["offered"])
    right = all(isinstance(each, str) for each in texts) and isinstance(said["tells_more"], bool)
    if not right or not all(isinstance(each, list) for each in lists):
        return None
    if not all(isinstance(name, str) for each in lists for name in each):
        return None
    offered = None if said["offered"] is None else tuple(said["offered"])
    return Head(**{**said, "names": tuple(said["names"]), "offered": offered})
