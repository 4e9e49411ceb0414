"""Mappings as their list and page show them: state, numbers, what is wrong, rules in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.engine.serial import load_transforms
from synccore.failures import Misconfigured
from synccore.models import AppTable, FieldMapping, Problem, Stat, TableMapping
from synccore.services import fitting, setup, validation
from synccore.services.catalogue import Known
from synccore.shapes import SIDES, Side
from synccore.tables import State, app_names

from .fitting_words import warning_words
from .lists import LAST_JOB, NEXT_RUN, job_result
from .mapping_words import (
    KEY_KINDS,
    SIGNS,
    failure_words,
    filter_words,
    safe_creates,
    type_words,
)

#: Couplings are counted up to this number.
COUNTED = 10_000


def mappings_of(user: Any) -> QuerySet[Any]:
    """The mappings a user may see, with last job, next run, numbers, and when their apps' tables were read; one query."""
    stats = Stat.objects.filter(bucket__mapping=OuterRef("pk"), of_record=True, state__in=Problem.OPEN)
    problems = stats.order_by().values("bucket__mapping").annotate(sum=Sum("n")).values("sum")
    held = Problem.objects.not_ended().of_setup()
    of_apps = Q(connection=OuterRef("integration__left")) | Q(connection=OuterRef("integration__right"))
    found = TableMapping.objects.visible_to(user).select_related("integration__left", "integration__right")
    return found.annotate(
        last_job=Subquery(LAST_JOB),
        next_run=Subquery(NEXT_RUN),
        open_problems=Coalesce(Subquery(problems, output_field=IntegerField()), 0),
        couplings_counted=RawSQL(
            "SELECT count(*) FROM (SELECT 1 FROM synccore_coupling AS c WHERE c.mapping_id = synccore_tablemapping.id"
            " AND c.removed_at IS NULL AND c.ended_at IS NULL AND c.left_id IS NOT NULL AND c.right_id IS NOT NULL"
            f" LIMIT {COUNTED + 1}) AS counted",
            (),
            output_field=IntegerField(),
        ),
        stopped=Exists(held.filter(Q(mapping=OuterRef("pk")) | (Q(mapping=None) & of_apps))),
        **{f"{side.value}_read_at": _read_at(side) for side in SIDES},
    ).order_by("integration__name", "name", "pk")


def _read_at(side: Side) -> Subquery:
    tables = AppTable.objects.filter(connection=OuterRef(f"integration__{side.value}"))
    return Subquery(tables.order_by("-read_at").values("read_at")[:1])


@dataclass(frozen=True)
class Trouble:
    """Something wrong, or worth a word. ``forbids``: it keeps the mapping from running. ``row``: of which field mapping."""

    title: str
    sentence: str
    forbids: bool
    row: int | None = None

    @property
    def state(self) -> State:
        return State(self.title, "stop", "person") if self.forbids else State(self.title, "warning", "waits")


def troubles_of(mapping: TableMapping, rows: list[FieldMapping], known: Known) -> list[Trouble]:
    """What stands in a mapping's way, then its warnings; nothing where the tables of an app were never read."""
    if not known.complete:
        return []
    apps = app_names(mapping)
    failures = validation.of_mapping(mapping, rows, known.tables)
    found = [Trouble(*failure_words(failure, apps), forbids=True) for failure in failures]
    return found + [
        Trouble(*warning_words(each, apps), forbids=False, row=each.row)
        for each in fitting.warnings(mapping, rows, known)
    ]


class MappingRow:
    """One mapping of :func:`mappings_of`."""

    def __init__(self, mapping: Any, troubles: list[Trouble]) -> None:
        self.mapping, self.pk, self.name = mapping, mapping.pk, mapping.name
        self.apps = app_names(mapping)
        self.url = reverse("synccore:mapping", args=[mapping.pk])
        self.wrong = [each for each in troubles if each.forbids]
        self.warnings = [each for each in troubles if not each.forbids]

    @property
    def state(self) -> State:
        """Whether it runs; if not, why."""
        mapping = self.mapping
        if not mapping.enabled:
            return State(_("Switched off"), "pause", "closed")
        if mapping.integration.paused_since is not None:
            return State(_("Paused with its integration"), "pause", "waits", mapping.integration.paused_since)
        if mapping.stopped:
            return State(_("Set-up problem"), "wrench", "person")
        return State(_("Switched on"), "check", "good")

    @property
    def is_read(self) -> bool:
        return bool(self.mapping.left_read_at and self.mapping.right_read_at)

    @property
    def checked(self) -> State:
        """What is wrong with its set-up, in numbers."""
        if not self.is_read:
            return State(_("Tables not read yet"), "hourglass", "waits")
        if self.wrong:
            n = len(self.wrong)
            return State(
                ngettext("%(n)s thing to correct", "%(n)s things to correct", n) % {"n": n}, "stop", "person"
            )
        if self.warnings:
            n = len(self.warnings)
            return State(ngettext("%(n)s warning", "%(n)s warnings", n) % {"n": n}, "warning", "waits")
        return State(_("Nothing to correct"), "check", "good")

    @property
    def direction(self) -> str:
        return SIGNS.get(self.mapping.direction, "")

    @property
    def coupled(self) -> str:
        n = self.mapping.couplings_counted
        if n > COUNTED:
            return _("more than %(n)s") % {"n": number_format(COUNTED)}
        return number_format(n)

    @property
    def last(self) -> State | None:
        return job_result(self.mapping.last_job) if self.mapping.last_job else None

    @property
    def last_job(self) -> int | None:
        return self.mapping.last_job["id"] if self.mapping.last_job else None

    @property
    def next_run(self) -> datetime | None:
        return self.mapping.next_run if self.mapping.enabled else None

    @property
    def is_new(self) -> bool:
        """Whether it never ran, and does not run yet."""
        return not self.mapping.enabled and self.last_job is None

    @property
    def problems_url(self) -> str:
        return f"{reverse('coupling:coupled')}?tab=all&mapping={self.pk}"


@dataclass(frozen=True)
class SideFacts:
    """One side of a mapping in words."""

    side: str
    app: str
    table: str
    caption: str  # of the watermark, as the field calls it
    watermark: datetime | str | None
    fields: list[tuple[str, str]]
    filter_caption: str
    filter: list[str]
    creates: str
    read_at: datetime | None


def side_facts(mapping: TableMapping, known: Known) -> list[SideFacts]:
    apps = app_names(mapping)
    return [_side(mapping, side, apps[side.value], known) for side in SIDES]


def _side(mapping: TableMapping, side: Side, app: str, known: Known) -> SideFacts:
    def of(name: str) -> str:
        return getattr(mapping, f"{side.value}_{name}") or ""

    kind = next((label for kind, label in KEY_KINDS.items() if kind == of("key_kind")), "")
    key = f"{of('id_field')} ({kind})" if of("id_field") else ""
    named = [
        (_("Id"), key),
        (_("Modified on"), of("modified_field")),
        (_("Modified by"), of("modified_by_field")),
        (_("Number"), of("key_field")),
        (_("Name"), of("name_field")),
        (_("Owner"), of("owner_field")),
    ]
    is_left = side is Side.LEFT
    low = (mapping.watermark(side) or {}).get("low")
    return SideFacts(
        side=side.value,
        app=app,
        table=of("table"),
        caption=_("Synch. Int. Tbl. Mod. On Fltr.") if is_left else _("Synch. Modified On Filter"),
        watermark=moment_of(low),
        fields=named,
        filter_caption=_("Table Filter") if is_left else _("Integration Table Filter"),
        filter=filter_words(getattr(mapping, f"{side.value}_filter")),
        creates=safe_creates(setup.idempotency(mapping, side)),
        read_at=known.read_at[side],
    )


def moment_of(low: Any) -> datetime | str | None:
    """A watermark is the connector's own; where it is a moment it is shown as one."""
    if not isinstance(low, str):
        return None
    try:
        found = datetime.fromisoformat(low)
    except ValueError:
        return low
    return found if found.tzinfo else low


class FieldRow:
    """One field mapping on the mapping's page."""

    def __init__(
        self, mapping: TableMapping, row: FieldMapping, known: Known, troubles: list[Trouble]
    ) -> None:
        self.row = row
        self.left, self.right = row.left_field, row.right_field
        self.left_type = type_words(fitting.info_of(mapping, row, Side.LEFT, known)) if self.left else ""
        self.right_type = type_words(fitting.info_of(mapping, row, Side.RIGHT, known)) if self.right else ""
        self.sign = SIGNS.get(row.direction, "")
        self.warnings = [each for each in troubles if each.row == row.pk]

    @property
    def constant(self) -> str:
        return _("constant %(value)s") % {"value": self.row.constant} if self.row.has_constant else ""

    @property
    def notes(self) -> list[str]:
        """What is special about it, in words."""
        row = self.row
        notes = []
        if row.reference is not None:
            notes.append(_("refers to %(mapping)s") % {"mapping": row.reference.name})
        if row.group:
            notes.append(_("group %(group)s") % {"group": row.group})
        if row.owner:
            notes.append(_("%(app)s wins") % {"app": app_names(row.mapping)[row.owner]})
        flags = {
            "optional": _("optional"),
            "only_new": _("for new records only"),
            "keep_empty": _("empty is a value"),
            "personal": _("personal"),
            "sensitive": _("sensitive"),
            "accepted": _("values may not come back"),
        }
        notes += [words for name, words in flags.items() if getattr(row, name)]
        if _steps(row.to_right) or _steps(row.to_left):
            notes.append(_("converted"))
        return notes


def _steps(data: Any) -> bool:
    try:
        return bool(load_transforms(data, field=""))
    except Misconfigured:
        return True


def known_by_tables(found: dict[int, dict[str, Any]], mapping: Any) -> Known:
    """:class:`Known` of one mapping out of what was read for all of a list."""
    apps = {side: mapping.integration.connection(side).pk for side in SIDES}
    return Known(
        {side: found.get(apps[side], {}) for side in SIDES},
        {side: getattr(mapping, f"{side.value}_read_at") for side in SIDES},
    )
