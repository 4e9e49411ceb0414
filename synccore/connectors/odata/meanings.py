"""What the errors of a service can mean: the rows of the tables, and what was being done when one came."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from synccore.connectors.odata.bodies import Told
from synccore.failures import Failure, Misconfigured, Rejected, Scope, Transient
from synccore.shapes import FieldInfo, Value

RECORD, TABLE, CONNECTION = Scope.RECORD, Scope.TABLE, Scope.CONNECTION


@dataclass(slots=True)
class Situation:
    """What was being done when the answer came; the facts that the answer itself does not carry.

    ``operation``: read, create, update, delete, connect, token or batch. ``values``: set where one record alone was
    written; ``id``: where one record was read or written. ``secrets`` are taken out of every text.
    """

    table: str = ""
    operation: str = "read"
    infos: Mapping[str, FieldInfo] = field(default_factory=dict)
    values: Mapping[str, Value] | None = None
    id: str = ""
    app: str = ""
    host: str = ""
    port: str = ""
    user: str = ""
    secrets: Sequence[str] = field(default=(), repr=False)

    @property
    def writes(self) -> bool:
        return self.operation in ("create", "update", "delete")


class Meaning(NamedTuple):
    """What an error comes out as. ``wordings``: where its facts stand in the message, as named groups; the first that is
    found counts. ``params``: facts that are known without one."""

    failure: type[Failure]
    code: str
    scope: Scope = Scope.RECORD
    wordings: tuple[re.Pattern[str], ...] = ()
    params: Mapping[str, Any] = {}


#: What an error means where that depends on its words or on what was being done; None: look further.
Rule: TypeAlias = Callable[[Told, Situation], "Meaning | None"]


class Worded(NamedTuple):
    """An error that is known by its words: in any language, or by its English where it has nothing else."""

    wording: re.Pattern[str]
    meaning: Meaning | Rule


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """The errors of one kind of service, tried in this order: by the service's code, by words, by status."""

    codes: Mapping[str, Meaning | Rule] = field(default_factory=dict)
    #: By how a code begins.
    prefixes: Mapping[str, Meaning | Rule] = field(default_factory=dict)
    words: Sequence[Worded] = ()
    statuses: Mapping[int, Meaning | Rule] = field(default_factory=dict)

    def of_code(self, code: str) -> Meaning | Rule | None:
        """By the service's code, whatever its case: the whole of it, else how it begins."""
        if not code:
            return None
        code = code.lower()
        for name, found in self.codes.items():
            if name.lower() == code:
                return found
        return next((found for start, found in self.prefixes.items() if code.startswith(start.lower())), None)


def wording(*patterns: str) -> tuple[re.Pattern[str], ...]:
    """Patterns of one language or of none; letters' case does not count, a blank stands for any space."""
    return tuple(re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE) for pattern in patterns)


def worded(pattern: str, meaning: Meaning | Rule) -> Worded:
    return Worded(wording(pattern)[0], meaning)


#: What a status says by itself, whatever the service: the last step of the decision.
BY_STATUS: Final[Mapping[int, Meaning]] = {
    401: Meaning(Misconfigured, "sign_in_refused", CONNECTION),
    403: Meaning(Misconfigured, "missing_privilege", TABLE),
    405: Meaning(Misconfigured, "not_supported", TABLE),
    407: Meaning(Misconfigured, "wrong_address", CONNECTION),
    408: Meaning(Transient, "statement_timeout", TABLE),
    410: Meaning(Transient, "delta_expired", TABLE),
    413: Meaning(Rejected, "request_too_large"),
    421: Meaning(Misconfigured, "wrong_address", CONNECTION),
    423: Meaning(Transient, "lock_timeout"),
    425: Meaning(Transient, "app_fault"),
    429: Meaning(Transient, "throttled", CONNECTION),
    502: Meaning(Transient, "connection_lost", CONNECTION),
    503: Meaning(Transient, "app_starting", CONNECTION),
    504: Meaning(Transient, "statement_timeout", TABLE),
}
