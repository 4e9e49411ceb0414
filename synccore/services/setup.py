"""Set-up of mappings: reading the apps' catalogues, finding what is wrong before a job does, and the order of runs."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.db.models import F, QuerySet
from django.utils import timezone

from synccore.failures import Bug, Failure, Misconfigured
from synccore.models import FieldMapping, TableMapping
from synccore.models.catalogue import store_catalogue
from synccore.services import validation
from synccore.shapes import SIDES, KeyKind, Side, TableInfo
from synccore.verbs.describe import Catalogue, Catalogues, bump_revision, take_over

__all__ = [
    "Catalogue",
    "Catalogues",
    "Idempotency",
    "bump_revision",
    "catalogues_of",
    "cycle",
    "idempotency",
    "order_of",
    "refresh",
    "take_over",
    "validate",
]


class Idempotency(StrEnum):
    """How a create that may have happened already is told from one that has not (ENGINE §6)."""

    UUID = "uuid"
    SEQUENCE = "sequence"
    NATURAL = "natural"
    NONE = "none"


def catalogues_of(mapping: TableMapping) -> dict[Side, dict[str, TableInfo]]:
    """The live catalogues of both apps; each is asked once. Raises Failure where one cannot be read."""
    found = {}
    for side in SIDES:
        with mapping.connection(side).connect() as connector:
            found[side] = connector.describe()
    return found


def refresh(mapping: TableMapping) -> list[Failure]:
    """Read both apps and bring what the mapping's rows remember of them up to date; gives what is wrong with it.

    Fills the descriptions of mapped fields, how new records get their id, and the id fields. A field whose type has
    changed gets a new revision, so that its base images are taken anew; any change moves the mapping's revision.
    A field that is gone keeps its last description. Where an app cannot be read nothing is changed, and its
    failure is given.
    """
    try:
        catalogues = catalogues_of(mapping)
    except Failure as failure:
        return [failure]
    except Exception as error:  # a connector's mistake must not break the set-up page
        return [Bug.from_exception(error, step="describe")]
    # Judged by what was remembered before: a field that is gone is told from one that never was.
    failures = validate(mapping, catalogues)
    for side in SIDES:
        store_catalogue(mapping.connection(side), catalogues[side], timezone.now())
    take_over(mapping, catalogues)
    return failures


def validate(mapping: TableMapping, catalogues: Catalogues) -> list[Failure]:
    """Everything wrong with a mapping, judged against the catalogues of both apps; [] where it can run.

    Two queries. Each failure is Misconfigured of scope table; see ``synccore.codes`` for what they say.
    """
    rows = list(mapping.field_mappings.all())
    failures: list[Failure] = [*validation.of_mapping(mapping, rows, catalogues)]
    if circle := cycle(mapping):
        failures.append(
            Misconfigured("cyclic_references", {"mapping_name": mapping.name, "names": " → ".join(circle)})
        )
    return failures


def cycle(mapping: TableMapping) -> list[str]:
    """The names of the mappings that wait for each other, from this one back to it; [] where none do.

    A reference to the mapping itself, or an optional one, makes nobody wait.
    """
    names, edges = _references(
        FieldMapping.objects.filter(mapping__integration=mapping.integration_id), required_only=True
    )
    came_from: dict[int, int] = {}
    queue = [mapping.pk]
    for at in queue:
        for to in sorted(edges.get(at, ())):
            if to == mapping.pk:
                path = [at]
                while path[-1] != mapping.pk:
                    path.append(came_from[path[-1]])
                return [*(names[each] for each in reversed(path)), names[mapping.pk]]
            if to not in came_from:
                came_from[to] = at
                queue.append(to)
    return []


def _references(
    rows: QuerySet[FieldMapping], *, required_only: bool
) -> tuple[dict[int, str], dict[int, set[int]]]:
    """Names of the mappings that refer or are referred to, and who refers to whom. One query."""
    names: dict[int, str] = {}
    edges: dict[int, set[int]] = {}
    found = rows.filter(reference__isnull=False).values_list(
        "mapping_id", "mapping__name", "reference_id", "reference__name", "optional"
    )
    for source, source_name, target, target_name, optional in found:
        if source == target or (required_only and optional):
            continue
        names |= {source: source_name, target: target_name}
        edges.setdefault(source, set()).add(target)
    return names, edges


def order_of(mappings: Iterable[TableMapping]) -> list[TableMapping]:
    """The mappings with parents before those that refer to them; otherwise in the order they came. One query.

    A circle is entered at the mapping with the fewest unmet required references.
    """
    waiting = {mapping.pk: mapping for mapping in mappings}
    rows = FieldMapping.objects.filter(mapping__in=list(waiting), reference__in=list(waiting))
    found = rows.exclude(mapping=F("reference")).values_list("mapping_id", "reference_id", "optional")
    parents: dict[int, dict[int, bool]] = {pk: {} for pk in waiting}  # parent → required
    for child, parent, optional in found:
        parents[child][parent] = parents[child].get(parent, False) or not optional
    ordered: list[TableMapping] = []

    def unmet(pk: int) -> tuple[int, int]:
        open_ = [required for parent, required in parents[pk].items() if parent in waiting]
        return sum(open_), len(open_)

    while waiting:
        first = min(waiting, key=unmet)  # the first of equals: dicts keep their order
        ordered.append(waiting.pop(first))
    return ordered


def idempotency(mapping: TableMapping, side: Side, rows: Iterable[FieldMapping] | None = None) -> Idempotency:
    """How a create on ``side`` is made safe to repeat: the first of ENGINE §6's ways that the mapping allows.

    A natural key counts where it is a mapped field that is written there: the one the mapping names, or the id
    itself where the id is a business value. ``rows``: the field mappings, where the caller has them.
    """
    kind = getattr(mapping, f"{side.value}_key_kind")
    if kind == KeyKind.UUID:
        return Idempotency.UUID
    if kind == KeyKind.SEQUENCE:
        return Idempotency.SEQUENCE
    id_field = getattr(mapping, f"{side.value}_id_field") if kind == KeyKind.NATURAL else ""
    for row in mapping.field_mappings.all() if rows is None else rows:
        here = getattr(row, f"{side.value}_field")
        there = getattr(row, f"{side.other.value}_field")
        if here and there and not row.has_constant and (row.pk == mapping.natural_key or here == id_field):
            return Idempotency.NATURAL
    return Idempotency.NONE
