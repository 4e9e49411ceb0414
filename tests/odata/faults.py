"""The trouble a test gives a service, from outside: what the next requests meet, and what is wrong until it is mended."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

Meets = Callable[[str, str], bool]


def every(_method: str, _path: str) -> bool:
    return True


def writes(method: str, path: str) -> bool:
    return method in ("POST", "PATCH", "PUT", "DELETE")


def reads(method: str, _path: str) -> bool:
    return method == "GET"


@dataclass
class Trouble:
    """One request's fate. ``cut``: "before" or "after" the work was done the connection ends without an answer."""

    status: int = 0
    headers: dict[str, str] | None = None
    body: bytes | dict[str, Any] | None = None
    cut: str = ""
    seconds: float = 0.0
    when: Meets = every


class Faults:
    """One per server. Attributes last until they are set back; methods are for the next ``n`` requests that they meet."""

    def __init__(self, expire: Callable[[], None], expire_deltas: Callable[[], None]) -> None:
        self.expire_tokens = expire  # every token given so far is refused from now on
        self.expire_deltas = expire_deltas  # every delta link given so far is too old
        self.language = "en"  # "nl" and "nb" for messages in Dutch and Norwegian
        self.admin_mode = False
        self.user_disabled = False
        self.user_missing = False  # the application is not a user of the service
        self.administrator = False  # the application is an administrator of the service
        self.read_only = False
        self.down = 0  # a status that every request gets until it is 0 again
        self.seconds = 0.0  # how long every request takes
        self.per_operation = 0.0  # how long each operation of a batch takes
        self.shuffle = False  # batches answer in another order, where the format allows it
        self.drop_answers = 0  # the next n batches leave out the answer of their last operation
        self.denied: set[tuple[str, str]] = set()  # (set, read|create|write|delete)
        self._plan: deque[Trouble] = deque()
        self._lock = threading.Lock()

    def add(self, trouble: Trouble, n: int = 1) -> None:
        with self._lock:
            self._plan.extend([trouble] * n)

    def fail(
        self,
        n: int = 1,
        status: int = 503,
        *,
        retry_after: float | str | None = None,
        body: bytes | dict[str, Any] | None = None,
        when: Meets = every,
    ) -> None:
        """``retry_after``: seconds, or a text that is sent as it is (a date)."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self.add(Trouble(status, headers, body, when=when), n)

    def throttle(self, n: int = 1, *, retry_after: float | str | None = None, when: Meets = every) -> None:
        self.fail(n, 429, retry_after=retry_after, when=when)

    def cut(self, n: int = 1, *, after: bool = False, when: Meets = every) -> None:
        """The connection ends: before anything was done, or ``after`` the write was."""
        self.add(Trouble(cut="after" if after else "before", when=when), n)

    def slow(self, n: int, seconds: float, when: Meets = every) -> None:
        self.add(Trouble(seconds=seconds, when=when), n)

    def garbage(self, body: bytes, n: int = 1, status: int = 200, when: Meets = every) -> None:
        self.add(Trouble(status, {"Content-Type": "text/html"}, body, when=when), n)

    def deny(self, name: str, *operations: str) -> None:
        """The integration user lacks rights on a set: read, create, write, delete; none given: all."""
        self.denied |= {
            (name, operation) for operation in operations or ("read", "create", "write", "delete")
        }

    def allow(self, name: str = "", *operations: str) -> None:
        """Give rights back; without a name all of them."""
        self.denied = {
            (table, operation)
            for table, operation in self.denied
            if name and (table != name or (operations and operation not in operations))
        }

    def clear(self) -> None:
        """Everything is well again."""
        fresh = Faults(self.expire_tokens, self.expire_deltas)
        with self._lock:
            for name, value in vars(fresh).items():
                if name != "_lock":
                    setattr(self, name, value)

    def next(self, method: str, path: str) -> Trouble | None:
        """What this request meets, if anything."""
        with self._lock:
            for trouble in self._plan:
                if trouble.when(method, path):
                    self._plan.remove(trouble)
                    return trouble
        return None

    @property
    def left(self) -> int:
        """How many troubles nobody has met yet."""
        return len(self._plan)


def http_date(moment: Any, **by: float) -> str:
    """``Retry-After`` in its other form."""
    return (moment + timedelta(**by)).strftime("%a, %d %b %Y %H:%M:%S GMT")
