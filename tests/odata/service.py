"""What every OData service does: find the set, read it in pages, read one row, write one row. The three differ in hooks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.odata import csdl
from tests.odata.faults import Faults
from tests.odata.filters import BadFilter, Dialect, Test, compile_filter
from tests.odata.paging import Reverse, first_after, opened, sealed
from tests.odata.schema import EntitySet, Prop
from tests.odata.store import Key, Row, Store, Table
from tests.odata.wire import Answer, Call, Refused, WrongType, coerce, key_literal

Render = Callable[[Row], dict[str, Any]]
#: System query options of a collection that every service takes.
OPTIONS = frozenset({"$select", "$filter", "$orderby", "$top", "$count", "$expand", "$skiptoken"})


class Service:
    dialect = Dialect()
    manner = csdl.Manner("Test")
    options = OPTIONS
    page_default = 1000
    page_max = 1000
    fraction = 6
    key_comes_along = True
    relative_links = False

    def __init__(
        self, shapes: Iterable[EntitySet], *, root: str, faults: Faults, file: Path | None = None
    ) -> None:
        shapes = list(shapes)
        self.shapes = {shape.name: shape for shape in shapes}
        self.root = root  # the address of the service, ends in "/"
        self.faults = faults
        self.store = Store(shapes, fraction=self.fraction, file=file)
        self._renders: dict[tuple[str, str], Render] = {}

    # -- hooks ---------------------------------------------------------------------------------------------------------

    def bad(self, message: str) -> Refused:
        """A query or an address that the service does not understand."""
        return Refused(400, "BadRequest", message)

    def no_such_property(self, shape: EntitySet, name: str) -> Refused:
        return self.bad(
            f"Could not find a property named '{name}' on type '{self.manner.namespace}.{shape.type_name}'."
        )

    def no_such_set(self, name: str) -> Refused:
        return Refused(404, "NotFound", f"Resource not found for the segment '{name}'.")

    def gone(self, shape: EntitySet, key: Any) -> Refused:
        return Refused(404, "NotFound", f"{shape.type_name} {key} does not exist.")

    def etag(self, row: Row) -> str | None:
        return f'W/"{row.version}"'

    def allowed(self, shape: EntitySet, operation: str, call: Call) -> None:
        """Raises Refused where the user lacks the right."""

    def json_name(self, prop: Prop) -> str:
        return prop.name

    def shown(self, prop: Prop) -> Callable[[Any], Any] | None:
        """What turns the stored value into the JSON one; None: nothing does."""
        if prop.type == "DateTimeOffset":
            return lambda value: f"{value}Z" if value is not None else None
        return None

    def key_order(self, key: Key) -> Any:
        return key

    def error(self, refused: Refused) -> Answer:
        body = {"error": {"code": refused.code, "message": refused.message}}
        if refused.target:
            body["error"]["target"] = refused.target
        return Answer(refused.status, body, dict(refused.headers))

    def context(self, shape: EntitySet, one: bool = False) -> str:
        return f"{self.root}$metadata#{shape.name}" + ("/$entity" if one else "")

    # -- one call ------------------------------------------------------------------------------------------------------

    def call(self, call: Call) -> Answer:
        """The answer, whatever happens."""
        try:
            return self.route(call)
        except Refused as refused:
            return self.error(refused)
        except UnicodeDecodeError:
            return self.error(self.bad("The address is not UTF-8."))

    def route(self, call: Call) -> Answer:
        segments = call.segments()
        if not segments:
            return self.service_document()
        (name, key), rest = segments[0], segments[1:]
        if name == "$metadata" and call.method == "GET":
            return self.metadata(call)
        shape = self.shapes.get(name)
        if shape is None:
            raise self.no_such_set(name)
        if key is None:
            return self.collection(call, shape, rest)
        return self.entity(call, shape, self.key_of(shape, key), rest)

    def service_document(self) -> Answer:
        value = [{"name": name, "kind": "EntitySet", "url": name} for name in self.shapes]
        return Answer(200, {"@odata.context": f"{self.root}$metadata", "value": value})

    def metadata(self, call: Call) -> Answer:
        body = csdl.document(self.shapes.values(), self.manner)
        etag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
        if call.headers.get("if-none-match") == etag:
            return Answer(304, None, {"ETag": etag})
        return Answer(200, body, {"Content-Type": "application/xml", "ETag": etag})

    def key_of(self, shape: EntitySet, text: str) -> Key:
        named = re.fullmatch(r"(\w+)=(.*)", text, re.DOTALL)
        if named:
            name, text = named.groups()
            if name != shape.key:
                return self.alternate_key(shape, name, text)
        key = key_literal(shape.props[shape.key], text)
        if key is None:
            raise self.bad(f"Bad Request - Error in query syntax: '{text}' is no key of '{shape.name}'.")
        return key  # type: ignore[no-any-return]

    def alternate_key(self, shape: EntitySet, name: str, text: str) -> Key:
        raise self.bad(f"'{name}' is not the key of '{shape.name}'.")

    def collection(self, call: Call, shape: EntitySet, rest: list[tuple[str, str | None]]) -> Answer:
        if rest == [("$count", None)] and call.method == "GET":
            self.allowed(shape, "read", call)
            return Answer(200, str(self.count(call, shape)).encode(), {"Content-Type": "text/plain"})
        if rest:
            raise self.no_such_set(rest[0][0])
        if call.method == "GET":
            self.allowed(shape, "read", call)
            return self.read_set(call, shape)
        if call.method == "POST":
            return self.post(call, shape)
        raise Refused(
            405,
            "MethodNotAllowed",
            f"The method {call.method} is not allowed on '{shape.name}'.",
            Allow="GET, POST",
        )

    def entity(self, call: Call, shape: EntitySet, key: Key, rest: list[tuple[str, str | None]]) -> Answer:
        if rest:
            raise self.no_such_set(rest[0][0])
        if call.method == "GET":
            self.allowed(shape, "read", call)
            return self.read_one(call, shape, key)
        if call.method == "PATCH":
            return self.patch(call, shape, key)
        if call.method == "DELETE":
            return self.delete(call, shape, key)
        raise Refused(
            405,
            "MethodNotAllowed",
            f"The method {call.method} is not allowed here.",
            Allow="GET, PATCH, DELETE",
        )

    def post(self, call: Call, shape: EntitySet) -> Answer:
        raise NotImplementedError

    def patch(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        raise NotImplementedError

    def delete(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        raise NotImplementedError

    # -- reading -------------------------------------------------------------------------------------------------------

    def checked_options(self, call: Call) -> dict[str, str]:
        options = call.options(self.bad)
        for name in options:
            if name.startswith("$") and name not in self.options:
                raise self.bad(f"The query parameter {name} is not supported.")
        return options

    def filter_of(self, options: Mapping[str, str], shape: EntitySet) -> Test | None:
        if "$filter" not in options:
            return None
        try:
            return compile_filter(options["$filter"], shape, self.dialect)
        except BadFilter as bad:
            raise self.bad(str(bad)) from None

    def count(self, call: Call, shape: EntitySet) -> int:
        test = self.filter_of(self.checked_options(call), shape)
        with self.store.lock:
            rows = self.store.tables[shape.name].rows.values()
            return len(rows) if test is None else sum(test(row.values) for row in rows)

    def page_size(self, call: Call) -> int:
        asked = call.prefers("odata.maxpagesize") or call.prefers("maxpagesize")
        if asked is None:
            return self.page_default
        if not asked.isdigit() or int(asked) < 1:
            raise self.bad(f"The preference odata.maxpagesize={asked} is not valid.")
        return min(int(asked), self.page_max)

    def order_of(self, options: Mapping[str, str], shape: EntitySet) -> list[tuple[str, bool]]:
        found: list[tuple[str, bool]] = []
        for part in filter(None, options.get("$orderby", "").split(",")):
            words = part.split()
            names = {self.json_name(prop): prop.name for prop in shape.props.values()}
            if not words or words[0] not in names:
                raise self.no_such_property(shape, words[0] if words else "")
            if words[1:] not in ([], ["asc"], ["desc"]):
                raise self.bad(f"Syntax error in $orderby: '{part}'.")
            found.append((names[words[0]], words[1:] == ["desc"]))
        return found

    def position(self, order: list[tuple[str, bool]], values: Mapping[str, Any], key: Key) -> tuple[Any, ...]:
        """What a row is ordered by: null first, the key last."""
        parts: list[Any] = []
        for name, descending in order:
            value = values[name]
            part = (0,) if value is None else (1, self.dialect.order(value))
            parts.append(Reverse(part) if descending else part)
        return (*parts, self.key_order(key))

    def read_set(self, call: Call, shape: EntitySet) -> Answer:
        options = self.checked_options(call)
        test, order = self.filter_of(options, shape), self.order_of(options, shape)
        render = self.rendering(shape, options, call)
        size = self.page_size(call)
        token = opened(call.query, options["$skiptoken"], shape) if "$skiptoken" in options else None
        if token is None and "$skiptoken" in options:
            raise self.bad("Malformed XML in the Paging Cookie")
        left, skip = self.top_of(options, token), 0 if token else int(options.get("$skip", "0"))
        table = self.store.tables[shape.name]
        rows: list[Row] = []
        more = False
        after = self.position(order, token["last"], token["key"]) if token else None
        with self.store.lock:
            found = table.ordered(tuple(order), lambda row: self.position(order, row.values, row.key))
            for _place, row in found[first_after(found, after) :]:
                if test is not None and not test(row.values):
                    continue
                if skip:
                    skip -= 1
                elif len(rows) == left:
                    break
                elif len(rows) == size:
                    more = True
                    break
                else:
                    rows.append(row)
            body: dict[str, Any] = {"@odata.context": self.context(shape)}
            if options.get("$count") == "true":
                body["@odata.count"] = self.counted(
                    sum(test is None or test(row.values) for row in table.rows.values())
                )
        body["value"] = [render(row) for row in rows]
        if more:
            last = {name: rows[-1].values[name] for name, _descending in order}
            told = {"key": rows[-1].key, "last": last, "top": None if left is None else left - size}
            body["@odata.nextLink"] = f"{self.link_base(call)}{shape.name}?{sealed(call.query, told)}"
        return Answer(200, body, self.page_headers(call))

    def counted(self, n: int) -> int:
        return n

    def page_headers(self, call: Call) -> dict[str, str]:
        asked = call.prefers("odata.maxpagesize")
        return {"Preference-Applied": f"odata.maxpagesize={self.page_size(call)}"} if asked else {}

    def link_base(self, call: Call) -> str:
        return "" if self.relative_links else self.root

    def top_of(self, options: Mapping[str, str], token: Mapping[str, Any] | None) -> int | None:
        if token:
            return token["top"]  # type: ignore[no-any-return]
        text = options.get("$top")
        if text is None:
            return None
        if not text.isdigit():
            raise self.bad(f"Invalid value '{text}' for $top query option found.")
        return int(text)

    # -- showing -------------------------------------------------------------------------------------------------------

    def rendering(self, shape: EntitySet, options: Mapping[str, str], call: Call) -> Render:
        """What turns a row into its JSON for these options; kept by its text."""
        key = (shape.name, options.get("$select", "*"))
        if "$expand" in options or call.prefers("odata.include-annotations"):
            return self.make_render(shape, options, call)
        if key not in self._renders:
            self._renders[key] = self.make_render(shape, options, call)
        return self._renders[key]

    def selected(self, shape: EntitySet, options: Mapping[str, str]) -> list[Prop]:
        if options.get("$select", "*") == "*":
            return list(shape.props.values())
        names = {self.json_name(prop): prop for prop in shape.props.values()}
        chosen: dict[str, Prop] = {shape.key: shape.props[shape.key]} if self.key_comes_along else {}
        for name in options["$select"].split(","):
            if name.strip() not in names:
                raise self.no_such_property(shape, name.strip())
            prop = names[name.strip()]
            chosen[prop.name] = prop
        return list(chosen.values())

    def make_render(self, shape: EntitySet, options: Mapping[str, str], call: Call) -> Render:
        plan = [(self.json_name(prop), prop.name, self.shown(prop)) for prop in self.selected(shape, options)]
        expanded = self.expanded(shape, options, call)

        def render(row: Row) -> dict[str, Any]:
            etag = self.etag(row)
            shown: dict[str, Any] = {"@odata.etag": etag} if etag else {}
            values = row.values
            for name, prop, change in plan:
                shown[name] = values[prop] if change is None else change(values[prop])
            for name, look in expanded:
                shown[name] = look(row)
            return shown

        return render

    def expanded(
        self, shape: EntitySet, options: Mapping[str, str], call: Call
    ) -> list[tuple[str, Callable[[Row], dict[str, Any] | None]]]:
        """``$expand=lookup($select=…)``: the row that a lookup refers to."""
        found = []
        for part in re.findall(r"[^,(]+(?:\([^)]*\))?", options.get("$expand", "")):
            name, _, inner = part.strip().partition("(")
            prop, target = self.navigation(shape, name)
            nested = dict(each.split("=", 1) for each in inner.rstrip(")").split(";") if "=" in each)
            render = self.make_render(self.shapes[target], nested, call)
            table = self.store.tables[target]
            found.append((name, _Looker(prop.name, table, render)))
        return found

    def navigation(self, shape: EntitySet, name: str) -> tuple[Prop, str]:
        for prop in shape.props.values():
            for target, navigation in csdl.navigations(prop) if prop.is_lookup else ():
                if navigation == name and target in self.shapes:
                    return prop, target
        raise self.no_such_property(shape, name)

    def read_one(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        options = self.checked_options(call)
        with self.store.lock:
            row = self.store.tables[shape.name].rows.get(key)
        if row is None:
            raise self.gone(shape, key)
        render = self.rendering(shape, options, call)
        etag = self.etag(row)
        if etag and call.headers.get("if-none-match") == etag:
            return Answer(304, None, {"ETag": etag})
        body = {"@odata.context": self.context(shape, one=True), **render(row)}
        return Answer(200, body, {"ETag": etag} if etag else {})

    # -- writing -------------------------------------------------------------------------------------------------------

    def wrong_type(self, shape: EntitySet, prop: Prop, raw: Any) -> Refused:
        return self.bad(f"Cannot convert the literal '{raw}' to the expected type 'Edm.{prop.type}'.")

    def take(self, shape: EntitySet, prop: Prop, raw: Any) -> Any:
        """One JSON value as it is stored, its type proven."""
        try:
            return coerce(prop, raw)
        except WrongType:
            raise self.wrong_type(shape, prop, raw) from None


class _Looker:
    def __init__(self, prop: str, table: Table, render: Render) -> None:
        self.prop, self.table, self.render = prop, table, render

    def __call__(self, row: Row) -> dict[str, Any] | None:
        found = self.table.rows.get(row.values[self.prop])
        return self.render(found) if found else None
