"""Rows as people read them: who, what is wrong, who said it, what happens next. And the tables of this app's lists.

Everything a row template shows is computed here, so that templates only lay out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from synccore import exports, guides
from synccore.failures import Kind
from synccore.models import Connection, Coupling, Problem, SynchJob, TableMapping
from synccore.models.job import OUTCOMES
from synccore.models.problem import ADMINISTRATORS_KINDS, KindChoices
from synccore.shapes import SIDES, Side
from synccore.views.addresses import pair_url as pair_url
from synccore.views.addresses import record_url as record_url
from synccore.views.words import COUNTER_LABELS, JOB_STATES, VERBS
from ui.due import is_due
from ui.tables import Column, ListTable

KIND_ICONS = {
    Kind.TRANSIENT: "clock", Kind.BLOCKED: "hourglass", Kind.REJECTED: "refused", Kind.CONFLICT: "conflict",
    Kind.MISSING: "missing", Kind.MISCONFIGURED: "wrench", Kind.STOPPED: "stop", Kind.UNRECOGNISED: "question",
    Kind.BUG: "bug",
}  # fmt: skip
_KIND_WORDS = dict(KindChoices.choices)


@dataclass(frozen=True)
class Said:
    """What went wrong: our sentence, and the app's own message with who said it."""

    kind: str
    icon: str
    speaker: str
    message: str
    code: str
    told: guides.Rendered

    @property
    def title(self) -> str:
        return self.told.title

    @property
    def sentence(self) -> str:
        return self.told.sentence

    @property
    def steps(self) -> tuple[str, ...]:
        return self.told.steps

    @property
    def actions(self) -> tuple[str, ...]:
        return self.told.actions

    @property
    def known_as(self) -> str:
        """What people from Business Central know it by, in their language; "" where there is no old wording."""
        return guides.known_as(self.code, get_language() or "")


@dataclass(frozen=True)
class State:
    """A state as icon, word and tone (``person``, ``waits``, ``runs``, ``good``, ``closed``)."""

    word: str
    icon: str
    tone: str
    at: datetime | None = None
    more: str = ""


@dataclass(frozen=True)
class RecordName:
    """One side of a pair: the app, the record as people know it, and whether it exists."""

    app: str
    title: str
    state: str = ""
    url: str = ""


def person_name(person: Any) -> str:
    """Full name, else the name he signs in with; "" for nobody."""
    return (person.get_full_name() or person.get_username()) if person else ""


def app_names(mapping: TableMapping | None, connection: Connection | None = None) -> dict[str, str]:
    """The two apps as the user named them, and what people call the mapping's fields; of a job about one connection, its app
    (under no side)."""
    if mapping is None and connection is not None:
        return {"": connection.name}
    if mapping is None:
        return {"left": _("the left app"), "right": _("the right app")}
    names = {side.value: mapping.integration.connection(side).name for side in SIDES}
    return guides.Names(names, lambda: mapping.captions)


def apps_of(failure: Any) -> dict[str, str]:
    """The two apps of a Problem or an entry as the user named them; of one about an app as a whole, that app, whichever side
    it stands on."""
    if failure.mapping is None and failure.connection is not None:
        return dict.fromkeys(("", "left", "right"), failure.connection.name)
    return app_names(failure.mapping)


def speaker_of(app: str, message: str) -> str:
    """Who said it: not every answer on the way to an app is the app's own."""
    if message.startswith("AADSTS"):
        return _("Microsoft Entra answered:")
    if message.startswith(("[Errno ", "[SSL")):  # nobody answered: the operating system says why
        return _("Tandem’s server reports:")
    return _("%(app)s answered:") % {"app": app} if app else _("Tandem found:")


def say(failure: Any, apps: Mapping[str, str]) -> Said:
    """``failure``: a Problem, an entry or a job that stopped."""
    kind, code, message = failure.kind, failure.code, failure.app_message
    speaker = speaker_of(apps.get(failure.side) or "", message) if message else ""
    return Said(
        str(_KIND_WORDS.get(kind, "")),
        KIND_ICONS.get(kind, "question"),
        speaker,
        message,
        code,
        guides.render(code, failure.params, apps=apps, side=failure.side, kind=kind),
    )


def record_name(coupling: Coupling | None, side: Side, app: str) -> RecordName:
    if coupling is None or coupling.of(side, "id") is None:
        return RecordName(app, "", _("not coupled"))
    gone = "" if coupling.of(side, "exists") else _("deleted")
    return RecordName(app, coupling.title(side), gone)


class ProblemRow:
    """A problem of a record as the desk shows it."""

    def __init__(self, problem: Problem, next_runs: Mapping[int, datetime]) -> None:
        self.problem, self.pk = problem, problem.pk
        self.mapping = problem.mapping
        self.apps = app_names(problem.mapping)
        self.said = say(problem, self.apps)
        self._next_runs = next_runs
        coupling = problem.coupling
        self.order = first, second = self._order(coupling)
        self.record = record_name(coupling, first, self.apps[first.value])
        self.other = record_name(coupling, second, self.apps[second.value])
        self.name = self.record.title or self.other.title or problem.name

    @property
    def url(self) -> str:
        return reverse("coupling:problem", args=[self.pk])

    @staticmethod
    def _order(coupling: Coupling | None) -> tuple[Side, Side]:
        """The side on which there is a record first."""
        return SIDES if coupling is None or coupling.left_id is not None else (Side.RIGHT, Side.LEFT)

    @property
    def found_by(self) -> str:
        person = person_name(self.problem.found_by)
        return _("%(who)s, by hand") % {"who": person} if person else _("by schedule")

    @property
    def undo_url(self) -> str:
        """Where what ended the problem can be taken back (annotated ``undoable``: rows of the journal); "" for nowhere."""
        rows = getattr(self.problem, "undoable", None)
        if not rows or not self.problem.ended_job:
            return ""
        query = "&".join(f"row={pk}" for pk in rows)
        return f"{reverse('synccore:undo_job', args=[self.problem.ended_job])}?{query}"

    @property
    def often(self) -> str:
        return _("%(n)s tries") % {"n": self.problem.attempts} if self.problem.attempts > 1 else ""

    @cached_property
    def next(self) -> State:
        """Whose turn it is, or what happens by itself and when."""
        problem = self.problem
        if problem.state == Problem.State.ENDED:
            who = person_name(problem.ended_by)
            by = _("by %(who)s") % {"who": who} if who else _("by itself")
            tone = "good" if problem.ending == Problem.Ending.FIXED else "closed"
            return State(str(problem.get_ending_display()), "check", tone, problem.ended_at, by)
        if problem.state == Problem.State.ON_PURPOSE:
            return self._on_purpose()
        if busy := self._busy():
            return busy
        if problem.requested_at:
            return self._requested()
        if problem.state == Problem.State.WAITING:
            return State(_("Waiting"), "hourglass", "waits", None, self._blocker())
        if problem.state == Problem.State.RETRYING:
            at = problem.next_attempt
            if at is not None and is_due(at):
                return State(_("Will retry"), "retry", "waits", None, _("due now"))
            return State(_("Will retry"), "retry", "waits", at)
        if problem.kind in ADMINISTRATORS_KINDS:
            return State(_("The administrator’s turn"), "wrench", "person")
        return State(_("Your turn"), "person", "person")

    def _busy(self) -> State | None:
        """Somebody had something done with the record and it is not over (annotated ``busy``): who, what and when."""
        busy = getattr(self.problem, "busy", None)
        if not busy:
            return None
        what = str(VERBS.get(busy["verb"], busy["verb"]))
        pressed = parse_datetime(busy["at"]) if busy["at"] else None
        text = _("%(what)s, job %(n)s") % {"what": what, "n": busy["job"]}
        who = busy["full_name"].strip() or busy["who"] or ""
        more = _("pressed by %(who)s") % {"who": who} if who else ""
        return State(text, "play", "runs", pressed, more)

    def _requested(self) -> State:
        """*Retry* was pressed: it stays until a result is known."""
        at = self._next_runs.get(self.problem.mapping_id or 0)
        word = _("In the next synchronization")
        if at is not None and not is_due(at):
            word = _("In the next synchronization at %(at)s") % {"at": f"{timezone.localtime(at):%H:%M}"}
        who = person_name(self.problem.requested_by)
        return State(word, "clock", "runs", None, _("by %(who)s") % {"who": who} if who else "")

    def _on_purpose(self) -> State:
        until = self.problem.until
        word, who = _("Left out on purpose"), person_name(self.problem.left_out_by)
        back = _("until somebody takes it back")
        if until is not None:
            date = date_format(timezone.localtime(until), "SHORT_DATE_FORMAT")
            back = _("comes back on %(date)s") % {"date": date}
        more = _("by %(who)s, %(back)s") % {"who": who, "back": back} if who else back
        return State(word, "pause", "closed", self.problem.left_out_at, more)

    def _blocker(self) -> str:
        mapping = self.problem.blocker_mapping
        if mapping is None:
            return ""
        record = self.problem.params.get("record_name") or self.problem.blocker_record
        return _("for %(mapping)s %(record)s to be coupled") % {"mapping": mapping, "record": record}

    @property
    def blocker_url(self) -> str:
        """Where what the record waits for is coupled by hand; "" where it waits for nothing of that kind."""
        problem = self.problem
        if not problem.blocker_mapping_id or problem.state not in (
            Problem.State.WAITING,
            Problem.State.SKIPPED,
        ):
            return ""
        query = {
            "mapping": str(problem.blocker_mapping_id),
            "side": problem.blocker_side,
            "id": problem.blocker_record,
        }
        return f"{reverse('coupling:couple')}?{urlencode(query)}"

    @property
    def comes_back(self) -> str:
        """What brings a skipped record back."""
        if self.problem.kind in (Kind.CONFLICT.value, Kind.MISSING.value):
            return _("when somebody decides, or the cause goes away in the apps")
        if self.problem.kind in ADMINISTRATORS_KINDS:
            return _("when the set-up is changed, or by Retry")
        if self.problem.kind == Kind.BLOCKED.value:
            return _("when the record it waits for is coupled, or by Retry")
        return _("when the record changes in an app, the mapping changes, or by Retry")


class ProblemTable(ListTable):
    caption = gettext_lazy("Records with a problem")
    exports = exports.PROBLEMS
    row_template = "coupling/problem_row.html"
    newest_first = ("since", "failed")

    record = Column(gettext_lazy("Record ⇄ coupled to"), sort="name")
    wrong = Column(gettext_lazy("What is wrong"))
    failed = Column(gettext_lazy("Failed on"), sort="failed", narrow=True, roomy=True)
    since = Column(gettext_lazy("Since"), sort="since", narrow=True, roomy=True)
    next = Column(gettext_lazy("Next"), narrow=True)


class JobRow:
    """A job as the list and its page show it."""

    def __init__(self, job: SynchJob) -> None:
        self.job, self.pk = job, job.pk
        self.apps = app_names(job.mapping, job.connection)
        self.url = reverse("synccore:job", args=[job.pk])
        self.what = str(VERBS.get(job.verb, job.verb.replace("_", " ")))
        of_records = job.scope != SynchJob.Scope.ITEMS and job.connection_id is None
        self.scope = str(job.get_scope_display()) if of_records else ""
        if job.verb == "count_records":
            self.scope = ""
        elif job.scope == SynchJob.Scope.SWEEP:
            self.what, self.scope = self.scope, ""
        numbers = {name: getattr(job, name) for name in OUTCOMES}
        if job.verb == "dry_run":  # what a run would have ended with; nothing was done
            numbers |= job.options.get("counts", {})
        self.counters = [
            (name, str(COUNTER_LABELS[name]), numbers[name]) for name in OUTCOMES if numbers[name]
        ]

    @property
    def state(self) -> State:
        job = self.job
        icon, tone = JOB_STATES[SynchJob.State(job.state)]
        word = str(job.get_state_display())
        if job.state == SynchJob.State.FAILED and job.kind == Kind.STOPPED.value:
            word = _("Stopped for safety")
        elif job.state == SynchJob.State.FINISHED and job.failed:
            return State(_("Finished, %(n)s failed") % {"n": job.failed}, "warning", "waits")
        elif job.is_unfinished and job.cancel_requested_at:
            word = _("Being cancelled")
        return State(word, icon, tone)

    @property
    def said(self) -> Said | None:
        return say(self.job, self.apps) if self.job.code else None

    @property
    def started_by(self) -> str:
        if self.job.origin == SynchJob.Origin.PERSON and self.job.requested_by:
            return person_name(self.job.requested_by)
        return str(self.job.get_origin_display())

    @property
    def duration(self) -> timedelta | None:
        if self.job.started_at is None:
            return None
        return (self.job.finished_at or timezone.now()) - self.job.started_at

    @property
    def directions(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Counters per side that was written to; the job's own ones where it keeps none per side."""
        stored = self.job.by_direction or {}
        rows = [
            (_("to %(app)s") % {"app": self.apps[side.value]}, stored[side.value])
            for side in SIDES
            if side.value in stored
        ]
        rows.append((_("both"), {name: getattr(self.job, name) for name in OUTCOMES}))
        return [(label, [(name, int(numbers.get(name, 0))) for name in OUTCOMES]) for label, numbers in rows]


class JobTable(ListTable):
    caption = gettext_lazy("Synchronization jobs")
    exports = exports.JOBS
    row_template = "synccore/job_row.html"
    newest_first = ("time",)

    job = Column(gettext_lazy("Job"))
    state = Column(gettext_lazy("State"), narrow=True)
    result = Column(gettext_lazy("Result"))
    started = Column(gettext_lazy("Queued"), sort="time", narrow=True)
    took = Column(gettext_lazy("Duration"), narrow=True, number=True)
    by = Column(gettext_lazy("Started by"), narrow=True)
