"""Tables: django-tables2 keeps columns and headers; rows are drawn by one ``<tr>`` template per table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import django_tables2
from django.http import QueryDict
from django.utils.functional import Promise

from .export import Export
from .filters import CURSOR, OPEN, SORT, with_
from .paging import Sort


class Column(django_tables2.Column):
    """A column. ``sort`` names the order of the list that its header offers; ``narrow`` columns keep to their content,
    ``roomy`` ones give way where a panel stands beside the list."""

    def __init__(
        self,
        verbose_name: str | Promise,
        *,
        sort: str = "",
        narrow: bool = False,
        number: bool = False,
        roomy: bool = False,
    ):
        super().__init__(verbose_name=verbose_name, orderable=False, empty_values=())
        self.sort, self.narrow, self.number, self.roomy = sort, narrow, number, roomy


@dataclass(frozen=True)
class Header:
    """One header cell: its words, the address that sorts by it, and how it is sorted now."""

    label: str
    url: str = ""
    sorted: str = ""  # as aria-sort says it
    css: str = ""


class ListTable(django_tables2.Table):
    """A table whose rows were already fetched in order.

    A subclass sets ``row_template`` (gets ``row`` and the page's context) and ``caption``; ``exports`` are the columns of
    its CSV file, none where there is no file.
    """

    exports: tuple[Export, ...] = ()

    row_template = ""
    caption: str | Promise = ""

    class Meta:
        orderable = False
        template_name = "ui/table.html"

    def __init__(
        self, rows: Sequence[Any], *, sort: Sort, params: QueryDict, selectable: bool = False
    ) -> None:
        super().__init__(list(rows))
        self.row_list, self.sort, self.params, self.selectable = list(rows), sort, params, selectable

    @property
    def headers(self) -> list[Header]:
        return [self._header(bound) for bound in self.columns]

    @property
    def width(self) -> int:
        return len(list(self.columns)) + int(self.selectable)

    def _header(self, bound: Any) -> Header:
        column = bound.column
        css = " ".join(word for word in ("narrow", "number", "roomy") if getattr(column, word))
        if not column.sort:
            return Header(bound.header, css=css)
        if column.sort != self.sort.name:
            return Header(bound.header, self._sorted_by(self._first(column.sort)), "none", css)
        state = "descending" if self.sort.descending else "ascending"
        return Header(bound.header, self._sorted_by(self.sort.reverse.token), state, css)

    def _sorted_by(self, token: str) -> str:
        return with_(self.params, **{SORT: token, CURSOR: "", OPEN: ""})

    def _first(self, name: str) -> str:
        """The direction a click starts with: times newest first, all else from A to Z."""
        return f"-{name}" if name in self.newest_first else name

    newest_first: tuple[str, ...] = ()
