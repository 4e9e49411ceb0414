"""The journal for administrators: every write to an app, before and after, its seal, and its undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore import exports, roles
from synccore.filters import JournalFilter
from synccore.models import FieldMapping, Journal
from synccore.models.seals import UNSETTLED
from synccore.tables import State, app_names, record_url
from synccore.verbs.undo import right_to_undo
from ui.paging import Sort
from ui.tables import Column, ListTable
from ui.views import Tab

from .lists import RecordListPage
from .written import Written, written

LOOKS = {
    Journal.State.INTENDED: ("hourglass", "waits"),
    Journal.State.DONE: ("check", "good"),
    Journal.State.FAILED: ("warning", "person"),
    Journal.State.UNKNOWN: ("question", "waits"),
}


class JournalTable(ListTable):
    caption = gettext_lazy("Writes to the apps")
    exports = exports.JOURNAL
    row_template = "synccore/journal_row.html"
    newest_first = ("time",)

    time = Column(gettext_lazy("Time"), sort="time", narrow=True)
    record = Column(gettext_lazy("Record"))
    what = Column(gettext_lazy("What was written"))
    state = Column(gettext_lazy("State"), narrow=True)
    job = Column(gettext_lazy("Job"), narrow=True)


@dataclass(frozen=True)
class JournalRow:
    """One write as the list shows it."""

    row: Journal
    pk: int
    name: str
    url: str
    app: str
    written: Written
    state: State
    job_url: str
    undo: str
    undone: int | None

    @property
    def operation(self) -> str:
        return str(self.row.get_operation_display())

    @property
    def before(self) -> str:
        """What stood there, one field after the other."""
        return "; ".join(f"{each.name}: {each.before}" for each in self.written if each.before is not None)

    @property
    def after(self) -> str:
        """What was written."""
        return "; ".join(f"{each.name}: {each.after}" for each in self.written if each.after is not None)

    @property
    def sealed(self) -> str:
        """What proves the row: the beginning of its page's seal."""
        if self.row.seal is not None:
            return _("sealed %(digest)s") % {"digest": self.row.seal.digest[:12]}
        return _("not sealed yet") if self.row.state in UNSETTLED else _("not sealed")


class JournalPage(RecordListPage):
    title = gettext_lazy("Journal")
    intro = gettext_lazy(
        "Every write to an app: the intention before it, what stood there, what was written, and what came of it."
    )
    permission = roles.SET_UP
    template_name = "synccore/journal.html"
    table_class = JournalTable
    filter_class = JournalFilter
    tabs = (
        Tab("all", gettext_lazy("All"), empty=gettext_lazy("Nothing has been written yet.")),
        Tab(
            "open",
            gettext_lazy("Without an answer"),
            explain=gettext_lazy("The next job of the mapping looks these up before it does anything else."),
            empty=gettext_lazy("Every write has its answer."),
            branches=(Q(state__in=UNSETTLED),),
        ),
        Tab(
            "failed",
            gettext_lazy("Failed"),
            empty=gettext_lazy("No write failed."),
            branches=(Q(state=Journal.State.FAILED),),
        ),
        Tab(
            "undone",
            gettext_lazy("Undone"),
            empty=gettext_lazy("Nothing was undone."),
            branches=(Q(undone_by__isnull=False),),
        ),
    )
    sorts = (Sort("time", ("id",), descending=True),)  # the primary key rises with time

    def rows(self) -> QuerySet[Any]:
        return (
            Journal.objects.visible_to(self.request.user)
            .select_related(
                "mapping__integration__left",
                "mapping__integration__right",
                "coupling",
                "job",
                "seal",
                "undone_by",
            )
            .defer("coupling__left_base", "coupling__right_base", "basis")
        )

    def keys(self) -> QuerySet[Any]:
        return self.scoped(Journal.objects.all())

    def choices(self) -> dict[str, Any]:
        pairs = {app_names(each)["left"]: app_names(each)["right"] for each in self.mappings}
        one = next(iter(pairs.items())) if len(pairs) == 1 else (_("the left app"), _("the right app"))
        return super().choices() | {"side": [("left", one[0]), ("right", one[1])]}

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        hidden = self._hidden()
        return [self._row(row, hidden) for row in rows]

    def _hidden(self) -> dict[tuple[int, str], set[str]]:
        """Fields whose values this person may not see, by mapping and side."""
        found: dict[tuple[int, str], set[str]] = {}
        if self.request.user.has_perm("synccore.see_sensitive"):  # type: ignore[union-attr]
            return found
        for each in FieldMapping.objects.filter(sensitive=True):
            found.setdefault((each.mapping_id, "left"), set()).add(each.left_field)
            found.setdefault((each.mapping_id, "right"), set()).add(each.right_field)
        return found

    def _row(self, row: Journal, hidden: dict[tuple[int, str], set[str]]) -> JournalRow:
        coupling = row.coupling
        permission, _level = (
            right_to_undo(row.job.verb, row.operation)
            if row.operation in Journal.CAN_BE_UNDONE
            else (roles.SET_UP, None)
        )
        may = self.request.user.has_perm(permission)  # type: ignore[union-attr]
        can = may and row.can_be_undone(timezone.now())
        return JournalRow(
            row,
            row.pk,
            str(coupling) if coupling is not None else row.record_id,
            record_url(coupling) if coupling is not None else "",
            app_names(row.mapping)[row.side],
            written(row, hidden.get((row.mapping_id, row.side), set())),
            State(str(row.get_state_display()), *LOOKS[Journal.State(row.state)]),
            reverse("synccore:job", args=[row.job_id]),
            f"{reverse('synccore:undo_job', args=[row.job_id])}?row={row.pk}" if can else "",
            row.undone_by.job_id if row.undone_by and row.is_undone else None,
        )
