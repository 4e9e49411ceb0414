"""One job at work: its lease, its connectors, its counters, and the border between two pages."""

from __future__ import annotations

import mmap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.dispatch import Signal
from django.utils import timezone

from synccore.connectors.base import Connector
from synccore.engine.compiled import Compiled, compile_rules
from synccore.failures import Bug, Failure
from synccore.models import JobItem, JobLog, Journal, Problem, SynchJob, SynchJobError, TableMapping
from synccore.models.build import brakes_of, rules_of
from synccore.models.bulk import update
from synccore.models.instance import MISMATCH
from synccore.models.job import EXTRAS, OUTCOMES
from synccore.models.seals import UNSETTLED, seal_written
from synccore.shapes import Side

from . import problems
from .stats import Tally

LEASE: Final = timedelta(seconds=90)
#: A lease renewed longer ago than this is renewed before the next request of a call.
HOLD_ON: Final = timedelta(seconds=15)
#: Stands for a scope in ``Run.queue_next``: the mapping's check, which releases it where it passes.
CHECK: Final = "check"

#: What a page stores of its job.
_STORED: Final = (
    *OUTCOMES, *EXTRAS, "by_direction", "checkpoint", "pages", "seal", "lease_until", "total",
)  # fmt: skip

#: Sent in the page transaction with ``job`` and ``entries`` (≤ 1,000). One receiver, in ``errors``.
page_stored = Signal()


class Flag:
    """A flag that a process shares with those it forks: a worker's main process is told to end, its children do the work.

    One byte of shared memory; there is no lock that a killed process could leave behind.
    """

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._byte[0] = 1

    def clear(self) -> None:
        self._byte[0] = 0

    def is_set(self) -> bool:
        return self._byte[0] == 1


#: Set when this worker is asked to end: running jobs stop after their page and go back to the queue.
shutting_down = Flag()


class Interrupted(Exception):
    """The job stops between two pages. Not a fault of the job."""


class LeaseLost(Interrupted):
    """Another worker took the job over: nothing more may be written on its behalf."""


class Cancelled(Interrupted):
    """A person cancelled it."""


class BackToQueue(Interrupted):
    """It goes on later: shutdown, a pause, a new revision of the mapping, or chosen records waiting behind it."""


def _nothing(_point: str) -> None: ...


class Run:
    """What every verb gets. Made by ``synccore.jobs`` after the job was claimed; closed when the verb returns.

    ``observe`` is called with the name of each step between an intention and its page commit; tests end the process there.
    """

    def __init__(
        self,
        job: SynchJob,
        *,
        observe: Callable[[str], None] = _nothing,
        connect: Callable[[TableMapping, Side], Connector] | None = None,
    ) -> None:
        self.job = job
        self.observe = observe
        self._connect = connect or (lambda mapping, side: mapping.connection(side).connect())
        self._connectors: dict[Side, Connector] = {}
        self._asked: set[Side] = set()
        self._rules: Compiled | None = None
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.tally = Tally()
        self.entries: list[SynchJobError] = []
        self.settled: list[Journal] = []
        self._log: list[JobLog] = []
        #: What to queue when the job has ended: mapping and the scope of its run, or CHECK.
        self.queue_next: set[tuple[int, str]] = set()
        #: The full synchronization that is the next step of this job's line is queued in the transaction that ends it.
        self.goes_on = False
        self.cancel_requested = False
        self._renewed_at = timezone.now()
        #: Facts looked up once per run (does the destination hold records, how many couplings …).
        self.known: dict[str, Any] = {}

    # -- what it works with --------------------------------------------------------------------------------------------

    @property
    def mapping(self) -> TableMapping:
        assert self.job.mapping is not None
        return self.job.mapping

    @property
    def rules(self) -> Compiled:
        """The mapping's rules, frozen at the first use."""
        if self._rules is None:
            self._rules = compile_rules(rules_of(self.mapping))
        return self._rules

    def forget_rules(self) -> None:
        """Something that the rules hold, but that is no rule, was found out: they are read again at the next use."""
        self._rules = None

    @property
    def brakes(self) -> Any:
        return brakes_of(self.mapping)

    def connector(self, side: Side) -> Connector:
        """The connector of a side, made when it is first asked for. Raises Failure, which says whose options are wrong."""
        if side not in self._connectors:
            try:
                connector = self._connectors[side] = self._connect(self.mapping, side)
                connector.before_requests(self.hold_on)
            except Failure as failure:
                failure.params.setdefault("side", side.value)
                raise
        return self._connectors[side]

    @property
    def asked(self) -> frozenset[Side]:
        """The sides whose app this run has asked something."""
        return frozenset(self._asked)

    def has_met(self, side: Side, id: str) -> bool:
        """Whether something was said of this record already that the memory does not show; a run stores what it finds."""
        return False

    def has_asked(self, sides: Iterable[Side]) -> None:
        """Another one asked these apps on its behalf."""
        self._asked.update(sides)

    @contextmanager
    def remote(self, side: Side) -> Iterator[Connector]:
        """The connector of a side for one remote call: the lease is renewed first, the failure says which app it was.

        Raises Failure (with ``failure.side`` set) and LeaseLost. An error of our own in a connector comes out as Bug.
        """
        self.renew()
        try:
            yield self.connector(side)
            self._asked.add(side)
        except Failure as failure:
            failure.params.setdefault("side", side.value)
            raise
        except Interrupted:
            raise
        except Exception as error:
            bug = Bug.from_exception(error, step=f"connector {side.value}")
            bug.params["side"] = side.value
            raise bug from error

    def close(self) -> None:
        for connector in self._connectors.values():
            connector.close()

    # -- lease ---------------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Hold the job for another 90 s, or raise LeaseLost without having written anything."""
        self._renewed_at = timezone.now()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE synccore_synchjob SET lease_until = %s "
                "WHERE id = %s AND lease_no = %s AND state = 'running' RETURNING cancel_requested_at",
                [self._renewed_at + LEASE, self.job.pk, self.job.lease_no],
            )
            row = cursor.fetchone()
        if row is None:
            raise LeaseLost
        self.cancel_requested = row[0] is not None

    def hold_on(self) -> None:
        """Within a call that takes many requests: renew the lease in good time. Raises LeaseLost."""
        if timezone.now() - self._renewed_at > HOLD_ON:
            self.renew()

    def between_pages(self) -> None:
        """Stop here if somebody wants us to. Raises Cancelled or BackToQueue."""
        self.renew()
        if self.cancel_requested:
            raise Cancelled
        if shutting_down.is_set():
            raise BackToQueue
        if self.job.mapping_id is None:
            return
        revision, enabled, paused, reason = (
            TableMapping.objects.filter(pk=self.job.mapping_id)
            .values_list("revision", "enabled", "integration__paused_since", "integration__paused_reason")
            .get()
        )
        if revision != self.job.mapping_revision:
            # Cursors were made under the old rules; what they read is remembered, so starting over loses nothing.
            self.job.checkpoint = {}
            raise BackToQueue
        by_itself = self.job.verb == "synchronise" and self.job.scope != SynchJob.Scope.ITEMS
        if paused and (by_itself or reason == MISMATCH) or by_itself and not enabled:
            raise BackToQueue
        gives_way = self.job.scope not in (SynchJob.Scope.ITEMS, SynchJob.Scope.SWEEP)
        if gives_way and self._chosen_records_wait():
            raise BackToQueue

    def _chosen_records_wait(self) -> bool:
        return SynchJob.objects.filter(
            mapping_id=self.job.mapping_id, state=SynchJob.State.QUEUED, scope=SynchJob.Scope.ITEMS
        ).exists()

    # -- what it says --------------------------------------------------------------------------------------------------

    def count(self, outcome: str, direction: Side | str = "", n: int = 1) -> None:
        self.counts[str(direction)][outcome] += n

    def log(self, code: str, **params: Any) -> None:
        """One line of the job's log, stored with the page (or at the end of the job)."""
        self._log.append(JobLog(job=self.job, at=timezone.now(), code=code, params=params))

    def end(self, found: Iterable[Problem], ending: Problem.Ending, at: datetime) -> None:
        """Episodes that this job ends, for the person who asked for it. Inside the page transaction."""
        problems.end(found, ending, tally=self.tally, now=at, job=self.job, by=self.job.requested_by)

    def no_longer(self, item: JobItem, note: str) -> None:
        """There is nothing to do about this item any more; ``note`` says why."""
        item.state, item.note = JobItem.State.NOT_APPLICABLE, note
        item.save(update_fields=["state", "note"])

    # -- the page transaction ------------------------------------------------------------------------------------------

    @contextmanager
    def page(self, checkpoint: Mapping[str, Any] | None = None) -> Iterator[datetime]:
        """Everything one page found, in one transaction: memory, problems, entries, journal, counters, checkpoint, seal.

        Yields the moment all rows of the page carry. Raises LeaseLost before anything is stored if the job was taken over.
        """
        self.observe("before page")
        before = {name: deepcopy(getattr(self.job, name)) for name in _STORED}
        try:
            with transaction.atomic():
                self._hold()
                at = timezone.now()
                yield at
                self._store(checkpoint, at)
                self.observe("page stored")
        except BaseException:
            self._forget(before)
            raise
        self.observe("page committed")

    def _forget(self, before: Mapping[str, Any]) -> None:
        """The page was not stored: nothing of it may reach the transaction that says how the job ended."""
        for name, value in before.items():
            setattr(self.job, name, value)
        self.counts.clear()
        self.tally = Tally()
        self.entries, self.settled = [], []

    def _hold(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM synccore_synchjob WHERE id = %s AND lease_no = %s AND state = 'running' FOR UPDATE",
                [self.job.pk, self.job.lease_no],
            )
            if cursor.fetchone() is None:
                raise LeaseLost

    def _store(self, checkpoint: Mapping[str, Any] | None, at: datetime) -> None:
        job = self.job
        if checkpoint is not None:
            job.checkpoint = dict(checkpoint)
        job.pages += 1
        self._store_journal(at)
        self._take_counts()
        job.lease_until = at + LEASE
        job.save(update_fields=_STORED)
        self.tally.store(at.date())
        JobLog.objects.bulk_create(self._log)
        self._log = []
        for start in range(0, len(self.entries), 1000):
            page_stored.send(SynchJob, job=job, entries=self.entries[start : start + 1000])
        self.entries = []

    def _store_journal(self, at: datetime) -> None:
        """What became of the intentions, and the seal over it. A row without an answer stays open, and is not sealed."""
        final = [row for row in self.settled if row.state not in UNSETTLED]
        seal = seal_written(self.job, self.job.pages, final, at) if final else None
        for row in final:
            row.seal = seal
        columns = ("state", "settled_at", "record_id", "version_after", "coupling", "seal")
        update(
            Journal,
            columns,
            [
                (
                    row.pk,
                    row.state,
                    row.settled_at,
                    row.record_id,
                    row.version_after,
                    row.coupling_id,
                    row.seal_id,
                )
                for row in self.settled
            ],
        )
        self.settled = []

    def _take_counts(self) -> None:
        by_direction: dict[str, dict[str, int]] = self.job.by_direction
        for direction, counter in self.counts.items():
            stored = by_direction.setdefault(direction, {})
            for outcome, n in counter.items():
                stored[outcome] = stored.get(outcome, 0) + n
                setattr(self.job, outcome, getattr(self.job, outcome) + n)
        self.counts.clear()
