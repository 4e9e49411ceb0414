"""What a write sends: one operation for each item, bound to its version, its values refused where they cannot be stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synccore.connectors.odata.client import Request
from synccore.connectors.odata.links import query
from synccore.connectors.odata.messages import dumps
from synccore.connectors.odata.source import Source
from synccore.connectors.odata.tables import ETAG, MADE, Table
from synccore.connectors.odata.values import write_fields
from synccore.connectors.values import fit, refuse
from synccore.failures import Stale
from synccore.shapes import CreateItem, DeleteItem, UpdateItem, Value

#: The kinds of attributes of Dataverse that say the state of a row, and why it is in it.
_STATE, _REASON = "State", "Status"


@dataclass(frozen=True, slots=True)
class Operation:
    """One item, ready to be sent. ``id`` as the table writes it, None where the app chooses it."""

    position: int
    id: str | None
    version: str
    request: Request
    values: Mapping[str, Value]


class Maker:
    """Makes the operations of one call. ``names``: the fields of the records that come back."""

    def __init__(self, source: Source, table: Table, names: Sequence[str]) -> None:
        profile = table.profile
        self.table = table
        prefer = ["return=representation" if profile.asks_representation else "", table.annotations(names)]
        self._prefer = ",".join(filter(None, prefer))
        # Which of the stored values come back, where the service lets us say so.
        selected = source.selected(table, table.select(names)) if profile.selects_stored else ()
        self._selected = query("", select=selected)

    def parted(self, fields: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
        """What a new record is given, and what it can be given only once it is there, such as a state. Raises Rejected."""
        table = self.table
        properties = {name: table.entity.property(name) for name in fields}
        later = {name for name, each in properties.items() if each.updatable and not each.creatable}
        if any(properties[name].info.native == _STATE for name in later):
            # The reason of a state goes with it: a new record is in another state.
            later |= {
                name for name, each in properties.items() if each.info.native == _REASON and each.updatable
            }
        at_once = {name: value for name, value in fields.items() if name not in later}
        after = {
            name: fit(table.name, properties[name].info, fields[name])
            for name in fields
            if name in later and fields[name] is not None
        }
        write_fields(table.entity, after, table.profile, creating=False)  # refused before anything is made
        return at_once, after

    def creation(self, position: int, item: CreateItem) -> Operation:
        """A new record: under an id that we choose where the service lets us, else with its key among the values or without.

        Raises Rejected.
        """
        table, key = self.table, self.table.key
        values = dict(item.fields)
        given = item.id if item.id is not None else values.get(key.name)
        id = None if given is None else table.identify(str(given))
        if given is not None and id is None:
            raise refuse("invalid_value", table.name, key.info, given, expected=key.info.type.value)
        if id is not None and table.profile.create == "put_id":
            values.pop(key.name, None)
            request = self._request("PATCH", table.address(id), values, {"If-None-Match": "*"}, creating=True)
        else:
            if id is not None:
                values[key.name] = table.key_value(id)
            request = self._request("POST", table.name, values, {}, creating=True)
        return Operation(position, id, "", request, values)

    def change(self, position: int, item: UpdateItem) -> Operation | Stale | None:
        """An update; None where it only looks, Stale where nothing can be at that version. Raises Rejected."""
        table = self.table
        table.properties(item.fields)  # refuses an unknown field
        id = table.identify(item.id)
        if id is None or not _is_version(item.version):
            return stale(table, item.id)
        if not item.fields:
            return None
        headers = self._condition(item.version)
        request = self._request("PATCH", table.address(id), item.fields, headers, creating=False)
        if request.body == b"{}":
            return None
        return Operation(position, id, item.version, request, item.fields)

    def deletion(self, position: int, item: DeleteItem) -> Operation | Stale | None:
        """A deletion; None where the id is none of this table's: no such record is there."""
        table = self.table
        id = table.identify(item.id)
        if id is None:
            return None
        if not _is_version(item.version):
            return stale(table, id)
        request = Request("DELETE", table.address(id), self._condition(item.version))
        return Operation(position, id, item.version, request, {})

    def _condition(self, version: str) -> dict[str, str]:
        if not version.startswith(MADE):
            return {"If-Match": version}
        # Of our own making: compared before it is sent, see ``Writer.unmoved``.
        return {"If-Match": "*"} if self.table.profile.needs_if_match else {}

    def _request(
        self, method: str, path: str, values: Mapping[str, Value], headers: dict[str, str], *, creating: bool
    ) -> Request:
        table, profile = self.table, self.table.profile
        for name, value in values.items():
            info = table.entity.property(name).info
            if info.required and (value is None or value == "" and profile.empty_text_is_null):
                raise refuse("value_required", table.name, info, "", limit="")
        members = write_fields(table.entity, values, profile, creating=creating)
        if self._prefer:
            headers = {**headers, "Prefer": self._prefer}
        return Request(method, path + self._selected, headers, dumps(members))


def stale(table: Table, id: str) -> Stale:
    return Stale("stale", {"table": table.name, "id": id})


def _is_version(version: str) -> bool:
    """Whether a text can be a version of ours: anything else matches no record, and is no header."""
    return version.startswith(MADE) or ETAG.match(version) is not None
