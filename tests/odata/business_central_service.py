"""Business Central, API v2.0: ``/v2.0/{tenant}/{environment}/api/v2.0/companies({id})/customers({id})``.

Strict where the real one is: a change carries ``If-Match``, a stale one is 409, ``or`` joins one field only, a batch is JSON
of at most 100 requests, nothing is null, and text that is too long is refused.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from tests.odata.batch_json import answer_batch
from tests.odata.csdl import Manner
from tests.odata.filters import Dialect
from tests.odata.messages import say
from tests.odata.paging import sql_order
from tests.odata.schema import BLANK_GUID, EntitySet, Prop
from tests.odata.service import OPTIONS, Service
from tests.odata.standard_business_central import COMPANY, COMPANY_ID, RIGHTS
from tests.odata.store import Key, Row
from tests.odata.wire import Answer, Call, Refused, load


class BusinessCentral(Service):
    dialect = Dialect(
        orders_like_people=True,
        or_on_two_fields=False,
        functions=frozenset({"startswith", "endswith", "contains", "tolower", "toupper"}),
    )
    manner = Manner("Microsoft.NAV", lengths=True, labels=True)
    options = OPTIONS | {"$skip", "$schemaversion"}
    page_default = 20_000
    page_max = 20_000
    fraction = 3
    key_comes_along = False
    manual_numbers = True

    # -- errors --------------------------------------------------------------------------------------------------------

    def error(self, refused: Refused) -> Answer:
        message = f"{refused.message}  CorrelationId:  {uuid4()}."
        return Answer(
            refused.status, {"error": {"code": refused.code, "message": message}}, dict(refused.headers)
        )

    def say(self, name: str, **facts: object) -> str:
        return say(name, self.faults.language, **facts)

    def no_such_set(self, name: str) -> Refused:
        return Refused(404, "BadRequest_ResourceNotFound", f"Resource not found for the segment '{name}'.")

    def gone(self, shape: EntitySet, key: Any) -> Refused:
        return Refused(404, "Internal_RecordNotFound", self.say("bc_gone", table=shape.label, id=key))

    # -- rows ----------------------------------------------------------------------------------------------------------

    def etag(self, row: Row) -> str:
        told = f"19;{zlib.crc32(str(row.key).encode())};{row.version};00;"
        return f'W/"{base64.b64encode(told.encode()).decode()}"'

    def key_order(self, key: Key) -> Any:
        return sql_order(key)

    def shown(self, prop: Prop) -> Callable[[Any], Any] | None:
        if prop.type == "DateTimeOffset":
            return lambda value: f"{value}Z" if value is not None else "0001-01-01T00:00:00Z"
        if prop.type == "Enum":
            return lambda value: "_x0020_" if value == " " else str(value).replace(" ", "_x0020_")
        return None

    def context(self, shape: EntitySet, one: bool = False) -> str:
        return f"{self.root}$metadata#companies({COMPANY_ID})/{shape.name}" + ("/$entity" if one else "")

    def link_base(self, call: Call) -> str:
        return f"{self.root}companies({COMPANY_ID})/"

    def allowed(self, shape: EntitySet, operation: str, call: Call) -> None:
        if (shape.name, operation) not in self.faults.denied:
            return
        facts = {"number": RIGHTS.get(shape.name, 18), "table": shape.label, "right": {
            "read": "Read", "create": "Insert", "write": "Modify", "delete": "Delete"}[operation]}  # fmt: skip
        raise Refused(403, "Authorization_RequestDenied", self.say("bc_permission", **facts))

    # -- addresses -----------------------------------------------------------------------------------------------------

    def route(self, call: Call) -> Answer:
        segments = call.segments()
        if not segments:
            return self.service_document()
        name, key = segments[0]
        if name == "$batch":
            if call.method != "POST" or len(segments) > 1:
                raise Refused(405, "BadRequest_MethodNotAllowed", "A batch is posted.")
            return answer_batch(self, call)
        if name == "$metadata":
            return self.metadata(call)
        if name == "entityDefinitions":
            return Answer(200, {"value": [self.definition(shape) for shape in self.shapes.values()]})
        if name == "companies":
            if key is None:
                if call.method != "GET":
                    raise Refused(
                        400,
                        "BadRequest_MethodNotAllowed",
                        f"'{call.method}' requests for 'companies' are not allowed.",
                    )
                return Answer(
                    200, {"@odata.context": f"{self.root}$metadata#companies", "value": [self.company()]}
                )
            self.check_company(key)
            if len(segments) == 1:
                return Answer(
                    200, {"@odata.context": f"{self.root}$metadata#companies/$entity", **self.company()}
                )
            rest = call.path.split("/", 1)[1]
            return super().route(
                Call(call.method, rest, call.query, call.headers, call.body, call.user, call.in_batch)
            )
        company = call.options(self.bad).get("company")
        if company is None:
            text = "The default company cannot be found. Set the default company or name one in the request."
            raise Refused(404, "Internal_CompanyNotFound", text)
        self.check_company(company)
        return super().route(call)

    def check_company(self, key: str) -> None:
        if key.lower() != COMPANY_ID:
            raise Refused(404, "Internal_CompanyNotFound", f"Cannot find a company with the ID '{key}'.")

    def company(self) -> dict[str, Any]:
        return {"id": COMPANY_ID, **COMPANY}

    def definition(self, shape: EntitySet) -> dict[str, Any]:
        def captions(text: str) -> list[dict[str, Any]]:
            return [{"languageCode": 1033, "caption": text}]

        return {
            "entityName": shape.type_name,
            "entitySetName": shape.name,
            "entityCaptions": captions(shape.label),
            "entitySetCaptions": captions(shape.plural),
            "properties": [
                {"name": prop.name, "captions": captions(prop.label or prop.name)}
                for prop in shape.props.values()
            ],
            "actions": [],
            "enumMembers": [],
        }

    def page_size(self, call: Call) -> int:
        asked = call.prefers("odata.maxpagesize")
        if asked is not None and asked.isdigit() and int(asked) > self.page_max:
            raise Refused(413, "BadRequest_RequestEntityTooLarge", "The page is larger than 20000 entities.")
        return super().page_size(call)

    # -- writing -------------------------------------------------------------------------------------------------------

    def body_of(self, call: Call) -> dict[str, Any]:
        if call.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise self.bad(
                "A supported MIME type could not be found that matches the content type of the request."
            )
        try:
            found = load(call.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self.bad("The request body is not a JSON object.")
        return found

    def writable(self, shape: EntitySet, operation: str, call: Call) -> None:
        if self.faults.read_only or shape.read_only:
            raise Refused(
                400, "BadRequest_MethodNotAllowed", f"Entity does not support {operation} operations."
            )
        self.allowed(shape, operation, call)

    def post(self, call: Call, shape: EntitySet) -> Answer:
        self.writable(shape, "create", call)
        body = self.body_of(call)
        with self.store.lock:
            values = {prop.name: blank(prop) for prop in shape.props.values()}
            given = self.given(shape, body, new=True)
            values |= given
            if shape.series and not given.get("number"):
                values["number"] = self.next_number(shape)
            elif shape.series and not self.manual_numbers:
                text = (
                    "You may not enter numbers manually. If you want to enter numbers manually, please activate Manual "
                    f"Nos. in No. Series {shape.series}."
                )
                raise Refused(400, "Application_DialogException", text)
            key = str(uuid4())
            self.judge(shape, values, None, key, given)
            row = self.store.write(shape.name, key, values, by=call.user)
        return self.stored(call, shape, row, 201)

    def patch(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        self.writable(shape, "write", call)
        body = self.body_of(call)
        with self.store.lock:
            before = self.expected(call, shape, key)
            given = self.given(shape, body, new=False)
            values = {**before.values, **given}
            self.judge(shape, values, before.values, key, given)
            row = self.store.write(shape.name, key, values, by=call.user)
        return self.stored(call, shape, row, 200)

    def delete(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        self.writable(shape, "delete", call)
        with self.store.lock:
            row = self.expected(call, shape, key)
            for other in self.shapes.values():
                self.in_use(shape, row, other)
            self.store.remove(shape.name, key)
        return Answer(204)

    def in_use(self, shape: EntitySet, row: Row, other: EntitySet) -> None:
        """What others refer to is not deleted."""
        names = [prop.name for prop in other.props.values() if shape.name in prop.targets]
        for each in self.store.tables[other.name].rows.values() if names else ():
            if any(each.values[name] == row.key for name in names):
                label = next((str(row.values[name]) for name in shape.identity), str(row.key))
                text = (
                    f"You cannot delete {shape.label} {label} because there is at least one outstanding "
                    f"{other.label} that refers to it."
                )
                raise Refused(400, "Application_DialogException", text)

    def expected(self, call: Call, shape: EntitySet, key: Key) -> Row:
        """The row that a change is meant for, at the version it was read."""
        match = call.headers.get("if-match")
        if match is None or (match != "*" and not re.fullmatch(r'W/"[^"]+"', match)):
            text = (
                "Could not validate the client concurrency token required by the service. Verify that the client "
                "concurrency token is present and correctly formatted."
            )
            raise Refused(400, "BadRequest_InvalidToken", text)
        row = self.store.tables[shape.name].rows.get(key)
        if row is None:
            raise self.gone(shape, key)
        if match not in ("*", self.etag(row)):
            raise Refused(409, "Request_EntityChanged", self.say("bc_changed"))
        return row

    def stored(self, call: Call, shape: EntitySet, row: Row, status: int) -> Answer:
        render = self.rendering(shape, self.checked_options(call), call)
        headers = {"Location": f"{self.link_base(call)}{shape.name}({row.key})"} if status == 201 else {}
        return Answer(status, {"@odata.context": self.context(shape, one=True), **render(row)}, headers)

    def next_number(self, shape: EntitySet) -> str:
        taken = self.store.tables[shape.name].unique["number"]
        n = 10_000 + 10 * len(taken)
        while f"{shape.series}{n:05}" in taken:
            n += 10
        return f"{shape.series}{n:05}"

    def given(self, shape: EntitySet, body: Mapping[str, Any], new: bool) -> dict[str, Any]:
        """The values of a body as they are stored."""
        found: dict[str, Any] = {}
        for name, raw in body.items():
            if name.startswith("@"):
                continue
            prop = shape.props.get(name)
            if prop is None:
                raise self.bad(
                    f"The property '{name}' does not exist on type 'Microsoft.NAV.{shape.type_name}'. Make sure to only "
                    "use property names that are defined by the type."
                )
            if prop.read_only or (prop.create_only and not new):
                raise Refused(400, "BadRequest_InvalidOperation", f'The control "{name}" is read-only.')
            value = self.take(shape, prop, raw)
            if value is None:
                value = blank(prop)
            if isinstance(value, str) and prop.length and len(value) > prop.length:
                facts = {"length": len(value), "limit": prop.length, "value": value}
                raise Refused(400, "Application_StringExceededLength", self.say("bc_too_long", **facts))
            if prop.type == "Enum" and value not in prop.members:
                members = ",".join(prop.members)
                text = f"'{raw}' is not an option. The existing options are: {members}"
                raise Refused(400, "Unknown", text)
            if prop.precision is not None and not prop.money:
                self.fits(prop, value)
            found[name] = value
        return found

    def fits(self, prop: Prop, value: Any) -> None:
        digits = prop.precision - (prop.scale or 0) if prop.precision else 28
        if abs(value) >= 10**digits or round(value, prop.scale or 0) != value:
            raise Refused(
                400,
                "Application_EvaluateException",
                f"The value '{value}' can't be evaluated into type Decimal.",
            )

    def judge(
        self,
        shape: EntitySet,
        values: dict[str, Any],
        before: Mapping[str, Any] | None,
        key: Key,
        given: Mapping[str, Any],
    ) -> None:
        """The rules of the table."""
        table = self.store.tables[shape.name]
        for prop in shape.props.values():
            value = values[prop.name]
            if prop.required and value in (None, "") and (before is None or prop.name in given):
                text = f'"{prop.name}" must be filled in. {shape.label}: {prop.name} must have a value.'
                raise Refused(400, "BadRequest_RequiredParamNotProvided", text)
            if prop.is_lookup and value not in (None, BLANK_GUID):
                target = prop.targets[0]
                if target in self.store.tables and value not in self.store.tables[target].rows:
                    facts = {"field": prop.name, "table": self.shapes[target].label}
                    raise Refused(400, "Application_DialogException", self.say("bc_no_match", **facts))
            if prop.unique and prop.name != shape.key and table.taken(prop.name, value, key):
                identity = f"{prop.name}='{value}'"
                raise Refused(
                    400,
                    "Internal_EntityWithSameKeyExists",
                    self.say("bc_exists", table=shape.label, identity=identity),
                )
        for rule in shape.rules:
            rule(self, values, before, given)


def blank(prop: Prop) -> Any:
    """What stands where nothing was entered: nothing is null here."""
    if prop.default is not None:
        return prop.default
    if prop.type == "Enum":
        return " " if " " in prop.members else prop.members[0]
    return {"String": "", "Guid": BLANK_GUID, "Boolean": False, "Date": "0001-01-01"}.get(
        prop.type, None if prop.type == "DateTimeOffset" else 0
    )
