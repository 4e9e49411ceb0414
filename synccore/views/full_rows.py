"""Lines of a full synchronization as people read them: before it starts (the review) and while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Subquery
from django.db.models.functions import JSONObject
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore import jobs
from synccore.models import MatchCriterion, RecordCount, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.services import match, runs
from synccore.services.review import Advice, Facts, What, advise, counting, facts_of, halves_of, pairs_of
from synccore.services.setup import order_of
from synccore.shapes import SIDES, Side
from synccore.tables import JobRow, State, app_names

from .mapping_rows import COUNTED, MappingRow, mappings_of
from .progress import Progress, in_front_of, progress
from .sentences import not_now
from .words import COUNTER_LABELS


def line_refused(mapping: TableMapping, reason: str) -> str:
    """Why a mapping takes no part; "" where it does."""
    if reason == "match_no_criteria":
        return not_now(reason, {"mapping": mapping.name})
    return not_now("held", {"mapping": mapping.name, "reason": reason}) if reason else ""


def line_does(*, couples: bool, then_full: bool) -> str:
    """What a line does, in words."""
    if then_full:
        return _("Match-Based Coupling, then full synchronization")
    return _("Match-Based Coupling") if couples else _("Full synchronization")


class ReviewRow:
    """One mapping of the review: what is known about it, what is recommended and why, and what is chosen."""

    def __init__(
        self, mapping: Any, facts: Facts, *, held: str, count: RecordCount | None, is_counting: bool
    ) -> None:
        self.mapping, self.row, self.pk, self.name = (
            mapping,
            MappingRow(mapping, []),
            mapping.pk,
            mapping.name,
        )
        self.facts, self.held, self.counting = facts, held, is_counting
        self.given: Advice = advise(facts)
        self.apps = app_names(mapping)
        self.reason = line_refused(mapping, held)
        self.numbers = [(self.apps[side.value], count.of(side) if count else None) for side in SIDES]
        self.counted_at = count.at if count else None
        self.outdated = count is not None and count.is_whole and facts.counts is None
        #: What the form shows as chosen: the value of a What, "" to leave it out.
        self.what = ""

    @property
    def advice(self) -> State:
        """What is recommended, as a state."""
        if self.given.what is What.COUPLE:
            return State(_("Couple first"), "link", "waits")
        if self.given.what is What.FULL:
            return State(_("Full synchronization"), "sync", "runs")
        if self.given.is_impossible:
            return State(_("Not possible"), "pause", "closed")
        if self.given.code == "not_counted":
            return State(_("Count first"), "question", "waits")
        return State(_("Nothing to do"), "check", "good")

    @property
    def why(self) -> str:
        """The recommendation's reason, in one sentence."""
        code, params = self.given.code, self.given.params
        if code == "held":
            return line_refused(self.mapping, str(params["reason"]))
        n = int(params.get("n", 0))
        facts = {
            "left": self.apps["left"],
            "right": self.apps["right"],
            "app": self.apps.get(str(params.get("side", "")), ""),
            "other": self.apps.get(str(params.get("other", "")), ""),
            "n": number_format(n, force_grouping=True),
        }
        known = {
            "not_counted": _("Nothing is coupled yet, and nobody has counted the records of both apps."),
            "both_empty": _("Neither app holds a record in the filter."),
            "both_hold": _(
                "Both apps hold records and nothing is coupled: couple what belongs together first."
            ),
            "no_flow": _("Only %(app)s holds records, and the mapping does not flow from there."),
            "only_coupled": _("Only %(app)s holds records, and this mapping makes no new ones."),
            "one_empty": ngettext(
                "Nothing is coupled yet and %(other)s is empty: the one record of %(app)s is new there.",
                "Nothing is coupled yet and %(other)s is empty: all %(n)s records of %(app)s are new there.",
                n,
            ),
            "both_uncoupled": _("Both apps hold records that are not coupled; some may belong together."),
            "never": _("It was never synchronized whole."),
            "rules_moved": _(
                "Its rules have changed since; records in which nothing changed have not met them."
            ),
            "uncoupled": ngettext(
                "%(n)s record of %(app)s is not coupled.", "%(n)s records of %(app)s are not coupled.", n
            ),
            "in_step": _("Its rules have not changed since the last one; runs and sweeps keep it in step."),
        }
        return known[code] % facts

    @property
    def needs_criteria(self) -> bool:
        return self.given.what is What.COUPLE and not self.facts.criteria

    @property
    def options(self) -> list[tuple[str, str, bool]]:
        """What can be chosen: value, words, whether it cannot be pressed now."""
        return [
            ("", _("Leave out"), False),
            (What.FULL.value, self.does(What.FULL), bool(self.refused(What.FULL))),
            (What.COUPLE.value, self.does(What.COUPLE), bool(self.refused(What.COUPLE))),
        ]

    def goes_on(self, what: What) -> bool:
        """Whether a full synchronization follows by itself."""
        return what is What.COUPLE and not self.held

    def does(self, what: What) -> str:
        return line_does(couples=what is What.COUPLE, then_full=self.goes_on(what))

    def refused(self, what: What) -> str:
        """Why this mapping cannot do it now; "" where it can."""
        reason = self.held
        if what is What.COUPLE and reason in ("", "disabled"):
            reason = "" if self.facts.criteria else "match_no_criteria"
        return line_refused(self.mapping, reason)

    def choose(self, *, only: set[int] | None, alone: bool) -> None:
        """What stands there before anybody chooses: what was asked for, else what is recommended."""
        if only is not None:
            self.what = What.FULL.value if self.pk in only and not self.refused(What.FULL) else ""
        elif not alone and self.given.what is not None and not self.refused(self.given.what):
            self.what = self.given.what.value

    @property
    def last_full_at(self) -> datetime | None:
        return self.facts.full_at


def review_rows(user: Any) -> list[ReviewRow]:
    """Every mapping whose records this person may synchronize, parents first, with what is recommended for it."""
    may = TableMapping.objects.visible_to(user, GrantLevel.RESOLVE).values("pk")
    ended = SynchJob.objects.filter(mapping=OuterRef("pk"), state=SynchJob.State.FINISHED).order_by("-pk")
    last = ended.filter(verb="synchronise", scope=SynchJob.Scope.FULL)
    facts = JSONObject(id="pk", revision="mapping_revision", finished="finished_at")
    rows = (
        mappings_of(user)
        .filter(pk__in=may)
        .select_related("record_count")
        .annotate(
            last_full=Subquery(last.values(said=facts)[:1]),
            matched_at=Subquery(ended.filter(verb="match_couple").values("finished_at")[:1]),
            has_criteria=Exists(MatchCriterion.objects.filter(mapping=OuterRef("pk"))),
            is_stopped=Exists(jobs.brakes().filter(mapping=OuterRef("pk"))),
        )
    )
    ordered: list[Any] = order_of(rows)
    busy, halves = counting(ordered), halves_of(ordered)
    # What is left over is the difference of two numbers: the pages of mappings do with fewer of this one.
    many = [mapping for mapping in ordered if mapping.couplings_counted > COUNTED]
    pairs = {mapping.pk: mapping.couplings_counted for mapping in ordered} | (pairs_of(many) if many else {})
    return [
        _row(mapping, pairs[mapping.pk], halves.get(mapping.pk, {}), mapping.pk in busy)
        for mapping in ordered
    ]


def _row(mapping: Any, pairs: int, halves: Mapping[Side, int], is_counting: bool) -> ReviewRow:
    held = jobs.held(mapping, is_stopped=mapping.is_stopped)
    count = getattr(mapping, "record_count", None)
    facts = facts_of(
        mapping,
        couplings=pairs,
        held=held,
        count=count,
        last_full=mapping.last_full,
        matched_at=mapping.matched_at,
        criteria=mapping.has_criteria,
        halves=halves,
    )
    return ReviewRow(mapping, facts, held=held, count=count, is_counting=is_counting)


# -- while it runs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepShown:
    """One job of a line: its number and name, how it stands and what it has done; ``row`` is None for one that follows."""

    number: int
    what: str
    state: State
    row: JobRow | None = None
    directions: Sequence[tuple[str, list[tuple[str, str, int]]]] = ()

    @property
    def has_begun(self) -> bool:
        return self.row is not None and self.row.job.started_at is not None


@dataclass(frozen=True)
class LineShown:
    """One line of a full synchronization: its steps, how far the one that counts now is, and whom it waits for.

    ``waits``: names of the lines it waits for, each with its state. ``stuck``: one of them ended, but not well.
    """

    line: runs.Line
    row: JobRow
    steps: list[StepShown]
    progress: Progress | None
    waits: list[tuple[str, State]]
    stuck: bool

    @property
    def job(self) -> SynchJob:
        return self.line.job

    @property
    def state(self) -> State:
        if self.waits:
            return State(_("Waits"), "hourglass", "waits")
        if self.line.undecided:
            return State(_("Needs you"), "question", "person")
        return self.row.state


def lines_shown(lines: Sequence[runs.Line]) -> list[LineShown]:
    by_mapping = {line.job.mapping_id: line.job for line in lines}
    going = [line.job for line in lines if line.job.is_unfinished]
    in_front = in_front_of([job.mapping_id for job in going if job.mapping_id])
    closed = match.results_of(job for job in going if job.verb == "match_couple")
    shown = []
    for line in lines:
        job, row = line.job, JobRow(line.job)
        unmet = []
        if job.state == SynchJob.State.QUEUED:
            needed = [by_mapping[mapping.pk] for mapping in job.needs.all() if mapping.pk in by_mapping]
            unmet = [each for each in needed if each.state != SynchJob.State.FINISHED]
        shown.append(
            LineShown(
                line,
                row,
                _steps(line, row),
                None if unmet else progress(row, closed.get(job.pk, 0), [], in_front),
                [(each.mapping.name if each.mapping else "", JobRow(each).state) for each in unmet],
                any(not each.is_unfinished for each in unmet),
            )
        )
    return shown


def _steps(line: runs.Line, row: JobRow) -> list[StepShown]:
    rows = [*((JobRow(line.coupled),) if line.coupled else ()), row]
    steps = [
        StepShown(
            number,
            line_does(couples=each.job.verb == "match_couple", then_full=False),
            each.state,
            each,
            [
                (label, [(name, str(COUNTER_LABELS[name]), n) for name, n in numbers if n])
                for label, numbers in each.directions[:-1]
            ],
        )
        for number, each in enumerate(rows, start=1)
    ]
    if line.then_full:
        if line.job.is_unfinished:
            after = State(_("Follows by itself"), "hourglass", "waits")
        else:
            after = State(_("Not started"), "x", "closed")
        steps.append(StepShown(len(steps) + 1, line_does(couples=False, then_full=False), after))
    return steps
