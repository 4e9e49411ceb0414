"""Small steps that tests of jobs take again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from synccore import guides, jobs, schedule
from synccore.connectors.memory import MemoryApp
from synccore.failures import Failure
from synccore.models import FieldMapping, JobQueueEntry, Problem, SynchJob, TableMapping
from synccore.services import runs
from synccore.services.review import What
from synccore.shapes import FieldInfo, FieldType, KeyKind, Side
from tests.factories import number

from .conftest import Clock
from .world import World, fields_of_customers, table


def new(world: World, no: str, side: Side = Side.LEFT, **fields: Any) -> str:
    """A new record of the first mapping, made by a person; gives its id."""
    id = str(uuid4())
    name = "customer" if side is Side.LEFT else "account"
    world.app(side).put(name, id, {"no": no, "name": f"Firm {no}", **fields}, by="anna")
    return id


def pair(world: World, no: str, **fields: Any) -> tuple[str, str]:
    """A coupled pair; gives both ids."""
    left = new(world, no, **fields)
    world.run()
    right = world.coupling(no).right_id
    assert right is not None
    return left, right


def refuse(
    app: MemoryApp, make: Callable[[], Failure], *, when: Callable[[str, Any], bool] = lambda *_: True
) -> None:
    """From now on the app refuses the writes for which ``when(operation, item)`` holds."""
    app.faults.refuse = lambda operation, _table, item: make() if when(operation, item) else None


def accept(app: MemoryApp) -> None:
    app.faults.refuse = None


def work(limit: int = 60) -> list[SynchJob]:
    """Run what may start, as workers would, until nothing is left; gives the jobs in order."""
    done = []
    while (job := jobs.startable().first()) is not None:
        ended = jobs.run(job.pk)
        assert ended is not None
        done.append(ended)
        assert len(done) <= limit, "the queue never empties"
    return done


def start_full(mappings: Iterable[TableMapping], *, user: Any = None) -> tuple[SynchJob, list[runs.LeftOut]]:
    """A full synchronization of these mappings with nothing else chosen."""
    return runs.start_review({mapping: What.FULL for mapping in mappings}, user=user)


def tick() -> list[SynchJob]:
    """One tick, and what it started."""
    schedule.tick()
    return work()


def try_again(problem: Problem, clock: Clock) -> Problem:
    """Let the time of the next attempt come, and the tick with it."""
    clock.until(problem.next_attempt)
    tick()
    problem.refresh_from_db()
    return problem


def schedule_of(mapping: TableMapping, scope: str = "changes", **values: Any) -> JobQueueEntry:
    from django.utils import timezone

    values.setdefault("interval_seconds", 60)
    values.setdefault("next_run", timezone.now())
    return JobQueueEntry.objects.create(mapping=mapping, scope=scope, **values)


def contacts_of(world: World, **values: Any) -> TableMapping:
    """A second mapping whose records refer to those of the first by the field ``parent``."""
    world.left.add_table(table("contact", *fields_of_customers()), modified_by_field="modified_by")
    world.right.add_table(table("person", *fields_of_customers()), modified_by_field="modified_by")
    optional = values.pop("optional", False)
    mapping = world.add_mapping("contact", "person", ("no", "name", "parent"), name="Contacts", **values)
    FieldMapping.objects.filter(mapping=mapping, left_field="parent").update(
        reference=world.mapping, optional=optional
    )
    return mapping


def contact(world: World, no: str, parent: str | None) -> str:
    id = str(uuid4())
    world.left.put("contact", id, {"no": no, "name": f"Person {no}", "parent": parent})
    return id


def said(what: Problem | SynchJob, world: World) -> str:
    """The sentence that people read."""
    apps = {"left": world.left.name, "right": world.right.name}
    return guides.render(what.code, what.params, apps=apps, side=what.side, kind=what.kind).sentence


def only_problem() -> Problem:
    return Problem.objects.not_ended().get()


def opaque(**values: Any) -> tuple[World, TableMapping]:
    """Letters ⇄ letters: the right app numbers its records itself and tells the number only in its answer."""
    world = World()
    plain = (FieldInfo("no", FieldType.TEXT, length=20), FieldInfo("name", FieldType.TEXT, length=60))
    world.left.add_table(table("letter", *plain))
    world.right.add_table(table("mail", *plain, key_kind=KeyKind.OPAQUE))
    mapping = world.add_mapping(
        "letter", "mail", ("no", "name"), left_modified_by_field="", right_modified_by_field="", direction="to_right",
        right_key_kind=KeyKind.OPAQUE.value, **values,
    )  # fmt: skip
    return world, mapping


def letter(world: World) -> None:
    id = f"00000000-0000-4000-8000-{number():012d}"
    world.left.put("letter", id, {"no": "L1", "name": "Dear"})
