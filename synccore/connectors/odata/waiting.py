"""How long to wait before a request is made again, and whether it may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import uniform
from typing import TYPE_CHECKING, Final

from synccore.connectors.odata.bodies import told

if TYPE_CHECKING:
    from synccore.connectors.odata.client import Answer, Request

#: Longest wait that a service can ask for, in seconds.
CAP: Final = 300.0
#: The service is alive, but did not do this: it may be asked again.
BUSY: Final = frozenset({429, 502, 503, 504})
#: Statuses of somebody between us and a service that is not there.
OUTAGES: Final = frozenset({502, 503, 504})
_FIRST, _MOST = 0.5, 20.0


def moment_of(said: str | None) -> datetime | None:
    """The moment of an HTTP date, UTC; None for what is none."""
    try:
        moment = parsedate_to_datetime(said or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a service wants to be left alone, at most ``CAP``; None where it does not say, or not so that it can be
    read. A date is measured from the answer's own ``Date``, so that nobody's clock has to be right."""
    said = headers.get("retry-after", "").strip()
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        until = moment_of(said)
        if until is None:
            return None
        seconds = (until - (moment_of(headers.get("date")) or datetime.now(UTC))).total_seconds()
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), CAP)


def backoff(tries: int) -> float:
    """Seconds to wait after so many tries: longer each time, and never the same for two who fail together."""
    return min(_FIRST * 2.0 ** min(tries - 1, 10), _MOST) * uniform(0.5, 1.5)


def can_be_repeated(request: Request) -> bool:
    """Whether doing it twice is as good as once: a GET, and a change that carries a condition."""
    if request.method == "GET":
        return True
    conditions = {
        name.lower(): value
        for name, value in request.headers.items()
        if name.lower() in ("if-match", "if-none-match")
    }
    return request.method != "POST" and any(value != "null" for value in conditions.values())


def was_not_done(answer: Answer) -> bool:
    """Whether a busy answer says that the request was turned away before anything was done with it: the service itself
    says so. A gateway's 503 may mean that it lost the service half-way."""
    if answer.status == 503 and "retry-after" not in answer.headers:
        return told(answer.status, answer.headers, answer.body).is_the_services
    return answer.status in (429, 503)


def is_outage(answer: Answer) -> bool:
    return answer.status in OUTAGES and "retry-after" not in answer.headers
