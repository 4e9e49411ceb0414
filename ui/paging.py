"""Keyset pages: newer, older, first, last; no OFFSET, no page numbers, no COUNT.

A cursor is the signed sort values of the row at the edge of a page. The next page is "the rows after these values in
the same order", so rows that arrive meanwhile neither repeat nor hide others, and page 10,000 costs what page 1 costs.
Every order ends with the primary key and runs in one direction, so PostgreSQL answers it from one index by comparing
row values: ``(since, id) < (…, …)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core import signing
from django.db.models import BooleanField, F, Func, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

LAST = "last"
EVERYTHING = (Q(),)


@dataclass(frozen=True)
class Sort:
    """A total order. ``fields`` are columns without the primary key, which is always added.

    ``nullable``: the (only) field may be NULL; NULL comes first in a descending and last in an ascending order, as in
    PostgreSQL's indexes.
    """

    name: str
    fields: tuple[str, ...]
    descending: bool = False
    nullable: bool = False

    @property
    def reverse(self) -> Sort:
        return Sort(self.name, self.fields, not self.descending, self.nullable)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.fields, "pk")

    @property
    def order_by(self) -> tuple[str, ...]:
        return tuple(f"-{column}" if self.descending else column for column in self.columns)

    @property
    def token(self) -> str:
        """The order as it stands in the URL: ``-since``."""
        return f"-{self.name}" if self.descending else self.name


@dataclass(frozen=True)
class Page:
    """Rows and the cursors around them; "" where there is nothing on that side.

    ``invalid``: the cursor of the URL could not be read, so this is the first page.
    """

    rows: list[Any]
    newer: str = ""
    older: str = ""
    invalid: bool = False

    @property
    def is_only(self) -> bool:
        return not self.newer and not self.older


def paginate(
    rows: QuerySet[Any],
    sort: Sort,
    *,
    cursor: str,
    size: int,
    branches: Sequence[Q] = EVERYTHING,
    keys: QuerySet[Any] | None = None,
) -> Page:
    """One page of ``rows``, in one query (two where the page before turns out to be the first or the last one).

    Args:
        cursor: "" for the first page, ``last``, or a cursor of a page before.
        branches: disjoint conditions that together are the wanted rows. Each is asked for its own first rows, so each
            may use its own index ("state = skipped", "state = waiting"); the database merges them.
        keys: the same rows without anything joined, from which the keys of the page are read; ``rows`` where not given.
    """
    reader = _Reader(rows, keys if keys is not None else rows, sort, size, branches)
    if cursor == LAST:
        return reader.last()
    if cursor:
        try:
            newer, values = _open(cursor, sort)
        except (signing.BadSignature, ValueError, TypeError, KeyError, IndexError):
            return reader.first(invalid=True)
        return reader.newer(values) if newer else reader.older(values)
    return reader.first()


def chunks(
    rows: QuerySet[Any],
    sort: Sort,
    *,
    size: int,
    branches: Sequence[Q] = EVERYTHING,
    keys: QuerySet[Any] | None = None,
) -> Iterator[list[Any]]:
    """All of ``rows`` in their order, ``size`` at a time, one query each; arguments as of :func:`paginate`.

    A row that moves or leaves meanwhile neither hides nor repeats others.
    """
    reader = _Reader(rows, keys if keys is not None else rows, sort, size, branches)
    after: list[Any] | None = None
    while found := reader.read(sort, after):
        yield found[:size]
        if len(found) <= size:
            return
        after = [_value(found[size - 1], column) for column in sort.columns]


class IsOneOf(Func):
    """``key = ANY(ARRAY(…))``: the keys are found first, by their own plan, then the rows by their primary key."""

    arity = 2
    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, *_args: Any, **_context: Any) -> Any:
        key, key_params = compiler.compile(self.source_expressions[0])
        array, array_params = compiler.compile(self.source_expressions[1])
        return f"{key} = ANY({array})", (*key_params, *array_params)


def among(field: str, keys: QuerySet[Any]) -> Q:
    """Rows whose ``field`` is one of ``keys``, a query of one column.

    As ``field__in=keys``, which is a join to the database: its plan follows from what the database knows of both tables,
    and while that is nothing (the tables have just been filled) it reads one of them anew for each row of the other.
    """
    return Q(IsOneOf(F(field), ArraySubquery(keys)))


class _Reader:
    def __init__(
        self, rows: QuerySet[Any], keys: QuerySet[Any], sort: Sort, size: int, branches: Sequence[Q]
    ) -> None:
        self.rows, self.sort, self.size, self.branches = rows, sort, size, branches
        self.keys = keys.select_related(None).prefetch_related(None)

    def first(self, *, invalid: bool = False) -> Page:
        found = self.read(self.sort, None)
        more = len(found) > self.size
        found = found[: self.size]
        return Page(found, older=self._cursor(found[-1]) if more else "", invalid=invalid)

    def last(self) -> Page:
        found = self.read(self.sort.reverse, None)
        more = len(found) > self.size
        found = found[: self.size][::-1]
        return Page(found, newer=self._cursor(found[0], newer=True) if more else "")

    def older(self, values: list[Any]) -> Page:
        found = self.read(self.sort, values)
        if not found:  # the rows that were there have left: show the end instead of an empty page
            return self.last()
        more = len(found) > self.size
        found = found[: self.size]
        return Page(found, self._cursor(found[0], newer=True), self._cursor(found[-1]) if more else "")

    def newer(self, values: list[Any]) -> Page:
        found = self.read(self.sort.reverse, values)
        if len(found) <= self.size:  # the beginning: a full first page
            return self.first()
        found = found[: self.size][::-1]
        return Page(found, self._cursor(found[0], newer=True), self._cursor(found[-1]))

    def read(self, sort: Sort, after: list[Any] | None) -> list[Any]:
        """At most ``size + 1`` rows after ``after`` in the order ``sort``."""
        wanted = Q()
        for branch in self.branches:
            for part in _parts(sort, after):
                keys = self.keys.filter(branch)
                keys = keys if part is None else keys.filter(part)
                head = keys.order_by(*sort.order_by).values("pk")[: self.size + 1]
                wanted |= among("pk", head)
        return list(self.rows.filter(wanted).order_by(*sort.order_by)[: self.size + 1])

    def _cursor(self, row: Any, *, newer: bool = False) -> str:
        values = [_value(row, column) for column in self.sort.columns]
        return _signer(self.sort).sign_object([int(newer), *[_dump(value) for value in values]])


def _parts(sort: Sort, after: list[Any] | None) -> list[Any]:
    """What comes after the values, as disjoint conditions, each one range of the index. None: no condition."""
    compare = TupleLessThan if sort.descending else TupleGreaterThan
    past = None if after is None else compare(Tuple(*[F(column) for column in sort.columns]), tuple(after))
    if not sort.nullable:
        return [past]
    (field,) = sort.fields
    null, known = Q(**{f"{field}__isnull": True}), Q(**{f"{field}__isnull": False})
    nulls_first = sort.descending
    if after is None:
        return [null, known] if nulls_first else [known, null]
    if after[0] is None:
        step = "pk__lt" if sort.descending else "pk__gt"
        rest = null & Q(**{step: after[-1]})
        return [rest, known] if nulls_first else [rest]
    return [past] if nulls_first else [past, null]


def _signer(sort: Sort) -> signing.Signer:
    return signing.Signer(salt=f"ui.paging:{sort.token}:{','.join(sort.fields)}")


def _open(cursor: str, sort: Sort) -> tuple[bool, list[Any]]:
    newer, *values = _signer(sort).unsign_object(cursor)
    if len(values) != len(sort.columns):
        raise ValueError("a cursor of another order")
    return bool(newer), [_load(value) for value in values]


def _value(row: Any, column: str) -> Any:
    for name in column.split("__"):
        row = getattr(row, name)
    return row


def _dump(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    if isinstance(value, date):
        return {"on": value.isoformat()}
    return value


def _load(value: Any) -> Any:
    if isinstance(value, dict):
        return datetime.fromisoformat(value["at"]) if "at" in value else date.fromisoformat(value["on"])
    return value
