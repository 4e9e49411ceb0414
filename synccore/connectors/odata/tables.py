"""The table that a call works with: fields become what a request asks for, rows of an answer become records."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from synccore.connectors.filtering import matcher
from synccore.connectors.odata.model import KIND, Entity, Property
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.values import field_reader, literal
from synccore.connectors.values import fit, written
from synccore.failures import Misconfigured, Rejected, Scope, Transient
from synccore.shapes import ALL, UNSTORABLE, FieldInfo, FieldType, Filter, Record, TableRef, Value

#: Begins a version that is no ETag: the service gives none for this table, so we make one of what the row says.
MADE: Final = "~"
#: A version that is an ETag.
ETAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e ]*"\Z')
#: The annotation that says a value as people read it.
FORMATTED: Final = "OData.Community.Display.V1.FormattedValue"
Row = Mapping[str, Any]


class Table:
    """One entity set as one side of a mapping uses it. Raises Misconfigured where the two do not go together
    (``no_key``, ``unknown_field``, ``bad_modified_field``; scope table)."""

    def __init__(self, entity: Entity, ref: TableRef, profile: Profile) -> None:
        self.entity, self.ref, self.profile = entity, ref, profile
        self.name = entity.set_name
        self.key = entity.key_property()
        self.stamp = self._stamp()
        self._person = entity.property(ref.modified_by_field) if ref.modified_by_field else None
        named = (ref.modified_by_field, ref.key_field, ref.name_field, ref.owner_field)
        self._named = [entity.property(name) for name in named if name]
        self._readers: dict[str, Callable[[Row], Value]] = {}

    def _stamp(self) -> Property | None:
        if not self.ref.modified_field:
            return None
        found = self.entity.property(self.ref.modified_field)
        if found.info.type is not FieldType.INSTANT:
            raise Misconfigured(
                "bad_modified_field",
                {"table": self.name, "field": found.name, "type": found.info.native or found.edm},
            )
        return found

    @property
    def infos(self) -> Mapping[str, FieldInfo]:
        return self.entity.table.fields

    # -- asking --------------------------------------------------------------------------------------------------------

    def properties(self, fields: Iterable[str]) -> list[Property]:
        """The properties of these fields. Raises Misconfigured ``unknown_field``."""
        if fields == ALL:
            return list(self.entity.properties.values())
        return [self.entity.property(name) for name in dict.fromkeys(fields)]

    def select(self, fields: Iterable[str]) -> list[str]:
        """What ``$select`` names so that a record with these fields can be made: the key, the stamp and the fields by which
        people know a record come along."""
        own = [self.key, *((self.stamp,) if self.stamp else ()), *self._named]
        return list(dict.fromkeys(each.read_path for each in (*own, *self.properties(fields))))

    def select_versions(self, fields: Iterable[str] = ()) -> list[str]:
        """What ``$select`` names where only id and version are wanted, and these fields for a filter."""
        own = [self.key, *((self.stamp,) if self.stamp else ())]
        return list(dict.fromkeys(each.read_path for each in (*own, *self.properties(fields))))

    def annotations(self, fields: Iterable[str]) -> str:
        """The ``Prefer`` value that asks for the annotations these fields need; "" for none. They say to which table the id
        in a shared lookup belongs, and the name of the person who changed a record."""
        wanted = [FORMATTED] if self._person is not None and self._person.bind is not None else []
        if any(each.kind_path for each in (*self._named, *self.properties(fields))):
            wanted.append(KIND)
        return f'odata.include-annotations="{",".join(wanted)}"' if wanted else ""

    def order(self) -> list[str]:
        return [each.read_path for each in ((self.stamp, self.key) if self.stamp else (self.key,))]

    def literal(self, property: Property, value: Value) -> str:
        return literal(property, value, self.profile)

    def since(self, moment: datetime) -> str:
        """The condition that a row was changed at a moment or later."""
        assert self.stamp is not None
        return f"{self.stamp.read_path} ge {self.literal(self.stamp, moment)}"

    def identify(self, id: str) -> str | None:
        """``id`` as this table writes it; None where no record of it can have that id."""
        if not id:
            return None
        try:
            value = fit(self.name, self.key.info, id)
        except Rejected:
            return None
        text = written(value)
        # "007" or "+7" is a number but no id: ids are compared as text everywhere else.
        return text if text == id or self.key.info.type is FieldType.GUID else None

    def key_value(self, id: str) -> Value:
        """An id as a value of the key. Raises Rejected."""
        return fit(self.name, self.key.info, id)

    def address(self, id: str) -> str:
        """The path of a record, encoded; ``id`` as ``identify`` gives it."""
        return self.name + self.profile.key(self.literal(self.key, self.key_value(id)))

    def filter_fields(self, filter: Filter) -> list[str]:
        return list(dict.fromkeys(condition.field for condition in filter))

    def matcher(self, filter: Filter) -> Callable[[Mapping[str, Value]], bool]:
        """The filter as a function of a record's fields. Raises Misconfigured ``bad_filter``."""
        return matcher(self.name, filter, self.infos)

    # -- answers -------------------------------------------------------------------------------------------------------

    def id(self, row: Row) -> str | None:
        """The id of a row; None where it has none, or one that nobody can keep."""
        value = self.value(self.key, row)
        id = None if value is None else written(value)
        return None if id is None or UNSTORABLE.search(id) else id

    def value(self, property: Property, row: Row) -> Value:
        """A field of a row. Raises Transient ``answer_unreadable`` (scope table) for what is no value of its type."""
        read = self._readers.get(property.name)
        if read is None:
            read = self._readers[property.name] = field_reader(property, self.profile)
        try:
            return read(row)
        except Rejected as refused:
            debug = f"{property.name} ({property.edm}): {refused.params.get('value', '')}"
            raise Transient(
                "answer_unreadable", {"table": self.name}, scope=Scope.TABLE, debug=debug
            ) from refused

    def fields(self, properties: Sequence[Property], row: Row) -> dict[str, Value]:
        return {each.name: self.value(each, row) for each in properties}

    def modified_at(self, row: Row) -> datetime | None:
        value = self.value(self.stamp, row) if self.stamp else None
        return value.astimezone(UTC) if isinstance(value, datetime) else None

    def record(self, row: Row, properties: Sequence[Property]) -> Record | None:
        """The record that a row says; None for a row without a key."""
        id = self.id(row)
        if id is None:
            return None
        ref, fields = self.ref, self.fields(properties, row)
        return Record(
            id=id,
            version=self.version(row),
            modified_at=self.modified_at(row),
            modified_by=self._changed_by(row),
            key=self._text(ref.key_field, row, fields) or id,
            name=self._text(ref.name_field, row, fields) or "",
            fields=fields,
            owner=self._text(ref.owner_field, row, fields),
        )

    def _changed_by(self, row: Row) -> str | None:
        """Who changed the record, for people: a lookup's name where the service tells it, else its value as it stands."""
        if self._person is None:
            return None
        path = self._person.read_path
        found = row.get(f"{path}@{FORMATTED}") or row.get(path)
        return None if found is None or found == "" else str(found)

    def _text(self, name: str | None, row: Row, read: Mapping[str, Value]) -> str | None:
        """A field as plain text; ``read``: the values of the row that were read already."""
        if not name:
            return None
        value = read[name] if name in read else self.value(self.entity.properties[name], row)
        return None if value is None else written(value)

    # -- versions ------------------------------------------------------------------------------------------------------

    @staticmethod
    def etag(row: Row) -> str:
        """The ETag of a row, as it stands there; "" where it has none, or one that no header can hold."""
        found = row.get("@odata.etag") or row.get("@etag")
        return found if isinstance(found, str) and ETAG.match(found) else ""

    def needs_whole_rows(self, row: Row) -> bool:
        """True: the version can only be made of everything the row holds."""
        return not self.etag(row) and self.stamp is None

    def version(self, row: Row) -> str:
        """The row's ETag; for a service without, a hash of key and stamp, or of the whole row where it has no stamp."""
        if etag := self.etag(row):
            return etag
        said = (
            [row.get(self.key.read_path), row.get(self.stamp.read_path)]
            if self.stamp
            else {name: value for name, value in row.items() if "@" not in name}
        )
        text = json.dumps(said, sort_keys=True, default=str, ensure_ascii=True)
        return MADE + hashlib.sha256(text.encode()).hexdigest()[:40]
