"""Many operations in as few requests as the service takes, with one result for each.

No operation is ever sent twice unless nothing was done with it the first time, or doing it twice is as good as once. What
is not known to be done or not done has ``outcome_unknown``; it is looked up before it is tried again (ENGINE §6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final

from synccore.connectors.odata import batch_json, batch_multipart
from synccore.connectors.odata.errors import BadAnswer, Situation, in_doubt, translate
from synccore.connectors.odata.messages import Answer, Request, address_of, target_of
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.waiting import BUSY, can_be_repeated, retry_after
from synccore.failures import Failure, Scope, Transient

if TYPE_CHECKING:
    from synccore.connectors.odata.client import Client

#: Seconds: a batch that took less may grow twofold, or eightfold; one that took more shrinks to the half.
QUICK: Final = 20.0
VERY_QUICK: Final = 2.0
SLOW: Final = 40.0
#: Statuses of a whole batch that ask for a smaller one.
_SMALLER: Final = frozenset({408, 429, 504})
#: Failures of a batch that may have been too long: the service was at work on it.
_WITHOUT_END: Final = frozenset({"statement_timeout", "connection_lost"})
#: Statuses of a whole batch that was not carried out, because of something in it.
_NOT_TAKEN: Final = frozenset({400, 413, 500})
#: Statuses of a service, or of something in front of it, that takes no batches: readings are tried one by one.
_NO_BATCHES: Final = frozenset({404, 405, 501})
#: Bytes of bodies in one batch.
_HEAVY: Final = 8 * 1024 * 1024
#: An operation that was left out because another failed.
_LEFT_OUT: Final = 424


class Sizes:
    """How many operations go into one batch: as many as the service does in good time. Shared by a process's connectors
    of one connection, kept apart for readings and changes."""

    def __init__(self, profile: Profile) -> None:
        self._limit = max(profile.batch_limit, 1)
        self._adapts = profile.batch_adapts
        self._sizes = dict.fromkeys((True, False), min(profile.batch_start, self._limit))

    def now(self, *, reads: bool) -> int:
        return self._sizes[reads]

    def took(self, seconds: float, operations: int, *, reads: bool) -> None:
        """A batch of so many operations was answered after so many seconds."""
        if not self._adapts:
            return
        size = self._sizes[reads]
        if seconds > SLOW:
            self._sizes[reads] = max(min(size, operations) // 2, 1)
        elif seconds < QUICK and operations >= size:
            self._sizes[reads] = min(size * (8 if seconds < VERY_QUICK else 2), self._limit)

    def too_much(self, operations: int, *, reads: bool) -> None:
        if self._adapts:
            self._sizes[reads] = max(min(self._sizes[reads], operations) // 2, 1)


_known: Final[dict[str, Sizes]] = {}
_lock: Final = Lock()


def sizes_of(name: str, profile: Profile) -> Sizes:
    """The sizes that this process has learned for a connection."""
    with _lock:
        return _known.setdefault(name, Sizes(profile))


def run(
    client: Client,
    operations: Sequence[Request],
    *,
    operation: str,
    table: str,
    about: Sequence[Situation] = (),
) -> list[Answer | Failure]:
    """See ``Client.batch``."""
    work = _Work(client, list(operations), operation, table, list(about))
    work.run()
    return [result for result in work.results if result is not None]


@dataclass(slots=True)
class _Work:
    """One call's operations, by position. ``results`` has no None once it has run."""

    client: Client
    operations: list[Request]
    operation: str
    table: str
    about: list[Situation]
    results: list[Answer | Failure | None] = field(default_factory=list)
    reads: bool = True
    stopped: Failure | None = None
    #: Changes that may have been carried out, and are sent once more.
    doubtful: set[int] = field(default_factory=set)

    def run(self) -> None:
        count = len(self.operations)
        self.results = [None] * count
        self.reads = all(each.method == "GET" for each in self.operations)
        waiting = list(range(count))
        halves: list[list[int]] = []
        while (halves or waiting) and self.stopped is None:
            part = halves.pop() if halves else self._next(waiting)
            again = self._send(part)
            if again:
                halves.append(again) if len(again) < len(part) else halves.extend(_halved(again))
        if self.stopped is not None:
            self._stop(self.stopped)

    def _next(self, waiting: list[int]) -> list[int]:
        """The next operations that go together: taken from ``waiting``."""
        profile = self.client.profile
        size = self.client.sizes.now(reads=self.reads) if profile.batch_format else 1
        heavy = taken = 0
        while taken < min(size, len(waiting)) and (not taken or heavy < _HEAVY):
            heavy += len(self.operations[waiting[taken]].body or b"")
            taken += 1
        part = waiting[:taken]
        del waiting[:taken]
        return part

    def _send(self, part: list[int]) -> list[int]:
        """Carry out some operations. Gives those that are to be sent again, in smaller parts: nothing was done with them."""
        profile = self.client.profile
        alone = len(part) == 1
        if not profile.batch_format or alone and len(self.operations[part[0]].path) <= profile.address_max:
            for position in part:
                self._single(position)
            return []
        requests = [self.operations[position] for position in part]
        situation = self.client.situation("read" if self.reads else "batch", self.table)
        started, sent = monotonic(), self.client.requests
        try:
            answer = self.client.send_raw(
                self._encode(requests),
                operation=situation.operation,
                table=self.table,
                idempotent=self.reads,
                about=situation,
            )
        except Failure as failure:
            if failure.code in _WITHOUT_END and self.client.requests > sent:
                self.client.sizes.too_much(len(part), reads=self.reads)
            self._lost(part, failure)
            return []
        seconds = monotonic() - started
        try:
            found = self._decode(answer, requests)
        except BadAnswer:
            found = None
        if answer.status >= 300:
            return self._refused(part, answer, found, situation)
        if found is None:
            self._lost(part, translate(answer, situation, profile))
            return []
        self.client.sizes.took(seconds, len(part), reads=self.reads)
        return self._take(part, found)

    def _encode(self, requests: Sequence[Request]) -> Request:
        profile, root = self.client.profile, self.client.root
        base = profile.batch_base(root)
        addresses = [address_of(each.path, root) for each in requests]
        headers = {"Prefer": "odata.continue-on-error"}
        if profile.batch_format == "json":
            urls = [each.removeprefix(base) for each in addresses]
            content_type, body = batch_json.encode(requests, urls)
            headers["Accept"] = "application/json"
        else:
            urls = [target_of(each).decode() for each in addresses]
            content_type, body = batch_multipart.encode(requests, urls)
            headers["Accept"] = "multipart/mixed"
        return Request("POST", base + "$batch", {**headers, "Content-Type": content_type}, body)

    def _decode(self, answer: Answer, requests: Sequence[Request]) -> list[Answer | None]:
        if self.client.profile.batch_format == "json":
            return batch_json.decode(answer, requests)
        return batch_multipart.decode(answer, requests)

    # -- results -------------------------------------------------------------------------------------------------------

    def _take(self, part: Sequence[int], found: Sequence[Answer | None]) -> list[int]:
        """The results of a batch that was carried out. Gives those to send again."""
        again = []
        for position, answer in zip(part, found, strict=True):
            left_out = answer is not None and answer.status == _LEFT_OUT
            if answer is None and self.operations[position].method != "GET":
                self.results[position] = self._unknown(position, "")
            elif (answer is None or left_out) and len(part) > 1:
                again.append(position)
            elif answer is None:
                self.results[position] = self._unknown(position, "")
            else:
                self._keep(position, answer)
        return again

    def _keep(self, position: int, answer: Answer) -> None:
        if answer.status < 300:
            self.results[position] = answer
            return
        asked = retry_after(answer.headers)
        if answer.status == 429 or answer.status in BUSY and asked is not None:
            self.client.pause(asked)
        situation = self._situation(position)
        failure = translate(answer, situation, self.client.profile)
        self.results[position] = (
            in_doubt(failure, answer, situation) if position in self.doubtful else failure
        )

    def _refused(
        self, part: list[int], answer: Answer, found: Sequence[Answer | None] | None, situation: Situation
    ) -> list[int]:
        """A batch that failed as a whole: nothing in it is taken for done. Gives those to send again."""
        sizes, failure = self.client.sizes, translate(answer, situation, self.client.profile)
        if answer.status in _SMALLER:
            sizes.too_much(len(part), reads=self.reads)
        if self.reads and answer.status in _NO_BATCHES and failure.scope is not Scope.CONNECTION:
            for position in part:
                self._single(position)
            return []
        if answer.status not in _NOT_TAKEN or failure.outcome_unknown and not self._all_repeatable(part):
            self._lost(part, failure)
            return []
        again = []
        for position, inner in zip(part, found or [None] * len(part), strict=True):
            repeatable = can_be_repeated(self.operations[position])
            if inner is not None and inner.status < 300 and not repeatable:
                # It says that it was done, inside of something that was not.
                self.results[position] = self._unknown(position, failure.app_message)
            elif inner is not None and inner.status >= 400 and inner.status != _LEFT_OUT:
                self._keep(position, inner)
            else:
                again.append(position)
                if failure.outcome_unknown or inner is not None and inner.status < 300:
                    self.doubtful.add(position)
        if len(part) == 1 and again:
            # Alone, and too long to be sent by itself: this is the one.
            self.results[part[0]] = translate(answer, self._situation(part[0]), self.client.profile)
            return []
        return again

    def _all_repeatable(self, part: Sequence[int]) -> bool:
        return all(can_be_repeated(self.operations[position]) for position in part)

    def _single(self, position: int) -> None:
        if self.stopped is not None:
            return
        try:
            answer = self.client.send_raw(
                self.operations[position],
                operation=self.operation,
                table=self.table,
                about=self._situation(position),
            )
        except Failure as failure:
            if failure.scope is Scope.RECORD:
                self.results[position] = failure
            else:
                self._lost([position], failure)
            return
        self._keep(position, answer)
        result = self.results[position]
        if isinstance(result, Failure) and result.scope is Scope.CONNECTION:
            self.stopped = result

    def _lost(self, part: Sequence[int], failure: Failure) -> None:
        """No answer, or none that can be read: what may have been done is unknown, and the rest is not tried."""
        for position in part:
            mine = failure.again()
            mine.outcome_unknown = failure.outcome_unknown and self.operations[position].method != "GET"
            self.results[position] = mine
        self.stopped = failure

    def _unknown(self, position: int, message: str) -> Failure:
        now = self._situation(position)
        params = {"app": now.app, "host": now.host, "port": now.port, "user": now.user}
        changes = self.operations[position].method != "GET"
        return Transient("connection_lost", params, app_message=message, outcome_unknown=changes)

    def _stop(self, failure: Failure) -> None:
        """What was not sent fails as that which stopped it, but nothing was done. Raises it where that is all there is."""
        tried = [result for result in self.results if result is not None]
        if all(
            isinstance(each, Failure) and each.code == failure.code and not each.outcome_unknown
            for each in tried
        ):
            raise failure
        for position, result in enumerate(self.results):
            if result is None:
                self.results[position] = failure.again()

    def _situation(self, position: int) -> Situation:
        if position < len(self.about):
            return self.about[position]
        reads = self.operations[position].method == "GET"
        return self.client.situation("read" if reads else self.operation, self.table)


def _halved(positions: list[int]) -> list[list[int]]:
    """Two halves, the first on top."""
    middle = len(positions) // 2
    return [positions[middle:], positions[:middle]] if middle else [positions]
