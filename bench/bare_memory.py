"""The bare program that also keeps what Tandem keeps: per page a journal row before each write, then the write, then the
journal row's end and the memory of the pair, in the same three commits.

Plain psycopg and COPY, on copies of Tandem's own tables with all their indexes (no foreign keys). It decides nothing: every
row is taken as new, or as changed on the left.
"""

from __future__ import annotations

import json
from uuid import uuid4

import psycopg

from bench.bare import _READ, _TYPES, COLUMNS, PAGE

_NAMES = COLUMNS.split(", ")
_TABLES = """
DROP TABLE IF EXISTS bare_journal, bare_coupling;
CREATE TABLE bare_journal (LIKE synccore_journal INCLUDING ALL);
CREATE TABLE bare_coupling (LIKE synccore_coupling INCLUDING ALL);
"""
_INTEND = (
    "COPY bare_journal (job_id, mapping_id, side, operation, record_id, version, before, values, overwrites, basis, key, "
    "state, at) FROM STDIN"
)
_COUPLE = (
    "COPY bare_coupling (mapping_id, left_id, left_version, left_modified_at, left_key, left_name, left_owner, left_exists, "
    "left_base, right_id, right_version, right_modified_at, right_key, right_name, right_owner, right_exists, right_base, "
    "prefer, created_at, agreed_at, agreed_job, to_right_job, to_right_result, to_left_result) FROM STDIN"
)
_AGREE = """
UPDATE bare_coupling c SET left_modified_at = v.stamp, left_base = v.base, right_version = v.version, right_base = v.base,
  agreed_at = now(), agreed_job = 1, to_right_job = 1, to_right_result = 'ok'
FROM jsonb_to_recordset(%s::jsonb) AS v(id text, stamp timestamptz, version text, base jsonb)
WHERE c.mapping_id = 1 AND c.left_id = v.id
"""
_CREATE = f"INSERT INTO account ({COLUMNS}) SELECT * FROM unnest({_TYPES}) RETURNING id::text, xmin::text"
_CHANGE = (
    "UPDATE account a SET no = v.no, name = v.name, street = v.street, city = v.city, phone = v.phone, "
    f"credit = v.credit, modified_at = clock_timestamp() FROM unnest({_TYPES}) AS v({COLUMNS}) WHERE a.id = v.id "
    "RETURNING a.id::text, a.xmin::text"
)


def create(left: str, right: str, memory: str) -> int:
    """Copy every customer to an account and remember the pairs; returns how many."""
    with psycopg.connect(memory) as connection:
        connection.execute(_TABLES)
    return _pages(left, right, memory, _CREATE, is_new=True)


def change(left: str, right: str, memory: str) -> int:
    """Write every customer over its account and renew the memory of the pairs; returns how many."""
    return _pages(left, right, memory, _CHANGE, is_new=False)


def _pages(left: str, right: str, memory: str, statement: str, *, is_new: bool) -> int:
    n = 0
    place = ("-infinity", "00000000-0000-0000-0000-000000000000")
    with (
        psycopg.connect(left, autocommit=True) as source,
        psycopg.connect(right) as destination,
        psycopg.connect(memory) as own,
    ):
        while rows := source.execute(_READ, [*place, PAGE]).fetchall():
            place = (rows[-1][7], rows[-1][0])
            images = [
                json.dumps({str(k): [1, None if v is None else str(v)] for k, v in enumerate(row[:7])})
                for row in rows
            ]
            _intend(own, rows, images, is_new=is_new)
            written = dict(
                destination.execute(
                    statement, [list(c) for c in list(zip(*rows, strict=True))[:7]]
                ).fetchall()
            )
            destination.commit()
            own.execute("UPDATE bare_journal SET state = 'done', settled_at = now() WHERE state = 'intended'")
            if is_new:
                _couple(own, rows, images, written)
            else:
                pairs = [
                    {
                        "id": str(row[0]),
                        "stamp": str(row[7]),
                        "version": written[str(row[0])],
                        "base": json.loads(image),
                    }
                    for row, image in zip(rows, images, strict=True)
                ]
                own.execute(_AGREE, [json.dumps(pairs)])
            own.commit()
            n += len(rows)
    return n


def _intend(own: psycopg.Connection, rows: list, images: list[str], *, is_new: bool) -> None:  # type: ignore[type-arg]
    with own.cursor() as cursor, cursor.copy(_INTEND) as copy:
        for row, image in zip(rows, images, strict=True):
            values = json.dumps({name: str(value) for name, value in zip(_NAMES[1:], row[1:7], strict=True)})
            operation = "create" if is_new else "update"
            before = "{}" if is_new else values
            copy.write_row(
                (
                    1,
                    1,
                    "right",
                    operation,
                    str(row[0]),
                    "",
                    before,
                    values,
                    "{}",
                    image,
                    uuid4(),
                    "intended",
                    row[7],
                )
            )
    own.commit()


def _couple(own: psycopg.Connection, rows: list, images: list[str], written: dict[str, str]) -> None:  # type: ignore[type-arg]
    with own.cursor() as cursor, cursor.copy(_COUPLE) as copy:
        for row, image in zip(rows, images, strict=True):
            side = (row[7], row[1], row[2], "", True, image)
            id = str(row[0])
            copy.write_row((1, id, "1", *side, id, written[id], *side, "", row[7], row[7], 1, 1, "ok", ""))
