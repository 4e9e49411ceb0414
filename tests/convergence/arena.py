"""Two small apps, two mappings between them, the people who work in the apps, and the trouble they get into.

The state machine and the directed scenarios use the same operations. Every value a person types is kept in a
history, so that the checker can ask afterwards what became of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from django.utils import timezone

from synccore import jobs, services
from synccore.connectors.memory import MemoryApp
from synccore.connectors.memory.app import MemoryTable
from synccore.engine.serial import dump_info
from synccore.failures import Failure, Misconfigured, Rejected, Scope, Transient, Unrecognised
from synccore.models import Coupling, FieldMapping, JobItem, Journal, Problem, SynchJob, TableMapping
from synccore.services import setup
from synccore.services.jobs import NotNow
from synccore.shapes import SIDES, FieldInfo, FieldType, KeyKind, Side
from tests.factories import make_connection, make_field, make_integration, make_mapping, number
from tests.jobs.world import table

from . import by_hand

Kind = Literal["company", "person"]
KINDS: tuple[Kind, ...] = ("company", "person")
TEXT = FieldType.TEXT

#: Moments at which a run can be ended, or overtaken by a person: steps of the engine, and both ends of every remote call.
STEPS = ("intended", "sent", "before page", "page stored", "page committed", "scanned")
CALLS = ("create", "update", "delete", "fetch", "find", "changes", "versions", "reserve_ids")
MOMENTS = (*STEPS, *(f"{when} {call}" for call in CALLS for when in ("before", "after")))


class Killed(BaseException):
    """The worker's process ends here. No ``except Exception`` sees it, as none would see a SIGKILL."""


@dataclass(frozen=True)
class Setup:
    """What is fixed for one world. Every policy can be changed later, as on the set-up page."""

    conflicts: str = "ask"
    deletions: str = "ask"
    direction: str = "both"
    one_way: str = "to_right"
    grouped: bool = True
    owner: str = ""
    natural: bool = False
    left_keys: KeyKind = KeyKind.UUID
    right_keys: KeyKind = KeyKind.UUID
    normalises: Side | None = None
    filtered: bool = False
    template: bool = False
    page: int | None = None
    skew: float = 0.0
    deletions_min: int = 10_000
    creations_min: int = 10_000
    overlap: int = 300


@dataclass(eq=False)
class Edit:
    """One value a person typed into one field of one record. ``birth`` names the record through all copies and ids."""

    kind: Kind
    side: Side
    birth: str
    field: str
    value: str | None
    n: int
    raw: str | None
    #: A person typed over it, or deleted the record, in an app that showed it.
    replaced: bool = False
    #: Both apps held it at the same time.
    met: bool = False


@dataclass
class Trouble:
    """What happens in a run: the ``nth`` time ``moment`` is reached, ``act`` is called (None: the process ends)."""

    moment: str
    nth: int = 1
    act: Callable[[], None] | None = None


def shout(name: str, value: Any) -> Any:
    """What an app with normalising writes makes of names: capitals, no blanks around them."""
    return value.strip().upper() if name == "name" and isinstance(value, str) else value


class Arena:
    """ERP ⇄ CRM: companies (customer/account) and the people who work there (person/contact, refer to their company)."""

    TABLES = {"company": ("customer", "account"), "person": ("person", "contact")}

    def __init__(self, setup: Setup | None = None) -> None:
        self.setup = setup or Setup()
        self.apps = {side: MemoryApp.get(f"{side.value} {number()}") for side in SIDES}
        keys = {Side.LEFT: self.setup.left_keys, Side.RIGHT: self.setup.right_keys}
        for side, app in self.apps.items():
            reference = FieldType.GUID if keys[side] is KeyKind.UUID else FieldType.INTEGER
            for kind in KINDS:
                app.add_table(
                    table(
                        self.table(kind, side),
                        *_fields(kind, reference, self.setup.natural),
                        key_kind=keys[side],
                    ),
                    modified_by_field="modified_by",
                )
            app.faults.page_limit = self.setup.page
            app.faults.hook = self._hook
        if self.setup.normalises:
            self.apps[self.setup.normalises].faults.normalise = shout
        self.apps[Side.RIGHT].faults.skew = self.setup.skew
        connections = [
            make_connection(
                app.name,
                options={"name": app.name},
                overlap_seconds=self.setup.overlap,
                skew_seconds=app.faults.skew,
            )
            for app in self.apps.values()
        ]
        self.integration = make_integration(*connections)
        self.mappings: dict[Kind, TableMapping] = {}
        for kind in KINDS:
            self.mappings[kind] = self._mapping(kind, keys)
        self.history: list[Edit] = []
        self.births: dict[tuple[Kind, Side, str], str] = {}  # id ever seen → birth mark
        self._same: dict[str, str] = {}  # births that a person coupled: one record from then on
        self._asked: set[tuple[str, str]] = set()
        self._bin: list[tuple[Kind, Side, str, dict[str, Any]]] = []
        #: What people saw as a whole address after typing, by birth.
        self.addresses: set[tuple[str, str | None, str | None]] = set()
        #: Records that people deleted: kind, side, birth.
        self.deleted: set[tuple[Kind, Side, str]] = set()
        #: Mappings whose policy ever decided conflicts; fields whose bases were ever void.
        self.policy_decides: set[Kind] = set(KINDS) if self.setup.conflicts != "ask" else set()
        self.has_coupled = False
        self.coupled_by_hand: set[str] = set()
        self.voided: set[tuple[Kind, str]] = set()
        #: One-way fields that Undo put back: kind, birth, field.
        self.taken_back: set[tuple[Kind, str, str]] = set()
        #: The job that runs.
        self.job: SynchJob | None = None
        self._n = 0
        self._troubles: list[Trouble] = []
        self._met: Counter[str] = Counter()
        self.refused: dict[str, Failure] = {}
        for side, app in self.apps.items():
            app.faults.refuse = self._refuse
            by_hand.watch(self, side, app)

    def _mapping(self, kind: Kind, keys: dict[Side, KeyKind]) -> TableMapping:
        s = self.setup
        values: dict[str, Any] = {
            "conflicts": s.conflicts,
            "deletions": s.deletions,
            "direction": s.direction,
            "deletions_min": s.deletions_min,
            "creations_min": s.creations_min,
        }
        for side in SIDES:
            values |= {
                f"{side.value}_table": self.table(kind, side),
                f"{side.value}_id_field": "id",
                f"{side.value}_modified_field": "modified_at",
                f"{side.value}_modified_by_field": "modified_by",
                f"{side.value}_key_field": "no",
                f"{side.value}_name_field": "name",
                f"{side.value}_key_kind": keys[side].value,
            }
        if s.filtered and kind == "company":
            values["left_filter"] = [{"field": "closed", "operator": "empty"}]
        if s.template:
            values["templates"] = [
                {"priority": 1, "side": "right", "values": {"source": '"template"'}, "when": []},
            ]
        mapping = make_mapping(f"{kind} {number()}", integration=self.integration, **values)
        rows = {}
        for name in (
            "no",
            "name",
            "phone",
            *(("street", "zip", "note") if kind == "company" else ("company",)),
        ):
            infos = {
                f"{side.value}_info": dump_info(
                    self.apps[side].tables[self.table(kind, side)].info.fields[name]
                )
                for side in SIDES
            }
            more: dict[str, Any] = {}
            if name in ("street", "zip") and s.grouped:
                more["group"] = "address"
            if name == "note":
                more["direction"] = s.one_way
            if name == "phone":
                more["owner"] = s.owner
            if name == "company":
                more["reference"] = self.mappings["company"]
            rows[name] = make_field(mapping, name, **infos, **more)
        if s.natural:
            mapping.natural_key = rows["no"].pk
            mapping.save()
        return mapping

    @classmethod
    def table(cls, kind: Kind, side: Side) -> str:
        return cls.TABLES[kind][side is Side.RIGHT]

    @classmethod
    def kind_of_table(cls, table: str) -> Kind:
        return next(kind for kind in KINDS if table in cls.TABLES[kind])

    def kind_of(self, mapping: int) -> Kind:
        return next(kind for kind in KINDS if self.mappings[kind].pk == mapping)

    def rows(self, kind: Kind, side: Side) -> dict[str, dict[str, Any]]:
        return {id: row.fields for id, row in self.memory(kind, side).rows.items()}

    def memory(self, kind: Kind, side: Side) -> MemoryTable:
        return self.apps[side].tables[self.table(kind, side)]

    def forget(self) -> None:
        for app in self.apps.values():
            MemoryApp.forget(app.name)

    # -- what values mean -----------------------------------------------------------------------------------------------

    def one(self, birth: str) -> str:
        """The one name of records that a person coupled."""
        while birth in self._same:
            birth = self._same[birth]
        return birth

    def meaning(self, kind: Kind, side: Side, name: str, value: Any) -> str | None:
        """A value as it can be compared across sides: references by the record they mean, names without their writing."""
        if value is None or value == "":
            return None
        if name == "company":
            text = str(value).lower()
            birth = self.births.get(("company", side, text))
            return self.one(birth) if birth else f"? {text}"
        if name == "no":
            return self.one(str(value))
        return str(shout(name, value)) if self.setup.normalises else str(value)

    def look(self) -> None:
        """Take notice of what stands where now: records under new ids, values that both apps hold."""
        for kind in KINDS:
            for side in SIDES:
                for id, row in self.rows(kind, side).items():
                    self.births.setdefault((kind, side, id), str(row["no"]))
        for left, right in list(self._asked):
            coupled = Coupling.objects.live().filter(
                mapping__integration=self.integration, left_id=left, right_id=right
            )
            for kind in KINDS:
                if coupled.filter(mapping=self.mappings[kind]).exists():
                    self._join(kind, left, right)
        held = {side: self._held(side) for side in SIDES}
        for edit in self.history:
            cell = (edit.kind, self.one(edit.birth), edit.field, edit.value)
            if not edit.met and cell in held[Side.LEFT] and cell in held[Side.RIGHT]:
                edit.met = True

    def _join(self, kind: Kind, left: str, right: str) -> None:
        marks = [self.births.get((kind, side, id)) for side, id in ((Side.LEFT, left), (Side.RIGHT, right))]
        self._asked.discard((left, right))
        if all(marks):
            one, other = (self.one(str(mark)) for mark in marks)
            if one != other:
                self._same[other] = one
                for edit in self.history:
                    if edit.field in ("no", "company") and edit.value is not None:
                        edit.value = self.one(edit.value)

    def _held(self, side: Side) -> set[tuple[Kind, str, str, str | None]]:
        return {
            (kind, self.birth(kind, side, id), name, self.meaning(kind, side, name, value))
            for kind in KINDS
            for id, row in self.rows(kind, side).items()
            for name, value in row.items()
        }

    def birth(self, kind: Kind, side: Side, id: str) -> str:
        return self.one(self.births[(kind, side, id)])

    # -- people in the apps -----------------------------------------------------------------------------------------------

    def fresh(self, word: str) -> str:
        self._n += 1
        return f"{word}{self._n}"

    def create(self, kind: Kind, side: Side, *, no: str = "", **values: Any) -> str:
        """A new record. With ``no`` the twin of one that stands in the other app under the same number."""
        self.look()
        memory = self.memory(kind, side)
        id = memory.next_id()
        no = no or self.fresh("C" if kind == "company" else "P")
        self.births[(kind, side, id)] = no
        self._type(kind, side, id, {"no": no, "name": f"Firm {no} {side.value[0]}", **values}, "now")
        return id

    def edit(self, kind: Kind, side: Side, id: str, *, late: float = 0.0, **values: Any) -> None:
        """Type over fields of a record. ``late``: with a stamp that many seconds old, as after a long transaction."""
        if id not in self.rows(kind, side):
            return
        self.look()
        self._type(kind, side, id, values, late)

    def _type(self, kind: Kind, side: Side, id: str, values: dict[str, Any], late: float | str) -> None:
        app, row = self.apps[side], self.rows(kind, side).get(id)
        for name, value in values.items():
            if row is not None:
                self.replace(kind, side, id, name, row[name])
            if name in ("closed", "source"):
                continue  # not mapped: nobody's business
            self.note(kind, side, id, name, value)
        stamp = app.now() - timedelta(seconds=late) if isinstance(late, float) and late else "now"
        app.put(self.table(kind, side), id, values, by="anna", stamp=stamp)  # type: ignore[arg-type]
        self.addresses.add((self.birth(kind, side, id), *self.address(self.rows(kind, side)[id])))

    def note(self, kind: Kind, side: Side, id: str, name: str, value: Any) -> None:
        """Keep in the history what a person types."""
        meaning = self.meaning(kind, side, name, value)
        raw = value if isinstance(value, str) and value else None
        self.history.append(
            Edit(kind, side, self.birth(kind, side, id), name, meaning, len(self.history), raw)
        )

    def replace(self, kind: Kind, side: Side, id: str, name: str, value: Any) -> None:
        meaning, birth = self.meaning(kind, side, name, value), self.birth(kind, side, id)
        for edit in self.history:
            if (edit.kind, self.one(edit.birth), edit.field, edit.value) == (kind, birth, name, meaning):
                edit.replaced = True

    @staticmethod
    def address(row: dict[str, Any]) -> tuple[str | None, str | None]:
        """The fields that mean something together only."""
        return row.get("street") or None, row.get("zip") or None

    def delete(self, kind: Kind, side: Side, id: str) -> None:
        row = self.rows(kind, side).get(id)
        if row is None:
            return
        self.look()
        for name, value in row.items():
            self.replace(kind, side, id, name, value)
        self.deleted.add((kind, side, self.birth(kind, side, id)))
        self._bin.append((kind, side, id, dict(row)))
        self.apps[side].remove(self.table(kind, side), id)

    def undelete(self) -> None:
        """Take the last deleted record out of the bin, under its old id; not where the app holds that record again."""
        while self._bin:
            kind, side, id, row = self._bin.pop()
            self.look()
            births = {self.birth(kind, side, each) for each in self.rows(kind, side)}
            if self.birth(kind, side, id) in births:
                continue
            values = {n: v for n, v in row.items() if n not in ("id", "modified_at", "modified_by")}
            self._type(kind, side, id, values, "now")
            return

    # -- trouble ----------------------------------------------------------------------------------------------------------

    def _hook(self, when: str, method: str) -> None:
        self.moment(f"{when} {method}")

    def moment(self, name: str) -> None:
        """Something in a run is about to happen, or has: the time for what was planned there."""
        self._met[name] += 1
        for trouble in [t for t in self._troubles if t.moment == name and t.nth == self._met[name]]:
            self._troubles.remove(trouble)
            if trouble.act is None:
                raise Killed
            trouble.act()

    def _refuse(self, operation: str, table: str, item: Any) -> Failure | None:
        fields = getattr(item, "fields", {})
        for value in fields.values():
            if isinstance(value, str) and value in self.refused:
                return _copy(self.refused[value])
        return None

    def refuse(self, value: str, kind: str) -> None:
        """The apps refuse to store this value until :meth:`calm`."""
        self.refused[value] = {
            "rejected": Rejected(
                "value_refused", {"table": "t", "field": "phone", "value": value, "limit": ""}
            ),
            "transient": Transient("locked", {"table": "t"}),
            "unknown": Unrecognised("unrecognised", {}, app_message="Error 17"),
            "right": Misconfigured("right_missing", {"table": "t"}, scope=Scope.RECORD),
        }[kind]

    def fail_next(self, side: Side, kind: str) -> None:
        """The next call to an app does nothing but fail."""
        failure = {
            "connection": Transient("connection_lost", {"app": "x", "user": "y"}, scope=Scope.CONNECTION),
            "table": Misconfigured("right_missing", {"table": "t"}),
            "record": Transient("locked", {"table": "t"}),
            "odd": Unrecognised("unrecognised", {}, app_message="Error 18"),
        }[kind]
        self.apps[side].faults.fail.append(failure)

    def calm(self) -> None:
        """Every fault stops."""
        self.refused.clear()
        self._troubles.clear()
        for app in self.apps.values():
            app.faults.flaky_versions = False
            app.faults.fail.clear()
            app.faults.lose_answers = 0

    def time_passes(self, seconds: float = 0.0) -> None:
        """What waits is due; the apps' clocks move on."""
        past = timezone.now() - timedelta(seconds=1)
        Problem.objects.exclude(next_attempt=None).update(next_attempt=past)
        for app in self.apps.values():
            app.clock += timedelta(seconds=seconds)

    # -- jobs -------------------------------------------------------------------------------------------------------------

    def queue(self, kind: Kind, scope: str = "changes", verb: str = "synchronise") -> SynchJob:
        return jobs.enqueue(
            verb=verb, scope=scope, mapping=TableMapping.objects.get(pk=self.mappings[kind].pk)
        )

    def work(self, *troubles: Trouble) -> bool:
        """Work the queue as a worker does; False where its process was killed. What it leaves running loses its lease."""
        self._troubles, self._met = list(troubles), Counter()
        self.revive()
        try:
            for _n in range(40):
                job = jobs.startable().first()
                if job is None:
                    return True
                self.job = job
                jobs.run(job.pk, observe=self.moment)
        except Killed:
            return False
        finally:
            self._troubles, self.job = [], None
            self.look()
        raise AssertionError("the queue never empties")

    def revive(self) -> None:
        """What the tick does about dead workers, once their lease is over."""
        SynchJob.objects.filter(state=SynchJob.State.RUNNING, lease_until__isnull=False).update(
            lease_until=timezone.now() - timedelta(seconds=1)
        )
        jobs.take_over()

    def run(self, *troubles: Trouble, kinds: Iterable[Kind] = KINDS, scope: str = "changes") -> bool:
        for kind in kinds:
            self.queue(kind, scope)
        return self.work(*troubles)

    def sweep(self, *troubles: Trouble, kinds: Iterable[Kind] = KINDS) -> bool:
        return self.run(*troubles, kinds=kinds, scope="sweep")

    # -- people in Tandem -------------------------------------------------------------------------------------------------

    def couplings(self, **filters: Any) -> Any:
        return Coupling.objects.filter(mapping__integration=self.integration, **filters)

    def decide(self, verb: str, coupling: Coupling, **options: Any) -> None:
        """Press a button on one record; its job waits in the queue."""
        chosen = Coupling.objects.filter(pk=coupling.pk)
        if verb == "retry":
            services.retry(chosen, user=None)
        else:
            services.start_bulk(verb, chosen, user=None, options=options)

    def couple(self, kind: Kind, left: str, right: str, prefer: str) -> None:
        self.look()
        try:
            services.couple(self.mappings[kind], left=left, right=right, user=None, prefer=prefer)
        except NotNow:
            return  # somebody else's press about one of the two waits
        self._asked.add((left, right))
        self.has_coupled = True
        self.coupled_by_hand |= {
            self.births.get((kind, Side.LEFT, left), ""),
            self.births.get((kind, Side.RIGHT, right), ""),
        }

    def uncoupled(self, kind: Kind, side: Side) -> list[str]:
        """Records of an app without a living counterpart in Tandem's memory."""
        paired = set(
            Coupling.objects.live()
            .paired()
            .filter(mapping=self.mappings[kind])
            .values_list(f"{side.value}_id", flat=True)
        )
        return [id for id in self.rows(kind, side) if id not in paired]

    def change_mapping(self, kind: Kind, *, fields: Collection[str] = (), **values: Any) -> None:
        """Save the set-up page of a mapping; ``fields`` are those whose rules changed, their base images are void."""
        mapping = TableMapping.objects.get(pk=self.mappings[kind].pk)
        for name, value in values.items():
            setattr(mapping, name, value)
        mapping.save()
        if values.get("conflicts", "ask") != "ask":
            self.policy_decides.add(kind)
        self.voided |= {(kind, name) for name in fields}
        rows = list(FieldMapping.objects.filter(mapping=mapping, left_field__in=list(fields)))
        setup.bump_revision(mapping, fields=rows)

    # -- coming to rest ---------------------------------------------------------------------------------------------------

    def settle(self, *, wins: Side = Side.LEFT, restores: bool = True, rounds: int = 8) -> None:
        """Faults stop; a few runs and sweeps, and a person who decides what is left to decide. Fails where no rest comes."""
        self.calm()
        for _round in range(rounds):
            self.time_passes(1.0)
            before = self._moves()
            for kind in KINDS:
                self.queue(kind)
            self.sweep()  # after the runs; what it finds is taken up by the run it leaves behind
            quiet = self._moves() == before and not self._open()
            if not self._decide_all(wins, restores) and quiet:
                return
        raise AssertionError(f"no rest after {rounds} rounds: {self._open()}")

    def _moves(self) -> tuple[int, int, int]:
        """What grows with everything that moves: writes, finds of sweeps, problems that end."""
        mine = {"mapping__integration": self.integration}
        return (
            Journal.objects.filter(**mine, state="done").count(),
            JobItem.objects.filter(**mine).count(),
            Problem.objects.filter(**mine, state="ended").count(),
        )

    def _open(self) -> list[Any]:
        mine = {"mapping__integration": self.integration}
        return [
            *SynchJob.objects.unfinished().filter(**mine),
            *JobItem.objects.filter(**mine, state="open", purpose="found"),
        ]

    def allow(self) -> int:
        """An administrator looks at what the brakes hold back and allows it, once. Returns how many mappings were held."""
        held = (
            Problem.objects.not_ended()
            .of_setup()
            .filter(kind="stopped", mapping__integration=self.integration)
        )
        for problem in held:
            services.allow_once(SynchJob.objects.get(pk=problem.last_job), user=None, reason="looked at")
        return len(held)

    def _decide_all(self, wins: Side, restores: bool) -> int:
        """What a diligent person would do about everything that waits for one. Returns how many decisions there were."""
        n = self.allow()
        for problem in Problem.objects.of_records().open().filter(mapping__integration=self.integration):
            assert problem.coupling is not None
            if problem.kind == "conflict":
                self.decide("resolve", problem.coupling, side=wins.value)
            elif problem.kind == "missing":
                self.decide("restore" if restores else "delete", problem.coupling)
            elif problem.kind in ("blocked", "rejected") and problem.attempts > 6:
                continue  # tried again and again with every fault gone: the checker says whether it may stay
            else:
                self.decide("retry", problem.coupling)
            n += 1
        if n:
            self.work()
        return n


def _fields(kind: Kind, reference: FieldType, natural: bool) -> tuple[FieldInfo, ...]:
    names = (
        ("name", "phone", "street", "zip", "note", "closed", "source")
        if kind == "company"
        else ("name", "phone", "source")
    )
    own = tuple(FieldInfo(name, TEXT, length=80) for name in names)
    link = (FieldInfo("company", reference),) if kind == "person" else ()
    return (FieldInfo("no", TEXT, length=20, unique=natural), *own, *link)


def _copy(failure: Failure) -> Failure:
    return type(failure)(failure.code, failure.params, app_message=failure.app_message, scope=failure.scope)
