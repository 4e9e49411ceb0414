"""What follows from an action on chosen records, counted before anything is pressed. Reads our own database only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Q, QuerySet

from synccore.models import Coupling, FieldMapping, TableMapping
from synccore.shapes import SIDES, KeyKind, Side

#: Of so many chosen records the dependents are looked for; more are not looked at, and the count says so.
LOOKED_AT: Final = 5_000
#: Names that a question shows of each mapping.
NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Dependents:
    """Coupled records of one mapping that refer to the chosen ones; ``names`` of the first."""

    mapping: str
    n: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """The chosen records of one mapping that are gone on ``side``; ``keeps_id``: created again there, they get their ids."""

    mapping: TableMapping
    side: Side
    n: int
    keeps_id: bool

    @property
    def app(self) -> str:
        """The app in which they are gone."""
        return self.mapping.connection(self.side).name

    @property
    def other_app(self) -> str:
        return self.mapping.connection(self.side.other).name


@dataclass(frozen=True, slots=True)
class Keyed:
    """The chosen records of one mapping; ``field``: by which it finds the counterpart of a new record, "" for none."""

    mapping: str
    n: int
    field: str
    creates: bool


def keys_of(couplings: QuerySet[Coupling]) -> list[Keyed]:
    """How the mappings of the chosen records would take them as new ones."""
    counted: Any = couplings.order_by().values("mapping").annotate(n=Count("pk"))
    mappings = TableMapping.objects.in_bulk({row["mapping"] for row in counted})
    fields = FieldMapping.objects.in_bulk(
        [each.natural_key for each in mappings.values() if each.natural_key]
    )
    found = []
    for row in counted:
        mapping = mappings[row["mapping"]]
        key = fields.get(mapping.natural_key or 0)
        name = (key.left_field or key.right_field) if key is not None else ""
        found.append(Keyed(mapping.name, row["n"], name, not mapping.only_coupled))
    return sorted(found, key=lambda each: each.mapping)


def gone(couplings: QuerySet[Coupling]) -> list[Share]:
    """Where the chosen records are gone, by mapping and side."""
    counted: Any = (
        couplings.order_by().values("mapping", "left_exists", "right_exists").annotate(n=Count("pk"))
    )
    mappings = TableMapping.objects.select_related("integration__left", "integration__right").in_bulk(
        {row["mapping"] for row in counted}
    )
    found = []
    for row in counted:
        missing = [side for side in SIDES if not row[f"{side.value}_exists"]]
        if len(missing) != 1:
            continue
        mapping, side = mappings[row["mapping"]], missing[0]
        kept = getattr(mapping, f"{side.value}_key_kind") != KeyKind.OPAQUE.value
        found.append(Share(mapping, side, row["n"], kept))
    return sorted(found, key=lambda each: (-each.n, each.mapping.name))


def dependents(couplings: QuerySet[Coupling], *, user: Any) -> list[Dependents]:
    """Coupled records whose last agreed values refer to the chosen ones, of mappings that the user may see.

    Of at most :data:`LOOKED_AT` chosen records; the most numerous first.
    """
    chosen = list(couplings.order_by("pk").values_list("mapping", "left_id", "right_id")[:LOOKED_AT])
    ids: dict[int, dict[Side, list[str]]] = {}
    for mapping, left, right in chosen:
        of = ids.setdefault(mapping, {side: [] for side in SIDES})
        for side, id in ((Side.LEFT, left), (Side.RIGHT, right)):
            if id is not None:
                of[side].append(id)
    rows = FieldMapping.objects.filter(reference__in=list(ids)).select_related("mapping")
    wanted: dict[TableMapping, Q] = {}
    for row in rows:
        for side in SIDES:
            if getattr(row, f"{side.value}_field") and row.reference_id is not None:
                here = Q(**{f"{side.value}_base__{row.pk}__1__in": _texts(ids[row.reference_id][side])})
                wanted[row.mapping] = wanted.get(row.mapping, Q(pk__in=[])) | here
    found = []
    for child, condition in wanted.items():
        refer = Coupling.objects.visible_to(user).live().paired().filter(condition, mapping=child)
        if n := refer.count():
            names = tuple(str(each) for each in refer.defer("left_base", "right_base").order_by("pk")[:NAMED])
            found.append(Dependents(child.name, n, names))
    return sorted(found, key=lambda each: -each.n)


def _texts(ids: Sequence[str]) -> list[str]:
    """The canonical texts that may stand for these ids in a base image: of text and of number fields."""
    return [text for id in ids for text in (json.dumps(id, ensure_ascii=False), id)]
