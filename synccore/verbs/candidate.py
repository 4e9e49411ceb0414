"""One record (or pair) on its way through a page, and the writes that are meant for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from synccore.engine.compiled import Compiled
from synccore.engine.images import image
from synccore.engine.rules import Link, Resolution, Step
from synccore.failures import Failure
from synccore.models import Coupling, JobItem, Journal, Problem
from synccore.shapes import Record, Side, Value

from .seen import Seen, changed, seen_record


@dataclass(slots=True)
class Write:
    """One intended write: a journal row before it is sent, a result after."""

    candidate: Candidate
    side: Side
    operation: Journal.Operation
    record_id: str | None
    version: str
    fields: dict[str, Value]
    before: dict[str, Value]
    overwrites: dict[str, Any]
    key: UUID
    row: Journal | None = None
    result: Record | Failure | None = None
    sent: bool = False

    @property
    def failure(self) -> Failure | None:
        return self.result if isinstance(self.result, Failure) else None


@dataclass(slots=True, eq=False)
class Candidate:
    """A record to be decided. ``records`` holds what was read; a side that is absent from it was not read yet,
    None means confirmed not there."""

    origin: Side
    coupling: Coupling | None = None
    records: dict[Side, Record | None] = field(default_factory=dict)
    problem: Problem | None = None
    item: JobItem | None = None
    resolution: Resolution | None = None
    step: Step | None = None
    writes: list[Write] = field(default_factory=list)
    failure: Failure | None = None
    adopted: bool = False
    #: Base images of the records as they are in ``records`` now, made once: side → (record, image as stored).
    images: dict[Side, tuple[Record, dict[str, list[Any]]]] = field(default_factory=dict)
    #: What both records looked like when the step was decided: side → [id, version, base image].
    basis: dict[str, Any] = field(default_factory=dict)
    #: Optional references without counterpart whose field is left as it is: rule → the side that names the record.
    kept: dict[int, Side] = field(default_factory=dict)
    outcome: str = ""
    note: str = ""
    #: What the person saw who decided; a side that moved since is not written. ``changed``: rules that did, per side.
    seen: dict[Side, Seen] | None = None
    changed: dict[Side, list[int]] = field(default_factory=dict)
    #: The job's end overtook it (its app went away): nothing about this record is stored, the next run takes it.
    untouched: bool = False

    def image(self, rules: Compiled, side: Side) -> dict[str, list[Any]]:
        """Base image of the record read (or stored) on a side, as JSON. Raises Rejected as ``engine.images.image``
        does, and Misconfigured where a mapped field was not read."""
        record = self.records[side]
        assert record is not None
        known = self.images.get(side)
        if known is None or known[0] is not record:
            found = {str(rule): list(entry) for rule, entry in image(rules, side, record).items()}
            known = self.images[side] = (record, found)
        return known[1]

    def as_read(self, rules: Compiled) -> dict[str, Any]:
        """Both records as they were read: side → [id, version, base image]. Raises as :meth:`image` does."""
        read = ((side, record) for side, record in self.records.items() if record is not None)
        return {side.value: [record.id, record.version, self.image(rules, side)] for side, record in read}

    def still_as_seen(self, rules: Compiled) -> bool:
        """Whether the records read are those the decision was made on; else ``changed`` says which fields moved."""
        for side, before in (self.seen or {}).items():
            record = self.records.get(side)
            if record is not None and (moved := changed(rules, side, record, before)):
                self.changed[side] = moved
        self.untouched = bool(self.changed)
        return not self.changed

    def see_own_writes(self, rules: Compiled) -> None:
        """What we wrote ourselves in this job is no change behind the person's back."""
        for write in self.writes:
            if self.seen is not None and isinstance(write.result, Record):
                self.seen[write.side] = seen_record(rules, write.side, write.result)

    def record(self, side: Side) -> Record | None:
        return self.records.get(side)

    def id(self, side: Side) -> str | None:
        """Id on one side, from memory or from what was read."""
        if self.coupling is not None and (known := self.coupling.of(side, "id")) is not None:
            return str(known)
        record = self.records.get(side)
        return record.id if record else None

    def link(self) -> Link:
        """The memory as ``decide`` takes it, completed by what was found for a new record."""
        link = self.coupling.link() if self.coupling else Link()
        return Link(
            left_id=link.left_id or self.id(Side.LEFT),
            right_id=link.right_id or self.id(Side.RIGHT),
            left_base=link.left_base,
            right_base=link.right_base,
            prefer=link.prefer,
        )

    @property
    def direction(self) -> Side:
        """The side the record was headed for; its counters stand under it."""
        if self.step is not None:
            if self.step.kind.value in ("create", "delete") and self.step.side is not None:
                return self.step.side
            written = self.step.written_sides()
            if len(written) == 1:
                return written[0]
        return self.origin.other
