"""Couplings as a table: which records belong together, and when they last agreed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore import exports
from synccore.models import Coupling, Problem
from synccore.shapes import SIDES, Side
from synccore.tables import State, app_names, person_name, record_name
from synccore.views.addresses import record_url
from ui.tables import Column, ListTable


@dataclass(frozen=True)
class LastJob:
    """The last job that wrote, or tried to write, to one side of a pair."""

    to: str
    job: int
    ok: bool


class CouplingRow:
    """A coupling as the list shows it. Annotated: ``open_problem`` and ``problem_state``, id and state, or None."""

    def __init__(self, coupling: Coupling) -> None:
        self.coupling, self.pk = coupling, coupling.pk
        self.mapping = coupling.mapping
        self.apps = app_names(coupling.mapping)
        self.left = record_name(coupling, Side.LEFT, self.apps["left"])
        self.right = record_name(coupling, Side.RIGHT, self.apps["right"])
        self.name = f"{self.left.title} ⇄ {self.right.title}"
        self._problem = getattr(coupling, "open_problem", None)
        self.problem_state = getattr(coupling, "problem_state", None)

    @property
    def record_url(self) -> str:
        return record_url(self.coupling)

    @cached_property
    def problem_url(self) -> str:
        return reverse("coupling:problem", args=[self._problem]) if self._problem else ""

    @property
    def agreed_by(self) -> str:
        """Who brought the last agreement about."""
        if self.coupling.agreed_at is None:
            return ""
        return person_name(self.coupling.agreed_by) or _("by schedule")

    @property
    def last_jobs(self) -> list[LastJob]:
        """Per direction, where there was one."""
        found = []
        for side in reversed(SIDES):
            job = getattr(self.coupling, f"to_{side.value}_job")
            if job:
                ok = getattr(self.coupling, f"to_{side.value}_result") == "ok"
                found.append(LastJob(self.apps[side.value], job, ok))
        return found

    @property
    def state(self) -> State:
        if self.coupling.removed_at:
            by = person_name(self.coupling.removed_by)
            return State(_("Removed"), "unlink", "closed", self.coupling.removed_at, by)
        if self._problem:
            if self.problem_state == Problem.State.ON_PURPOSE:
                return State(_("Left out on purpose"), "pause", "closed")
            tone = "person" if self.problem_state == Problem.State.SKIPPED else "waits"
            return State(str(Problem.State(self.problem_state or "").label), "warning", tone)
        if self.coupling.agreed_at:
            return State(_("In sync"), "check", "good")
        return State(_("Not synchronized yet"), "hourglass", "waits")


class CouplingTable(ListTable):
    caption = gettext_lazy("Coupled records")
    exports = exports.COUPLINGS
    row_template = "synccore/coupling_row.html"
    newest_first = ("agreed",)

    record = Column(gettext_lazy("Record ⇄ coupled to"), sort="name")
    mapping = Column(gettext_lazy("Mapping"), narrow=True)
    state = Column(gettext_lazy("State"), narrow=True)
    agreed = Column(gettext_lazy("Last agreement"), sort="agreed", narrow=True)
    jobs = Column(gettext_lazy("Last job per direction"), narrow=True)
    modified = Column(gettext_lazy("Last Synch. Modified On"), narrow=True)
