"""The coupled-record desk: Coupled Data Synchronization Errors, Skipped Synch. Records, and a problem's own page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat, JSONObject
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from coupling.filters import EVERYBODY, MINE, NOBODY, DeskFilter
from errors.views.by_cause import ByCause
from synccore import services
from synccore.actions import ON_LEFT_OUT, ON_RECORDS, SYNCHRONIZE, TAKE_BACK, couplings_of
from synccore.models import JobItem, Journal, Problem, SynchJob
from synccore.models.problem import ADMINISTRATORS_KINDS
from synccore.tables import ProblemRow, ProblemTable
from synccore.views.banners import asked_of, banners
from synccore.views.finding import FINDING, following
from synccore.views.lists import RecordListPage, mapping_lines, may_run
from synccore.views.navigation import owner_codes
from ui.actions import Action, number
from ui.filters import TAB, with_
from ui.paging import Sort
from ui.panels import Panel
from ui.views import Counted, Tab

from . import panel, preview

#: How long an ended problem still stands under *Ended*.
ENDED_SHOWN = timedelta(days=7)

#: The unfinished job of a person that has the record among its own.
_BUSY = (
    JobItem.objects.filter(
        coupling=OuterRef("coupling"),
        purpose=JobItem.Purpose.CHOSEN,
        state=JobItem.State.OPEN,
        job__state__in=(SynchJob.State.QUEUED, SynchJob.State.RUNNING),
    )
    .order_by("-pk")
    .values(
        said=JSONObject(
            job="job_id",
            verb="job__verb",
            at="job__pressed_at",
            who="job__requested_by__username",
            full_name=Concat("job__requested_by__first_name", Value(" "), "job__requested_by__last_name"),
        )
    )[:1]
)

_SKIPPED = Q(state=Problem.State.SKIPPED)
_WAITING = Q(state=Problem.State.WAITING)
_RETRYING = Q(state=Problem.State.RETRYING)
_ADMINISTRATOR = Q(kind__in=ADMINISTRATORS_KINDS)

NEEDS_YOU = Tab(
    "needs_you",
    gettext_lazy("Needs you"),
    explain=gettext_lazy("No job touches these until somebody decides or the record changes."),
    empty=gettext_lazy("Nothing needs you."),
    branches=(_SKIPPED & ~_ADMINISTRATOR,),
)
WITH_ADMINISTRATOR = Tab(
    "with_the_administrator",
    gettext_lazy("With the administrator"),
    explain=gettext_lazy("Something in the set-up must change first. Nothing is asked of you here."),
    empty=gettext_lazy("Nothing waits for the administrator."),
    branches=(_SKIPPED & _ADMINISTRATOR,),
)


def problems_of_records(user: Any) -> QuerySet[Problem]:
    """Problems of records that a user may see, with all that a row shows; base images stay behind."""
    return _without_mappings(user).select_related("mapping__integration__left", "mapping__integration__right")


def _without_mappings(user: Any) -> QuerySet[Problem]:
    """The same for a page that knows its mappings."""
    return (
        asked_of(Problem.objects.visible_to(user).of_records())
        .select_related("coupling", "blocker_mapping", "found_by", "ended_by", "left_out_by", "requested_by")
        .annotate(busy=Subquery(_BUSY))
        .defer("coupling__left_base", "coupling__right_base")
    )


class ProblemListPage(ByCause, RecordListPage):
    permission = "synccore.view"
    template_name = "coupling/problems.html"
    table_class = ProblemTable
    filter_class = DeskFilter
    has_panel = True
    actions = (*ON_RECORDS, TAKE_BACK)
    sorts = (
        Sort("since", ("since",), descending=True),
        Sort("failed", ("last_failure",), descending=True, nullable=True),
        Sort("name", ("name",)),
    )

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        if owner_codes(request) and not self.params.get("owner"):
            self.params = self.params.copy()
            self.params["owner"] = MINE  # what the list opens with for whoever owns records

    @cached_property
    def filter(self) -> DeskFilter:
        found = DeskFilter(self.params, queryset=self.keys(), choices=self.choices())
        found.codes = owner_codes(self.request)
        return found

    def choices(self) -> dict[str, Any]:
        mine = [(MINE, _("My records"))] if owner_codes(self.request) else []
        fields = any(each.left_owner_field or each.right_owner_field for each in self.mappings)
        owners = [(EVERYBODY, _("Everybody")), *mine, (NOBODY, _("No owner"))] if mine or fields else []
        return super().choices() | {"owner": owners}

    def rows(self) -> QuerySet[Any]:
        return _without_mappings(self.request.user)

    def keys(self) -> QuerySet[Any]:
        return self.scoped(Problem.objects.of_records())

    def targets(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return couplings_of(rows.order_by().values("coupling"))

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [ProblemRow(problem, self.next_runs) for problem in self.with_mappings(rows)]

    def offered_actions(self) -> Sequence[Action]:
        return ON_RECORDS

    def tab_counts(self) -> Mapping[str, int]:
        """Those of everybody: the menu's, unless the menu counts this person's own records."""
        return services.problem_counts(self.request.user) if owner_codes(self.request) else self.counts()

    def _counts(self) -> dict[str, Counted]:
        """As the list opens for whoever owns records, its numbers are those of the menu."""
        if self.filter.applied == {"owner": MINE}:
            return {name: Counted(n) for name, n in self.counts().items()}
        return super()._counts()

    def _cleared(self) -> str:
        """The list without any filter: also without the one it opens with."""
        kept = {TAB: self.tab.name} if self.tab else {}
        return with_(QueryDict(), **kept, **({"owner": EVERYBODY} if owner_codes(self.request) else {}))

    def preview(
        self, action: Action, targets: QuerySet[Any], count: int
    ) -> tuple[str, dict[str, Any]] | None:
        """*Synchronize* of many shows what each rule would do with each record."""
        if action is not SYNCHRONIZE:
            return None
        sensitive = self.request.user.has_perm("synccore.see_sensitive")  # type: ignore[union-attr]
        return "coupling/preview.html", {"preview": preview.build(targets, count, see_sensitive=sensitive)}

    def panel(self, key: str) -> Panel | None:
        found = self.rows().filter(pk=number(key)).first()
        if found is None:
            return None
        self.with_mappings([found])
        context = panel.context(self.request, found)
        context |= {"load_live": True, "action_url": self.request.get_full_path()}
        row, ended = context["row"], found.state == Problem.State.ENDED
        return Panel(
            row.name or _("Problem %(n)s") % {"n": found.pk},
            "coupling/problem_panel.html",
            context,
            reverse("coupling:problem", args=[found.pk]),
            _("This problem has ended. What stands here is how it was and how it ended.") if ended else "",
        )

    def extra(self) -> dict[str, Any]:
        shown = self.mappings_in_view()
        return {
            "mapping_lines": mapping_lines(shown),
            "banners": banners(shown),
            "may_run": may_run(self.request.user),
            "clear_url": self._cleared(),
            "finding": following(self.request, self.params.get(FINDING, "")),
        }


class CoupledPage(ProblemListPage):
    title = gettext_lazy("Coupled Data Synchronization Errors")
    intro = gettext_lazy("Records that do not synchronize, and what each one needs.")
    tabs = (
        NEEDS_YOU,
        WITH_ADMINISTRATOR,
        Tab(
            "waiting",
            gettext_lazy("Waiting"),
            explain=gettext_lazy(
                "These come back by themselves as soon as the record they wait for is coupled."
            ),
            empty=gettext_lazy("No record waits for another one."),
            branches=(_WAITING,),
        ),
        Tab(
            "will_retry",
            gettext_lazy("Will retry"),
            explain=gettext_lazy("These are tried again by themselves."),
            empty=gettext_lazy("Nothing is about to be tried again."),
            branches=(_RETRYING,),
        ),
        Tab(
            "all",
            gettext_lazy("All"),
            empty=gettext_lazy("Every record synchronizes."),
            branches=(_SKIPPED, _WAITING, _RETRYING),
        ),
        Tab(
            "ended",
            gettext_lazy("Ended"),
            explain=gettext_lazy("Problems that ended in the last 7 days: how, by whom and when."),
            empty=gettext_lazy("No problem ended in the last 7 days."),
        ),
    )

    def branches(self) -> Sequence[Q]:
        if self._ended:
            return (Q(state=Problem.State.ENDED, ended_at__gte=timezone.now() - ENDED_SHOWN),)
        return super().branches()

    def rows(self) -> QuerySet[Any]:
        rows = super().rows()
        if not self._ended or not self.request.user.has_perm("synccore.synchronize"):  # type: ignore[union-attr]
            return rows
        written = Journal.objects.undoable(timezone.now()).filter(
            coupling=OuterRef("coupling"), job=OuterRef("ended_job")
        )
        return rows.annotate(undoable=ArraySubquery(written.order_by("pk").values("pk")[:50]))

    @property
    def _ended(self) -> bool:
        return self.tab is not None and self.tab.name == "ended"

    def offered_actions(self) -> Sequence[Action]:
        return () if self._ended else super().offered_actions()

    def offered_sorts(self) -> Sequence[Sort]:
        if self._ended:
            return (Sort("ended", ("ended_at",), descending=True),)
        return self.sorts


class SkippedPage(ProblemListPage):
    title = gettext_lazy("Skipped Synch. Records")
    intro = gettext_lazy(
        "Records that no job touches until somebody acts: why, since when, and what brings them back."
    )
    tabs = (
        Tab(
            "skipped",
            gettext_lazy("Skipped"),
            empty=gettext_lazy("No record is skipped."),
            branches=(_SKIPPED,),
        ),
        NEEDS_YOU,
        WITH_ADMINISTRATOR,
        Tab(
            "on_purpose",
            gettext_lazy("On purpose"),
            explain=gettext_lazy("Left out by a person, with reason and end date."),
            empty=gettext_lazy("No record is left out on purpose."),
            branches=(Q(state=Problem.State.ON_PURPOSE),),
        ),
    )

    def offered_actions(self) -> Sequence[Action]:
        return ON_LEFT_OUT if self.tab and self.tab.name == "on_purpose" else super().offered_actions()

    def extra(self) -> dict[str, Any]:
        return super().extra() | {"show_comes_back": True}


class ProblemPage(ProblemListPage):
    """One problem: who, what happened, what to do, both records, history. What is pressed comes back here."""

    tabs = ()
    live = False

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:  # type: ignore[override]
        found = get_object_or_404(problems_of_records(request.user), pk=pk)
        context = panel.context(request, found, heading="h2", live=self.live)
        context["load_live"] = not self.live
        if self.live and request.htmx:  # type: ignore[attr-defined]
            answer = render(request, "coupling/records_now.html", context)
        else:
            context["page_title"] = context["row"].name or _("Problem %(n)s") % {"n": found.pk}
            context["action_url"] = reverse("coupling:problem", args=[found.pk])
            answer = render(request, "coupling/problem.html", context)
        if self.live:
            answer["Cache-Control"] = "no-store"
        return answer

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:  # type: ignore[override]
        return super().post(request)


class LiveProblem(ProblemPage):
    """The same with both records read now: the region alone for the page, a whole page without JavaScript."""

    http_method_names = ["get", "head", "options"]
    live = True
