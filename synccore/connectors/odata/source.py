"""What the calls of one connector share: the client, the tables, and pages that were longer than asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final

from synccore.connectors.odata import filtering
from synccore.connectors.odata.client import Answer, Client, Request
from synccore.connectors.odata.errors import BadAnswer, translate, without_secrets
from synccore.connectors.odata.links import ends_or_goes_on, next_link, query
from synccore.connectors.odata.model import Entity, Property
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.tables import Row, Table
from synccore.connectors.odata.waiting import moment_of
from synccore.failures import Failure, Scope, Transient, Unrecognised
from synccore.shapes import ALL, TableRef

#: A page is not asked to be smaller than this, however slow the service.
SMALLEST: Final = 50
#: Statuses which say that an answer was too long, or took too long to make.
TOO_LONG: Final = frozenset({408, 413, 504})
#: Statuses by which a service refuses a link of its own that has expired, or has become too long for its web server.
REFUSED_LINK: Final = frozenset({400, 404, 410, 414})
#: How often a pass is begun again because the service refused a link of its own. Without a limit, a link that is always
#: refused would be asked for without end.
AGAIN: Final = 3
#: Longest address of a query inside a batch.
_IN_BATCH: Final = 8_000
#: What a service may add to an address in a link to the next page.
_LINK: Final = 500
#: Further pages of one look-up; more is no look-up.
_FURTHER: Final = 1_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list: its rows, where it goes on, and the service's clock when it was asked."""

    rows: Sequence[Row]
    body: Mapping[str, Any]
    answer: Answer
    next: str | None
    started: datetime


class LinkRefused(Exception):
    """The service no longer takes a link that it gave. ``failure`` is what its answer means by itself."""

    def __init__(self, answer: Answer, failure: Failure) -> None:
        super().__init__(failure.code)
        self.answer, self.failure = answer, failure


@dataclass(slots=True)
class Source:
    """The service of one connector. ``overlap``: how far behind the clock the next pass starts. ``entity``: what is known
    of a table by name, or Misconfigured ``unknown_table``."""

    client: Client
    overlap: timedelta
    entity: Callable[[str], Entity]
    #: The last page that was longer than asked for, by its address: its rest is given without asking again.
    kept: dict[str, Listing] = field(default_factory=dict)
    #: The longest page that a table was found to give in time.
    sizes: dict[str, int] = field(default_factory=dict)
    #: Tables whose rows say no version: they are read whole.
    whole: set[str] = field(default_factory=set)
    #: Whether the rows of a table carry their ETags, as far as rows of it were read.
    etags: dict[str, bool] = field(default_factory=dict)

    @property
    def profile(self) -> Profile:
        return self.client.profile

    def table(self, ref: TableRef) -> Table:
        """Raises Misconfigured: ``unknown_table``, and as :class:`Table` does."""
        return Table(self.entity(ref.name), ref, self.profile)

    def ask(self, table: Table, path: str, size: int | None = None, *preferences: str) -> Answer:
        """The answer to a query, whatever its status. A status of ``TOO_LONG`` is returned at once, not repeated, while a
        shorter page can still be asked for (``size`` above ``SMALLEST``). Raises Failure where no answer came."""
        asked = [*preferences, f"odata.maxpagesize={size}" if size else ""]
        headers = {"Prefer": ",".join(filter(None, asked))} if any(asked) else {}
        wanted = TOO_LONG if size and size > SMALLEST else frozenset()
        return self.client.send_raw(
            Request("GET", path, headers), operation="read", table=table.name, wanted=wanted
        )

    def listing(
        self, table: Table, path: str, size: int, *preferences: str, is_link: bool = False
    ) -> Listing:
        """One page of a list, asked for as by ``page``. Raises Failure; LinkRefused where ``path`` is a link of the service
        (``is_link``) that it no longer takes."""
        answer, seconds = self.page(table, path, size, *preferences)
        if is_link and answer.status in REFUSED_LINK:
            raise LinkRefused(answer, self.failure(table, answer))
        return self.read(table, answer, seconds)

    def page(self, table: Table, path: str, size: int, *preferences: str) -> tuple[Answer, float]:
        """The answer to a query for a page, whatever its status, and the seconds it took. Where a page is too long for the
        service, or for the time of a call, a shorter one is asked for. Raises Failure where no answer came."""
        size = min(size, self.sizes.get(table.name, size))
        while True:
            began = monotonic()
            try:
                answer = self.ask(table, path, size, *preferences)
                if answer.status not in TOO_LONG or size <= SMALLEST:
                    return answer, monotonic() - began
                part = 4
            except Transient as failure:
                if failure.code != "statement_timeout" or size <= SMALLEST:
                    raise
                part = 16  # it took all the time there was: not many tries more
            size = self.sizes[table.name] = max(size // part, SMALLEST)

    def read(self, table: Table, answer: Answer, seconds: float) -> Listing:
        """The page that an answer is, which took so many seconds. Raises Failure where it is none."""
        if answer.status >= 300:
            raise self.failure(table, answer)
        try:
            body = answer.json()
            rows = body.get("value")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise BadAnswer(answer, "no list of records")
            if not ends_or_goes_on(body):
                raise BadAnswer(answer, "a link that is none")
        except BadAnswer as bad:
            raise self.failure(table, answer) from bad
        if rows:
            self.etags[table.name] = bool(table.etag(rows[-1]))
        link = next_link(body, requested=answer.request.path, root=self.client.root)
        return Listing(rows, body, answer, link, _clock(answer) - timedelta(seconds=seconds))

    def failure(self, table: Table, answer: Answer) -> Failure:
        return translate(answer, self.client.situation("read", table.name, infos=table.infos), self.profile)

    def repeats(self, table: Table, link: str) -> Unrecognised:
        """The service's pages lead to one that was read already: a pass would never end."""
        told = without_secrets(link, self.client.situation("read").secrets)[:2000]
        return Unrecognised("pages_repeat", {"table": table.name}, app_message=told, scope=Scope.TABLE)

    # -- several queries at once ---------------------------------------------------------------------------------------

    def every(self, table: Table, paths: Sequence[str], preference: str = "") -> Iterator[Row]:
        """The rows of several queries, to their last pages. In as few requests as the service allows. Raises Failure."""
        headers = {"Prefer": preference} if preference else {}
        requests = [Request("GET", path, headers) for path in paths]
        short = len(requests) == 1 and len(self.client.root) + len(paths[0]) <= self.profile.address_max
        if short or not self.profile.batch_format:
            pages = (self.read(table, self.ask(table, each.path, None, preference), 0) for each in requests)
        else:
            answers = self.client.batch(requests, operation="read", table=table.name)
            pages = (self._part(table, each) for each in answers)
        for page in pages:
            yield from page.rows
            yield from self._further(table, page, preference)

    def _part(self, table: Table, answer: Answer | Failure) -> Listing:
        if isinstance(answer, Failure):
            raise answer
        return self.read(table, answer, 0)

    def _further(self, table: Table, page: Listing, preference: str) -> Iterator[Row]:
        seen: set[str] = set()
        while page.next is not None:
            if page.next in seen or len(seen) >= _FURTHER:
                raise self.repeats(table, page.next)
            seen.add(page.next)
            page = self.read(table, self.ask(table, page.next, None, preference), 0)
            yield from page.rows

    def by_id(self, table: Table, ids: Sequence[str], fields: Iterable[str]) -> dict[str, Row]:
        """Rows by id, for those that exist; ``ids`` as ``Table.identify`` gives them. Raises Failure."""
        wanted = set(ids)
        if not wanted:
            return {}
        literals = [table.literal(table.key, table.key_value(id)) for id in sorted(wanted)]
        rows = self.equal(table, table.key, literals, fields)
        return {id: row for row in rows if (id := table.id(row)) in wanted and id is not None}

    def equal(
        self, table: Table, property: Property, literals: Sequence[str], fields: Iterable[str]
    ) -> list[Row]:
        """The rows whose property equals one of the values, and maybe others that the service takes for equal."""
        fields = ALL if fields == ALL else list(fields)
        named = () if fields == ALL else table.select(fields)
        while True:
            select = self.brief(table, named)
            paths = equal_to(table, property, literals, select, longest=self.longest)
            rows = list(self.every(table, paths, table.annotations(fields)))
            if not select or not self.must_be_whole(table, rows):
                return rows

    # -- how long an address may be ------------------------------------------------------------------------------------

    @property
    def longest(self) -> int:
        """The longest path of a look-up: it goes over the wire as it is, or inside a batch, where it may be longer."""
        profile = self.profile
        return _IN_BATCH if profile.batch_format else max(profile.address_max - len(self.client.root), 200)

    def brief(self, table: Table, names: Sequence[str]) -> Sequence[str]:
        """What a look-up selects: these names, or everything where they would leave its conditions no room."""
        select = self.selected(table, names)
        return select if len(query(table.name, select=select)) <= self.longest // 2 else ()

    def list_of(
        self, table: Table, select: Sequence[str], *, filter: str = "", order: Sequence[str] = ()
    ) -> str:
        """The path of a list of these fields; of all fields where its address, or that of its next page, would be too long
        to name them."""
        path = query(table.name, select=self.selected(table, select), filter=filter, order=order)
        if len(self.client.root) + len(path) + _LINK <= self.profile.address_max:
            return path
        return query(table.name, filter=filter, order=order)

    # -- rows without a version ----------------------------------------------------------------------------------------

    def selected(self, table: Table, names: Sequence[str]) -> Sequence[str]:
        """What a query selects: these, or everything where only the whole row tells its version."""
        return () if table.name in self.whole else names

    def must_be_whole(self, table: Table, rows: Sequence[Row]) -> bool:
        """True, once: these rows tell no version, so they have to be asked for again without ``$select``."""
        if not rows or table.name in self.whole or not table.needs_whole_rows(rows[0]):
            return False
        self.whole.add(table.name)
        return True


def equal_to(
    table: Table, property: Property, literals: Sequence[str], select: Sequence[str], *, longest: int
) -> list[str]:
    """Queries for the rows whose property equals one of the values: conditions joined by ``or``, as many in each as its
    address may hold and the service takes."""
    found: list[str] = []
    chain: list[str] = []
    both = filtering.encoded(" or ")
    head = query(table.name, select=select, filter="-").removesuffix("-")
    length = len(head)
    for each in literals:
        condition = filtering.encoded(f"{property.read_path} eq {each}")
        own = len(condition) + len(both)
        if chain and (len(chain) >= table.profile.or_chain or length + own > longest):
            found.append(head + both.join(chain))
            chain, length = [], len(head)
        chain.append(condition)
        length += own
    if chain:
        found.append(head + both.join(chain))
    return found


def low_mark(source: Source, started: str, high: str | None) -> dict[str, Any]:
    """The watermark of a pass read by stamps: the highest stamp, but not beyond the service's clock at its start, less the
    overlap."""
    newest = min(datetime.fromisoformat(each) for each in (started, high) if each)
    try:
        newest -= source.overlap
    except OverflowError:  # the first day there is
        newest = datetime.min.replace(tzinfo=UTC)
    return {"low": newest.isoformat()}


def _clock(answer: Answer) -> datetime:
    """The service's clock when it answered; ours where it does not tell, or nonsense."""
    said = moment_of(answer.headers.get("date"))
    return said if said is not None and said.year > 1970 else datetime.now(UTC)
