"""What can go wrong, said as *what happens next*.

::

    Failure                     class (word on pages)        what happens next
    ├ Transient                 Temporary fault              tried again by itself
    ├ Blocked                   Waits for another record     released when that record arrives
    ├ Rejected                  Value refused                skipped after two attempts
    ├ Conflict                  Changed in both apps         skipped at once, for a decision
    ├ Missing                   Deleted in one app           skipped at once, for a decision
    ├ Misconfigured             Set-up problem               stops the mapping until its check passes
    ├ Stopped                   Stopped for safety           waits for *Allow once*
    ├ Unrecognised              Answer not recognised        shown verbatim; skipped like Rejected
    ├ Bug                       Error in Tandem              traceback kept; skipped like Rejected
    └ Stale                     (never stored)               the record moved since it was read: read and decide again

A failure holds facts only. The prose stands in ``synccore.guides`` and is chosen, in the reader's language, when the
failure is shown.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Self


class Scope(StrEnum):
    """What a failure says something about."""

    RECORD = "record"
    TABLE = "table"
    CONNECTION = "connection"


class Kind(StrEnum):
    """The class of a failure as it is stored; one word per thing on every page (GLOSSARY)."""

    TRANSIENT = "transient"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    MISSING = "missing"
    MISCONFIGURED = "misconfigured"
    STOPPED = "stopped"
    UNRECOGNISED = "unrecognised"
    BUG = "bug"


class Failure(Exception):
    """Something that went wrong, as data.

    Args:
        code: stable name of the cause, ``snake_case``; every code has a guide in ``synccore.guides``.
        params: JSON-able facts that the guide's sentence names (``table``, ``field``, ``value``, ``limit`` …).
        app_message: what the business app said, verbatim and whole, secrets removed; "" when the app said nothing.
        scope: the record, its whole table, or the whole connection.
        debug: for support only: a traceback, or step, request without secrets, status, correlation id.
        outcome_unknown: the write may or may not have happened (a timeout, a cut connection).
    """

    kind: ClassVar[Kind]
    default_scope: ClassVar[Scope] = Scope.RECORD

    def __init__(
        self,
        code: str,
        params: Mapping[str, Any] | None = None,
        *,
        app_message: str = "",
        scope: Scope | None = None,
        debug: str = "",
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.params: dict[str, Any] = dict(params or {})
        self.app_message = app_message
        self.scope = scope or self.default_scope
        self.debug = debug
        self.outcome_unknown = outcome_unknown

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.params!r}, scope={self.scope.value!r})"

    __str__ = __repr__

    def again(self) -> Self:
        """The same failure as an object of its own, of another operation: of that nothing is known to have been done, and
        whoever meets it adds to its facts."""
        return type(self)(
            self.code, self.params, app_message=self.app_message, scope=self.scope, debug=self.debug
        )

    @property
    def stops_the_job(self) -> bool:
        """True where no further record of the job can succeed: the scope is wider than a record."""
        return self.scope is not Scope.RECORD


class Transient(Failure):
    """A lock, a time-out, throttling, a short outage. Tried again by itself."""

    kind = Kind.TRANSIENT


class Blocked(Failure):
    """Waits for a parent or a precondition.

    ``params`` names the blocker: ``side``, ``mapping`` (id) and ``record`` for a parent; ``what``, ``value`` and ``side``
    for a precondition. ``hopeless`` in ``params`` is true where nothing will couple the blocker by itself.
    """

    kind = Kind.BLOCKED

    @property
    def hopeless(self) -> bool:
        return bool(self.params.get("hopeless"))


class Rejected(Failure):
    """The app (or our converter) refuses a value: ``table``, ``field``, ``value``, ``limit`` in ``params``."""

    kind = Kind.REJECTED


class Conflict(Failure):
    """The same field changed to different values in both apps; ``params["fields"]`` names the fields."""

    kind = Kind.CONFLICT


class Missing(Failure):
    """One of a coupled pair was deleted in its app; ``params["side"]`` is the side that is gone."""

    kind = Kind.MISSING


class Misconfigured(Failure):
    """A right, a credential, a table or a field is not as the set-up says."""

    kind = Kind.MISCONFIGURED
    default_scope = Scope.TABLE


class Stopped(Failure):
    """A brake: too many deletions or creations, or a side that is suddenly empty."""

    kind = Kind.STOPPED
    default_scope = Scope.TABLE


class Unrecognised(Failure):
    """The app said something that no pattern knows."""

    kind = Kind.UNRECOGNISED


class Bug(Failure):
    """An error of our own. ``debug`` holds the traceback."""

    kind = Kind.BUG

    @classmethod
    def from_exception(cls, error: BaseException, *, step: str) -> Bug:
        """Wrap any exception; ``step`` says what was being done. The exception's text may quote data, so it is debug."""
        trace = "".join(traceback.format_exception(error))
        return cls("bug", {"step": step, "error": type(error).__name__}, debug=trace)


class Stale(Failure):
    """The record is not at the version the write was based on (or is gone). Never stored: read and decide again."""

    kind = Kind.TRANSIENT


CLASSES: dict[Kind, type[Failure]] = {
    cls.kind: cls
    for cls in (Transient, Blocked, Rejected, Conflict, Missing, Misconfigured, Stopped, Unrecognised, Bug)
}
