"""The limits of one connection, kept by all workers together: requests per window, requests at once, and pauses.

A service counts per user of its own, so a connection's name here is made of its address and client id: two connections
with the same ones share. Counting is in Redis; without it every process keeps the limits for itself (``shared``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from random import uniform
from threading import Lock
from time import monotonic, sleep, time
from typing import Any, Final
from uuid import uuid4

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from synccore.connectors.odata.shared import Away, shared, use
from synccore.connectors.odata.waiting import CAP

__all__ = ["Limiter", "TooLong", "name_of", "use"]

#: A place that was not given back (a worker died) is free again after so many seconds: more than a request may last.
LEASE: Final = 75.0
#: Longest sleep between two looks, and the shortest.
_LOOK, _SHORTEST = 1.0, 0.02

#: Take a place. Answers {0, 0} taken; {1, ms} paused for so long; {2, ms} no place, the next lease ends then. A pause or a
#: lease that lasts longer than there is one was made before Redis's clock was put back: it is over.
_TAKE: Final = """
local pause = redis.call('PTTL', KEYS[2])
if pause > tonumber(ARGV[4]) then redis.call('DEL', KEYS[2]) elseif pause > 0 then return {1, pause} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. (now + ARGV[3]), '+inf')
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {0, 0}
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {2, math.max(first[2] - now, 1)}
"""
#: Pause, unless a longer pause is on.
_PAUSE: Final = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], '1', 'PX', ARGV[1]) end
"""


class TooLong(Exception):
    """The turn would come only after ``seconds``, which is later than the caller can wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(slots=True)
class _Local:
    """One connection as this process alone knows it."""

    lock: Lock = field(default_factory=Lock)
    places: dict[str, float] = field(default_factory=dict)
    paused_until: float = 0.0


_locals: Final[dict[str, _Local]] = {}
_lock: Final = Lock()
_memory: list[MovingWindowRateLimiter] = []


def name_of(*parts: str) -> str:
    """The name that all workers know a connection by; tells nothing of what it is made of."""
    return sha256("\n".join(parts).encode()).hexdigest()[:24]


class Limiter:
    """The limits of one connection.

    ``window``: so many requests per so many seconds, None for no such limit; ``at_once``: requests under way together.
    """

    def __init__(
        self,
        name: str,
        *,
        window: tuple[int, int] | None,
        at_once: int,
        clock: Callable[[], float] = monotonic,
        rest: Callable[[float], None] = sleep,
    ) -> None:
        self._name = name
        self._keys = (f"tandem:odata:{name}:places", f"tandem:odata:{name}:pause")
        self._window: RateLimitItem | None = RateLimitItemPerSecond(window[0], window[1]) if window else None
        self._at_once = max(at_once, 1)
        self._clock, self._rest = clock, rest
        self._windows: tuple[Any, MovingWindowRateLimiter] | None = None
        with _lock:
            self._local = _locals.setdefault(name, _Local())

    @contextmanager
    def turn(self, until: float) -> Iterator[None]:
        """Waits for this request's turn and holds its place. Raises TooLong where that would be after ``until``."""
        place = uuid4().hex
        while True:
            wait, sure = self._take(place)
            if not wait:
                break
            left = until - self._clock()
            # A pause or a full window lasts as long as it says; a place may come free any moment.
            if left <= 0 or sure and wait > left:
                raise TooLong(wait)
            # Those who wait look at different moments.
            self._rest(min(max(min(wait, _LOOK if sure else 0.1) * uniform(0.5, 1.0), _SHORTEST), left))
        try:
            yield
        finally:
            self._give_back(place)

    def pause(self, seconds: float) -> None:
        """The service wants to be left alone for so long, at most ``CAP``: by all workers."""
        seconds = min(seconds, CAP)
        if seconds <= 0:
            return
        with self._local.lock:
            self._local.paused_until = max(self._local.paused_until, self._clock() + seconds)
        try:
            shared().run(lambda client: client.eval(_PAUSE, 1, self._keys[1], max(int(seconds * 1000), 1)))
        except Away:
            return

    def _take(self, place: str) -> tuple[float, bool]:
        """(0, _) where the place is taken; else seconds to wait, and whether it is sure to last so long."""
        try:
            return shared().run(lambda client: self._take_shared(client, place))
        except Away:
            return self._take_alone(place)

    def _take_shared(self, client: Any, place: str) -> tuple[float, bool]:
        longest = int(LEASE * 1000), int(CAP * 1000)
        state, wait = client.eval(_TAKE, 2, *self._keys, place, self._at_once, *longest)
        if state:
            return max(float(wait) / 1000, _SHORTEST), state == 1
        if self._windows is None or self._windows[0] is not client:
            storage = RedisStorage("redis://", client.connection_pool, "tandem:odata")
            self._windows = (client, MovingWindowRateLimiter(storage))
        wait = self._count(self._windows[1])
        if wait:
            client.zrem(self._keys[0], place)
        return wait, True

    def _take_alone(self, place: str) -> tuple[float, bool]:
        local, now = self._local, self._clock()
        with local.lock:
            if now < local.paused_until:
                return local.paused_until - now, True
            local.places = {each: end for each, end in local.places.items() if end > now}
            if len(local.places) >= self._at_once:
                return min(local.places.values()) - now, False
            local.places[place] = now + LEASE
        wait = self._count(_in_memory())
        if wait:
            with local.lock:
                local.places.pop(place, None)
        return wait, True

    def _count(self, windows: MovingWindowRateLimiter) -> float:
        """0 where the request is counted; else seconds until the window has room."""
        if self._window is None or windows.hit(self._window, self._name):
            return 0.0
        wait = windows.get_window_stats(self._window, self._name).reset_time - time()
        if wait <= self._window.get_expiry() + 1:
            return max(wait, _SHORTEST)
        # It was counted before a clock was put back, and would be full for as long as that.
        windows.clear(self._window, self._name)
        return 0.0

    def _give_back(self, place: str) -> None:
        with self._local.lock:
            self._local.places.pop(place, None)
        try:
            shared().run(lambda client: client.zrem(self._keys[0], place))
        except Away:
            return


def _in_memory() -> MovingWindowRateLimiter:
    with _lock:
        if not _memory:
            _memory.append(MovingWindowRateLimiter(MemoryStorage()))
        return _memory[0]
