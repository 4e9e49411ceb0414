"""How many pairs per second and core the engine decides: ``python -m bench.engine``.

A mapping of twelve fields (text, numbers, a date, an instant, a GUID, one group), filter on one side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from synccore.engine.compiled import compile_rules
from synccore.engine.decide import decide
from synccore.engine.images import image, image_hash
from synccore.engine.rules import FieldRule, Link, MappingRules
from synccore.shapes import Condition, FieldInfo, FieldType, Operator, Record, Side, TableRef, Value

T = FieldType
FIELDS = (
    FieldInfo("name", T.TEXT, length=100),
    FieldInfo("street", T.TEXT, length=50),
    FieldInfo("street2", T.TEXT, length=50),
    FieldInfo("city", T.TEXT, length=30),
    FieldInfo("country", T.TEXT, length=2, padded=True),
    FieldInfo("mail", T.TEXT, length=80),
    FieldInfo("credit", T.DECIMAL, precision=12, scale=2),
    FieldInfo("level", T.INTEGER, precision=32),
    FieldInfo("blocked", T.BOOLEAN),
    FieldInfo("since", T.DATE),
    FieldInfo("reviewed", T.INSTANT),
    FieldInfo("token", T.GUID),
)
GROUP = {"street", "street2", "city", "country"}


def rules() -> MappingRules:
    return MappingRules(
        id=1,
        name="Customers",
        left=TableRef("customer"),
        right=TableRef("account"),
        fields=tuple(
            FieldRule(id, each.name, each.name, each, each, group="address" if each.name in GROUP else "")
            for id, each in enumerate(FIELDS, 1)
        ),
        left_filter=(Condition("blocked", Operator.EQ, "false"),),
    )


def record(n: int, **changed: Value) -> Record:
    values: dict[str, Value] = {
        "name": f"Cronus {n}",
        "street": f"Storgata {n % 200}",
        "street2": None,
        "city": "Tromsø",
        "country": "NO",
        "mail": f"post{n}@example.com",
        "credit": Decimal(n).scaleb(-2),
        "level": n % 9,
        "blocked": False,
        "since": date(2020, 1, 1 + n % 28),
        "reviewed": datetime(2024, 5, 17, 12, 0, n % 60, 123_000, UTC),
        "token": UUID(int=n + 1),
    }
    return Record(
        str(n), "1", datetime(2024, 5, 17, tzinfo=UTC), "x", str(n), f"Cronus {n}", {**values, **changed}
    )


def rate(what: str, n: int, run: Callable[[int], object]) -> None:
    start = time.process_time()  # of this process: others may share the cores
    for i in range(n):
        run(i)
    print(f"{what:<28}{n / (time.process_time() - start):>12,.0f} /s")


def main(n: int = 20_000) -> None:
    compiled = compile_rules(rules())
    left, right = [record(i) for i in range(n)], [record(i) for i in range(n)]
    edited, elsewhere = (
        [record(i, city="Bergen") for i in range(n)],
        [record(i, city="Rome") for i in range(n)],
    )
    links = [
        Link(str(i), str(i), image(compiled, Side.LEFT, left[i]), image(compiled, Side.RIGHT, right[i]))
        for i in range(n)
    ]
    rate("unchanged", n, lambda i: decide(links[i], left[i], right[i], compiled, {}))
    rate("one field changed", n, lambda i: decide(links[i], edited[i], right[i], compiled, {}))
    rate("conflict", n, lambda i: decide(links[i], edited[i], elsewhere[i], compiled, {}))
    rate("new record", n, lambda i: decide(Link(), left[i], None, compiled, {}))
    rate("without base", n, lambda i: decide(Link("1", "1"), left[i], right[i], compiled, {}))
    rate("base image", n, lambda i: image(compiled, Side.LEFT, left[i]))
    rate("image hash", n, lambda i: image_hash(compiled, Side.LEFT, left[i]))


if __name__ == "__main__":
    main()
