"""The bare program: what a careful person would write by hand to move the same rows, in the same pages and commits.

It reads a page of the left table by (modified_at, id), writes it to the right table in one statement, commits, and goes on.
It keeps nothing: no memory of the pairs, no journal, no conflict check, no way to go on after a crash.
"""

from __future__ import annotations

import psycopg

PAGE = 1000
COLUMNS = "id, no, name, street, city, phone, credit"
_READ = (
    f"SELECT {COLUMNS}, modified_at FROM customer WHERE (modified_at, id) > (%s, %s) "
    "ORDER BY modified_at, id LIMIT %s"
)
_TYPES = "%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::numeric[]"


def create(left: str, right: str) -> int:
    """Copy every customer to an account; returns how many."""
    return _pages(
        left,
        right,
        f"INSERT INTO account ({COLUMNS}) SELECT * FROM unnest({_TYPES}) RETURNING id, xmin, {COLUMNS}",
    )


def change(left: str, right: str) -> int:
    """Write every customer over its account; returns how many."""
    return _pages(
        left,
        right,
        "UPDATE account a SET no = v.no, name = v.name, street = v.street, city = v.city, phone = v.phone, "
        "credit = v.credit, modified_at = clock_timestamp() "
        f"FROM unnest({_TYPES}) AS v({COLUMNS}) WHERE a.id = v.id RETURNING a.id, a.xmin, a.no, a.name, a.city",
    )


def _pages(left: str, right: str, statement: str) -> int:
    n = 0
    place = ("-infinity", "00000000-0000-0000-0000-000000000000")
    with psycopg.connect(left, autocommit=True) as source, psycopg.connect(right) as destination:
        while rows := source.execute(_READ, [*place, PAGE]).fetchall():
            place = (rows[-1][7], rows[-1][0])
            destination.execute(
                statement, [list(column) for column in list(zip(*rows, strict=True))[:7]]
            ).fetchall()
            destination.commit()
            n += len(rows)
    return n


def nothing(left: str, right: str) -> int:
    """Look for changes of the last second on both sides."""
    n = 0
    for dsn, table in ((left, "customer"), (right, "account")):
        with psycopg.connect(dsn) as connection:
            n += len(
                connection.execute(
                    f"SELECT id FROM {table} WHERE modified_at >= clock_timestamp() - interval '1 s' LIMIT %s",
                    [PAGE],
                ).fetchall()
            )
    return n


def compare(left: str, right: str) -> int:
    """Read id and version of every row of both tables into a dict, as a sweep without a memory would."""
    n = 0
    for dsn, table in ((left, "customer"), (right, "account")):
        with psycopg.connect(dsn) as connection, connection.cursor("scan") as cursor:
            cursor.itersize = 10_000
            n += len(dict(cursor.execute(f"SELECT id::text, xmin::text FROM {table}")))
    return n
