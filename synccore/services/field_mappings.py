"""Field mappings of a mapping, saved together: judged line by line, and only what compares differently is taken anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction

from synccore.engine.canonical import canon, parse
from synccore.engine.convert import convert
from synccore.engine.rules import Transform
from synccore.engine.serial import dump_info
from synccore.engine.transforms import TRANSFORMS, Failing, round_trips
from synccore.engine.transforms import validate as transform_errors
from synccore.failures import Failure, Misconfigured, Rejected
from synccore.models import Coupling, FieldMapping, TableMapping
from synccore.models.build import field_rule
from synccore.shapes import SIDES, FieldInfo, Side, Value

from . import fitting, setup, validation
from .catalogue import Known, known_to
from .mappings import Found, Wrong, add, locked

MOST: Final = 300
#: So many pairs of the memory are tried when conversions are saved.
SAMPLES: Final = 200
SHOWN: Final = 3

#: Columns of which another value gets or compares values differently: base images are taken anew.
_COMPARED: Final = (
    "left_field", "right_field", "to_right", "to_left", "has_constant", "constant", "reference_id", "keep_empty",
)  # fmt: skip
_OTHERS: Final = ("direction", "group", "owner", "optional", "only_new", "personal", "sensitive", "accepted")


@dataclass(slots=True)
class Draft:
    """One field mapping as a person wants it. ``key``: of which row, None for a new one."""

    key: int | None = None
    left: str = ""
    right: str = ""
    direction: str = "both"
    has_constant: bool = False
    constant: str = ""
    to_right: list[dict[str, Any]] = field(default_factory=list)
    to_left: list[dict[str, Any]] = field(default_factory=list)
    group: str = ""
    owner: str = ""
    reference: int | None = None
    optional: bool = False
    only_new: bool = False
    keep_empty: bool = False
    personal: bool = False
    sensitive: bool = False
    accepted: bool = False


def draft_of(row: FieldMapping) -> Draft:
    """A stored field mapping as a person would have typed it."""
    return Draft(
        key=row.pk,
        left=row.left_field,
        right=row.right_field,
        direction=row.direction,
        has_constant=row.has_constant,
        constant=constant_text(row),
        to_right=row.to_right,
        to_left=row.to_left,
        group=row.group,
        owner=row.owner,
        reference=row.reference_id,
        optional=row.optional,
        only_new=row.only_new,
        keep_empty=row.keep_empty,
        personal=row.personal,
        sensitive=row.sensitive,
        accepted=row.accepted,
    )


def row_of(mapping: TableMapping, draft: Draft) -> FieldMapping:
    """A draft as a row that is not saved, for those who judge rows."""
    return FieldMapping(
        mapping=mapping, left_field=draft.left, right_field=draft.right, direction=draft.direction,
        to_right=draft.to_right, to_left=draft.to_left, has_constant=draft.has_constant, reference_id=draft.reference,
    )  # fmt: skip


@transaction.atomic
def save_fields(
    mapping: TableMapping, *, user: Any, drafts: Sequence[Draft], revision: str
) -> tuple[TableMapping, bool]:
    """Replace the field mappings; rows keep their identity by ``key``. Gives the mapping, and whether pairs that agreed
    under other rules meet new ones at the next full synchronization.

    Raises RightMissing; NotNow ``mapping_moved``; Wrong, with places like ``f-3-right`` or ``f-3-to_right-0-length``.
    Nothing is saved then.
    """
    row = locked(mapping, user=user, revision=revision)
    known = known_to(row)
    old = {each.pk: each for each in row.field_mappings.all()}
    before = {pk: _facts(each) for pk, each in old.items()}
    found: Found = {}
    if len(drafts) > MOST:
        add(found, "", "too_many", limit=MOST)
    rows = [_filled(row, old, draft, i, known, found) for i, draft in enumerate(drafts[:MOST])]
    _judge(row, rows, drafts, known, found)
    kept = {each.pk for each in rows if each.pk is not None}
    if row.natural_key in old and row.natural_key not in kept:
        add(found, "", "natural_key_removed", field=str(old[row.natural_key]))
    if row.enabled and not rows:
        add(found, "", "mapping_without_fields", mapping_name=row.name)
    if found:
        raise Wrong(found)
    gone = [pk for pk in old if pk not in kept]
    FieldMapping.objects.filter(pk__in=gone).delete()
    anew = [
        each for each in rows if each.pk in before and _compared(before[each.pk]) != _compared(_facts(each))
    ]
    changed = bool(gone) or any(each.pk is None or before[each.pk] != _facts(each) for each in rows)
    added = [each for each in rows if each.pk is None]
    for each in rows:
        each.save()
    if circle := setup.cycle(row):
        raise Wrong({"": [("cyclic_references", {"mapping_name": row.name, "names": " → ".join(circle)})]})
    if changed:
        setup.bump_revision(row, fields=anew)
    return row, bool(anew or added)


def _facts(row: FieldMapping) -> dict[str, Any]:
    return {name: getattr(row, name) for name in (*_COMPARED, *_OTHERS)}


def _compared(facts: dict[str, Any]) -> list[Any]:
    return [facts[name] for name in _COMPARED]


def _filled(
    mapping: TableMapping, old: dict[int, FieldMapping], draft: Draft, i: int, known: Known, found: Found
) -> FieldMapping:
    """The row of a draft, not saved yet; its fields described as the catalogues last did."""
    row = old.pop(draft.key) if draft.key in old else FieldMapping(mapping=mapping)
    if row.pk is not None:
        old[row.pk] = row
    row.position = i
    for side in SIDES:
        name = getattr(draft, side.value)[:200]
        if name != getattr(row, f"{side.value}_field"):
            setattr(row, f"{side.value}_info", None)
        setattr(row, f"{side.value}_field", name)
        table = known.table(side, getattr(mapping, f"{side.value}_table"))
        if table is not None and name in table.fields:
            setattr(row, f"{side.value}_info", dump_info(table.fields[name]))
    if (row.to_right, row.to_left, row.reference_id) != (draft.to_right, draft.to_left, draft.reference):
        row.empty_id = ""  # found again by the next run
    for name in (*_OTHERS, "to_right", "to_left", "has_constant", "keep_empty"):
        setattr(row, name, getattr(draft, name))
    row.reference_id = draft.reference
    row.constant = _constant(mapping, row, draft, i, known, found)
    return row


def _constant(
    mapping: TableMapping, row: FieldMapping, draft: Draft, i: int, known: Known, found: Found
) -> str | None:
    """What was typed, as the canonical text of the field it is written to."""
    if not draft.has_constant:
        return None
    to = [side for side in SIDES if fitting.allows(row.direction, side)]
    if len(to) != 1:
        add(found, f"f-{i}-direction", "constant_both_ways", field=draft.left or draft.right)
        return row.constant
    [side] = to
    if getattr(row, f"{side.other.value}_field"):
        add(found, f"f-{i}-{side.other.value}", "constant_side", side=side.value)
    info = fitting.info_of(mapping, row, side, known)
    if info is None:
        if getattr(row, f"{side.value}_field"):
            add(found, f"f-{i}-constant", "type_unknown")
        return row.constant
    try:
        return canon(convert(draft.constant, None, info), info, keep_empty=True)
    except Failure:
        add(found, f"f-{i}-constant", "bad_constant", field=info.name, value=draft.constant[:200])
        return row.constant


def constant_text(row: FieldMapping) -> str:
    """A stored constant as it is typed."""
    return constant_words(row.constant)


def constant_words(text: str | None) -> str:
    """A canonical text as it is typed."""
    if text is None:
        return ""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else "" if value is None else text


# -- judging -----------------------------------------------------------------------------------------------------------


def _judge(
    mapping: TableMapping, rows: Sequence[FieldMapping], drafts: Sequence[Draft], known: Known, found: Found
) -> None:
    mappings = set(
        TableMapping.objects.filter(integration=mapping.integration_id).values_list("pk", flat=True)
    )
    samples = _samples(mapping) if any(row.to_right and row.to_left for row in rows) else []
    written: set[tuple[Side, str]] = set()
    for i, row in enumerate(rows):
        at = f"f-{i}"
        _names(mapping, row, drafts[i], at, known, found)
        if row.reference_id is not None and row.reference_id not in mappings:
            add(found, f"{at}-reference", "not_a_choice")
            row.reference_id = None
        if len(row.group) > 60:
            add(found, f"{at}-group", "too_long", limit=60)
        for name, choices in (("direction", ("both", "to_right", "to_left")), ("owner", ("", *SIDES))):
            if getattr(row, name) not in choices:
                add(found, f"{at}-{name}", "not_a_choice")
        for side in SIDES:
            name = getattr(row, f"{side.value}_field")
            if name and fitting.goes(mapping, row, side):
                if (side, name) in written:
                    table = getattr(mapping, f"{side.value}_table")
                    add(
                        found, f"{at}-{side.value}", "written_twice", field=name, side=side.value, table=table
                    )
                written.add((side, name))
        _conversions(mapping, row, at, known, samples, found)


def _names(
    mapping: TableMapping, row: FieldMapping, draft: Draft, at: str, known: Known, found: Found
) -> None:
    """Both fields are named, and were there when the tables were last read; what is written may be."""
    for side in SIDES:
        name = getattr(draft, side.value)
        if len(name) > 200:
            add(found, f"{at}-{side.value}", "too_long", limit=200)
        is_source_of_constant = row.has_constant and not fitting.allows(row.direction, side)
        goes_nowhere = row.has_constant and row.direction == "both"  # said at the direction
        if not name and not is_source_of_constant and not goes_nowhere:
            add(found, f"{at}-{side.value}", "needs_both" if not row.has_constant else "required")
        table = known.table(side, getattr(mapping, f"{side.value}_table"))
        if not name or is_source_of_constant or table is None:
            continue
        where = {"table": table.name, "field": name, "side": side.value}
        info = table.fields.get(name)
        if info is None:
            # One that was mapped and is gone stays a warning: the rest can be saved.
            if getattr(row, f"{side.value}_info") is None:
                add(found, f"{at}-{side.value}", "unknown_field", **where)
        elif info.read_only and fitting.goes(mapping, row, side):
            add(found, f"{at}-{side.value}", "field_read_only", **where)


def _conversions(
    mapping: TableMapping,
    row: FieldMapping,
    at: str,
    known: Known,
    samples: list[dict[Side, dict[str, Any]]],
    found: Found,
) -> None:
    """Each step for itself, then both ways together: what comes back is what went."""
    wrong = False
    for way in ("to_right", "to_left"):
        for j, step in enumerate(getattr(row, way)):
            for failure in transform_errors([Transform(step["name"], step["params"])], str(row)):
                wrong = True
                add(found, f"{at}-{way}-{j}-{failure.params['param']}", failure.code, **failure.params)
    for way, failure in validation.reference_steps(row) if not wrong else ():
        wrong = True
        add(found, f"{at}-{way}", failure.code, **failure.params)
    if wrong:
        return
    for failure in validation.one_way_transformation(mapping, row):
        add(found, f"{at}-to_right", failure.code, **failure.params)
        return
    both = all(fitting.goes(mapping, row, side) for side in SIDES)
    if not both or not row.to_right or row.has_constant or row.reference_id is not None or row.accepted:
        return
    tried, failing = _try_round_trip(mapping, row, known, samples)
    loses = any(TRANSFORMS[step["name"]].loses for way in (row.to_right, row.to_left) for step in way)
    if failing:
        shown = [] if row.sensitive else [_shown(each) for each in failing[:SHOWN]]
        add(found, f"{at}-accepted", "does_not_come_back", n=len(failing), tried=tried, examples=shown)
    elif loses and not tried:
        add(found, f"{at}-accepted", "may_not_come_back")


def _samples(mapping: TableMapping) -> list[dict[Side, dict[str, Any]]]:
    """What both records of some pairs held when they last agreed."""
    pairs = Coupling.objects.live().paired().filter(mapping=mapping).order_by("-agreed_at", "-pk")
    found = pairs.values_list("left_base", "right_base")[:SAMPLES]
    return [dict(zip(SIDES, bases, strict=True)) for bases in found]


def _try_round_trip(
    mapping: TableMapping, row: FieldMapping, known: Known, samples: list[dict[Side, dict[str, Any]]]
) -> tuple[int, list[Failing]]:
    """How many known values were sent there and back, and those that did not come back as they were."""
    infos = {side: fitting.info_of(mapping, row, side, known) for side in SIDES}
    if row.pk is None or None in infos.values():
        return 0, []
    try:
        rule = field_rule(row)
    except Misconfigured:
        return 0, []
    tried, failing = 0, []
    for side in SIDES:
        values = list(dict.fromkeys(_values(samples, side, row.pk, infos[side])))
        tried += len(values)
        failing += round_trips(rule, values, side=side)
    return tried, failing


def _values(
    samples: list[dict[Side, dict[str, Any]]], side: Side, key: int, info: FieldInfo | None
) -> Iterator[Value]:
    for each in samples:
        entry = each[side].get(str(key))
        if isinstance(entry, list) and len(entry) == 2 and entry[1] is not None:
            try:
                yield parse(entry[1], info)
            except Rejected:
                continue


def _shown(each: Failing) -> tuple[str, str | None]:
    """A value and what came back; None where it did not get there."""
    return str(each.value), None if each.failure is not None else "" if each.returned is None else str(
        each.returned
    )
