"""What all workers know together, kept in Redis; where there is none, or it is away, each process is on its own.

Nothing that is kept here is needed to be right: a limit that one process counts alone is met by the service's 429 instead.
So no error of Redis ever reaches a job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Any, Final, TypeVar

import redis

T = TypeVar("T")

#: Seconds in which Redis must answer, and for which it is left alone when it did not.
PATIENCE: Final = 1.0
LEFT_ALONE: Final = 15.0

log = logging.getLogger(__name__)


class Away(Exception):
    """There is no Redis, or it does not answer."""


class Shared:
    """The Redis that all workers share. Safe for threads and for processes made by fork."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self._client: Any = None
        self._lock = Lock()
        self._away_until = 0.0

    def run(self, work: Callable[[Any], T]) -> T:
        """What ``work`` does with the Redis client. Raises Away, and nothing of Redis's own."""
        if not self.url or monotonic() < self._away_until:
            raise Away
        try:
            return work(self._connection())
        except (redis.RedisError, OSError) as error:
            self._away_until = monotonic() + LEFT_ALONE
            log.warning(
                "the limits of OData services are counted in this process alone: %s", type(error).__name__
            )
            raise Away from None

    def _connection(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = redis.Redis.from_url(
                    self.url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
                )
            return self._client


_shared = Shared()


def use(url: str) -> None:
    """The Redis that all workers share from now on; "" for none. Contacts nobody."""
    global _shared
    _shared = Shared(url)


def shared() -> Shared:
    return _shared
