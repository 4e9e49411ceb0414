"""Writing in batches, every update and deletion bound to the version it was decided on; each record has its own result.

Values that cannot be stored are refused before anything is sent. What an app stored comes with its answer, or is read again,
all of a batch at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synccore.connectors.base import WriteResult
from synccore.connectors.odata.client import Answer, Request
from synccore.connectors.odata.errors import BadAnswer, address
from synccore.connectors.odata.links import key_in, query
from synccore.connectors.odata.model import Property
from synccore.connectors.odata.operations import Maker, Operation, stale
from synccore.connectors.odata.source import Source
from synccore.connectors.odata.tables import MADE, Row, Table
from synccore.failures import Failure, Rejected, Scope, Stale, Transient, Unrecognised
from synccore.shapes import CreateItem, DeleteItem, Record, TableRef, UpdateItem, Value

Result = Record | Failure | None


def create(
    source: Source, ref: TableRef, items: Sequence[CreateItem], fields: Sequence[str]
) -> list[WriteResult]:
    """See ``Connector.create``."""
    writer = Writer(source, source.table(ref), "create", fields)
    operations = []
    later: dict[int, Mapping[str, Value]] = {}
    for position, item in enumerate(items):
        try:
            at_once, after = writer.maker.parted(item.fields)
            operations.append(writer.maker.creation(position, replace(item, fields=at_once)))
        except Rejected as refused:
            writer.results[position] = refused
        else:
            later[position] = after
    writer.carry_out(operations)
    writer.complete(later)
    return writer.told(len(items))


def update(
    source: Source, ref: TableRef, items: Sequence[UpdateItem], fields: Sequence[str]
) -> list[WriteResult]:
    """See ``Connector.update``."""
    writer = Writer(source, source.table(ref), "update", fields)
    operations = []
    looks: dict[int, UpdateItem] = {}
    for position, item in enumerate(items):
        made: Operation | Failure | None
        try:
            made = writer.maker.change(position, item)
        except Rejected as refused:
            made = refused
        if isinstance(made, Failure):
            writer.results[position] = made
        elif made is None:
            looks[position] = item
        else:
            operations.append(made)
    writer.look(looks)
    for turn in _turns(operations):
        writer.carry_out(turn)
    return writer.told(len(items))


def delete(source: Source, ref: TableRef, items: Sequence[DeleteItem]) -> list[None | Failure]:
    """See ``Connector.delete``."""
    writer = Writer(source, source.table(ref), "delete", ())
    operations = []
    for position, item in enumerate(items):
        made = writer.maker.deletion(position, item)
        if isinstance(made, Operation):
            operations.append(made)
        else:
            writer.results[position] = made
    for turn in _turns(operations):
        writer.carry_out(turn)
    writer.confirm_gone()
    found = [writer.results.get(position) for position in range(len(items))]
    return [result if isinstance(result, Failure) else None for result in found]


def _turns(operations: Iterable[Operation]) -> list[list[Operation]]:
    """The second item for one record is sent after the first, and finds the version moved."""
    turns: list[dict[str | None, Operation]] = []
    for operation in operations:
        turn = next((turn for turn in turns if operation.id not in turn), None)
        if turn is None:
            turns.append(turn := {})
        turn[operation.id] = operation
    return [list(turn.values()) for turn in turns]


@dataclass(slots=True)
class Writer:
    """One call of create, update or delete. ``results`` is by position of the item."""

    source: Source
    table: Table
    operation: str
    names: Sequence[str]
    results: dict[int, Result] = field(default_factory=dict)
    _etags: dict[int, str] = field(default_factory=dict)
    maker: Maker = field(init=False)
    properties: list[Property] = field(init=False)
    _select: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.properties = self.table.properties(self.names)
        self.maker = Maker(self.source, self.table, self.names)
        self._select = self.table.select(self.names)

    def told(self, number: int) -> list[WriteResult]:
        found = [self.results[position] for position in range(number)]
        return [result for result in found if result is not None]

    # -- sending -------------------------------------------------------------------------------------------------------

    def carry_out(self, operations: Sequence[Operation]) -> None:
        """Send operations and keep a result for each in ``results``.

        Raises Failure only while nothing has been stored, or may have been, in this call. Later the failure becomes the
        result of each operation that has none yet, so that the results before it are not lost.
        """
        try:
            if operations:
                self._send(self.unmoved(operations))
        except Failure as failure:
            if not self._has_written():
                raise
            for operation in operations:
                self.results.setdefault(operation.position, failure)

    def _has_written(self) -> bool:
        """Whether something was stored, or may have been."""
        return any(not isinstance(each, Failure) or each.outcome_unknown for each in self.results.values())

    def _send(self, operations: Sequence[Operation]) -> None:
        if not operations:
            return
        client, table = self.source.client, self.table
        about = [
            client.situation(
                self.operation, table.name, infos=table.infos, values=each.values, id=each.id or ""
            )
            for each in operations
        ]
        requests = [each.request for each in operations]
        answers = client.batch(requests, operation=self.operation, table=table.name, about=about)
        wide = [each for each in answers if isinstance(each, Failure) and each.scope is Scope.CONNECTION]
        # Where some may have been carried out, each says of itself whether it was sent: only those are looked up.
        unknown = any(each.outcome_unknown for each in wide)
        if len(wide) == len(operations) and not unknown and not self._has_written():
            raise wide[0]
        written: list[tuple[Operation, str]] = []
        for operation, answer in zip(operations, answers, strict=True):
            if isinstance(answer, Failure):
                self.results[operation.position] = self._refused(operation, answer)
            elif self.operation == "delete":
                self.results[operation.position] = None
            else:
                record = self._stored(answer)
                self.results[operation.position] = record
                if record is None:
                    written.append((operation, self._id_told(operation, answer)))
                    self._etags[operation.position] = answer.headers.get("etag", "")
        self._read_again(written)

    def complete(self, later: Mapping[int, Mapping[str, Value]]) -> None:
        """Give new records what they can be given only once they are there, where they do not have it by themselves. One
        that refuses it is there all the same: it is looked at before anything else is done with it."""
        operations = []
        for position, fields in later.items():
            record = self.results[position]
            if isinstance(record, Record):
                lacking = {name: value for name, value in fields.items() if record.fields.get(name) != value}
                change = UpdateItem(record.id, record.version, lacking)
                if isinstance(made := self.maker.change(position, change), Operation):
                    operations.append(made)
        writer = Writer(self.source, self.table, "update", self.names)
        try:
            writer.carry_out(operations)
        except Failure as failure:
            writer.results = {each.position: failure.again() for each in operations}
        for each in operations:
            result = writer.results[each.position]
            if isinstance(result, Failure):
                result = self._unknown(each.id or "", None if isinstance(result, Stale) else result)
            self.results[each.position] = result

    def _refused(self, operation: Operation, failure: Failure) -> Failure:
        """The failure as the contract words it."""
        if self.operation != "create":
            return failure
        if isinstance(failure, Stale):
            # Nothing is there that could have moved: the id is taken, or what the new record points to is not there.
            message, debug = failure.app_message, failure.debug
            params: dict[str, Any] = {"table": self.table.name}
            if failure.params.get("gone"):
                return Unrecognised("app_answer", params, app_message=message, debug=debug)
            params |= {"field": "", "value": "", "limit": ""}
            failure = Rejected("duplicate_key", params, app_message=message, debug=debug)
        if failure.code == "duplicate_key" and not failure.params.get("field") and operation.id is not None:
            key = self.table.key.name
            failure.params |= {"field": key, "fields": [key], "value": operation.id}
        return failure

    def _stored(self, answer: Answer) -> Record | None:
        """The record as the answer tells it; None where it does not tell all of it, or what cannot be read."""
        row = _row(answer)
        if row is None or any(name not in row for name in self._select):
            return None
        if not self.table.etag(row):
            # Its version has to be the one that a list of records will tell: the ETag of the header, or one of our making.
            told, in_lists = answer.headers.get("etag"), self.source.etags.get(self.table.name)
            if told and in_lists:
                row["@odata.etag"] = told
            elif in_lists is None or self.table.stamp is None:
                return None
        return self._record(row)

    def _record(self, row: Row | None) -> Record | None:
        try:
            return None if row is None else self.table.record(row, self.properties)
        except Failure:  # a value that is none of its type; the write happened all the same
            return None

    def _id_told(self, operation: Operation, answer: Answer) -> str:
        """The id of a record whose stored values were not told: chosen by us, in the body, or in a header; "" if nowhere."""
        if operation.id is not None:
            return operation.id
        key = (_row(answer) or {}).get(self.table.key.read_path)
        if key is not None and (id := self.table.identify(str(key))) is not None:
            return id
        for name in ("odata-entityid", "location"):
            told = key_in(answer.headers.get(name, "").partition("?")[0])
            if told is not None and (id := self.table.identify(told)) is not None:
                return id
        return ""

    def _read_again(self, written: Sequence[tuple[Operation, str]]) -> None:
        """What is stored now, where the answers did not say. What cannot be read may have happened or not."""
        if not written:
            return
        failure: Failure | None = None
        rows: Mapping[str, Row] = {}
        try:
            rows = self.source.by_id(self.table, [id for _operation, id in written if id], self.names)
        except Failure as error:
            failure = error
        for operation, id in written:
            row, etag = rows.get(id), self._etags.get(operation.position, "")
            record = self._record(row)
            if record is not None and etag and self.table.etag(row or {}) not in ("", etag):
                record = None  # somebody wrote since: what is there now is not what we stored
            if record is not None and _untouched(record, operation):
                record = None  # whoever answered, nothing was stored
            self.results[operation.position] = record or self._unknown(id, failure)

    def _unknown(self, id: str, why: Failure | None) -> Failure:
        """The result of a write of which nobody could tell what it stored."""
        if why is None:
            now = self.source.client.situation(self.operation)
            debug = f"{self.table.name} {id}: written, and not found as it was written"
            why = Transient("answer_unreadable", {**address(now), "table": self.table.name}, debug=debug)
        why.outcome_unknown = True
        return why

    # -- looking -------------------------------------------------------------------------------------------------------

    def look(self, items: Mapping[int, UpdateItem]) -> None:
        """Updates of no field: the record if it is still at its version."""
        ids = {place: self.table.identify(item.id) or "" for place, item in items.items()}
        rows = self.source.by_id(self.table, [id for id in ids.values() if id], self.names)
        for place, item in items.items():
            row = rows.get(ids[place])
            record = None if row is None else self.table.record(row, self.properties)
            same = record is not None and record.version == item.version
            self.results[place] = record if same else stale(self.table, item.id)

    def unmoved(self, operations: Sequence[Operation]) -> list[Operation]:
        """The operations that may be sent; the others get their result here.

        Where lists tell ETags these are all. Else each record is read first: one that moved is ``Stale``, the others are
        bound to the ETag that the record by itself tells. Where it tells none either, a change that somebody makes between
        this reading and our write is overwritten; no request of the protocol could prevent that."""
        made = [each for each in operations if each.version.startswith(MADE)]
        if not made:
            return list(operations)
        table = self.table
        select = self.source.selected(table, table.select_versions())
        looks = [Request("GET", query(table.address(each.id or ""), select=select)) for each in made]
        answers = self.source.client.batch(looks, operation="read", table=table.name)
        found = [each for each in operations if not each.version.startswith(MADE)]
        for operation, answer in zip(made, answers, strict=True):
            if isinstance(answer, Failure):
                if answer.stops_the_job:
                    raise answer
                gone = stale(table, operation.id or "") if self.operation != "delete" else None
                self.results[operation.position] = gone if isinstance(answer, Stale) else answer
                continue
            row = {name: value for name, value in (_row(answer) or {}).items() if "@" not in name}
            if table.version(row) != operation.version:
                self.results[operation.position] = stale(table, operation.id or "")
                continue
            if (etag := answer.headers.get("etag", "")) and etag.isascii():
                request = operation.request
                bound = replace(request, headers={**request.headers, "If-Match": etag})
                operation = replace(operation, request=bound)
            found.append(operation)
        return found

    def confirm_gone(self) -> None:
        """Deletions whose record was not as it was: one that is there no more is what was wanted."""
        moved = {
            place: str(result.params.get("id") or "")
            for place, result in self.results.items()
            if isinstance(result, Stale)
        }
        unsure = [id for place, id in moved.items() if id and not _says_gone(self.results[place])]
        try:
            there = self.source.by_id(self.table, unsure, ())
        except Failure:  # they are read before they are decided again
            return
        for place, id in moved.items():
            if id not in there:
                self.results[place] = None


def _untouched(record: Record, operation: Operation) -> bool:
    """Whether a record is as it was before a change that was told to be done."""
    if not operation.version or record.version != operation.version:
        return False
    return any(
        name in record.fields and record.fields[name] != value for name, value in operation.values.items()
    )


def _says_gone(result: Result) -> bool:
    return isinstance(result, Failure) and bool(result.params.get("gone"))


def _row(answer: Answer) -> dict[str, Any] | None:
    """The one record in an answer; None where it holds none, or nothing that can be read."""
    if not answer.body.strip():
        return None
    try:
        return answer.json()
    except BadAnswer:
        return None
