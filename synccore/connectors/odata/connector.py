"""The connector for apps that speak OData V4, and its three kinds. What differs between them is in their profiles."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from random import randint
from typing import Any, ClassVar, Final, Literal, Self, TypeVar
from uuid import uuid4

from synccore.connectors.base import Connector, WriteResult
from synccore.connectors.odata import audit, changes, discover, metadata, reading, searching, writing
from synccore.connectors.odata.addresses import tidy_business_central, tidy_dataverse, tidy_plain
from synccore.connectors.odata.auth import ClientCredentials, SignIn, fixed_headers
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.declared import check_address, check_times
from synccore.connectors.odata.errors import BadAnswer, not_the_service, translate
from synccore.connectors.odata.model import Entity
from synccore.connectors.odata.plain import PlainProfile
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.source import Source
from synccore.connectors.options import Option, bad_option
from synccore.connectors.options import gettext_noop as _
from synccore.failures import Failure, Misconfigured, Scope, Transient, Unrecognised
from synccore.shapes import (
    Choice,
    CreateItem,
    Currencies,
    DeleteItem,
    FieldInfo,
    FieldType,
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

T = TypeVar("T")

#: An ETag that no record has.
_NOBODYS: Final = 'W/"tandem-asks-for-its-rights"'
#: An answer to a sign of life has one of these members: OData's own, a record of Business Central, the user of Dataverse.
_SERVICE: Final = frozenset({"@odata.context", "@context", "id", "UserId"})
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
#: Headers that Tandem sets itself (conditions, framing of the body): people cannot set them.
_OWN_HEADERS: Final = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "expect", "host", "if-match", "if-modified-since",
    "if-none-match", "if-range", "if-unmodified-since", "range", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip


class ODataConnector(Connector):
    """Reads and writes the entity sets of one OData V4 service, with the rights of one sign-in.

    A table is an entity set, a record's id its key as text, its version the ETag as the service gives it.
    """

    profile_class: ClassVar[type[Profile]]
    page_size = 1000
    #: The clock that services tell has whole seconds, cut off.
    clock_step = 1.0

    def __init__(self, client: Client, *, overlap: int = 300) -> None:
        self.client = client
        self._source = Source(client, timedelta(seconds=overlap), self._entity)

    @classmethod
    def missing(cls, values: Mapping[str, Any]) -> tuple[str, ...]:
        return _missing(cls.profile_class(values))

    @classmethod
    def open(cls, values: Mapping[str, Any], *, app: str) -> Self:
        profile = cls.profile_class(values)
        sign_in = sign_in_of(profile)
        check_times(values)
        has_secrets = bool(sign_in.secrets)
        check_address("address", profile.root(), secrets=has_secrets)
        client = Client(
            profile,
            app=app,
            sign_in=sign_in,
            connect_timeout=values["connect_timeout"],
            request_timeout=values["request_timeout"],
        )
        return cls(client, overlap=values["overlap"])

    def before_requests(self, hook: Callable[[], None]) -> None:
        self.client.before_call = hook

    def close(self) -> None:
        self.client.close()

    # -- knowing the app -----------------------------------------------------------------------------------------------

    def check(self, table: TableRef | None = None, *, write: bool = False) -> None:
        if table is None:
            # A person presses Test Connection, or the tick looks whether it may go on: the service is asked in any case.
            self._run("connect", self._look)
        else:
            self._run("read", lambda: self._check(table, write), table)

    def _check(self, ref: TableRef, write: bool) -> None:
        self._chosen()
        table = self._source.table(ref)
        select = ",".join(table.select_versions())
        self._ask(f"{table.name}?$select={select}&$top=1", "read", table.name)
        if not write:
            return
        if not table.entity.table.writable:
            raise Misconfigured("not_writable", {"table": table.name})
        if table.key.info.type is FieldType.GUID:
            path, condition = table.address(str(uuid4())), "*"
        else:
            key = _some_key(table.key.info)
            if self._source.by_id(table, [key], ()):
                return  # somebody's: a service that tells no versions would carry out what is only tried
            path, condition = table.address(key), _NOBODYS
        if self.client.profile.updates_never_create:
            self._probe(Request("PATCH", path, {"If-Match": condition}, b"{}"), "update", table.name)
        self._probe(Request("DELETE", path, {"If-Match": condition}), "delete", table.name)

    def _probe(self, request: Request, operation: str, table: str) -> None:
        """A change of a record that is not there, to hear whether it would be allowed. Raises where it is not, and where
        nobody answers; any other refusal is not about rights."""
        try:
            self.client.send(request, operation=operation, table=table)
        except (Misconfigured, Transient):
            raise
        except Failure:
            return

    def _ask(self, path: str, operation: str, table: str = "") -> None:
        self.client.send(Request("GET", path), operation=operation, table=table)

    def _look(self) -> None:
        """Ask for the service's sign of life. A web page, or whatever else answers there, is none."""
        answer = self.client.send(
            Request("GET", self.client.profile.sign_of_life()), operation="connect", probe=True
        )
        now = self.client.situation("connect", "")
        try:
            said = answer.json()
        except BadAnswer:
            raise translate(answer, now, self.client.profile) from None
        if not _SERVICE & said.keys() and not isinstance(said.get("value"), list):
            raise not_the_service(now)

    def now(self) -> datetime:
        return self._run("connect", self._now)

    def _now(self) -> datetime:
        self.client.last_date = None
        self._look()
        if self.client.last_date is None:
            raise Unrecognised("app_answer", {"table": ""}, app_message="Date", scope=Scope.CONNECTION)
        return self.client.last_date + timedelta(seconds=self.clock_step / 2)

    def describe(self) -> dict[str, TableInfo]:
        return self._run("read", lambda: metadata.describe(self.client))

    def glance(self, tables: Collection[str] = (), *, anew: bool = False) -> dict[str, TableInfo]:
        return self._run("read", lambda: metadata.glance(self.client, tables, anew=anew))

    def audit(self, uses: Sequence[TableUse]) -> list[Finding]:
        return self._run("read", lambda: audit.audit(self.client, uses))

    def choices(self) -> list[Choice]:
        return self._run("connect", lambda: discover.choices(self.client))

    def currencies(self) -> Currencies | None:
        return self._run("read", lambda: audit.currencies(self.client))

    def record_url(self, table: TableRef, id: str) -> str | None:
        return self.client.profile.record_url(None, table.name, id)

    # -- reading -------------------------------------------------------------------------------------------------------

    def changes(
        self,
        table: TableRef,
        fields: Sequence[str],
        filter: Filter = (),
        cursor: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
    ) -> Page:
        size = limit or self.page_size
        return self._run(
            "read", lambda: changes.changes(self._source, table, fields, filter, cursor or {}, size), table
        )

    def cursor_at(self, table: TableRef, moment: datetime) -> dict[str, Any] | None:
        return self._run("read", lambda: changes.cursor_at(self._source, table, moment), table)

    def fetch(
        self, table: TableRef, ids: Sequence[str], fields: Sequence[str] | Literal["*"]
    ) -> list[Record]:
        return self._run("read", lambda: reading.fetch(self._source, table, ids, fields), table)

    def find(
        self, table: TableRef, field: str, values: Sequence[Value], fields: Sequence[str]
    ) -> list[Record]:
        return self._run("read", lambda: reading.find(self._source, table, field, values, fields), table)

    def search(self, table: TableRef, text: str, fields: Sequence[str], *, limit: int = 20) -> list[Record]:
        return self._run("read", lambda: searching.search(self._source, table, text, fields, limit), table)

    def versions(
        self,
        table: TableRef,
        filter: Filter = (),
        cursor: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
    ) -> VersionPage:
        return self._run(
            "read", lambda: reading.versions(self._source, table, filter, cursor or {}, limit), table
        )

    # -- writing -------------------------------------------------------------------------------------------------------

    def create(
        self, table: TableRef, items: Sequence[CreateItem], fields: Sequence[str]
    ) -> list[WriteResult]:
        return self._run("create", lambda: writing.create(self._source, table, items, fields), table)

    def update(
        self, table: TableRef, items: Sequence[UpdateItem], fields: Sequence[str]
    ) -> list[WriteResult]:
        return self._run("update", lambda: writing.update(self._source, table, items, fields), table)

    def delete(self, table: TableRef, items: Sequence[DeleteItem]) -> list[None | Failure]:
        return self._run("delete", lambda: writing.delete(self._source, table, items), table)

    def _entity(self, name: str) -> Entity:
        self._chosen()
        return metadata.entity(self.client, name)

    def _chosen(self) -> None:
        """Tables are of what people choose when they set the app up. Raises Misconfigured where they have not yet."""
        if missing := self.client.profile.lacks():
            raise bad_option(missing, "required")

    def _run(self, operation: str, work: Callable[[], T], table: TableRef | None = None) -> T:
        """An answer that nobody further down could make sense of is a failure of the call as a whole."""
        try:
            return work()
        except BadAnswer as bad:
            about = self.client.situation(operation, table.name if table else "")
            raise translate(bad.answer, about, self.client.profile) from bad


class PlainODataConnector(ODataConnector):
    kind = "odata"
    label = _("OData V4 service")
    profile_class = PlainProfile
    options: ClassVar[tuple[Option, ...]] = PlainProfile.options
    audits = ("certificate_ends",)

    @classmethod
    def tidy(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return tidy_plain(options)


class BusinessCentralConnector(ODataConnector):
    kind = "business_central"
    label = _("Business Central")
    profile_class = BusinessCentralProfile
    options: ClassVar[tuple[Option, ...]] = BusinessCentralProfile.options
    lists_choices = True
    audits = (
        "certificate_ends", "user_exists", "user_enabled", "not_superuser", "secret_valid", "quota_left",
    )  # fmt: skip

    @classmethod
    def tidy(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return tidy_business_central(options)


class DataverseConnector(ODataConnector):
    kind = "dataverse"
    label = _("Dataverse")
    profile_class = DataverseProfile
    options: ClassVar[tuple[Option, ...]] = DataverseProfile.options
    lists_choices = True
    reports_deletions = True
    audits = (
        "certificate_ends", "user_exists", "user_enabled", "user_access_mode", "not_superuser", "secret_valid",
        "admin_mode_off", "quota_left",
    )  # fmt: skip

    @classmethod
    def tidy(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return tidy_dataverse(options)


def sign_in_of(profile: Profile) -> SignIn:
    """How the connection signs in. Raises Misconfigured ``bad_connection_options`` where its answers do not go together."""
    values = profile.values
    headers = _headers_of(values.get("headers"))
    if values.get("client_id") and values.get("user"):
        raise bad_option("user", "not_together")
    for name in _missing(profile):
        raise bad_option(name, "required")
    if not values.get("client_id"):
        return fixed_headers(headers, user=values.get("user") or "", password=values.get("password") or "")
    token_address = profile.token_address()
    check_address("token_address", token_address, secrets=True)
    return ClientCredentials(
        token_address=token_address,
        client_id=values["client_id"],
        client_secret=values["client_secret"],
        scope=profile.scope(),
        headers=headers,
    )


def _missing(profile: Profile) -> tuple[str, ...]:
    """What the sign-in that was begun needs besides: of a user the password, of a client the secret and where its tokens are
    given; of a service that lets nobody in without one, a client."""
    values, names = profile.values, {option.name for option in profile.options}
    if not values.get("client_id") and (values.get("user") or not profile.must_sign_in):
        return () if values.get("password") or not values.get("user") else ("password",)
    needed = [name for name in ("client_id", "client_secret") if not values.get(name)]
    if not values.get("token_address") and not values.get("tenant"):
        needed.append("tenant" if "tenant" in names else "token_address")
    return tuple(needed)


def _headers_of(said: Any) -> dict[str, str]:
    """Headers as they were typed: a JSON object of names and texts. Raises Misconfigured."""
    if not said:
        return {}
    try:
        found = json.loads(said) if isinstance(said, str) else said
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise bad_option("headers", "wrong_shape")
    for name, value in found.items():
        text = isinstance(value, str) and value.isprintable() and value.isascii() and value.strip() == value
        if not text or not _HEADER.match(name):
            raise bad_option("headers", "wrong_shape")
        if name.lower() in _OWN_HEADERS:
            raise bad_option("headers", "own_header", name=name)
    return dict(found)


def _some_key(info: FieldInfo) -> str:
    """A key that hardly any record has, of the type and length of this field."""
    if info.type is FieldType.INTEGER:
        most = (1 << ((info.precision or 32) - 1)) - 1
        return str(randint(most // 2, most))
    return uuid4().hex[: info.length]
