"""What apps hold now, for a person who waits: both records of a pair, or what a search finds. Only fragments under /live/
use it.

At most :data:`AT_ONCE` such readings per connection, over all web processes: slots are advisory locks of our own database,
given back with the connection if a process dies. The answer is there after :data:`LONGEST` seconds, with or without the
apps; each step of a call is limited to :data:`STEP` seconds by the connector's own options, so that a reading nobody waits
for any more ends by itself soon after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Generic, TypeVar

from django.db import connection
from django.utils import timezone

from synccore.connectors.base import Connector
from synccore.engine.compiled import Compiled
from synccore.failures import Bug, Failure
from synccore.models import Connection, Coupling
from synccore.shapes import Record, Side

LONGEST: Final = 5.0
STEP: Final = 3
AT_ONCE: Final = 4
#: First key of our advisory locks; the second is the connection and the slot.
_LOCKS: Final = 0x7A4E


Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Answer(Generic[Value]):
    """What one app answered; ``trouble`` as of a :class:`Reading`."""

    value: Value | None = None
    trouble: str = ""
    failure: Failure | None = None
    at: datetime | None = None


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
    answers = ask(
        {
            side: (
                coupling.mapping.connection(side),
                partial(_fetch, rules, side, str(coupling.of(side, "id"))),
            )
            for side in coupling.sides()
        },
        longest=longest,
    )
    return {side: Reading(each.value, each.trouble, each.failure, each.at) for side, each in answers.items()}


def ask(
    questions: Mapping[Key, tuple[Connection, Callable[[Connector], Value]]], *, longest: float = LONGEST
) -> dict[Key, Answer[Value]]:
    """Ask several apps something at the same time, each by one function of its connector; it runs in a thread of its own
    and must touch nothing of Django. Never raises for what an app does."""
    found: dict[Key, Answer[Value]] = {}
    with ExitStack() as held:
        futures: dict[Key, Future[Value]] = {}
        pool = ThreadPoolExecutor(max_workers=max(len(questions), 1), thread_name_prefix="live")
        held.callback(pool.shutdown, wait=False, cancel_futures=True)
        for key, (app, work) in questions.items():
            if not held.enter_context(_slot(app.pk)):
                found[key] = Answer(trouble="busy")
                continue
            try:
                connector = app.connect(longest=STEP)
            except Failure as failure:
                found[key] = Answer(trouble="failed", failure=failure)
                continue
            futures[key] = pool.submit(_work, connector, work)
        wait_for(futures.values(), timeout=max(longest, 0))
        for key, future in futures.items():
            found[key] = _answer(future)
    return found


def _work(connector: Connector, work: Callable[[Connector], Value]) -> Value:
    """Runs in a thread of its own and touches nothing of Django."""
    with connector:
        return work(connector)


def _fetch(rules: Compiled, side: Side, id: str, connector: Connector) -> Record | None:
    records = connector.fetch(rules.rules.table(side), [id], rules.rules.fields_of(side))
    return next((record for record in records if record.id == id), None)


def _answer(future: Future[Value]) -> Answer[Value]:
    if not future.done():
        return Answer(trouble="late")
    error = future.exception()
    if error is None:
        return Answer(future.result(), at=timezone.now())
    failure = error if isinstance(error, Failure) else Bug.from_exception(error, step="read")
    return Answer(trouble="failed", failure=failure)


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
