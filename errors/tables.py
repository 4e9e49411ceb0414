"""The diary's rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore.models import DeletedEntry, SynchJobError
from synccore.services.entries import KEPT_DELETED
from synccore.shapes import SIDES, Side
from synccore.tables import apps_of, pair_url, person_name, say
from ui.export import Export
from ui.tables import Column, ListTable


class EntryTable(ListTable):
    caption = gettext_lazy("Entries, newest first")
    row_template = "errors/entry_row.html"
    newest_first = ("time",)

    at = Column(gettext_lazy("Date/Time"), sort="time", narrow=True)
    mapping = Column(gettext_lazy("Mapping"), narrow=True, roomy=True)
    message = Column(gettext_lazy("Error Message"))
    source = Column(gettext_lazy("Source"))
    destination = Column(gettext_lazy("Destination"), roomy=True)
    job = Column(gettext_lazy("Job"), narrow=True, roomy=True)
    help = Column(gettext_lazy("Help"), narrow=True, roomy=True)
    exports = (
        Export(gettext_lazy("Date/Time"), "entry.at"),
        Export(gettext_lazy("Mapping"), "where"),
        Export(gettext_lazy("Direction"), "direction"),
        Export(gettext_lazy("Kind"), "said.kind"),
        Export(gettext_lazy("What is wrong"), "said.sentence"),
        Export(gettext_lazy("Said by"), "said.speaker"),
        Export(gettext_lazy("Error Message"), "said.message"),
        Export(gettext_lazy("Source, app"), "source.app"),
        Export(gettext_lazy("Source"), "source.title"),
        Export(gettext_lazy("Destination, app"), "destination.app"),
        Export(gettext_lazy("Destination"), "destination.title"),
        Export(gettext_lazy("Job"), "entry.job_id"),
        Export(gettext_lazy("Code"), "entry.code"),
    )


@dataclass(frozen=True)
class End:
    """Source or destination of an entry: the app, and the record; ``state`` where there is no record."""

    app: str
    title: str = ""
    state: str = ""
    #: Makes the address of its page.
    page: Callable[[], str] = str

    @cached_property
    def url(self) -> str:
        return self.page()


class EntryRow:
    """An entry as the list and its own page show it."""

    def __init__(self, entry: SynchJobError | DeletedEntry) -> None:
        self.entry, self.pk = entry, entry.pk
        self.apps = apps_of(entry)
        self.said = say(entry, self.apps)
        self.source, self.destination = self._ends()
        self.name = self.source.title or self.destination.title or self.where

    @property
    def url(self) -> str:
        return reverse("errors:entry", args=[self.pk])

    @cached_property
    def problem_url(self) -> str:
        return reverse("coupling:problem", args=[self.entry.problem_id]) if self._of_record else ""

    @property
    def help_url(self) -> str:
        return f"{reverse('errors:help', args=[self.entry.code])}?entry={self.pk}"

    @cached_property
    def job_url(self) -> str:
        return reverse("synccore:job", args=[self.entry.job_id]) if self.entry.job_id else ""

    @property
    def _of_record(self) -> bool:
        return bool(self.entry.problem_id and self.entry.coupling_id)

    @property
    def where(self) -> str:
        """Mapping or connection that the entry belongs to."""
        return str(self.entry.mapping or self.entry.connection or "")

    @property
    def direction(self) -> str:
        if not self.entry.destination:
            return ""
        side = Side(self.entry.destination)
        return f"{self.apps[side.other.value]} → {self.apps[side.value]}"

    def _ends(self) -> tuple[End, End]:
        if (
            self.entry.mapping is None and self.entry.connection is not None
        ):  # an app as a whole: nothing flowed
            return End("", state="–"), End("", title=self.entry.connection.name)
        to = Side(self.entry.destination) if self.entry.destination else SIDES[1]
        return self._end(to.other), self._end(to)

    def _end(self, side: Side) -> End:
        app, id = self.apps[side.value], getattr(self.entry, f"{side.value}_id")
        title = getattr(self.entry, f"{side.value}_title") or id
        if not title:
            return End(app, state=_("not coupled") if self._of_record else _("whole mapping"))
        return End(app, title, page=lambda: self._page_of(id))

    def _page_of(self, id: str) -> str:
        mapping = self.entry.mapping_id
        if page := pair_url(mapping, self.entry.coupling_id, id):
            return page
        return reverse("coupling:record", args=[mapping, id]) if id and mapping else self.problem_url


class DeletedTable(ListTable):
    caption = gettext_lazy("Deleted entries, those deleted last first")
    row_template = "errors/deleted_row.html"
    newest_first = ("deleted",)

    deleted = Column(gettext_lazy("Deleted"), sort="deleted", narrow=True)
    at = Column(gettext_lazy("Date/Time"), narrow=True)
    mapping = Column(gettext_lazy("Mapping"), narrow=True)
    message = Column(gettext_lazy("Error Message"))
    source = Column(gettext_lazy("Source"))
    destination = Column(gettext_lazy("Destination"))


class DeletedRow(EntryRow):
    """A deleted entry: what it said, and who deleted it when."""

    def __init__(self, entry: DeletedEntry) -> None:
        super().__init__(entry)
        self.deleted_at = entry.deleted_at
        self.forgotten_at = entry.deleted_at + KEPT_DELETED
        self.purge = str(entry.purge)

    @property
    def deleted_by(self) -> str:
        return person_name(self.entry.deleted_by)  # type: ignore[union-attr]
