"""What every list of records shares: scope, counts, mapping lines and banners, and the actions on records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Exists, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils.translation import gettext as _

from synccore import actions, roles
from synccore.failures import Kind
from synccore.models import JobQueueEntry, SynchJob, TableMapping
from synccore.models.job import OUTCOMES
from synccore.models.mapping import with_read_mappings
from synccore.models.scoping import GrantLevel
from synccore.search import couplings_numbered
from synccore.tables import State
from ui.actions import NAMES_SHOWN, Action, Outcome, Told
from ui.due import is_due, is_late
from ui.paging import Page
from ui.search import Numbers, Pasted
from ui.views import ListPage

from . import questions
from .banners import banners as banners
from .navigation import counts, integrations

LAST_JOB = (
    SynchJob.objects.filter(
        mapping=OuterRef("pk"),
        verb="synchronise",
        state__in=(SynchJob.State.FINISHED, SynchJob.State.FAILED),
        scope__in=(SynchJob.Scope.CHANGES, SynchJob.Scope.FULL),  # a run of the mapping, not of a few records
    )
    .order_by("-queued_at", "-pk")
    .values(
        said=JSONObject(
            id="pk", state="state", kind="kind", finished="finished_at", **{name: name for name in OUTCOMES}
        )
    )[:1]
)
NEXT_RUN = (
    JobQueueEntry.objects.filter(mapping=OuterRef("pk"))
    .exclude(status=JobQueueEntry.Status.ON_HOLD)
    .order_by()
    .values("mapping")
    .annotate(first=Min("next_run"))
    .values("first")
)


@dataclass(frozen=True)
class MappingLine:
    """One mapping above a list: when it last ran, with what result, and when it runs next."""

    pk: int
    name: str
    job: int | None
    state: State
    scanned: int
    next_run: datetime | None
    due: bool
    late: bool


def visible_mappings(user: Any) -> list[TableMapping]:
    """The mappings a user may see, switched off ones too, with last job, next run and captions; one query."""
    return list(
        TableMapping.objects.visible_to(user)
        .with_captions()
        .select_related("integration__left", "integration__right")
        .annotate(last_job=Subquery(LAST_JOB), next_run=Subquery(NEXT_RUN))
        .order_by("name", "pk")
    )


def mapping_lines(mappings: list[TableMapping]) -> list[MappingLine]:
    lines = []
    for mapping in mappings:
        if not mapping.enabled:
            continue
        job = mapping.last_job  # type: ignore[attr-defined]
        next_run = mapping.next_run  # type: ignore[attr-defined]
        lines.append(
            MappingLine(
                mapping.pk,
                mapping.name,
                job["id"] if job else None,
                job_result(job),
                sum(job[name] for name in OUTCOMES) if job else 0,
                next_run,
                next_run is not None and is_due(next_run),
                next_run is not None and is_late(next_run),
            )
        )
    return lines


def job_result(job: dict[str, Any] | None) -> State:
    """How the last job of a mapping or schedule ended, and when."""
    if job is None:
        return State(_("has not run yet"), "hourglass", "waits")
    at = datetime.fromisoformat(job["finished"]) if job["finished"] else None
    if job["state"] == SynchJob.State.FINISHED:
        if job["failed"]:
            return State(_("%(n)s failed") % {"n": job["failed"]}, "warning", "waits", at)
        return State(_("no failures"), "check", "good", at)
    if job["kind"] == Kind.STOPPED.value:
        return State(_("stopped for safety"), "stop", "person", at)
    return State(_("stopped by an error"), "stop", "person", at)


class RecordListPage(ListPage):
    """A list page whose rows belong to mappings, and whose actions work on couplings."""

    @cached_property
    def mappings(self) -> list[TableMapping]:
        found = visible_mappings(self.request.user)
        self.request.tandem_mappings = found  # type: ignore[attr-defined]  # the frame asks no second time
        return found

    @cached_property
    def next_runs(self) -> Mapping[int, datetime]:
        return {each.pk: each.next_run for each in self.mappings if each.next_run}  # type: ignore[attr-defined]

    def with_mappings(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows, each with its mapping as this page has read it."""
        return with_read_mappings(rows, self.mappings)

    def scoped(self, rows: Any) -> QuerySet[Any]:
        """``rows.visible_to(user)`` with the mappings' ids written out, so that the database knows how many there are.

        The ids come from a query that was scoped itself.
        """
        if self.request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
            return rows.visible_to(self.request.user)
        return rows.filter(mapping_id__in=[each.pk for each in self.mappings])

    def counts(self) -> dict[str, int]:
        return counts(self.request)

    def choices(self) -> dict[str, Any]:
        return {
            "mapping": [(each.pk, each.name) for each in self.mappings],
            "integration": integrations(self.request),
        }

    def mappings_in_view(self) -> list[TableMapping]:
        chosen, of = self.params.get("mapping", ""), self.params.get("integration", "")
        return [
            each
            for each in self.mappings
            if chosen in ("", str(each.pk)) and of in ("", str(each.integration_id))
        ]

    def pasted(self, page: Page) -> Pasted | None:
        """The pasted numbers that are in no row, in one query: those of records Tandem knows, and unknown ones."""
        given = self.filter.searched
        if not isinstance(given, Numbers):
            return None
        couplings = couplings_numbered(given.numbers, self.filter.visible_mappings)  # type: ignore[attr-defined]
        listed = self.targets(self.matching()).order_by().filter(pk=OuterRef("pk"))
        rows = (
            self.scoped(couplings)
            .annotate(_here=Exists(listed))
            .values_list("left_key", "right_key", "left_id", "right_id", "_here")
        )
        return given.sorted_out((names, is_here) for *names, is_here in rows)

    # --- actions on couplings ---------------------------------------------------------------------------

    def allowed(self, action: Action, targets: QuerySet[Any]) -> QuerySet[Any]:
        return actions.allowed(action, targets, self.request.user)

    def names(self, rows: QuerySet[Any]) -> list[str]:
        return [str(coupling) for coupling in rows.order_by("pk")[:NAMES_SHOWN]]

    def form_options(self, action: Action, targets: QuerySet[Any]) -> dict[str, Any]:
        return actions.form_options(action, targets)

    def told(self, action: Action, targets: QuerySet[Any]) -> Sequence[Told]:
        return questions.told(action, targets, self.request.user)

    def confirm(self, action: Action, targets: QuerySet[Any], count: int) -> str:
        return questions.confirm(action, targets, count)

    def check_size(self, action: Action, count: int) -> None:
        actions.check_size(action, count, self.request.user)

    def perform(self, action: Action, targets: QuerySet[Any], options: dict[str, Any]) -> Outcome:
        return actions.perform(action, targets, options, user=self.request.user)

    def opens(self, action: Action, targets: QuerySet[Any]) -> str:
        """*Synchronize* of one pair opens the comparison (a record without counterpart has nothing to compare), *Set Up
        Coupling* the page where its counterpart is chosen."""
        if action is actions.SET_UP_COUPLING:
            return actions.couple_address(targets.get())
        pair = targets.filter(left_id__isnull=False, right_id__isnull=False).first()
        if action is not actions.SYNCHRONIZE or pair is None:
            return ""
        return reverse("coupling:compare", args=[pair.pk])

    def refusal(self, action: Action | None) -> str:
        if action is None:
            return roles.refusal(self.permission)
        return actions.refusal(action, self.request.user)


def may_run(user: Any) -> bool:
    """Whether *Run now* is offered."""
    return bool(user.has_perm("synccore.synchronize"))


def runnable(user: Any) -> QuerySet[TableMapping]:
    """Mappings this user may start."""
    return TableMapping.objects.visible_to(user, GrantLevel.RESOLVE).filter(enabled=True)
