"""What ``decide`` works with: the rules of a mapping, the memory of a pair, and the step that comes out. Pure data.

``synccore.models`` builds :class:`MappingRules` from its rows once per job (settings are frozen at the start of a job);
tests build them by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from synccore.failures import Failure
from synccore.shapes import SIDES, FieldInfo, Filter, KeyKind, Precondition, Record, Side, TableRef, Value


class Direction(StrEnum):
    BOTH = "both"
    TO_RIGHT = "to_right"
    TO_LEFT = "to_left"

    def allows(self, destination: Side) -> bool:
        return self is Direction.BOTH or self is (
            Direction.TO_RIGHT if destination is Side.RIGHT else Direction.TO_LEFT
        )

    def __and__(self, other: Direction) -> Direction | None:
        """The directions both allow; None where that is none."""
        if self is Direction.BOTH:
            return other
        return self if other in (Direction.BOTH, self) else None


class ConflictPolicy(StrEnum):
    ASK = "ask"
    LEFT = "left"
    RIGHT = "right"
    NEWEST = "newest"


class DeletionPolicy(StrEnum):
    ASK = "ask"
    RESTORE = "restore"
    UNCOUPLE = "uncouple"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Transform:
    """One conversion step by name (``engine/transforms.py``) with its JSON parameters."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field mapping. ``id`` is stable and keys the base images, together with ``revision``.

    A constant has ``has_constant`` true, a one-way direction, and only its destination field. A reference holds the id of
    a record of another table: it is translated through the couplings of mapping ``reference``. Two steps are for
    references alone: ``by_number`` (the source holds the record's number, not its id) and ``empty_means``.
    """

    id: int
    left: str | None
    right: str | None
    left_info: FieldInfo | None
    right_info: FieldInfo | None
    revision: int = 1
    direction: Direction = Direction.BOTH
    to_right: tuple[Transform, ...] = ()
    to_left: tuple[Transform, ...] = ()
    has_constant: bool = False
    constant: str | None = None  # canonical JSON text of the destination's type
    group: str = ""
    owner: Side | None = None
    reference: int | None = None
    optional: bool = False
    keep_empty: bool = False
    personal: bool = False
    sensitive: bool = False
    #: Written into new records only; what becomes of the field afterwards is each app's own.
    only_new: bool = False
    #: Of a reference with the step ``empty_means``: id of the record that an empty field stands for, "" as long as
    #: nobody looked.
    empty_id: str = ""

    def name(self, side: Side) -> str | None:
        return self.left if side is Side.LEFT else self.right

    def info(self, side: Side) -> FieldInfo | None:
        return self.left_info if side is Side.LEFT else self.right_info

    def transforms(self, destination: Side) -> tuple[Transform, ...]:
        return self.to_right if destination is Side.RIGHT else self.to_left

    @property
    def unit(self) -> str:
        """What conflicts and is chosen as a whole: the group, or this field alone."""
        return f"group:{self.group}" if self.group else f"field:{self.id}"


@dataclass(frozen=True, slots=True)
class Template:
    """Values for new records on ``side`` whose source record matches ``when``; canonical texts. Lowest priority wins."""

    priority: int
    side: Side
    values: Mapping[str, str | None]
    when: Filter = ()


@dataclass(frozen=True, slots=True)
class Skew:
    """How far an app's clock is ahead of ours, in seconds, and how sure we are of it."""

    seconds: float = 0.0
    uncertainty: float = 0.0


@dataclass(frozen=True, slots=True)
class MappingRules:
    """Everything a run of one mapping goes by. Built once per job."""

    id: int
    name: str
    left: TableRef
    right: TableRef
    fields: tuple[FieldRule, ...]
    revision: int = 1
    direction: Direction = Direction.BOTH
    left_filter: Filter = ()
    right_filter: Filter = ()
    left_key_kind: KeyKind = KeyKind.OPAQUE
    right_key_kind: KeyKind = KeyKind.OPAQUE
    left_id_field: str | None = None
    right_id_field: str | None = None
    conflicts: ConflictPolicy = ConflictPolicy.ASK
    deletions: DeletionPolicy = DeletionPolicy.ASK
    only_coupled: bool = False
    templates: tuple[Template, ...] = ()
    preconditions: tuple[Precondition, ...] = ()
    #: id of the field rule whose value identifies a record in both apps; looked up before a create.
    natural_key: int | None = None
    left_skew: Skew = Skew()
    right_skew: Skew = Skew()

    def infos(self, side: Side) -> dict[str, FieldInfo]:
        """The described fields of one side by name: those that are mapped."""
        found = {}
        for rule in self.fields:
            name, info = rule.name(side), rule.info(side)
            if name and info:
                found[name] = info
        return found

    def table(self, side: Side) -> TableRef:
        return self.left if side is Side.LEFT else self.right

    def filter(self, side: Side) -> Filter:
        return self.left_filter if side is Side.LEFT else self.right_filter

    def key_kind(self, side: Side) -> KeyKind:
        return self.left_key_kind if side is Side.LEFT else self.right_key_kind

    def id_field(self, side: Side) -> str | None:
        return self.left_id_field if side is Side.LEFT else self.right_id_field

    def skew(self, side: Side) -> Skew:
        return self.left_skew if side is Side.LEFT else self.right_skew

    def fields_of(self, side: Side) -> tuple[str, ...]:
        """Names of the fields a run reads from one side: mapped, filtered, and asked for by templates and preconditions."""
        names: dict[str, None] = {}
        for rule in self.fields:
            if name := rule.name(side):
                names[name] = None
        for condition in self.filter(side):
            names[condition.field] = None
        for template in self.templates:
            if template.side is side.other:
                for condition in template.when:
                    names[condition.field] = None
        for precondition in self.preconditions:
            if precondition.record_side is side:
                names[precondition.field] = None
        return tuple(names)


#: In place of a rule's revision in a base image: somebody took back what was written here. Both apps' values count as
#: edits then, whatever side was chosen when coupling, and an empty one is not filled by itself.
TAKEN_BACK: Final = -1
#: Likewise: what stands here has not reached the other app yet: an optional reference whose parent is not coupled, or a
#: number that the app gave a record made in it. The field is decided as one without a base.
UNFILLED: Final = 0

#: Per field rule id: (revision of the rule, canonical text or None). As one app held it after the last agreement.
Image = Mapping[int, tuple[int, str | None]]


@dataclass(frozen=True, slots=True)
class Link:
    """The memory of one pair, as far as deciding needs it. A new record has one id and empty images."""

    left_id: str | None = None
    right_id: str | None = None
    left_base: Image = field(default_factory=dict)
    right_base: Image = field(default_factory=dict)
    #: The side chosen when the pair was coupled; settles fields without a base.
    prefer: Side | None = None

    def id(self, side: Side) -> str | None:
        return self.left_id if side is Side.LEFT else self.right_id

    def base(self, side: Side) -> Image:
        return self.left_base if side is Side.LEFT else self.right_base


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a reference cannot be translated: the record it names on ``side`` of ``mapping`` has no counterpart yet."""

    mapping: int
    side: Side
    record: str
    #: True where nothing will couple it by itself: out of filter, left out on purpose, removed, only-coupled.
    hopeless: bool = False
    reason: str = "not_coupled"
    mapping_name: str = ""
    record_name: str = ""


#: In front of the text of a reference that names its record by number instead of id.
BY_NUMBER: Final = "\x1fnumber:"

#: (mapping, side the value stands on, canonical id text, or BY_NUMBER and the number) → id on the other side, or why
#: there is none.
References = Mapping[tuple[int, Side, str], str | Blocker]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a person (or a rule) decided for one pair.

    ``side`` is for everything in conflict; ``units`` for single fields or groups (``FieldRule.unit`` → side) and wins over
    it. ``newest`` takes the side saved last. ``deletion``: what to do about a deleted counterpart. ``source``: every field
    that flows both ways and differs takes this side's value, edits of the other side included. ``create``: a new record is
    made also where only coupled records synchronize.
    """

    side: Side | None = None
    units: Mapping[str, Side] = field(default_factory=dict)
    newest: bool = False
    deletion: DeletionPolicy | None = None
    source: Side | None = None
    create: bool = False


class StepKind(StrEnum):
    UNCHANGED = "unchanged"  # nothing to write; memory (version, times, base images) advances
    IGNORED = "ignored"  # not ours to couple: outside the filter, or only-coupled; nothing is remembered
    LEFT_FILTER = "left_filter"  # coupled, but outside the filter now: the pair is left as it is, no error
    WRITE = "write"  # fields are written to one or both sides
    CREATE = "create"  # the counterpart is created on ``side``
    DELETE = "delete"  # the survivor on ``side`` is deleted
    UNCOUPLE = "uncouple"  # the pair ends, the survivor stays
    END = "end"  # both are gone: the pair ends by itself
    FAIL = "fail"  # ``failure`` says why nothing is written


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about one pair. Says everything that will be written before anything is.

    ``overwrites``: edits of a one-way field's destination, or of the losing side under a policy or decision, that the
    write replaces: side → field → canonical text that is lost. Journalled and shown.
    ``why``: short stable word for dry run and *Why is it not synchronizing?*.
    """

    kind: StepKind
    side: Side | None = None
    writes: Mapping[Side, Mapping[str, Value]] = field(default_factory=dict)
    overwrites: Mapping[Side, Mapping[str, str | None]] = field(default_factory=dict)
    failure: Failure | None = None
    why: str = ""
    restores: bool = False  # a CREATE that puts back a deleted counterpart

    @classmethod
    def fail(cls, failure: Failure, why: str = "") -> Step:
        return cls(StepKind.FAIL, failure=failure, why=why or failure.code)

    def written_sides(self) -> tuple[Side, ...]:
        return tuple(side for side in SIDES if self.writes.get(side))


Pair = tuple[Record | None, Record | None]
