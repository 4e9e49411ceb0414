"""A brake: what a run was about to do when it was stopped for safety, and the two ways to go on.

The partial ``synccore/brake.html`` shows a :class:`Brake` on the job's page, in a banner and on Home.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.engine.rules import DeletionPolicy
from synccore.failures import Kind
from synccore.forms import ReasonForm
from synccore.models import Problem, SynchJob
from synccore.tables import app_names, person_name, say
from ui.actions import NAMES_SHOWN


class Brake:
    """What one brake holds back: how many, the first names, what *Allow once* would do. Asks the database nothing.

    Args:
        problem: an open problem of kind Stopped with its mapping and the mapping's apps.
        form: the form as it was posted, where it did not hold.
        allowed_by: the unfinished job that carries it out, where somebody allowed it already.
    """

    def __init__(
        self, problem: Problem, form: ReasonForm | None = None, allowed_by: SynchJob | None = None
    ) -> None:
        self.problem, self.pk, self.job = problem, problem.pk, problem.last_job
        self.allowed_by = allowed_by.pk if allowed_by else None
        self.allowed_who = person_name(allowed_by.requested_by) if allowed_by else ""
        self.apps = app_names(problem.mapping)
        self.said = say(problem, self.apps)
        self.form = form or ReasonForm(auto_id=f"id_brake{problem.pk}_%s")
        self.count = int(problem.params.get("count") or 0)
        self.names = [str(name) for name in problem.params.get("samples", []) if name][:NAMES_SHOWN]
        self.more = max(self.count - len(self.names), 0)

    @property
    def held_url(self) -> str:
        """The records it holds back, one by one; "" where a side came back empty, so that none was chosen."""
        if not self.count or not self.job:
            return ""
        return f"{reverse('synccore:job_records', args=[self.job])}?tab=open"

    @property
    def allowing(self) -> str:
        """What happens if somebody allows it once."""
        if self.problem.code == "too_many_creations":
            text = ngettext("%(n)s record is created.", "%(n)s records are created.", self.count)
            return text % {"n": number_format(self.count, force_grouping=True)} + " " + _automations()
        if self.problem.code == "side_empty":
            return _(
                "All records are compared again; those that are gone count as deleted. The limit on deletions still holds."
            )
        return self._deleting()

    def _deleting(self) -> str:
        policy = self.problem.mapping.deletions if self.problem.mapping else DeletionPolicy.ASK.value
        n = {"n": number_format(self.count, force_grouping=True)}
        if policy == DeletionPolicy.DELETE:
            text = ngettext(
                "%(n)s record is deleted in the app that still has it.",
                "%(n)s records are deleted in the app that still has them.",
                self.count,
            )
            return text % n + " " + _automations()
        if policy == DeletionPolicy.RESTORE:
            text = ngettext(
                "%(n)s record is created again in the app where it was deleted.",
                "%(n)s records are created again in the app where they were deleted.",
                self.count,
            )
            return text % n + " " + _automations()
        if policy == DeletionPolicy.UNCOUPLE:
            text = ngettext(
                "The coupling of %(n)s record ends; nothing is deleted.",
                "The couplings of %(n)s records end; nothing is deleted.",
                self.count,
            )
            return text % n
        text = ngettext(
            "%(n)s record is listed for a decision; nothing is deleted by that.",
            "%(n)s records are listed for a decision; nothing is deleted by that.",
            self.count,
        )
        return text % n


def _automations() -> str:
    return _("The app may run its own automations for it.")


def brakes(problems: Iterable[Problem], form: ReasonForm | None = None) -> list[Brake]:
    """The brakes among these set-up problems; one query, and none where there is no brake."""
    held = [each for each in problems if each.kind == Kind.STOPPED.value and each.last_job]
    if not held:
        return []
    jobs = SynchJob.objects.unfinished().filter(
        verb="allow_once", mapping__in=[each.mapping_id for each in held]
    )
    allowed = {job.mapping_id: job for job in jobs.select_related("requested_by")}
    return [Brake(each, form, allowed.get(each.mapping_id)) for each in held]


def open_brake(found: SynchJob, form: ReasonForm | None = None) -> Brake | None:
    """The brake that this job pulled, as long as nobody decided."""
    if found.kind != Kind.STOPPED.value or found.mapping_id is None:
        return None
    return next(iter(brakes(_brakes_of(found).open(), form)), None)


def decided_brake(found: SynchJob) -> dict[str, Any] | None:
    """Who decided about the brake that this job pulled, when, and with which job and reason; None where nobody did."""
    if found.kind != Kind.STOPPED.value or found.mapping_id is None:
        return None
    problem = _brakes_of(found).filter(state=Problem.State.ENDED).select_related("ended_by").last()
    if problem is None:
        return None
    allowed = SynchJob.objects.filter(mapping=found.mapping_id, verb="allow_once", options__job=found.pk)
    job = allowed.order_by("pk").last()
    return {
        "at": problem.ended_at,
        "by": person_name(problem.ended_by),
        "job": job.pk if job else None,
        "reason": str(job.options.get("reason", "")) if job else "",
    }


def _brakes_of(found: SynchJob) -> Any:
    return (
        Problem.objects.of_setup()
        .filter(mapping=found.mapping_id, kind=Kind.STOPPED.value, last_job=found.pk)
        .select_related("mapping__integration__left", "mapping__integration__right")
        .order_by("pk")
    )
