"""What the errors of any other OData V4 service mean. The standard names statuses; the words are each service's own, so only
those are read that many of them say alike."""

from __future__ import annotations

from typing import Final

from synccore.connectors.odata.bodies import Told
from synccore.connectors.odata.meanings import (
    CONNECTION,
    RECORD,
    TABLE,
    ErrorTable,
    Meaning,
    Situation,
    worded,
    wording,
)
from synccore.failures import Misconfigured, Rejected, Stale, Transient

_DUPLICATE: Final = Meaning(
    Rejected, "duplicate_key", RECORD, wording(r"\((?P<field>[\w, ]{1,200})\)=\((?P<value>[^()]{0,500})\)")
)
_NO_PROPERTY: Final = Meaning(
    Misconfigured,
    "unknown_field",
    TABLE,
    wording(
        r"property (?:named )?['\"](?P<field>[^'\"]{1,200})['\"]",
        r"['\"](?P<field>[^'\"]{1,200})['\"]",
    ),
)
_TOO_LONG: Final = Meaning(
    Rejected,
    "value_too_long",
    RECORD,
    wording(
        r"['\"](?P<field>\w{1,200})['\"][^\n]{0,200}?\b(?P<limit>\d{1,9})\b",
        r"\b(?P<limit>\d{1,9})\b[^\n]{0,40}characters",
    ),
)
_REQUIRED: Final = Meaning(
    Rejected,
    "value_required",
    RECORD,
    wording(r"['\"](?P<field>\w{1,200})['\"]", r"\b(?P<field>\w{1,200}) is required"),
)


class _Written:
    """A meaning that holds for writes only: the same words about a query are no refusal of a value."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning

    def __call__(self, said: Told, now: Situation) -> Meaning | None:
        return self.meaning if now.writes and said.status not in (401, 403) else None


WORDS: Final = (
    worded(r"duplicate key|unique constraint|(?:key|record|entity|entry)[^\n]{0,60}already exists?", _Written(_DUPLICATE)),
    worded(r"(?:maximum|max\.?)[ -]length|(?:value|string)[^\n]{0,60}too long|exceeds?[^\n]{0,40}(?:length|characters)",
           _Written(_TOO_LONG)),
    worded(r"must not be (?:null|empty|blank)|cannot be null|is required\b|not-null constraint", _Written(_REQUIRED)),
    worded(r"could not find a property|(?:property|element)[^\n]{0,200}(?:does not exist|is not (?:declared|defined|found))|"
           r"(?:unknown|invalid|undeclared) property|not find property", _NO_PROPERTY),
    worded(r"deadlock|lock (?:wait )?time-?out|locked by another", Meaning(Transient, "lock_timeout")),
    worded(r"password[^\n]{0,60}expired", Meaning(Misconfigured, "password_expired", CONNECTION)),
    worded(r"foreign key|still referenced|is referenced by", lambda said, now: Meaning(
        Rejected, "still_referenced" if now.operation == "delete" else "reference_missing", RECORD)
        if now.writes else None),
)  # fmt: skip

ERRORS: Final = ErrorTable(words=WORDS, statuses={428: Meaning(Stale, "stale")})
