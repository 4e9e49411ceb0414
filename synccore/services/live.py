"""Both records of a pair as they are in their apps now, for a person who waits. The fragments under /live/ alone use it.

At most :data:`AT_ONCE` such readings per connection, over all web processes: slots are advisory locks of our own database,
given back with the connection if a process dies. The answer is there after :data:`LONGEST` seconds, with or without the
apps; each step of a call is limited to :data:`STEP` seconds by the connector's own options, so that a reading nobody waits
for any more ends by itself soon after.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection
from django.utils import timezone

from synccore.connectors.base import Connector
from synccore.engine.compiled import Compiled
from synccore.failures import Bug, Failure
from synccore.models import Coupling
from synccore.shapes import SIDES, Record, Side

LONGEST: Final = 5.0
STEP: Final = 3
AT_ONCE: Final = 4
#: First key of our advisory locks; the second is the connection and the slot.
_LOCKS: Final = 0x7A4E


@dataclass(frozen=True, slots=True)
class Reading:
    """What one app answered.

    ``trouble``: ``late`` (no answer in time), ``busy`` (enough people read from it now), ``failed`` (``failure`` says why);
    "" where it answered. ``record`` None and no trouble: the app has no such record.
    """

    record: Record | None = None
    trouble: str = ""
    failure: Failure | None = None
    at: datetime | None = None


def read_pair(coupling: Coupling, rules: Compiled, *, longest: float = LONGEST) -> dict[Side, Reading]:
    """Read the records of a pair now, both apps at the same time; a side without a record is left out. Never raises for
    what an app does; writes nothing."""
    found: dict[Side, Reading] = {}
    with ExitStack() as held:
        futures: dict[Side, Future[Record | None]] = {}
        pool = ThreadPoolExecutor(max_workers=len(SIDES), thread_name_prefix="live")
        held.callback(pool.shutdown, wait=False, cancel_futures=True)
        for side in coupling.sides():
            app = coupling.mapping.connection(side)
            if not held.enter_context(_slot(app.pk)):
                found[side] = Reading(trouble="busy")
                continue
            try:
                connector = app.connect(longest=STEP)
            except Failure as failure:
                found[side] = Reading(trouble="failed", failure=failure)
                continue
            futures[side] = pool.submit(_fetch, connector, rules, side, str(coupling.of(side, "id")))
        wait_for(futures.values(), timeout=longest)
        for side, future in futures.items():
            found[side] = _answer(future)
    return found


def _fetch(connector: Connector, rules: Compiled, side: Side, id: str) -> Record | None:
    """Runs in a thread of its own and touches nothing of Django."""
    with connector:
        records = connector.fetch(rules.rules.table(side), [id], rules.rules.fields_of(side))
    return next((record for record in records if record.id == id), None)


def _answer(future: Future[Record | None]) -> Reading:
    if not future.done():
        return Reading(trouble="late")
    error = future.exception()
    if error is None:
        return Reading(future.result(), at=timezone.now())
    failure = error if isinstance(error, Failure) else Bug.from_exception(error, step="read")
    return Reading(trouble="failed", failure=failure)


@contextmanager
def _slot(pk: int) -> Iterator[bool]:
    """One of the connection's slots, or False."""
    with connection.cursor() as cursor:
        for number in range(AT_ONCE):
            key = [_LOCKS, pk * AT_ONCE + number]
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
            row = cursor.fetchone()
            if row is not None and row[0]:
                break
        else:
            yield False
            return
    try:
        yield True
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)
