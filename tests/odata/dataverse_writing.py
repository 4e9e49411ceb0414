"""How Dataverse takes creates, changes and deletions, and what it refuses of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from tests.odata import csdl
from tests.odata.schema import EntitySet, Prop
from tests.odata.service import Service
from tests.odata.store import Key, Row
from tests.odata.wire import Answer, Call, Refused, load


class Writing(Service):
    duplicate_rules: frozenset[tuple[str, str]] = (
        frozenset()
    )  # (set, property): one row each, where a rule is asked
    duplicate_status = 412

    def say(self, name: str, **facts: object) -> str:
        raise NotImplementedError

    def payload(self, shape: EntitySet, why: str) -> Refused:
        raise NotImplementedError

    def body_of(self, call: Call, shape: EntitySet) -> dict[str, Any]:
        if call.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise self.payload(
                shape,
                "A supported MIME type could not be found that matches the content type of the request.",
            )
        try:
            found = load(call.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self.payload(shape, "The payload is not a JSON object.")
        return found

    def writable(self, shape: EntitySet, operation: str, call: Call) -> None:
        self.allowed(shape, operation, call)
        if self.faults.read_only:
            raise Refused(403, "0x80048306", "The organization is in read-only mode.")
        if shape.read_only:
            raise Refused(400, "0x80040265", f"{shape.label} is read-only.")

    def post(self, call: Call, shape: EntitySet) -> Answer:
        self.writable(shape, "create", call)
        given = self.given(shape, self.body_of(call, shape), new=True)
        key = given.pop(shape.key, None) or str(uuid4())
        with self.store.lock:
            if key in self.store.tables[shape.name].rows:
                text = "Cannot insert duplicate key."
                raise Refused(412, "0x80040237", text)
            return self.create(call, shape, key, given)

    def patch(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        if call.headers.get("if-none-match") == "*":
            self.writable(shape, "create", call)
        given = self.given(shape, self.body_of(call, shape), new=call.headers.get("if-match") is None)
        given.pop(shape.key, None)
        with self.store.lock:
            exists = key in self.store.tables[shape.name].rows
            if exists and call.headers.get("if-none-match") == "*":
                raise Refused(412, "0x80040237", self.say("exists"))
            if not exists and call.headers.get("if-match") is None:
                self.writable(shape, "create", call)
                return self.create(call, shape, key, given)
            return self.change(call, shape, key, given)

    def create(self, call: Call, shape: EntitySet, key: Key, given: dict[str, Any]) -> Answer:
        for name in given:
            if shape.props[name].update_only:
                raise Refused(400, "0x80040265", f"The attribute {name} cannot be given to a new record.")
        values = {prop.name: prop.default for prop in shape.props.values()} | given
        self.judge(call, shape, values, None, key, given)
        row = self.store.write(shape.name, key, values, by=self.person(call))
        for after in shape.after:
            after(self, key, row.values)
        return self.stored(call, shape, row, 201)

    def change(self, call: Call, shape: EntitySet, key: Key, given: dict[str, Any]) -> Answer:
        self.writable(shape, "write", call)
        with self.store.lock:
            before = self.expected(call, shape, key)
            create_only = [name for name in given if shape.props[name].create_only]
            if create_only and given[create_only[0]] != before.values[create_only[0]]:
                raise Refused(400, "0x80040265", f"The attribute {create_only[0]} cannot be changed.")
            values = {**before.values, **given}
            self.judge(call, shape, values, before.values, key, given)
            row = self.store.write(shape.name, key, values, by=self.person(call))
        return self.stored(call, shape, row, 200)

    def delete(self, call: Call, shape: EntitySet, key: Key) -> Answer:
        self.writable(shape, "delete", call)
        with self.store.lock:
            row = self.expected(call, shape, key)
            for other in self.shapes.values():
                names = [prop.name for prop in other.props.values() if shape.name in prop.targets]
                rows = self.store.tables[other.name].rows.values() if names else ()
                if any(each.values[name] == row.key for each in rows for name in names):
                    text = (
                        f"The {shape.label} cannot be deleted because it is associated with another object."
                    )
                    raise Refused(405, "0x80040227", text)
            self.store.remove(shape.name, key)
        return Answer(204)

    def person(self, call: Call) -> str:
        """Who is said to have written: the caller, or whom he stands for."""
        return call.headers.get("mscrmcallerid", call.user)

    def expected(self, call: Call, shape: EntitySet, key: Key) -> Row:
        row = self.store.tables[shape.name].rows.get(key)
        if row is None:
            raise self.gone(shape, key)
        match = call.headers.get("if-match")
        if match not in (None, "*", self.etag(row)):
            raise Refused(412, "0x80060882", self.say("stale"))
        return row

    def stored(self, call: Call, shape: EntitySet, row: Row, status: int) -> Answer:
        options = self.checked_options(call)
        address = f"{self.root}{shape.name}({row.key})"
        if call.prefers("return") != "representation":
            return Answer(204, None, {"OData-EntityId": address})
        render = self.rendering(shape, {name: options[name] for name in options if name == "$select"}, call)
        body = {"@odata.context": self.context(shape, one=True), **render(row)}
        headers = {"Preference-Applied": "return=representation", "ETag": self.etag(row) or ""}
        return Answer(
            status, body, headers if call.method == "POST" else {**headers, "OData-EntityId": address}
        )

    def given(self, shape: EntitySet, body: Mapping[str, Any], new: bool) -> dict[str, Any]:
        """The values of a body as they are stored."""
        found: dict[str, Any] = {}
        for name, raw in body.items():
            if name.endswith("@odata.bind"):
                prop, key = self.bound(shape, name.removesuffix("@odata.bind"), raw)
                found[prop.name] = key
                continue
            if "@" in name:
                continue
            prop_or_none = shape.props.get(name)
            if prop_or_none is None or prop_or_none.is_lookup:
                if re.fullmatch(r"_\w+_value", name) or prop_or_none is not None:
                    raise self.payload(
                        shape, f"The property '{name}' cannot be set; a lookup is bound by '@odata.bind'."
                    )
                raise self.payload(
                    shape,
                    f"The property '{name}' does not exist on type 'Microsoft.Dynamics.CRM.{shape.type_name}'. Make sure "
                    "to only use property names that are defined by the type (undeclared property).",
                )
            prop = prop_or_none
            value = self.take(shape, prop, raw)
            value = None if value == "" else value  # an empty text is none
            if prop.read_only:
                raise Refused(400, "0x80040265", f"The attribute '{name}' is not valid for create or update.")
            self.fits(shape, prop, value)
            found[name] = value
        return found

    def bound(self, shape: EntitySet, name: str, raw: Any) -> tuple[Prop, Key | None]:
        """A lookup that is bound: the property, and the key of the row it refers to."""
        found = [
            (prop, target)
            for prop in shape.props.values()
            if prop.is_lookup
            for target, navigation in csdl.navigations(prop)
            if navigation == name
        ]
        if not found:
            raise self.payload(
                shape,
                f"An undeclared property '{name}' which only has property annotations in the payload was found.",
            )
        prop, target = found[0]
        if raw is None:
            return prop, None
        match = re.fullmatch(r"(?:/|(?:https?://[^/]+/api/data/v[\d.]+/))?(\w+)\(([^)]*)\)", str(raw))
        if match is None or match.group(1) != target:
            raise self.payload(
                shape, f"The URI '{raw}' is not valid for '{name}', whose rows are in '{target}'."
            )
        key = self.key_of(self.shapes[target], match.group(2))
        if key not in self.store.tables[target].rows:
            raise self.gone(self.shapes[target], key)
        return prop, key

    def fits(self, shape: EntitySet, prop: Prop, value: Any) -> None:
        if isinstance(value, str) and prop.type == "String" and prop.length and len(value) > prop.length:
            facts = {"field": prop.name, "entity": shape.type_name, "limit": prop.length}
            raise Refused(400, "0x80044331", self.say("too_long", **facts))
        if prop.picklist and value is not None and value not in prop.members:
            text = (
                f"A validation error occurred. The value {value} of '{prop.name}' on record of type '{shape.type_name}' is "
                "outside the valid range. Accepted Values: " + ",".join(map(str, prop.members))
            )
            raise Refused(400, "0x80061005", text)
        if prop.type == "Decimal" and value is not None:
            digits = (prop.precision or 12) - (prop.scale or 0)
            if abs(value) >= 10**digits or round(value, prop.scale or 0) != value:
                text = (
                    f"A validation error occurred.  The value of '{prop.name}' on record of type '{shape.type_name}' is "
                    "outside the valid range."
                )
                raise Refused(400, "0x80044330", text)

    def judge(
        self,
        call: Call,
        shape: EntitySet,
        values: dict[str, Any],
        before: Mapping[str, Any] | None,
        key: Key,
        given: Mapping[str, Any],
    ) -> None:
        """The rules of the table."""
        table = self.store.tables[shape.name]
        if "statecode" in given and "statuscode" not in given:
            values["statuscode"] = values["statecode"] + 1
        if {"statecode", "statuscode"} & given.keys() and values["statuscode"] != values["statecode"] + 1:
            state, reason = values["statecode"], values["statuscode"]
            text = f"{reason} is not a valid status code for state code {state} on {shape.type_name}"
            raise Refused(400, "0x80048408", f"{text} with Id {key}.")
        for prop in shape.props.values():
            value = values[prop.name]
            if prop.required and value in (None, "") and (before is None or prop.name in given):
                text = f"Attribute: {prop.name} cannot be set to NULL. The attribute is required on '{shape.type_name}'."
                raise Refused(400, "0x80040203", text)
            if prop.unique and prop.name != shape.key and table.taken(prop.name, value, key):
                label = prop.label or prop.name
                raise Refused(412, "0x80060892", self.say("alternate_key", label=label))
        if call.headers.get("mscrm.suppressduplicatedetection", "true").lower() == "false":
            for name, field in self.duplicate_rules:
                if name == shape.name and any(
                    row.values[field] == values[field] and row.key != key for row in table.rows.values()
                ):
                    raise Refused(self.duplicate_status, "0x80040333", self.say("duplicate_rule"))
        for rule in shape.rules:
            rule(self, values, before, given)
