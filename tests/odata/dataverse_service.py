"""Dataverse Web API v9.2: ``/api/data/v9.2/accounts({guid})``.

Strict where the real one is: no ``$skip``, lookups are bound, text compares without case, stamps are whole seconds, a change
without a condition inserts, a tracked read takes no filter, and a batch is framed exactly.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.odata import csdl, delta
from tests.odata.batch_multipart import answer_batch
from tests.odata.dataverse_writing import Writing
from tests.odata.definitions import definitions
from tests.odata.filters import Dialect
from tests.odata.functions import Functions
from tests.odata.messages import say
from tests.odata.paging import sql_order
from tests.odata.schema import EntitySet, Prop
from tests.odata.service import Render, Service
from tests.odata.store import Key, Row
from tests.odata.wire import Answer, Call, Refused, key_literal

ANNOTATION = "Microsoft.Dynamics.CRM"
FORMATTED = "OData.Community.Display.V1.FormattedValue"


class Dataverse(Writing, Functions, Service):
    dialect = Dialect(ignores_case=True, orders_like_people=True, null_differs=False, lookup_names=True)
    manner = csdl.Manner(
        "Microsoft.Dynamics.CRM",
        alias="mscrm",
        lengths=False,
        navigation=True,
        base_type="crmbaseentity",
        computed=True,
    )
    page_default = 5000
    page_max = 5000
    fraction = 0
    version = "9.2.26113.00181"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.oldest_delta = 0

    @property
    def definitions_version(self) -> str:
        """Changes whenever a table or a field is changed."""
        return str(zlib.crc32(repr(self.shapes).encode()))

    # -- errors --------------------------------------------------------------------------------------------------------

    def say(self, name: str, **facts: object) -> str:
        return say(name, self.faults.language, **facts)

    def bad(self, message: str) -> Refused:
        code = "0x0" if "property named" in message else "0x80060888"
        return Refused(400, code, message)

    def no_such_set(self, name: str) -> Refused:
        return Refused(404, "0x8006088a", f"Resource not found for the segment '{name}'.")

    def gone(self, shape: EntitySet, key: Any) -> Refused:
        return Refused(404, "0x80040217", self.say("gone", entity=shape.type_name, id=key))

    def payload(self, shape: EntitySet, why: str) -> Refused:
        text = (
            f"Error identified in Payload provided by the user for Entity :'{shape.name}', For more information on this "
            f"error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  InnerException : "
            f"Microsoft.OData.ODataException: {why}"
        )
        return Refused(400, "0x80048d19", text)

    def wrong_type(self, shape: EntitySet, prop: Prop, raw: Any) -> Refused:
        return self.payload(
            shape, f"Cannot convert the literal '{raw}' to the expected type 'Edm.{prop.type}'."
        )

    def allowed(self, shape: EntitySet, operation: str, call: Call) -> None:
        if (shape.name, operation) not in self.faults.denied:
            return
        name = f"prv{operation.capitalize()}{shape.type_name.capitalize()}"
        text = self.say(
            "privilege",
            user=call.user,
            privilege=name,
            id=uuid5(NAMESPACE_URL, name),
            otc=1,
            entity=shape.type_name,
        )
        raise Refused(403, "0x80040220", text)

    def metadata(self, call: Call) -> Answer:
        annotated = call.options(self.bad).get("annotations") == "true"
        body = csdl.document(self.shapes.values(), self.manner, annotated=annotated)
        return Answer(200, body, {"Content-Type": "application/xml"})

    # -- rows ----------------------------------------------------------------------------------------------------------

    def json_name(self, prop: Prop) -> str:
        return f"_{prop.name}_value" if prop.is_lookup else prop.name

    def key_order(self, key: Key) -> Any:
        return sql_order(key)

    def selected(self, shape: EntitySet, options: Mapping[str, str]) -> list[Prop]:
        found = super().selected(shape, options)
        currency = shape.props.get("transactioncurrencyid")
        if any(prop.money for prop in found) and currency is not None and currency not in found:
            found.append(currency)
        return found

    def make_render(self, shape: EntitySet, options: Mapping[str, str], call: Call) -> Render:
        render = super().make_render(shape, options, call)
        if not call.prefers("odata.include-annotations"):
            return render
        lookups = [prop for prop in self.selected(shape, options) if prop.is_lookup]

        def annotated(row: Row) -> dict[str, Any]:
            shown = render(row)
            for prop in lookups:
                target = self.target_of(prop, row.values)
                if target is not None:
                    name = f"_{prop.name}_value@{ANNOTATION}"
                    row_of = self.store.tables[target].rows[row.values[prop.name]]
                    shown[f"_{prop.name}_value@{FORMATTED}"] = row_of.values.get(
                        self.shapes[target].primary_name
                    )
                    shown[f"{name}.lookuplogicalname"] = self.shapes[target].type_name
                    shown[f"{name}.associatednavigationproperty"] = dict(csdl.navigations(prop))[target]
            return shown

        return annotated

    def target_of(self, prop: Prop, values: Mapping[str, Any]) -> str | None:
        """The set that a lookup's row is in."""
        key = values[prop.name]
        known = (each for each in prop.targets if each in self.store.tables)
        return next((each for each in known if key in self.store.tables[each].rows), None)

    # -- addresses -----------------------------------------------------------------------------------------------------

    def route(self, call: Call) -> Answer:
        segments = call.segments()
        name = segments[0][0] if segments else ""
        if name == "$batch":
            if call.method != "POST":
                raise Refused(405, "0x80060888", "A batch is posted.")
            return answer_batch(self, call)
        if name == "EntityDefinitions":
            return definitions(self, call, segments)
        if name in self.functions:
            return self.functions[name](self, call, segments[0][1] or "")
        return super().route(call)

    def collection(self, call: Call, shape: EntitySet, rest: list[tuple[str, str | None]]) -> Answer:
        if call.method == "GET" and not rest and delta.asked(call):
            self.allowed(shape, "read", call)
            return delta.read(self, call, shape)
        return super().collection(call, shape, rest)

    def entity(self, call: Call, shape: EntitySet, key: Key, rest: list[tuple[str, str | None]]) -> Answer:
        if rest and rest[-1] == ("$ref", None) and call.method == "DELETE":
            prop, _target = self.navigation(shape, rest[0][0])
            return self.change(call, shape, key, {prop.name: None})
        if rest and shape.name == "systemusers":
            return self.of_user(call, key, rest[0][0])
        return super().entity(call, shape, key, rest)

    def alternate_key(self, shape: EntitySet, name: str, text: str) -> Key:
        value = key_literal(shape.props[name], text) if name in shape.alternate_keys else None
        if value is None:
            raise Refused(
                400,
                "0x80060890",
                f"The key attributes '{name}' are not a defined key of '{shape.type_name}'.",
            )
        with self.store.lock:
            for row in self.store.tables[shape.name].rows.values():
                if self.dialect.equal(row.values[name]) == self.dialect.equal(value):
                    return row.key
        raise self.gone(shape, value)

    def counted(self, n: int) -> int:
        return min(n, 5000)
