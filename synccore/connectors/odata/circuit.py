"""The circuit of a connection: after outages in a row it opens, and a service that is gone costs one probe a minute.

The count is shared by all workers. An open circuit refuses requests at once; every minute one request of one worker goes
through, and whatever answer comes closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any, Final

from synccore.connectors.odata.shared import Away, shared

#: Outages in a row that open it.
OUTAGES: Final = 5
#: Seconds between two probes.
PROBE_EVERY: Final = 60.0
#: Outages that lie further apart are not in a row.
FORGOTTEN_AFTER: Final = 600
#: The code of an outage of which nothing else is known.
REFUSED: Final = "connection_refused"

_OUTAGE: Final = """
local n = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[2])
if n >= tonumber(ARGV[1]) then redis.call('SET', KEYS[2], '1', 'PX', ARGV[3]) end
return n
"""
_ENTER: Final = """
local n = tonumber(redis.call('GET', KEYS[1]) or '0')
if n < tonumber(ARGV[1]) then return {n, 1} end
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return {n, 1} end
return {n, 0}
"""


@dataclass(slots=True)
class _Local:
    """One connection as this process alone knows it."""

    outages: int = 0
    next_probe: float = 0.0
    last: str = REFUSED


_locals: Final[dict[str, _Local]] = {}
_lock: Final = Lock()


class Circuit:
    """The circuit of one connection, by the name all its workers share."""

    def __init__(self, name: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._keys = tuple(f"tandem:odata:{name}:{part}" for part in ("outages", "probe", "last"))
        self._clock, self._every = clock, PROBE_EVERY
        self._seen = 0
        with _lock:
            self._local = _locals.setdefault(name, _Local())

    def enter(self, *, probe: bool = False) -> bool:
        """Whether a request may be made now; ``probe``: a person asked, it may in any case."""
        try:
            seen, allowed = shared().run(self._enter)
        except Away:
            seen, allowed = self._enter_alone()
        self._seen = seen
        return allowed or probe

    def answered(self) -> None:
        """An answer came: the service is there."""
        self._local.outages = 0
        if not self._seen:
            return
        self._seen = 0
        try:
            shared().run(lambda client: client.delete(*self._keys))
        except Away:
            return

    def outage(self, code: str = REFUSED) -> None:
        """No answer came, or only that of somebody in between; ``code`` of the failure that this is."""
        with _lock:
            self._local.outages += 1
            self._local.last = code
            if self._local.outages >= OUTAGES:
                self._local.next_probe = self._clock() + self._every
        self._seen = max(self._seen, 1)
        milliseconds = int(self._every * 1000)
        try:
            shared().run(
                lambda client: client.eval(
                    _OUTAGE, 3, *self._keys, OUTAGES, FORGOTTEN_AFTER, milliseconds, code
                )
            )
        except Away:
            return

    def last(self) -> str:
        """The code of the last outage that any worker met: what an open circuit says, so that one outage has one name."""
        try:
            told = shared().run(lambda client: client.get(self._keys[2]))
        except Away:
            told = None
        return told.decode() if isinstance(told, bytes) else self._local.last

    def _enter(self, client: Any) -> tuple[int, bool]:
        seen, allowed = client.eval(_ENTER, 2, *self._keys[:2], OUTAGES, int(self._every * 1000))
        return int(seen), bool(allowed)

    def _enter_alone(self) -> tuple[int, bool]:
        with _lock:
            local = self._local
            if local.outages < OUTAGES:
                return local.outages, True
            if self._clock() < local.next_probe:
                return local.outages, False
            local.next_probe = self._clock() + self._every
            return local.outages, True
