"""Any OData V4 service: keys that clients give (text) or the service does (numbers), nulls, relative links, no batch."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.odata.csdl import Manner
from tests.odata.filters import Dialect
from tests.odata.schema import EntitySet, Prop, decimal, entity, flag, instant, lookup, number, text
from tests.odata.server import Server, chosen
from tests.odata.service import OPTIONS, Service
from tests.odata.store import Key, Row
from tests.odata.tokens import Tokens
from tests.odata.wire import Answer, Call, Refused, load

SETS: tuple[EntitySet, ...] = (
    entity(
        "Products", "Product", number("ID", read_only=True),
        text("Code", 20, unique=True, required=True),
        text("Name", 80, required=True),
        decimal("Price", 18, 4),
        flag("Discontinued"),
        lookup("CategoryCode", "Categories"),
        instant("ChangedAt", read_only=True),
        modified="ChangedAt",
    ),
    entity("Categories", "Category", text("Code", 20), text("Name", 80)),
)  # fmt: skip


class Plain(Service):
    dialect = Dialect(
        functions=frozenset({"startswith", "endswith", "contains", "tolower", "toupper"}), has_in=True
    )
    manner = Manner("Shop", computed=True)
    options = OPTIONS | {"$skip"}
    relative_links = True
    etags = True
    etag_in_body = True

    def etag(self, row: Row) -> str | None:
        return f'W/"{row.version}"' if self.etags and self.etag_in_body else None

    def _etag(self, row: Row) -> str:
        return f'W/"{row.version}"'

    def navigation_key(self, shape: EntitySet, key: Key) -> str:
        if shape.props[shape.key].type == "String":
            return quote("'" + str(key).replace("'", "''") + "'", safe="'")
        return str(key)

    def read_one(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        answer = super().read_one(call, shape, key)
        if self.etags:
            answer.headers["ETag"] = self._etag(self.store.tables[shape.name].rows[key])
        return answer

    def post(self, call: Call, shape: EntitySet) -> Answer:
        self.writable(shape, "create", call)
        values = {prop.name: prop.default for prop in shape.props.values()} | self.given(
            call, shape, new=True
        )
        with self.store.lock:
            rows = self.store.tables[shape.name].rows
            if shape.props[shape.key].read_only:
                key: Key = max((each for each in rows if isinstance(each, int)), default=0) + 1
            else:
                key = values[shape.key]
                if key in (None, ""):
                    raise Refused(400, "ValueRequired", f"'{shape.key}' must have a value.")
                if key in rows:
                    raise self.duplicate(shape, shape.key, key)
            self.judge(shape, values, key)
            row = self.store.write(shape.name, key, values, by=call.user)
        return self.stored(call, shape, row, 201)

    def patch(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        self.writable(shape, "write", call)
        given = self.given(call, shape, new=False)
        with self.store.lock:
            before = self.expected(call, shape, key)
            values = {**before.values, **given}
            self.judge(shape, values, key)
            row = self.store.write(shape.name, key, values, by=call.user)
        return self.stored(call, shape, row, 200)

    def delete(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        self.writable(shape, "delete", call)
        with self.store.lock:
            self.expected(call, shape, key)
            self.store.remove(shape.name, key)
        return Answer(204)

    def allowed(self, shape: EntitySet, operation: str, call: Call) -> None:
        if (shape.name, operation) in self.faults.denied:
            raise Refused(403, "Forbidden", f"You are not allowed to {operation} '{shape.name}'.")

    def writable(self, shape: EntitySet, operation: str, call: Call) -> None:
        if self.faults.read_only or shape.read_only:
            raise Refused(405, "MethodNotAllowed", f"'{shape.name}' is read-only.", Allow="GET")
        self.allowed(shape, operation, call)

    def expected(self, call: Call, shape: EntitySet, key: Key) -> Row:
        row = self.store.tables[shape.name].rows.get(key)
        if row is None:
            raise self.gone(shape, key)
        if self.etags:
            match = call.headers.get("if-match")
            if match is None:
                raise Refused(428, "PreconditionRequired", "The request needs the header If-Match.")
            if match not in ("*", self._etag(row)):
                raise Refused(412, "PreconditionFailed", "The entity has been changed since it was read.")
        return row

    def duplicate(self, shape: EntitySet, field: str, value: Any) -> Refused:
        refused = Refused(
            409,
            "DuplicateKey",
            f"Duplicate key: a {shape.type_name} whose {field} is '{value}' already exists.",
        )
        refused.target = field
        return refused

    def stored(self, call: Call, shape: EntitySet, row: Row, status: int) -> Answer:
        render = self.rendering(shape, {}, call)
        headers = {"ETag": self._etag(row)} if self.etags else {}
        if status == 201:
            headers["Location"] = f"{shape.name}({self.navigation_key(shape, row.key)})"
        if call.prefers("return") == "minimal":
            return Answer(204, None, headers)
        return Answer(status, {"@odata.context": self.context(shape, one=True), **render(row)}, headers)

    def given(self, call: Call, shape: EntitySet, new: bool) -> dict[str, Any]:
        if call.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise Refused(415, "UnsupportedMediaType", "The body must be application/json.")
        try:
            body = load(call.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise self.bad("The body is not a JSON object.")
        found: dict[str, Any] = {}
        for name, raw in body.items():
            if "@" in name:
                continue
            if name not in shape.props:
                raise self.no_such_property(shape, name)
            prop = shape.props[name]
            if prop.read_only or (name == shape.key and not new):
                raise Refused(400, "ReadOnly", f"The property '{name}' is read-only.")
            value = self.take(shape, prop, raw)
            self.fits(shape, prop, value)
            found[name] = value
        return found

    def fits(self, shape: EntitySet, prop: Prop, value: Any) -> None:
        why = ""
        if isinstance(value, str) and prop.length and len(value) > prop.length:
            why = f"The value of '{prop.name}' is longer than {prop.length} characters."
        if prop.type == "Decimal" and prop.precision and value is not None:
            digits = prop.precision - (prop.scale or 0)
            if abs(value) >= 10**digits or round(value, prop.scale or 0) != value:
                why = f"The value of '{prop.name}' does not fit Decimal({prop.precision},{prop.scale or 0})."
        if why:
            refused = Refused(400, "InvalidValue", why)
            refused.target = prop.name
            raise refused

    def judge(self, shape: EntitySet, values: Mapping[str, Any], key: Key) -> None:
        table = self.store.tables[shape.name]
        for prop in shape.props.values():
            value = values[prop.name]
            if prop.required and value is None and prop.name != shape.key:
                refused = Refused(400, "ValueRequired", f"'{prop.name}' must have a value.")
                refused.target = prop.name
                raise refused
            if prop.unique and prop.name != shape.key and table.taken(prop.name, value, key):
                raise self.duplicate(shape, prop.name, value)


class PlainServer(Server):
    """``auth``: "none", "basic" (user ``tandem``, the client's secret), "header" (X-Api-Key), or "oauth2"."""

    kind = "odata"
    user_name = "tandem"

    def __init__(
        self, more: Iterable[EntitySet] = (), *, port: int = 0, file: Path | None = None, auth: str = "none"
    ) -> None:
        self._sets, self._file, self.auth = chosen(SETS, more), file, auth
        super().__init__(port)
        if auth == "oauth2":
            self.tokens = Tokens("api://shop/.default", {self.client_id: (self.client_secret, "tandem")})

    def make_service(self) -> Plain:
        return Plain(self._sets, root=f"{self.address}/odata/", faults=self.faults, file=self._file)

    def signed_in(self, headers: Mapping[str, str]) -> str | None:
        if self.auth == "none":
            return "somebody"
        if self.auth == "header":
            return "tandem" if headers.get("x-api-key") == self.client_secret else None
        if self.auth == "basic":
            pair = base64.b64encode(f"{self.user_name}:{self.client_secret}".encode()).decode()
            return "tandem" if headers.get("authorization") == f"Basic {pair}" else None
        return super().signed_in(headers)

    def refuse_sign_in(self, headers: Mapping[str, str]) -> Answer:
        if self.auth == "basic":
            return Answer(
                401, b"Unauthorized", {"WWW-Authenticate": 'Basic realm="shop"', "Content-Type": "text/plain"}
            )
        return super().refuse_sign_in(headers)
