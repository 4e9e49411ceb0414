"""The contract of a connector: how Tandem reads from and writes to one business app.

A connector is made for one connection, used by one thread, and closed after the job. Every public method raises nothing
but :class:`synccore.failures.Failure`; a batch method returns one result per item, in the order of the items, and raises
only where the whole call failed (scope table or connection). ``tests/connectors/contract.py`` proves these promises;
a new connector inherits it in three lines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

from synccore.connectors.options import Option
from synccore.failures import Failure
from synccore.shapes import (
    Choice,
    CreateItem,
    Currencies,
    DeleteItem,
    Filter,
    Finding,
    Page,
    Record,
    TableInfo,
    TableRef,
    TableUse,
    UpdateItem,
    Value,
    VersionPage,
)

#: Result of one written item: the record as the app stored it, or why it did not.
WriteResult = Record | Failure


class Connector(ABC):
    """Reads and writes one business app with the rights of its integration user."""

    #: Name of the kind in the ``CONNECTORS`` dict and on the set-up page.
    kind: ClassVar[str]
    #: What people call this kind of app, an English message id; "" is not offered for new connections.
    label: ClassVar[str] = ""
    #: What the set-up page asks for; read with ``read_options``.
    options: ClassVar[tuple[Option, ...]] = ()
    #: False: the app takes no changes at all.
    can_write: ClassVar[bool] = True
    #: True: ``changes`` reports deletions itself (``Page.deleted_ids``).
    reports_deletions: ClassVar[bool] = False
    #: Largest number of items one call of a batch method takes to the app in one go; callers page by it.
    page_size: ClassVar[int] = 500
    #: True: ``choices`` lists what people choose from, or confirm, when they set the connection up.
    lists_choices: ClassVar[bool] = False
    #: Steps in which the app tells its clock, in seconds: how much of a measured difference is no difference.
    clock_step: ClassVar[float] = 0.0
    #: Codes of what ``audit`` says of the app as a whole. One that it leaves out is shown as *could not be checked*.
    audits: ClassVar[tuple[str, ...]] = ("not_superuser", "password_valid", "not_owner")

    @classmethod
    def tidy(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """What people typed or pasted, as ``open`` wants it: the address of the app's own pages becomes that of its
        service, and what else such an address names (a company) goes into its own option. Pure; never raises; gives the
        same for what it gave. Default: as typed."""
        return dict(options)

    @classmethod
    def missing(cls, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The options that these answers need besides and do not have, such as the secret of a client: so that a form names
        all of them at once. Pure; never raises. Those declared ``required`` are found without it."""
        return ()

    @classmethod
    @abstractmethod
    def open(cls, values: Mapping[str, Any], *, app: str) -> Self:
        """A connector made from the values of ``options``; ``app`` is the name people gave the app, for failures.

        Contacts nobody yet: the first call does. Raises Misconfigured where the values do not go together.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def before_requests(self, hook: Callable[[], None]) -> None:  # noqa: B027  (one request a call is a fine default)
        """``hook`` is called before each request, where a call may take several of them: a job holds its lease by it. What
        it raises ends the call."""

    def close(self) -> None:  # noqa: B027  (nothing to close is a fine default)
        """Give back whatever is held. Never raises."""

    # -- knowing the app -----------------------------------------------------------------------------------------------

    @abstractmethod
    def check(self, table: TableRef | None = None, *, write: bool = False) -> None:
        """Prove in one cheap call that the app answers and signs us in; with a table, that it can be read (and, with
        ``write``, that rows may be inserted, updated and deleted). Leaves nothing behind.

        Raises Misconfigured (sign-in, right, unknown table) or Transient (does not answer).
        """

    @abstractmethod
    def now(self) -> datetime:
        """The app's own clock, aware, UTC."""

    @abstractmethod
    def describe(self) -> dict[str, TableInfo]:
        """Every table and view the integration user can see, by name."""

    def glance(self, tables: Collection[str] = (), *, anew: bool = False) -> dict[str, TableInfo]:
        """What ``describe`` tells, whole for ``tables`` only, and perhaps some minutes old unless ``anew``.

        For whoever waits, or looks at a few tables: a connector to which the whole description is costly overrides it.
        """
        return self.describe()

    def audit(self, uses: Sequence[TableUse]) -> list[Finding]:
        """What the app says about the set-up of its integration user, for these uses of its tables. Reads only.

        At most one finding per code and table: ``not_superuser`` (no administrator's account), ``not_owner`` (owns none
        of the tables), ``password_valid`` (neither expired nor about to), ``privileges`` per table (every right that
        ``write`` and the fields need; ``params["grant"]`` is what to run where one is missing). What an app cannot tell
        is left out: the page says that it could not be checked. A table that is not there is left out too.

        Raises Failure only where the app does not answer. Default: nothing can be checked.
        """
        return []

    def choices(self) -> list[Choice]:
        """What the service lists for people to choose from (companies of each environment), best first; choosing one fills
        options that are ``listed``. Where there is nothing to choose, the one thing that people confirm.

        Works without any ``listed`` option. Raises Failure. Default: nothing.
        """
        return []

    def currencies(self) -> Currencies | None:
        """The app's own currency and where its exchange rates stand, as the app itself says; None where it cannot tell:
        then people say it on Connection Setup. Raises Failure. Default: cannot tell."""
        return None

    @abstractmethod
    def record_url(self, table: TableRef, id: str) -> str | None:
        """Address of the record in the app's own pages; None where it has none."""

    # -- reading -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def changes(
        self,
        table: TableRef,
        fields: Sequence[str],
        filter: Filter = (),
        cursor: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
    ) -> Page:
        """One page of records changed since ``cursor`` (None: all), oldest first, inside ``filter``.

        May repeat, must not miss (ENGINE §5): keyset on (modified_at, id) with ``≥``; the pass's watermark is
        min(highest stamp read, the app's clock at the start of the pass) minus the overlap of the connection.
        A table without a modification stamp is read whole each time (keyset on id).
        """

    @abstractmethod
    def cursor_at(self, table: TableRef, moment: datetime) -> dict[str, Any] | None:
        """A cursor for ``changes`` that starts a pass at ``moment``: every record stamped then or later is in it.

        None where the table has no modification stamp: it is read whole, whatever is asked.
        """

    @abstractmethod
    def fetch(
        self, table: TableRef, ids: Sequence[str], fields: Sequence[str] | Literal["*"]
    ) -> list[Record]:
        """The records with these ids, whatever the filter. Absent ids are absent, an id that cannot be an id of this
        table too; duplicates are given once; order is free."""

    @abstractmethod
    def find(
        self, table: TableRef, field: str, values: Sequence[Value], fields: Sequence[str]
    ) -> list[Record]:
        """All records whose ``field`` equals one of the values (natural-key look-up, preconditions, candidates)."""

    @abstractmethod
    def search(self, table: TableRef, text: str, fields: Sequence[str], *, limit: int = 20) -> list[Record]:
        """Up to ``limit`` records that a person means by ``text``, whatever the filter.

        Every word of it begins a word of the record's id, key or name (a word ends at a blank; case does not matter).
        First the record whose key or id is exactly the text, then those whose key begins with it, then by key. Text
        without a word finds nothing.
        """

    @abstractmethod
    def versions(
        self,
        table: TableRef,
        filter: Filter = (),
        cursor: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
    ) -> VersionPage:
        """One page of (id, version) of all rows in the filter; the sweep's reading."""

    # -- writing -------------------------------------------------------------------------------------------------------

    def reserve_ids(self, table: TableRef, n: int) -> list[str]:
        """``n`` ids of a KeyKind.SEQUENCE table that nobody else will get. Connectors without sequences never get called."""
        raise NotImplementedError

    @abstractmethod
    def create(
        self, table: TableRef, items: Sequence[CreateItem], fields: Sequence[str]
    ) -> list[WriteResult]:
        """Create records; each result is the stored record with ``fields``.

        With ``item.id`` the create is idempotent: an id that exists already gives ``Rejected("duplicate_key")`` naming
        it, and the caller looks whether it is its own.
        """

    @abstractmethod
    def update(
        self, table: TableRef, items: Sequence[UpdateItem], fields: Sequence[str]
    ) -> list[WriteResult]:
        """Write fields of records still at the given version; a record that moved or is gone gives ``Stale``."""

    @abstractmethod
    def delete(self, table: TableRef, items: Sequence[DeleteItem]) -> list[None | Failure]:
        """Delete records still at the given version; one that moved gives ``Stale``, one that is gone already is done."""
