"""Two small business apps in memory and a mapping between them, for tests of everything that runs in a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synccore import jobs
from synccore.connectors.memory import MemoryApp
from synccore.engine.serial import dump_info
from synccore.models import Coupling, FieldMapping, Integration, Journal, Problem, SynchJob, TableMapping
from synccore.services import setup
from synccore.shapes import SIDES, FieldInfo, FieldType, KeyKind, Side, TableInfo
from tests.factories import make_connection, make_integration, make_mapping, number

TEXT = FieldType.TEXT


def table(name: str, *fields: FieldInfo, key_kind: KeyKind = KeyKind.UUID) -> TableInfo:
    """A table with id, stamp and person besides its own fields."""
    guid = key_kind is KeyKind.UUID
    own = (
        FieldInfo("id", FieldType.GUID if guid else FieldType.INTEGER, required=True, unique=True),
        FieldInfo("modified_at", FieldType.INSTANT, read_only=True),
        FieldInfo("modified_by", TEXT, read_only=True),
    )
    return TableInfo(
        name=name,
        fields={field.name: field for field in (*own, *fields)},
        id_field="id",
        key_kind=key_kind,
        modified_field="modified_at",
    )


def fields_of_customers(*, name_length: int = 100) -> tuple[FieldInfo, ...]:
    return (
        FieldInfo("no", TEXT, length=20),
        FieldInfo("name", TEXT, length=name_length),
        FieldInfo("phone", TEXT, length=40),
        FieldInfo("city", TEXT, length=60),
        FieldInfo("parent", FieldType.GUID),
    )


class World:
    """ERP ⇄ CRM with customers ⇄ accounts, every rule at its default. ``left`` and ``right`` are the two apps."""

    def __init__(self, *, fields: tuple[str, ...] = ("no", "name", "phone", "city"), **values: Any) -> None:
        self.left, self.right = (MemoryApp(f"{side} {number()}") for side in ("ERP", "CRM"))
        for app in (self.left, self.right):
            MemoryApp._apps[app.name] = app
        self.left.add_table(table("customer", *fields_of_customers()), modified_by_field="modified_by")
        self.right.add_table(table("account", *fields_of_customers()), modified_by_field="modified_by")
        self.integration: Integration = make_integration(
            *(make_connection(app.name, options={"name": app.name}) for app in (self.left, self.right))
        )
        self.mapping = self.add_mapping("customer", "account", fields, **values)

    def add_mapping(self, left: str, right: str, fields: tuple[str, ...], **values: Any) -> TableMapping:
        for side in SIDES:
            values.setdefault(f"{side.value}_id_field", "id")
            values.setdefault(f"{side.value}_modified_field", "modified_at")
            values.setdefault(f"{side.value}_modified_by_field", "modified_by")
            values.setdefault(f"{side.value}_key_field", "no")
            values.setdefault(f"{side.value}_name_field", "name")
            info = self.app(side).tables[left if side is Side.LEFT else right].info
            values.setdefault(f"{side.value}_key_kind", info.key_kind.value)
        mapping = make_mapping(integration=self.integration, left_table=left, right_table=right, **values)
        for position, name in enumerate(fields):
            FieldMapping.objects.create(
                mapping=mapping,
                position=position,
                left_field=name,
                right_field=name,
                left_info=dump_info(self.left.tables[left].info.fields[name]),
                right_info=dump_info(self.right.tables[right].info.fields[name]),
            )
        return mapping

    def app(self, side: Side) -> MemoryApp:
        return self.left if side is Side.LEFT else self.right

    def change_mapping(self, **values: Any) -> None:
        """Change rules as the set-up page does: the revision moves."""
        for name, value in values.items():
            setattr(self.mapping, name, value)
        self.mapping.save()
        setup.bump_revision(self.mapping)

    # -- running -------------------------------------------------------------------------------------------------------

    def queue(self, verb: str = "synchronise", scope: str = "changes", **values: Any) -> SynchJob:
        values.setdefault("mapping", self.mapping)
        values.setdefault("origin", "person" if values.get("requested_by") else "schedule")
        return jobs.enqueue(verb=verb, scope=scope, **values)

    def run(
        self,
        verb: str = "synchronise",
        scope: str = "changes",
        *,
        observe: Callable[[str], None] | None = None,
        **values: Any,
    ) -> SynchJob:
        job = self.queue(verb, scope, **values)
        done = jobs.run(job.pk, observe=observe)
        assert done is not None
        return done

    def settle(self, rounds: int = 5) -> None:
        """Sweeps and runs until a round finds nothing to do."""
        for _round in range(rounds):
            self.run(scope="sweep")
            job = self.run()
            SynchJob.objects.filter(state=SynchJob.State.QUEUED).delete()
            if not (job.inserted or job.modified or job.deleted):
                return

    # -- looking -------------------------------------------------------------------------------------------------------

    def rows(self, side: Side) -> dict[str, dict[str, Any]]:
        name = "customer" if side is Side.LEFT else "account"
        return {id: row.fields for id, row in self.app(side).tables[name].rows.items()}

    def by_no(self, side: Side) -> dict[str, dict[str, Any]]:
        return {str(row["no"]): row for row in self.rows(side).values()}

    def coupling(self, no: str) -> Coupling:
        return Coupling.objects.live().get(mapping=self.mapping, left_key=no)

    def problem(self, no: str = "") -> Problem | None:
        found = Problem.objects.not_ended()
        if no:
            return found.filter(coupling__left_key=no).first() or found.filter(coupling__right_key=no).first()
        return found.filter(coupling=None).first()

    def journal(self) -> list[Journal]:
        return list(Journal.objects.order_by("id"))
